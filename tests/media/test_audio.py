from __future__ import annotations

import logging
import wave
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from synctalk.errors import InputError, StorageError
from synctalk.faults import FAIL_VARIABLE
from synctalk.media.audio import read_audio, read_soundtrack, require_audio, stream_audio, write_wav

RATE = 16_000


def tone(seconds: float, rate_hz: int, *, pitch_hz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * pitch_hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def pitch_of(samples: np.ndarray, rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * rate_hz / len(samples))


@contextmanager
def _sound_stream(output: Any, codec: str, rate_hz: int, layout: str) -> Iterator[Callable[[np.ndarray, int], None]]:
    """A function that encodes samples [C, T] beginning at a given sample number."""
    stream = output.add_stream(codec, rate=rate_hz, layout=layout)
    size = stream.codec_context.frame_size or 1024
    kind = stream.codec_context.format.name

    def write(samples: np.ndarray, begin: int) -> None:
        for start in range(0, samples.shape[1], size):
            part = np.ascontiguousarray(samples[:, start : start + size])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate_hz, begin + start, Fraction(1, rate_hz)
            for converted in av.AudioResampler(format=kind, layout=layout, rate=rate_hz).resample(frame):
                converted.pts = frame.pts
                output.mux(stream.encode(converted))

    yield write
    output.mux(stream.encode(None))


def write_sound(path: Path, samples: np.ndarray, *, codec: str, rate_hz: int = 48_000, layout: str = "mono") -> Path:
    with av.open(str(path), "w") as output, _sound_stream(output, codec, rate_hz, layout) as write:
        write(np.atleast_2d(samples), 0)
    return path


# --------------------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("name", "codec", "rate_hz"),
    [
        ("a.mp4", "aac", 44_100),
        ("a.m4a", "aac", 48_000),
        ("a.mp3", "libmp3lame", 44_100),
        ("a.opus", "libopus", 48_000),
        ("a.mkv", "flac", 16_000),
        ("a.mov", "pcm_s16le", 8_000),
        ("a.mpg", "mp2", 44_100),
        ("a.webm", "libopus", 24_000),
        ("a.mkv", "ac3", 44_100),
        ("a.avi", "pcm_u8", 22_050),
    ],
)
def test_sound_of_any_file(tmp_path: Path, name: str, codec: str, rate_hz: int) -> None:
    path = write_sound(tmp_path / name, tone(1.5, rate_hz), codec=codec, rate_hz=rate_hz)
    samples = read_audio(path)
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(1.5 * RATE, abs=0.06 * RATE)
    middle = samples[RATE // 4 : RATE]
    assert pitch_of(middle, RATE) == pytest.approx(440, abs=2)
    assert np.sqrt((middle**2).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "aiff"])
@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 44_100, 96_000])
def test_plain_sound_files(tmp_path: Path, suffix: str, rate_hz: int) -> None:
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, tone(1.0, rate_hz), rate_hz)
    samples = read_audio(path)
    assert abs(len(samples) - RATE) <= 1
    assert np.abs(samples[100:-100] - tone(1.0, RATE)[: len(samples)][100:-100]).max() < 0.03


