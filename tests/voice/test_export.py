"""A trained voice becomes files: whole or not at all, and only when it speaks."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from synctalk.errors import InputError, StageError
from synctalk.voice import export as exporting
from synctalk.voice.export import EARLIER, ExportOrder, export_voice
from synctalk.voice.onnx_voice import open_onnx_voice
from synctalk.voice.provenance import STATEMENT
from synctalk.voice.reader import Delivery
from synctalk.voice.soundness import check_speech
from tests.voice.conftest import TEXT, facts_of, quiet_model

RATE_HZ = 22_050
STILL = {"noise": 0.0, "duration_noise": 0.0}


def said(voice) -> np.ndarray:
    return np.concatenate(list(voice.speak(TEXT, Delivery(**STILL))))


def test_piper_export_has_the_names_of_home_assistant(anna_onnx) -> None:
    assert anna_onnx.name == "en_US-anna-medium.onnx"
    assert sorted(path.name for path in anna_onnx.parent.iterdir()) == [anna_onnx.name, f"{anna_onnx.name}.json"]
    told = json.loads(anna_onnx.with_name(f"{anna_onnx.name}.json").read_text())
    assert told["dataset"] == "en_US-anna-medium"
    assert told["audio"]["quality"] == "medium"


def test_exported_file_says_that_it_is_synthetic(anna_onnx) -> None:
    import onnx

    said = {each.key: each.value for each in onnx.load(anna_onnx).metadata_props}
    assert STATEMENT in said["comment"]
    assert said["checkpoint"] == "best.pth, epoch 3"


def test_a_single_file_can_be_spoken_with_alone(couple, couple_onnx, tmp_path) -> None:
    alone = tmp_path / "alone.onnx"
    alone.write_bytes(couple_onnx.read_bytes())
    voice = open_onnx_voice(alone)
    assert voice.speakers == ("anna", "ben")
    assert np.array_equal(said(voice), said(open_onnx_voice(couple_onnx)))


def test_plain_onnx_and_hf_exports_carry_any_name(anna, tmp_path) -> None:
    (file,) = export_voice(anna, tmp_path, ExportOrder(format="onnx", name="Anna 2", sample_text=TEXT))
    (folder,) = export_voice(anna, tmp_path, ExportOrder(format="hf", sample_text=TEXT))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Anna 2.onnx", "anna"]
    assert (file, folder) == (tmp_path / "Anna 2.onnx", tmp_path / "anna")
    assert said(open_onnx_voice(file)).size


def test_an_export_replaces_the_earlier_one_or_sets_it_aside(anna, tmp_path) -> None:
    order = ExportOrder(format="hf", sample_text="")
    (folder,) = export_voice(anna, tmp_path, order)
    (folder / "old").write_bytes(b"")
    export_voice(anna, tmp_path, order)
    assert not (folder / "old").exists()
    (folder / "old").write_bytes(b"")
    export_voice(anna, tmp_path, dataclasses.replace(order, keeps_earlier=True))
    assert not (folder / "old").exists()
    assert (tmp_path / f"anna{EARLIER}" / "old").exists()
    export_voice(anna, tmp_path, order)
    assert (tmp_path / f"anna{EARLIER}" / "old").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["anna", f"anna{EARLIER}"]


def test_a_folder_of_something_else_is_never_replaced(anna, tmp_path) -> None:
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna" / "diary.txt").write_text("mine")
    with pytest.raises(InputError, match="is no voice"):
        export_voice(anna, tmp_path, ExportOrder(format="hf"))
    assert (tmp_path / "anna" / "diary.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (ExportOrder(format="piper", name="an-na"), "name of a Piper voice"),
        (ExportOrder(format="piper", quality="best"), "not a quality"),
        (ExportOrder(format="hf", name="../anna"), "cannot be"),
        (ExportOrder(format="onnx", name="a/b"), "cannot be"),
    ],
)
def test_names_that_cannot_be_are_refused_before_anything_is_written(anna, tmp_path, order, message: str) -> None:
    with pytest.raises(InputError, match=message):
        export_voice(anna, tmp_path / "new", order)
    assert list(tmp_path.iterdir()) == []


def broken(kind: str):
    from synctalk.voice.trained import TrainedVoice

    facts = facts_of()
    model = quiet_model(facts)
    with torch.no_grad():
        weight = model.decoder.conv_post.weight
        {"silent": weight.zero_, "clipped": lambda: weight.mul_(1e5), "finite": lambda: weight.fill_(torch.nan)}[kind]()
    return TrainedVoice(facts, model, "broken", "best.pth")


@pytest.mark.parametrize("kind", ["silent", "clipped", "finite"])
def test_a_broken_voice_is_refused_and_the_earlier_one_stays(anna, tmp_path, kind: str) -> None:
    order = ExportOrder(format="hf", name="anna", sample_text=TEXT)
    export_voice(anna, tmp_path, order)
    before = (tmp_path / "anna" / "model.safetensors").read_bytes()
    with pytest.raises(StageError, match=kind):
        export_voice(broken(kind), tmp_path, order)
    assert (tmp_path / "anna" / "model.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["anna"]


def test_a_failure_while_writing_leaves_nothing(anna, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args, **_kwargs):
        raise KeyError("half way")

    monkeypatch.setattr(exporting, "load_vits", fail)
    with pytest.raises(KeyError):
        export_voice(anna, tmp_path, ExportOrder(format="hf"))
    assert list(tmp_path.iterdir()) == []


def test_a_text_that_the_voice_cannot_say_is_no_sample(anna, tmp_path) -> None:
    with pytest.raises(InputError, match="holds nothing"):
        export_voice(anna, tmp_path, ExportOrder(format="hf", sample_text="你好。"))


def tone(seconds: float, level: float = 0.3) -> np.ndarray:
    return (level * np.sin(np.arange(round(seconds * RATE_HZ)) / 20)).astype(np.float32)


def test_speech_of_usual_length_and_level_is_sound() -> None:
    check_speech(tone(2.5), rate_hz=RATE_HZ, signs=40)
    check_speech(tone(0.3), rate_hz=RATE_HZ, signs=1)


@pytest.mark.parametrize(
    ("samples", "problem"),
    [
        (tone(0.1), "takes 0.10 s"), (tone(60), "takes 60.00 s"), (tone(2.5, 1e-5), "silent"), (tone(2.5, 0), "silent"),
        (np.clip(tone(2.5, 5), -1, 1), "clipped"), (np.array([np.inf], np.float32), "not finite"),
        (np.zeros(0, np.float32), "takes 0.00 s"),
    ],
)  # fmt: skip
def test_what_no_voice_says_is_named(samples: np.ndarray, problem: str) -> None:
    with pytest.raises(StageError, match=problem):
        check_speech(samples, rate_hz=RATE_HZ, signs=40)
