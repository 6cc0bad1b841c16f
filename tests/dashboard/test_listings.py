"""Rows of listings: shown as prepare counts them, put right one at a time, and nothing else is touched or read."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service import Service

from synctalk.dashboard.confinement import Confinement
from synctalk.dashboard.listings import edit_row, read_rejected, read_row
from synctalk.dashboard.problems import ConflictError, ForbiddenError, NotFoundError, RefusedError
from synctalk.errors import LockError
from synctalk.lock import DatasetLock
from synctalk.voice.listing import Rejection
from synctalk.voice.prepared_tables import write_rejected
from synctalk.voice.textlines import read_lines
from synctalk.workspace import Workspace

ROWS = "1|One.\n2|Twó|\n\n3|Three.\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path, "Анна")
    (found.dataset / "recordings").mkdir(parents=True)
    (found.dataset / "recordings" / "metadata.csv").write_bytes(ROWS.encode())
    return found


def correct(workspace: Workspace, line: int, before: str, after: str, file: str = "metadata.csv") -> None:
    edit_row(Confinement(workspace.root), workspace, file=file, line=line, before=before, after=after)


def test_row_is_put_right_and_the_listing_as_it_was_is_kept_once(workspace: Workspace) -> None:
    correct(workspace, 2, "2|Twó|", "2|Two.")
    correct(workspace, 4, "3|Three.", "3|Trois.")
    folder = workspace.dataset / "recordings"
    assert (folder / "metadata.csv").read_text() == "1|One.\n2|Two.\n\n3|Trois.\n"
    assert (folder / "metadata.csv.original").read_text() == ROWS
    with pytest.raises(ConflictError, match="changed meanwhile"):
        correct(workspace, 2, "2|Twó|", "2|Zwei.")


def test_row_is_left_out_and_the_numbers_of_the_others_stay(workspace: Workspace) -> None:
    correct(workspace, 2, "2|Twó|", "")
    folder = workspace.dataset / "recordings"
    assert (folder / "metadata.csv").read_text() == "1|One.\n\n\n3|Three.\n"
    assert (folder / "metadata.csv.original").read_text() == ROWS
    correct(workspace, 2, "", "2|Two.")
    whole = (folder / "metadata.csv").read_text()
    for after in ("", "1|Only this."):
        with pytest.raises(RefusedError, match="more than one row"):
            correct(workspace, 0, " ".join(whole.split("\n")).strip(), after)
    assert (folder / "metadata.csv").read_text() == whole


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be"])
@given(
    texts=st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"])), min_size=2, max_size=6
    ),
    place=st.integers(0, 5),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_every_other_row_keeps_its_bytes_however_lines_end(
    tmp_path_factory: pytest.TempPathFactory, encoding: str, texts: list[str], place: int, ending: str
) -> None:
    workspace = Workspace(tmp_path_factory.mktemp("root"), "a")
    path = workspace.dataset / "metadata.csv"
    path.parent.mkdir(parents=True)
    rows = [f"{number}|{text.removeprefix(chr(0xFEFF))}x" for number, text in enumerate(texts)]
    mark = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}.get(encoding, b"")
    path.write_bytes(mark + ending.join(rows).encode(encoding))
    line = place % len(rows) + 1
    confinement = Confinement(workspace.root)
    # Counted as the stage prepare counts.
    assert dict(read_lines(path))[line].rstrip("\r") == read_row(confinement, workspace, file=path.name, line=line)
    edit_row(confinement, workspace, file=path.name, line=line, before=rows[line - 1], after="new|row")
    rows[line - 1] = "new|row"
    assert path.read_bytes() == mark + ending.join(rows).encode(encoding)


def test_rejected_rows_are_told_as_prepare_wrote_them(workspace: Workspace) -> None:
    workspace.voice.mkdir()
    told = [Rejection("metadata.csv", 2, "2", "wrong number of columns"), Rejection("a/1.wav", 0, '1,"', "gone")]
    write_rejected(workspace.voice / "rejected.csv", told)  # type: ignore[arg-type]
    rows, total = read_rejected(Confinement(workspace.root), workspace)
    assert total == 2
    assert [(row.file, row.line, row.name, row.is_editable) for row in rows] == [
        ("metadata.csv", 2, "2", True), ("a/1.wav", 0, '1,"', False),
    ]  # fmt: skip


def test_text_of_its_own_is_one_row(workspace: Workspace) -> None:
    (workspace.dataset / "recordings" / "0001.txt").write_text("Helo.\n")
    correct(workspace, 0, "Helo.", "Hello.", file="0001.txt")
    assert (workspace.dataset / "recordings" / "0001.txt").read_text() == "Hello.\n"


def test_listing_of_a_dataset_at_work_is_left_alone(workspace: Workspace) -> None:
    with DatasetLock(workspace.lock_file, name="a"), pytest.raises(LockError):
        correct(workspace, 1, "1|One.", "1|Uno.")


@pytest.mark.parametrize("after", ["  ", "a\nb", "a\rb", "a\0", "x" * 10_001, "a\u2028b", "\x1b[2J", "\ud800"])
def test_row_is_one_line_of_text(workspace: Workspace, after: str) -> None:
    with pytest.raises(RefusedError):
        correct(workspace, 1, "1|One.", after)
    assert (workspace.dataset / "recordings" / "metadata.csv").read_text() == ROWS


def test_line_that_is_not_there_is_not_found(workspace: Workspace) -> None:
    with pytest.raises(NotFoundError):
        correct(workspace, 99, "", "a|b")


@pytest.mark.parametrize("place", ["listing", "folder"])
def test_no_listing_is_changed_through_a_link(workspace: Workspace, tmp_path: Path, place: str) -> None:
    folder = workspace.dataset / "recordings"
    outside = tmp_path / "outside"
    folder.rename(outside)
    if place == "folder":
        folder.symlink_to(outside)
    else:
        folder.mkdir()
        (folder / "metadata.csv").symlink_to(outside / "metadata.csv")
    with pytest.raises(ForbiddenError):
        correct(workspace, 1, "1|One.", "1|Uno.")
    assert (outside / "metadata.csv").read_text() == ROWS


@pytest.mark.parametrize(
    "file",
    ["../../../secret.txt", "/etc/passwd.txt", "..", "metadata.csv/../../x.csv", "a\\b.csv", ".csv/../../../x.txt",
     "../synctalk.toml", "../.training_state.json", "best.pth", "a\0.csv", "", "~/x.txt"],
)  # fmt: skip
def test_no_file_but_a_listing_of_the_dataset_is_read_or_written(service: Service, file: str) -> None:
    if not (service.root / "dataset" / "rows").exists():
        service.post("/datasets", {"name": "rows"})
    (service.root / "secret.txt").write_text("secret|row\n")
    body: dict[str, Any] = {"file": file, "line": 1, "before": "secret|row", "after": "a|b"}
    answer = service.ask("PUT", "/api/v1/datasets/rows/recordings/row", body)
    assert answer.status in {403, 404, 422}, answer.body
    asked = service.ask("GET", f"/api/v1/datasets/rows/recordings/row?line=1&file={file.encode().hex()}.csv")
    assert asked.status == 404
    assert (service.root / "secret.txt").read_text() == "secret|row\n"
    (service.root / "secret.txt").unlink()


def test_folder_of_recordings_comes_in_with_its_shape_and_makes_a_dataset_of_a_voice(service: Service) -> None:
    service.post("/datasets", {"name": "folder"})
    content = {("wavs", "1.wav"): b"RIFF\x24\0\0\0WAVEfmt " + bytes(30), ("", "metadata.csv"): b"1|One.\n"}
    for (folder, name), data in content.items():
        wanted = {"dataset": "folder", "name": name, "size": len(data), "folder": folder, "purpose": "recording"}
        upload = service.post("/uploads", wanted)
        service.ask("PUT", f"/api/v1/uploads/{upload['id']}?offset=0", data)
        service.post(f"/uploads/{upload['id']}/finish", {}, status=200)
    assert (service.root / "dataset/folder/recordings/wavs/1.wav").is_file()
    view = service.get("/datasets/folder")
    assert (view["line"], view["status"], view["has_recordings"]) == ("voice", "ready", True)
    assert [stage["name"] for stage in view["stages"]] == ["prepare", "vits", "export"]