def test_both_readers_give_the_same_samples(tmp_path: Path) -> None:
    chance = np.random.default_rng(0).uniform(-0.9, 0.9, 30_000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", chance, 44_100, subtype="PCM_16")
    (tmp_path / "a.bin").write_bytes((tmp_path / "a.wav").read_bytes())
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav"), read_audio(tmp_path / "a.bin"), atol=1e-6)


def test_rate_is_kept_exactly_when_it_is_the_wanted_one(tmp_path: Path) -> None:
    whole = np.random.default_rng(1).integers(-32_768, 32_768, 5000).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", whole, RATE)
    assert (read_audio(tmp_path / "a.wav") == whole.astype(np.float32) / 32_768).all()


@pytest.mark.parametrize("suffix", ["wav", "mkv"])
def test_channels_are_averaged_and_surround_keeps_the_voice(tmp_path: Path, suffix: str) -> None:
    def mixed(levels: list[float]) -> float:
        layout = {2: "stereo", 6: "5.1"}[len(levels)]
        channels = np.array(levels, np.float32)[:, None] * np.ones((1, RATE), np.float32)
        path = tmp_path / f"{len(levels)}.{suffix}"
        write_sound(path, channels, codec="pcm_s16le", rate_hz=RATE, layout=layout)
        return float(np.median(read_audio(path)))

    assert mixed([0.6, 0.2]) == pytest.approx(0.4, abs=1e-3)
    assert mixed([0.1, 0.2, 0.6, 0.9, 0.9, 0.9]) == pytest.approx(0.3, abs=1e-3)


def test_a_wav_that_is_something_else_is_read_all_the_same(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.mp4", tone(1.0, 48_000), codec="aac")
    assert len(read_audio(path.rename(tmp_path / "a.wav"))) == pytest.approx(RATE, abs=1200)


def test_blocks_joined_are_the_whole(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(20.0, 44_100), 44_100)
    blocks = list(stream_audio(tmp_path / "a.wav"))
    assert len(blocks) > 3
    assert (np.concatenate(blocks) == read_audio(tmp_path / "a.wav")).all()


def test_a_hole_in_the_recording_becomes_silence(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as output, _sound_stream(output, "pcm_s16le", RATE, "mono") as write:
        write(tone(1.0, RATE)[None], 0)
        write(tone(1.0, RATE, pitch_hz=880)[None], 2 * RATE)
    samples = read_audio(path)
    assert len(samples) == pytest.approx(3 * RATE, abs=32)
    assert np.abs(samples[int(1.05 * RATE) : int(1.95 * RATE)]).max() == 0
    assert pitch_of(samples[int(2.1 * RATE) : int(2.9 * RATE)], RATE) == pytest.approx(880, abs=3)


def test_pieces_that_overlap_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as output, _sound_stream(output, "pcm_s16le", RATE, "mono") as write:
        for number in range(40):
            write(np.full((1, 1024), 0.1, np.float32), number * 512)
    assert len(read_audio(path)) == pytest.approx(40 * 512, abs=0.1 * RATE)


def test_peaks_above_full_scale_are_cut_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    soundfile.write(tmp_path / "a.wav", 4 * tone(0.5, RATE), RATE, subtype="FLOAT")
    with caplog.at_level(logging.WARNING, logger="synctalk"):
        samples = read_audio(tmp_path / "a.wav")
    assert np.abs(samples).max() == 1
    assert "louder than full scale" in caplog.text


# ------------------------------------------------------------------------------------------------------ soundtrack


def _write_flash(path: Path, *, picture_start_s: float, sound_start_s: float) -> Path:
    """Two seconds of pictures, and a click one second after the first picture, with chosen starting times."""
    with av.open(str(path), "w") as output:
        video = output.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = Fraction(1, 25)
        click = np.zeros((1, 2 * RATE), np.float32)
        place = round((picture_start_s + 1 - sound_start_s) * RATE)
        click[:, place : place + 40] = 0.9
        with _sound_stream(output, "pcm_s16le", RATE, "mono") as write:
            for number in range(50):
                frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))
                frame.pts, frame.time_base = number + round(picture_start_s * 25), Fraction(1, 25)
                output.mux(video.encode(frame))
            write(click, round(sound_start_s * RATE))
        output.mux(video.encode(None))
    return path


@pytest.mark.parametrize(("picture", "sound"), [(0.0, 0.0), (0.0, 0.32), (0.4, 0.0), (2.0, 1.52), (1.0, 1.4)])
def test_soundtrack_begins_with_the_first_picture(tmp_path: Path, picture: float, sound: float) -> None:
    path = _write_flash(tmp_path / "a.mkv", picture_start_s=picture, sound_start_s=sound)
    samples = read_soundtrack(path)
    assert int(np.abs(samples).argmax()) == pytest.approx(RATE, abs=20)
    assert len(samples) == pytest.approx(round((2 + sound - picture) * RATE), abs=20)


def test_soundtrack_needs_pictures_and_sound(tmp_path: Path, write_clip: Callable[..., Path], every: Any) -> None:
    with pytest.raises(InputError, match="no video"):
        read_soundtrack(write_sound(tmp_path / "a.m4a", tone(1, 48_000), codec="aac"))
    with pytest.raises(InputError, match="no sound"):
        read_soundtrack(write_clip(tmp_path / "v.mp4", every(5, 25)))


def test_sound_that_ends_before_the_pictures_begin_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as output:
        video = output.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        with _sound_stream(output, "pcm_s16le", RATE, "mono") as write:
            write(tone(0.5, RATE)[None], 0)
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))
        frame.pts, frame.time_base = 50, Fraction(1, 25)
        output.mux(video.encode(frame))
        output.mux(video.encode(None))
    with pytest.raises(InputError, match="before its first picture"):
        read_soundtrack(path)


