"""How a voice that reads phonemes spells: what espeak says, with the ids of Piper's map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from synctalk.voice.alphabet import Alphabet
from synctalk.voice.espeak import recalled_phonemes
from synctalk.voice.spelling import IdMap


@dataclass(frozen=True)
class Phonemes:
    """The phonemes of one voice.

    Attributes:
        ids: Of each phoneme.
        espeak: The voice of espeak that reads the letters, for example `en-us`.
        alphabet: The ids with which it is trained, also of phonemes that it has not learned yet.
    """

    ids: IdMap
    espeak: str
    alphabet: Alphabet = field(default_factory=Alphabet)

    def encode(self, text: str) -> list[int]:
        """The ids of a text; phonemes without an id are left out.

        Raises:
            MissingPartError, InputError, StageError: As `phonemes_of`.
        """
        return self.ids.spell(self._phonemes(text))

    def unknown(self, text: str) -> list[str]:
        """The phonemes of a text that have no id, sorted."""
        return sorted(set(self._phonemes(text)) - self.ids.ids.keys())

    def read_ahead(self, texts: Sequence[str]) -> None:
        """Ask espeak once for all of them: for each alone, it takes longer to start than to answer."""
        recalled_phonemes([text for text in texts if text.strip()], self.espeak)

    def _phonemes(self, text: str) -> str:
        return recalled_phonemes([text], self.espeak)[0] if text.strip() else ""
