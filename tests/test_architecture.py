"""The shape of the code: sizes, names, floors that import-linter cannot see, and what the project says it needs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TypeGuard

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "synctalk"
SOURCES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

# Beyond these a reader has to scroll, or to remember. Measured on code that is pleasant to read.
LONGEST_FILE = 300
LONGEST_FUNCTION = 40
DEEPEST_NESTING = 3
MOST_PARAMETERS = 6
LONGEST_SCRIPT = 25

MANY_PARAMETERS = {
    "synctalk/media/encode.py:VideoWriter.__init__": "every one is a property of the file to be written",
}
BANNED_NAMES = re.compile(r"manager|helper|handler|utils?\b|common|misc|^do_|^my_|^process_", re.IGNORECASE)
MAY_WRITE = {
    "synctalk/files.py": "the place where durable files are written",
    "synctalk/lock.py": "information in a file that exists for its lock",
    "synctalk/media": "leaves that write what their callers commit",
}
HEAVY = "torch numpy scipy cv2 av mediapipe librosa matplotlib onnxruntime soundfile joblib skimage".split()  # noqa: SIM905


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def expect_none(problems: Iterable[str]) -> None:
    """Fail with one problem per line."""
    found = sorted(problems)
    if found:
        pytest.fail("\n  ".join(["", *found]), pytrace=False)


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions_in(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    """All functions with their dotted names."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function | ast.ClassDef):
            if not isinstance(node, ast.ClassDef):
                yield prefix + node.name, node
            yield from functions_in(node, f"{prefix}{node.name}.")
        else:
            yield from functions_in(node, prefix)


def length_of(function: Function) -> int:
    """Lines of a function without its docstring."""
    docstring = function.body[0] if ast.get_docstring(function) is not None else None
    documented = (docstring.end_lineno or 0) - docstring.lineno + 1 if docstring else 0
    return (function.end_lineno or 0) - function.lineno + 1 - documented


def depth_of(node: ast.AST, depth: int = 0) -> int:
    """How many branches and loops stand in each other.

    `elif` stands beside its `if`, an inner function starts anew, and `with` only bounds: it adds no path.
    """
    blocks = ast.If | ast.For | ast.AsyncFor | ast.While | ast.Try | ast.Match
    deepest = depth
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef | ast.Lambda):
            continue
        is_elif = (
            isinstance(node, ast.If) and isinstance(child, ast.If) and child in node.orelse and len(node.orelse) == 1
        )
        deeper = depth + (isinstance(child, blocks) and not is_elif)
        deepest = max(deepest, depth_of(child, deeper))
    return deepest


def parameters_of(function: Function) -> list[str]:
    arguments = function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return [name for name in names if name not in {"self", "cls"}]


# ------------------------------------------------------------ sizes ----------


def overlong(paths: list[Path], limit: int) -> Iterator[str]:
    for path in paths:
        length = len(path.read_text().splitlines())
        if length > limit:
            yield f"{name_of(path)} has {length} lines"


def test_files_are_short() -> None:
    expect_none(overlong(SOURCES, LONGEST_FILE))


def test_scripts_are_wrappers() -> None:
    expect_none(overlong(SCRIPTS, LONGEST_SCRIPT))


def test_functions_are_short_flat_and_ask_for_little() -> None:
    problems = []
    for path in [*SOURCES, *SCRIPTS]:
        for name, function in functions_in(parse(path)):
            where = f"{name_of(path)}:{name}"
            count = len(parameters_of(function))
            if length_of(function) > LONGEST_FUNCTION:
                problems.append(f"{where} has {length_of(function)} lines")
            if depth_of(function) > DEEPEST_NESTING:
                problems.append(f"{where} is nested {depth_of(function)} deep")
            if count > MOST_PARAMETERS and where not in MANY_PARAMETERS:
                problems.append(f"{where} has {count} parameters")
    expect_none(problems)


def test_exceptions_are_still_needed() -> None:
    counts = {
        f"{name_of(path)}:{name}": len(parameters_of(function))
        for path in SOURCES
        for name, function in functions_in(parse(path))
    }
    expect_none(name for name in MANY_PARAMETERS if counts.get(name, 0) <= MOST_PARAMETERS)


# ------------------------------------------------------------ names ----------


def test_names_say_what_things_hold() -> None:
    modules = [(name_of(path), path.stem) for path in SOURCES]
    definitions = [
        (f"{name_of(path)}:{node.lineno}", node.name)
        for path in SOURCES
        for node in ast.walk(parse(path))
        if isinstance(node, Function | ast.ClassDef)
    ]
    expect_none(f"{where} {name}" for where, name in modules + definitions if BANNED_NAMES.search(name))


# ------------------------------------------------------------ tests ----------


def is_check(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return True
    if not isinstance(node, ast.Call):
        return False
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return called in {"raises", "warns", "fail"} or called.startswith(("assert_", "check_", "expect_"))


def test_every_test_checks_something() -> None:
    idle = []
    for path in TESTS:
        tests = [(name, node) for name, node in functions_in(parse(path)) if node.name.startswith("test_")]
        if path.name.startswith("test_") and not tests:
            idle.append(f"{name_of(path)} holds no test")
        idle += [f"{name_of(path)}:{name}" for name, node in tests if not any(map(is_check, ast.walk(node)))]
    expect_none(idle)


def test_no_test_is_hidden_by_another_of_the_same_name() -> None:
    for path in TESTS:
        names = [node.name for node in parse(path).body if isinstance(node, Function)]
        assert len(names) == len(set(names)), name_of(path)


# ------------------------------------------------------------ imports ----------


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in SOURCES}


