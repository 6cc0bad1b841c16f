"""The whole: a real server, real runs, and what is left when either is killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from service import Service, serving

LONG = {"line": "drill", "epochs": 5000}
SHORT = {"line": "drill", "epochs": 2}


def status_of(service: Service, name: str) -> str:
    return str(service.get(f"/datasets/{name}")["status"])


def test_run_goes_from_queue_to_done_and_everything_can_be_seen(service: Service) -> None:
    service.post("/datasets", {"name": "Анна 1"})
    path = "/datasets/%D0%90%D0%BD%D0%BD%D0%B0%201"
    asked = service.post(f"{path}/run", SHORT)
    view = service.until(
        lambda: (found := service.get(path))["status"] == "done" and found["request"]["ending"] and found
    )
    assert view["request"]["ending"]["exit_code"] == 0
    assert [stage["epochs"] for stage in view["stages"]] == [0, 2]
    assert [entry["epoch"] for entry in service.get(f"{path}/stages/main/history")] == [1, 2]
    assert "grind" in service.get(f"{path}/stages/main/log")["text"]
    assert service.get(f"/queue/{asked['id']}/log")["size"] > 0
    assert "main/training_log.json" in {found["key"] for found in service.get(f"{path}/artefacts")}


def test_stop_keeps_what_is_done_and_continue_goes_on_from_there(service: Service) -> None:
    service.post("/datasets", {"name": "stopped"})
    service.post("/datasets/stopped/run", LONG)
    service.until(lambda: service.get("/datasets/stopped")["stages"][1]["epochs"] >= 2)
    stopped = service.post("/datasets/stopped/stop", status=200)
    view = service.until(lambda: (found := service.get("/datasets/stopped"))["request"]["ending"] and found)
    assert stopped["pid"] > 0
    assert (view["status"], view["request"]["ending"]["outcome"]) == ("interrupted", "interrupted")
    before = view["stages"][1]["epochs"]
    again = service.post("/datasets/stopped/continue")
    assert again["options"]["epochs"] == LONG["epochs"]
    service.until(lambda: service.get("/datasets/stopped")["stages"][1]["epochs"] > before)
    service.post("/datasets/stopped/stop", status=200)
    service.until(lambda: status_of(service, "stopped") == "interrupted")


def test_killed_run_is_shown_as_dead_with_the_way_on(service: Service) -> None:
    service.post("/datasets", {"name": "killed"})
    service.post("/datasets/killed/run", LONG)
    pid = service.until(lambda: service.get("/datasets/killed")["worker_pid"])
    assert service.get("/datasets/killed")["worker_bytes"] > 10**6
    os.kill(pid, signal.SIGKILL)
    view = service.until(lambda: (found := service.get("/datasets/killed"))["request"]["ending"] and found)
    assert view["status"] == "killed"
    assert "signal 9" in view["request"]["ending"]["message"]
    assert (view["trouble"]["action"], view["trouble"]["action_label"]) == ("continue", "Continue")


def test_failure_is_told_in_the_words_of_the_program(service: Service) -> None:
    service.post("/datasets", {"name": "unlucky"})
    service.post("/datasets/unlucky/run", {**SHORT, "settings": {"main.batch_size": 13}})
    view = service.until(lambda: (found := service.get("/datasets/unlucky"))["request"]["ending"] and found)
    assert view["status"] == "failed"
    assert view["stages"][1]["error"] == view["trouble"]["message"] == "thirteen brings bad luck"


def test_run_that_is_refused_before_its_first_stage_says_so(service: Service) -> None:
    service.post("/datasets", {"name": "no recording"})
    service.post("/datasets/no%20recording/run", {"line": "face", "preset": "draft"})
    view = service.until(lambda: (found := service.get("/datasets/no%20recording"))["request"]["ending"] and found)
    assert view["request"]["ending"]["exit_code"] == 2
    assert "no source video" in view["trouble"]["message"]
    assert view["trouble"]["action"] == "upload"


def test_what_was_never_started_here_is_not_continued_with_guessed_options(service: Service) -> None:
    service.post("/datasets", {"name": "stranger"})
    assert service.ask("POST", "/api/v1/datasets/stranger/continue").status == 409


def test_one_run_per_device_and_the_rest_waits_in_an_order_that_can_be_changed(service: Service) -> None:
    names = ["first", "second", "third"]
    for name in names:
        service.post("/datasets", {"name": name})
    ids = {name: service.post(f"/datasets/{name}/run", LONG)["id"] for name in names}
    service.until(lambda: service.get("/queue")["under_way"])
    queue = service.get("/queue")
    assert [each["dataset"] for each in queue["under_way"]] == ["first"]
    assert [each["dataset"] for each in queue["waiting"]] == ["second", "third"]
    swapped = service.ask("PUT", "/api/v1/queue/order", {"ids": [ids["third"], ids["second"]]})
    assert [each["dataset"] for each in swapped.json] == ["third", "second"]
    assert service.ask("PUT", "/api/v1/queue/order", {"ids": [ids["third"]]}).status == 409
    assert service.ask("POST", "/api/v1/datasets/second/run", LONG).status == 409
    assert service.post("/datasets/second/stop", status=200)["cancelled"]
    assert service.ask("DELETE", f"/api/v1/queue/{ids['first']}").status == 409
    service.post("/datasets/first/stop", status=200)
    service.until(lambda: status_of(service, "third") == "running")
    service.until(lambda: service.get("/datasets/third")["worker_pid"])
    service.post("/datasets/third/stop", status=200)
    service.until(lambda: status_of(service, "third") == "interrupted")


def test_run_that_is_stopped_before_it_has_begun_to_listen_ends(service: Service) -> None:
    service.post("/datasets", {"name": "early"})
    service.post("/datasets/early/run", LONG)
    service.until(lambda: service.get("/queue")["under_way"])
    service.post("/datasets/early/stop", status=200)
    view = service.until(lambda: (found := service.get("/datasets/early"))["request"]["ending"] and found)
    assert view["request"]["ending"]["outcome"] == "interrupted"


def test_killed_server_loses_nothing_and_the_next_one_finds_the_run_and_the_queue(tmp_path: Path) -> None:
    with serving(tmp_path) as first:
        for name in ("runs", "waits"):
            first.post("/datasets", {"name": name})
            first.post(f"/datasets/{name}/run", LONG)
        first.until(lambda: first.get("/datasets/runs")["stages"][1]["epochs"])
        pid = first.get("/datasets/runs")["worker_pid"]
        first.kill()
        before = first.root.joinpath("dataset/runs/.training_state.json").read_bytes()
        with serving(tmp_path) as second:
            view = second.get("/datasets/runs")
            assert (view["status"], view["worker_pid"]) == ("running", pid)
            assert status_of(second, "waits") == "waiting"
            second.until(lambda: first.root.joinpath("dataset/runs/.training_state.json").read_bytes() != before)
            second.post("/datasets/runs/stop", status=200)
            # Nobody waited for the process of the first server; how it ended is told by what it left.
            view = second.until(lambda: (found := second.get("/datasets/runs"))["request"]["ending"] and found)
            assert view["request"]["ending"]["outcome"] == "interrupted"
            second.until(lambda: second.get("/datasets/waits")["worker_pid"])


def test_second_server_at_the_same_place_is_refused(tmp_path: Path) -> None:
    import subprocess
    import sys

    from service import HERE

    with serving(tmp_path):
        command = [sys.executable, str(HERE / "program.py"), "serve", "--root", str(tmp_path), "--port", "0"]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 3
    assert "another server" in told.stderr


def test_server_ends_by_itself_on_a_signal_and_leaves_its_run_alone(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        service.post("/datasets", {"name": "stays"})
        service.post("/datasets/stays/run", LONG)
        pid = service.until(lambda: service.get("/datasets/stays")["worker_pid"])
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(20) == 0
        os.kill(pid, 0)
        assert Path(f"/proc/{pid}").is_dir()


def test_events_tell_of_a_change_without_being_asked(service: Service) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    connection.request("GET", "/api/v1/events")
    stream = connection.getresponse()
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.readline() == b"event: datasets\n"
    service.post("/datasets", {"name": "seen"})
    while b'"seen"' not in stream.readline():
        continue
    connection.close()
    assert service.get("/datasets/seen")["status"] == "empty"


def test_server_that_ends_lets_its_listeners_go(tmp_path: Path) -> None:
    import http.client

    with serving(tmp_path) as service:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
        connection.request("GET", "/api/v1/events")
        stream = connection.getresponse()
        stream.readline()
        service.process.send_signal(signal.SIGINT)
        stream.read()  # an answer that was cut off would be an error here
        connection.close()
        assert service.process.wait(20) == 0


def test_long_file_comes_in_by_the_largest_pieces(service: Service) -> None:
    service.post("/datasets", {"name": "long"})
    content = b"RIFF\x24\0\0\0WAVEfmt " + bytes(9 << 20)
    upload = service.post("/uploads", {"dataset": "long", "name": "длинный.wav", "size": len(content)})
    for offset in range(0, len(content), upload["piece_bytes"]):
        piece = content[offset : offset + upload["piece_bytes"]]
        assert service.ask("PUT", f"/api/v1/uploads/{upload['id']}?offset={offset}", piece).status == 200
    too_long = service.ask("PUT", f"/api/v1/uploads/{upload['id']}?offset=0", bytes(upload["piece_bytes"] + 1))
    assert too_long.status == 413
    placed = service.post(f"/uploads/{upload['id']}/finish", {}, status=200)
    assert (service.root / placed["files"][0]).stat().st_size == len(content)


def test_server_loads_no_library_for_training(service: Service) -> None:
    mapped = Path(f"/proc/{service.process.pid}/maps").read_text()
    assert [name for name in ("torch", "numpy", "mediapipe", "librosa", "scipy") if f"/{name}/" in mapped] == []
    facts = Path(f"/proc/{service.process.pid}/status").read_text().split()
    assert int(facts[facts.index("VmRSS:") + 1]) < 150_000


def test_plan_names_every_stage_with_a_reason(service: Service) -> None:
    service.post("/datasets", {"name": "planned"})
    plan = service.post("/datasets/planned/plan", SHORT, status=200)
    assert [stage["stage"] for stage in plan] == ["warm", "main"]
    assert all(stage["reasons"] for stage in plan)


def test_deleted_dataset_can_be_brought_back(service: Service) -> None:
    service.post("/datasets", {"name": "gone"})
    (service.root / "dataset" / "gone" / "note.txt").write_text("kept")
    trashed = service.ask("DELETE", "/api/v1/datasets/gone").json
    assert service.ask("GET", "/api/v1/datasets/gone").status == 404
    service.post("/datasets", {"name": "gone"})
    assert service.ask("POST", f"/api/v1/trash/{trashed['id']}/restore").status == 409
    second = service.ask("DELETE", "/api/v1/datasets/gone").json
    assert {each["id"] for each in service.get("/trash")} >= {trashed["id"], second["id"]}
    service.post(f"/trash/{trashed['id']}/restore", status=200)
    assert (service.root / "dataset" / "gone" / "note.txt").read_text() == "kept"
    assert service.get("/datasets/gone")["status"] == "empty", "whoever deleted it does not work on it any more"


def test_download_can_be_continued_in_the_middle(service: Service) -> None:
    service.post("/datasets", {"name": "source of bytes"})
    content = bytes(range(256)) * 4
    (service.root / "dataset" / "source of bytes" / "source.mp4").write_bytes(content)
    path = "/api/v1/datasets/source%20of%20bytes/files/source"
    whole = service.ask("GET", path)
    assert (whole.status, whole.body, whole.headers["content-type"]) == (200, content, "video/mp4")
    part = service.ask("GET", path, headers={"Range": "bytes=1000-"})
    assert (part.status, part.body, part.headers["content-range"]) == (206, content[1000:], "bytes 1000-1023/1024")
    assert service.ask("GET", path, headers={"Range": "bytes=5000-"}).status == 416


def test_older_addresses_answer_by_their_names(service: Service) -> None:
    status = service.ask("GET", "/status").json
    assert set(status["progress"]) >= {"epoch", "step", "progress_percent", "eta_minutes", "steps_per_second"}
    assert service.ask("POST", "/clear_gpu_memory").json["memory_freed_gb"] == 0
    assert service.ask("POST", "/cleanup_cache").status == 200
    assert service.ask("GET", "/tensorboard_status").json["is_running"] is False
    assert service.ask("POST", "/start_tensorboard").status in {200, 422}  # 422: the package is not installed
    assert service.ask("POST", "/stop_tensorboard").status == 200


def test_interface_documents_itself(service: Service) -> None:
    told = service.get("/openapi.json")
    assert {"/api/v1/datasets/{name}/run", "/api/v1/uploads", "/api/v1/events"} <= set(told["paths"])


def test_visitor_stays_logged_in_over_a_killed_server_and_the_old_token_opens_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, "--token") as first:
        opened = first.ask("POST", "/api/v1/session", {"token": first.token})
        known = {"Cookie": opened.headers["set-cookie"].partition(";")[0]}
        first.kill()
    with serving(tmp_path, "--token") as second:
        assert second.ask("GET", "/api/v1/datasets", headers=known).status == 200
        assert second.ask("POST", "/api/v1/session", {"token": first.token}).status == 401
        second.ask("DELETE", "/api/v1/session", headers=known)
        second.kill()
    with serving(tmp_path, "--token") as third:
        assert third.ask("GET", "/api/v1/datasets", headers=known).status == 401


def test_recording_is_allowed_to_our_own_pages_only(service: Service) -> None:
    headers = service.ask("GET", "/").headers
    assert {"camera=(self)", "microphone=(self)"} <= set(headers["permissions-policy"].split(", "))
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert policy["media-src"] == "'self' blob:"
    assert policy["script-src"] == "'self'"
    assert policy["default-src"] == "'none'"
