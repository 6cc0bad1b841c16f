from __future__ import annotations

import logging
import os
import subprocess
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from synctalk.errors import InputError
from synctalk.media.encode import find_ffmpeg
from synctalk.media.video import FrameReader, probe

Make = Callable[..., Path]


def _nearest(moments: list[Fraction], count: int) -> list[int]:
    return [min(range(len(moments)), key=lambda k: (abs(moments[k] - Fraction(grid, 25)), k)) for grid in range(count)]


# ------------------------------------------------------------------------------------------------------- the grid


def test_a_25_fps_video_is_given_as_it_is(plain_clip: Path, numbered: Any) -> None:
    reader = FrameReader(plain_clip)
    assert numbered.read_all(reader.frames()) == list(range(100))
    assert (reader.count, reader.readable, reader.width, reader.height) == (100, 100, 96, 64)


@pytest.mark.parametrize("rate", ["30", "30000/1001", "24000/1001", "4", "50", "60", "12.5"])
def test_any_rate_becomes_25_by_time(tmp_path: Path, write_clip: Make, every: Any, numbered: Any, rate: str) -> None:
    moments = every(40, Fraction(rate))
    path = write_clip(tmp_path / "clip.mp4", moments, rate=Fraction(rate), options={"preset": "ultrafast"})
    reader = FrameReader(path)
    assert abs(reader.count - 40 / Fraction(rate) * 25) <= Fraction(1, 2)
    assert numbered.read_all(reader.frames()) == _nearest(moments, reader.count)
    assert reader.facts.fps == pytest.approx(float(Fraction(rate)), rel=0.01)
    assert not reader.facts.is_variable_rate


