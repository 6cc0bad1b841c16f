"""The documentation tells what the program does: every setting, option, exit code and file, and no dead link."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from synctalk import __version__, state
from synctalk.cli import build_parser
from synctalk.config import Settings, load_settings
from synctalk.errors import ExitCode
from synctalk.lines import LINES
from synctalk.presets import PRESETS
from synctalk.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = [ROOT / "dataset" / "README.md", ROOT / "checkpoint" / "README.md"]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *SHIPPED])
SCRIPTS = {
    "preprocess_data.py": "preprocess", "batch_preprocess.py": "batch", "train_328.py": "train",
    "inference_cli.py": "inference", "fix_training_state.py": "state",
    "prepare_data.py": "prepare", "train_vits.py": "vits", "train_kokoro.py": "kokoro",
    "train_feedback.py": "feedback",
}  # fmt: skip


def page(name: str) -> str:
    return (ROOT / name).read_text()


def rows_of(text: str) -> Iterator[list[str]]:
    """The cells of every table row, without the marks of code."""
    for line in text.splitlines():
        if line.startswith("|") and not line.startswith("|--"):
            yield [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def plain(cell: str) -> str:
    return cell.replace("`", "").strip()


def section(text: str, title: str) -> str:
    """From a heading to the next of the same level."""
    found = re.search(rf"^(#+) `?{re.escape(title)}`?\s*$(.*?)(?=^\1 |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no section {title!r}"
    return found[2]


# -------------------------------------------------------------------------------------------------------- settings


def every_setting(struct: type[msgspec.Struct] = Settings, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted name, type and default of each setting."""
    hints = typing.get_type_hints(struct, include_extras=True)
    for name in struct.__struct_fields__:
        default = getattr(struct(), name)
        if isinstance(default, msgspec.Struct):
            yield from every_setting(type(default), f"{prefix}{name}.")
        else:
            yield prefix + name, hints[name], default


def range_of(kind: Any) -> str:
    """What a setting takes, in the words of docs/settings.md."""
    if typing.get_origin(kind) is typing.Literal:
        return ", ".join(map(str, typing.get_args(kind)))
    if kind is str:
        return "text"
    base, meta = typing.get_args(kind)
    limits = [(">", meta.gt), (">=", meta.ge), ("<", meta.lt), ("<=", meta.le), ("multiple of", meta.multiple_of)]
    told = [f"{sign} {limit}" for sign, limit in limits if limit not in {None, 1_000_000_000}]
    return f"{'whole number' if base is int else 'number'} {', '.join(told)}"


def test_settings_page_is_the_truth() -> None:
    tables = page("docs/settings.md").partition("## Presets")[0]
    told = {plain(name): (plain(default), plain(values)) for name, default, values, _ in rows_of(tables)}
    del told["setting"]
    assert told == {name: (str(default) or '""', range_of(kind)) for name, kind, default in every_setting()}


def test_presets_in_the_settings_page_are_the_truth() -> None:
    rows = list(rows_of(section(page("docs/settings.md"), "Presets")))
    assert [plain(cell) for cell in rows[0][1:]] == list(PRESETS)
    for name, *values in rows[1:]:
        part, leaf = plain(name).split(".")
        for preset, value in zip(PRESETS, values, strict=True):
            settings = load_settings(Path("none"), preset=preset)
            assert plain(value) == str(getattr(getattr(settings, part), leaf)), f"{name} of {preset}"


