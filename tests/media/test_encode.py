from __future__ import annotations

import logging
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synctalk.errors import InputError, MissingPartError, StageError, StorageError
from synctalk.files import sweep_leftovers
from synctalk.media import encode
from synctalk.media.audio import read_audio, read_soundtrack, write_wav
from synctalk.media.encode import VideoWriter, find_ffmpeg, read_metadata
from synctalk.media.video import FrameReader, probe
from synctalk.process import read_start_token

RATE = 16_000
GREY = np.full((48, 64, 3), 128, np.uint8)
BLACK = np.zeros((480, 640, 3), np.uint8)


def _lengths_s(path: Path) -> tuple[float, float]:
    with av.open(f"file:{path}") as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        return float(video.duration * video.time_base), float(audio.duration * audio.time_base)


def _write(
    path: Path,
    frames: int = 5,
    *,
    picture: np.ndarray = GREY,
    after: Callable[[VideoWriter], object] = id,
    **options: Any,
) -> Path:
    options = {"preset": "ultrafast", **options}
    with VideoWriter(path, width=picture.shape[1], height=picture.shape[0], **options) as writer:
        for _ in range(frames):
            writer.write(np.roll(picture, writer.frames_written, axis=1))
            after(writer)
    return path


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "sound.wav"
    write_wav(path, 0.3 * np.sin(np.arange(2 * RATE, dtype=np.float32) * 0.2), rate_hz=RATE)
    return path


# -------------------------------------------------------------------------------------------------------- pictures


def test_what_is_written_is_read_again(tmp_path: Path, numbered: Any) -> None:
    path = tmp_path / "talk.mp4"
    with VideoWriter(path, width=96, height=64) as writer:
        for number in range(60):
            writer.write(numbered.picture(number))
    assert writer.frames_written == 60
    reader = FrameReader(path)
    assert numbered.read_all(reader.frames()) == list(range(60))
    facts = reader.facts
    assert (facts.codec, facts.fps, facts.duration_s, facts.has_audio) == ("h264", 25, 2.4, False)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("height", [64, 720])
def test_colours_come_back_and_the_tags_tell_the_truth(tmp_path: Path, height: int) -> None:
    steps = (0, 64, 128, 200, 255)
    colours = np.array([(red, green, blue) for red in steps for green in steps for blue in steps], np.uint8)
    image = np.repeat(np.repeat(colours[None], height, 0), 16, 1)
    path = tmp_path / "colours.mp4"
    with VideoWriter(path, width=image.shape[1], height=height) as writer:
        for _ in range(3):
            writer.write(image)
    back = next(FrameReader(path).frames())[height // 2, 8::16].astype(int)
    error = np.abs(back - colours)
    assert error.mean() < 1.1
    assert error.max() <= 4
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range) == (1, 1, 1, 1)
        assert frame.format.name == "yuv420p"


def test_the_index_is_at_the_front(tmp_path: Path) -> None:
    content = _write(tmp_path / "a.mp4").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_odd_sizes_gain_a_copy_of_their_edge_and_it_is_said(
    tmp_path: Path, numbered: Any, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "odd.mp4"
    with (
        caplog.at_level(logging.INFO, logger="synctalk"),
        VideoWriter(path, width=97, height=65, crf=1) as writer,
    ):
        for number in range(4):
            writer.write(numbered.picture(number, width=97, height=65))
    assert "97x65 becomes 98x66" in caplog.text
    images = list(FrameReader(path).frames())
    assert images[0].shape == (66, 98, 3)
    assert numbered.read_all(images) == [0, 1, 2, 3]
    assert np.abs(images[0][20:, -1].astype(int) - 110).max() < 8


def test_pictures_that_are_views_are_written_as_seen(tmp_path: Path, numbered: Any) -> None:
    path = tmp_path / "a.mp4"
    with VideoWriter(path, width=96, height=64) as writer:
        writer.write(numbered.picture(5, width=128)[::-1, ::-1][::-1, ::-1][:, :96])
    assert numbered.read_all(FrameReader(path).frames()) == [5]


@pytest.mark.parametrize("wrong", [GREY[:, :-1], GREY[..., :1], GREY.astype(np.float32), GREY[0]])
def test_a_picture_of_another_kind_is_a_mistake_of_the_caller(tmp_path: Path, wrong: np.ndarray) -> None:
    with (
        pytest.raises(ValueError, match="expected uint8"),
        VideoWriter(tmp_path / "a.mp4", width=64, height=48) as writer,
    ):
        writer.write(wrong)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="pixel"):
        VideoWriter(tmp_path / "a.mp4", width=0, height=48)
    with pytest.raises(ValueError, match="inside the with block"):
        VideoWriter(tmp_path / "a.mp4", width=64, height=48).write(GREY)


