"""Listings of every usual kind, and lines of every unusual one."""

from __future__ import annotations

import string
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.errors import InputError, StoppedError
from synctalk.voice.listing import Listing, Reason
from synctalk.voice.metadata import count_reasons, read_metadata
from synctalk.voice_settings import PrepareSettings

HEADER = "client_id\tpath\tsentence\tup_votes\tdown_votes"


def listing(folder: Path, content: str | bytes, *sounds: str, name: str = "metadata.csv") -> Listing:
    """A folder with a listing and some sounds, read."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    touch(folder, *(sounds or ("wavs/a.wav", "wavs/b.wav", "wavs/c.wav", "wavs/d.wav")))
    return read_metadata(folder)


def touch(folder: Path, *sounds: str) -> None:
    for sound in sounds:
        (folder / sound).parent.mkdir(parents=True, exist_ok=True)
        (folder / sound).write_bytes(b"sound")


def rows(found: Listing) -> list[tuple[str, str, str]]:
    return [(row.name, row.speaker, row.text) for row in found.rows]


def reasons(found: Listing) -> list[tuple[int, Reason]]:
    return [(each.line, each.reason) for each in found.rejections]


# ---------------------------------------------------------------------------------------------------- metadata.csv


@pytest.mark.parametrize("name", ["a", "a.wav", "wavs/a.wav", "./wavs/a", r"wavs\a.wav"])
def test_two_columns_are_name_and_text(tmp_path: Path, name: str) -> None:
    assert [row[2] for row in rows(listing(tmp_path, f"{name}|Hello there.\n"))] == ["Hello there."]


def test_of_three_columns_of_ljspeech_the_last_counts(tmp_path: Path) -> None:
    found = listing(tmp_path, "a|In 1455.|In fourteen fifty-five.\nb|Dr. No|Doctor No\nc|same|same\n")
    assert rows(found) == [
        ("a", "speaker", "In fourteen fifty-five."), ("b", "speaker", "Doctor No"), ("c", "speaker", "same"),
    ]  # fmt: skip


def test_second_column_that_repeats_with_other_texts_is_a_speaker(tmp_path: Path) -> None:
    found = listing(tmp_path, "a|anna|one two\nb|anna|three four\nc|ben|five six\nd|ben|seven\n")
    assert [(speaker, text) for _, speaker, text in rows(found)] == [
        ("anna", "one two"), ("anna", "three four"), ("ben", "five six"), ("ben", "seven"),
    ]  # fmt: skip


def test_second_column_that_repeats_with_the_same_text_is_the_same_text(tmp_path: Path) -> None:
    found = listing(tmp_path, "a|7|seven\nb|7|seven\nc|8|eight\nd|8|eight\n")
    assert {row.speaker for row in found.rows} == {"speaker"}
    assert [row.text for row in found.rows] == ["seven", "seven", "eight", "eight"]


def test_abbreviation_that_is_read_in_two_ways_makes_no_speaker(tmp_path: Path) -> None:
    found = listing(tmp_path, "a|Dr.|Doctor\nb|Dr.|Drive\nc|St.|Saint\nd|No.|Number\n")
    assert [(row.speaker, row.text) for row in found.rows][:2] == [("speaker", "Doctor"), ("speaker", "Drive")]


def test_third_column_that_is_always_empty_does_not_hide_the_second(tmp_path: Path) -> None:
    assert rows(listing(tmp_path, "a|one|\nb|two|\n")) == [("a", "speaker", "one"), ("b", "speaker", "two")]


@pytest.mark.parametrize(
    "content",
    [
        "file|speaker|text\na.wav|anna|one\nb.wav|anna|two\n",
        "id|text|normalized_text|speaker_name\na|1|one|anna\nb|2|two|anna\n",
        "text\tspeaker_id\tpath\none\tanna\twavs/a.wav\ntwo\tanna\twavs/b.wav\n",
        'file_name,speaker,transcription\na.wav,anna,one\nb.wav,"anna","two"\n',
    ],
)
def test_header_says_which_column_is_what(tmp_path: Path, content: str) -> None:
    assert [row[1:] for row in rows(listing(tmp_path, content))] == [("anna", "one"), ("anna", "two")]


def test_columns_may_be_separated_by_tabs(tmp_path: Path) -> None:
    assert [row.text for row in listing(tmp_path, "a\tone | two\nb\tthree\n").rows] == ["one | two", "three"]


def test_quotation_marks_mean_themselves(tmp_path: Path) -> None:
    found = listing(tmp_path, 'a|"Hello|\nb|said "it|\nc|x" y|\n'.replace("|\n", "\n"))
    assert [row.text for row in found.rows] == ['"Hello', 'said "it', 'x" y']


def test_quotation_mark_left_open_between_commas_costs_one_line(tmp_path: Path) -> None:
    found = listing(tmp_path, 'file_name,text\na.wav,"one\nb.wav,"two, ""really"""\n')
    assert [row.text for row in found.rows] == ['two, "really"']
    assert reasons(found) == [(2, Reason.COLUMNS)]


