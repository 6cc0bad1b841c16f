"""What a batch consists of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from synctalk.errors import InputError
from synctalk.pipeline.listing import find_items, write_template


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in ["voice/voice.mp4", "anna/source.MOV", "empty/notes.txt", "lying.mp4", "voice.webm", ".hidden/x.mp4"]:
        (tmp_path / "dataset" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "dataset" / path).write_bytes(b"")
    return tmp_path


def test_without_a_source_all_datasets_and_lying_videos_are_taken(root: Path) -> None:
    items = [(item.name, bool(item.video_path)) for item in find_items(root, None)]
    assert items == [("anna", False), ("voice", False), ("lying", True)]


def test_a_folder_of_videos(root: Path) -> None:
    assert [(item.name, item.video_path) for item in find_items(root, root / "dataset" / "voice")] == [
        ("voice", str(root / "dataset" / "voice" / "voice.mp4"))
    ]


def test_a_text_list_with_comments_quotes_and_names(tmp_path: Path) -> None:
    listing = tmp_path / "videos.txt"
    listing.write_text('\ufeff# people\na/anna.mp4\nb/b.mp4 Борис\n\n"with space/c d.mp4" carla\n', encoding="utf-8")
    assert [(item.video_path, item.name) for item in find_items(tmp_path, listing)] == [
        ("a/anna.mp4", "anna"), ("b/b.mp4", "Борис"), ("with space/c d.mp4", "carla"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        {"video_path": "a.mp4", "name": "a", "asr_model": "ave", "gpu": 0},
        [{"video_path": "a.mp4", "name": "a", "asr_model": "ave", "gpu": 0}],
        {"videos": [{"path": "a.mp4", "name": "a"}]},
    ],
)
def test_all_json_forms_of_the_older_pipeline(tmp_path: Path, content: object) -> None:
    listing = tmp_path / "list.json"
    listing.write_text(json.dumps(content))
    (item,) = find_items(tmp_path, listing)
    assert (item.name, item.video_path) == ("a", "a.mp4")


@pytest.mark.parametrize("content", ["{", "[1]", '[{"name": 3}]', '[{"gpu": 0}]', '{"videos": 1}'])
def test_bad_json_is_refused(tmp_path: Path, content: str) -> None:
    listing = tmp_path / "list.json"
    listing.write_text(content)
    with pytest.raises(InputError):
        find_items(tmp_path, listing)


def test_the_template_runs_as_it_is(root: Path) -> None:
    template = root / "template.json"
    assert write_template(template, root) == 3
    items = find_items(root, template)
    assert [(item.name, bool(item.video_path)) for item in items] == [
        ("anna", False),
        ("voice", False),
        ("lying", True),
    ]


def test_a_name_that_looks_like_an_option_stays_a_name(root: Path) -> None:
    command = find_items(root, None)[0].command(root, ["--until", "preprocess"])
    assert command[-2:] == ["--", "anna"]