# ------------------------------------------------------------------------------------------------------- refused


def _write_nan(path: Path) -> None:
    samples = tone(0.5, RATE)
    samples[77] = np.nan
    soundfile.write(path, samples, RATE, subtype="FLOAT")


@pytest.mark.parametrize(
    ("name", "write", "words"),
    [
        ("absent.wav", lambda path: None, "there is no file"),
        ("folder.wav", lambda path: path.mkdir(), "not a file"),
        ("empty.wav", lambda path: path.touch(), "0 bytes"),
        ("text.wav", lambda path: path.write_text("no sound" * 99), "not a video or audio file"),
        ("text.mp3", lambda path: path.write_text("no sound" * 99), "not a video or audio file"),
        ("silent.wav", lambda path: write_wav(path, np.zeros(0, np.float32), rate_hz=RATE), "empty"),
        ("nan.wav", _write_nan, "not numbers"),
    ],
)
def test_what_is_no_sound_is_refused_with_advice(
    tmp_path: Path, name: str, write: Callable[[Path], None], words: str
) -> None:
    path = tmp_path / name
    write(path)
    with pytest.raises(InputError, match=words) as caught:
        read_audio(path)
    assert caught.value.hint
    assert str(path) in caught.value.message


def test_require_audio(tmp_path: Path, plain_clip: Path) -> None:
    require_audio(write_sound(tmp_path / "a.mp3", tone(0.5, 48_000), codec="libmp3lame"))
    with pytest.raises(InputError, match="no sound"):
        require_audio(plain_clip)


def test_damaged_sound_keeps_its_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_sound(tmp_path / "a.mp4", tone(3.0, 48_000), codec="aac")
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 3)
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING, logger="synctalk"):
        samples = read_audio(path)
    assert len(samples) == pytest.approx(3 * RATE, abs=0.1 * RATE)
    assert pitch_of(samples[int(2.2 * RATE) : int(2.8 * RATE)], RATE) == pytest.approx(440, abs=5)


# -------------------------------------------------------------------------------------------------------- writing


@given(st.lists(st.integers(-32_768, 32_767), min_size=1, max_size=200))
def test_sixteen_bits_survive_reading_and_writing(tmp_path: Path, values: list[int]) -> None:
    path = tmp_path / "a.wav"
    write_wav(path, (np.array(values) / 32_768).astype(np.float32), rate_hz=RATE)
    assert (np.rint(read_audio(path) * 32_768) == values).all()


def test_written_wav_is_plain_pcm(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.array([-2, -1, 0, 0.5, 1, 2], np.float32), rate_hz=22_050)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes()) == (1, 2, 22_050, 6)
        assert np.frombuffer(file.readframes(6), "<i2").tolist() == [-32_768, -32_768, 0, 16_384, 32_767, 32_767]
    write_wav(tmp_path / "two.wav", np.zeros((30, 2), np.float32), rate_hz=RATE)
    assert soundfile.info(tmp_path / "two.wav").channels == 2


def test_writing_nan_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="finite"):
        write_wav(tmp_path / "a.wav", np.array([np.nan], np.float32), rate_hz=RATE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("point", ["files.create", "files.write", "files.rename"])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    path = tmp_path / "a.wav"
    write_wav(path, np.ones(3, np.float32), rate_hz=RATE)
    before = path.read_bytes()
    monkeypatch.setattr("synctalk.faults._passed", Counter())
    monkeypatch.setenv(FAIL_VARIABLE, f"{point}:1:ENOSPC")
    with pytest.raises(StorageError):
        write_wav(path, np.zeros(9, np.float32), rate_hz=RATE)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# ------------------------------------------------------------------------------------------------------- real data


@pytest.mark.real_data
def test_recordings(real_data: Path) -> None:
    assert len(read_audio(real_data / "audio" / "jfk_5s_16k.wav")) == 5 * RATE
    flac = read_audio(real_data / "audio" / "jfk.flac")
    golden = read_audio(real_data / "audio" / "jfk_5s_16k.wav")
    assert np.corrcoef(flac[: len(golden)], golden)[0, 1] > 0.99
    for path in (real_data / "video" / "grid").glob("*.mpg"):
        assert len(read_soundtrack(path)) == pytest.approx(3 * RATE, abs=0.05 * RATE)
