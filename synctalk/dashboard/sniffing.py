"""What a file is, told from its first bytes; its name only has to agree."""

from __future__ import annotations

from pathlib import PurePath

from synctalk.catalogue import VIDEO_SUFFIXES
from synctalk.dashboard.problems import UnsupportedContentError

HEAD_BYTES = 4096
VIDEO, AUDIO, TEXT, ARCHIVE = "video", "audio", "text", "archive"
_SUFFIXES = {
    VIDEO: VIDEO_SUFFIXES,
    AUDIO: (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".webm"),
    TEXT: (".csv", ".txt", ".tsv", ".textgrid"),
    ARCHIVE: (".zip",),
}
_TS_PACKET_BYTES = 188
_ALLOWED_CONTROLS = {9, 10, 12, 13}
_ASF = bytes.fromhex("3026b2758e66cf11")


def sniff(name: str, head: bytes) -> str:
    """What a file is: `video`, `audio`, `text` or `archive`.

    Args:
        name: Its name, whose end has to agree with its content.
        head: Its first `HEAD_BYTES` bytes, or all of it.

    Raises:
        UnsupportedContentError: It is none of these, or pretends to be another.
    """
    suffix = PurePath(name).suffix.lower()
    found = [kind for kind in _kinds_of(head) if suffix in _SUFFIXES[kind]]
    if not found:
        told = ", ".join(_kinds_of(head)) or "nothing that can be used"
        raise UnsupportedContentError(
            f"{name!r} holds {told}, which does not fit its name",
            hint="send videos (mp4, mov, webm, ...), sound (wav, flac, mp3, ...), tables (csv, txt) or zip archives",
        )
    # What can be both (webm, a sound-only mp4) is what is seldom wrong: a video for its name, else sound.
    return found[0]


def _kinds_of(head: bytes) -> list[str]:
    if head.startswith((b"\x1a\x45\xdf\xa3", b"OggS")) or head[4:8] in {b"ftyp", b"moov", b"wide", b"mdat"}:
        return [VIDEO, AUDIO]
    if head.startswith((b"FLV\x01", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3", _ASF)) or _is_riff(head, b"AVI "):
        return [VIDEO]
    if head[:1] == b"\x47" and head[_TS_PACKET_BYTES : _TS_PACKET_BYTES + 1] == b"\x47":
        return [VIDEO]
    if head.startswith((b"fLaC", b"ID3")) or _is_riff(head, b"WAVE") or _is_mpeg_frame(head):
        return [AUDIO]
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return [ARCHIVE]
    return [TEXT] if _is_text(head) else []


def _is_riff(head: bytes, form: bytes) -> bool:
    return head[:4] in {b"RIFF", b"RF64"} and head[8:12] == form


def _is_mpeg_frame(head: bytes) -> bool:
    """Whether it begins as an MPEG audio frame does: eleven bits, then a version, layer and rate that exist."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer, rate = (head[1] >> 3) & 3, (head[1] >> 1) & 3, (head[2] >> 2) & 3
    return version != 1 and layer != 0 and rate != 3


def _is_text(head: bytes) -> bool:
    for encoding in ("utf-8-sig", "utf-16") if head[:2] in {b"\xff\xfe", b"\xfe\xff"} else ("utf-8-sig",):
        try:
            # The last character may be cut in half.
            text = head.decode(encoding) if len(head) < HEAD_BYTES else head.decode(encoding, errors="ignore")
        except UnicodeDecodeError:
            continue
        is_whole = len(text.encode(errors="replace")) >= len(head) - 4 or encoding == "utf-16"
        return is_whole and all(ord(each) >= 32 or ord(each) in _ALLOWED_CONTROLS for each in text)
    return False
