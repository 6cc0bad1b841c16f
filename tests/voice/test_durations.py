"""Lengths of tokens: exact sums for any boundaries, and punctuation that is the pause it stands for."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from synctalk.errors import InputError
from synctalk.voice.durations import frames_between, time_tokens
from synctalk.voice.phones import PUNCTUATION, SILENCE
from synctalk.voice.textgrid import TextGrid, read_textgrid
from tests.voice.grids import HELLO, grid_of

RATE_HZ = 25_600  # one frame is 10 ms


def timed(text: str, grid: TextGrid = HELLO, *, offset_s: float = 0.0, length_s: float = 1.5) -> list[tuple[str, int]]:
    result = time_tokens(grid, text, offset_s=offset_s, samples=round(length_s * RATE_HZ), rate_hz=RATE_HZ)
    return list(zip(result.tokens, result.frames, strict=True))


@given(
    lengths_s=st.lists(st.floats(0, 3), min_size=1, max_size=30),
    offset_s=st.floats(0, 2),
    frames=st.integers(1, 2000),
    rate_hz=st.sampled_from([16_000, 22_050]),
)
def test_lengths_add_up_exactly_and_none_is_negative(
    lengths_s: list[float], offset_s: float, frames: int, rate_hz: int
) -> None:
    bounds_s = [sum(lengths_s[:count]) - offset_s for count in range(len(lengths_s) + 1)]
    lengths = frames_between(bounds_s, rate_hz=rate_hz, frames=frames)
    assert lengths.sum() == frames
    assert (lengths >= 0).all()


@given(lengths_s=st.lists(st.floats(0.03, 1), min_size=1, max_size=30), rate_hz=st.sampled_from([16_000, 22_050]))
def test_no_boundary_is_off_by_more_than_half_a_frame(lengths_s: list[float], rate_hz: int) -> None:
    bounds_s = [sum(lengths_s[:count]) for count in range(len(lengths_s) + 1)]
    lengths = frames_between(bounds_s, rate_hz=rate_hz, frames=int(bounds_s[-1] * rate_hz) // 256)
    for count in range(1, len(lengths_s)):
        assert abs(lengths[:count].sum() - bounds_s[count] * rate_hz / 256) <= 0.5 + 1e-9


def test_a_comma_takes_the_place_of_the_pause_and_a_full_stop_that_of_the_end() -> None:
    assert timed("Hello, world.") == [
        (SILENCE, 20), ("HH", 10), ("AH0", 10), ("L", 10), ("OW1", 10), (",", 30), ("W", 10), ("ER1", 20), ("L", 10),
        ("D", 10), (".", 10),
    ]  # fmt: skip


def test_pauses_without_a_mark_stay_silences() -> None:
    assert [pair for pair in timed("hello world") if pair[0] == SILENCE] == [
        (SILENCE, 20),
        (SILENCE, 30),
        (SILENCE, 10),
    ]


def test_of_several_marks_the_first_lasts_and_marks_without_a_pause_last_nothing() -> None:
    grid = grid_of([("a", 0.5), ("b", 0.5)], [("AH0", 0.5), ("B", 0.2), ("IY1", 0.3)])
    assert timed('"a", (b)!"', grid, length_s=1.0) == [
        ('"', 0), ("AH0", 50), ('"', 0), (",", 0), ("(", 0), ("B", 20), ("IY1", 30), (")", 0), ("!", 0), ('"', 0),
    ]  # fmt: skip
    assert timed('"Hello"; world', length_s=1.5)[:2] == [(SILENCE, 20), ('"', 0)]
    assert [pair for pair in timed('"Hello"; world') if pair[0] in PUNCTUATION] == [('"', 0), ('"', 30), (";", 0)]


def test_words_that_the_aligner_wrote_otherwise_keep_their_marks_in_place() -> None:
    assert timed("Hallo, world.") == timed("Hello, world.")
    assert timed("Hello 2, world.") == timed("Hello, world.")


def test_a_trimmed_clip_is_shifted_by_what_was_cut() -> None:
    assert timed("Hello, world.", offset_s=0.15, length_s=1.3) == [
        (token, frames - 15 if place == 0 else frames - 5 if token == "." else frames)
        for place, (token, frames) in enumerate(timed("Hello, world."))
    ]


@pytest.mark.parametrize(
    ("offset_s", "length_s", "told"),
    [
        (0.0, 1.7, "alignment ends at 1.50 s"),
        (0.4, 1.1, "0.20 s beyond the clip"),
        (0.0, 1.2, "0.20 s beyond the clip"),
    ],
)
def test_an_alignment_of_another_recording_is_refused(offset_s: float, length_s: float, told: str) -> None:
    with pytest.raises(InputError, match=told):
        timed("Hello, world.", offset_s=offset_s, length_s=length_s)


def test_an_alignment_without_speech_is_refused() -> None:
    with pytest.raises(InputError, match="nothing is said"):
        timed("Hello", grid_of([("", 1.5)], [("sil", 1.5)]))


@given(text=st.text('abc hello world,.!"-()', max_size=40), offset_s=st.floats(0, 0.2), cut_s=st.floats(0, 0.1))
def test_whatever_the_text_says_the_frames_are_those_of_the_clip(text: str, offset_s: float, cut_s: float) -> None:
    pairs = timed(text, offset_s=offset_s, length_s=1.5 - offset_s - cut_s)
    assert sum(frames for _, frames in pairs) == round((1.5 - offset_s - cut_s) * RATE_HZ) // 256
    assert min(frames for _, frames in pairs) >= 0
    assert [token for token, _ in pairs if token not in {*PUNCTUATION, SILENCE}] == [
        "HH",
        "AH0",
        "L",
        "OW1",
        "W",
        "ER1",
        "L",
        "D",
    ]


# ------------------------------------------------------------------------------------------------ real recordings


def real_clips(real_data: Path) -> list[tuple[TextGrid, str, int, int]]:
    folder = real_data / "voice" / "ljspeech"
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream, delimiter="|", quoting=csv.QUOTE_NONE))
    clips = []
    for name, _, text in rows:
        facts = soundfile.info(folder / "wavs" / f"{name}.wav")
        clips.append((read_textgrid(folder / "textgrids" / f"{name}.TextGrid"), text, facts.frames, facts.samplerate))
    return clips


@pytest.mark.real_data
def test_on_all_real_clips_no_frame_is_missing_and_no_phone_is_given_the_frames_of_another(real_data: Path) -> None:
    clips = real_clips(real_data)
    assert len(clips) == 24
    for grid, text, samples, rate_hz in clips:
        result = time_tokens(grid, text, offset_s=0.0, samples=samples, rate_hz=rate_hz)
        assert sum(result.frames) == samples // 256
        heard = [phone for phone in grid.phones if not phone.is_silent]
        lengths = [
            frames
            for token, frames in zip(result.tokens, result.frames, strict=True)
            if token not in {*PUNCTUATION, SILENCE}
        ]
        assert len(lengths) == len(heard)
        for phone, frames in zip(heard[:-1], lengths[:-1], strict=True):  # the last one reaches to the end
            assert abs(frames - (phone.end_s - phone.start_s) * rate_hz / 256) <= 1


@pytest.mark.real_data
def test_rounding_each_phone_down_and_dropping_silences_would_lose_an_eighth_of_the_frames(real_data: Path) -> None:
    """The contrast: what happens without cumulative boundaries (75 frames on average over 32 clips)."""
    missing, shares = [], []
    for grid, _, samples, rate_hz in real_clips(real_data):
        kept = [max(1, int((one.end_s - one.start_s) * rate_hz / 256)) for one in grid.phones if not one.is_silent]
        missing.append(samples // 256 + 1 - sum(kept))
        shares.append(missing[-1] / (samples // 256 + 1))
    assert (sum(missing) / 24, max(missing)) == (70.125, 108)
    assert sum(shares) / 24 == pytest.approx(0.126, abs=0.015)
