"""What a voice learns corrections from: shares, chance as a function, and nothing that is held out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from synctalk.errors import InputError
from synctalk.training.sampler import Sampler
from synctalk.voice.corpus import Clip, Corpus
from synctalk.voice.feedback_data import ReplayedClips, without_corrected
from synctalk.voice.vits_data import VitsClips

LENGTH = 600


def corpus_of(texts: list[str], held_out: tuple[int, ...] = (), *, level: int = 0) -> tuple[Corpus, np.ndarray]:
    """Each clip is one number, `level` plus its place, over and over."""
    clips = tuple(
        Clip(name=f"clip {n}", text=text, start=LENGTH * n, samples=LENGTH, is_held_out=n in held_out)
        for n, text in enumerate(texts)
    )
    samples = np.repeat(np.arange(len(texts)) + level, LENGTH).astype(np.int16)
    return Corpus(rate_hz=16_000, language="en_US", clips=clips), samples


def clips_of(texts: list[str], held_out: tuple[int, ...] = (), *, level: int = 0) -> VitsClips:
    return VitsClips(*corpus_of(texts, held_out, level=level), is_held_out=False)


def levels(batch) -> list[int]:
    """Which clip each sample of a batch is."""
    return [round(float(wave[0]) * 32_768) for wave in batch["wave"]]


def epoch_of(data: ReplayedClips, epoch: int, *, start: int = 0) -> list[int]:
    draws = Sampler(7, "feedback", 3).training(len(data), epoch=epoch, start=start)
    return [level for draw in draws for level in levels(data.load(draw.indices, draw.seeds))]


@given(corrections=some.integers(1, 40), replay=some.floats(0, 0.95))
def test_the_share_of_replayed_clips_is_as_asked(corrections: int, replay: float) -> None:
    data = ReplayedClips(clips_of(["a"] * corrections), clips_of(["b"] * 3), replay=replay)
    assert replay <= data.replayed / len(data) < replay + 1 / len(data) + 1e-9
    assert len(data) == corrections + data.replayed


@given(replay=some.floats(0.1, 0.95), held_out=some.sets(some.integers(0, 8), max_size=8))
def test_every_correction_comes_once_and_held_out_clips_never(replay: float, held_out: set[int]) -> None:
    original = clips_of(["b"] * 9, tuple(held_out), level=100)
    data = ReplayedClips(clips_of(["a"] * 5), original, replay=replay)
    for epoch in range(3):
        seen = epoch_of(data, epoch)
        assert sorted(level for level in seen if level < 100) == [0, 1, 2, 3, 4]
        assert not {level - 100 for level in seen} & held_out


def test_replay_is_another_in_every_epoch_and_the_same_from_any_step_on() -> None:
    data = ReplayedClips(clips_of(["a"] * 6), clips_of(["b"] * 50, level=100), replay=0.5)
    replayed = [sorted(level for level in epoch_of(data, epoch) if level >= 100) for epoch in range(2)]
    assert replayed[0] != replayed[1]
    assert epoch_of(data, 0) == epoch_of(data, 0)
    assert epoch_of(data, 0)[6:] == epoch_of(data, 0, start=2)


def test_without_clips_to_replay_the_corrections_are_alone() -> None:
    assert len(ReplayedClips(clips_of(["a"] * 4), clips_of(["b"], (0,)), replay=0.9)) == 4


def test_batches_are_those_of_the_training() -> None:
    clips = clips_of(["one", "three four"])
    data = ReplayedClips(clips, clips, replay=0.5)
    mixed, plain = data.load([0, 1], [0, 0]), clips.load([0, 1], [0, 0])
    assert mixed.keys() == plain.keys()
    assert all(torch.equal(mixed[name], plain[name]) for name in plain)


def test_a_corrected_sound_and_a_corrected_held_out_text_are_taken_out() -> None:
    corpus, samples = corpus_of(["one", "two", "Three!", "four"], held_out=(2, 3))
    corrections, corrected = corpus_of(["says one", "three!"], level=0)
    kept = without_corrected(corpus, samples, corrections, corrected)
    assert [clip.name for clip in kept.clips] == ["clip 3"]
    others, other_sounds = corpus_of(["says one"], level=50)
    assert without_corrected(corpus, samples, others, other_sounds) == corpus


def test_when_nothing_is_left_to_compare_by_it_is_told() -> None:
    corpus, samples = corpus_of(["one", "two"], held_out=(1,))
    with pytest.raises(InputError, match="no held-out text is left") as refused:
        without_corrected(corpus, samples, *corpus_of(["two"], level=50))
    assert "prepare.held_out" in refused.value.hint
