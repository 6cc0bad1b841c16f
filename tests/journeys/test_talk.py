"""A text becomes a video in which a face says it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from synctalk.face.provenance import read_provenance
from synctalk.media.encode import read_metadata
from synctalk.media.video import probe
from synctalk.voice.trained import TrainedVoice
from synctalk.workspace import Workspace
from tests.voice.conftest import facts_of, quiet_model
from tests.voice.test_trained import save


@pytest.fixture
def place(make_place, finished):
    """A finished face, and a voice of another dataset."""
    place = make_place()
    for folder in ("dataset", "checkpoint"):
        for path in (finished.root / folder / "anna").rglob("*"):
            target = place.root / path.relative_to(finished.root)
            if path.is_file() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(path, target)
    facts = facts_of()
    voice = TrainedVoice(facts, quiet_model(facts), "ben", "best.pth, epoch 3")
    save(Workspace(place.root, "ben"), voice)
    return place


def test_a_face_says_a_text_with_the_voice_of_another_dataset(place, call_here) -> None:
    out = place.root / "said.mp4"
    ended = call_here(
        *place.command("talk", "anna", "--voice", "ben", "--text", "Hello there.", "--seed", "1", "--out", str(out))
    )
    assert ended.returncode == 0, ended.stderr
    facts = probe(out)
    assert facts.duration_s > 0.5
    assert facts.has_audio
    assert "s of speech" in ended.stderr
    assert "synthetic" in read_metadata(out)["comment"].lower()
    assert read_provenance(out)["voice"] == "ben, vits/best.pth, epoch 3"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["anna", "--text", "Hello."], "no trained voice"),
        (["ben", "--voice", "ben", "--text", "Hello."], "no trained face"),
        (["anna", "--voice", "ben", "--text", "  "], "nothing to say"),
        (["anna", "--voice", "ben", "--text", "Hello.", "--out", "said.wav"], "not the name of a video"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_written(place, call_here, words, told) -> None:
    ended = call_here(*place.command("talk", *words))
    assert ended.returncode == 2, ended.stderr
    assert told in ended.stderr
    assert not list(Path(place.root).glob("result/*.mp4"))
