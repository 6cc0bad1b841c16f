"""The steps of Piper's own trainer in Lightning's loop, as `python -m piper.train fit` makes them.

Runs in a process of its own: piper-tts is under the GPL. Its wheel lacks the compiled search for the best alignment
(`monotonic_align.core`); the one of monotonic-alignment-search, the same algorithm with the same arguments, stands in.
Spectrograms are computed before, as its data module keeps them on the disk.
"""

from __future__ import annotations

import importlib
import logging
import sys
import tempfile
import types
import warnings
from importlib import metadata
from typing import Any

import torch
from monotonic_alignment_search.core import maximum_path_c

from bench.voice.workload import HOP, RATE_HZ, Meter, Workload, asked, millions

WINDOW = 1024
# What Piper's documentation gives for its quality `high`; `medium` is its default.
HIGH: dict[str, Any] = {
    "resblock": "1",
    "resblock_kernel_sizes": (3, 7, 11),
    "resblock_dilation_sizes": ((1, 3, 5), (1, 3, 5), (1, 3, 5)),
    "upsample_rates": (8, 8, 2, 2),
    "upsample_initial_channel": 512,
    "upsample_kernel_sizes": (16, 16, 4, 4),
}


def main() -> None:
    workload = asked()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    stand_in = types.ModuleType("core")
    vars(stand_in)["maximum_path_c"] = maximum_path_c
    package = "piper.train.vits.monotonic_align.monotonic_align"
    sys.modules |= {package: types.ModuleType("monotonic_align"), f"{package}.core": stand_in}
    trainer, lightning = (importlib.import_module(name) for name in ("piper.train.vits.lightning", "lightning"))
    model = trainer.VitsModel(
        batch_size=workload.batch,
        segment_size=workload.segment,
        mos_metric=None,
        **(HIGH if workload.size == "high" else {}),
    )
    versions = f"piper-tts {metadata.version('piper-tts')} in Lightning {lightning.__version__}"
    meter = Meter(f"{versions}, quality {workload.size}: {millions(model.model_g, model.model_d)}")
    train(lightning, model, batch_of(workload), meter)


def train(lightning: Any, model: Any, batch: Any, meter: Meter) -> None:
    """Lightning's own loop, which waits for a question before each step."""

    class Questions(lightning.Callback):  # type: ignore[misc]
        def on_train_batch_start(self, *_: object) -> None:
            if not meter.is_asked():
                sys.exit()

        def on_train_batch_end(self, *_: object) -> None:
            meter.end()

    with tempfile.TemporaryDirectory() as folder:
        trainer = lightning.Trainer(
            accelerator="cpu", precision="32-true", max_epochs=-1, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder, callbacks=[Questions()],
            limit_val_batches=0,
        )  # fmt: skip
        endless: Any = range(sys.maxsize >> 1)
        always = torch.utils.data.DataLoader[Any](endless, collate_fn=lambda _: batch)
        trainer.fit(model, always)


def batch_of(workload: Workload) -> Any:
    """The workload as its collate function gives it."""
    data, processing = (importlib.import_module(f"piper.train.vits.{name}") for name in ("dataset", "mel_processing"))
    ids, wave = workload.ids(), workload.wave()
    spectrograms = processing.spectrogram_torch(wave, WINDOW, RATE_HZ, HOP, WINDOW)
    lengths = {
        "phoneme_lengths": ids.shape[1],
        "spectrogram_lengths": spectrograms.shape[2],
        "audio_lengths": wave.shape[1],
    }
    return data.Batch(
        phoneme_ids=ids,
        spectrograms=spectrograms,
        audios=wave.unsqueeze(1),
        **{name: torch.full((workload.batch,), length) for name, length in lengths.items()},
    )


if __name__ == "__main__":
    main()
