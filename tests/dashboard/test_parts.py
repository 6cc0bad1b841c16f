"""Sessions, downloads, logs, plans of settings and what is observed, each by itself."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk import errors
from synctalk.config import load_settings
from synctalk.dashboard.confinement import Confinement
from synctalk.dashboard.download import parse_range
from synctalk.dashboard.logtail import read_tail
from synctalk.dashboard.observation import Observatory
from synctalk.dashboard.queue import Queue
from synctalk.dashboard.requests import Ending, Outcome, RunOptions, new_request
from synctalk.dashboard.sessions import SESSION_S, Sessions, TooManyAttemptsError, WrongTokenError
from synctalk.dashboard.settings import describe_settings
from synctalk.dashboard.system import SystemHistory
from synctalk.dashboard.trouble import ADVICE, describe_trouble
from synctalk.lines import FEEDBACK, LINES
from synctalk.presets import PRESETS
from synctalk.state import Record, Status, new_state, save_state, utc_now
from synctalk.workspace import Workspace

STATIC = Path(__file__).resolve().parent.parent.parent / "synctalk" / "dashboard" / "static"


class Clock:
    """Seconds that pass when told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_session_ends_after_a_day_of_use_and_after_two_idle_hours() -> None:
    clock = Clock()
    sessions = Sessions("token", clock=clock)
    used, idle = (sessions.log_in("token", address="a") for _ in range(2))
    for _ in range(SESSION_S // 3600 - 1):
        clock.now += 3600
        assert sessions.admits(used)
    assert not sessions.admits(idle)
    clock.now += 3600
    assert not sessions.admits(used)


def test_patience_with_wrong_tokens_ends_and_comes_back() -> None:
    clock = Clock()
    sessions = Sessions("token", clock=clock)
    for _ in range(5):
        with pytest.raises(WrongTokenError):
            sessions.log_in("wrong", address="a")
    with pytest.raises(TooManyAttemptsError):
        sessions.log_in("token", address="a")
    assert sessions.log_in("token", address="b")
    clock.now += 61
    assert sessions.log_in("token", address="a")


def test_session_outlives_a_server_but_not_its_own_end(tmp_path: Path) -> None:
    clock, file = Clock(), tmp_path / "sessions" / "open.json"
    first = Sessions("token", kept_in=file, clock=clock)
    session_id = first.log_in("token", address="a")
    assert session_id not in file.read_text()
    clock.now += 3600
    second = Sessions("another token", kept_in=file, clock=clock)
    assert second.admits(session_id)
    with pytest.raises(WrongTokenError):
        second.log_in("token", address="a")
    clock.now += 2 * 3600
    assert not Sessions("a third", kept_in=file, clock=clock).admits(session_id)


def test_who_logged_out_stays_out_after_a_restart(tmp_path: Path) -> None:
    clock, file = Clock(), tmp_path / "open.json"
    first = Sessions("token", kept_in=file, clock=clock)
    gone, stays = (first.log_in("token", address="a") for _ in range(2))
    first.log_out(gone)
    second = Sessions("token", kept_in=file, clock=clock)
    assert (second.admits(gone), second.admits(stays)) == (False, True)


def test_last_use_of_a_session_is_noted_now_and_then(tmp_path: Path) -> None:
    clock, file = Clock(), tmp_path / "open.json"
    first = Sessions("token", kept_in=file, clock=clock)
    session_id = first.log_in("token", address="a")
    for _ in range(8):
        clock.now += 1800
        assert first.admits(session_id)
    assert Sessions("token", kept_in=file, clock=clock).admits(session_id)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"null", b"[1]", b'[{"key": "zz", "begun": 1000, "last": 1000}]',
        b'[{"key": "00", "begun": 1000, "last": 1000}]', b'[{"key": 5, "begun": 1000, "last": 1000}]',
        b'[{"key": "' + b"0" * 64 + b'", "begun": 99999999, "last": 99999999}]', b"\xff" * 10,
    ],
)  # fmt: skip
def test_notes_of_sessions_that_make_no_sense_open_nothing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "open.json").write_bytes(content)
    sessions = Sessions("token", kept_in=tmp_path / "open.json", clock=Clock())
    assert not sessions._sessions
    assert sessions.admits(sessions.log_in("token", address="a"))


def test_server_without_a_token_leaves_the_sessions_of_another_alone(tmp_path: Path) -> None:
    clock, file = Clock(), tmp_path / "open.json"
    session_id = Sessions("token", kept_in=file, clock=clock).log_in("token", address="a")
    Sessions("", kept_in=file, clock=clock).log_out(session_id)
    assert Sessions("token", kept_in=file, clock=clock).admits(session_id)


