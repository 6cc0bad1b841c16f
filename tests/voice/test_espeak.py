"""From letters to phonemes in a process of its own: what is asked, what is written, and what is said when it fails.

Tests that need espeak-ng run where espeakng-loader can be imported, or lies in `.cache/espeak` (`make test-espeak`).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.errors import InputError, MissingPartError, StageError
from synctalk.voice import espeak
from synctalk.voice.alphabet import Alphabet
from synctalk.voice.espeak import check_espeak, phonemes_of, recalled_phonemes
from synctalk.voice.language import LANGUAGES, find_language
from tests.voice.conftest import pretend_espeak


def test_where_it_is_missing_the_command_that_installs_it_is_told(tmp_path: Path, monkeypatch) -> None:
    pretend_espeak(tmp_path, "raise ImportError", monkeypatch)
    with pytest.raises(MissingPartError) as refused:
        check_espeak(find_language("en_US"))
    assert refused.value.hint == 'pip install "synctalk[espeak]"'


@pytest.mark.parametrize(
    "source",
    [
        "get_library_path = lambda: '/nowhere.so'",  # the library cannot be loaded
        "import os; os.kill(os.getpid(), 11)",  # it crashes
        "import sys; sys.stdout.write('hello'); sys.stdout.flush(); import os; os._exit(0)",  # it chatters
    ],
)
def test_a_process_that_fails_is_an_error_with_a_reason(tmp_path: Path, monkeypatch, source: str) -> None:
    pretend_espeak(tmp_path, source, monkeypatch)
    with pytest.raises(StageError, match=r"espeak-ng failed: .+") as failed:
        phonemes_of(["hello"], "en-us")
    assert "pip install" in failed.value.hint


@pytest.mark.parametrize(
    ("text", "clauses", "written"),
    [  # what espeak-ng 1.52 said; what Piper's runtime 1.8.0 writes
        ("Hello, Dr. Smith.", [("həlˈoʊ", 8), ("dˈɑːktɚ", 12), ("smˈɪθ", 17)], "həlˈoʊ, dˈɑːktɚ. smˈɪθ."),
        ("Why? Well... odd; no", [("wˈaɪ", 6), ("wˈɛl", 14), ("ˈɑːd", 19), ("nˈoʊ", 20)], "wˈaɪ? wˈɛlˈɑːd; nˈoʊ"),
        ("Yes — no.", [("jˈɛs", 7), ("nˈoʊ", 9)], "jˈɛs; nˈoʊ."),
        ("x: y", [("ˈɛks", 4), ("wˈaɪ", 4)], "ˈɛks: wˈaɪ"),
        ("He said, “Stop.”", [("hiː sˈɛd", 10), ("stˈɑːp", 16), ("", 16)], "hiː sˈɛd, stˈɑːp."),
        ("What?! Really", [("wˌʌt", 8), ("ɹˈiəli", 13)], "wˌʌt? ɹˈiəli"),
        ("你好。再见！", [("ni2χˈɑu2", 4), ("tsˈai5 tɕˈiɛ5n", 6)], "ni2χˈɑu2 tsˈai5 tɕˈiɛ5n"),
        ("The end.", [("(en)ðə(de) ˈɛnt", 8)], "ðə ˈɛnt."),
        ("", [("", 0)], ""),
    ],
)
def test_clauses_are_written_as_piper_writes_them(text, clauses, written, monkeypatch) -> None:
    monkeypatch.setattr(espeak, "_ask", lambda _question: [clauses])
    assert phonemes_of([text], "x") == [written]


def test_what_was_asked_for_lately_is_remembered_for_each_voice(monkeypatch) -> None:
    asked: list[tuple[str, ...]] = []
    memory = espeak._Memory(room=3)
    monkeypatch.setattr(espeak, "_LATELY", memory)

    def answer(texts: list[str], voice: str) -> list[str]:
        asked.append((voice, *texts))
        return [f"{voice}:{text}" for text in texts]

    monkeypatch.setattr(espeak, "phonemes_of", answer)
    assert recalled_phonemes(["a", "b", "a"], "x") == ["x:a", "x:b", "x:a"]
    assert recalled_phonemes(["b", "c"], "x") == ["x:b", "x:c"]
    assert recalled_phonemes(["a"], "y") == ["y:a"]  # there is no room for the oldest of the others
    assert recalled_phonemes(["b", "c", "a"], "x") == ["x:b", "x:c", "x:a"]
    assert asked == [("x", "a", "b"), ("x", "c"), ("y", "a"), ("x", "a")]


def test_phonemes_are_decomposed(monkeypatch) -> None:
    monkeypatch.setattr(espeak, "_ask", lambda _question: [[("ç", 1)]])
    assert phonemes_of(["x"], "x") == ["c\u0327"]


def test_no_other_part_imports_the_program_that_loads_espeak(repository: Path) -> None:
    sources = {path.name: path.read_text() for path in (repository / "synctalk").rglob("*.py")}
    imports = re.compile(r"^\s*(?:from|import)\s.*(?:espeak_child|espeakng_loader)", re.MULTILINE)
    assert [name for name, source in sources.items() if imports.search(source)] == ["espeak_child.py"]


# ------------------------------------------------------------------------------------------------- with the real one


@pytest.mark.usefixtures("real_espeak")
def test_the_real_one_reads_in_its_own_process() -> None:
    texts = ["Hello, Dr. Smith paid $3.50: why?", "He said, “Stop.”", "", "..."]
    assert phonemes_of(texts, "en-us") == [
        "həlˈoʊ, dˈɑːktɚ. smˈɪθ pˈeɪd dˈɑːlɚ θɹˈiː pɔɪnt fˈaɪv zˈiəɹoʊ: wˈaɪ?",
        "hiː sˈɛd, stˈɑːp.",
        "",
        "",
    ]
    assert "espeakng_loader" not in sys.modules
    assert not [line for line in Path("/proc/self/maps").read_text().splitlines() if "espeak" in line]


@pytest.mark.usefixtures("real_espeak")
def test_the_real_one_refuses_what_is_no_voice_of_it() -> None:
    with pytest.raises(InputError, match="no voice 'en_US'") as refused:
        phonemes_of(["hello"], "en_US")
    assert "--set prepare.text=characters" in refused.value.hint


@pytest.mark.usefixtures("real_espeak")
@pytest.mark.parametrize("code", ["en_US", "de_DE", "zh_CN", "no_NO", "es_MX", "pt_BR"])
def test_the_real_one_has_a_voice_where_the_codes_differ(code: str) -> None:
    check_espeak(find_language(code))


@pytest.mark.slow
@pytest.mark.usefixtures("real_espeak")
def test_the_real_one_has_a_voice_for_every_language() -> None:
    for language in LANGUAGES:
        assert phonemes_of([language.name_native], language.espeak)[0], language.code


@pytest.mark.usefixtures("real_espeak")
def test_the_ids_of_the_real_one_are_those_of_pipers_map() -> None:
    ids = Alphabet().spell(phonemes_of(["Hi."], "en-us")[0])
    assert ids == [1, 0, 20, 0, 120, 0, 14, 0, 74, 0, 10, 0, 2]  # ^ h ˈ a ɪ . $


@pytest.mark.usefixtures("real_espeak")
def test_nothing_that_people_write_breaks_the_real_one() -> None:
    """One process for all of them: a text says nothing about the next."""
    found: list[str] = []

    @given(st.lists(st.text(max_size=40), max_size=6))
    def collect(texts: list[str]) -> None:
        found.extend(texts)

    collect()
    found += ["<speak>x</speak>", "[[h@l'oU]]", "\0\0", "a" * 3000, "🙂🙂", "\u202e", "e\u0301", "caf\udce9"]
    told = phonemes_of(found, "en-us")
    assert len(told) == len(found)
    assert phonemes_of(found[::-1], "en-us") == told[::-1]
    assert not any(sign in written for written in told for sign in "()\0\n")
