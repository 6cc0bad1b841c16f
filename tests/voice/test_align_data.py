"""Batches of the aligner: a silence after every word, features that do not know their padding."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from synctalk.voice.align_data import Sounds, SpokenClip, SpokenClips, survey_sound
from synctalk.voice.aligner import PADDING, QUIET
from synctalk.voice.corpus import open_corpus
from synctalk.voice.forward_sum import log_prior
from synctalk.voice.units import utter_clip
from synctalk.voice.utterance import Utterance
from tests.voice.lettered import LETTERS, write_lettered


@pytest.fixture
def data(tmp_path: Path) -> SpokenClips:
    write_lettered(tmp_path / "voice")
    corpus, samples = open_corpus(tmp_path / "voice")
    clips = [SpokenClip(clip, utter_clip(clip, "letters")) for clip in corpus.clips]
    acoustics = survey_sound(clips, samples, rate_hz=corpus.rate_hz)
    return SpokenClips(clips, Sounds.of(clips), samples, acoustics, rate_hz=corpus.rate_hz)


def test_each_word_is_followed_by_a_silence(data: SpokenClips) -> None:
    batch = data.load([0, 1], [0, 0])
    a, d, h, n, o, s = (LETTERS.index(letter) + QUIET + 1 for letter in LETTERS)
    quiet = QUIET
    assert batch["sounds"][0].tolist() == [
        quiet, d, a, quiet, s, o, quiet, n, a, h, quiet, *[PADDING] * (batch["sounds"].shape[1] - 11),
    ]  # fmt: skip
    assert batch["sound_count"].tolist() == [11, 14]


def test_a_clip_is_the_same_in_every_batch(data: SpokenClips) -> None:
    alone, beside = data.load([0], [0]), data.load([0, 1], [0, 0])
    frames, sounds = int(alone["frame_count"]), int(alone["sound_count"])
    assert frames == data.lengths[0]
    assert torch.equal(beside["features"][0, :, :frames], alone["features"][0])
    assert torch.equal(beside["prior"][0, :sounds, :frames], alone["prior"][0])


def test_by_the_prior_silences_take_no_time(data: SpokenClips) -> None:
    batch = data.load([0], [0])
    places = torch.tensor([0, 0, 1, 1.5, 2, 3, 3.5, 4, 5, 6, 6])
    assert torch.equal(batch["prior"][0], log_prior(places, data.lengths[0], concentration=0.2))


def test_stress_makes_no_other_sound() -> None:
    sounds = Sounds(("AH", "N"))
    assert len(sounds) == 4
    (one,) = {tuple(sounds.encode(said).tolist()) for said in map(spoken, (["AH0", "N"], ["AH1", "N"]))}
    assert one == (QUIET, 2, 3, QUIET)


def spoken(word: list[str]) -> Utterance:
    return Utterance((tuple(word),), ((), ()))
