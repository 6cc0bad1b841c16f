"""Sound written while it is made."""

from __future__ import annotations

import io
import tracemalloc
import wave

import numpy as np
import pytest
import soundfile

from synctalk.errors import InputError, StorageError
from synctalk.media.audio import read_audio
from synctalk.media.encode import read_metadata
from synctalk.media.sound_writer import stream_wav, write_sound

RATE_HZ = 22_050
SAID = {"title": "anna", "comment": "Synthetic speech, ü.", "software": "synctalk", "date": "2026-01-02T03:04:05+00:00"}


def tones(count: int = 5, seconds: float = 0.2):
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    for number in range(count):
        yield (0.3 * np.sin(2 * np.pi * 220 * (number + 1) * time)).astype(np.float32)


@pytest.mark.parametrize("suffix", [".wav", ".mp3", ".WAV"])
def test_blocks_become_one_file_that_says_what_it_is(tmp_path, suffix: str) -> None:
    path = tmp_path / "new" / f"speech{suffix}"
    written = write_sound(path, tones(), rate_hz=RATE_HZ, metadata=SAID)
    expected = np.concatenate(list(tones()))
    assert written == len(expected)
    found = read_audio(path, rate_hz=RATE_HZ)
    assert abs(len(found) - len(expected)) < 3000
    if suffix != ".mp3":
        assert np.abs(found - expected).max() <= 0.5 / 32768 + 1e-7
    told = read_metadata(path)
    assert told["title"] == "anna"
    assert told["comment"] == SAID["comment"]
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_wav_is_plain_for_every_reader(tmp_path) -> None:
    path = tmp_path / "speech.wav"
    write_sound(path, tones(), rate_hz=RATE_HZ, metadata=SAID)
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE_HZ)
        assert file.getnframes() == 5 * 4410
    assert soundfile.info(path).subtype == "PCM_16"
    with soundfile.SoundFile(path) as opened:
        assert opened.comment == SAID["comment"]
    assert int.from_bytes(path.read_bytes()[4:8], "little") == path.stat().st_size - 8


@pytest.mark.parametrize("suffix", [".wav", ".mp3"])
def test_a_failure_half_way_leaves_what_was_there(tmp_path, suffix: str) -> None:
    path = tmp_path / f"speech{suffix}"
    path.write_bytes(b"before")

    def failing():
        yield from tones(2)
        raise KeyError("half way")

    with pytest.raises(KeyError):
        write_sound(path, failing(), rate_hz=RATE_HZ, metadata=SAID)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".wav", ".mp3"])
def test_samples_that_are_not_numbers_are_refused(tmp_path, suffix: str) -> None:
    with pytest.raises(ValueError, match="finite"):
        write_sound(tmp_path / f"x{suffix}", [np.array([np.nan], np.float32)], rate_hz=RATE_HZ, metadata={})
    assert list(tmp_path.iterdir()) == []


def test_an_hour_is_written_in_bounded_memory(tmp_path) -> None:
    block = np.zeros(RATE_HZ, np.float32)
    tracemalloc.start()
    try:
        write_sound(tmp_path / "hour.wav", (block for _ in range(3600)), rate_hz=RATE_HZ, metadata={})
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
    (tmp_path / "hour.wav").unlink()


def test_a_pipe_gets_a_wav_of_unknown_length_block_by_block() -> None:
    flushed = []

    class Pipe(io.BytesIO):
        def flush(self) -> None:
            flushed.append(self.tell())

    pipe = Pipe()
    assert stream_wav(pipe, tones(3), rate_hz=RATE_HZ, metadata=SAID) == 3 * 4410
    assert len(set(flushed)) == 3
    content = pipe.getvalue()
    assert content[:4] == b"RIFF"
    assert content[40:].count(b"data\xff\xff\xff\xff") == 1
    assert len(content.partition(b"data")[2]) - 4 == 2 * 3 * 4410


@pytest.mark.parametrize("name", ["speech.ogg", "speech", "wav"])
def test_other_formats_are_refused(tmp_path, name: str) -> None:
    with pytest.raises(InputError, match="neither wav nor mp3"):
        write_sound(tmp_path / name, tones(), rate_hz=RATE_HZ, metadata={})


def test_a_folder_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        write_sound(tmp_path, tones(), rate_hz=RATE_HZ, metadata={})


@pytest.mark.parametrize("suffix", [".wav", ".mp3"])
def test_a_place_where_nothing_can_be_written_is_named(tmp_path, suffix: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        write_sound(tmp_path / "file" / f"speech{suffix}", tones(), rate_hz=RATE_HZ, metadata={})