# ----------------------------------------------------------------------------------------------------------- sound


@settings(max_examples=6)
@given(frames=st.integers(1, 120))
def test_sound_ends_with_the_pictures(tmp_path: Path, frames: int) -> None:
    sound = tmp_path / "sound.wav"
    write_wav(sound, np.full(2 * RATE, 0.1, np.float32), rate_hz=RATE)
    video_s, audio_s = _lengths_s(_write(tmp_path / "a.mp4", frames, audio=sound))
    assert video_s == pytest.approx(frames / 25)
    assert abs(video_s - audio_s) < 1 / 25


@pytest.mark.parametrize("samples", [0, 1, 700])
def test_hardly_any_sound_is_followed_by_silence(tmp_path: Path, samples: int) -> None:
    sound = tmp_path / "sound.wav"
    write_wav(sound, np.zeros(samples, np.float32), rate_hz=RATE)
    video_s, audio_s = _lengths_s(_write(tmp_path / "a.mp4", 50, picture=BLACK, audio=sound))
    assert abs(video_s - audio_s) < 1 / 25


def test_sound_is_heard_when_it_should_be(tmp_path: Path) -> None:
    samples = np.zeros(3 * RATE, np.float32)
    samples[RATE : RATE + 160] = 0.9
    write_wav(tmp_path / "click.wav", samples, rate_hz=RATE)
    path = _write(tmp_path / "a.mp4", 75, audio=tmp_path / "click.wav")
    heard = read_soundtrack(path)
    first = int(np.flatnonzero(np.abs(heard) > 0.3)[0])
    assert first == pytest.approx(RATE, abs=0.005 * RATE)
    assert len(heard) == pytest.approx(3 * RATE, abs=0.04 * RATE)


def test_a_video_is_a_source_of_sound_too(tmp_path: Path, sound: Path) -> None:
    first = _write(tmp_path / "first.mp4", 50, audio=sound)
    second = _write(tmp_path / "second.mp4", 25, audio=first)
    assert probe(second).has_audio
    one, two = read_audio(first), read_audio(second)
    place = slice(RATE // 4, RATE // 2)
    assert np.corrcoef(one[place], two[place])[0, 1] > 0.99


def test_the_tags_and_the_index_survive_the_joining(tmp_path: Path, sound: Path) -> None:
    path = _write(tmp_path / "a.mp4", 9, audio=sound)
    content = path.read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range) == (1, 1, 1, 1)
        assert container.streams.audio[0].codec_context.name == "aac"
        assert container.streams.audio[0].rate == 48_000
    _assert_nothing_left(tmp_path, path, sound)


def test_trouble_while_joining_leaves_nothing(tmp_path: Path, sound: Path) -> None:
    def spoil(writer: VideoWriter) -> None:
        if writer.frames_written == 5:
            sound.write_bytes(b"no longer a sound")

    with pytest.raises(StageError, match="ffmpeg stopped"):
        _write(tmp_path / "a.mp4", audio=sound, after=spoil)
    _assert_nothing_left(tmp_path, sound)


