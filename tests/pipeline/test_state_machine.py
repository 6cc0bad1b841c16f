"""Whatever order commands, crashes, refusals of the disk and damages come in, the state stays true.

A line of three instant stages is really run through the runner, the recorder, the stat cache and the lock. The content
of every output tells all that it depends on, so that a stale one shows.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import shutil
import signal
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import xxhash
from hypothesis import HealthCheck, event, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from synctalk import faults, files
from synctalk.config import Settings, load_settings
from synctalk.diskwait import DiskWait
from synctalk.errors import ExitCode, InputError, StorageError
from synctalk.outcome import Outcome
from synctalk.pipeline import stat_cache
from synctalk.pipeline.freshness import Decision, Verdict
from synctalk.pipeline.graph import StageGraph
from synctalk.pipeline.interruption import StopFlag
from synctalk.pipeline.recorder import RECORD_FILE, Recorder
from synctalk.pipeline.runner import Order, Runner
from synctalk.pipeline.stage import Stage, StageContext, StageResult
from synctalk.process import read_start_token
from synctalk.state import Best, State, Status, backup_of
from synctalk.workspace import Workspace

STAGES = ("prepare", "ear", "mouth")
TRAININGS = STAGES[1:]
NEEDS = {"prepare": (), "ear": ("prepare",), "mouth": ("prepare", "ear")}
RACY = next(name for name in vars(stat_cache) if name.endswith("RACY_NS"))
QUICK_RACY_NS = 20_000_000
"""Files are hours old in life and milliseconds here; five ticks of the kernel's clock keep the rule sound."""

# ------------------------------------------------------------------------------------------------------- the line

PATIENCE = DiskWait(wait_s=0, should_stop=lambda: False)


def blend(*parts: object) -> str:
    return xxhash.xxh3_64_hexdigest("|".join(map(str, parts)).encode())


def folder_of(stage: str, workspace: Workspace) -> Path:
    return workspace.face if stage == "prepare" else workspace.training(stage)


def output_of(stage: str, workspace: Workspace) -> Path:
    return folder_of(stage, workspace) / "made.json"


def source_of(workspace: Workspace) -> Path:
    return workspace.dataset / "source.txt"


def part_of(stage: str, asked: Settings) -> dict[str, object]:
    match stage:
        case "prepare":
            return {"size_px": asked.preprocess.size_px}
        case "ear":
            return {"lr": asked.syncnet.lr}
    return {"lr": asked.main.lr}


def target_of(stage: str, asked: Settings) -> int:
    return asked.syncnet.epochs if stage == "ear" else asked.main.epochs


def start_of(stage: str, asked: Settings, materials: list[str]) -> str:
    """What a stage begins with: a function of its settings and of all that it is made from."""
    return blend(stage, part_of(stage, asked), *materials)


@functools.cache
def weights_after(origin: str, epochs: int) -> str:
    return origin if epochs == 0 else blend(weights_after(origin, epochs - 1), epochs)


def note(context: StageContext, stage: str, epochs: int) -> None:
    with (context.workspace.root / "worked.txt").open("a") as stream:
        stream.write(f"{stage} {context.generation} {epochs}\n")


def do_prepare(context: StageContext) -> StageResult:
    note(context, "prepare", 0)
    origin = start_of("prepare", context.settings, [source_of(context.workspace).read_text()])
    files.write_json(output_of("prepare", context.workspace), {"origin": origin})
    return StageResult(Outcome.FINISHED)


