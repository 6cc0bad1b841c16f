"""Batches of the transformer voice: frames that fit the spectrograms, and padding quieter than silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from synctalk.voice.aligned import AlignedCorpus, align
from synctalk.voice.corpus import open_corpus
from synctalk.voice.gridfiles import find_textgrids
from synctalk.voice.kokoro_data import BEYOND_END, KokoroClips
from synctalk.voice.mel import mel_spectrogram
from tests.voice.spoken import RATE_HZ, write_spoken


@pytest.fixture
def prepared(tmp_path: Path) -> tuple[AlignedCorpus, np.ndarray]:
    write_spoken(tmp_path / "voice", tmp_path / "recordings" / "textgrids")
    corpus, samples = open_corpus(tmp_path / "voice")
    return align(corpus, find_textgrids(tmp_path / "recordings")), samples


@pytest.fixture
def clips(prepared: tuple[AlignedCorpus, np.ndarray]) -> KokoroClips:
    aligned, samples = prepared
    return KokoroClips(aligned.clips, aligned.tokens, samples, rate_hz=RATE_HZ)


def test_frames_of_the_tokens_are_the_frames_of_the_spectrogram(clips: KokoroClips) -> None:
    batch = clips.load([0, 1, 2, 3], [0, 0, 0, 0])
    assert torch.equal(batch["frames"].sum(dim=1), batch["frame_count"])
    assert batch["mel"].shape == (4, 80, int(batch["frame_count"].max()))
    assert torch.equal(
        batch["tokens"] != 0, torch.arange(batch["tokens"].shape[1]) < torch.tensor([[8], [8], [8], [7]])
    )
    for mel, count in zip(batch["mel"], batch["frame_count"], strict=True):
        assert (mel[:, count:] == BEYOND_END).all()
        assert mel[:, :count].min() > BEYOND_END


def test_a_sample_is_the_clip_it_is_named_for_whatever_it_is_batched_with(
    clips: KokoroClips, prepared: tuple[AlignedCorpus, np.ndarray]
) -> None:
    clip = prepared[0].clips[2].clip
    sound = prepared[1][clip.start : clip.start + clip.samples] / np.float32(32_768)
    expected = mel_spectrogram(torch.from_numpy(sound)[None], rate_hz=RATE_HZ)[0]
    for indices in ([2], [2, 0], [2, 1, 3]):
        batch = clips.load(indices, [9] * len(indices))
        assert torch.equal(batch["mel"][0, :, : expected.shape[1]], expected)
        assert batch["frame_count"][0] == expected.shape[1]


def test_each_phone_is_heard_in_its_frames(clips: KokoroClips, prepared: tuple[AlignedCorpus, np.ndarray]) -> None:
    batch = clips.load([0], [0])
    place, heard = 0, {}
    for token, frames in zip(prepared[0].clips[0].timed.tokens, prepared[0].clips[0].timed.frames, strict=True):
        middle = batch["mel"][0, :, place + frames // 2]
        heard.setdefault(token, []).append((int(middle.argmax()), float(middle.max())))
        place += frames
    assert len({band for band, _ in heard["IY1"]}) == 1
    assert heard["IY1"][0][0] < heard["S"][0][0]  # 300 Hz and 1350 Hz
    assert all(loudness < -8 for _, loudness in heard["<silence>"] + heard[","] + heard["."])