def test_sound_that_cannot_be_read_is_refused_before_work_begins(tmp_path: Path, plain_clip: Path) -> None:
    for audio, words in ((tmp_path / "absent.wav", "no file"), (plain_clip, "no sound"), (tmp_path, "not a file")):
        with pytest.raises(InputError, match=words):
            VideoWriter(tmp_path / "a.mp4", width=64, height=48, audio=audio)
    assert not list(tmp_path.iterdir())


# -------------------------------------------------------------------------------------------- metadata and names


def test_metadata(tmp_path: Path) -> None:
    said = {"title": "a = b", "comment": "made by\nsynctalk; 'x' \"y\"", "artist": "Ёж", "seed": "7"}
    path = _write(tmp_path / "a.mp4", metadata=said)
    assert said.items() <= read_metadata(path).items()
    with pytest.raises(InputError):
        read_metadata(tmp_path / "absent.mp4")


def test_metadata_of_the_sound_is_not_taken_over(tmp_path: Path, sound: Path) -> None:
    private = _write(tmp_path / "private.mp4", 9, audio=sound, metadata={"title": "private"})
    assert "title" not in read_metadata(_write(tmp_path / "a.mp4", 9, audio=private))


@pytest.mark.parametrize(
    "name", ["-y.mp4", "a b.mp4", "речь.mp4", 'it\'s "so".mp4', "l1\nl2.mp4", "a:b.mp4", "%03d.mp4", "noextension"]
)
def test_names_are_only_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sound: Path, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    audio = Path(f"sound {name}.wav")
    sound.rename(audio)
    assert FrameReader(_write(Path(name), audio=audio)).count == 5
    assert {path.name for path in tmp_path.iterdir()} == {name, audio.name}


def test_missing_folders_are_made(tmp_path: Path) -> None:
    assert FrameReader(_write(tmp_path / "x" / "y" / "a.mp4")).count == 5


# ------------------------------------------------------------------------------------------------- going wrong


def _assert_nothing_left(folder: Path, *kept: Path) -> None:
    assert sorted(folder.iterdir()) == sorted(kept)


def test_an_aborted_block_leaves_the_old_video_and_nothing_else(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.mp4")
    before = path.read_bytes()

    def interrupt(writer: VideoWriter) -> None:
        if writer.frames_written == 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _write(path, 300, after=interrupt)
    assert path.read_bytes() == before
    _assert_nothing_left(tmp_path, path)


def test_no_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="no picture"), VideoWriter(tmp_path / "a.mp4", width=64, height=48):
        pass
    _assert_nothing_left(tmp_path)


def test_what_ffmpeg_says_is_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="nonsense") as caught:
        _write(tmp_path / "a.mp4", 50, picture=BLACK, preset="nonsense")
    assert caught.value.hint
    _assert_nothing_left(tmp_path)


def _pid(writer: VideoWriter) -> int:
    assert writer._process is not None
    return writer._process.pid


def test_a_killed_ffmpeg_is_told(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="SIGKILL"):
        _write(tmp_path / "a.mp4", 50, picture=BLACK, after=lambda writer: os.kill(_pid(writer), signal.SIGKILL))
    _assert_nothing_left(tmp_path)