def test_commas_without_a_header_are_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="file_name,text"):
        listing(tmp_path, "a.wav,Hello there\nb.wav,Good bye\n")


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfa|one\nb|two\n",
        b"a|one\r\n\r\nb|two",
        b"a|one\rb|two\r",
        b"\n\n  \na|one\n\t\nb|two\n\n",
        "a|one\nb|two\n".encode("utf-16"),
    ],
    ids=["mark", "crlf", "cr", "blank lines", "utf-16"],
)
def test_files_from_everywhere_are_read(tmp_path: Path, content: bytes) -> None:
    found = listing(tmp_path, content)
    assert rows(found) == [("a", "speaker", "one"), ("b", "speaker", "two")]
    assert not found.rejections


def test_line_that_is_not_utf8_is_named_with_its_place(tmp_path: Path) -> None:
    found = listing(tmp_path, b"a|one\nb|caf\xe9\nc|three\n")
    assert [row.name for row in found.rows] == ["a", "c"]
    assert [(each.line, each.explanation) for each in found.rejections] == [
        (2, "the line is not UTF-8: byte 0xe9 at column 6")
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("b|", Reason.NO_TEXT),
        ("b|   ", Reason.NO_TEXT),
        ("|text", Reason.NO_NAME),
        ("absent|text", Reason.MISSING),
        ("notes.txt|text", Reason.MISSING),
        ("wavs|text", Reason.MISSING),
        ("b|te\0xt", Reason.NUL),
        ("b", Reason.COLUMNS),
        ("b|anna|one|two", Reason.COLUMNS),
        ("../secret|text", Reason.OUTSIDE),
        ("wavs/../../secret.wav|text", Reason.OUTSIDE),
        (r"..\secret|text", Reason.OUTSIDE),
        ("/etc/passwd|text", Reason.OUTSIDE),
        (r"C:\sounds\a.wav|text", Reason.OUTSIDE),
        ("link|text", Reason.OUTSIDE),
        ("elsewhere/secret.wav|text", Reason.OUTSIDE),
        ("a|again", Reason.SAME_NAME),
        ("wavs/a.wav|again", Reason.SAME_NAME),
        ("x" * 5000 + "|text", Reason.MISSING),
    ],
)
def test_line_that_cannot_be_used_is_rejected_and_the_others_are_not(tmp_path: Path, line: str, reason: Reason) -> None:
    folder = tmp_path / "recordings"
    touch(tmp_path, "secret.wav", "outside/secret.wav")
    touch(folder, "notes.txt")
    (folder / "link.wav").symlink_to(tmp_path / "secret.wav")
    (folder / "elsewhere").symlink_to(tmp_path / "outside")
    found = listing(folder, f"a|one\n{line}\nc|three\n")
    assert [row.name for row in found.rows] == ["a", "c"]
    assert reasons(found) == [(2, reason)]


def test_empty_speaker_is_rejected(tmp_path: Path) -> None:
    assert reasons(listing(tmp_path, "id|speaker|text\na||one\nb|ben|two\n")) == [(2, Reason.NO_SPEAKER)]


