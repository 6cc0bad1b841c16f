"""No path leads out of the workspace, however it is spelt and whatever lies on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.dashboard.confinement import Confinement, checked_names
from synctalk.dashboard.problems import ForbiddenError, NotFoundError

SECRET = b"nobody may read this"
NAMES = st.lists(
    st.one_of(
        st.sampled_from(["..", ".", "", "/", "a", "link", "up", "secret", "..\\", "a/../..", "\0", "\ud800", "/etc"]),
        st.text(max_size=8),
    ),
    max_size=6,
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A root with a file, links that lead out, and a secret beside it."""
    (tmp_path / "secret").write_bytes(SECRET)
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a" / "file").write_bytes(b"inside")
    (root / "link").symlink_to(tmp_path)
    (root / "up").symlink_to("..")
    (root / "a" / "secret").symlink_to(tmp_path / "secret")
    return root


@given(names=NAMES)
def test_whatever_is_asked_the_secret_is_not_read(place: Path, names: list[str]) -> None:
    confinement = Confinement(place)
    for wanted in (names, [*names, "secret"], [*names, "file"]):
        try:
            with confinement.open_file(wanted) as descriptor:
                content = os.read(descriptor, 100)
        except (ForbiddenError, NotFoundError, ValueError):
            continue
        assert content == b"inside"


@given(names=NAMES)
def test_checked_names_never_lead_anywhere_but_down(names: list[str]) -> None:
    try:
        checked = checked_names(names)
    except ForbiddenError:
        return
    path = os.path.normpath(os.path.join("/root", *checked))
    assert path == "/".join(["/root", *checked])


def test_file_inside_is_opened_and_its_path_is_told(place: Path) -> None:
    confinement = Confinement(place)
    with confinement.open_file(["a", "file"]) as descriptor:
        assert os.read(descriptor, 100) == b"inside"
    assert confinement.path_of(["a", "file"]) == place / "a" / "file"


def test_root_reached_through_a_link_is_fine(place: Path) -> None:
    (place.parent / "door").symlink_to(place)
    with Confinement(place.parent / "door").open_file(["a", "file"]) as descriptor:
        assert os.read(descriptor, 100) == b"inside"


@pytest.mark.parametrize(
    "names", [["link", "secret"], ["up", "secret"], ["a", "secret"], ["link", "root", "a", "file"]]
)
def test_links_are_named_and_not_followed(place: Path, names: list[str]) -> None:
    with pytest.raises(ForbiddenError, match="is a link"), Confinement(place).open_file(names):
        pytest.fail("it was opened")


@pytest.mark.parametrize("names", [["a"], ["pipe"]])
def test_what_is_no_file_is_not_read(place: Path, names: list[str]) -> None:
    os.mkfifo(place / "pipe")
    with pytest.raises(ForbiddenError), Confinement(place).open_file(names):
        pytest.fail("it was opened")


def test_file_that_becomes_a_link_after_the_look_is_not_followed(place: Path) -> None:
    confinement = Confinement(place)
    with confinement.open_folder(["a"]) as folder:
        # Between the check of the folder and the use of its file somebody swaps the folder for a link.
        (place / "a").rename(place / "b")
        (place / "a").symlink_to(place.parent)
        assert sorted(os.listdir(folder)) == ["file", "secret"]
    with pytest.raises(ForbiddenError), confinement.open_file(["a", "secret"]):
        pytest.fail("it was opened")


def test_no_descriptor_is_left_open(place: Path) -> None:
    confinement = Confinement(place)
    before = len(os.listdir("/proc/self/fd"))
    for names in (["a", "file"], ["a", "secret"], ["link", "x"], ["none"], ["a"]):
        try:
            with confinement.open_file(names):
                pass
        except (ForbiddenError, NotFoundError):
            continue
    assert len(os.listdir("/proc/self/fd")) == before
