"""How English-looking text is read aloud: a short list of known words, and rules for all others.

The rules are rough. They only have to give the drawn presenter something to say that sounds like the sentence; for a
real voice the voice line has its own.
"""

from __future__ import annotations

import re
import unicodedata

from synctalk.errors import InputError
from synctalk.face.phonemes import VOWELS

_WORDS = {
    "a": "AH", "again": "AH G EH N", "all": "AO L", "an": "AE N", "any": "EH N IY", "are": "AA R", "as": "AE Z",
    "be": "B IY", "been": "B IH N", "by": "B AY", "come": "K AH M", "could": "K UH D", "do": "D UW", "does": "D AH Z",
    "done": "D AH N", "eye": "AY", "face": "F EY S", "for": "F AO R", "from": "F R AH M", "give": "G IH V",
    "go": "G OW", "good": "G UH D", "great": "G R EY T", "has": "HH AE Z", "have": "HH AE V", "he": "HH IY",
    "hello": "HH EH L OW", "here": "HH IY R", "his": "HH IH Z", "how": "HH AW", "i": "AY", "i'm": "AY M",
    "is": "IH Z", "know": "N OW", "live": "L IH V", "many": "M EH N IY", "me": "M IY", "move": "M UW V",
    "my": "M AY", "never": "N EH V ER", "new": "N UW", "no": "N OW", "now": "N AW", "of": "AH V", "one": "W AH N",
    "only": "OW N L IY", "other": "AH DH ER", "our": "AW ER", "people": "P IY P AH L", "put": "P UH T",
    "said": "S EH D", "say": "S EY", "saying": "S EY IH NG", "she": "SH IY", "should": "SH UH D", "so": "S OW",
    "some": "S AH M", "that": "DH AE T", "the": "DH AH", "their": "DH EH R", "them": "DH EH M", "then": "DH EH N",
    "there": "DH EH R", "these": "DH IY Z", "they": "DH EY", "this": "DH IH S", "those": "DH OW Z", "to": "T UW",
    "two": "T UW", "very": "V EH R IY", "video": "V IH D IY OW", "voice": "V OY S", "want": "W AA N T", "was": "W AA Z",
    "we": "W IY", "were": "W ER", "what": "W AA T", "where": "W EH R", "who": "HH UW", "with": "W IH DH",
    "woman": "W UH M AH N", "word": "W ER D", "world": "W ER L D", "would": "W UH D", "you": "Y UW", "your": "Y AO R",
}  # fmt: skip
_DIGITS = (
    *("Z IH R OW", "W AH N", "T UW", "TH R IY", "F AO R", "F AY V", "S IH K S", "S EH V AH N", "EY T", "N AY N"),
)
# The longest spelling that fits is taken; `^` is the beginning and `$` the end of a word, `*` any consonant letter.
_RULES = {
    "tion": "SH AH N", "sion": "ZH AH N", "ture$": "CH ER", "ough": "AO", "augh": "AO", "eigh": "EY", "igh": "AY",
    "tch": "CH", "dge": "JH", "sch": "S K", "ck": "K", "ch": "CH", "sh": "SH", "th": "TH", "ph": "F", "wh": "W",
    "ng": "NG", "nk": "NG K", "qu": "K W", "^kn": "N", "^wr": "R", "gh": "G", "ge$": "JH", "ce$": "S", "se$": "S",
    "ee": "IY", "ea": "IY", "oo": "UW", "ou": "AW", "ow": "OW", "oi": "OY", "oy": "OY", "ai": "EY", "ay": "EY",
    "au": "AO", "aw": "AO", "ie": "IY", "ei": "IY", "ey": "IY", "oa": "OW", "oe": "OW", "ew": "UW", "ue": "UW",
    "ui": "UW", "ar": "AA R", "or": "AO R", "er": "ER", "ir": "ER", "ur": "ER", "air": "EH R", "ear": "IY R",
    "all": "AO L", "alk": "AO K", "old": "OW L D", "ind$": "AY N D", "ing$": "IH NG", "ings$": "IH NG Z",
    "ted$": "T IH D", "ded$": "D IH D", "ed$": "D", "ous$": "AH S", "ful$": "F AH L", "less$": "L EH S",
    "ble$": "B AH L", "tle$": "T AH L", "dle$": "D AH L", "ple$": "P AH L", "gle$": "G AH L", "cle$": "K AH L",
    "a*e$": "EY *", "e*e$": "IY *", "i*e$": "AY *", "o*e$": "OW *", "u*e$": "UW *",
    "a*es$": "EY * Z", "i*es$": "AY * Z", "o*es$": "OW * Z", "a*ing$": "EY * IH NG", "i*ing$": "AY * IH NG",
    "e$": "", "es$": "Z", "y$": "IY", "^y": "Y", "o$": "OW", "i$": "IY", "u$": "UW",
    "ci": "S IH", "ce": "S EH", "cy": "S IY", "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G",
    "h": "HH", "i": "IH", "j": "JH", "k": "K", "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P", "q": "K", "r": "R",
    "s": "S", "t": "T", "u": "AH", "v": "V", "w": "W", "x": "K S", "y": "IH", "z": "Z",
}  # fmt: skip
_CONSONANT_SOUNDS = {letter: _RULES[letter] for letter in "bdfgklmnprtvz"}
_CONSONANT_SOUNDS |= {"c": "S", "s": "Z", "j": "JH", "h": "", "w": "", "x": "K S", "q": "K"}
_PAUSES_S = {",": 0.24, ";": 0.3, ":": 0.3, "-": 0.2, ".": 0.46, "!": 0.46, "?": 0.46, "…": 0.6}
_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)*|[0-9]|[,;:.!?…]|(?<=\s)[-–—](?=\s)")