def imported_by(path: Path) -> set[str]:
    """Dotted names of everything a file imports, wherever in the file it does so."""
    names: set[str] = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in MODULES else node.module for name in inner}
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            names |= {part.value for part in ast.walk(node.args[0]) if is_text(part)}
    return names


def test_no_import_cycle_not_even_inside_functions() -> None:
    below = {name: imported_by(path) & MODULES.keys() - {name} for name, path in MODULES.items()}
    before = -1
    while before != len(below):
        before = len(below)
        imported = set().union(*below.values())
        below = {name: others & below.keys() for name, others in below.items() if others & below.keys()}
        below = {name: others for name, others in below.items() if name in imported}
    expect_none(f"{name} <-> {', '.join(sorted(others))}" for name, others in below.items())


@pytest.mark.parametrize("module", ["synctalk", "synctalk.lines", "synctalk.cli", "synctalk.pipeline.runner"])
def test_what_must_answer_at_once_loads_nothing_heavy(module: str) -> None:
    program = f"import sys, {module}; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert loaded.stdout.split() == []


def test_command_line_is_parsed_and_status_is_told_without_anything_heavy(tmp_path: Path) -> None:
    program = f"""
import sys
from synctalk.cli import build_parser, main
build_parser().format_help()
code = main(["status", "--json", "--root", {str(tmp_path)!r}])
print(*sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)
sys.exit(code)
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert told.stderr.split() == []


# ------------------------------------------------------------ writing ----------


WRITING_MODES = re.compile(r"[wax]b?t?\+?b?|r[bt]?\+[bt]?")


def writes_in(tree: ast.Module) -> Iterator[int]:
    """Lines on which a file is opened for writing or written whole."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        owner = getattr(node.func.value, "id", "") if isinstance(node.func, ast.Attribute) else ""
        words = [word.value for word in (*node.args, *(keyword.value for keyword in node.keywords)) if is_text(word)]
        opens = called == "open" and any(WRITING_MODES.fullmatch(word) for word in words)
        if opens or (called in {"write_text", "write_bytes"} and owner != "files"):
            yield node.lineno


def is_text(node: ast.AST) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_durable_files_are_written_in_one_place() -> None:
    places = [
        f"{name_of(path)}:{line}"
        for path in SOURCES
        if not any(name_of(path).startswith(place) for place in MAY_WRITE)
        for line in writes_in(parse(path))
    ]
    expect_none(places)


# ------------------------------------------------------------ requirements ----------

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BASE = [Requirement(text) for text in PROJECT["dependencies"]]
EXTRAS = {extra: [Requirement(text) for text in texts] for extra, texts in PROJECT["optional-dependencies"].items()}
PINS = dict(
    line.split("==")
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
)
# What mediapipe declares and finding a face does not use; the headless OpenCV stands in for the one with windows.
LEFT_OUT = {"jax", "jaxlib", "sentencepiece", "sounddevice"}
STAND_INS = {"opencv-contrib-python": "opencv-contrib-python-headless"}


def pin_of(requirement: Requirement) -> str | None:
    name = canonicalize_name(requirement.name)
    return PINS.get(STAND_INS.get(name, name))


def test_versions_in_use_satisfy_what_is_declared() -> None:
    declared = [*BASE, *EXTRAS["dev"]]
    wrong = [str(need) for need in declared if (pin := pin_of(need)) is None or not need.specifier.contains(pin)]
    expect_none(wrong)


def test_constraints_name_everything_that_is_needed() -> None:
    missing = set()
    for name in PINS:
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for need in map(Requirement, needs):
            is_wanted = need.marker is None or need.marker.evaluate({"extra": ""})
            if is_wanted and canonicalize_name(need.name) not in LEFT_OUT and pin_of(need) is None:
                missing.add(f"{need.name} (for {name})")
    # The CUDA build of torch brings its own, each by an exact version.
    expect_none(need for need in missing if not re.match(r"nvidia|cuda|triton", need))


def test_torch_is_pinned_to_the_digit() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", PINS["torch"])


def distributions_of(paths: list[Path]) -> set[str]:
    """Distributions that the third-party imports of some files come from."""
    tops = {name.partition(".")[0] for path in paths for name in imported_by(path)}
    known = metadata.packages_distributions()
    outside = tops - sys.stdlib_module_names - {"synctalk", ""}
    return {canonicalize_name(known.get(top, [top])[0]).removesuffix("-headless") for top in outside}


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    declared = {canonicalize_name(need.name) for need in BASE}
    optional = {canonicalize_name(need.name) for needs in EXTRAS.values() for need in needs}
    imported = distributions_of(SOURCES)
    expect_none(f"{name} is imported, but nowhere declared" for name in imported - declared - optional)
    expect_none(f"{name} is declared, but nobody imports it" for name in declared - imported)


def test_nothing_tracked_names_a_package_index_or_a_home_folder() -> None:
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    forbidden = re.compile("|".join(["index" + "-url", "find" + "-links", "/ho" + "me/", "/ro" + "ot/"]))
    found = []
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path.suffix in {".py", ".toml", ".md", ".txt", ".json", ""} and path.is_file():
            found += [f"{name}: {hit[0]}" for hit in forbidden.finditer(path.read_text(errors="replace"))]
    expect_none(found)