def do_training(stage: str, context: StageContext) -> StageResult:
    """A training in small: it continues its newest checkpoint, commits each epoch and keeps three."""
    folder, target = folder_of(stage, context.workspace), target_of(stage, context.settings)
    materials = [json.loads(output_of(need, context.workspace).read_text())["origin"] for need in NEEDS[stage]]
    origin = start_of(stage, context.settings, materials)
    newest = find_newest(folder, context) or {"generation": context.generation, "epochs": 0, "weights": origin}
    epochs, weights = newest["epochs"], newest["weights"]
    note(context, stage, epochs)
    while True:
        if epochs:
            path = folder / f"epoch_{epochs:04d}.json"
            content = {"fingerprint": context.fingerprint, "generation": newest["generation"], "epochs": epochs}
            files.write_json(path, content | {"weights": weights})
            best = {"origin": origin, "epochs": epochs, "weights": weights}
            files.write_json(output_of(stage, context.workspace), best)
            context.journal(epochs=epochs, step=0, checkpoint=path, best=Best(epochs, "loss", 1 / epochs, path.name))
            for old in sorted(folder.glob("epoch_*.json"))[:-3]:
                old.unlink()
        if epochs >= target:
            return StageResult(Outcome.FINISHED, {"epochs": epochs})
        if context.should_stop():
            return StageResult(Outcome.INTERRUPTED)
        epochs += 1
        weights = blend(weights, epochs)


def find_newest(folder: Path, context: StageContext) -> dict[str, Any] | None:
    known = [json.loads(path.read_text()) for path in folder.glob("epoch_*.json")]
    own = [
        each
        for each in known
        if each["fingerprint"] == context.fingerprint and each["generation"] >= context.generation
    ]
    return max(own, key=lambda each: (each["generation"], each["epochs"]), default=None)


do_ear = functools.partial(do_training, "ear")
do_mouth = functools.partial(do_training, "mouth")


def make_stage(name: str) -> Stage:
    return Stage(
        name=name, version=1, needs=NEEDS[name], folder=functools.partial(folder_of, name),
        inputs=lambda ws, asked: {"source.txt": source_of(ws)} if name == "prepare" else {},
        outputs=lambda ws: [output_of(name, ws)], settings=functools.partial(part_of, name),
        target_epochs=(lambda _workspace, asked: target_of(name, asked)) if name in TRAININGS else None,
        work=f"{__name__}:do_{name}",
    )  # fmt: skip


GRAPH = StageGraph.build("face", [make_stage(name) for name in STAGES])

# ---------------------------------------------------------------------------------------------------- the machine


class StopAfter(StopFlag):
    """A request that comes in the middle: after so many times that somebody asked."""

    def __init__(self, questions: int) -> None:
        super().__init__()
        self._left = questions

    def is_raised(self) -> bool:
        self._left -= 1
        return self._left < 0


@contextmanager
def faults_at(variable: str, order: str) -> Iterator[None]:
    faults._passed.clear()
    os.environ[variable] = order
    try:
        yield
    finally:
        del os.environ[variable]


