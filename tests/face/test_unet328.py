"""The older generator: layout, golden vectors, folding of batch norms, training forward, ONNX."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from synctalk.face.asr import FEATURE_SHAPES
from synctalk.face.ave import AudioEncoder
from synctalk.face.unet328 import SIZE_PX, Unet328, Unet328WithAudio, fused_copy, hide_mouth

MODES = ("ave", "hubert", "wenet")
PARAMETERS = {"ave": 12_186_935, "hubert": 12_186_935, "wenet": 12_986_871}
NUMBERS = {"ave": 12_251_587, "hubert": 12_251_587, "wenet": 13_055_491}
LAYOUT = {"ave": "d7cac2195777f7c9", "hubert": "d7cac2195777f7c9", "wenet": "f99fb8d9cb91783b"}


@pytest.fixture(scope="module")
def network(fill):
    return fill(Unet328("ave"))


@pytest.fixture(scope="module")
def sight(uniform):
    return uniform(11, (1, 6, SIZE_PX, SIZE_PX))


@pytest.fixture(scope="module")
def sound(uniform):
    return uniform(17, (1, 32, 16, 16))


@pytest.fixture(scope="module")
def picture(network, sight, sound):
    with torch.inference_mode():
        return network(sight, sound)


@pytest.mark.parametrize("mode", MODES)
def test_has_exactly_the_entries_of_the_older_network(mode):
    network = Unet328(mode)
    state = network.state_dict()
    assert len(state) == 556
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[mode]
    assert sum(value.numel() for value in state.values()) == NUMBERS[mode]
    text = "\n".join(f"{name} {list(value.shape)}" for name, value in state.items())
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == LAYOUT[mode]


@pytest.mark.real_data
@pytest.mark.parametrize("mode", MODES)
def test_computes_what_the_older_network_computes(mode, fill, golden, layouts, uniform, sight):
    network = fill(Unet328(mode))
    assert [(name, tuple(value.shape)) for name, value in network.state_dict().items()] == layouts[f"unet328_{mode}"]
    with torch.inference_mode():
        drawn = network(sight, uniform(17, (1, *FEATURE_SHAPES[mode])))
    np.testing.assert_allclose(drawn[0, :, ::4, ::4], golden[f"unet328_{mode}_out"], atol=1e-4)


def test_folding_changes_neither_the_picture_nor_the_original(network, sight, sound, picture):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fused = fused_copy(network)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in fused.modules())
    with torch.inference_mode():
        assert (fused(sight, sound) - picture).abs().max() < 1e-5
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_a_picture_depends_on_its_own_inputs_only(network, sight, sound, picture):
    with torch.inference_mode():
        among = network(torch.cat([sight.flip(3), sight]), torch.cat([sound.flip(1), sound]))
    assert (among[1] - picture[0]).abs().max() < 1e-5
    assert picture.min() >= 0
    assert picture.max() <= 1


def test_the_picture_follows_the_sound(network, sight, sound, picture):
    with torch.inference_mode():
        assert (picture - network(sight, torch.zeros_like(sound))).abs().max() > 1e-3


def test_hides_the_rectangle_of_the_older_pipeline():
    target = torch.full((2, 3, SIZE_PX, SIZE_PX), 0.5)
    masked = hide_mouth(target)
    assert (target == 0.5).all()
    hidden = masked[1, 2] == 0
    rows, columns = torch.where(hidden)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (5, 309, 5, 314)
    assert int(hidden.sum()) == 305 * 310
    assert (masked[~(masked == 0)] == 0.5).all()


def test_red_stays_red(network, uniform, sound):
    reference, masked = uniform(1, (1, 3, SIZE_PX, SIZE_PX)), uniform(2, (1, 3, SIZE_PX, SIZE_PX))
    with torch.inference_mode():
        rgb = Unet328WithAudio(network)(reference, masked, sound)
        bgr = network(torch.cat([reference[:, [2, 1, 0]], masked[:, [2, 1, 0]]], dim=1), sound)
    assert torch.equal(rgb[:, [2, 1, 0]], bgr)


def test_mel_windows_and_features_computed_beforehand_draw_the_same(network, fill, uniform):
    encoder = fill(AudioEncoder())
    both = Unet328WithAudio(network, encoder).eval()
    pictures = uniform(3, (1, 3, SIZE_PX, SIZE_PX))
    windows = uniform(4, (1, 16, 80, 16)) * 8 - 4
    with torch.inference_mode():
        features = encoder(windows[0, :, None]).reshape(1, 32, 16, 16)
        assert (both(pictures, pictures, windows) - both(pictures, pictures, features)).abs().max() < 1e-6


def test_both_networks_learn_from_one_loss(uniform):
    torch.manual_seed(3)
    both = Unet328WithAudio(Unet328(), AudioEncoder()).train()
    target = uniform(5, (1, 3, SIZE_PX, SIZE_PX))
    drawn = both(target, hide_mouth(target), uniform(6, (1, 16, 80, 16)) * 8 - 4)
    (drawn - target).abs().mean().backward()
    still = [name for name, parameter in both.named_parameters() if parameter.grad is None]
    assert not still
    assert all(torch.isfinite(parameter.grad).all() for parameter in both.parameters())
    assert both.ave.audio_encoder[0].conv_block[0].weight.grad.abs().max() > 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the exporter without onnxscript is the older one
def test_onnx_draws_the_same(tmp_path: Path, network, sight, sound, picture):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    path = tmp_path / "unet.onnx"
    names = ["images", "audio"]
    batch = {name: {0: "batch"} for name in (*names, "drawn")}
    torch.onnx.export(
        fused_copy(network),
        (sight, sound),
        str(path),
        dynamo=False,
        opset_version=17,
        input_names=names,
        output_names=["drawn"],
        dynamic_axes=batch,
    )
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    inputs = {"images": np.repeat(sight.numpy(), 2, 0), "audio": np.repeat(sound.numpy(), 2, 0)}
    np.testing.assert_allclose(session.run(None, inputs)[0], np.repeat(picture, 2, 0), atol=1e-4)