def test_example_settings_file_can_be_loaded(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", page("docs/settings.md"), re.DOTALL)
    assert example
    (tmp_path / "synctalk.toml").write_text(example[1])
    assert load_settings(tmp_path / "synctalk.toml") != load_settings(tmp_path / "none")


# ------------------------------------------------------------------------------------------- exit codes, state file


def test_every_exit_code_is_told() -> None:
    rows = [row for row in rows_of(page("docs/exit-codes.md")) if row[0].isdigit()]
    assert {int(row[0]): plain(row[1]) for row in rows} == {int(code): code.name for code in ExitCode}


@pytest.mark.parametrize("struct", [state.State, state.Record])
def test_every_key_of_the_state_file_is_told(struct: type[msgspec.Struct]) -> None:
    title = {"State": "The file", "Record": "A record"}[struct.__name__]
    keys = {
        key for row in rows_of(section(page("docs/state-file.md"), title)) for key in re.findall(r"`(\w+)`", row[0])
    }
    assert keys == set(struct.__struct_fields__)


@pytest.mark.parametrize("struct", [state.Fingerprint, state.Output, state.Failure, state.Best])
def test_every_part_of_a_record_is_told(struct: type[msgspec.Struct]) -> None:
    text = section(page("docs/state-file.md"), "A record")
    assert [key for key in struct.__struct_fields__ if f"`{key}`" not in text] == []


def test_every_status_is_told() -> None:
    text = section(page("docs/state-file.md"), "A record")
    assert [status for status in state.Status if f"`{status}`" not in text] == []


def test_example_of_the_state_file_is_one(tmp_path: Path) -> None:
    example = re.search(r"```json\n(.*?)```", page("docs/state-file.md"), re.DOTALL)
    assert example
    (tmp_path / "state.json").write_text(example[1])
    assert not state.read_state(tmp_path / "state.json", dataset="anna").notes
    assert msgspec.json.decode(example[1]).keys() == set(state.State.__struct_fields__)
    record = msgspec.json.decode(example[1])["stages"]["main"]
    assert record.keys() == set(state.Record.__struct_fields__)


# ---------------------------------------------------------------------------------------------------- command line


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    choices = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(choices[0])


def told_options(text: str) -> set[str]:
    return {option for row in rows_of(text) for option in re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", row[0])}


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    actions = [action for action in parser._actions if action.help != argparse.SUPPRESS]
    return {option for action in actions for option in action.option_strings} - {"-h", "--help"}


def test_every_command_has_its_section() -> None:
    titles = re.findall(r"^## `(.+?)`", page("docs/commands.md"), re.MULTILINE)
    assert sorted(titles) == sorted(commands_of(build_parser()))


@pytest.mark.parametrize("command", commands_of(build_parser()))
def test_every_option_of_a_command_is_told(command: str) -> None:
    shared = told_options(section(page("docs/commands.md"), "Options of every command"))
    told = told_options(section(page("docs/commands.md"), command))
    assert told | shared == options_of(commands_of(build_parser())[command])
    assert not told & shared


@pytest.mark.parametrize(("script", "module"), SCRIPTS.items())
def test_every_flag_of_the_older_scripts_is_told(script: str, module: str) -> None:
    parser = importlib.import_module(f"synctalk.older.{module}").build_parser()
    assert told_options(section(page("docs/older-commands.md"), script)) == options_of(parser)


def test_every_script_is_told() -> None:
    assert {path.name for path in (ROOT / "scripts").glob("*.py")} == set(SCRIPTS)


def shell_lines() -> Iterator[tuple[str, str]]:
    """Every command line shown in a shell block of any page."""
    for path in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", path.read_text(), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                command = line.partition(" #")[0].strip().removeprefix("until ").removesuffix("; do").strip()
                if command.startswith(("synctalk ", "python scripts/", "make ")):
                    yield str(path.relative_to(ROOT)), command


@pytest.mark.parametrize(("where", "line"), sorted(set(shell_lines())))
def test_every_command_shown_is_understood(where: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(line)
    if words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", page("Makefile"), re.MULTILINE)
        assert all(word in targets or "=" in word for word in words[1:]), where
        return
    if words[0] == "python":
        parser = importlib.import_module(f"synctalk.older.{SCRIPTS[Path(words[1]).name]}").build_parser()
    else:
        parser = build_parser()
    try:
        parser.parse_args(words[2:] if words[0] == "python" else words[1:])
    except SystemExit as ended:
        if ended.code != 0:
            pytest.fail(f"{where}: {line}\n{capsys.readouterr().err}", pytrace=False)


# ------------------------------------------------------------------------------------------------------ files, links


def test_files_of_a_dataset_are_told() -> None:
    workspace = Workspace(Path(), "anna")
    text = page("dataset/README.md")
    paths = [
        workspace.settings_file, workspace.state_file, workspace.lock_file, workspace.progress_file,
        workspace.stat_cache_file, *LINES["face"].stages[0].outputs(workspace),
    ]  # fmt: skip
    assert [path.name for path in paths if f"`{path.name}`" not in text] == []


def test_files_of_a_training_are_told() -> None:
    workspace = Workspace(Path(), "anna")
    text = page("checkpoint/README.md")
    names = {path.name for stage in LINES["face"].stages[1:] for path in stage.outputs(workspace)}
    names |= {"epoch_0007.pth", "snapshot.pth", "record.json"}
    assert sorted(name for name in names if f"`{name}`" not in text) == []


def test_every_finding_of_the_data_report_is_told() -> None:
    names = re.findall(r'Finding\(\s*name="([^"]+)"', page("synctalk/face/grading.py"))
    rows = {row[0].partition(",")[0] for row in rows_of(page("docs/recording-guide.md"))}
    assert len(names) > 10
    assert [name for name in names if name not in rows] == []


def anchors_of(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        place, _, anchor = link.partition("#")
        target = (path.parent / place).resolve() if place else path
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            dead.append(link)
    assert dead == []


def test_every_page_can_be_reached_from_the_index() -> None:
    index = page("docs/index.md")
    pages = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md") if path.name != "index.md"]
    assert [str(path) for path in pages if f"]({path})" not in index] == []


def test_changelog_knows_this_version() -> None:
    text = page("CHANGELOG.md")
    assert "## [Unreleased]" in text
    versions = re.findall(r"\b\d+\.\d+\.\d+\b", text.partition("## [Unreleased]")[2])
    assert versions[:1] == [__version__]


def test_the_two_commands_of_the_readme_are_there() -> None:
    shown = {line for where, line in shell_lines() if where == "README.md"}
    assert {"make demo", "make test"} <= shown
