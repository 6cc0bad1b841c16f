"""What a voice in training sounds like: the sample text, spoken after each epoch into `preview.wav`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from transformers import VitsModel

from synctalk.media.audio import SAMPLE_BYTES, write_wav
from synctalk.pipeline.stage import StageContext
from synctalk.training.previews import keep_preview
from synctalk.voice.voicemodel import VoiceFacts

PREVIEW = "preview.wav"
_SLOWEST_S = 0.2
"""Per character, of a voice that has hardly begun to learn."""


def estimate_bytes(context: StageContext, facts: VoiceFacts) -> int:
    """About how large a preview can be, for the check of the room on the disk."""
    length_s = len(context.settings.voice.sample_text) * _SLOWEST_S
    return round(length_s * facts.rate_hz * SAMPLE_BYTES)


def speaking_preview(
    context: StageContext, stage: str, facts: VoiceFacts, generator: VitsModel
) -> Callable[[int], None] | None:
    """What is to be called after each epoch; None when there is nothing to say.

    Args:
        context: Of the training; says the text.
        stage: Its name; into whose folder the sound goes.
        facts: Of the voice.
        generator: Speaks with the weights that it has when it is called, in evaluation mode.
    """
    spelled = facts.spelling.encode(context.settings.voice.sample_text)
    if spelled == facts.spelling.encode(""):
        return None
    ids = torch.tensor([spelled])
    path = context.workspace.training(stage) / PREVIEW

    def speak(epoch: int) -> None:
        with torch.inference_mode():
            speaker = 0 if len(facts.speakers) > 1 else None
            spoken = generator(ids.to(generator.device), speaker_id=speaker).waveform[0]
        write_wav(path, spoken.float().cpu().numpy(), rate_hz=facts.rate_hz)
        keep_preview(path, epoch, most=context.settings.runtime.kept_previews)

    return speak