def in_child(work: Any) -> int:
    """Run `work` in a fork of this process; its exit code, negative for the signal that ended it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of the test runner are none of the child's
        pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = work()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def flip(content: bytes, where: float, bit: int) -> bytes:
    damaged = bytearray(content)
    if damaged:
        damaged[int(where * len(damaged))] ^= 1 << bit
    return bytes(damaged)


DAMAGES = {
    "flip": flip,
    "cut": lambda content, where, bit: content[: int(where * len(content))],
    "zeros": lambda content, where, bit: content[: int(where * len(content))].ljust(len(content), b"\0"),
    "gone": lambda content, where, bit: None,
}
fractions = st.floats(0, 1, exclude_max=True)
points = st.integers(1, 40) | st.integers(1, 250)
wishes = st.fixed_dictionaries(
    {},
    optional={
        "until": st.sampled_from(STAGES),
        "force": st.sampled_from(["retrain", "all", *STAGES]),
        "continue_training": st.booleans(),
    },
)


class Life(RuleBasedStateMachine):
    """A dataset through good and bad days.

    What is believed to be true, beside the disk: `made`, per stage what its finished and untouched output was made
    from and how many epochs; `unsure`, the stages whose record beside the results was damaged since it was written.
    """

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
        self.workspace = Workspace(self.root, "anna")
        self.sets: dict[str, object] = {"syncnet.epochs": 2, "main.epochs": 2, "runtime.disk_wait_s": 1.0}
        self.made: dict[str, tuple[str, int]] = {}
        self.unsure: set[str] = set()
        self.is_state_damaged = False
        self.generations: dict[str, int] = {}
        self._racy_ns = getattr(stat_cache, RACY)
        setattr(stat_cache, RACY, QUICK_RACY_NS)

    @initialize(text=st.sampled_from("abc"), is_finished=st.booleans())
    def record(self, text: str, is_finished: bool) -> None:
        self.workspace.dataset.mkdir(parents=True)
        source_of(self.workspace).write_text(text)
        if is_finished:
            self.run_and_check({})

    # -- commands

    @rule(wish=wishes)
    def run(self, wish: dict[str, Any]) -> None:
        self.run_and_check(wish)

    @rule(wish=wishes, questions=st.integers(0, 12))
    def run_and_be_stopped(self, wish: dict[str, Any], questions: int) -> None:
        self.run_and_check(wish, stop=StopAfter(questions))

    @rule(wish=wishes, point=points)
    def run_and_be_killed(self, wish: dict[str, Any], point: int) -> None:
        order = self.order(**wish)
        with faults_at(faults.CRASH_VARIABLE, f"*:{point}"):
            code = in_child(lambda: Runner(order).run().exit_code)
        assert code in {0, -signal.SIGKILL}, code
        event(f"killed: {code != 0}")
        self.after_run(order, is_whole=code == 0)

    @rule(wish=wishes, point=points, number=st.sampled_from(["ENOSPC", "EIO", "EDQUOT", "EROFS"]))
    def run_and_be_refused_by_the_disk(self, wish: dict[str, Any], point: int, number: str) -> None:
        order = self.order(**wish)
        with faults_at(faults.FAIL_VARIABLE, f"*:{point}:{number}"):
            try:
                Runner(order).run()
                is_whole = True
            except (StorageError, InputError):  # the second when the source cannot be read
                is_whole = False
        event(f"refused: {not is_whole}")
        self.after_run(order, is_whole=is_whole)
        self.expect_no_leftovers(order, is_swept=is_whole)

    # -- changes that count, and changes that do not

    @rule(name=st.sampled_from(["syncnet.lr", "main.lr"]), value=st.sampled_from([0.001, 0.002]))
    def change_a_setting(self, name: str, value: float) -> None:
        self.sets[name] = value

    @rule(value=st.sampled_from([128, 192]))
    def change_the_size(self, value: int) -> None:
        self.sets["preprocess.size_px"] = value

    @rule(name=st.sampled_from(["runtime.workers", "runtime.snapshot_s", "main.batch_size"]), value=st.integers(1, 3))
    def change_a_setting_that_does_not_matter(self, name: str, value: int) -> None:
        self.sets[name] = value

    @rule(name=st.sampled_from(["syncnet.epochs", "main.epochs"]), value=st.sampled_from([1, 2, 3, 10, 11]))
    def change_a_target(self, name: str, value: int) -> None:
        self.sets[name] = value

    @rule(text=st.sampled_from("abc"), keep_time=st.booleans())
    def edit_the_source(self, text: str, keep_time: bool) -> None:
        before = source_of(self.workspace).stat()
        source_of(self.workspace).write_text(text)
        if keep_time:
            os.utime(source_of(self.workspace), ns=(before.st_atime_ns, before.st_mtime_ns))

    @rule(stage=st.sampled_from(["source", *STAGES]))
    def touch(self, stage: str) -> None:
        path = source_of(self.workspace) if stage == "source" else output_of(stage, self.workspace)
        if path.exists():
            os.utime(path)

    @rule()
    def let_time_pass(self) -> None:
        time.sleep(1.2 * QUICK_RACY_NS / 1e9)

    # -- damage

    @rule(stage=st.sampled_from(STAGES), is_gone=st.booleans(), keep_time=st.booleans(), bit=st.integers(0, 7))
    def damage_an_output(self, stage: str, is_gone: bool, keep_time: bool, bit: int) -> None:
        path = output_of(stage, self.workspace)
        if not path.exists():
            return
        before = path.stat()
        if is_gone:
            path.unlink()
        else:
            path.write_bytes(flip(path.read_bytes(), 0.5, bit))
            if keep_time:
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        self.made.pop(stage, None)

    @rule(
        what=st.sampled_from(["state", "state", "backup", "stat cache", "progress", "lock", *STAGES]),
        how=st.sampled_from(sorted(DAMAGES)), where=fractions, bit=st.integers(0, 7),
    )  # fmt: skip
    def damage_what_the_program_keeps(self, what: str, how: str, where: float, bit: int) -> None:
        path = self.place_of(what)
        if not path.exists():
            return
        damaged = DAMAGES[how](path.read_bytes(), where, bit)
        path.unlink() if damaged is None else path.write_bytes(damaged)
        event(f"damaged: {'record' if what in STAGES else what}, {how}")
        if what in STAGES:
            self.unsure.add(what)
        self.is_state_damaged |= what == "state"
        self.forget_what_is_lost()

    @rule()
    def lose_every_record(self) -> None:
        for what in ("state", "backup", *STAGES):
            self.place_of(what).unlink(missing_ok=True)
        self.unsure |= set(STAGES)
        self.is_state_damaged = True
        self.forget_what_is_lost()

    def forget_what_is_lost(self) -> None:
        if self.is_state_damaged:
            for stage in self.unsure:
                self.made.pop(stage, None)
                self.generations.pop(stage, None)

    @rule(place=st.sampled_from(["dataset", *STAGES]), is_recycled=st.booleans(), is_folder=st.booleans())
    def leave_what_a_dead_writer_left(self, place: str, is_recycled: bool, is_folder: bool) -> None:
        folder = self.workspace.dataset if place == "dataset" else folder_of(place, self.workspace)
        owner = f"{os.getpid()}-1" if is_recycled else f"{2**22 + 1}-77"
        path = folder / f".made.json.{owner}.0123abcd.tmp"
        if folder.is_dir() and not path.exists():
            path.mkdir() if is_folder else path.write_bytes(b"half")

    # -- what always holds

    @invariant()
    def the_state_can_be_read_and_generations_only_grow(self) -> None:
        recorder = Recorder(self.workspace, GRAPH, PATIENCE)
        recorder.look()
        for stage in GRAPH.stages:
            generation = recorder.known(stage).generation
            assert generation >= self.generations.get(stage.name, 0), f"{stage.name} fell back"
            self.generations[stage.name] = generation

    @invariant()
    def looking_changes_nothing(self) -> None:
        if source_of(self.workspace).exists():
            before = describe_tree(self.root)
            Runner(self.order()).plan()
            assert describe_tree(self.root) == before

    def teardown(self) -> None:
        try:
            if source_of(self.workspace).exists():
                self.end_well()
        finally:
            setattr(stat_cache, RACY, self._racy_ns)
            shutil.rmtree(self.root)

    def end_well(self) -> None:
        """A plain run, without any help, makes everything as it should be; then there is nothing left to do."""
        self.run_and_check({"continue_training": True})
        assert set(self.made) == set(STAGES)
        raw = self.workspace.state_file.read_bytes()
        state = msgspec.json.decode(raw, type=State)
        assert {record.status for record in state.stages.values()} == {Status.DONE}
        assert {decision.verdict for decision in Runner(self.order()).plan()} == {Verdict.SKIP}

    # -- how it is checked

    def place_of(self, what: str) -> Path:
        places = {
            "state": self.workspace.state_file,
            "backup": backup_of(self.workspace.state_file),
            "stat cache": self.workspace.stat_cache_file,
            "progress": self.workspace.progress_file,
            "lock": self.workspace.lock_file,
        }
        return places.get(what) or folder_of(what, self.workspace) / RECORD_FILE

    def order(self, **wish: Any) -> Order:
        asked = load_settings(self.workspace.settings_file, overrides=self.sets)
        return Order(self.workspace, GRAPH, asked, **wish)

    def origins(self) -> dict[str, str]:
        """What each stage has to begin with now."""
        asked, found = self.order().settings, {}
        for stage in STAGES:
            materials = [found[need] for need in NEEDS[stage]] or [source_of(self.workspace).read_text()]
            found[stage] = start_of(stage, asked, materials)
        return found

    def run_and_check(self, wish: dict[str, Any], *, stop: StopFlag | None = None) -> None:
        order = self.order(**wish)
        plan = [describe_decision(decision) for decision in Runner(order).plan()]
        report = Runner(order, stop=stop).run()
        done = [describe_decision(decision) for decision in report.decisions]
        assert done == plan[: len(done)], "the run did other than the plan"
        is_whole = report.exit_code is ExitCode.DONE
        assert is_whole or stop is not None
        assert len(done) == len(plan) or not is_whole
        self.after_run(order, is_whole=is_whole)
        self.expect_no_leftovers(order)

    def after_run(self, order: Order, *, is_whole: bool) -> None:
        """Nothing ran again without need, and everything that was asked is as it should be."""
        worked = self.take_worked()
        origins, forced = self.origins(), order.graph.forced(order.force)
        for stage in worked.keys() & self.made.keys() - forced:
            assert self.is_due(stage, origins), f"{stage} ran again, and nothing had changed"
        for stage, (generation, epochs) in worked.items():
            assert generation >= self.generations.get(stage, 0)
            assert epochs == 0 or stage not in forced, f"{stage} was to start over and went on after {epochs} epochs"
        wanted = [stage.name for stage in order.graph.until(order.until)]
        if is_whole:
            self.is_state_damaged = False
            self.unsure -= worked.keys()
            self.made |= {stage: self.expect_output(stage, origins[stage], order) for stage in wanted}
        else:
            begun = {stage for stage in wanted if stage in worked or stage in forced or self.is_due(stage, origins)}
            self.unsure |= begun  # the record in the state may be newer than the one beside the results
            self.made = {stage: known for stage, known in self.made.items() if stage not in begun}

    def is_due(self, stage: str, origins: dict[str, str]) -> bool:
        """Whether a run has something to do here, as far as is known."""
        origin, epochs = self.made.get(stage, ("", 0))
        return origin != origins[stage] or (stage in TRAININGS and epochs < target_of(stage, self.order().settings))

    def take_worked(self) -> dict[str, tuple[int, int]]:
        notes = self.root / "worked.txt"
        lines = notes.read_text().splitlines() if notes.exists() else []
        notes.unlink(missing_ok=True)
        assert len({line.split()[0] for line in lines}) == len(lines), "a stage worked twice in one run"
        return {stage: (int(generation), int(epochs)) for stage, generation, epochs in map(str.split, lines)}

    def expect_output(self, stage: str, origin: str, order: Order) -> tuple[str, int]:
        made = json.loads(output_of(stage, self.workspace).read_text())
        assert made["origin"] == origin, f"{stage} is stale"
        if stage == "prepare":
            return origin, 0
        epochs, target = made["epochs"], target_of(stage, order.settings)
        assert made["weights"] == weights_after(origin, epochs)
        assert epochs >= target or (epochs > 0.9 * target and not order.continue_training)
        return origin, epochs

    def expect_no_leftovers(self, order: Order, *, is_swept: bool = True) -> None:
        """Whatever this process began is gone; so is, once swept, what dead ones left."""
        owner = "" if is_swept else f"{os.getpid()}-{read_start_token(os.getpid())}."
        folders = [self.workspace.dataset, *(stage.folder(self.workspace) for stage in order.graph.until(order.until))]
        assert [str(path) for folder in folders for path in folder.glob(f".*.{owner}*.tmp")] == []


def describe_decision(decision: Decision) -> tuple[str, ...]:
    return decision.stage.name, decision.verdict.value, *decision.reasons


def describe_tree(root: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"") for path in root.rglob("*")
    }


@pytest.fixture(autouse=True)
def silence() -> None:
    """Thousands of runs say nothing that anybody would read, and the test runner keeps every word."""
    logger = logging.getLogger("synctalk")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())


HERE = settings(
    deadline=None,
    stateful_step_count=12,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_no_order_of_commands_crashes_and_damages_makes_the_state_untrue() -> None:
    assert run_state_machine_as_test(Life, settings=settings(HERE, max_examples=60)) is None


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(4))
def test_ten_thousand_orders(part: int) -> None:
    orders = seed(part)(type(f"Life{part}", (Life,), {}))  # the same ones again, so that a failure can be looked into
    assert run_state_machine_as_test(orders, settings=settings(HERE, max_examples=2500)) is None
