"""The studio: what is asked becomes exactly one command, what comes out can be had, and nothing else can."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from service import Service, serving

from synctalk import files
from synctalk.dashboard.confinement import Confinement
from synctalk.dashboard.creations import read_creation
from synctalk.dashboard.jobs import Job, Speech, job_folder, job_words
from synctalk.dashboard.problems import ConflictError
from synctalk.dashboard.queue import Queue
from synctalk.dashboard.studio import Studio, _describe_learned
from synctalk.dashboard.trash import Trash
from synctalk.state import Best, Record, Status, new_state, save_state
from synctalk.voice.versions import Version, Versions, versions_path
from synctalk.workspace import Workspace

WAV = b"RIFF\x24\0\0\0WAVEfmt " + bytes(30)
SECRET = "the-secret-that-nobody-may-see"
HARMFUL_KEYS = [
    "../../secret.txt", "..%2f..%2fsecret.txt", "%2fetc%2fpasswd", "studio/../../secret.txt", ".hidden", "studio/.x",
    "..", ".", "", "%00", "a%00.wav", "sounds/..%2f..%2fsecret.txt", "....//secret.txt", "sounds\\..\\secret.txt",
]  # fmt: skip


@pytest.fixture(scope="module")
def trained(service: Service) -> Service:
    """A server with a dataset that has learned a face and a voice, as far as files tell."""
    (service.root.parent / "secret.txt").write_text(SECRET)
    if not (service.root / "dataset" / "Зоя & co").exists():
        service.post("/datasets", {"name": "Зоя & co"})
        for stage in ("main", "vits"):
            folder = service.root / "checkpoint" / "Зоя & co" / stage
            folder.mkdir(parents=True)
            (folder / "best.pth").write_bytes(b"x")
        (service.root / "checkpoint" / "Зоя & co" / "export").mkdir()
        (service.root / "checkpoint" / "Зоя & co" / "export" / "a.onnx").write_bytes(b"x")
        service.post("/datasets", {"name": "untrained"})
    return service


def creation_of(service: Service, request_id: str) -> dict[str, Any]:
    """What a request has made, as soon as it has ended."""

    def look() -> Any:
        told = service.get("/studio")
        is_over = any(each["id"] == request_id and each["ending"] for each in told["requests"])
        return is_over and next(each for each in told["creations"] if each["id"] == request_id)

    found: dict[str, Any] = service.until(look)
    return found


def send_sound(service: Service, name: str, content: bytes = WAV, **more: str) -> Any:
    wanted = {"dataset": "Зоя & co", "name": name, "size": len(content), "purpose": "sound", **more}
    upload = service.post("/uploads", wanted)
    service.ask("PUT", f"/api/v1/uploads/{upload['id']}?offset=0", content)
    return service.ask("POST", f"/api/v1/uploads/{upload['id']}/finish", {})


def test_text_becomes_sound_with_its_provenance_and_the_sound_becomes_a_video(trained: Service) -> None:
    text = 'Привет! $(id) "; rm -rf / #\n--out=/etc/passwd'
    asked = trained.post("/studio/speak", {"dataset": "Зоя & co", "text": text, "speed": 1.5, "seed": 3})
    made = creation_of(trained, asked["id"])
    assert made["provenance"]["job"]["text"] == text
    assert made["provenance"]["program"].startswith("synctalk ")
    words = json.loads(trained.get(f"/queue/{asked['id']}/log")["text"])
    folder = trained.root / "result" / "studio" / asked["id"]
    assert words == [
        "speak", f"--root={trained.root}", f"--file={folder}/text.txt", "--speed=1.5", "--seed=3",
        f"--out={folder}/Зоя & co.wav", "--", "Зоя & co",
    ]  # fmt: skip
    assert (folder / "text.txt").read_text() == text
    key = made["files"][0]["key"]
    sound = trained.ask("GET", f"/api/v1/studio/files/{quote(key)}")
    assert (sound.status, sound.headers["content-type"], sound.body[:4]) == (200, "audio/wav", b"RIFF")
    again = trained.post("/studio/render", {"dataset": "Зоя & co", "sound": key, "mark": True})
    video = creation_of(trained, again["id"])
    assert video["provenance"]["job"]["sound"] == f"result/{key}"
    assert "--mark" in json.loads(trained.get(f"/queue/{again['id']}/log")["text"])
    # Nothing of this is a run of the dataset.
    assert trained.get(f"/datasets/{quote('Зоя & co')}")["request"] is None


def test_sound_that_is_sent_lies_apart_from_the_recordings_and_can_be_used(trained: Service) -> None:
    assert send_sound(trained, "речь.wav").json["files"] == ["result/sounds/речь.wav"]
    assert send_sound(trained, "речь.wav").status == 409
    assert send_sound(trained, "table.csv", b"a|b\n").status == 415
    assert not (trained.root / "dataset" / "Зоя & co" / "recordings").exists()
    assert "sounds/речь.wav" in [each["key"] for each in trained.get("/studio")["sounds"]]
    made = creation_of(
        trained, trained.post("/studio/render", {"dataset": "Зоя & co", "sound": "sounds/речь.wav"})["id"]
    )
    assert made["files"][0]["kind"] == "video/mp4"


def test_export_is_listed_with_every_file_and_only_saved(trained: Service) -> None:
    made = creation_of(trained, trained.post("/studio/export", {"dataset": "Зоя & co", "format": "piper"})["id"])
    assert [each["names"][-1] for each in made["files"]] == ["en_GB-drill-low.onnx", "en_GB-drill-low.onnx.json"]
    answer = trained.ask("GET", f"/api/v1/studio/files/{made['files'][0]['key']}")
    assert answer.headers["content-disposition"].startswith("attachment")


def test_exported_voice_is_named_by_its_path(trained: Service) -> None:
    asked = trained.post("/studio/speak", {"dataset": "Зоя & co", "text": "Hello.", "exported": "export/a.onnx"})
    creation_of(trained, asked["id"])
    assert json.loads(trained.get(f"/queue/{asked['id']}/log")["text"])[-1] == str(
        trained.root / "checkpoint" / "Зоя & co" / "export" / "a.onnx"
    )


def test_failure_says_why_and_what_is_slow_can_be_stopped(trained: Service) -> None:
    failed = trained.post("/studio/speak", {"dataset": "Зоя & co", "text": "fail"})
    assert creation_of(trained, failed["id"])["files"] == []
    ending = next(each for each in trained.get("/studio")["requests"] if each["id"] == failed["id"])["ending"]
    assert (ending["outcome"], ending["message"], ending["hint"]) == (
        "failed", "it cannot be said", "say something else",
    )  # fmt: skip
    slow = trained.post("/studio/speak", {"dataset": "Зоя & co", "text": "slowly"})
    waiting = trained.post("/studio/speak", {"dataset": "Зоя & co", "text": "next"})
    trained.until(lambda: [each["id"] for each in trained.get("/queue")["under_way"]] == [slow["id"]])
    assert trained.ask("DELETE", f"/api/v1/datasets/{quote('Зоя & co')}").status == 409
    trained.post(f"/queue/{waiting['id']}/stop", status=200)
    trained.post(f"/queue/{slow['id']}/stop", status=200)
    creation_of(trained, slow["id"])
    ended = {each["id"]: each["ending"] for each in trained.get("/studio")["requests"]}
    assert ended[slow["id"]]["outcome"] == "interrupted"
    assert ended[slow["id"]]["hint"] == "ask for it again"
    assert ended[waiting["id"]]["outcome"] == "cancelled"
    assert trained.ask("POST", f"/api/v1/queue/{slow['id']}/stop").status == 409


def test_job_that_made_its_file_is_done_even_when_nobody_waited_for_it(tmp_path: Path) -> None:
    with serving(tmp_path) as first:
        first.post("/datasets", {"name": "a"})
        folder = tmp_path / "checkpoint" / "a" / "vits"
        folder.mkdir(parents=True)
        (folder / "best.pth").write_bytes(b"x")
        asked = first.post("/studio/speak", {"dataset": "a", "text": "Good morning."})
        first.until(lambda: first.get("/queue")["under_way"])
        first.kill()
    # The server is gone; what it had started finds its end, or is ended with it, before the next one looks.
    with serving(tmp_path) as second:
        second.until(lambda: not second.get("/queue")["under_way"])
        request = next(each for each in second.get("/studio")["requests"] if each["id"] == asked["id"])
        made = next(each for each in second.get("/studio")["creations"] if each["id"] == asked["id"])
        assert request["ending"]["outcome"] == ("done" if made["files"] else "killed")


def test_result_that_is_deleted_can_be_brought_back(trained: Service) -> None:
    asked = trained.post("/studio/speak", {"dataset": "Зоя & co", "text": "Delete me."})
    made = creation_of(trained, asked["id"])
    key = made["files"][0]["key"]
    trashed = trained.ask("DELETE", f"/api/v1/studio/results/studio/{asked['id']}").json
    assert (trashed["result"], trashed["told"]) == (f"studio/{asked['id']}", "speak Зоя & co: Delete me.")
    assert trained.ask("GET", f"/api/v1/studio/files/{quote(key)}").status == 404
    assert trained.ask("DELETE", f"/api/v1/studio/results/studio/{asked['id']}").status == 404
    assert trashed["id"] in [each["id"] for each in trained.get("/trash")]
    trained.post(f"/trash/{trashed['id']}/restore", status=200)
    assert creation_of(trained, asked["id"])["files"] == made["files"]
    assert trained.ask("POST", f"/api/v1/trash/{trashed['id']}/restore").status == 404


def test_file_from_a_terminal_is_deleted_and_comes_back_unless_its_name_is_taken(trained: Service) -> None:
    path = trained.root / "result" / "речь 1.wav"
    path.write_bytes(WAV)
    trashed = trained.ask("DELETE", f"/api/v1/studio/results/{quote(path.name)}").json
    assert not path.exists()
    path.write_bytes(b"another")
    assert trained.ask("POST", f"/api/v1/trash/{trashed['id']}/restore").status == 409
    path.unlink()
    trained.post(f"/trash/{trashed['id']}/restore", status=200)
    assert path.read_bytes() == WAV
    path.unlink()


def test_what_is_needed_is_not_deleted(trained: Service) -> None:
    slow = trained.post("/studio/speak", {"dataset": "Зоя & co", "text": "slowly"})
    trained.until(lambda: trained.get("/queue")["under_way"])
    assert trained.ask("DELETE", f"/api/v1/studio/results/studio/{slow['id']}").status == 409
    (trained.root / "result" / "sounds").mkdir(exist_ok=True)
    (trained.root / "result" / "sounds" / "needed.wav").write_bytes(WAV)
    waits = trained.post("/studio/render", {"dataset": "Зоя & co", "sound": "sounds/needed.wav"})
    assert trained.ask("DELETE", "/api/v1/studio/results/sounds/needed.wav").status == 409
    for asked in (waits, slow):
        trained.post(f"/queue/{asked['id']}/stop", status=200)
        creation_of(trained, asked["id"])
    assert trained.ask("DELETE", "/api/v1/studio/results/sounds/needed.wav").status == 200


def test_name_that_could_not_be_brought_back_is_not_deleted(trained: Service) -> None:
    path = trained.root / "result" / "a:b.wav"
    path.write_bytes(WAV)
    assert trained.ask("DELETE", f"/api/v1/studio/results/{quote(path.name)}").status == 422
    assert path.read_bytes() == WAV
    path.unlink()


@pytest.mark.parametrize("place", ["link.wav", "sounds/link.wav", "studio/linked"])
def test_no_link_is_deleted_or_followed(trained: Service, place: str) -> None:
    link = trained.root / "result" / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(trained.root.parent if place.startswith("studio") else trained.root.parent / "secret.txt")
    try:
        assert trained.ask("DELETE", f"/api/v1/studio/results/{place}").status == 403
        assert link.is_symlink()
        assert (trained.root.parent / "secret.txt").read_text() == SECRET
    finally:
        link.unlink()


def test_nothing_is_brought_back_through_a_link(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    (root / "result" / "sounds").mkdir(parents=True)
    elsewhere.mkdir()
    (root / "result" / "sounds" / "a.wav").write_bytes(WAV)
    trash = Trash(root)
    note = trash.put_result(root / "result" / "sounds" / "a.wav", told="")
    (root / "result" / "sounds").rmdir()
    (root / "result" / "sounds").symlink_to(elsewhere)
    with pytest.raises(ConflictError, match="is a link"):
        trash.restore(note.id)
    assert list(elsewhere.iterdir()) == []


def test_talk_names_face_voice_and_a_text_that_no_other_user_can_read() -> None:
    job = Job(text="secret words", voice="anna", speech=Speech(speaker="2", noise=0.5))
    words = job_words("talk", "bert", job, root=Path("/r"), folder=Path("/r/result/studio/1"))
    assert words == [
        "talk", "--root=/r", "--file=/r/result/studio/1/text.txt", "--speaker=2", "--noise=0.5", "--voice=anna",
        "--out=/r/result/studio/1/bert.mp4", "--", "bert",
    ]  # fmt: skip


def test_a_talking_video_tells_what_its_face_and_its_voice_had_learned(tmp_path: Path) -> None:
    queue = Queue(tmp_path / ".queue")
    places = {}
    for name, stage in (("bert", "main"), ("anna", "vits")):
        places[name] = Workspace(tmp_path, name)
        files.make_folder(places[name].dataset)
        files.write_bytes(files.make_folder(places[name].training(stage)) / "best.pth", b"x")
        state = new_state(name)
        best = Best(epoch=3, metric="loss", value=0.5, path=f"checkpoint/{name}/{stage}/best.pth")
        state.stages[stage] = Record(status=Status.DONE, best=best)
        save_state(places[name].state_file, state)
    studio = Studio(tmp_path, Confinement(tmp_path), queue)
    request = studio.talk(places["bert"], places["anna"], Job(text="Hello."))
    queue.close()
    made = read_creation(tmp_path, job_folder(tmp_path, request.id))
    assert made is not None
    assert made.provenance is not None
    assert made.provenance.learned == ["main: epoch 3, loss 0.5", "vits: epoch 3, loss 0.5"]


# ------------------------------------------------------------------------------------------------------------- attacks


@pytest.mark.parametrize("key", HARMFUL_KEYS)
def test_no_result_is_read_from_outside(trained: Service, key: str) -> None:
    answer = trained.ask("GET", f"/api/v1/studio/files/{key}")
    assert 400 <= answer.status < 500
    assert SECRET.encode() not in answer.body


@pytest.mark.parametrize("place", ["sounds/link.wav", "folder/secret.txt"])
def test_no_link_below_the_results_is_followed(trained: Service, place: str) -> None:
    target = trained.root / "result" / place
    link, leads_to = (
        (target, trained.root.parent / "secret.txt") if "sounds" in place else (target.parent, trained.root.parent)
    )
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(leads_to)
    try:
        answer = trained.ask("GET", f"/api/v1/studio/files/{place}")
        assert answer.status in {403, 404}
        assert SECRET.encode() not in answer.body
        asked = trained.ask("POST", "/api/v1/studio/render", {"dataset": "Зоя & co", "sound": place})
        assert asked.status in {403, 404}
    finally:
        link.unlink()


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("speak", {"dataset": "Зоя & co", "text": ""}), ("speak", {"dataset": "Зоя & co", "text": "a" * 20_001}),
        ("speak", {"dataset": "Зоя & co", "text": "a\0b"}), ("speak", {"dataset": "../..", "text": "a"}),
        ("speak", {"dataset": "untrained", "text": "a"}), ("speak", {"dataset": "Зоя & co", "text": "a", "speed": 9}),
        ("speak", {"dataset": "Зоя & co", "text": "a", "speed": "1 --out=/x"}),
        ("speak", {"dataset": "Зоя & co", "text": "a", "seed": -1}),
        ("speak", {"dataset": "Зоя & co", "text": "a", "out": "/tmp/x.wav"}),
        ("speak", {"dataset": "Зоя & co", "text": "a", "exported": "../../../secret.txt"}),
        ("speak", {"dataset": "Зоя & co", "text": "a", "exported": "/etc/passwd"}),
        ("speak", {"dataset": "Зоя & co", "text": "a", "exported": "vits/best.pth"}),
        ("speak", {"dataset": "Зоя & co", "text": "a", "speaker": "x" * 100}),
        ("render", {"dataset": "Зоя & co", "sound": "../secret.txt"}),
        ("render", {"dataset": "Зоя & co", "sound": "/etc/passwd"}), ("render", {"dataset": "Зоя & co", "sound": ""}),
        ("render", {"dataset": "Зоя & co", "sound": "sounds/none.wav"}),
        ("render", {"dataset": "Зоя & co", "sound": "http://127.0.0.1/x.wav"}),
        ("render", {"dataset": "untrained", "sound": "sounds/речь.wav"}),
        ("render", {"dataset": "Зоя & co", "sound": "sounds/x.wav", "checkpoint": "/tmp/evil.pth"}),
        ("talk", {"face": "Зоя & co", "voice": "/etc/passwd", "text": "a"}),
        ("talk", {"face": "Зоя & co", "voice": "--out=/x", "text": "a"}),
        ("export", {"dataset": "Зоя & co", "format": "pickle"}), ("export", {"dataset": "untrained"}),
        ("export", {"dataset": "Зоя & co", "name": "--out"}),
    ],
    ids=lambda value: value if isinstance(value, str) else json.dumps(value)[:60],
)  # fmt: skip
def test_nothing_harmful_is_made(trained: Service, action: str, body: dict[str, Any]) -> None:
    places = trained.root / "result" / "studio"
    before = sorted(os.listdir(places)) if places.exists() else []
    answer = trained.ask("POST", f"/api/v1/studio/{action}", body)
    assert answer.status in {403, 404, 422}, answer.body
    assert SECRET.encode() not in answer.body
    assert (sorted(os.listdir(places)) if places.exists() else []) == before


@pytest.mark.parametrize(
    "folder", ["..", "../..", "/etc", "a/../..", ".ssh", "a//b", "a\\b", "a\0", "/", "a/" * 9 + "a"]
)
def test_no_upload_gets_a_folder_that_leads_elsewhere(trained: Service, folder: str) -> None:
    wanted = {"dataset": "untrained", "name": "a.wav", "size": 4, "purpose": "recording", "folder": folder}
    assert trained.ask("POST", "/api/v1/uploads", wanted).status == 422


@pytest.mark.parametrize(("trained", "told"), [("f-0-3", ["version 2, corrected"]), ("f-0-2", []), ("f-1-3", [])])
def test_a_corrected_voice_tells_its_version_as_long_as_its_training_is_that(tmp_path, trained, told) -> None:
    workspace = Workspace(tmp_path, "anna")
    workspace.dataset.mkdir(parents=True)
    state = new_state("anna")
    best = Best(epoch=3, metric="mel", value=0.5, path="checkpoint/anna/vits/best.pth")
    state.stages["vits"] = Record(status=Status.DONE, best=best)
    save_state(workspace.state_file, state)
    version = Version(number=2, made_of="c", trained=trained, previous=0, corrections=1, epochs=1)
    versions_path(workspace).parent.mkdir(parents=True)
    files.write_json(versions_path(workspace), Versions(current=2, trained=trained, newest=2, versions=(version,)))
    assert _describe_learned(workspace, ("vits",)) == ["vits: epoch 3, mel 0.5", *told]
