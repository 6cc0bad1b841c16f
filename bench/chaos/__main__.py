"""`python -m bench.chaos`: kill, cut the power, damage and refuse, and compare what comes out. Exit code 1 on any
violation."""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.chaos import corruptions, crash_points, kills
from bench.chaos.findings import Findings
from bench.chaos.line import lay_out
from bench.chaos.outcome import differences, read_outcome
from bench.chaos.real_clip import kill_real_runs
from bench.chaos.report import Campaign, describe, write_report
from bench.chaos.shim import Arm, Strike, preload
from bench.chaos.trial import OFTEN, RARELY, Place, fresh_place, run, warm_up

REFERENCES = 5
_BUILD = Path(__file__).resolve().parents[2] / ".cache" / "chaos"
_PORTION = 2
_TEMPLATES_AT = (0.45, 0.6, 0.75, 0.9)
Trial = Callable[[int], Findings]


def main() -> int:
    """Run the campaigns that were asked for."""
    args = _parse()
    preload(_BUILD)
    warm_up()
    reference = _Reference(args.references)
    print(
        f"{args.references} undisturbed runs are equal; {reference.duration_s:.1f} s each, "
        f"{reference.operations} file operations"
    )
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        campaigns = []
        for campaign in _campaigns(args, reference, Path(folder)):
            print(describe(campaign), flush=True)
            campaigns.append(campaign)
            if args.report:
                write_report(args.report, campaigns, seed=args.seed, operations=reference.operations)
    return int(any(campaign.findings.violations for campaign in campaigns))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=30, help="least number of kills (default: %(default)s)")
    parser.add_argument("--stops", type=int, default=10, help="trials with signals (default: %(default)s)")
    parser.add_argument("--corruptions", type=int, default=60, help="damaged copies (default: %(default)s)")
    parser.add_argument("--refusals", type=int, default=15, help="disk errors (default: %(default)s)")
    parser.add_argument(
        "--points", type=int, default=20, help="sampled crash points; 0: every one (default: %(default)s)"
    )
    parser.add_argument("--clip", type=Path, help="a recording: also kill the whole face line on it")
    parser.add_argument("--clip-kills", type=int, default=50, help="how often (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="replays a run (default: drawn, and printed)")
    parser.add_argument(
        "--references", type=int, default=REFERENCES, help="undisturbed runs, 2 or more (default: %(default)s)"
    )
    parser.add_argument("--lanes", type=int, default=2, help="trials at the same time (default: %(default)s)")
    parser.add_argument("--report", type=Path, help="write the table there, as Markdown")
    args = parser.parse_args()
    if args.seed is None:
        args.seed = random.SystemRandom().randrange(10**6)
    return args


class _Reference:
    """Undisturbed runs, at least two: that they are equal is what everything else rests on."""

    def __init__(self, runs: int) -> None:
        durations = []
        for number in range(runs):
            with fresh_place() as place:
                began = time.monotonic()
                code = run(place, snapshot_s=OFTEN if number % 2 else RARELY)
                durations.append(time.monotonic() - began)
                if code != 0:
                    raise SystemExit(f"an undisturbed run ended with {code}:\n{place.log.read_text()}")
                if number == 0:
                    self.outcome = read_outcome(place.root)
                if number == 1:
                    self.operations = sum(json.loads(place.operations.read_text()).values())
                found = differences(place.root, self.outcome)
                if found:
                    raise SystemExit(f"two undisturbed runs differ, so nothing can be told: {found}")
        self.duration_s = sorted(durations)[runs // 2]


def _campaigns(args: argparse.Namespace, reference: _Reference, folder: Path) -> Iterator[Campaign]:
    expected, duration_s, operations = reference.outcome, reference.duration_s, reference.operations
    seeds = _seeds(args.seed)
    with _lanes(args.lanes) as spread:
        trial: Trial = functools.partial(
            kills.kill_at_random, expected=expected, duration_s=duration_s, operations=operations
        )
        trials = seeds if args.kills else ()
        yield _collect("random kills", spread(trial, trials), until=lambda found: _killed(found) >= args.kills)
        trial = functools.partial(kills.stop_at_random, expected=expected, duration_s=duration_s)
        yield _collect("signals", spread(trial, [next(seeds) for _ in range(args.stops)]))
        trial = functools.partial(crash_points.refuse_at, expected=expected, operations=operations)
        yield _collect("disk errors", spread(trial, [next(seeds) for _ in range(args.refusals)]))
    templates = list(itertools.islice(_make_templates(folder, operations), args.corruptions))  # no more than are used
    with _lanes(args.lanes) as spread:
        trial = functools.partial(corruptions.corrupt, templates=templates, expected=expected)
        yield _collect("corruptions", spread(trial, [next(seeds) for _ in range(args.corruptions)]))
    with _lanes(args.lanes) as spread:
        trial = functools.partial(crash_points.crash_at, expected=expected)
        yield _collect("crash points", spread(trial, _points(args, operations)))
    if args.clip:
        found = (kill_real_runs(args.clip, kills=args.clip_kills, seed=seed) for seed in [args.seed])
        yield _collect("the face line on a recording", found)


def _seeds(start: int) -> Iterator[int]:
    chance = random.Random(start)
    while True:
        yield chance.randrange(10**9)


def _points(args: argparse.Namespace, operations: int) -> list[int]:
    everything = range(1, operations + 1)
    return sorted(random.Random(args.seed).sample(everything, k=min(args.points, operations))) or list(everything)


def _killed(findings: Findings) -> int:
    return sum(count for name, count in findings.counts.items() if name.startswith("killed"))


def _make_templates(folder: Path, operations: int) -> Iterator[Place]:
    """Datasets that were killed in the middle of the trainings, and a finished one."""
    for number, share in enumerate((*_TEMPLATES_AT, None)):
        place = Place(folder / str(number))
        lay_out(place.root)
        run(place, snapshot_s=OFTEN, arm=Arm(Strike.KILL, at=int(operations * share)) if share else None)
        yield place


@contextmanager
def _lanes(count: int) -> Iterator[Callable[[Trial, Iterable[int]], Iterator[Findings]]]:
    with multiprocessing.get_context("fork").Pool(count) as pool:

        def spread(trial: Trial, items: Iterable[int]) -> Iterator[Findings]:
            # In portions: the pool reads ahead as far as it can, and seeds never end.
            waiting = iter(items)
            while portion := list(itertools.islice(waiting, _PORTION * count)):
                yield from pool.imap_unordered(trial, portion)

        yield spread


def _collect(name: str, results: Iterator[Findings], *, until: Callable[[Findings], bool] | None = None) -> Campaign:
    began, total = time.monotonic(), Findings()
    for number, found in enumerate(results, start=1):
        total.add(found)
        for violation in found.violations:
            print(f"{name}: VIOLATION: {violation}", flush=True)
        if sys.stderr.isatty() or number % 50 == 0:
            print(f"{name}: {number} trials, {len(total.violations)} violations", file=sys.stderr, flush=True)
        if until is not None and until(total):
            break
    return Campaign(name, total, seconds=time.monotonic() - began)


if __name__ == "__main__":
    sys.exit(main())
