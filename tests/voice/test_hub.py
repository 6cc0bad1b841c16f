"""A voice named as on the Hugging Face hub: found without a network, downloaded by a run alone, or explained."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from synctalk import lines
from synctalk.config import Settings, load_settings
from synctalk.errors import InputError
from synctalk.voice.hf_folder import write_hf_folder
from synctalk.voice.hub import CONFIG, DISCRIMINATOR, WEIGHTS, cached_files, fetch_voice, is_hub_name, voice_folder
from synctalk.workspace import Workspace
from tests.voice.conftest import babble, facts_of, quiet_model, text_for, write_sound
from tests.voice.hub_place import REVISION, Hub, lay_into_cache, serving, use_cache, use_hub

NAME = "facebook/mms-tts-eng"
FILES = {
    "config.json": b"{}", "model.safetensors": b"weights", "vocab.json": b"{}", "tokenizer_config.json": b"{}"
}  # fmt: skip


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no network, and a folder to work in."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return use_cache(monkeypatch, tmp_path / "home")


@pytest.fixture
def hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that has the voice, and more in it than is needed."""
    hub = Hub(cache, {NAME: {**FILES, "pytorch_model.bin": b"a pickle", "README.md": b"read me"}})
    with serving(hub):
        use_hub(monkeypatch, hub)
        yield hub


def settings_of(initial: str) -> Settings:
    return load_settings(Path("none.toml"), overrides={"vits.initial": initial})


def inputs_of(initial: str) -> dict[str, Path]:
    return dict(lines.VITS.inputs(Workspace(Path(), "anna"), settings_of(initial)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (NAME, True), ("a/b.c_d", True), ("mms-tts-eng", False), ("./voices/mms", False), ("../mms", False),
        ("~/mms", False), ("/voices/mms", False), ("voices/of/anna", False), ("a b/c", False), ("a/", False),
        ("", False), ("a/..", False),
    ],
)  # fmt: skip
def test_a_name_has_an_owner_and_a_voice(cache: Path, text: str, *, expected: bool) -> None:
    assert is_hub_name(text) is expected


def test_a_path_that_exists_always_wins(cache: Path) -> None:
    lay_into_cache(cache, NAME, FILES)
    folder = Path(NAME)
    folder.mkdir(parents=True)
    (folder / CONFIG).write_bytes(b"mine")
    assert voice_folder(NAME) == folder
    assert inputs_of(NAME) == {f"vits.initial/{CONFIG}": folder / CONFIG}
    assert lines.VITS.absent(settings_of(NAME)) == []


@pytest.mark.parametrize("text", ["./voices/mms", "~/mms", "/nowhere/mms", "voices/of/anna", "mms"])
def test_a_path_that_does_not_exist_is_still_refused(cache: Path, text: str) -> None:
    with pytest.raises(InputError, match="does not exist"):
        inputs_of(text)


def test_the_cache_is_enough(cache: Path) -> None:
    snapshot = lay_into_cache(cache, NAME, {**FILES, "pytorch_model.bin": b"a pickle"})
    assert voice_folder(NAME) == snapshot
    assert inputs_of(NAME) == {f"vits.initial/{file}": snapshot / file for file in FILES}
    assert lines.VITS.absent(settings_of(NAME)) == []


def test_of_what_is_in_the_cache_the_named_revision_counts(cache: Path) -> None:
    lay_into_cache(cache, NAME, FILES)
    newer = lay_into_cache(cache, NAME, {**FILES, WEIGHTS: b"others"}, revision="f" * 40)
    assert voice_folder(NAME) == newer
    assert cache / "models--facebook--mms-tts-eng" / "refs" / "main" in lines.named_paths(settings_of(NAME))


def test_a_snapshot_without_its_weights_is_not_enough(cache: Path) -> None:
    lay_into_cache(cache, NAME, {file: content for file, content in FILES.items() if file != WEIGHTS})
    assert cached_files(NAME) == {}
    assert inputs_of(NAME) == {}
    assert lines.VITS.absent(settings_of(NAME)) == [NAME]
    with pytest.raises(InputError, match="not on this machine"):
        voice_folder(NAME)


def test_only_what_is_needed_is_downloaded_and_only_once(hub: Hub) -> None:
    fetch_voice(NAME)
    assert {file: path.read_bytes() for file, path in cached_files(NAME).items()} == FILES
    assert voice_folder(NAME).name == REVISION
    assert not [path for path in hub.asked if path.endswith((".bin", ".md"))]
    assert all("/resolve/" in path for path in hub.asked)  # nothing is told about who asks
    before = len(hub.asked)
    assert lines.VITS.absent(settings_of(NAME)) == []
    assert inputs_of(NAME)
    assert len(hub.asked) == before