def test_many_addresses_together_have_no_more_patience_than_a_few() -> None:
    sessions = Sessions("token", clock=Clock())
    for number in range(30):
        with pytest.raises(WrongTokenError):
            sessions.log_in("wrong", address=str(number))
    with pytest.raises(TooManyAttemptsError):
        sessions.log_in("token", address="another")


def test_number_of_sessions_is_limited_and_the_oldest_goes_first() -> None:
    clock = Clock()
    sessions = Sessions("token", clock=clock)
    ids = []
    for _ in range(300):
        clock.now += 1
        ids.append(sessions.log_in("token", address="a"))
    assert not sessions.admits(ids[0])
    assert sessions.admits(ids[-1])


@given(size=st.integers(0, 1000), first=st.integers(0, 1200), last=st.none() | st.integers(0, 1200))
def test_part_of_a_file_is_always_inside_it(size: int, first: int, last: int | None) -> None:
    part = parse_range(f"bytes={first}-{'' if last is None else last}", size)
    wanted = range(first, min(size, size if last is None else last + 1))
    assert (part is None) == (len(wanted) == 0)
    if part:
        assert range(part[0], part[1] + 1) == wanted


@pytest.mark.parametrize(
    "header", [None, "", "bytes=-", "items=0-1", "bytes=1-2,4-5", "bytes=a-b", "bytes=0-1\n2", "bytes=²-3"]
)
def test_what_is_not_understood_asks_for_everything(header: str | None) -> None:
    assert parse_range(header, 10) == (0, 9)


def test_end_of_a_file_can_be_asked() -> None:
    assert parse_range("bytes=-3", 10) == (7, 9)
    assert parse_range("bytes=-30", 10) == (0, 9)
    assert parse_range("bytes=-0", 10) is None


def test_log_is_told_piece_by_piece_without_losing_a_line(tmp_path: Path) -> None:
    confinement, path = Confinement(tmp_path), tmp_path.resolve() / "a.log"
    lines = [f"line {number} ж" for number in range(20_000)]
    path.write_text("\n".join(lines) + "\n")
    text, offset = "", 0
    while (tail := read_tail(confinement, path, offset=offset)).offset > offset:
        text, offset = text + tail.text, tail.offset
    assert text.splitlines() == lines
    last = read_tail(confinement, path, offset=-1)
    assert last.text.splitlines() == lines[-len(last.text.splitlines()) :]
    path.write_text("new\n")
    assert read_tail(confinement, path, offset=offset).text == "new\n"


def test_pictures_of_a_bar_are_left_out_of_a_log(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"start\n 10 %\r 20 %\r 30 %\nend\n")
    assert read_tail(Confinement(tmp_path), tmp_path.resolve() / "a.log", offset=0).text == "start\n 30 %\nend\n"


def test_settings_form_offers_what_the_program_takes() -> None:
    views = describe_settings()
    assert len(views) > 40
    for view in views:
        for preset in PRESETS:
            name = view.name
            value = view.presets[preset]
            assert load_settings(Path("none"), preset=preset, overrides={name: value}) == load_settings(
                Path("none"), preset=preset
            )


def test_every_setting_is_explained_in_plain_words() -> None:
    meanings = {view.name: view.meaning for view in describe_settings()}
    assert [name for name, meaning in meanings.items() if not meaning.endswith(".")] == []
    assert [meaning for meaning in meanings.values() if set("`[|") & set(meaning)] == []
    assert meanings["main.batch_size"] == "Clips of consecutive frames per step. Less needs less memory."


def test_only_files_that_changed_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from synctalk.dashboard import observation

    reads: list[str] = []
    real = observation.read_state

    def counting(path: Path, *, dataset: str):  # type: ignore[no-untyped-def]
        reads.append(dataset)
        return real(path, dataset=dataset)

    monkeypatch.setattr(observation, "read_state", counting)
    for name in ("a", "b"):
        Workspace(tmp_path, name).dataset.mkdir(parents=True)
        save_state(Workspace(tmp_path, name).state_file, new_state(name))
    queue = Queue(tmp_path / ".queue")
    observatory = Observatory(tmp_path, queue)
    for _ in range(3):
        observatory.overview()
    assert sorted(reads) == ["a", "b"]
    changed = new_state("b")
    changed.stages["preprocess"] = Record(status=Status.RUNNING)
    save_state(Workspace(tmp_path, "b").state_file, changed)
    views = {view.name: view for view in observatory.overview()}
    assert sorted(reads) == ["a", "b", "b"]
    # Its state says that it runs; no process does.
    assert (views["b"].status, views["a"].status) == ("interrupted", "empty")
    queue.close()