def test_variable_rate(tmp_path: Path, write_clip: Make, numbered: Any) -> None:
    gaps = np.random.default_rng(3).integers(5, 200, 60)
    moments = [Fraction(int(time), 1000) for time in np.cumsum(gaps)]
    reader = FrameReader(write_clip(tmp_path / "clip.mkv", moments))
    expected = _nearest([moment - moments[0] for moment in moments], reader.count)
    assert numbered.read_all(reader.frames()) == expected
    assert reader.facts.is_variable_rate
    assert reader.facts.start_s == pytest.approx(float(moments[0]), abs=0.001)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("clip.mkv", {}),
        ("clip.mov", {}),
        ("clip.ts", {"options": {"bf": "2", "g": "12"}}),
        ("clip.mpg", {"codec": "mpeg1video", "options": {"bf": "2", "g": "12"}, "time_base": Fraction(1, 25)}),
        ("clip.vob", {"codec": "mpeg2video", "options": {"bf": "2", "g": "12"}, "time_base": Fraction(1, 25)}),
        ("clip.webm", {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "10", "deadline": "good"}}),
        ("hevc.mp4", {"codec": "libx265", "options": {"x265-params": "log-level=none:bframes=3:keyint=12"}}),
        ("clip.flv", {"codec": "flv"}),
        ("clip.wmv", {"codec": "wmv2"}),
        ("h264.avi", {"options": {"bf": "2", "g": "12"}, "time_base": Fraction(1, 25)}),
        ("mpeg4.avi", {"codec": "mpeg4", "options": {"bf": "2", "g": "12"}, "time_base": Fraction(1, 25)}),
        ("mjpeg.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p", "time_base": Fraction(1, 25)}),
        ("bare.h264", {"container": "h264", "options": {"bf": "2", "g": "12"}}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_containers_and_codecs(
    tmp_path: Path, write_clip: Make, every: Any, numbered: Any, name: str, options: dict[str, Any]
) -> None:
    reader = FrameReader(write_clip(tmp_path / name, every(60, 25), size=(160, 96), **options))
    assert numbered.read_all(reader.frames()) == list(range(60))
    assert numbered.read_all(reader.frames(31, 40)) == list(range(31, 40))
    assert numbered.read_all(reader.frames_reversed(3, 60)) == list(range(59, 2, -1))


# ---------------------------------------------------------------------------------------------------- any order


@pytest.mark.parametrize(
    "options",
    [
        {"g": "250"},
        {"g": "1"},
        {"g": "2", "bf": "0"},
        {"g": "7", "bf": "3", "b-pyramid": "normal"},
        {"x264-params": "keyint=12:open-gop=1:bframes=4:b-adapt=0"},
        {"x264-params": "keyint=30:intra-refresh=1:bframes=0"},
    ],
    ids=["one group", "only key pictures", "short", "pyramid", "open groups", "no key pictures but the first"],
)
def test_seeking_gives_the_same_pictures(tmp_path: Path, write_clip: Make, every: Any, options: dict[str, str]) -> None:
    reader = FrameReader(write_clip(tmp_path / "clip.mp4", every(70, 30), options={"preset": "fast", **options}))
    whole = [image.tobytes() for image in reader.frames()]
    assert len(whole) == reader.count
    for start in range(0, reader.count, 3):
        part = [image.tobytes() for image in reader.frames(start, start + 4)]
        assert part == whole[start : start + 4]
    assert [image.tobytes() for image in reader.frames_reversed(5, reader.count)] == whole[:4:-1]


def test_parts_outside_the_video_are_empty(plain_clip: Path) -> None:
    reader = FrameReader(plain_clip)
    assert not list(reader.frames(100))
    assert not list(reader.frames(7, 7))
    assert not list(reader.frames_reversed(9, 9))
    assert len(list(reader.frames(98, 500))) == 2
    with pytest.raises(ValueError, match="negative"):
        next(reader.frames(-1))


def test_two_iterations_do_not_disturb_each_other(plain_clip: Path, numbered: Any) -> None:
    reader = FrameReader(plain_clip)
    pairs = zip(reader.frames(), reader.frames(50), strict=False)
    assert [(numbered.read(a), numbered.read(b)) for a, b in pairs] == [(k, k + 50) for k in range(50)]


def test_going_back_holds_few_pictures(tmp_path: Path, write_clip: Make, every: Any) -> None:
    path = write_clip(tmp_path / "clip.mp4", every(160, 25), size=(320, 240), options={"preset": "ultrafast"})
    reader = FrameReader(path)
    tracemalloc.start()
    try:
        for _ in reader.frames_reversed(0, 160):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 50 * 320 * 240 * 3


def test_a_repeated_picture_is_not_shared_and_may_be_drawn_on(
    tmp_path: Path, write_clip: Make, every: Any, numbered: Any
) -> None:
    reader = FrameReader(write_clip(tmp_path / "clip.mp4", every(4, 4)))
    numbers = []
    for image in reader.frames():
        numbers.append(numbered.read(image))
        image[:] = 0
    assert numbers == _nearest(every(4, 4), 25)


# ---------------------------------------------------------------------------------------------------- appearance


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
@pytest.mark.parametrize("mirrored", [False, True])
def test_pictures_come_upright_as_a_player_shows_them(
    tmp_path: Path, write_clip: Make, every: Any, degrees: int, mirrored: bool
) -> None:
    def turn(stream: Any) -> None:
        stream.set_display_rotation(degrees, hflip=mirrored)

    path = write_clip(tmp_path / "clip.mp4", every(3, 25), size=(96, 64), dress=turn)
    reader = FrameReader(path)
    width, height = (64, 96) if degrees in {90, -90} else (96, 64)
    assert (reader.width, reader.height) == (width, height)
    assert reader.facts.rotation_deg in {degrees % 360, (degrees + 180) % 360 if mirrored else degrees % 360}
    image = next(reader.frames())
    assert image.shape == (height, width, 3)
    assert image.flags.c_contiguous
    command = [str(find_ffmpeg()), "-v", "error", "-i", str(path), "-frames:v", "1", "-f", "rawvideo"]
    shown = subprocess.run([*command, "-pix_fmt", "rgb24", "-"], capture_output=True, check=True).stdout
    assert np.abs(np.frombuffer(shown, np.uint8).reshape(image.shape).astype(int) - image).mean() < 3


def test_pixels_become_square(tmp_path: Path, write_clip: Make, every: Any, numbered: Any) -> None:
    def stretch(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(2)
        stream.sample_aspect_ratio = Fraction(2)

    try:
        path = write_clip(tmp_path / "clip.mp4", every(3, 25), dress=stretch)
    except AttributeError:
        path = tmp_path / "clip.mp4"
        plain = write_clip(tmp_path / "plain.mp4", every(3, 25))
        command = [str(find_ffmpeg()), "-v", "error", "-i", str(plain), "-vf", "setsar=2/1", str(path)]
        subprocess.run(command, check=True)
    image = next(FrameReader(path).frames())
    assert image.shape == (64, 192, 3)
    assert numbered.read(np.ascontiguousarray(image[:, ::2])) == 0


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "size"),
    [
        ("libx264", "yuv444p", (97, 63)),
        ("libx264", "yuv420p10le", (96, 64)),
        ("libx264", "yuvj420p", (96, 64)),
        ("libx265", "yuv420p12le", (96, 66)),
        ("ffv1", "bgr0", (95, 131)),
        ("ffv1", "gray", (96, 64)),
        ("png", "rgba", (73, 40)),
        ("mjpeg", "yuvj422p", (96, 64)),
    ],
)
def test_kinds_of_pixels(
    tmp_path: Path, write_clip: Make, every: Any, numbered: Any, codec: str, pix_fmt: str, size: tuple[int, int]
) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = write_clip(tmp_path / "c.nut", every(9, 25), codec=codec, pix_fmt=pix_fmt, size=size, options=options)
    images = list(FrameReader(path).frames())
    assert numbered.read_all(images) == list(range(9))
    assert images[0].shape == (size[1], size[0], 3)
    assert images[0].dtype == np.uint8
    assert np.abs(images[0][20:, 20:].astype(int) - 110).mean() < 2.5


