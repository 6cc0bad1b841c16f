"""`scripts/train_vits.py`: the older training of a VITS voice, now `synctalk run` and `synctalk export`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from synctalk.cli import main as synctalk
from synctalk.errors import InputError
from synctalk.older.corpora import find_corpus
from synctalk.older.script import run_script
from synctalk.older.words import hf_export_words, setting_words
from synctalk.voice.hub import is_hub_name

_LR_OF_A_FINISHED_VOICE = 2e-5


def build_parser() -> argparse.ArgumentParser:
    """The older flags; those that have no effect any more say so in their help."""
    parser = argparse.ArgumentParser(
        prog="train_vits.py", description="Train a VITS voice, and export it in the Hugging Face layout."
    )
    parser.add_argument(
        "--data_dir", type=Path, default=Path("training"),
        help="the dataset dataset/DATA_DIR, or a folder with wavs/ and metadata.csv (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--checkpoint_dir", help="has no effect: checkpoints are in checkpoint/NAME/vits")
    parser.add_argument(
        "--output_dir", type=Path, default=Path("result/voices"),
        help="the finished voice goes into a folder in here (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--model_name",
        help="a voice to start from: a folder, or a name on the Hugging Face hub (default: random weights)",
    )
    parser.add_argument("--batch_size", type=int, default=8, help="default: %(default)s")
    parser.add_argument(
        "--gradient_accumulation_steps", type=int, default=4,
        help="multiplies --batch_size; the product is vits.batch_size (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--learning_rate", type=float,
        help=f"default: {_LR_OF_A_FINISHED_VOICE:g} with --model_name, else that of the settings",
    )  # fmt: skip
    parser.add_argument("--target_hours", type=float, default=9.5, help="hours in all (default: %(default)s)")
    parser.add_argument("--warmup_steps", type=int, default=500, help="default: %(default)s")
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument("--fp16", action="store_true", help="always on: the precision that the device is good at")
    precision.add_argument("--no-fp16", action="store_true", help="compute in float32")
    parser.add_argument("--max_samples", type=int, default=0, help="use only so many clips; 0 uses all")
    parser.add_argument("--benchmark_samples", type=int, help="has no effect: a few steps are timed")
    parser.add_argument(
        "--target_sr", type=int, choices=(16000, 22050), default=16000,
        help="as given to prepare_data.py (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--language", default="ku_TR", help="as given to prepare_data.py (default: %(default)s)")
    return parser


def main(argv: Sequence[str]) -> int:
    """Translate the older flags, train, and export what was finished; returns the exit code."""
    return run_script(build_parser(), _run, argv)


def _run(args: argparse.Namespace) -> int:
    corpus = find_corpus(args.data_dir)
    words = ["run", "--root", str(corpus.root), "--line", "voice", f"--target-hours={args.target_hours:g}"]
    words += ["--audio", str(corpus.audio)] if corpus.audio else []
    code = synctalk([*words, *setting_words(_settings(args)), "--", corpus.name])
    return code or synctalk(hf_export_words(corpus.root, corpus.name, args.output_dir))


def _settings(args: argparse.Namespace) -> dict[str, object]:
    lr = _LR_OF_A_FINISHED_VOICE if args.model_name and args.learning_rate is None else args.learning_rate
    return {
        "prepare.rate_hz": args.target_sr,
        "prepare.language": args.language,
        "prepare.most_clips": args.max_samples,
        "vits.initial": _initial(args.model_name) if args.model_name else None,
        "vits.batch_size": args.batch_size * args.gradient_accumulation_steps,
        "vits.lr": lr,
        "vits.warmup_steps": args.warmup_steps,
        "runtime.precision": "float32" if args.no_fp16 else None,
    }


def _initial(model_name: str) -> str:
    """What `vits.initial` is to be: a folder, or a name on the hub.

    Raises:
        InputError: It is neither.
    """
    if not (Path(model_name).is_dir() or is_hub_name(model_name)):
        raise InputError(
            f"there is no folder {model_name}, and no voice on the Hugging Face hub is called so",
            hint="give a folder, --model_name DIR, or a name with its owner, --model_name facebook/mms-tts-eng",
        )
    return model_name
