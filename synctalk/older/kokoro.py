"""`scripts/train_kokoro.py`: the older training of a Kokoro voice, now `synctalk run --line kokoro`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from synctalk.cli import main as synctalk
from synctalk.older.corpora import find_corpus
from synctalk.older.script import run_script
from synctalk.older.words import setting_words

SIZES: dict[str, dict[str, int]] = {
    "small": {"layers": 4, "hidden_dim": 256, "ff_dim": 1024, "n_heads": 8, "batch_size": 8, "epochs": 10},
    "medium": {"layers": 4, "hidden_dim": 384, "ff_dim": 1536, "n_heads": 8, "batch_size": 32, "epochs": 300},
    "default": {"layers": 6, "hidden_dim": 512, "ff_dim": 2048, "n_heads": 8, "batch_size": 32, "epochs": 300},
    "large": {"layers": 8, "hidden_dim": 768, "ff_dim": 3072, "n_heads": 12, "batch_size": 32, "epochs": 300},
}
_TEST_EPOCHS, _TEST_BATCH = 5, 4


def build_parser() -> argparse.ArgumentParser:
    """The older flags; those that have no effect any more say so in their help."""
    parser = argparse.ArgumentParser(prog="train_kokoro.py", description="Train a transformer voice on recordings.")
    parser.add_argument(
        "-c", "--corpus", type=Path, default=Path("LJSpeech-1.1"),
        help="recordings with metadata.csv and wavs/, with TextGrids or without, or a dataset (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("-o", "--output", help="has no effect: checkpoints are in checkpoint/NAME/kokoro")
    parser.add_argument("-b", "--batch-size", type=int, help="clips per step (default: by --model-size)")
    parser.add_argument("-e", "--epochs", type=int, help="target epochs (default: by --model-size)")
    parser.add_argument("-lr", "--learning-rate", type=float, help="peak of the learning rate")
    parser.add_argument("--save-every", type=int, help="has no effect: every epoch is saved, old ones are pruned")
    parser.add_argument("-r", "--resume", help="has no effect: an interrupted training always continues")
    parser.add_argument("--model-size", choices=sorted(SIZES), default="default", help="default: %(default)s")
    parser.add_argument("--device", choices=("auto", "cuda", "mps", "cpu"), default="auto", help="default: auto")
    parser.add_argument(
        "--no-gradient-checkpointing", action="store_true",
        help="has no effect: memory is saved only when it runs out",
    )  # fmt: skip
    parser.add_argument("--no-mixed-precision", action="store_true", help="compute in float32")
    parser.add_argument(
        "--test-mode", action="store_true", help=f"{_TEST_EPOCHS} epochs, at most {_TEST_BATCH} clips per step"
    )
    parser.add_argument("--enable-profiling", action="store_true", help="has no effect")
    parser.add_argument("--wandb", action="store_true", help="has no effect, as the four below: nothing is sent")
    for part in ("project", "entity", "name"):
        parser.add_argument(f"--wandb-{part}", help="has no effect")
    parser.add_argument("--wandb-tags", nargs="*", help="has no effect")
    return parser


def main(argv: Sequence[str]) -> int:
    """Translate the older flags and run; returns the exit code."""
    return run_script(build_parser(), _run, argv)


def _run(args: argparse.Namespace) -> int:
    corpus = find_corpus(args.corpus)
    words = ["run", "--root", str(corpus.root), "--line", "kokoro"]
    words += ["--audio", str(corpus.audio)] if corpus.audio else []
    return synctalk([*words, *setting_words(_settings(args)), "--", corpus.name])


def _settings(args: argparse.Namespace) -> dict[str, object]:
    size = SIZES[args.model_size]
    batch_size = args.batch_size or size["batch_size"]
    return {
        "kokoro.hidden_dim": size["hidden_dim"],
        "kokoro.n_encoder_layers": size["layers"],
        "kokoro.n_decoder_layers": size["layers"],
        "kokoro.n_heads": size["n_heads"],
        "kokoro.encoder_ff_dim": size["ff_dim"],
        "kokoro.decoder_ff_dim": size["ff_dim"],
        "kokoro.batch_size": min(batch_size, _TEST_BATCH) if args.test_mode else batch_size,
        "kokoro.epochs": _TEST_EPOCHS if args.test_mode else args.epochs or size["epochs"],
        "kokoro.lr": args.learning_rate,
        "runtime.device": None if args.device == "auto" else args.device,
        "runtime.precision": "float32" if args.no_mixed_precision else None,
    }
