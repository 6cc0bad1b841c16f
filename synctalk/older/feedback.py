"""`scripts/train_feedback.py`: the older training on corrections, now `synctalk feedback` and `synctalk export`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from synctalk.cli import main as synctalk
from synctalk.older.corpora import find_corpus
from synctalk.older.script import run_script
from synctalk.older.words import hf_export_words, setting_words

_FINISHED_MODELS = ("final_model", "best_model", "feedback_model")
"""Folders of finished models that the older trainers made inside the folder of a voice."""


def build_parser() -> argparse.ArgumentParser:
    """The older flags; those that have no effect any more say so in their help."""
    parser = argparse.ArgumentParser(
        prog="train_feedback.py",
        description="Let a trained voice learn from corrected recordings, and export it in the Hugging Face layout.",
    )
    parser.add_argument(
        "--feedback_dir", type=Path, default=Path("training/feedback"),
        help="corrections: sounds, each with a .txt of the same name beside it (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--model_dir", type=Path, default=Path("training/final_model"),
        help="the voice: the dataset dataset/NAME, or NAME/final_model as it was called (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--output_dir", type=Path, default=Path("result/voices"),
        help="the finished voice goes into a folder in here (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--base_model", help="has no effect: a voice is trained first, with train_vits.py")
    parser.add_argument("--batch_size", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--learning_rate", type=float, default=1e-5, help="default: %(default)s")
    parser.add_argument("--epochs", type=int, default=5, help="default: %(default)s")
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument("--fp16", action="store_true", help="always on: the precision that the device is good at")
    precision.add_argument("--no-fp16", action="store_true", help="compute in float32")
    return parser


def main(argv: Sequence[str]) -> int:
    """Translate the older flags, learn, and export what was not rolled back; returns the exit code."""
    return run_script(build_parser(), _run, argv)


def _run(args: argparse.Namespace) -> int:
    model = args.model_dir.parent if args.model_dir.name in _FINISHED_MODELS else args.model_dir
    voice = find_corpus(model)
    words = ["feedback", "--root", str(voice.root), "--recordings", str(args.feedback_dir), f"--epochs={args.epochs}"]
    code = synctalk([*words, *setting_words(_settings(args)), "--", voice.name])
    return code or synctalk(hf_export_words(voice.root, voice.name, args.output_dir))


def _settings(args: argparse.Namespace) -> dict[str, object]:
    return {
        "feedback.batch_size": args.batch_size,
        "feedback.lr": args.learning_rate,
        "runtime.precision": "float32" if args.no_fp16 else None,
    }
