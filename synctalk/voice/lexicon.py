"""How words are pronounced: as they were in the recordings, else by simple rules of English spelling.

The rules are a last resort. They know the common groups of letters and nothing of stress or exceptions; a voice that
is to read freely needs recordings with many words.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from synctalk.errors import InputError
from synctalk.log import get_logger
from synctalk.voice.reading import Reading
from synctalk.voice.textgrid import SPOKEN_NOISE, TextGrid
from synctalk.voice.utterance import Utterance

_log = get_logger(__name__)

# The longest group that fits is taken; each line is a kind of group. Letters after | have to follow and are not taken.
_RULES = """
^the$=DH AH0|  ^be$=B IY1|  ^he$=HH IY1|  ^me$=M IY1|  ^she$=SH IY1|  ^we$=W IY1|  ^e$=IY1|
tion=SH AH0 N|  sion=ZH AH0 N|  ture=CH ER0|  ough=AO1|  augh=AO1|  eigh=EY1|  igh=AY1|
tch=CH|  dge=JH|  sch=S K|  ch=CH|  sh=SH|  th=TH|  ph=F|  wh=W|  ck=K|  ng=NG|  qu=K W|  kn=N|  wr=R|  gh=G|
ee=IY1|  ea=IY1|  oo=UW1|  ou=AW1|  ow=OW1|  ai=EY1|  ay=EY1|  oa=OW1|  oi=OY1|  oy=OY1|  au=AO1|  aw=AO1|  ie=IY1|
ew=Y UW1|  ue=UW1|  ar=AA1 R|  er=ER0|  ir=ER1|  or=AO1 R|  ur=ER1|
bb=B|  cc=K|  dd=D|  ff=F|  gg=G|  ll=L|  mm=M|  nn=N|  pp=P|  rr=R|  ss=S|  tt=T|  zz=Z|
c=S|[eiy]  g=JH|[eiy]  e=|$  e=|s?$  y=IY0|$
a=EY1|[^aeiouyw]e$  i=AY1|[^aeiouyw]e$  o=OW1|[^aeiouyw]e$  u=UW1|[^aeiouyw]e$
a=AE1|  b=B|  c=K|  d=D|  e=EH1|  f=F|  g=G|  h=HH|  i=IH1|  j=JH|  k=K|  l=L|  m=M|  n=N|  o=AA1|  p=P|  q=K|  r=R|
s=S|  t=T|  u=AH1|  v=V|  w=W|  x=K S|  y=Y|  z=Z|  '=|
"""


def _parsed_rules() -> Iterator[tuple[re.Pattern[str], tuple[str, ...]]]:
    for rule in re.split(r"\s{2,}|\n", _RULES.strip()):
        letters, _, rest = rule.partition("=")
        phones, _, follower = rest.partition("|")
        yield re.compile(f"{letters}(?={follower})" if follower else letters), tuple(phones.split())


_SPELLING = tuple(_parsed_rules())


def spell(word: str) -> tuple[str, ...]:
    """The phones of an English word by its letters.

    Raises:
        InputError: It holds a sign that is no English letter, or has no sound at all.

    Example:
        >>> spell("chime")
        ('CH', 'AY1', 'M')
    """
    phones: list[str] = []
    place = 0
    while place < len(word):
        for letters, sounds in _SPELLING:
            if match := letters.match(word, place):
                phones += sounds
                place = match.end()
                break
        else:
            raise _unreadable(word)
    if not phones:
        raise _unreadable(word)
    return tuple(phones)


@dataclass(frozen=True)
class Lexicon:
    """The words of some recordings.

    Attributes:
        words: The phones of each word, in lower case; of several pronunciations the most frequent one.
    """

    words: Mapping[str, tuple[str, ...]]

    @classmethod
    def of_grids(cls, grids: Iterable[TextGrid]) -> Lexicon:
        """Every word that was said and understood."""
        heard = Pronunciations()
        for grid in grids:
            heard.add(grid)
        return heard.lexicon()

    def tokens(self, text: str) -> list[str]:
        """What is to be spoken for a text: a silence, the phones of each word, and the punctuation.

        Words that were never heard are spelled, and said in the log.

        Raises:
            InputError: There is no word in it, or one that cannot be spelled; names it.
        """
        reading = Reading.of(text)
        if not reading.words:
            raise InputError(f"there is nothing to say in {text!r}", hint="give at least one word")
        unheard = sorted(set(reading.words) - self.words.keys())
        spelled = {word: spell(word) for word in unheard}
        if unheard:
            _log.warning("not in the recordings, so pronounced by their spelling: %s", ", ".join(unheard))
        words = tuple(self.words.get(word) or spelled[word] for word in reading.words)
        return Utterance(words, reading.marks).tokens()


class Pronunciations:
    """How often each word was said in which way; grows with every alignment."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)

    def add(self, grid: TextGrid) -> None:
        """Listen to one alignment."""
        for word, phones in _pronounced(grid):
            self._counts[word][phones] += 1

    def lexicon(self) -> Lexicon:
        """The most frequent pronunciation of each word."""
        # Equally frequent ones are told apart by their names, not by the order of the clips.
        return Lexicon(
            {word: max(sorted(counts), key=counts.__getitem__) for word, counts in sorted(self._counts.items())}
        )


def _pronounced(grid: TextGrid) -> Iterator[tuple[str, tuple[str, ...]]]:
    middles_s = [(phone.start_s + phone.end_s) / 2 for phone in grid.phones]
    for word in grid.words:
        inside = grid.phones[bisect_left(middles_s, word.start_s) : bisect_left(middles_s, word.end_s)]
        phones = tuple(phone.mark for phone in inside if not phone.is_silent)
        if phones and not word.is_silent and SPOKEN_NOISE.isdisjoint({word.mark, *phones}):
            yield word.mark, phones


def _unreadable(word: str) -> InputError:
    return InputError(
        f"the word {word!r} was never heard and cannot be spelled in English sounds",
        hint="write numbers and abbreviations out as words",
    )
