"""Languages by both of their codes."""

from __future__ import annotations

import pytest

from synctalk.errors import InputError
from synctalk.voice.language import LANGUAGES, find_language

# What the runtime of Piper 1.8.0 was seen to accept.
ACCEPTED = {
    "en-us", "en", "en-gb-x-rp", "en-gb-scotland", "de", "fr", "fr-be", "es", "es-419", "it", "pt", "pt-br", "ru", "ja",
    "ko", "cmn", "yue", "ar", "fa", "tr", "pl", "hu", "uk", "cs", "nl", "sv", "da", "nb", "vi", "hi",
}  # fmt: skip


@pytest.mark.parametrize(
    ("code", "espeak"),
    [
        ("en_US", "en-us"), ("en_GB", "en-gb-x-rp"), ("de_DE", "de"), ("fr_FR", "fr"), ("es_ES", "es"),
        ("es_MX", "es-419"), ("pt_PT", "pt"), ("pt_BR", "pt-br"), ("zh_CN", "cmn"), ("no_NO", "nb"),
    ],
)  # fmt: skip
def test_codes_are_known_both_ways(code: str, espeak: str) -> None:
    assert find_language(code).espeak == espeak
    assert find_language(espeak).code == code


@pytest.mark.parametrize("name", ["en_US", "en-us", "EN_us", " en-US ", "en", "English"])
def test_names_are_understood_as_people_write_them(name: str) -> None:
    assert find_language(name).code == "en_US"


@pytest.mark.parametrize(("name", "code"), [("es", "es_ES"), ("pt", "pt_PT"), ("no", "no_NO"), ("zh", "zh_CN")])
def test_family_alone_is_enough(name: str, code: str) -> None:
    assert find_language(name).code == code


def test_every_language_is_found_by_its_own_code() -> None:
    assert [find_language(language.code) for language in LANGUAGES] == list(LANGUAGES)
    assert len({language.code for language in LANGUAGES}) == len(LANGUAGES) >= 45


def test_voices_of_espeak_are_those_that_were_tried_where_a_rule_would_fail() -> None:
    by_rule = {language.family for language in LANGUAGES}
    assert {language.espeak for language in LANGUAGES} - by_rule <= ACCEPTED


def test_facts_are_those_a_voice_has_beside_it() -> None:
    assert find_language("de").facts == {
        "code": "de_DE", "family": "de", "region": "DE", "name_native": "Deutsch", "name_english": "German",
        "country_english": "Germany",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "near"), [("en_UK", "en_US"), ("germn", "de_DE"), ("de_XX", "de_DE"), ("qqq", "en_US")]
)
def test_what_is_unknown_is_refused_with_what_is_near(name: str, near: str) -> None:
    with pytest.raises(InputError) as refused:
        find_language(name)
    assert near in refused.value.hint
