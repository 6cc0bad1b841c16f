"""Stands in for the networks of the studio: the real options are parsed, then a short tone is written."""

from __future__ import annotations

import array
import json
import math
import sys
import time
import wave
from pathlib import Path

from synctalk import files
from synctalk.cli import build_parser

COMMANDS = {"speak", "render", "export"}
RATE_HZ = 16_000


def make(words: list[str]) -> int:
    """Write what a command would make; a text with the word "fail" fails as the command line does."""
    args = build_parser(words[0]).parse_args(words)
    text = Path(args.file).read_text() if args.command == "speak" else ""
    if "slowly" in text:
        time.sleep(60)
    if "fail" in text:
        sys.stderr.write("synctalk: error: it cannot be said\nhint: say something else\n")
        return 2
    if args.command == "export":
        files.write_bytes(args.out / "en_GB-drill-low.onnx", b"onnx")
        files.write_json(args.out / "en_GB-drill-low.onnx.json", {"name": args.name})
    elif args.command == "render":
        files.write_bytes(args.out, b"\0\0\0\x20ftypisom" + args.audio.read_bytes())
    else:
        _write_tone(Path(args.out), hz=440 * (args.speed or 1))
    sys.stdout.write(f"{json.dumps(words)}\n")
    return 0


def _write_tone(path: Path, *, hz: float) -> None:
    with files.replacing(path) as stream, wave.open(stream, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE_HZ)
        tone = (int(8000 * math.sin(2 * math.pi * hz * at / RATE_HZ)) for at in range(RATE_HZ // 2))
        sound.writeframes(array.array("h", tone).tobytes())
