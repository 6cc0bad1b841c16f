"""A VITS network as an ONNX file with the inputs and the output that Piper's runtime expects.

Inputs: `input` int64 [batch, phonemes], `input_lengths` int64 [batch], `scales` float32 [3] (noise, length, duration
noise) and, with several speakers only, `sid` int64 [1]. Output: `output` float32 [batch, 1, 1, time]. The only `Ceil`
of the graph gives the frames of each id; Piper finds them there.
"""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn
from transformers import VitsModel

OPSET = 15
_TRACED_IDS = 32


class PiperVits(nn.Module):
    """The network behind Piper's inputs.

    Args:
        model: A copy is taken, because speaking changes its attributes.
    """

    def __init__(self, model: VitsModel) -> None:
        super().__init__()
        self.model = copy.deepcopy(model)
        self.has_speakers = model.config.num_speakers > 1
        self.eval()

    def forward(self, ids: Tensor, lengths: Tensor, scales: Tensor, sid: Tensor | None = None) -> Tensor:
        """Speak.

        Shape:
            ids `[B, N]`, lengths `[B]`, scales `[3]`, sid `[1]` -> `[B, 1, 1, T]`
        """
        # Tensors rather than numbers, so that they become inputs of the graph.
        vars(self.model).update(noise_scale=scales[0], noise_scale_duration=scales[2])
        mask = (torch.arange(ids.shape[1])[None, :] < lengths[:, None]).long()  # [B, N]
        who = sid if self.has_speakers else None
        waveform = self.model(ids, attention_mask=mask, speaker_id=who, speaking_rate=1 / scales[1]).waveform
        spoken: Tensor = waveform[:, None, None]  # [B, 1, 1, T]
        return spoken


def export_onnx(model: VitsModel, *, metadata: Mapping[str, str]) -> bytes:
    """The ONNX file of a network.

    Args:
        model: Without weight norm in its decoder, on the CPU.
        metadata: Stored in the file, for whoever opens it.
    """
    wrapped = PiperVits(model)
    names = ["input", "input_lengths", "scales", *(["sid"] if wrapped.has_speakers else [])]
    ids = torch.arange(_TRACED_IDS)[None] % model.config.vocab_size
    example = (ids, torch.tensor([_TRACED_IDS]), torch.tensor([0.667, 1.0, 0.8]), torch.tensor([0]))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        target = Path(folder) / "voice.onnx"
        # The tracer warns of each comparison of sizes in the network. That none of them matters is what the tests of
        # other lengths and batches show.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            wrapped,
            example[: len(names)],
            target,
            dynamo=False,  # the newer exporter cannot follow lengths that depend on the text
            opset_version=OPSET,
            input_names=names,
            output_names=["output"],
            dynamic_axes={
                "input": {0: "batch", 1: "phonemes"},
                "input_lengths": {0: "batch"},
                "output": {0: "batch", 3: "time"},
            },
        )
        graph = onnx.load(target)
    onnx.helper.set_model_props(graph, dict(metadata))
    content: bytes = graph.SerializeToString()
    return content
