"""A transformer voice as a reader of texts: sentence by sentence, with the options that it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from synctalk.errors import InputError
from synctalk.log import get_logger
from synctalk.media.audio import Samples
from synctalk.voice.kokoro_voice import KokoroVoice, load_kokoro
from synctalk.voice.reader import OWN_DELIVERY, Delivery
from synctalk.voice.sentences import PAUSE_S, split_sentences
from synctalk.voice.trained import find_voice_checkpoint
from synctalk.voice.vocoder import GriffinLim, Vocoder
from synctalk.workspace import Workspace

STAGE = "kokoro"
_log = get_logger(__name__)


class KokoroReader:
    """Reads texts with a transformer voice.

    Args:
        voice: It has one speaker, and nothing about it is random.
    """

    def __init__(self, voice: KokoroVoice) -> None:
        self._voice = voice

    @property
    def rate_hz(self) -> int:
        """Samples per second."""
        return self._voice.rate_hz

    def speak(self, text: str, delivery: Delivery = OWN_DELIVERY) -> Iterator[Samples]:
        """Read a text; a seed changes nothing, because the same text always sounds the same.

        Raises:
            InputError: Nothing to say, a word that cannot be spelled, or an option that this voice does not have.
        """
        if delivery.speaker not in {"", "0"}:
            raise InputError(
                f"this voice has no speaker {delivery.speaker!r}", hint="leave --speaker out: it has one speaker"
            )
        if delivery.noise is not None or delivery.duration_noise is not None:
            raise InputError(
                "a voice of the kokoro line has no noise to set", hint="leave --noise and --duration-noise out"
            )
        sentences = split_sentences(text)
        if not sentences:
            raise InputError("there is nothing to say", hint="give a text: --text 'Hello there.' or --file text.txt")
        self._voice.read_ahead(sentences)
        return self._read(sentences, delivery.speed or 1.0)

    def _read(self, sentences: list[str], speed: float) -> Iterator[Samples]:
        pause = np.zeros(round(PAUSE_S * self.rate_hz), np.float32)
        for number, sentence in enumerate(sentences):
            samples = self._voice.speak(sentence, pace=speed).samples
            yield np.concatenate([pause, samples]) if number else samples


def open_kokoro_reader(
    workspace: Workspace, which: str = "best", *, make_vocoder: Callable[[int], Vocoder] = GriffinLim
) -> KokoroReader:
    """The transformer voice of a dataset.

    Args:
        workspace: Of the dataset.
        which: `best`, the number of an epoch, or the path of a checkpoint.
        make_vocoder: Given the samples per second of the voice, makes what makes it audible.

    Raises:
        InputError: There is no such checkpoint, it is none of such a voice, or the vocoder does not fit.
        TrainingError: It is damaged.
    """
    voice = load_kokoro(find_voice_checkpoint(workspace, which, stage=STAGE), make_vocoder=make_vocoder)
    _log.info("the voice is made audible by %s", voice.vocoder.name)
    return KokoroReader(voice)