@pytest.mark.parametrize(("listed", "stored"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_are_found_in_any_unicode_form(tmp_path: Path, listed: str, stored: str) -> None:
    sound = unicodedata.normalize(stored, "wavs/Jürgen é.wav")
    found = listing(tmp_path, unicodedata.normalize(listed, "Jürgen é|Grüße\n"), sound)
    assert [row.path for row in found.rows] == [tmp_path / sound]


def test_suffixes_may_be_capital_letters(tmp_path: Path) -> None:
    found = listing(tmp_path, "a|one\nb.wav|two\n", "wavs/a.WAV", "wavs/b.Wav")
    assert [row.name for row in found.rows] == ["a", "b"]


def test_every_usual_folder_is_searched_and_the_first_kind_of_file_wins(tmp_path: Path) -> None:
    found = listing(
        tmp_path, "a|1\nb|2\nc|3\nd|4\ne|5\n", "a.ogg", "wav/b.wav", "audio/c.flac", "clips/d.mp3", "e.mp3", "e.wav"
    )
    labels = [row.path.relative_to(tmp_path).as_posix() for row in found.rows]
    assert labels == ["a.ogg", "wav/b.wav", "audio/c.flac", "clips/d.mp3", "e.wav"]
    assert found.unlisted == ["e.mp3"]


def test_listing_may_lie_in_a_folder_of_its_own(tmp_path: Path) -> None:
    assert rows(listing(tmp_path, "a|one\n", "audio/a.wav", name="csv/metadata.csv")) == [("a", "speaker", "one")]


def test_folder_around_the_recordings_may_be_given(tmp_path: Path) -> None:
    found = listing(tmp_path, "a|one\n", "LJSpeech-1.1/wavs/a.wav", name="LJSpeech-1.1/metadata.csv")
    assert rows(found) == [("a", "speaker", "one")]


def test_several_listings_are_refused_by_name(tmp_path: Path) -> None:
    touch(tmp_path, "train.csv", "test.csv", "a.wav")
    with pytest.raises(InputError, match=r"test\.csv, train\.csv"):
        read_metadata(tmp_path)


@given(st.binary(max_size=300))
def test_whatever_is_in_a_listing_each_line_is_a_row_or_rejected(tmp_path: Path, content: bytes) -> None:
    content = content.replace(b"\r", b"").removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff")
    try:
        found = listing(tmp_path, b"a|one\n" + content)
    except InputError:
        assert b"," in content or b"\t" in content
        return
    lines = content.split(b"\n")
    blank = sum(1 for line in lines if not line.decode("utf-8", "ignore").strip() and _is_text(line))
    assert found.count == 1 + len(lines) - blank


def _is_text(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in line


@given(st.lists(st.text(string.ascii_letters + "\"', .ßé", min_size=1).filter(str.strip), min_size=4, max_size=4))
def test_what_piper_writes_is_read_back(tmp_path: Path, texts: list[str]) -> None:
    content = "".join(f"{name}|anna|{text}\n" for name, text in zip("abcd", texts, strict=True))
    found = listing(tmp_path, f"id|speaker|text\n{content}")
    assert [row.text for row in found.rows] == [unicodedata.normalize("NFC", " ".join(text.split())) for text in texts]


# ---------------------------------------------------------------------------------------------------- Common Voice


def common_voice(folder: Path, *lines: str, name: str = "validated.tsv", **settings: int) -> Listing:
    touch(folder, "clips/a.mp3", "clips/b.mp3", "clips/c.mp3")
    (folder / name).write_text("\n".join([HEADER, *lines]) + "\n")
    return read_metadata(folder, PrepareSettings(**settings))


def test_common_voice_is_read_with_its_speakers(tmp_path: Path) -> None:
    found = common_voice(tmp_path, 'f00\ta.mp3\t"Rojbaş\t2\t0', "ba5\tb.mp3\tSpas\t5\t0")
    assert rows(found) == [("a", "f00", '"Rojbaş'), ("b", "ba5", "Spas")]
    assert found.unlisted == ["clips/c.mp3"]


@pytest.mark.parametrize(
    ("settings", "used"),
    [({}, ["a"]), ({"least_up_votes": 1}, ["a", "b"]), ({"most_down_votes": 1}, ["a", "c"])],
)
def test_votes_decide(tmp_path: Path, settings: dict[str, int], used: list[str]) -> None:
    found = common_voice(tmp_path, "s\ta.mp3\tone\t2\t0", "s\tb.mp3\ttwo\t1\t0", "s\tc.mp3\tthree\t3\t1", **settings)
    assert [row.name for row in found.rows] == used
    assert {reason for _, reason in reasons(found)} <= {Reason.VOTES}
    assert found.count == 3


def test_votes_that_are_no_numbers_and_rows_cut_off_are_rejected(tmp_path: Path) -> None:
    found = common_voice(tmp_path, "s\ta.mp3\tone\tmany\t0", "s\tb.mp3", "s\tc.mp3\tthree\t2\t0")
    assert reasons(found) == [(2, Reason.VOTES), (3, Reason.COLUMNS)]


def test_validated_wins_over_its_parts_and_invalidated_is_never_read(tmp_path: Path) -> None:
    for name in ("train.tsv", "invalidated.tsv"):
        (tmp_path / name).write_text(f"{HEADER}\ns\ta.mp3\twrong\t9\t0\n")
    (tmp_path / "clip_durations.tsv").write_text("clip\tduration\na.mp3\t100\n")
    assert [row.text for row in common_voice(tmp_path, "s\ta.mp3\tright\t2\t0").rows] == ["right"]
    (tmp_path / "validated.tsv").unlink()
    assert [row.text for row in read_metadata(tmp_path).rows] == ["wrong"]
    (tmp_path / "train.tsv").unlink()
    assert read_metadata(tmp_path).rows == []


# ---------------------------------------------------------------------------------------------------- text files


def test_each_sound_with_a_text_of_the_same_name_is_a_row(tmp_path: Path) -> None:
    touch(tmp_path, "en/0001.webm", "en/0002.wav", "0003.flac")
    for name, text in (("en/0001.txt", "\ufeffHello\r\nthere "), ("en/0002.TXT", "Good bye"), ("0003.txt", "Servus")):
        (tmp_path / name).write_text(text)
    assert rows(read_metadata(tmp_path)) == [
        ("0003", "speaker", "Servus"), ("en/0001", "speaker", "Hello there"), ("en/0002", "speaker", "Good bye"),
    ]  # fmt: skip


def test_sounds_and_texts_that_are_alone_are_rejected(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "b.wav", "c.wav")
    (tmp_path / "b.txt").write_bytes(b"caf\xe9")
    (tmp_path / "c.txt").write_text(" \n")
    (tmp_path / "README.txt").write_text("about")
    found = read_metadata(tmp_path)
    assert [(each.source, each.reason) for each in found.rejections] == [
        ("a.wav", Reason.NO_TEXT), ("b.txt", Reason.NOT_UTF8), ("c.txt", Reason.NO_TEXT),
        ("README.txt", Reason.MISSING),
    ]  # fmt: skip


def test_reading_can_be_stopped(tmp_path: Path) -> None:
    listing(tmp_path, "a|one\n")
    with pytest.raises(StoppedError):
        read_metadata(tmp_path, should_stop=lambda: True)


def test_reasons_are_counted_the_most_frequent_first(tmp_path: Path) -> None:
    found = listing(tmp_path, "a|\nx|one\ny|two\n")
    assert list(count_reasons(found.rejections).items()) == [(Reason.MISSING, 2), (Reason.NO_TEXT, 1)]


@pytest.mark.real_data
def test_real_ljspeech_is_read_whole(real_data: Path) -> None:
    found = read_metadata(real_data / "voice" / "ljspeech")
    assert (len(found.rows), found.rejections, found.unlisted) == (24, [], [])
    assert "fourteen fifty-five" in found.rows[6].text
    assert '"forty-two line Bible"' in found.rows[6].text
