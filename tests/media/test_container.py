from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from synctalk.errors import InputError
from synctalk.media.container import (
    decode,
    decode_first,
    find_video,
    is_decodable,
    open_media,
    packets_from,
    read_timeline,
    require_file,
)

Make = Callable[..., Path]


def _never(damage: str) -> None:
    raise AssertionError(damage)


def test_require_file(tmp_path: Path, plain_clip: Path) -> None:
    require_file(plain_clip)
    (tmp_path / "file").touch()
    for path, words in (
        (tmp_path / "absent", "no file"),
        (tmp_path / "file" / "below", "no file"),
        (tmp_path, "not a file"),
        (tmp_path / "file", "empty"),
        (tmp_path / "a\0b", "cannot be read"),
    ):
        with pytest.raises(InputError, match=words):
            require_file(path)


def test_only_the_chosen_stream_is_read(plain_clip: Path) -> None:
    with open_media(plain_clip) as container:
        stream = find_video(container, plain_clip)
        assert is_decodable(stream)
        assert {packet.stream_index for packet in container.demux()} == {stream.index}


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    with av.open(str(path), "w") as output:
        sound = output.add_stream("libmp3lame", rate=44_100)
        cover = output.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44_100), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44_100
        output.mux(cover.encode(av.VideoFrame(64, 64, "yuvj420p")))
        output.mux(cover.encode(None))
        output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    with open_media(path) as container:
        assert len(container.streams.video) == 1
        with pytest.raises(InputError, match="no video"):
            find_video(container, path)


def test_a_text_with_strange_signs_about_the_file_does_not_hinder(tmp_path: Path, write_clip: Make, every: Any) -> None:
    path = write_clip(tmp_path / "a.avi", every(3, 25), codec="mjpeg", pix_fmt="yuvj420p", time_base=Fraction(1, 25))
    content = path.read_bytes()
    place = content.index(b"Lavf")
    path.write_bytes(content[:place] + b"\xcf\xf0\xe8\xe2" + content[place + 4 :])
    with open_media(path) as container:
        assert container.metadata


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "mpg"])
def test_packets_begin_with_a_known_key_picture_or_not_at_all(
    tmp_path: Path, write_clip: Make, every: Any, suffix: str
) -> None:
    codec = {"mpg": "mpeg2video"}.get(suffix, "libx264")
    path = write_clip(
        tmp_path / f"a.{suffix}", every(60, 25), codec=codec, options={"g": "12"}, time_base=Fraction(1, 25)
    )
    with open_media(path) as container:
        timeline, damage = read_timeline(container, find_video(container, path), path)
    assert not damage
    assert len(timeline.keys) == 5
    for entry in timeline.keys[1:]:
        with open_media(path) as container:
            first = next(packets_from(container, find_video(container, path), timeline, int(entry)), None)
        assert first is None or (first.is_keyframe and first.pts in timeline.keys and first.pts <= entry)


def test_decoding(plain_clip: Path) -> None:
    with open_media(plain_clip) as container:
        stream = find_video(container, plain_clip)
        assert decode_first(container, stream, plain_clip).pts == 0
    with open_media(plain_clip) as container:
        stream = find_video(container, plain_clip)
        assert len(list(decode(container.demux(stream), _never))) == 100


def test_nothing_that_can_be_decoded_is_refused(plain_clip: Path, tmp_path: Path) -> None:
    content = bytearray(plain_clip.read_bytes())
    begin, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    content[begin:end] = bytes(end - begin)
    path = tmp_path / "hollow.mp4"
    path.write_bytes(content)
    with open_media(path) as container, pytest.raises(InputError, match=r"no picture .* can be decoded"):
        decode_first(container, find_video(container, path), path)
