"""What a training does before it goes on: does the checkpoint fit, where does it stand, is the best still there."""

from __future__ import annotations

from collections.abc import Mapping

from synctalk.errors import TrainingError
from synctalk.log import get_logger
from synctalk.training.ledger import Ledger
from synctalk.training.recipe import Metric
from synctalk.training.store import CheckpointStore, Found

_log = get_logger(__name__)


def check_fit(found: Found, *, steps_per_epoch: int) -> None:
    """Refuse a snapshot taken when an epoch had more steps.

    Raises:
        TrainingError: It stands behind the end of its epoch.
    """
    facts = found.checkpoint.facts
    if facts.step > steps_per_epoch:
        raise TrainingError(
            f"{facts.stage}: {found.path.name} stands at step {facts.step}, but an epoch has {steps_per_epoch}",
            hint=f"the data changed; start this stage over: synctalk run NAME --force {facts.stage}",
        )


def say_where(found: Found, *, target_epochs: int, steps_per_epoch: int, machine: Mapping[str, str]) -> None:
    """Log from where a training goes on, and what about the machine is not as it was."""
    facts, file = found.checkpoint.facts, found.path.name
    if facts.epoch >= target_epochs:
        _log.info("%s has %d of %d epochs (%s)", facts.stage, facts.epoch, target_epochs, file)
        return
    where = Ledger(facts).describe_position(steps_per_epoch)
    _log.info("continuing %s at %s from %s", facts.stage, where, file)
    changes = [name for name, now in machine.items() if facts.versions.get(name) != now]
    if changes:
        _log.warning("%s: %s changed since then; the last bits may differ", facts.stage, " and ".join(changes))


def restore_best(store: CheckpointStore, ledger: Ledger, metric: Metric) -> None:
    """Make `best.pth` what the ledger says, if a kill or damage left it otherwise.

    When the best epoch's checkpoint is gone under both its names, the best of those that are left takes its place.
    """
    wanted = ledger.best.get("epoch", ledger.epoch)
    if not wanted or store.is_best_sound(wanted):
        return
    sound = store.verify_epochs()
    if wanted not in sound:
        _log.warning("the checkpoint of the best epoch, %d, is lost", wanted)
        wanted = ledger.choose_best(sound, metric)
    if wanted:
        store.save_best(wanted)