@pytest.mark.parametrize(("height", "matrix"), [(64, "bt601"), (720, "bt709")])
def test_a_matrix_that_is_not_named_is_the_one_players_assume(
    tmp_path: Path, write_clip: Make, every: Any, height: int, matrix: str
) -> None:
    path = write_clip(tmp_path / "c.mp4", every(1, 25), size=(1280 if height == 720 else 96, height))
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    assert frame.colorspace == 2
    luma, blue, red = (float(plane_mean(frame, index)) for index in range(3))
    strength = {"bt601": 1.402, "bt709": 1.5748}[matrix]
    expected_red = (luma - 16) * 255 / 219 + strength * (red - 128) * 255 / 224
    assert float(next(FrameReader(path).frames())[10, 4, 0]) == pytest.approx(expected_red, abs=3)
    assert blue < 128 < red


def plane_mean(frame: Any, index: int) -> float:
    """The value of one plane inside the red cell below the number."""
    plane = frame.planes[index]
    values = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    scale = 1 if index == 0 else 2
    return values[11 // scale : 14 // scale, 3 // scale : 6 // scale].mean()


# ------------------------------------------------------------------------------------------------- what is refused


def _write_text(path: Path) -> None:
    path.write_text("this is no video\n" * 50)


def _write_png(path: Path) -> None:
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as output:
        stream = output.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "rgb24"
        output.mux(stream.encode(av.VideoFrame(32, 32, "rgb24")))
        output.mux(stream.encode(None))


def _write_sound(path: Path) -> None:
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=16_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("name", "write", "words"),
    [
        ("absent.mp4", lambda path: None, "there is no file"),
        ("folder.mp4", lambda path: path.mkdir(), "not a file"),
        ("empty.mp4", lambda path: path.touch(), "empty"),
        ("pipe.mp4", os.mkfifo, "not a file"),
        ("text.mp4", _write_text, "not a video"),
        ("text.txt", _write_text, "not a video"),
        ("picture.png", _write_png, "picture"),
        ("sound.m4a", _write_sound, "no video"),
        ("-i ' \"; $(x)\nназвание.mp4", _write_text, "not a video"),
    ],
)
def test_what_is_no_video_is_refused_with_advice(
    tmp_path: Path, name: str, write: Callable[[Path], None], words: str
) -> None:
    path = tmp_path / name
    write(path)
    with pytest.raises(InputError, match=words) as caught:
        probe(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


@pytest.mark.usefixtures("bound_by_permissions")
def test_a_file_that_may_not_be_read(plain_clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "secret.mp4"
    path.write_bytes(plain_clip.read_bytes())
    path.chmod(0)
    with pytest.raises(InputError, match="may not read"):
        probe(path)


@pytest.mark.parametrize("name", ["x" * 300 + ".mp4", "a\0b.mp4"])
def test_impossible_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        probe(tmp_path / name)


@pytest.mark.parametrize("name", ["-v", "a:b.mp4", "concat:x.mp4", "с пробелом.mp4", "l1\nl2.mp4", "'\"%d*?.mp4"])
def test_names_are_only_names(
    tmp_path: Path, plain_clip: Path, numbered: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).write_bytes(plain_clip.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert numbered.read_all(FrameReader(Path(name)).frames(60, 62)) == [60, 61]


# ---------------------------------------------------------------------------------------------------- damage


def _with_index_first(path: Path, target: Path) -> bytes:
    command = [str(find_ffmpeg()), "-v", "error", "-i", str(path), "-c", "copy", "-movflags", "+faststart", str(target)]
    subprocess.run(command, check=True)
    return target.read_bytes()


def test_a_file_without_its_index_is_refused(plain_clip: Path, tmp_path: Path) -> None:
    content = plain_clip.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="cut off"):
        probe(path)


def test_a_cut_off_file_gives_what_is_there_and_one_warning(
    plain_clip: Path, tmp_path: Path, numbered: Any, caplog: pytest.LogCaptureFixture
) -> None:
    content = _with_index_first(plain_clip, tmp_path / "whole.mp4")
    path = tmp_path / "cut.mp4"
    path.write_bytes(content[: int(len(content) * 0.7)])
    with caplog.at_level(logging.WARNING, logger="synctalk"):
        reader = FrameReader(path)
        numbers = numbered.read_all(reader.frames())
        list(reader.frames_reversed(0, reader.count))
    assert 0 < len(numbers) == reader.readable <= reader.count < 100
    assert numbers[:-3] == list(range(len(numbers) - 3))
    assert "cut off" in reader.facts.damage
    assert len(caplog.records) == 1


def test_a_tail_that_cannot_be_decoded_ends_the_iteration_and_is_told(
    plain_clip: Path, tmp_path: Path, numbered: Any, caplog: pytest.LogCaptureFixture
) -> None:
    content = bytearray(_with_index_first(plain_clip, tmp_path / "whole.mp4"))
    start = int(len(content) * 0.7)
    content[start:] = bytes(len(content) - start)
    path = tmp_path / "zeroed.mp4"
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING, logger="synctalk"):
        reader = FrameReader(path)
        numbers = numbered.read_all(reader.frames())
    assert reader.count == 100
    assert 0 < len(numbers) == reader.readable < 100
    assert len(caplog.records) == 1
    backwards = list(reader.frames_reversed(0, 100))
    assert [image.tobytes() for image in backwards] == [image.tobytes() for image in reader.frames()][::-1]


def test_noise_in_the_middle_is_survived_and_told(
    plain_clip: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = bytearray(_with_index_first(plain_clip, tmp_path / "whole.mp4"))
    middle = len(content) // 2
    content[middle : middle + 2000] = np.random.default_rng(0).bytes(2000)
    path = tmp_path / "noise.mp4"
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING, logger="synctalk"):
        assert len(list(FrameReader(path).frames())) == 100
    assert len(caplog.records) == 1


@pytest.mark.parametrize("seed", range(12))
def test_flipped_bytes_never_crash_the_reader(plain_clip: Path, tmp_path: Path, seed: int) -> None:
    chance = np.random.default_rng(seed)
    content = np.frombuffer(plain_clip.read_bytes(), np.uint8).copy()
    places = chance.integers(0, len(content), 40)
    content[places] = chance.integers(0, 256, len(places))
    path = tmp_path / "flipped.mp4"
    path.write_bytes(content.tobytes())
    try:
        reader = FrameReader(path)
    except InputError:
        return
    assert len(list(reader.frames())) <= reader.count


# ---------------------------------------------------------------------------------------------------- real data


@pytest.mark.real_data
def test_recordings(real_data: Path) -> None:
    for path in sorted((real_data / "video" / "grid").glob("*.mpg")):
        reader = FrameReader(path)
        assert (reader.count, reader.width, reader.height, reader.facts.has_audio) == (75, 360, 288, True)
        assert len(list(reader.frames())) == 75
    reader = FrameReader(real_data / "video" / "presenter_b.mp4")
    assert (reader.count, reader.width, reader.height, reader.facts.codec) == (502, 1080, 1920, "hevc")
    sequential = [image.tobytes() for image in reader.frames(0, 40)][30:]
    assert [image.tobytes() for image in reader.frames(30, 40)] == sequential
