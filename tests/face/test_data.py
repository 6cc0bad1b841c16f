"""Samples: whole clips, references away from them, wrong sounds that are wrong, and nothing random but by seed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synctalk.config import SAMPLES_PER_FRAME
from synctalk.errors import InputError
from synctalk.face import data
from synctalk.face.audio_track import FeatureTrack, MelTrack
from synctalk.face.data import (
    CLIP_FRAMES,
    FARTHEST_SHIFT,
    MASK_LEVELS,
    NEAREST_SHIFT,
    REFERENCE_GAP,
    SYNC_MELS,
    MouthClips,
    SyncClips,
    clip_starts,
    moved,
    standard_lips,
)
from synctalk.face.recording import Recording
from synctalk.media.mel import MEL_FLOOR, mel_spectrogram

SIZE = 32
FRAMES = 300


def record(frames: int = FRAMES, *, faceless: slice = slice(0)) -> Recording:
    """A recording whose crops show their own number; loud, unsteady noise, silent in its middle fifth."""
    random = np.random.default_rng(0)
    loudness = np.repeat(10 ** random.uniform(-3, -0.7, frames), SAMPLES_PER_FRAME)
    samples = (loudness * random.normal(size=frames * SAMPLES_PER_FRAME)).astype(np.float32)
    speech = np.ones(frames, bool)
    speech[2 * frames // 5 : 3 * frames // 5] = False
    samples[~np.repeat(speech, SAMPLES_PER_FRAME)] = 0
    points = random.uniform(0, SIZE, (frames, 478, 2)).astype(np.float32)
    points[faceless] = np.nan
    crops = np.zeros((frames, SIZE, SIZE, 3), np.uint8)
    crops[..., 0] = (np.arange(frames) % 256)[:, None, None]
    crops[..., 1] = (np.arange(frames) // 256)[:, None, None]
    mel = mel_spectrogram(samples)
    return Recording(crops, points, mel, mel, speech, samples)


def number(crops: torch.Tensor) -> np.ndarray:
    """The frame numbers that crops show."""
    pixel = crops[..., SIZE // 2, SIZE // 2, :].numpy().astype(int)
    return pixel[..., 0] + 256 * pixel[..., 1]


def clips(recording: Recording, *, is_held_out: bool = False) -> MouthClips:
    track = MelTrack(recording.mel, 24)
    return MouthClips(recording, track, track, is_held_out=is_held_out)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return record()


def test_a_batch_of_mouths_has_these_shapes(recording: Recording):
    batch = clips(recording).load([0, 5, 7], [1, 2, 3])
    assert {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in batch.items()} == {
        "target": ((3, CLIP_FRAMES, SIZE, SIZE, 3), torch.uint8),
        "reference": ((3, SIZE, SIZE, 3), torch.uint8),
        "audio": ((3, CLIP_FRAMES, 80, 24), torch.float32),
        "sync_mel": ((3, 80, SYNC_MELS), torch.float32),
        "lips": ((3, CLIP_FRAMES, 82), torch.float32),
        "mask_level": ((3,), torch.int64),
    }


def test_held_out_batches_also_hold_a_sound_from_elsewhere(recording: Recording):
    samples = clips(recording, is_held_out=True)
    batch = samples.load([0, 1], [1, 2])
    assert (batch["wrong_audio"] != batch["audio"]).any()
    assert batch["wrong_audio"].shape == batch["audio"].shape


@pytest.mark.parametrize("is_held_out", [False, True])
def test_clips_lie_wholly_in_their_part_and_show_every_frame_of_it(recording: Recording, is_held_out: bool):
    samples = clips(recording, is_held_out=is_held_out)
    seen = set()
    for seed in range(12):
        frames = number(samples.load(range(len(samples)), [seed] * len(samples))["target"])
        assert (np.diff(frames, axis=1) == 1).all()
        seen |= set(frames.ravel().tolist())
    first = recording.first_held_out
    part = range(first, FRAMES) if is_held_out else range(first)
    assert seen <= set(part)
    assert is_held_out or seen == set(part)
    assert first == FRAMES * 10 // 11


@given(st.integers(0, 10_000), st.integers(0, 2**63 - 1))
@settings(max_examples=30)
def test_a_reference_is_never_near_its_clip_nor_held_out(index: int, seed: int):
    recording = record()
    samples = clips(recording)
    start, reference = samples.reference_of(index % len(samples), seed)
    assert abs(reference - (start + CLIP_FRAMES // 2)) > REFERENCE_GAP
    assert reference < recording.first_held_out
    batch = samples.load([index % len(samples)], [seed])
    assert number(batch["reference"])[0] == reference
    assert number(batch["target"])[0, 0] == start


def test_frames_without_a_face_are_in_no_clip():
    recording = record(faceless=slice(100, 137))
    samples = clips(recording)
    for seed in range(8):
        batch = samples.load(range(len(samples)), [seed] * len(samples))
        frames = number(batch["target"])
        assert not ((frames >= 100) & (frames < 137)).any()
        assert torch.isfinite(batch["lips"]).all()


@pytest.mark.parametrize("faceless", [slice(0, 273), slice(4, 270)])
def test_a_part_without_a_whole_clip_is_refused_with_advice(faceless: slice):
    recording = record(faceless=faceless)
    with pytest.raises(InputError, match="consecutive frames with a face") as caught:
        for is_held_out in (False, True):
            clip_starts(recording, is_held_out=is_held_out)
    assert "synctalk check" in caught.value.hint


@pytest.mark.parametrize("is_held_out", [False, True])
def test_a_sample_is_a_function_of_its_number_and_seed(recording: Recording, is_held_out: bool):
    for samples in (clips(recording, is_held_out=is_held_out), SyncClips(recording, is_held_out=is_held_out)):
        alone = samples.load([2], [7])
        among = samples.load([1, 2, 3], [5, 7, 9])
        for name in alone:
            assert torch.equal(alone[name][0], among[name][1])
        other = samples.load([2], [8])
        assert all(torch.equal(alone[name], other[name]) for name in alone) == is_held_out


def test_silence_is_seen_a_little_more_often_than_it_is_there():
    recording = record()
    samples = clips(recording)
    ordinary = -(-(recording.first_held_out - CLIP_FRAMES + 1) // CLIP_FRAMES)
    extra = len(samples) - ordinary
    assert 0 < extra <= ordinary // 10
    frames = number(samples.load(range(ordinary, len(samples)), [1] * extra)["target"])
    assert not recording.speech[frames].any()


def test_features_made_beforehand_are_passed_on_as_they_are(recording: Recording):
    rows = np.arange(FRAMES, dtype=np.float32)[:, None, None] * np.ones((1, 2, 3), np.float32)
    samples = MouthClips(recording, FeatureTrack(rows), FeatureTrack(-rows), is_held_out=False)
    batch = samples.load(range(20), range(20))
    heard = batch["audio"][..., 0, 0].numpy()
    assert (np.abs(heard) == number(batch["target"])).all()
    assert (heard < 0).any()
    assert (heard > 0).any()


def test_the_hidden_part_has_all_its_sizes(recording: Recording):
    samples = clips(recording)
    levels = samples.load(range(len(samples)), range(len(samples)))["mask_level"]
    assert set(levels.tolist()) == set(range(MASK_LEVELS))
    held_out = clips(recording, is_held_out=True)
    assert held_out.load([0], [0])["mask_level"].tolist() == [0]


def test_a_batch_of_sounds_has_these_shapes(recording: Recording):
    batch = SyncClips(recording, is_held_out=False).load([0, 5, 7], [1, 2, 3])
    count = 1 + data.WRONG_SOUNDS
    assert {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in batch.items()} == {
        "frames": ((3, CLIP_FRAMES, SIZE, SIZE, 3), torch.uint8),
        "mels": ((3, count, 80, SYNC_MELS), torch.float32),
        "weight": ((3, count), torch.float32),
        "variation": ((3, 4), torch.float32),
    }


@pytest.fixture(scope="module")
def long_recording() -> Recording:
    return record(2 * FRAMES)


@given(seed=st.integers(0, 2**32), is_held_out=st.booleans(), start=st.integers(0, FRAMES))
def test_a_wrong_sound_is_never_the_right_one_nor_from_the_other_part(
    long_recording: Recording, seed: int, is_held_out: bool, start: int
):
    recording, frames = long_recording, 2 * FRAMES
    first = recording.first_held_out
    start = first + start % (frames - first - CLIP_FRAMES + 1) if is_held_out else start % (first - CLIP_FRAMES + 1)
    shifts = SyncClips(recording, is_held_out=is_held_out).shifts(start, np.random.default_rng(seed))
    assert shifts[0] == 0
    used = shifts[1:][shifts[1:] != 0]
    assert (np.abs(used) >= NEAREST_SHIFT).all()
    assert (np.abs(used) <= FARTHEST_SHIFT).all()
    lowest, highest = (first, frames) if is_held_out else (0, first)
    assert (start + used >= lowest).all()
    assert (start + used + CLIP_FRAMES <= highest).all()
    assert is_held_out or len(used) == data.WRONG_SOUNDS


def test_a_short_held_out_part_borrows_wrong_sounds(recording: Recording):
    samples = SyncClips(recording, is_held_out=True)
    shifts = samples.shifts(recording.first_held_out, np.random.default_rng(0))
    assert (shifts[1:] < 0).sum() == 4


def test_silence_for_silence_is_not_held_against_the_sync_net(recording: Recording):
    samples = SyncClips(recording, is_held_out=False)
    batch = samples.load(range(len(samples)), range(len(samples)))
    starts = number(batch["frames"])[:, 0]
    assert (batch["weight"][:, 0] == 1).all()
    deep_silence = (starts > 2 * FRAMES // 5 + 25) & (starts < 3 * FRAMES // 5 - 25)
    assert deep_silence.any()
    assert (batch["weight"][deep_silence, 1:] == 0).all()
    assert (batch["weight"][starts < 60, 1:] == 1).all()


@given(st.integers(0, 2**32))
def test_a_clip_is_moved_as_a_whole_and_little(seed: int):
    random = np.random.default_rng(1)
    picture = random.integers(0, 255, (SIZE, SIZE, 3)).astype(np.uint8)
    clip = moved(np.stack([picture] * 3), np.random.default_rng(seed))
    assert clip.shape == (3, SIZE, SIZE, 3)
    assert clip.dtype == np.uint8
    assert (clip == clip[:1]).all()
    dot = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    dot[0, 15:17, 15:17] = 255
    place = np.argwhere(moved(dot, np.random.default_rng(seed))[0, ..., 0] > 60).mean(axis=0)
    assert np.abs(place - 15.5).max() < 2.5


def test_lips_are_standardised_on_the_training_part_alone(recording: Recording):
    lips = standard_lips(recording)[: recording.first_held_out]
    assert abs(lips.mean()) < 1e-3
    assert 0.8 < lips.std() < 1.2
    changed = replace(recording, points=recording.points.copy())
    changed.points[recording.first_held_out :] += 1000
    assert np.allclose(standard_lips(changed)[: recording.first_held_out], lips)


def test_gated_sound_is_heard_about_half_of_the_time(recording: Recording):
    silent = MelTrack(np.full_like(recording.mel, MEL_FLOOR), 24)
    samples = MouthClips(recording, MelTrack(recording.mel, 24), silent, is_held_out=False)
    batch = samples.load(range(20), range(20))  # the first 100 frames are loud
    share = (batch["audio"] == MEL_FLOOR).all(dim=3).all(dim=2).float().mean().item()
    assert 0.2 < share < 0.8
