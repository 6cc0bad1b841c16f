"""Everything the pages need, put together once: what is observed, what is queued, who may come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from synctalk import files
from synctalk.dashboard.caches import Caches
from synctalk.dashboard.confinement import Confinement
from synctalk.dashboard.devices import find_devices
from synctalk.dashboard.dispatcher import Dispatcher
from synctalk.dashboard.launcher import PROGRAM, Launcher
from synctalk.dashboard.observation import Observatory
from synctalk.dashboard.problems import NotFoundError
from synctalk.dashboard.queue import QUEUE_FOLDER, Queue
from synctalk.dashboard.sessions import Sessions
from synctalk.dashboard.studio import Studio
from synctalk.dashboard.system import SystemHistory
from synctalk.dashboard.tensorboard import TensorBoard
from synctalk.dashboard.trash import Trash
from synctalk.dashboard.uploads import Uploads
from synctalk.dashboard.watch import Watch
from synctalk.errors import InputError
from synctalk.workspace import Workspace


@dataclass(frozen=True)
class Desk:
    """What one server works with.

    Attributes:
        root: The folder with dataset/ and checkpoint/, without links.
        confinement: Opens files below it.
        queue: What was asked.
        launcher: Starts it.
        dispatcher: Decides when.
        observatory: Sees what became of it.
        watch: Tells pages that are open what has changed.
        studio: Takes wishes for what was trained.
        uploads: Takes files in.
        trash: What was deleted.
        sessions: Who may come in.
        caches: What can be thrown away.
        tensorboard: Beside the pages.
        system: How busy the machine was.
    """

    root: Path
    confinement: Confinement
    queue: Queue
    launcher: Launcher
    dispatcher: Dispatcher
    observatory: Observatory
    watch: Watch
    studio: Studio
    uploads: Uploads
    trash: Trash
    sessions: Sessions
    caches: Caches
    tensorboard: TensorBoard
    system: SystemHistory

    def workspace(self, name: str) -> Workspace:
        """The workspace of a dataset that is there.

        Raises:
            NotFoundError: There is none of that name, or its folder is a link.
        """
        try:
            workspace = Workspace(self.root, name)
        except InputError as error:
            raise NotFoundError(f"there is no dataset {name!a}") from error
        if not workspace.dataset.is_dir() or workspace.dataset.is_symlink():
            raise NotFoundError(f"there is no dataset {workspace.name!r}")
        return workspace


def set_up_desk(
    root: Path, *, token: str = "", program: Sequence[str] = PROGRAM, devices: Sequence[str] | None = None
) -> Desk:
    """A desk at `root`, which is made when it is missing.

    Args:
        root: The folder with dataset/ and checkpoint/.
        token: What visitors have to know; '' for nothing.
        program: The words with which the program is started.
        devices: What trainings run on; found when None.

    Raises:
        LockError: Another server works at this root.
        StorageError: The disk refused.
    """
    root = files.make_folder(root).resolve()
    confinement = Confinement(root)
    queue = Queue(root / QUEUE_FOLDER)
    launcher = Launcher(root, queue.log_folder, program=program)
    observatory = Observatory(root, queue)
    return Desk(
        root=root,
        confinement=confinement,
        queue=queue,
        launcher=launcher,
        dispatcher=Dispatcher(root, queue, launcher, devices=find_devices() if devices is None else devices),
        observatory=observatory,
        watch=Watch(observatory, queue),
        studio=Studio(root, confinement, queue),
        uploads=Uploads(root),
        trash=Trash(root),
        sessions=Sessions(token, kept_in=root / QUEUE_FOLDER / "sessions" / "open.json"),
        caches=Caches(root),
        tensorboard=TensorBoard(root, root / QUEUE_FOLDER / "tensorboard", is_guarded=token != ""),
        system=SystemHistory(root),
    )