def test_a_discriminator_is_downloaded_where_there_is_one(hub: Hub) -> None:
    hub.voices[NAME][DISCRIMINATOR] = b"judge"
    fetch_voice(NAME)
    assert cached_files(NAME)[DISCRIMINATOR].read_bytes() == b"judge"


def test_pickled_weights_are_not_read(hub: Hub) -> None:
    del hub.voices[NAME][WEIGHTS]
    with pytest.raises(InputError, match="no voice in the Hugging Face layout") as refused:
        fetch_voice(NAME)
    assert "pickled weights are not read" in refused.value.hint
    assert not [path for path in hub.asked if path.endswith(".bin")]


def test_a_name_that_the_hub_does_not_have_is_explained(hub: Hub) -> None:
    with pytest.raises(InputError, match="cannot be downloaded") as refused:
        fetch_voice("facebook/mms-tts-enk")
    assert "--set vits.initial=mms-tts-enk" in refused.value.hint


@pytest.mark.parametrize(
    "how",
    ["offline", pytest.param("nobody answers", marks=pytest.mark.slow)],  # the library asks for half a minute
)
def test_without_a_network_it_says_how_to_go_on(hub: Hub, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    from huggingface_hub import constants

    if how == "offline":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    else:
        nobody = Hub(hub.cache, address="http://127.0.0.1:9")  # the port of `discard`; nobody listens
        use_hub(monkeypatch, nobody)
    with pytest.raises(
        InputError, match="not in the cache of the Hugging Face hub, and cannot be downloaded"
    ) as refused:
        fetch_voice(NAME)
    assert hub.asked == []
    for part in (f"hf download {NAME} {' '.join(FILES)} --local-dir mms-tts-eng", "--set vits.initial=mms-tts-eng"):
        assert part in refused.value.hint


def test_a_name_that_cannot_be_one_is_explained(cache: Path) -> None:
    assert lines.VITS.absent(settings_of("a/b--c")) == ["a/b--c"]
    with pytest.raises(InputError, match="cannot be downloaded"):
        fetch_voice("a/b--c")


@pytest.mark.slow  # a training, and programs that load the libraries
def test_a_voice_is_trained_from_its_name_and_stays_finished_without_a_network(hub: Hub, tmp_path: Path) -> None:
    facts = facts_of(sampling_rate=16_000)
    published = tmp_path / "published"
    published.mkdir()
    write_hf_folder(published, facts, quiet_model(facts), name="published")
    hub.voices[NAME] = {path.name: path.read_bytes() for path in published.iterdir()}
    for number in range(4):
        write_sound(tmp_path / "recordings" / "wavs" / f"{number}.wav", babble(0.8, seed=number))
    lines_of_text = "".join(f"{number}|{text_for(0.8, seed=number)}\n" for number in range(4))
    (tmp_path / "recordings" / "metadata.csv").write_text(lines_of_text)
    settings = (
        f"vits.initial={NAME}", "prepare.rate_hz=16000", "vits.size=draft", "vits.epochs=1",
        "vits.segment_samples=2048", "runtime.device=cpu", "voice.sample_text=",
    )  # fmt: skip
    words = ["anna", "--root", str(tmp_path), "--line", "voice", *(w for each in settings for w in ("--set", each))]
    here = {**os.environ, **hub.environment(tmp_path / "home")}
    away = {**here, "HF_ENDPOINT": "http://127.0.0.1:9"}

    def synctalk(environment: dict[str, str], command: str, *more: str) -> subprocess.CompletedProcess[str]:
        command_line = [sys.executable, "-m", "synctalk", command, *words, *more]
        return subprocess.run(command_line, env=environment, capture_output=True, text=True, check=False)

    Workspace(tmp_path, "anna").dataset.mkdir(parents=True)
    shutil.move(tmp_path / "recordings", tmp_path / "dataset" / "anna" / "recordings")
    planned = synctalk(away, "explain")
    assert f"it never ran; {NAME} is not on this machine" in planned.stdout
    refused = synctalk({**away, "HF_HUB_OFFLINE": "1"}, "run")
    assert (refused.returncode, hub.asked) == (2, [])
    assert "--set vits.initial=mms-tts-eng" in refused.stderr
    trained = synctalk(here, "run")
    assert trained.returncode == 0, trained.stderr
    assert f"it starts from {NAME}, revision {REVISION}" in trained.stderr
    assert [line.split()[1] for line in synctalk(away, "explain").stdout.splitlines()] == ["skip"] * 3
    shutil.rmtree(hub.cache)
    assert f"vits         resume  {NAME} is not on this machine" in synctalk(away, "explain").stdout
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in FILES:
        shutil.copy(published / file, copy)
    told = synctalk(away, "explain", "--set", f"vits.initial={copy}").stdout
    assert [line.split()[1] for line in told.splitlines()] == ["skip"] * 3
