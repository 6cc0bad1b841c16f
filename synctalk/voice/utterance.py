"""A text as it is said: what its words consist of, and the marks around them.

Words come one after another without a silence of their own: where somebody pauses is told by marks, or heard.
"""

from __future__ import annotations

from dataclasses import dataclass

from synctalk.voice.phones import SILENCE


@dataclass(frozen=True)
class Utterance:
    """What is said.

    Attributes:
        words: The phones, letters or phonemes of each word; at least one each.
        marks: The punctuation before the first word, between every two words, and after the last: one more than there
            are words.
    """

    words: tuple[tuple[str, ...], ...]
    marks: tuple[tuple[str, ...], ...]

    def tokens(self) -> list[str]:
        """What a voice is given to speak: a silence, the words and their punctuation, and a silence where none ends it.

        Example:
            >>> Utterance((("HH", "AY1"), ("Y", "UW1")), ((), (",",), ())).tokens()
            ['<silence>', 'HH', 'AY1', ',', 'Y', 'UW1', '<silence>']
        """
        tokens = [SILENCE, *self.marks[0]]
        for word, marks in zip(self.words, self.marks[1:], strict=True):
            tokens += [*word, *marks]
        return tokens if self.marks[-1] else [*tokens, SILENCE]
