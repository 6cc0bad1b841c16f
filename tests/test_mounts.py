"""Which disks are shared with other machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from synctalk.mounts import find_file_system, is_network

TABLE = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
31 22 0:40 / /data rw,relatime - autofs systemd-1 rw
32 31 0:41 /export /data rw,relatime shared:7 master:2 - nfs4 files:/export rw,vers=4.2
33 32 0:42 / /data/scratch rw - xfs /dev/nvme0n1 rw
34 22 0:43 / /mnt/two\\040words rw - cifs //files/share rw
35 22 0:44 / /people/anna/ssh rw - fuse.sshfs anna@far: rw
nonsense
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text(TABLE)
    return path


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/etc", "ext4"),
        ("/data", "nfs4"),
        ("/data/set/not/made/yet", "nfs4"),
        ("/data/scratch/set", "xfs"),
        ("/data/scratchy", "nfs4"),
        ("/mnt/two words/set", "cifs"),
        ("/people/anna/ssh/x", "fuse.sshfs"),
        ("/people/anna", "ext4"),
    ],
)
def test_the_deepest_and_latest_mount_counts(place: str, kind: str, table: Path) -> None:
    assert find_file_system(Path(place), table=table) == kind


def test_a_link_is_followed_to_its_disk(tmp_path: Path) -> None:
    (tmp_path / "here").symlink_to("/proc")
    assert find_file_system(tmp_path / "here" / "self") == "proc"


def test_where_the_system_tells_nothing_nothing_is_known(tmp_path: Path) -> None:
    assert find_file_system(tmp_path, table=tmp_path / "missing") == ""


def test_shared_disks_are_told_from_local_ones() -> None:
    assert all(
        map(is_network, ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "lustre", "afs", "virtiofs"])
    )
    assert not any(map(is_network, ["", "ext4", "xfs", "btrfs", "overlay", "tmpfs", "zfs", "fuseblk", "apfs"]))
