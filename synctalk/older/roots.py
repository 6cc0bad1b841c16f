"""Finding today's `--root` from the folders that the older commands were given."""

from __future__ import annotations

from pathlib import Path

from synctalk.errors import InputError


def root_of(dataset_base: Path) -> Path:
    """The root whose `dataset` folder is `dataset_base`.

    Raises:
        InputError: The folder has another name.
    """
    if dataset_base.name != "dataset":
        raise InputError(
            f"datasets live in a folder named 'dataset', not {str(dataset_base)!r}",
            hint="rename it to 'dataset', or link it: ln -s OLD_FOLDER dataset",
        )
    return dataset_base.parent
