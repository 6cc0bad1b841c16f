"""How much there is by the headers, and samples gathered on the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from synctalk.errors import InputError, StoppedError
from synctalk.media.audio import read_audio
from synctalk.media.soundfacts import read_sound_facts
from synctalk.voice.extent import survey
from synctalk.voice.listing import Row
from synctalk.voice.samplefile import SampleFile


def row(path: Path) -> Row:
    return Row(path.stem, "anna", "text", path, 1, "metadata.csv")


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_header_says_what_decoding_finds(tmp_path: Path, speech, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, speech(1.5, rate_hz=44_100), 44_100)
    facts = read_sound_facts(path)
    assert facts.rate_hz == 44_100
    assert facts.seconds == pytest.approx(len(read_audio(path, rate_hz=16_000)) / 16_000, abs=0.1)


@pytest.mark.parametrize("content", [b"", b"no sound", bytes(5000)], ids=["nothing", "text", "zeros"])
@pytest.mark.parametrize("suffix", ["wav", "mp3"])
def test_header_that_is_none_is_an_input_error(tmp_path: Path, suffix: str, content: bytes) -> None:
    (tmp_path / f"a.{suffix}").write_bytes(content)
    with pytest.raises(InputError):
        read_sound_facts(tmp_path / f"a.{suffix}")


def test_survey_adds_up_what_can_be_read(tmp_path: Path, speech, sound_file) -> None:
    rows = [row(sound_file(tmp_path / f"{number}.wav", speech(1.0, silence_s=0))) for number in range(3)]
    (tmp_path / "broken.wav").write_text("no sound")
    found = survey([*rows, row(tmp_path / "broken.wav"), row(tmp_path / "absent.wav")], lambda: False)
    assert (found.clips, found.seconds, dict(found.rates)) == (5, pytest.approx(3.0), {22_050: 3})


def test_survey_can_be_stopped(tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        survey([row(tmp_path / "a.wav")], lambda: True)


def test_pieces_are_copied_in_the_order_asked_for(tmp_path: Path) -> None:
    pieces = [np.arange(10 * k, 10 * k + length, dtype=np.int16) for k, length in enumerate((3, 5, 0, 2))]
    with SampleFile(tmp_path) as store:
        starts = [store.append(piece) for piece in pieces]
        store.copy([(starts[3], 2), (starts[0], 3)], tmp_path / "audio.npy")
        starts.append(store.append(np.array([7], np.int16)))
        store.copy([(starts[4], 1), (starts[1], 5)], tmp_path / "later.npy")
    assert np.load(tmp_path / "audio.npy").tolist() == [30, 31, 0, 1, 2]
    assert np.load(tmp_path / "later.npy", mmap_mode="r").tolist() == [7, 10, 11, 12, 13, 14]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audio.npy", "later.npy"]
