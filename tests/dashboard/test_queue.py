"""The queue: an order that survives everything, and one owner."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from synctalk.dashboard.problems import ConflictError, NotFoundError
from synctalk.dashboard.queue import Queue
from synctalk.dashboard.requests import Ending, Outcome, Request, RunOptions, new_request
from synctalk.errors import LockError
from synctalk.state import utc_now


def names_of(requests: list[Request]) -> list[str]:
    return [request.dataset for request in requests]


def test_order_survives_a_restart(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    ids = {name: queue.add(new_request(name, RunOptions())).id for name in ("a", "b", "c")}
    queue.reorder([ids["c"], ids["a"], ids["b"]])
    queue.close()
    again = Queue(tmp_path)
    assert names_of(again.waiting()) == ["c", "a", "b"]
    again.close()


def test_only_one_server_has_it(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    with pytest.raises(LockError, match="another server"):
        Queue(tmp_path)
    queue.close()
    Queue(tmp_path).close()


def test_dataset_stands_in_it_once(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    first = queue.add(new_request("a", RunOptions()))
    with pytest.raises(ConflictError, match="in the queue already"):
        queue.add(new_request("a", RunOptions()))
    queue.cancel(first.id)
    assert queue.add(new_request("a", RunOptions())).is_waiting
    queue.close()


def test_change_of_an_order_that_is_outdated_is_refused(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    first, second = (queue.add(new_request(name, RunOptions())) for name in ("a", "b"))
    queue.save(Request(id=first.id, dataset="a", launched_at=utc_now()))
    for outdated in ([first.id, second.id], [], [second.id, second.id], ["none"]):
        with pytest.raises(ConflictError, match="changed meanwhile"):
            queue.reorder(outdated)
    with pytest.raises(ConflictError, match="started already"):
        queue.cancel(first.id)
    with pytest.raises(NotFoundError):
        queue.cancel("../../etc/passwd")
    queue.close()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"id": "../x", "dataset": "a"}', b"\xff", b'{"id": 1}'])
def test_damaged_entry_is_set_aside_and_the_rest_is_kept(tmp_path: Path, damage: bytes) -> None:
    queue = Queue(tmp_path)
    kept = queue.add(new_request("a", RunOptions()))
    queue.close()
    (tmp_path / "0123.json").write_bytes(damage)
    again = Queue(tmp_path)
    assert [request.id for request in again.all()] == [kept.id]
    assert (tmp_path / "0123.damaged").read_bytes() == damage
    again.close()


def test_what_ended_long_ago_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synctalk.dashboard.queue._KEPT_ENDED", 5)
    queue = Queue(tmp_path)
    for number in range(8):
        request = queue.add(new_request(f"d{number}", RunOptions()))
        queue.end(request, Ending(at=utc_now(), outcome=Outcome.DONE))
    queue.add(new_request("last", RunOptions()))
    assert len(queue.all()) == 6
    assert len(list(tmp_path.glob("*.json"))) == 6
    queue.close()


class QueueMachine(RuleBasedStateMachine):
    """Whatever is done in whatever order, and whenever the server is started again: what waits is what a list says."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.queue = Queue(Path(self.folder.name))
        self.expected: list[str] = []

    @rule(name=st.sampled_from("abcdef"))
    def add(self, name: str) -> None:
        if name in self.expected:
            with pytest.raises(ConflictError):
                self.queue.add(new_request(name, RunOptions()))
        else:
            self.queue.add(new_request(name, RunOptions()))
            self.expected.append(name)

    @rule(data=st.data())
    def reorder(self, data: st.DataObject) -> None:
        self.expected = data.draw(st.permutations(self.expected))
        ids = {request.dataset: request.id for request in self.queue.waiting()}
        self.queue.reorder([ids[name] for name in self.expected])

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.expected:
            name = data.draw(st.sampled_from(self.expected))
            self.queue.cancel(next(request.id for request in self.queue.waiting() if request.dataset == name))
            self.expected.remove(name)

    @rule()
    def restart(self) -> None:
        self.queue.close()
        self.queue = Queue(Path(self.folder.name))

    @invariant()
    def waits_as_expected(self) -> None:
        assert names_of(self.queue.waiting()) == self.expected

    def teardown(self) -> None:
        self.queue.close()
        self.folder.cleanup()


class TestQueueMachine(QueueMachine.TestCase):  # type: ignore[name-defined]
    """Runs it; the assertion is its invariant."""

    settings = settings(max_examples=15, stateful_step_count=15)


@given(
    options=st.builds(
        RunOptions, until=st.none() | st.text(), settings=st.dictionaries(st.text(), st.text() | st.integers())
    )
)
def test_each_option_is_one_word_that_begins_with_its_name(options: RunOptions) -> None:
    request = Request(id="0", dataset="--help", options=options)
    words = request.words(Path("/r"))
    assert words[:2] == ["run", "--root=/r"]
    assert words[-2:] == ["--", "--help"]
    assert all(word.startswith(("--line=", "--until=", "--set=")) for word in words[2:-2])
