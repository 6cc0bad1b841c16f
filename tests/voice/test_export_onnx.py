"""The ONNX file: the interface of Piper's runtime, and the same sound as the network it was made from."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from synctalk.voice.export_onnx import OPSET, PiperVits


@pytest.fixture(scope="module")
def opened(anna, anna_onnx, couple, couple_onnx):
    return {1: (anna, load(anna_onnx)), 2: (couple, load(couple_onnx))}


def load(path):
    return onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])


def feed(ids, *, scales=(0.0, 1.0, 0.0), lengths=None, sid=None):
    fed = {
        "input": np.asarray(ids, np.int64),
        "input_lengths": np.asarray(lengths or [len(ids[0])], np.int64),
        "scales": np.asarray(scales, np.float32),
    }
    return fed if sid is None else {**fed, "sid": np.array([sid], np.int64)}


def in_torch(voice, fed):
    with torch.inference_mode():
        return PiperVits(voice.model)(*(torch.from_numpy(value) for value in fed.values())).numpy()


@pytest.mark.parametrize("speakers", [1, 2])
def test_interface_is_that_of_piper(opened, speakers: int) -> None:
    session = opened[speakers][1]
    inputs = {each.name: (each.type, each.shape) for each in session.get_inputs()}
    expected = {
        "input": ("tensor(int64)", ["batch", "phonemes"]),
        "input_lengths": ("tensor(int64)", ["batch"]),
        "scales": ("tensor(float)", [3]),
    }
    assert inputs == (expected if speakers == 1 else {**expected, "sid": ("tensor(int64)", [1])})
    (output,) = session.get_outputs()
    assert (output.name, output.type, output.shape) == ("output", "tensor(float)", ["batch", 1, 1, "time"])


def test_graph_has_one_ceil_and_the_promised_opset(anna_onnx) -> None:
    graph = onnx.load(anna_onnx)
    assert sum(node.op_type == "Ceil" for node in graph.graph.node) == 1
    assert [each.version for each in graph.opset_import if not each.domain] == [OPSET]
    assert not [each.name for each in graph.graph.initializer if "original0" in each.name and "decoder" in each.name]
    onnx.checker.check_model(graph)


@pytest.mark.parametrize("speakers", [1, 2])
@pytest.mark.parametrize("length", [1, 5, 32, 201])
@pytest.mark.parametrize("length_scale", [1.0, 2.3])
def test_sound_is_that_of_the_network(opened, speakers: int, length: int, length_scale: float) -> None:
    voice, session = opened[speakers]
    ids = np.random.default_rng(length).integers(0, 170, (1, length))
    fed = feed(ids, scales=(0.0, length_scale, 0.0), sid=None if speakers == 1 else 1)
    expected, found = in_torch(voice, fed), session.run(None, fed)[0]
    assert found.shape == expected.shape
    assert found.shape[-1] % 256 == 0
    assert np.abs(found - expected).max() < 1e-4


def test_a_batch_of_different_lengths_is_each_of_them_alone(opened) -> None:
    voice, session = opened[2]
    ids = np.random.default_rng(0).integers(3, 170, (2, 40))
    fed = feed(ids, lengths=[40, 13], sid=1)
    found = session.run(None, fed)[0]
    assert np.abs(found - in_torch(voice, fed)).max() < 1e-4
    alone = session.run(None, feed(ids[1:, :13], sid=1))[0]
    inner = alone.shape[-1] - 4096  # at its end the decoder of the batch sees padding, not the edge
    assert inner > 0
    assert np.abs(found[1, 0, 0, :inner] - alone[0, 0, 0, :inner]).max() < 1e-3


def test_speakers_differ_and_length_grows_with_its_scale(opened) -> None:
    session = opened[2][1]
    ids = np.random.default_rng(0).integers(3, 170, (1, 40))
    first, second = (session.run(None, feed(ids, sid=sid))[0] for sid in (0, 1))
    assert first.shape != second.shape or not np.allclose(first, second)
    slow = session.run(None, feed(ids, scales=(0.0, 2.0, 0.0), sid=0))[0]
    assert slow.shape[-1] > 1.3 * first.shape[-1]


def test_noise_changes_sound_and_rhythm(opened) -> None:
    session = opened[1][1]
    ids = np.random.default_rng(0).integers(3, 170, (1, 40))
    still, again = (session.run(None, feed(ids))[0] for _ in range(2))
    assert np.array_equal(still, again)
    assert not np.array_equal(session.run(None, feed(ids, scales=(0.667, 1.0, 0.0)))[0], still)
    lengths = {session.run(None, feed(ids, scales=(0.0, 1.0, 1.5)))[0].shape[-1] for _ in range(5)}
    assert len(lengths) > 1


def test_exporting_leaves_the_network_as_it_was(anna, anna_onnx) -> None:
    assert anna_onnx.is_file()
    assert not anna.model.training
    assert isinstance(anna.model.noise_scale, float)
