"""From parsed options to an order, and carrying it out: what `run`, `explain` and `demo` share."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from synctalk.catalogue import guess_line
from synctalk.config import Settings, load_settings, parse_overrides
from synctalk.errors import ExitCode, InputError, StoppedError
from synctalk.face.asr import check_asr
from synctalk.face.source import adopt_source, is_source
from synctalk.files import publish_bytes
from synctalk.hours import seconds_trained
from synctalk.lines import find_line, named_paths
from synctalk.log import get_logger
from synctalk.pipeline.freshness import Decision
from synctalk.pipeline.interruption import StopFlag, stopping_on_signals
from synctalk.pipeline.leash import take_leash
from synctalk.pipeline.runner import Order, Runner, RunReport, describe_skip
from synctalk.pipeline.supervisor import Patience, Supervisor
from synctalk.seal import Look
from synctalk.state import read_state
from synctalk.trackers import require_installed
from synctalk.voice.recordings import adopt_recordings, are_recordings
from synctalk.workspace import Workspace

_LEAST_BUDGET_S = 0.001
_NEXT = {
    "face": ("preview.mp4", "synctalk render {name} --audio SPEECH.wav --out result/{name}.mp4"),
    "voice": ("preview.wav", "synctalk speak {name} --text 'Hello.' --out result/{name}.wav"),
    "feedback": ("preview.wav", "synctalk speak {name} --text 'Hello.' --out result/{name}.wav"),
    "kokoro": ("preview.wav", "synctalk speak {name} --text 'Hello.' --out result/{name}.wav"),
}
"""By line: the preview of its last training, and what to do with the result."""
_log = get_logger(__name__)


def compose_order(workspace: Workspace, args: argparse.Namespace) -> Order:
    """The order that parsed options describe.

    Raises:
        InputError: A setting, preset, line or stage that does not exist.
        MissingPartError: A tracker is not installed.
        StateError: A newer program wrote the dataset's state.
    """
    read_state(workspace.state_file, dataset=workspace.name)  # refused before any change
    overrides: dict[str, object] = dict(parse_overrides(args.set))
    graph = find_line(args.line or guess_line(workspace.dataset))
    if args.epochs is not None:
        overrides[f"{graph.last_training.name}.epochs"] = args.epochs
    if args.target_hours is not None:
        overrides["target_hours"] = args.target_hours
    settings = load_settings(workspace.settings_file, preset=args.preset, overrides=overrides)
    _check_audio_features(settings)
    require_installed(settings.runtime.tracker_names)
    return Order(
        workspace=workspace,
        graph=graph,
        settings=settings,
        until=args.until,
        force=args.force,
        continue_training=args.continue_training,
    )


def seconds_left(order: Order, budget_s: float | None) -> float | None:
    """How long a run may take: its budget, and no longer than what is left of the hours of its last training.

    Raises:
        InputError: Nothing is left.
    """
    hours = order.settings.target_hours
    if not hours:
        return budget_s
    stage = order.graph.last_training.name
    left = hours * 3600 - seconds_trained(order.workspace.training(stage))
    if left <= 0:
        raise InputError(
            f"the {hours:g} hours of {stage} are used up",
            hint="give it more, for example --target-hours "
            f"{2 * hours:g}; or leave the option out to train until its last epoch",
        )
    return left if budget_s is None else min(budget_s, left)


def _check_audio_features(settings: Settings) -> None:
    """Refuse audio features that cannot be made here before anything else is done."""
    main = settings.main
    if main.arch == "unet328":
        check_asr(main.asr, main.asr_model)
    elif main.asr != "ave":
        raise InputError(
            f"main.asr={main.asr} is for the older network; mouthnet learns its own audio features",
            hint=f"leave it out, or add --set main.arch=unet328 to use {main.asr}",
        )


def adopt(workspace: Workspace, *, video: Path | None, audio: Path | None) -> None:
    """Make a video the source, or a folder of sounds the recordings, of a dataset, with signals heard.

    Raises:
        InputError: It cannot be used, or the dataset has another source.
        StateError: A newer program wrote the dataset's state.
        StoppedError: A signal came.
    """
    read_state(workspace.state_file, dataset=workspace.name)  # refused before any change
    with _stoppable() as should_stop:
        if video is not None:
            adopt_source(workspace, video, should_stop=should_stop)
        if audio is not None:
            adopt_recordings(workspace, audio, should_stop=should_stop)


def find_new(workspace: Workspace, *, video: Path | None, audio: Path | None) -> list[Path]:
    """Which of them `adopt` would take in; changes nothing.

    Raises:
        InputError, StoppedError: As `adopt`.
    """
    with _stoppable() as should_stop:
        is_known_video = video is None or is_source(workspace, video, should_stop=should_stop)
        is_known_audio = audio is None or are_recordings(workspace, audio, should_stop=should_stop)
    return [path for path, is_known in ((video, is_known_video), (audio, is_known_audio)) if path and not is_known]


@contextlib.contextmanager
def _stoppable() -> Iterator[Callable[[], bool]]:
    """With signals heard; one that came raises `StoppedError` at the end."""
    stop = StopFlag()
    with stopping_on_signals(stop):
        yield stop.is_raised
    if stop.is_raised():
        raise StoppedError


def print_plan_of_new(order: Order, new: Sequence[Path]) -> None:
    """Print what a run would do with recordings that the dataset does not have yet: what comes of them nobody knows."""
    stages = ", ".join(stage.name for stage in order.graph.until(order.until))
    print(f"{order.workspace.name}: a run takes in {' and '.join(map(str, new))}, and then decides about {stages}")


def run_order(order: Order, *, again: str, budget_s: float | None = None, look: Look | None = None) -> ExitCode:
    """Run `order` with signals heard, and say how it ended and what to do next.

    Args:
        order: What to run.
        again: The command line that goes on after an interruption; a supervisor tells its own.
        budget_s: After how many seconds to stop resumably; None for never.
        look: Begun before the order was composed; when nothing has to be done it is kept for the next run.
    """
    leash = take_leash()
    stop = StopFlag(budget_s=budget_s, leash=leash)
    with stopping_on_signals(stop):
        report = Runner(order, stop=stop, restart_reason=leash.restart_reason if leash else "").run()
    if report.exit_code is ExitCode.INTERRUPTED:
        how = "" if leash else f". Continue with: {again}"
        _log.info("interrupted in stage %s; nothing is lost%s", report.stopped_in, how)
        return report.exit_code
    for line in _conclude(order):
        _log.info("%s", line)
    if look is not None and report.had_nothing_to_do:
        _keep(look, order, report)
    return report.exit_code


def supervise(order: Order, *, words: list[str], again: str, most_restarts: int, budget_s: float | None) -> int:
    """Run `order` in child processes that are started again when they crash; returns the last one's exit code.

    Args:
        order: What to run.
        words: Of the child's command line, after `synctalk run`.
        again: The command line that goes on after an interruption.
        most_restarts: How often in all.
        budget_s: Of all children together.

    Raises:
        StageError: It cannot get further.
    """

    def compose(force: str | None, budget_s: float | None) -> list[str]:
        forced = [] if force is None else ["--force", force]
        budget = [] if budget_s is None else ["--budget", f"{max(budget_s, _LEAST_BUDGET_S):.3f}s"]
        return [sys.executable, "-m", "synctalk", "run", *words, *forced, *budget]

    code = Supervisor(order, compose, patience=Patience(most_restarts=most_restarts), budget_s=budget_s).run()
    if code == ExitCode.INTERRUPTED:
        _log.info("continue with: %s", again)
    return code


def look_only(order: Order, look: Look) -> list[str] | None:
    """What a run with nothing to do would say; None when it has something to do. Starts nothing.

    Raises:
        SynctalkError: Whatever would also keep a run from starting.
    """
    report = Runner(order).look()
    return None if report is None else _keep(look, order, report)


def _conclude(order: Order) -> list[str]:
    """Where the results are, once there are any."""
    name, folder = shlex.quote(order.workspace.name), _result_folder(order)
    if not (folder / "best.pth").is_file():
        return []
    preview, command = _NEXT[order.graph.name]
    return [
        f"losses:  {folder / 'loss_history.png'}",
        f"preview: {folder / preview}",
        f"next:    {command.format(name=name)}",
    ]


def _result_folder(order: Order) -> Path:
    return order.workspace.training(order.graph.last_training.name)


def _keep(look: Look, order: Order, report: RunReport) -> list[str]:
    """Seal what was seen, and return what there is to say about it."""
    workspace = order.workspace
    lines = [*map(describe_skip, report.decisions), *_conclude(order)]
    dataset, parents = workspace.dataset, {path.parent for path in report.looked_at}
    folders = {place for parent in parents for place in (parent, *parent.parents) if dataset in place.parents}
    told = [*sorted(folders), workspace.settings_file, workspace.state_file, _result_folder(order) / "best.pth"]
    seal = look.seal([*told, *named_paths(order.settings), *report.looked_at], lines)
    try:
        if seal is not None:
            publish_bytes(workspace.seal_file, seal)
    except OSError as error:  # it only saves time
        _log.debug("the seal is not kept: %s", error)
    return lines


def print_plan(order: Order, *, as_json: bool) -> None:
    """Print what a run would do: one line per stage with verdict and reasons, or everything as JSON."""
    plan = Runner(order).plan()
    if as_json:
        print(msgspec.json.encode([_as_facts(decision) for decision in plan]).decode())
        return
    for decision in plan:
        print(f"{decision.stage.name:<12} {decision.verdict.value:<7} {'; '.join(decision.reasons)}")


def _as_facts(decision: Decision) -> dict[str, object]:
    return {
        "stage": decision.stage.name,
        "verdict": decision.verdict.value,
        "reasons": list(decision.reasons),
        "fingerprint": msgspec.to_builtins(decision.fingerprint),
        "target_epochs": decision.target_epochs,
    }
