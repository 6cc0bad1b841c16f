"""`scripts/inference_cli.py`: the older rendering command, now `synctalk render`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from synctalk.cli import main as synctalk
from synctalk.log import start_console


def build_parser() -> argparse.ArgumentParser:
    """The older flags; those that have no effect any more say so in their help."""
    parser = argparse.ArgumentParser(prog="inference_cli.py", description="Render a video that speaks given sound.")
    parser.add_argument("--name", required=True, help="the dataset")
    parser.add_argument("--audio_path", required=True, help="any audio or video file")
    parser.add_argument("--mode", choices=("standard",), default="standard", help="the only mode")
    parser.add_argument("--output_dir", type=Path, default=Path("result"), help="default: %(default)s")
    parser.add_argument("--output_name", help="default: NAME_AUDIO.mp4")
    parser.add_argument("--asr", choices=("ave", "hubert"), help="audio features of a bare older checkpoint")
    parser.add_argument("--asr_model", help="weights of these audio features")
    parser.add_argument("--start_frame", type=int, default=0, help="source frame to begin with")
    loop = parser.add_mutually_exclusive_group()
    loop.add_argument("--loop_back", action="store_true", default=True, help="end on the frame it began with (default)")
    loop.add_argument("--no_loop_back", dest="loop_back", action="store_false", help="end wherever the sound ends")
    parser.add_argument("--checkpoint", help="a checkpoint file, or the number of an epoch that is still kept")
    parser.add_argument("--device", choices=("cuda", "cpu", "mps"), help="default: the best there is")
    parser.add_argument("--verbose", action="store_true", help="full tracebacks")
    return parser


def main(argv: Sequence[str]) -> int:
    """Translate the older flags and run; returns the exit code."""
    args = build_parser().parse_args(argv)
    start_console(debug=args.verbose)
    file_name = args.output_name or f"{args.name}_{Path(args.audio_path).stem}.mp4"
    out = args.output_dir / (file_name if Path(file_name).suffix else f"{file_name}.mp4")
    words = ["render", f"--audio={args.audio_path}", f"--out={out}", "--start-frame", str(args.start_frame)]
    words += ["--loop-back"] if args.loop_back else []
    words += [f"--checkpoint={args.checkpoint}"] if args.checkpoint else []
    words += ["--asr", args.asr] if args.asr and args.checkpoint else []
    words += [f"--ave={args.asr_model}"] if args.asr_model else []
    words += ["--device", args.device] if args.device else []
    words += ["--debug"] if args.verbose else []
    return synctalk([*words, "--", args.name])