def test_after_our_own_sudden_death_nothing_looks_finished(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from pathlib import Path
import numpy as np
from synctalk.media.encode import VideoWriter
with VideoWriter(Path(sys.argv[1]), width=64, height=48) as writer:
    for _ in range(30):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    print(writer._process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    command = [sys.executable, "-c", program, str(tmp_path / "a.mp4")]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL
    while read_start_token(int(ended.stdout)):
        time.sleep(0.02)
    assert not (tmp_path / "a.mp4").exists()
    sweep_leftovers(tmp_path)
    _assert_nothing_left(tmp_path)


def test_the_terminal_cannot_reach_ffmpeg(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", width=64, height=48) as writer:
        assert os.getsid(_pid(writer)) == _pid(writer) != os.getsid(0)
        writer.write(GREY)


@pytest.fixture
def small_files_only() -> Iterator[None]:
    """Let no process write a file larger than 100 kB, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_files_only")
def test_a_disk_that_takes_no_more(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    with pytest.raises(StorageError, match="too large"):
        _write(tmp_path / "a.mp4", 30, picture=noise, crf=1)
    _assert_nothing_left(tmp_path)


@pytest.mark.parametrize("trouble", ["No space left on device", "Permission denied", "Input/output error"])
def test_trouble_of_the_disk_is_recognised_in_the_words_of_ffmpeg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    script = tmp_path / "ffmpeg"
    script.write_text(f"#!/bin/sh\necho 'Error writing trailer: {trouble}' >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(encode, "find_ffmpeg", lambda: script)
    with pytest.raises(StorageError, match=trouble.lower()) as caught:
        _write(tmp_path / "a.mp4")
    assert caught.value.hint
    _assert_nothing_left(tmp_path, script)


def test_a_talkative_ffmpeg_neither_blocks_nor_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "ffmpeg"
    script.write_text(
        "#!/bin/sh\nyes complaint | head -c 3000000 >&2\necho the last word >&2\ncat >/dev/null\nexit 3\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(encode, "find_ffmpeg", lambda: script)
    with pytest.raises(StageError, match="the last word") as caught:
        _write(tmp_path / "a.mp4", 100)
    assert len(caught.value.message) < 1000


def test_a_place_that_is_taken_by_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").mkdir()
    with pytest.raises(InputError, match="folder"):
        VideoWriter(tmp_path / "a.mp4", width=64, height=48)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        _write(tmp_path / "file" / "a.mp4")


# ------------------------------------------------------------------------------------------------------- ffmpeg


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """`find_ffmpeg` asked afresh, before and after."""
    find_ffmpeg.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    find_ffmpeg.cache_clear()


def _pretend(folder: Path, *, version: str, encoders: str) -> Path:
    script = folder / "ffmpeg"
    script.write_text(f'#!/bin/sh\ncase "$1" in -version) echo "{version}";; *) echo "{encoders}";; esac\n')
    script.chmod(0o755)
    return script


def test_an_able_ffmpeg_of_the_system_is_used(tmp_path: Path, search: pytest.MonkeyPatch) -> None:
    able = _pretend(tmp_path, version="ffmpeg version 6.1.1-3ubuntu5 Copyright", encoders=" V libx264 x\n A aac x")
    search.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert find_ffmpeg() == able


@pytest.mark.parametrize(
    ("version", "encoders"),
    [
        ("ffmpeg version 4.1.11-0+deb10u1 Copyright", " V libx264 x\n A aac x"),
        ("ffmpeg version 7.1 Copyright", " V libopenh264 x\n A aac x"),
        ("ffmpeg version n5.1.2 Copyright", " V libx264 x"),
    ],
    ids=["too old", "without libx264", "without aac"],
)
def test_one_that_cannot_do_the_work_is_passed_over(
    tmp_path: Path, search: pytest.MonkeyPatch, version: str, encoders: str
) -> None:
    lame = _pretend(tmp_path, version=version, encoders=encoders)
    search.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert find_ffmpeg() != lame


def test_a_broken_one_is_passed_over(tmp_path: Path, search: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    search.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert find_ffmpeg() != broken


def test_none_at_all_is_told_with_advice(search: pytest.MonkeyPatch) -> None:
    def absent() -> str:
        raise RuntimeError("No ffmpeg exe could be found")

    search.setenv("PATH", "")
    search.setattr("imageio_ffmpeg.get_ffmpeg_exe", absent)
    with pytest.raises(MissingPartError, match="no usable ffmpeg") as caught:
        find_ffmpeg()
    assert "pip install" in caught.value.hint


def test_one_that_does_not_start_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "find_ffmpeg", lambda: tmp_path / "absent")
    with pytest.raises(MissingPartError, match="cannot be started"):
        _write(tmp_path / "a.mp4")
    _assert_nothing_left(tmp_path)
