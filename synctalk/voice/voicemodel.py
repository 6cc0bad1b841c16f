"""The network of a VITS voice, and the few facts beside its weights that make it speak.

The network is transformers' `VitsModel`. While it is trained its decoder, and only that, carries weight norm; here it
never does, so that a folder with its state opens as any published voice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import torch
from torch import Tensor
from transformers import VitsConfig, VitsModel

from synctalk.errors import TrainingError
from synctalk.voice.alphabet import BOS, EOS, PAD, Alphabet
from synctalk.voice.phonemes import Phonemes
from synctalk.voice.spelling import IdMap, Spelling, Vocabulary

GENERATOR = "generator"
"""Name of the network in checkpoints."""

_DECODER = "decoder."
_LENGTH, _DIRECTION = ".parametrizations.weight.original0", ".parametrizations.weight.original1"


class VoiceFacts(msgspec.Struct, frozen=True):
    """What has to be known about a voice beside its weights.

    Attributes:
        rate_hz: Samples per second.
        hop: Samples per frame of the decoder.
        language: For example `en_US`.
        extra_signs: Signs that Piper's map lacks; see `Alphabet`.
        speakers: Their names; the first one speaks when none is named.
        config: Of the network: `VitsConfig.to_dict()` as plain JSON.
        vocabulary: Ids of its own, of a voice that came from a folder in the Hugging Face layout; else empty.
        espeak: The voice of espeak whose phonemes it reads; empty when it reads letters.
        phonemes: Those that it has learned. Others would be noise: another espeak may write more of them.
    """

    rate_hz: int
    hop: int = 256
    language: str = "en_US"
    extra_signs: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ("speaker",)
    config: dict[str, Any] = {}
    vocabulary: dict[str, int] = {}
    espeak: str = ""
    phonemes: tuple[str, ...] = ()

    @property
    def spelling(self) -> Spelling:
        """How a text becomes the ids that the network has learned."""
        if self.espeak:
            return Phonemes(IdMap(self.phoneme_ids), self.espeak, Alphabet(self.extra_signs))
        return Vocabulary(self.vocabulary) if self.vocabulary else Alphabet(self.extra_signs)

    @property
    def phoneme_ids(self) -> dict[str, list[int]]:
        """The id of each phoneme that was learned, and of the marks around them."""
        known = {*self.phonemes, PAD, BOS, EOS}
        return {sign: [number] for sign, number in Alphabet(self.extra_signs).ids.items() if sign in known}


def build_vits(facts: VoiceFacts) -> VitsModel:
    """The network with random weights, in evaluation mode, without weight norm in the decoder.

    Raises:
        TrainingError: No network can be built from these facts.
    """
    try:
        model: VitsModel = VitsModel(VitsConfig(**facts.config))
    except Exception as error:  # whatever the checks of the config and the layers raise, each its own
        reason = str(error).strip().splitlines()[-1]
        raise TrainingError(
            f"the facts of this voice describe no network: {reason}", hint="use another checkpoint"
        ) from error
    model.train(mode=False)
    return model


def load_vits(facts: VoiceFacts, state: Mapping[str, Tensor]) -> VitsModel:
    """The network with given weights, in evaluation mode.

    Args:
        facts: Of the voice.
        state: Of a `VitsModel`, its decoder with or without weight norm.

    Raises:
        TrainingError: Facts and weights do not belong together; says which.
    """
    model = build_vits(facts)
    try:
        model.load_state_dict(fold_decoder(state))
    except RuntimeError as error:
        first = [line.strip() for line in str(error).splitlines() if line.strip()][1:2]
        raise TrainingError(
            f"the weights do not fit the voice: {' '.join(first)[:300]}", hint="use another checkpoint"
        ) from error
    return model


def plain_state(model: VitsModel) -> dict[str, Tensor]:
    """The state of a network, its decoder without weight norm; the network itself stays as it is."""
    return fold_decoder(model.state_dict())


def fold_decoder(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state in which each weight of the decoder is one tensor again.

    transformers' own `remove_weight_norm` knows only the older of torch's two ways to norm weights and fails after its
    own `apply_weight_norm`. The WaveNets keep theirs: `from_pretrained` expects it there.
    """
    plain = {}
    for key, value in state.items():
        if not key.startswith(_DECODER) or not key.endswith((_LENGTH, _DIRECTION)):
            plain[key] = value.detach()
        elif key.endswith(_DIRECTION):
            name = key.removesuffix(_DIRECTION)
            # The same operation as in torch's own parametrization, so that not one bit of the sound changes.
            plain[f"{name}.weight"] = torch._weight_norm(value.detach(), state[name + _LENGTH].detach(), 0)
    return plain
