"""Corrections sent from the pages: kept apart until a voice has learned them, asked for as exactly one command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import drill_feedback
import pytest
from service import Answer, Service

from synctalk import files
from synctalk.dashboard.confinement import Confinement
from synctalk.dashboard.corrections import bring_back, find_sound, given_folder, read_all, take_back, take_in
from synctalk.dashboard.problems import ConflictError, ForbiddenError, NotFoundError
from synctalk.voice.correction_store import keep_correction
from synctalk.voice.listing import Row
from synctalk.voice.metadata import read_metadata
from synctalk.workspace import Workspace

WAV = b"RIFF\x24\0\0\0WAVEfmt " + bytes(30)
VOICE = "Зоя & Søn"
HARMFUL_KEYS = [
    "../../secret.txt", "..%2f..%2fsecret.wav", "given/../../../secret.wav", "given/..%2f..%2fx.wav", "/etc/passwd",
    "given//x.wav", "given/", "..", ".", "%00", "given/a%00.wav", "given\\..\\x.wav", "rejected.csv", "given/a.txt",
    "taken-back/x.wav", "given/x/y.wav",
]  # fmt: skip


@pytest.fixture(scope="module")
def voice(service: Service) -> str:
    """A finished voice, as far as files tell, by its address."""
    workspace = Workspace(service.root, VOICE)
    if not workspace.dataset.exists():
        service.post("/datasets", {"name": VOICE})
        drill_feedback.finish_voice(workspace)
    return f"/datasets/{quote(VOICE)}"


def give(workspace: Workspace, name: str, text: str, content: bytes = WAV) -> Path:
    sent = workspace.root / "sent"
    sent.write_bytes(content)
    return take_in(workspace, name, text, sent)


def given(workspace: Workspace) -> list[tuple[str, str]]:
    found = read_all(Confinement(workspace.root), workspace)
    return [(each.sound, each.text) for each in found.given]


def keep(workspace: Workspace, sound: Path, text: str) -> None:
    keep_correction(workspace.corrections, "key", Row("0001", "anna", text, sound, 0, "0001.txt"))


def send(service: Service, name: str, text: str, content: bytes = WAV, *, dataset: str = VOICE) -> Answer:
    wanted = {"dataset": dataset, "name": name, "size": len(content), "purpose": "correction", "text": text}
    begun = service.ask("POST", "/api/v1/uploads", wanted)
    if begun.status != 201:
        return begun
    service.ask("PUT", f"/api/v1/uploads/{begun.json['id']}?offset=0", content)
    return service.ask("POST", f"/api/v1/uploads/{begun.json['id']}/finish", {})


def ended(service: Service, request_id: str) -> dict[str, Any]:
    """How a request ended, as soon as it has."""

    def look() -> Any:
        return next(each for each in service.get("/queue")["ended"] if each["id"] == request_id)["ending"]

    service.until(lambda: any(each["id"] == request_id for each in service.get("/queue")["ended"]))
    found: dict[str, Any] = look()
    return found


def test_what_was_sent_is_a_folder_that_the_command_understands(workspace: Workspace) -> None:
    give(workspace, "привет.WAV", "Good morning.")
    give(workspace, "metadata.wav", "This is no listing.", WAV + b"1")
    give(workspace, "привет.flac", "Another of that name.", b"fLaC")
    folder = given_folder(workspace)
    assert sorted(path.name for path in folder.glob("*.*")) == [
        "metadata-2.txt", "metadata-2.wav", "привет-2.flac", "привет-2.txt", "привет.txt", "привет.wav",
    ]  # fmt: skip
    listing = read_metadata(folder)
    assert listing.rejections == []
    assert {row.path.name: row.text for row in listing.rows} == dict(given(workspace))
    assert dict(given(workspace))["привет-2.flac"] == "Another of that name."


def test_same_sound_sent_again_gets_the_text_that_came_last(workspace: Workspace) -> None:
    give(workspace, "a.wav", "Tow.")
    give(workspace, "b.wav", "Two.")
    assert given(workspace) == [("b.wav", "Two.")]


def test_what_is_kept_waits_no_longer_and_gives_its_name_free(workspace: Workspace) -> None:
    path = give(workspace, "0001.wav", "One.")
    keep(workspace, path, "One.")
    assert given(workspace) == []
    assert [each.text for each in read_all(Confinement(workspace.root), workspace).kept] == ["One."]
    assert give(workspace, "0001.wav", "Another.", WAV + b"2").name == "0001.wav"
    assert given(workspace) == [("0001.wav", "Another.")]


def test_same_sound_with_another_text_than_is_kept_is_to_be_learned(workspace: Workspace) -> None:
    keep(workspace, give(workspace, "0001.wav", "One."), "One.")
    give(workspace, "again.wav", "Won.")
    assert given(workspace) == [("again.wav", "Won.")]


def test_correction_is_taken_back_before_and_after_it_was_learned(workspace: Workspace) -> None:
    confinement = Confinement(workspace.root)
    keep(workspace, give(workspace, "0001.wav", "One."), "One.")
    give(workspace, "0002.wav", "Two.", WAV + b"2")
    take_back(confinement, workspace, "given/0002.wav")
    assert given(workspace) == []
    assert not list(given_folder(workspace).glob("0002*"))
    give(workspace, "0003.wav", "Three.", WAV + b"3")
    take_back(confinement, workspace, "key")
    assert read_all(confinement, workspace).kept == []
    assert given(workspace) == [("0003.wav", "Three.")], "it would be learned again from what was sent"
    assert (workspace.corrections / "taken-back" / "key.json").is_file()
    for key in ("key", "given/0002.wav", "given/none.wav", "taken-back/key.json", "../anna/corrections/key"):
        with pytest.raises((NotFoundError, ForbiddenError)):
            take_back(confinement, workspace, key)


def test_correction_that_was_taken_back_is_brought_back_unless_its_sound_was_given_again(workspace: Workspace) -> None:
    confinement = Confinement(workspace.root)
    keep(workspace, give(workspace, "0001.wav", "One."), "One.")
    take_back(confinement, workspace, "key")
    assert [each.text for each in read_all(confinement, workspace).taken_back] == ["One."]
    for key in ("none", "../key", "taken-back/key"):
        with pytest.raises((NotFoundError, ForbiddenError)):
            bring_back(confinement, workspace, key)
    bring_back(confinement, workspace, "key")
    found = read_all(confinement, workspace)
    assert ([each.text for each in found.kept], found.taken_back) == (["One."], [])
    give(workspace, "again.wav", "Won.")
    take_back(confinement, workspace, "key")
    assert given(workspace) == [("again.wav", "Won.")], "what is said in it was put right meanwhile"
    keep(workspace, workspace.corrections / "given" / "again.wav", "Won.")
    assert read_all(confinement, workspace).taken_back == []
    with pytest.raises(ConflictError, match="given again"):
        bring_back(confinement, workspace, "key")


def test_damage_to_what_was_taken_back_holds_up_nothing(workspace: Workspace) -> None:
    confinement = Confinement(workspace.root)
    keep(workspace, give(workspace, "0001.wav", "One."), "One.")
    (workspace.corrections / "taken-back").mkdir()
    (workspace.corrections / "taken-back" / "other.json").write_text("{")
    found = read_all(confinement, workspace)
    assert ([each.text for each in found.kept], found.taken_back) == (["One."], [])


def test_no_link_is_followed(workspace: Workspace) -> None:
    (workspace.root / "secret.wav").write_bytes(WAV)
    (workspace.root / "elsewhere").mkdir()
    workspace.corrections.mkdir()
    given_folder(workspace).symlink_to(workspace.root / "elsewhere")
    for attempt in (lambda: give(workspace, "a.wav", "A."), lambda: given(workspace)):
        with pytest.raises(ConflictError):
            attempt()
    given_folder(workspace).unlink()
    (workspace.root / "secret.json").write_text('{"name": "a", "text": "secret", "speaker": "a", "sound": "a.wav"}')
    (workspace.corrections / "key.json").symlink_to(workspace.root / "secret.json")
    with pytest.raises(ConflictError):
        given(workspace)
    (workspace.corrections / "key.json").unlink()
    given_folder(workspace).mkdir()
    (given_folder(workspace) / "a.wav").symlink_to(workspace.root / "secret.wav")
    (given_folder(workspace) / "a.txt").write_text("A.")
    assert given(workspace) == []
    found = find_sound(workspace, "given/a.wav")
    with pytest.raises(ForbiddenError), Confinement(workspace.root).open_file(found.names):
        pass


def test_voice_learns_what_was_sent_and_another_version_speaks(service: Service, voice: str) -> None:
    assert service.ask("POST", f"/api/v1{voice}/feedback", {}).status == 422, "there is nothing to learn"
    sent = send(service, "ähm.wav", "Grüß Gott!")
    assert sent.json["files"] == [f"dataset/{VOICE}/corrections/given/ähm.wav"]
    send(service, "bad.wav", "This must fail.", WAV + b"2")
    heard = service.ask("GET", f"/api/v1{voice}/corrections/sounds/given/{quote('ähm.wav')}")
    assert (heard.status, heard.headers["content-type"], heard.body) == (200, "audio/wav", WAV)
    asked = service.post(f"{voice}/feedback", {"epochs": 2, "settings": {"feedback.replay": 0.7}})
    assert ended(service, asked["id"])["outcome"] == "done"
    words = json.loads(service.get(f"/queue/{asked['id']}/log")["text"].splitlines()[0])
    given_to = service.root / "dataset" / VOICE / "corrections" / "given"
    assert words == [
        "feedback", f"--root={service.root}", f"--recordings={given_to}", "--epochs=2", "--set=feedback.replay=0.7",
        "--", VOICE,
    ]  # fmt: skip
    told = service.get(f"{voice}/corrections")
    assert [(each["sound"], each["reason"] != "") for each in told["given"]] == [("bad.wav", True)]
    assert [each["text"] for each in told["kept"]] == ["Grüß Gott!"]
    assert [each["is_speaking"] for each in told["versions"]] == [False, True]
    assert told["report"]["verdict"] == "promoted"
    view = service.get(voice)
    assert [stage["name"] for stage in view["stages"]] == [
        "prepare", "vits", "corrections", "feedback", "promote", "export",
    ]  # fmt: skip
    assert view["status"] == "done"
    assert len(service.get(f"{voice}/stages/feedback/history")) == 2
    back = service.post(f"{voice}/versions/0/restore")
    assert ended(service, back["id"])["outcome"] == "done"
    assert json.loads(service.get(f"/queue/{back['id']}/log")["text"])[2:] == ["--restore=0", "--", VOICE]
    assert [each["is_speaking"] for each in service.get(f"{voice}/corrections")["versions"]] == [True, False]


def test_voice_that_got_worse_is_no_failure_and_says_so(service: Service, voice: str) -> None:
    send(service, "worse.wav", "It gets worse.", WAV + b"3")
    asked = service.post(f"{voice}/feedback", {"epochs": drill_feedback.EPOCHS_FOR_THE_WORSE})
    ending = ended(service, asked["id"])
    assert (ending["outcome"], ending["exit_code"]) == ("done", 4)
    assert "goes on speaking" in ending["message"]
    assert service.get(voice)["status"] == "done"
    assert service.get(f"{voice}/corrections")["report"]["reasons"]


def test_corrections_that_cannot_be_used_are_told_where_all_stages_are_done(service: Service, tmp_path: Path) -> None:
    drill_feedback.finish_voice(Workspace(service.root, "refused"))
    send(service, "bad.wav", "This must fail.", dataset="refused")
    asked = service.post("/datasets/refused/feedback", {})
    assert ended(service, asked["id"])["outcome"] == "failed"
    view = service.get("/datasets/refused")
    assert view["status"] == "failed"
    assert view["trouble"]["action"] == "correct"
    again = service.post("/datasets/refused/continue")
    assert again["feedback"]["recordings"].endswith("corrections/given")
    ended(service, again["id"])


@pytest.mark.parametrize("key", HARMFUL_KEYS)
def test_no_path_leads_out_of_the_corrections(service: Service, voice: str, key: str) -> None:
    secret = service.root / "secret.wav"
    files.write_bytes(secret, WAV)
    for method, address in (("GET", f"{voice}/corrections/sounds/{key}"), ("DELETE", f"{voice}/corrections/{key}")):
        assert service.ask(method, f"/api/v1{address}").status in {403, 404, 405, 422}, address
    assert secret.is_file()


@pytest.mark.parametrize(
    ("name", "text", "content", "status"),
    [
        ("a.wav", "A.", b"\x80\x04\x95cposix\nsystem\n", 415), ("a.csv", "A.", b"a|b\n", 415),
        ("a.zip", "A.", b"PK\x03\x04", 415), ("a.mp4", "A.", b"\0\0\0\x20ftypisom", 415),
        ("../a.wav", "A.", WAV, 422), ("a.wav", "", WAV, 422),
        ("a.wav", "a|b", WAV, 422), ("a.wav", "a\nb|c", WAV, 422), (".a.wav", "A.", WAV, 422),
    ],
)  # fmt: skip
def test_nothing_but_a_sound_with_its_text_is_taken(
    service: Service, voice: str, name: str, text: str, content: bytes, status: int
) -> None:
    before = service.get(f"{voice}/corrections")["given"]
    assert send(service, name, text, content).status == status
    assert service.get(f"{voice}/corrections")["given"] == before


@pytest.mark.parametrize(
    ("path", "body", "statuses"),
    [
        ("feedback", {"epochs": 0}, {422}), ("feedback", {"settings": {"vits.lr": 1}}, {422}),
        ("feedback", {"settings": {"feedback.lr": -1}}, {422}), ("feedback", {"settings": {"feedback.none": 1}}, {422}),
        ("feedback", {"settings": {"vits.initial": "/etc"}}, {422}), ("feedback", {"recordings": "/etc"}, {422}),
        ("feedback", {"restore": 0}, {422}), ("versions/99/restore", None, {404}), ("versions/-1/restore", None, {422}),
        ("versions/x/restore", None, {422}),
    ],
)  # fmt: skip
def test_nothing_else_is_asked_of_the_command(
    service: Service, voice: str, path: str, body: Any, statuses: set[int]
) -> None:
    send(service, "c.wav", "Something to learn.", WAV + b"c")
    before = len(service.get("/queue")["ended"])
    assert service.ask("POST", f"/api/v1{voice}/{path}", body).status in statuses
    assert service.get("/queue")["waiting"] == service.get("/queue")["under_way"] == []
    assert len(service.get("/queue")["ended"]) == before


def test_voice_that_is_not_trained_cannot_be_corrected(service: Service) -> None:
    service.post("/datasets", {"name": "untaught"})
    assert service.ask("POST", "/api/v1/datasets/untaught/feedback", {}).status == 409
    assert service.ask("POST", "/api/v1/datasets/untaught/versions/0/restore").status == 409
    assert service.get("/datasets/untaught/corrections")["can_begin"] is False


@pytest.mark.parametrize("place", ["corrections/key.json", "versions/versions.json", "versions/report.json"])
def test_damaged_notes_are_told_and_are_no_defect(service: Service, place: str) -> None:
    workspace = Workspace(service.root, f"damaged {Path(place).stem}")
    drill_feedback.finish_voice(workspace)
    folder = workspace.dataset if place.startswith("corrections") else workspace.training("vits").parent
    path = folder / place
    files.make_folder(path.parent)
    path.write_bytes(b"{")
    answer = service.ask("GET", f"/api/v1/datasets/{quote(workspace.name)}/corrections")
    assert answer.status in {409, 422}
    assert path.name in answer.json["message"]
