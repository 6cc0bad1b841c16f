"""A word before work starts over only because a preset was left out."""

from __future__ import annotations

import argparse
import shlex

from synctalk.commands.order import compose_order
from synctalk.log import get_logger
from synctalk.pipeline.runner import Order
from synctalk.presets import PRESETS
from synctalk.state import Record, read_state

_log = get_logger(__name__)


def warn_of_forgotten_preset(order: Order, args: argparse.Namespace) -> None:
    """Say which `--preset` would go on with what is there, where the settings asked for start it over.

    Args:
        order: What is asked for.
        args: The options that it was composed from.
    """
    preset = find_forgotten_preset(order, args)
    if preset:
        _log.warning(
            "%s was made with --preset %s; with the settings asked for now it starts over. To go on with it: "
            "Ctrl-C, then the same command with --preset %s",
            shlex.quote(order.workspace.name), preset, preset,
        )  # fmt: skip


def find_forgotten_preset(order: Order, args: argparse.Namespace) -> str:
    """The preset whose settings are those of all that was begun, when none was named and these are not; else ''."""
    records = read_state(order.workspace.state_file, dataset=order.workspace.name).state.stages
    if args.preset or order.force or _is_made_with(order, records):
        return ""
    for preset in PRESETS:
        other = compose_order(order.workspace, argparse.Namespace(**{**vars(args), "preset": preset}))
        if _is_made_with(other, records):
            return preset
    return ""


def _is_made_with(order: Order, records: dict[str, Record]) -> bool:
    """Whether every stage that was begun has the settings of an order."""
    return all(
        stage.settings(order.settings) == records[stage.name].fingerprint.settings
        for stage in order.graph.until(order.until)
        if stage.name in records and records[stage.name].started_at
    )
