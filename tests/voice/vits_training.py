"""Small VITS trainings, asked for as the runner does."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pytest
from transformers import VitsConfig

from synctalk.config import load_settings
from synctalk.files import never
from synctalk.pipeline.stage import StageContext
from synctalk.voice.corpus import Corpus, write_corpus
from synctalk.voice.vits import WIDTHS, Width
from synctalk.workspace import Workspace
from tests.pictures import LOSSES, VOICE_REPORT, drawn_once
from tests.stage_context import stage_context
from tests.voice.conftest import TINY

NARROW = Width(16, 32, 32)
TEXTS = ["one two three.", "four, five", "six and seven", "eight?"]
SMALL = {
    "vits.size": "draft", "vits.epochs": 2, "vits.batch_size": 2, "vits.segment_samples": 2048,
    "voice.sample_text": "", "runtime.device": "cpu",
}  # fmt: skip
_DEPTH = (
    "num_hidden_layers", "duration_predictor_num_flows", "prior_encoder_num_flows", "prior_encoder_num_wavenet_layers",
    "posterior_encoder_num_wavenet_layers", "resblock_kernel_sizes", "resblock_dilation_sizes",
)  # fmt: skip


@contextlib.contextmanager
def narrow_networks() -> Iterator[None]:
    """Networks that a test can train, as deep as published, and pictures drawn once."""
    with drawn_once(LOSSES, VOICE_REPORT), pytest.MonkeyPatch.context() as patch:
        patch.setitem(WIDTHS, "draft", NARROW)
        yield


@contextlib.contextmanager
def small_networks() -> Iterator[None]:
    """The same with few layers, for tests of something else: every save and every look reads each tensor."""
    with narrow_networks(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("synctalk.voice.vits.VitsConfig", partial(VitsConfig, **{name: TINY[name] for name in _DEPTH}))
        yield


def vits_context(
    workspace: Workspace,
    corpus: Corpus,
    overrides: Mapping[str, Any],
    *,
    should_stop: Callable[[], bool] = never,
) -> StageContext:
    """The context of a `SMALL` training on clips of noise, which are prepared when nothing is."""
    if not workspace.voice.exists():
        workspace.voice.mkdir(parents=True)
        noise = 3000 * np.random.default_rng(0).standard_normal(sum(clip.samples for clip in corpus.clips))
        np.save(workspace.voice / "audio.npy", noise.astype(np.int16))
        write_corpus(workspace.voice, corpus)
    return stage_context(
        workspace,
        load_settings(workspace.settings_file, overrides={**SMALL, **overrides}),
        stage="vits",
        should_stop=should_stop,
    )


def stopped_after(steps: int) -> Callable[[], bool]:
    """Says so once: when it is asked for the so-manyth time."""
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return asked == steps

    return should_stop