def read_aloud(text: str) -> list[list[str] | float]:
    """Words and pauses of a text, in order.

    Args:
        text: English or something spelt like it; digits are read one by one, accents and other signs are dropped.

    Returns:
        For each word its phoneme names, for each punctuation mark a pause in seconds.

    Raises:
        InputError: There is nothing that can be said.

    Example:
        >>> read_aloud("Hello, you!")
        [['HH', 'EH', 'L', 'OW'], 0.24, ['Y', 'UW'], 0.46]
    """
    plain = unicodedata.normalize("NFKD", text.lower()).replace("\u2019", "'")
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    spoken: list[list[str] | float] = []
    for token in _TOKEN.findall(plain):
        if token[0].isalnum():
            spoken.append(pronounce(token))
        else:
            spoken.append(_PAUSES_S.get(token, _PAUSES_S["-"]))
    if not any(isinstance(part, list) for part in spoken):
        raise InputError("there is nothing to say in this text", hint="write a sentence with Latin letters or digits")
    return spoken


def pronounce(word: str) -> list[str]:
    """Phoneme names of one word of letters a-z (with apostrophes) or of one digit; never empty."""
    if word.isdigit():
        return _DIGITS[int(word)].split()
    if word in _WORDS:
        return _WORDS[word].split()
    word = word.replace("'", "")
    names: list[str] = []
    at = 0
    while at < len(word):
        length, sounds = _best_rule(word, at, has_vowel=any(name in VOWELS for name in names))
        names += [name for name in sounds if not names or name != names[-1]]
        at += length
    return names


def _best_rule(word: str, at: int, *, has_vowel: bool) -> tuple[int, list[str]]:
    """How many letters the longest fitting rule takes at a place, and what it says."""
    for length in range(min(5, len(word) - at), 0, -1):
        letters = word[at : at + length]
        ends = at + length == len(word)
        for key in _keys(letters, begins=at == 0, ends=ends):
            sounds = _RULES.get(key)
            if sounds is None or (not sounds and not has_vowel):
                continue
            consonant = _CONSONANT_SOUNDS[letters[1]] if "*" in key else ""
            return length, sounds.replace("*", consonant).split()
    raise AssertionError(f"no rule for the letter {word[at]!r}")


def _keys(letters: str, *, begins: bool, ends: bool) -> list[str]:
    """The ways in which a rule may be written for these letters, the most exact first."""
    keys = []
    if ends:
        if len(letters) > 2 and letters[1] in _CONSONANT_SOUNDS:
            keys.append(f"{letters[0]}*{letters[2:]}$")
        keys.append(f"{letters}$")
    if begins:
        keys.append(f"^{letters}")
    keys.append(letters)
    return keys
