"""The store of corrections: what is given stays, once, and whole at any moment."""

from __future__ import annotations

from collections import Counter
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from synctalk.errors import InputError, StoppedError, StorageError
from synctalk.voice.correction_store import Change, correction_files, keep_correction, read_corrections
from synctalk.voice.listing import Row

TEXTS = some.text(some.characters(blacklist_categories=("Cs",)), min_size=1, max_size=5)


def row_of(path: Path, text: str, speaker: str = "anna") -> Row:
    path.write_bytes(b"sound of " + path.name.encode())
    return Row(path.stem, speaker, text, path, 0, "")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "corrections"
    folder.mkdir()
    return folder


def test_the_same_correction_counts_once_and_a_later_text_replaces_the_earlier(store, tmp_path: Path) -> None:
    sound = tmp_path / "a.WAV"
    assert keep_correction(store, "k1", row_of(sound, "one")) is Change.NEW
    assert keep_correction(store, "k1", row_of(tmp_path / "b.flac", "one")) is Change.KNOWN
    assert keep_correction(store, "k1", row_of(sound, "two")) is Change.REPLACED
    assert keep_correction(store, "k1", row_of(sound, "three")) is Change.REPLACED
    (found,) = read_corrections(store).values()
    assert (found.name, found.text, found.earlier, found.sound) == ("a", "three", ("one", "two"), "k1.wav")
    assert correction_files(store) == {name: store / name for name in ("k1.json", "k1.wav")}
    sound.unlink()
    assert (store / "k1.wav").read_bytes() == b"sound of a.WAV"


def test_another_speaker_is_a_change_too_but_no_other_text(store, tmp_path: Path) -> None:
    keep_correction(store, "k", row_of(tmp_path / "a.wav", "one"))
    assert keep_correction(store, "k", row_of(tmp_path / "a.wav", "one", "ben")) is Change.REPLACED
    (found,) = read_corrections(store).values()
    assert (found.speaker, found.earlier) == ("ben", ())


@settings(max_examples=15)  # each waits for the disk some twenty times
@given(some.lists(some.tuples(some.sampled_from("abc"), TEXTS), max_size=8))
def test_whatever_is_given_the_last_text_of_each_sound_counts(tmp_path_factory, gifts) -> None:
    place = tmp_path_factory.mktemp("given")
    store = place / "store"
    store.mkdir()
    for key, text in gifts:
        keep_correction(store, key, row_of(place / f"{key}.wav", text))
    assert {key: each.text for key, each in read_corrections(store).items()} == dict(gifts)
    assert list(read_corrections(store)) == sorted(dict(gifts))
    assert all(path.is_file() for path in correction_files(store).values())


def test_a_disk_that_fails_at_any_point_leaves_whole_corrections_and_the_next_try_ends_it(
    store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gifts = {"k1": "one", "k2": "two"}

    def give() -> None:
        for key, text in gifts.items():
            keep_correction(store, key, row_of(tmp_path / f"{key}.wav", text))

    failed = 0
    for point in count(1):
        monkeypatch.setattr("synctalk.faults._passed", Counter())
        monkeypatch.setenv("SYNCTALK_FAIL_AT", f"*:{point}:EIO")
        for path in store.iterdir():
            path.unlink()
        try:
            give()
        except StorageError:
            failed += 1
        else:
            break
        assert all(path.is_file() for path in correction_files(store).values())
        monkeypatch.delenv("SYNCTALK_FAIL_AT")
        give()
        assert {key: each.text for key, each in read_corrections(store).items()} == gifts
        assert [path for path in store.iterdir() if path.name.startswith(".")] == []
    assert failed >= 8


def test_a_stop_while_a_sound_is_copied_keeps_nothing_of_it(store, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        keep_correction(store, "k", row_of(tmp_path / "a.wav", "one"), should_stop=lambda: True)
    assert list(store.iterdir()) == []


ELSEWHERE = b'{"name": "a", "text": "b", "speaker": "c", "sound": "../x.wav"}'


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"name": "a"}', ELSEWHERE])
def test_a_damaged_record_is_named(store, content: bytes) -> None:
    (store / "k.json").write_bytes(content)
    with pytest.raises(InputError, match=r"k\.json"):
        correction_files(store)


def test_without_a_folder_there_are_none(tmp_path: Path) -> None:
    assert read_corrections(tmp_path / "none") == correction_files(tmp_path / "none") == {}