@pytest.mark.parametrize(
    ("statuses", "outcome", "expected"),
    [
        ([Status.PENDING, Status.PENDING], Outcome.INTERRUPTED, "ready"),  # of an earlier dataset of that name
        ([Status.DONE, Status.PENDING], None, "ready"),
        ([Status.DONE, Status.PENDING], Outcome.DONE, "ready"),
        ([Status.DONE, Status.PENDING], Outcome.INTERRUPTED, "interrupted"),
        ([Status.DONE, Status.INTERRUPTED], Outcome.DONE, "interrupted"),
        ([Status.DONE, Status.DONE], Outcome.DONE, "interrupted"),  # trained, and not exported
    ],
)
def test_what_was_only_checked_waits_to_be_trained_and_what_was_stopped_is_stopped(
    tmp_path: Path, statuses: list[Status], outcome: Outcome | None, expected: str
) -> None:
    place = Workspace(tmp_path, "a")
    (place.dataset / "recordings").mkdir(parents=True)
    state = new_state("a")
    state.stages = {name: Record(status=each) for name, each in zip(("prepare", "vits"), statuses, strict=True)}
    save_state(place.state_file, state)
    queue = Queue(tmp_path / ".queue")
    if outcome is not None:
        request = queue.add(new_request("a", RunOptions(line="voice", until="prepare")))
        queue.end(request, Ending(at=utc_now(), outcome=outcome))
    assert Observatory(tmp_path, queue).overview()[0].status == expected
    queue.close()


def test_every_stage_is_explained_in_the_pages() -> None:
    told = (STATIC / "terms.js").read_text().split("const STAGES = {")[1].split("};")[0]
    explained = set(re.findall(r"^  (\w+):", told, re.MULTILINE))
    lines = [FEEDBACK, *(line for line in LINES.values() if line.name != "drill")]
    assert {name for line in lines for name in line.names} - explained == set()


def test_newer_state_is_told_and_the_other_datasets_are_shown(tmp_path: Path) -> None:
    for name in ("good", "newer"):
        Workspace(tmp_path, name).dataset.mkdir(parents=True)
    Workspace(tmp_path, "newer").state_file.write_bytes(msgspec.json.encode({"schema_version": 99}))
    queue = Queue(tmp_path / ".queue")
    views = {view.name: view for view in Observatory(tmp_path, queue).overview()}
    assert "newer synctalk" in views["newer"].notes[0]
    assert views["good"].notes == []
    queue.close()


def test_every_error_of_ours_has_its_place_in_the_catalogue() -> None:
    ours = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.SynctalkError) and kind is not errors.SynctalkError
    }
    assert ours <= set(ADVICE)


@pytest.mark.parametrize("kind", [*ADVICE, "KeyError", ""])
def test_every_trouble_has_a_reason_a_hint_and_a_button(kind: str) -> None:
    ending = Ending(at="2026-01-01", outcome=Outcome.FAILED, message="it is so")
    for given_ending in (ending, None):
        trouble = describe_trouble(given_ending, error_type=kind, error="it was so")
        assert all((trouble.title, trouble.message, trouble.hint, trouble.action_label))
    killed = Ending(at="2026-01-01", outcome=Outcome.KILLED, message="signal 9")
    assert describe_trouble(killed, error_type=kind, error="an older one").message == "signal 9"


def test_link_to_itself_hides_no_dataset(tmp_path: Path) -> None:
    Workspace(tmp_path, "good").dataset.mkdir(parents=True)
    (tmp_path / "dataset" / "loop").symlink_to("loop")
    (tmp_path / "dataset" / "-bad").mkdir()
    queue = Queue(tmp_path / ".queue")
    assert [view.name for view in Observatory(tmp_path, queue).overview()] == ["good"]
    queue.close()


def test_load_of_the_machine_is_told_in_sound_figures(tmp_path: Path) -> None:
    history = SystemHistory(tmp_path)
    load = history.look()
    assert 0 <= load.cpu_percent <= 100
    assert 0 < load.memory_used_bytes < load.memory_total_bytes
    assert 0 < load.disk_used_bytes <= load.disk_total_bytes
    assert history.history() == [load]


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.js")), ids=lambda path: path.name)
def test_scripts_never_turn_text_into_markup_or_code(path: Path) -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc|javascript:|https?://(?!www\.w3\.org/2000/svg)"
    assert re.findall(forbidden, path.read_text()) == []


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.html")), ids=lambda path: path.name)
def test_pages_hold_no_script_and_no_style_of_their_own(path: Path) -> None:
    text = path.read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|<style", text) == []
    assert set(re.findall(r'(?:src|href)="/static/([^"]+)"', text)) <= {part.name for part in STATIC.iterdir()}
