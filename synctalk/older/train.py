"""`scripts/train_328.py`: the older training command, now `synctalk run`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from synctalk.cli import main as synctalk
from synctalk.older.roots import root_of
from synctalk.older.script import run_script
from synctalk.presets import PRESETS


def build_parser() -> argparse.ArgumentParser:
    """The older flags; those that have no effect any more say so in their help."""
    parser = argparse.ArgumentParser(
        prog="train_328.py", description="Train a face: preprocess (if needed), SyncNet, main training."
    )
    parser.add_argument("--name", help="the dataset: the folder dataset/NAME")
    parser.add_argument("--dataset_dir", type=Path, help="the dataset's folder, instead of --name")
    parser.add_argument("--dataset_base", type=Path, default=Path("dataset"), help="default: %(default)s")
    parser.add_argument("--train_syncnet", action="store_true", help="always on: a SyncNet is trained first")
    parser.add_argument("--use_syncnet", action="store_true", help="always on, once the SyncNet is good enough")
    parser.add_argument(
        "--syncnet_checkpoint", "--syncnet_checkpoint_path", default="", help="start the SyncNet from this checkpoint"
    )
    parser.add_argument("--checkpoint_dir", type=Path, help="must be the folder 'checkpoint' beside 'dataset'")
    parser.add_argument("--epochs", "--num_epochs", type=int, help="target epochs of the main training")
    parser.add_argument("--batch_size", "--batchsize", type=int, help="clips per step of the main training")
    parser.add_argument("--lr", type=float, help="learning rate of the main training")
    parser.add_argument("--asr", choices=("ave", "hubert", "wenet"), help="audio features of --arch unet328")
    parser.add_argument("--asr_model", default="", help="local file or folder with the weights for --asr")
    parser.add_argument("--preset", choices=sorted(PRESETS), help="default: standard")
    parser.add_argument("--arch", choices=("mouthnet", "unet328"), help="default: mouthnet")
    parser.add_argument("--gpu", help="which CUDA device to use, for example 0")
    parser.add_argument("--continue_training", action="store_true", help="finish a training past 90%% of its target")
    parser.add_argument("--force", nargs="?", const="retrain", metavar="WHAT", help="start over: retrain, all, a stage")
    parser.add_argument("--see_res", action="store_true", help="always on: a preview video after every epoch")
    parser.add_argument("--dry_run", "--dry-run", action="store_true", help="only print what would run")
    parser.add_argument("--debug", action="store_true", help="full tracebacks")
    return parser


def main(argv: Sequence[str]) -> int:
    """Translate the older flags and run; returns the exit code."""
    return run_script(build_parser(), _run, argv)


def _run(args: argparse.Namespace) -> int:
    if not args.name and not args.dataset_dir:
        build_parser().error("give --name NAME (the folder dataset/NAME)")
    if args.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = args.gpu
    return synctalk(translate(args))


def translate(args: argparse.Namespace) -> list[str]:
    """Today's command line for the older flags.

    Raises:
        InputError: Folders that today's layout does not know.
    """
    base = args.dataset_dir.resolve().parent if args.dataset_dir else args.dataset_base
    name = args.dataset_dir.resolve().name if args.dataset_dir else args.name
    words = ["run", "--root", str(root_of(base))]
    words += ["--epochs", str(args.epochs)] if args.epochs is not None else []
    words += ["--preset", args.preset] if args.preset else []
    words += ["--force", args.force] if args.force else []
    words += [flag for flag, wanted in _flags(args).items() if wanted]
    for setting, value in _settings(args).items():
        words += ["--set", f"{setting}={value}"] if value not in (None, "") else []
    return [*words, "--", name]


def _flags(args: argparse.Namespace) -> dict[str, bool]:
    return {
        "--continue_training": args.continue_training,
        "--dry-run": args.dry_run,
        "--debug": args.debug,
    }


def _settings(args: argparse.Namespace) -> dict[str, object]:
    return {
        "main.batch_size": args.batch_size,
        "main.lr": args.lr,
        "main.arch": args.arch or ("unet328" if args.asr in ("hubert", "wenet") else None),
        "main.asr": args.asr,
        "main.asr_model": args.asr_model,
        "syncnet.initial": args.syncnet_checkpoint,
    }
