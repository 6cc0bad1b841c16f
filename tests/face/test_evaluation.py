"""Figures for people: each with its unit and meaning, and honest about what is unknown."""

import msgspec
import pytest

from synctalk.face.evaluation import Evaluation, format_evaluation


@pytest.fixture
def evaluation() -> Evaluation:
    numbers = {field.name: 0.5 for field in msgspec.structs.fields(Evaluation)}
    texts = {"dataset": "анна 1", "model": "anna/main", "first_frame": 60, "frames": 6, "shuffles": 4}
    return Evaluation(**{**numbers, **texts, "psnr_mouth": 31.25, "sync_accuracy": None, "sync_offset_frames": -2})


def test_summary_names_every_figure(evaluation) -> None:
    text = format_evaluation(evaluation)
    assert "анна 1: 6 held-out frames from frame 60, model anna/main" in text
    assert "31.2 dB" in text
    told = {line.split("  ")[1].strip() for line in text.splitlines()[1:]}
    left_out = {"dataset", "model", "first_frame", "frames", "shuffles"}
    assert told == {field.name.replace("_", " ") for field in msgspec.structs.fields(Evaluation)} - {
        name.replace("_", " ") for name in left_out
    }


def test_summary_says_what_is_unknown(evaluation) -> None:
    line = next(line for line in format_evaluation(evaluation).splitlines() if "sync accuracy  " in line)
    assert "unknown" in line


def test_survives_the_file(evaluation) -> None:
    assert msgspec.json.decode(msgspec.json.encode(evaluation), type=Evaluation) == evaluation
