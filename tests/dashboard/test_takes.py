"""A voice recorded sentence by sentence: what is kept is whole after any crash, and the stage prepare reads it."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service import Answer, Service

from synctalk import files
from synctalk.dashboard.confinement import Confinement
from synctalk.dashboard.problems import ConflictError, RefusedError
from synctalk.dashboard.prompts import load_sentences, read_prompts, write_prompts
from synctalk.dashboard.takes import Takes, checked_sentence
from synctalk.voice.metadata import read_metadata
from synctalk.workspace import Workspace

WEBM = b"\x1a\x45\xdf\xa3" + bytes(100)
ENGLISH_SOUNDS = [
    "th", "sh", "ch", "ng", "wh", "qu", "ck", "j", "z", "zz", "v", "y", "oi|oy", "ou|ow", "oo", "ee|ea", "ai|ay", "igh",
    "ar", "er", "or", "air|are", "ear", "ure", "vision|measure|pleasure|usual", "x", "h", "kn|gn", "ph|f", "tch",
    "au|aw", r"\?", "!", ",", ":",
]  # fmt: skip
GERMAN_SOUNDS = [
    "ä", "ö", "ü", "ß", "sch", "ch", "sp", "st", "pf", "z", "qu", "ng", "nk", "ei", "eu|äu", "au", "ie", "j", "w", "v",
    "x", "y", "tz|z", r"\?", "!", ",",
]  # fmt: skip


def record(workspace: Workspace, sentence: str, content: bytes = WEBM) -> str:
    """What an upload of a take does, in its order."""
    takes = Takes(Confinement(workspace.root), workspace)
    name = takes.next_name(sentence, ".webm")
    files.write_bytes(files.make_folder(workspace.dataset / "recordings" / "clips") / name, content)
    takes.enter(name, sentence)
    return name


def listing(workspace: Workspace) -> str:
    return (workspace.dataset / "recordings" / "metadata.csv").read_text()


@pytest.mark.parametrize(("language", "sounds", "least"), [("en", ENGLISH_SOUNDS, 40), ("de", GERMAN_SOUNDS, 30)])
def test_our_sentences_hold_the_sounds_of_their_language(language: str, sounds: list[str], least: int) -> None:
    sentences = load_sentences()[language]
    whole = "\n".join(sentences).lower()
    assert [each for each in sounds if not re.search(each, whole)] == []
    assert set("abcdefghijklmnopqrstuvwxyz") <= set(whole)
    assert len(sentences) >= least
    assert [checked_sentence(each) for each in sentences] == sentences == list(dict.fromkeys(sentences))
    assert all(len(each) < 90 for each in sentences), "nobody reads more than that in one breath"


def test_sentence_is_done_when_the_listing_has_it(workspace: Workspace) -> None:
    write_prompts(
        Confinement(workspace.root), workspace, ["Good morning.", "", "  Twice   the same. ", "Twice the same."]
    )
    assert record(workspace, "Twice the same.") == "take-0001.webm"
    prompts = read_prompts(Confinement(workspace.root), workspace)
    assert [(each.text, each.take) for each in prompts] == [("Good morning.", ""), ("Twice the same.", "take-0001")]
    write_prompts(Confinement(workspace.root), workspace, ["Twice the same.", "Another."])
    assert [each.take for each in read_prompts(Confinement(workspace.root), workspace)] == ["take-0001", ""]


def test_take_that_is_recorded_again_puts_the_earlier_one_aside(workspace: Workspace) -> None:
    for sentence in ("One.", "Two."):
        record(workspace, sentence)
    assert record(workspace, "One.", b"better") == "take-0003.webm"
    assert listing(workspace) == "take-0002|Two.\ntake-0003|One.\n"
    recordings = workspace.dataset / "recordings"
    assert (recordings / "earlier-takes" / "take-0001.webm").read_bytes() == WEBM
    rows = read_metadata(recordings).rows
    assert [(row.text, row.path.name) for row in rows] == [("Two.", "take-0002.webm"), ("One.", "take-0003.webm")]
    assert read_metadata(recordings).unlisted == []
    assert record(workspace, "One.") == "take-0004.webm", "no number is used twice"


def test_crash_between_a_sound_and_its_row_loses_neither(workspace: Workspace) -> None:
    record(workspace, "One.")
    (workspace.dataset / "recordings" / "clips" / "take-0002.webm").write_bytes(WEBM)
    assert Takes(Confinement(workspace.root), workspace).name_of("Two.") == ""
    assert record(workspace, "Two.") == "take-0003.webm"
    assert [row.text for row in read_metadata(workspace.dataset / "recordings").rows] == ["One.", "Two."]


@given(sentences=st.lists(st.text(max_size=60), min_size=1, max_size=5))
def test_whatever_is_taken_as_a_sentence_is_read_back_as_it_is(
    sentences: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    workspace = Workspace(tmp_path_factory.mktemp("root").resolve(), "anna")
    workspace.dataset.mkdir(parents=True)
    taken = {}
    for text in sentences:
        try:
            taken[checked_sentence(text)] = None
        except RefusedError:
            continue
    for sentence in taken:
        record(workspace, sentence)
    if taken:
        read = read_metadata(workspace.dataset / "recordings")
        assert [row.text for row in read.rows] == [*taken]
        assert read.rejections == []


@pytest.mark.parametrize(
    "text", ["", "  \n ", "a|b", "a\0b", "x" * 501, "...", "a\x1bb", "\ud800", "﷐ \U000fffff", "?!"]
)
def test_no_sentence_breaks_a_listing(text: str) -> None:
    with pytest.raises(RefusedError):
        checked_sentence(text)


@pytest.mark.parametrize(
    "lay_out",
    [
        {"recordings/metadata.csv": b"a|anna|One.\nb|anna|Two.\n"},
        {"recordings/metadata.csv": "a|Öne.\n".encode("utf-16")},
        {"recordings/metadata.csv": b"a|\xff\n"},
        {"recordings/0001.wav": b"x", "recordings/0001.txt": b"One."},
        {"wavs/a.wav": b"x", "metadata.csv": b"a|One.\n"},
    ],
    ids=["speakers", "utf-16", "not utf-8", "pairs", "older layout"],
)
def test_recordings_from_elsewhere_are_not_mixed_up(workspace: Workspace, lay_out: dict[str, bytes]) -> None:
    for name, content in lay_out.items():
        path = workspace.dataset / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with pytest.raises(ConflictError) as refusal:
        record(workspace, "Three.")
    assert refusal.value.hint == "record into a new dataset"
    assert {name: (workspace.dataset / name).read_bytes() for name in lay_out} == lay_out


def test_listing_that_was_sent_is_gone_on_with_and_its_rows_are_left_alone(workspace: Workspace) -> None:
    recordings = workspace.dataset / "recordings"
    recordings.mkdir()
    (recordings / "metadata.csv").write_bytes("﻿a|One.\r\nb|Two.".encode())
    record(workspace, "Three.")
    assert (recordings / "metadata.csv").read_bytes() == "﻿a|One.\r\nb|Two.\ntake-0001|Three.\n".encode()
    with pytest.raises(ConflictError, match="has a recording already: 'a'"):
        record(workspace, "One.")


# ---------------------------------------------------------------------------------------------------- the whole server


def send_take(service: Service, dataset: str, text: str, *, name: str = "take.webm", content: bytes = WEBM) -> Answer:
    wanted = {"dataset": dataset, "name": name, "size": len(content), "purpose": "take", "text": text}
    upload = service.ask("POST", "/api/v1/uploads", wanted)
    if upload.status != 201:
        return upload
    service.ask("PUT", f"/api/v1/uploads/{upload.json['id']}?offset=0", content)
    return service.ask("POST", f"/api/v1/uploads/{upload.json['id']}/finish", {})


def give_prompts(service: Service, dataset: str, texts: list[str]) -> Any:
    return service.ask("PUT", f"/api/v1/datasets/{dataset}/prompts", {"texts": texts})


def test_take_is_sent_listed_and_heard(service: Service) -> None:
    service.post("/datasets", {"name": "booth"})
    assert service.get("/datasets/booth/prompts") == []
    assert [each["take"] for each in give_prompts(service, "booth", ["Grüß dich!", "Bye."]).json] == ["", ""]
    placed = send_take(service, "booth", unicodedata.normalize("NFD", "Grüß  dich!")).json
    assert placed["files"] == ["dataset/booth/recordings/clips/take-0001.webm"]
    assert service.get("/datasets/booth/prompts")[0] == {"text": "Grüß dich!", "take": "take-0001"}
    heard = service.ask("GET", "/api/v1/datasets/booth/takes/take-0001", headers={"Range": "bytes=0-3"})
    assert (heard.status, heard.body, heard.headers["content-type"]) == (206, WEBM[:4], "audio/webm")
    assert {"en", "de"} <= service.get("/sentences").keys()


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("take.csv", b"a|b\n", 415), ("take.zip", b"PK\x03\x04" + bytes(30), 415), ("take.webm", b"#!/bin/sh\n", 415),
        ("take.mp4", b"\0\0\0\x20ftypisom", 415), ("take.wav", b"RIFF\0\0\0\0AVI LIST", 415),
    ],
)  # fmt: skip
def test_only_sounds_are_takes(service: Service, name: str, content: bytes, status: int) -> None:
    if service.ask("GET", "/api/v1/datasets/strict").status == 404:
        service.post("/datasets", {"name": "strict"})
    assert send_take(service, "strict", "One.", name=name, content=content).status == status
    assert not (service.root / "dataset" / "strict" / "recordings").exists()


@pytest.mark.parametrize(
    "link", ["recordings", "recordings/clips", "recordings/earlier-takes", "recordings/metadata.csv", "prompts.txt"]
)
def test_no_take_goes_through_a_link(service: Service, link: str) -> None:
    name = f"linked-{link.replace('/', '-')}"
    service.post("/datasets", {"name": name})
    elsewhere = service.root.parent / f"elsewhere-{name}"
    elsewhere.mkdir()
    path = service.root / "dataset" / name / link
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(elsewhere)
    if link == "prompts.txt":
        assert service.ask("GET", f"/api/v1/datasets/{name}/prompts").status == 403
        assert give_prompts(service, name, ["One."]).status == 200, (
            "the link is replaced, what it leads to is left alone"
        )
    else:
        assert send_take(service, name, "One.").status in {403, 409}
    assert list(elsewhere.iterdir()) == []
