"""What kind of disk a path is on, as far as locks care."""

from __future__ import annotations

import os
import re
from pathlib import Path

_TABLE = Path("/proc/self/mountinfo")
_NETWORK = frozenset(
    [
        *("nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs", "afs", "coda", "9p", "fuse"),
        *("ceph", "cephfs", "glusterfs", "lustre", "beegfs", "gpfs", "ocfs2", "orangefs", "panfs", "pvfs2"),
        *("virtiofs", "vboxsf", "vmhgfs", "prl_fs"),  # folders that a virtual machine shares with its host
    ]
)
_ESCAPED = re.compile(r"\\([0-7]{3})")


def find_file_system(path: Path, *, table: Path = _TABLE) -> str:
    """The type of the file system that holds `path`, such as `ext4` or `nfs4`; '' where the system does not tell.

    Args:
        path: May be missing; then what counts is where it would be made.
        table: The mounts of this process, in the form of Linux's `mountinfo`.
    """
    place = path.resolve()
    deepest, kind = -1, ""
    for point, its_kind in _read_mounts(table):
        # Of two mounts on one point the later hides the earlier.
        if len(point.parts) >= deepest and place.is_relative_to(point):
            deepest, kind = len(point.parts), its_kind
    return kind


def is_network(kind: str) -> bool:
    """Whether other machines may write to a file system of this type, so that `flock` may not reach them.

    What stands behind FUSE cannot be told from its name, so all of it counts.
    """
    return kind in _NETWORK or kind.startswith("fuse.")


def _read_mounts(table: Path) -> list[tuple[Path, str]]:
    try:
        lines = os.fsdecode(table.read_bytes()).splitlines()
    except OSError:
        return []
    mounts = []
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")[0]
        if len(fields) > 4 and kind:
            mounts.append((Path(_ESCAPED.sub(lambda found: chr(int(found[1], 8)), fields[4])), kind))
    return mounts
