"""The steps of the stage `vits`, as the engine has them made: with its guards against bad numbers and spent memory."""

from __future__ import annotations

import torch

from bench.voice.workload import RATE_HZ, Meter, asked, millions
from synctalk.training.device import choose_placement, deterministic
from synctalk.training.learner import Learner
from synctalk.voice.vits import build_vits, vits_config
from synctalk.voice.vits_recipe import VitsRecipe
from synctalk.voice.vits_start import build_discriminator
from synctalk.voice_settings import VitsSettings

LR = 2e-4


def main() -> None:
    workload = asked()
    settings = VitsSettings(size=workload.size, segment_samples=workload.segment)  # type: ignore[arg-type]
    generator = build_vits(vits_config(workload.size, rate_hz=RATE_HZ, speakers=1))
    recipe = VitsRecipe(generator, build_discriminator(settings), settings, rate_hz=RATE_HZ)
    placement = choose_placement("cpu", "float32")
    learner = Learner(recipe, placement, stage="vits", clip_norm=0.0, ema_decay=0.0)
    ids, wave = workload.ids(), workload.wave()
    batch = {
        "ids": ids,
        "id_lengths": torch.full((workload.batch,), ids.shape[1]),
        "wave": wave,
        "wave_lengths": torch.full((workload.batch,), wave.shape[1]),
        "speaker": torch.zeros(workload.batch, dtype=torch.long),
    }
    meter = Meter(f"synctalk, `vits.size` {workload.size}: {millions(*recipe.modules.values())}")
    with deterministic(placement):
        while meter.is_asked():
            learner.step(batch, lr=LR)
            meter.end()


if __name__ == "__main__":
    main()
