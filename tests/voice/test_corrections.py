"""Corrections on their way in: what a voice can learn, who speaks, and what it is measured by."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from synctalk.errors import InputError, StoppedError
from synctalk.files import never
from synctalk.outcome import Outcome
from synctalk.training.checkpoint import load_checkpoint, save_checkpoint
from synctalk.voice.admission import Screen, admit_corrections
from synctalk.voice.corpus import open_corpus
from synctalk.voice.correction_store import Change, read_corrections
from synctalk.voice.corrections_stage import run_corrections
from synctalk.voice.listing import DEFAULT_SPEAKER, Reason, Row, RowError
from synctalk.voice.trained import FACTS, version_path
from synctalk.voice.vits_data import VitsClips
from synctalk.voice.voicemodel import VoiceFacts
from synctalk.voice_settings import PrepareSettings
from tests.voice.conftest import babble, facts_of, text_for, write_sound
from tests.voice.feedback_place import FeedbackPlace, copy_of


def row(text: str, speaker: str = DEFAULT_SPEAKER) -> Row:
    return Row("a", speaker, text, Path("a.wav"), 0, "a.txt")


def admit(folder: Path, store: Path, facts: VoiceFacts | None = None, **asked):
    settings = PrepareSettings(rate_hz=16_000)
    return admit_corrections(folder, store, Screen(facts or facts_of()), settings, **{"should_stop": never, **asked})


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """Three corrections."""
    for seed in range(3):
        write_sound(tmp_path / "given" / f"{seed}.wav", babble(1.0, seed=seed))
        (tmp_path / "given" / f"{seed}.txt").write_text(text_for(1.0, seed=seed))
    return tmp_path / "given"


def test_a_voice_of_one_takes_everything_and_one_of_several_asks_who_speaks() -> None:
    assert Screen(facts_of()).check(row("hello", "whoever")).speaker == "anna"
    several = Screen(facts_of(("anna", "ben")))
    assert several.check(row("hello")).speaker == "anna"
    assert several.check(row("hello", "ben")).speaker == "ben"
    with pytest.raises(RowError) as refused:
        several.check(row("hello", "carla"))
    assert (refused.value.reason, refused.value.detail) == (Reason.UNKNOWN_SPEAKER, "carla; it has anna, ben")


@pytest.mark.parametrize(("text", "reason"), [("5 €", Reason.SIGNS), ("\u5c71", Reason.SIGNS), ("?!", Reason.NO_TEXT)])
def test_what_the_voice_never_learned_is_refused(text: str, reason: Reason) -> None:
    with pytest.raises(RowError) as refused:
        Screen(facts_of()).check(row(text))
    assert refused.value.reason is reason


def test_punctuation_without_an_id_is_no_reason() -> None:
    facts = VoiceFacts(rate_hz=16_000, vocabulary={"a": 0, "b": 1})
    assert Screen(facts).check(row("ab, ba!")).text == "ab, ba!"


def test_giving_again_changes_nothing_and_another_format_is_the_same_sound(given: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert admit(given, store).count(Change.NEW) == 3
    before = {path.name: path.read_bytes() for path in store.iterdir()}
    assert admit(given, store).count(Change.KNOWN) == 3
    assert {path.name: path.read_bytes() for path in store.iterdir()} == before
    other = tmp_path / "other"
    import soundfile

    samples, rate_hz = soundfile.read(given / "0.wav")
    write_sound(other / "renamed.flac", samples, rate_hz=rate_hz)
    (other / "renamed.txt").write_text("quite another text")
    assert [*admit(other, store).changes.values()] == [Change.REPLACED]
    texts = {each.name: (each.text, len(each.earlier)) for each in read_corrections(store).values()}
    assert texts["0"] == ("quite another text", 1)
    assert len(texts) == 3


def test_a_stop_keeps_what_was_taken_in_and_the_next_try_takes_the_rest(given: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    with pytest.raises(StoppedError):
        admit(given, store, should_stop=lambda: any(store.glob("*.json")))
    assert len(read_corrections(store)) == 1
    admit(given, store)
    assert len(read_corrections(store)) == 3


def test_a_sound_that_a_listing_does_not_name_is_named(given: Path, tmp_path: Path) -> None:
    (given / "metadata.csv").write_text("".join(f"{n}|{text_for(1.0, seed=n)}\n" for n in (0, 1)))
    admission = admit(given, tmp_path / "store")
    assert admission.count(Change.NEW) == 2
    assert [(each.name, each.reason) for each in admission.rejections] == [("2.wav", Reason.NO_TEXT)]


def test_none_that_can_be_used_is_an_error_that_names_them(tmp_path: Path) -> None:
    folder = tmp_path / "given"
    write_sound(folder / "a.wav", babble(1.0))
    with pytest.raises(InputError, match=r"none of the 1 recordings .* a\.wav: the text is empty"):
        admit(folder, tmp_path / "store")
    assert read_corrections(tmp_path / "store") == {}


# ---------------------------------------------------------------------------------------------------- the stage


@pytest.fixture
def place(trained_place, tmp_path: Path) -> FeedbackPlace:
    return copy_of(trained_place, tmp_path / "root")


def take(place: FeedbackPlace, folder: Path) -> None:
    admit(folder, place.workspace.corrections, open_facts(place))


def open_facts(place: FeedbackPlace) -> VoiceFacts:
    from synctalk.voice.trained import trained_facts

    return trained_facts(place.workspace)


def test_a_recording_that_the_voice_is_measured_by_is_left_out(place: FeedbackPlace, given: Path) -> None:
    clips = json.loads((place.workspace.voice / "clips.json").read_text())["clips"]
    name = next(clip["name"] for clip in clips if clip.get("is_held_out"))
    (given / "held.wav").write_bytes((place.workspace.dataset / "recordings" / "wavs" / f"{name}.wav").read_bytes())
    (given / "held.txt").write_text(text_for(1.0, seed=99))
    take(place, given)
    result = run_corrections(place.context())
    assert result.outcome is Outcome.FINISHED
    assert result.summary == {"corrections": 3, "left_out": 1}
    corpus, _ = open_corpus(place.workspace.corrected)
    assert sorted(clip.name for clip in corpus.clips) == ["0", "1", "2"]
    assert not any(clip.is_held_out for clip in corpus.clips)
    rejected = (place.workspace.corrected / "rejected.csv").read_text()
    assert f"measured by this very recording: as {name}" in rejected


def test_the_clips_do_not_depend_on_the_order_of_giving(place: FeedbackPlace, given: Path, tmp_path: Path) -> None:
    one_by_one = copy_of(place, tmp_path / "other")
    take(place, given)
    for name in "210":
        single = tmp_path / f"only{name}"
        single.mkdir()
        for suffix in ("wav", "txt"):
            (single / f"{name}.{suffix}").write_bytes((given / f"{name}.{suffix}").read_bytes())
        take(one_by_one, single)
    made = []
    for each in (place, one_by_one):
        run_corrections(each.context())
        folder = each.workspace.corrected
        made.append([(folder / name).read_bytes() for name in ("clips.json", "audio.npy", "rejected.csv")])
    assert made[0] == made[1]


def test_a_stop_is_no_result_and_nothing_to_learn_is_an_error(place: FeedbackPlace, given: Path) -> None:
    take(place, given)
    stopped = replace(place.context(), should_stop=lambda: True)
    assert run_corrections(stopped).outcome is Outcome.INTERRUPTED
    assert not (place.workspace.corrected / "clips.json").exists()
    for path in place.workspace.corrections.glob("*.json"):
        path.unlink()
    with pytest.raises(InputError, match="no correction to learn from: none was given"):
        run_corrections(place.context())


@pytest.mark.usefixtures("real_espeak")
def test_a_voice_that_reads_phonemes_learns_the_phonemes_of_its_corrections(place: FeedbackPlace, given: Path) -> None:
    from synctalk.voice.espeak import phonemes_of

    texts = [(given / f"{number}.txt").read_text() for number in range(3)]
    phonemes = phonemes_of(texts, "en-us")
    facts = msgspec.structs.replace(
        open_facts(place), espeak="en-us", phonemes=tuple(sorted(set("".join(phonemes)))), vocabulary={}
    )
    path = version_path(place.workspace, 0)
    checkpoint = load_checkpoint(path)
    told = {**checkpoint.facts.settings, FACTS: msgspec.to_builtins(facts)}
    save_checkpoint(path, replace(checkpoint, facts=replace(checkpoint.facts, settings=told)))
    with pytest.raises(RowError, match="never learned"):
        Screen(facts).check(row("zhuzh"))
    take(place, given)
    run_corrections(place.context())
    corpus, samples = open_corpus(place.workspace.corrected)
    assert {clip.text: clip.phonemes for clip in corpus.clips} == dict(zip(texts, phonemes, strict=True))
    assert corpus.espeak == "en-us"
    clips = VitsClips(corpus, samples, facts.spelling, is_held_out=False)
    assert [clips.sample(n).ids for n in range(3)] == [facts.spelling.encode(clip.text) for clip in corpus.clips]
