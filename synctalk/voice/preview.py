"""What a voice in training sounds like: the sample text, spoken after each epoch into `preview.wav`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from transformers import VitsModel

from synctalk.media.audio import write_wav
from synctalk.pipeline.stage import StageContext
from synctalk.voice.voicemodel import VoiceFacts

PREVIEW = "preview.wav"


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

    def speak(_epoch: int) -> None:
        with torch.inference_mode():
            speaker = 0 if len(facts.speakers) > 1 else None
            spoken = generator(ids.to(generator.device), speaker_id=speaker).waveform[0]
        write_wav(path, spoken.float().cpu().numpy(), rate_hz=facts.rate_hz)

    return speak
