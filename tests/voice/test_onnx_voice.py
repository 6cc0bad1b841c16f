"""Files that are no voice, or not one that can be opened here."""

from __future__ import annotations

import json

import pytest

from synctalk.errors import InputError, MissingPartError
from synctalk.voice.onnx_voice import open_onnx_voice
from synctalk.voice.reader import Delivery
from tests.voice.conftest import pretend_espeak


@pytest.fixture
def copied(anna_onnx, tmp_path):
    """A copy of a voice, to be damaged."""
    for suffix in ("", ".json"):
        (tmp_path / f"v.onnx{suffix}").write_bytes(anna_onnx.with_name(anna_onnx.name + suffix).read_bytes())
    return tmp_path / "v.onnx"


def change(path, **changes) -> None:
    beside = path.with_name(path.name + ".json")
    beside.write_text(json.dumps({**json.loads(beside.read_text()), **changes}))


@pytest.mark.parametrize("content", [None, b"", b"not onnx", b"\x08\x08" * 100])
def test_files_that_are_no_onnx_are_refused(tmp_path, content: bytes | None) -> None:
    path = tmp_path / "v.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"v\.onnx"):
        open_onnx_voice(path)


def test_a_truncated_voice_is_refused(copied) -> None:
    copied.write_bytes(copied.read_bytes()[:-1000])
    with pytest.raises(InputError, match="not an ONNX file"):
        open_onnx_voice(copied)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"phoneme_type": "pinyin"}, "reads pinyin"),
        ({"phoneme_type": "espeak", "vowel_clusters": [["a", "ɪ"]]}, "joins vowels"),
    ],
)
def test_voices_that_read_anything_else_are_sent_to_their_own_runtime(copied, changes, reason) -> None:
    change(copied, **changes)
    with pytest.raises(InputError, match=reason) as refused:
        open_onnx_voice(copied)
    assert "piper-tts" in refused.value.hint


def test_a_voice_of_espeak_is_opened_and_asks_for_it_when_it_speaks(copied, tmp_path, monkeypatch) -> None:
    pretend_espeak(tmp_path, "raise ImportError", monkeypatch)
    change(copied, phoneme_type="espeak")
    voice = open_onnx_voice(copied)
    with pytest.raises(MissingPartError, match="espeak-ng"):
        voice.speak("A sentence that nothing else asks for.")
    change(copied, espeak={"voice": ""})
    with pytest.raises(InputError, match="no voice of espeak"):
        open_onnx_voice(copied)


@pytest.mark.parametrize(
    "changes",
    [{"phoneme_id_map": {"a": 1}}, {"audio": {}}, {"inference": {"length_scale": 0}}, {"audio": {"sample_rate": 0}}],
)
def test_damaged_facts_are_refused(copied, changes) -> None:
    change(copied, **changes)
    with pytest.raises(InputError, match=r"v\.onnx\.json"):
        open_onnx_voice(copied)


def test_an_onnx_file_of_something_else_is_refused(tmp_path) -> None:
    import onnx
    from onnx import TensorProto
    from onnx import helper as build

    value = build.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    result = build.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = build.make_graph([build.make_node("Neg", ["x"], ["y"])], "g", [value], [result])
    opset = [build.make_opsetid("", 15)]
    onnx.save(build.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "v.onnx")
    with pytest.raises(InputError, match="missing or damaged"):
        open_onnx_voice(tmp_path / "v.onnx")
    facts = {"audio": {"sample_rate": 1}, "phoneme_id_map": {}, "phoneme_type": "text"}
    (tmp_path / "v.onnx.json").write_text(json.dumps(facts))
    with pytest.raises(InputError, match="not a Piper voice"):
        open_onnx_voice(tmp_path / "v.onnx")


def test_the_voice_speaks_as_its_json_says(copied) -> None:
    voice = open_onnx_voice(copied)
    change(copied, inference={"length_scale": 2.0, "noise_scale": 0.0, "noise_w": 0.0})
    slower = open_onnx_voice(copied)
    still = {"noise": 0.0, "duration_noise": 0.0}
    lengths = [sum(map(len, each.speak("Hello there.", Delivery(**still)))) for each in (voice, slower)]
    assert lengths[1] > 1.3 * lengths[0]
