"""How the transformer voice is trained: spectrograms, lengths and the end, each a mean over what there really is."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from synctalk.training.recipe import Batch, Losses, Metric, Update
from synctalk.voice.kokoro import KokoroModel, Prediction
from synctalk.voice_settings import KokoroSettings

MODEL = "kokoro"
"""Name of the trained model in checkpoints."""

REFINED, COARSE = "mel_refined", "mel_coarse"
DURATION, STOP, LENGTH = "duration", "stop", "length_error"


class KokoroRecipe:
    """The maths of the transformer voice's training.

    A batch is what `KokoroClips.load` gives. Every term is the mean of the clips' own means, so that a long clip
    counts as much as a short one and a batch can be computed in parts.

    Args:
        network: To be trained.
        settings: Weights of the terms and of the optimiser.
    """

    metric = Metric(REFINED)
    is_divisible = True

    def __init__(self, network: KokoroModel, settings: KokoroSettings) -> None:
        self.network = network
        self._settings = settings

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """The acoustic model."""
        return {MODEL: self.network}

    def optimisers(self) -> Mapping[str, Optimizer]:
        """AdamW; biases, norms and the embedding do not decay."""
        embedded = self.network.embedding.weight
        parameters = list(self.network.parameters())
        decaying = [one for one in parameters if one.dim() > 1 and one is not embedded]
        others = [one for one in parameters if one.dim() <= 1 or one is embedded]
        groups = [
            {"params": decaying, "weight_decay": self._settings.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        fused = embedded.device.type in {"cpu", "cuda"}
        return {MODEL: torch.optim.AdamW(groups, lr=self._settings.lr, fused=fused)}

    def train_step(self, batch: Batch, update: Update) -> Losses:
        """Learn from one batch."""
        losses = self._losses(self._predict(batch), batch)
        update(losses["loss"], MODEL)
        return {name: loss.detach() for name, loss in losses.items()}

    def valid_step(self, batch: Batch) -> Losses:
        """Held-out figures: every loss, and by what share the predicted length of a clip is wrong."""
        prediction = self._predict(batch)
        token_mask = batch["tokens"] != 0
        predicted = (prediction.log_frames.expm1().clamp_min(0) * token_mask).sum(dim=1)
        wrong = (predicted - batch["frame_count"]).abs() / batch["frame_count"]
        return {**self._losses(prediction, batch), LENGTH: wrong.mean()}

    def _predict(self, batch: Batch) -> Prediction:
        prediction: Prediction = self.network(batch["tokens"], batch["frames"], batch["mel"], batch["frame_count"])
        return prediction

    def _losses(self, prediction: Prediction, batch: Batch) -> Losses:
        settings, count = self._settings, batch["frame_count"]
        numbers = torch.arange(batch["mel"].shape[-1], device=count.device)
        frame_mask, is_last = numbers < count[:, None], numbers == count[:, None] - 1
        coarse, refined = (
            _mean((mel - batch["mel"]).abs().mean(dim=1), frame_mask) for mel in (prediction.coarse, prediction.refined)
        )
        error = (prediction.log_frames - batch["frames"].float().log1p()).square()
        duration = _mean(error, batch["tokens"] != 0)
        stop = _mean(F.binary_cross_entropy_with_logits(prediction.stop, is_last.float(), reduction="none"), frame_mask)
        total = settings.coarse_weight * coarse + settings.refined_weight * refined
        total = total + settings.duration_weight * duration + settings.stop_weight * stop
        return {"loss": total, COARSE: coarse, REFINED: refined, DURATION: duration, STOP: stop}


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean over the clips of the mean of each where the mask is true: `[B, T]` twice -> a scalar."""
    # `where` and not a product: zero times what is not finite is not zero.
    return (torch.where(mask, values, 0.0).sum(dim=1) / mask.sum(dim=1).clamp_min(1)).mean()
