"""Older checkpoints: every wrapping is read, everything else is refused with a sentence."""

import contextlib
import io
import os
import pickle
import zipfile
from collections import OrderedDict

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st

from synctalk.errors import InputError
from synctalk.face.ave import AudioEncoder
from synctalk.face.interop import (
    detect_mode,
    load_ave,
    load_strictly,
    load_syncnet,
    load_unet,
    read_state_dict,
    strip_prefix,
)
from synctalk.face.syncnet328 import SyncNet328
from synctalk.face.unet328 import Unet328


@pytest.fixture(scope="module")
def encoder(fill):
    return fill(AudioEncoder())


@pytest.fixture(scope="module")
def small_file():
    """The bytes of a checkpoint with three small entries."""
    stream = io.BytesIO()
    torch.save(OrderedDict(a=torch.arange(6.0).reshape(2, 3), b=torch.ones(4), c=torch.tensor(3)), stream)
    return stream.getvalue()


def keep(path, content):
    torch.save(content, path)
    return path


def same(left, right):
    return list(left) == list(right) and all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: weights,
        lambda weights: {
            "epoch": 7,
            "model_state_dict": weights,
            "optimizer_state_dict": {"state": {}},
            "best_loss": 0.1,
        },
        lambda weights: {"epoch": 7, "model": weights, "optimizer": {}},
        lambda weights: OrderedDict((f"module.{name}", value) for name, value in weights.items()),
        lambda weights: {"model": OrderedDict((f"module.{name}", value) for name, value in weights.items())},
    ],
    ids=["bare", "model_state_dict", "model", "parallel", "model, parallel"],
)
def test_every_wrapping_is_read(tmp_path, encoder, wrap):
    weights = encoder.state_dict()
    assert same(read_state_dict(keep(tmp_path / "7.pth", wrap(weights))), weights)


def test_the_oldest_file_format_is_read(tmp_path):
    weights = OrderedDict(a=torch.arange(3.0))
    torch.save(weights, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert same(read_state_dict(tmp_path / "old.pth"), weights)


def test_a_prefix_is_only_taken_from_all():
    assert list(strip_prefix({"module.a": torch.ones(1), "b": torch.ones(1)}, "module.")) == ["module.a", "b"]


@pytest.mark.parametrize("prefix", ["", "audio_encoder.", "module.audio_encoder."])
def test_ave_weights_load_with_and_without_their_prefix(tmp_path, encoder, prefix):
    inner = encoder.audio_encoder.state_dict()
    path = keep(tmp_path / "ave.pth", OrderedDict((prefix + name, value) for name, value in inner.items()))
    assert same(load_ave(path).state_dict(), encoder.state_dict())


def test_a_generator_and_a_syncnet_load(tmp_path, fill):
    unet, syncnet = fill(Unet328("wenet")), fill(SyncNet328("hubert"))
    loaded = load_unet(keep(tmp_path / "99.pth", unet.state_dict()))
    assert loaded.mode == "wenet"
    assert same(loaded.state_dict(), unet.state_dict())
    judge = keep(tmp_path / "9.pth", {"epoch": 9, "model_state_dict": syncnet.state_dict(), "loss_history": [0.5]})
    assert same(load_syncnet(judge, mode="hubert").state_dict(), syncnet.state_dict())


@pytest.mark.real_data
def test_a_bare_file_of_the_golden_weights_draws_the_golden_picture(tmp_path, fill, golden, uniform):
    path = keep(tmp_path / "99.pth", fill(Unet328("ave")).state_dict())
    with torch.inference_mode():
        drawn = load_unet(path, mode="ave").eval()(uniform(11, (1, 6, 320, 320)), uniform(17, (1, 32, 16, 16)))
    np.testing.assert_allclose(drawn[0, :, ::4, ::4], golden["unet328_ave_out"], atol=1e-4)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, place):
        self.place = str(place)

    def __reduce__(self):
        return os.mkdir, (self.place,)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_file_that_wants_to_run_code_is_refused_unrun(tmp_path, is_zip):
    path = tmp_path / "trap.pth"
    torch.save({"model": Trap(tmp_path / "sprung")}, path, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(InputError, match=r"trap\.pth cannot be read"):
        read_state_dict(path)
    assert not (tmp_path / "sprung").exists()


def foreign_files(tmp_path):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("letter.txt", "hello")
    arrays = io.BytesIO()
    np.savez(arrays, a=np.ones(3))
    return {
        "empty": b"",
        "text": b"no weights here\n" * 50,
        "a foreign zip": archive.getvalue(),
        "numpy arrays": arrays.getvalue(),
        "a plain pickle": pickle.dumps({"a": [1, 2]}),
        "a picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
    }


def test_foreign_files_are_refused(tmp_path):
    for name, content in foreign_files(tmp_path).items():
        path = tmp_path / f"{name}.pth"
        path.write_bytes(content)
        with pytest.raises(InputError, match=name) as caught:
            read_state_dict(path)
        assert caught.value.hint
    for path in (tmp_path / "missing.pth", tmp_path):
        with pytest.raises(InputError, match="there is no file"):
            read_state_dict(path)


@hypothesis.given(share=st.floats(0, 0.999))
def test_a_truncated_file_is_refused(tmp_path, small_file, share):
    path = tmp_path / "cut.pth"
    path.write_bytes(small_file[: int(share * len(small_file))])
    with pytest.raises(InputError, match=r"cut\.pth cannot be read"):
        read_state_dict(path)


@hypothesis.given(data=st.data())
def test_a_damaged_file_loads_or_is_refused(tmp_path, small_file, data):
    content = bytearray(small_file)
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.pth"
    path.write_bytes(content)
    weights = {}
    with contextlib.suppress(InputError):  # whatever else is raised fails the test
        weights = read_state_dict(path)
    assert all(bool(torch.isfinite(value).all()) for value in weights.values())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (torch.ones(3), "holds no weights by name but a Tensor"),
        ([1, 2], "holds no weights by name but a list"),
        ({}, "holds no weights by name but a dict"),
        ({"model": {}}, "holds no weights by name but a dict"),
        ({"a": 3}, "entry 'a' is a int"),
        ({5: torch.ones(1)}, "entry 5 is a Tensor"),
        ({"a": torch.tensor([1.0, float("nan")])}, "entry a holds numbers that are not finite"),
        ({"a": torch.eye(3).to_sparse()}, "entry a is not a plain tensor"),
        ({"a": torch.ones(2, device="meta")}, "entry a is not a plain tensor"),
    ],
)
def test_other_contents_are_refused(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_state_dict(keep(tmp_path / "x.pth", content))


def test_what_does_not_fit_is_named_and_nothing_is_loaded(encoder):
    weights = OrderedDict(encoder.state_dict())
    first, second, third = list(weights)[:3]
    del weights[first]
    weights[second] = torch.ones(7)
    weights["another"] = torch.ones(1)
    fresh = AudioEncoder()
    before = fresh.state_dict()[third].clone()
    with pytest.raises(InputError) as caught:
        load_strictly(fresh, weights, source="x.pth")
    assert f"1 missing ({first})" in caught.value.message
    assert "1 unexpected (another)" in caught.value.message
    assert f"1 of another shape ({second} [7] instead of [32])" in caught.value.message
    assert torch.equal(fresh.state_dict()[third], before)


def test_the_likely_mistake_is_named(tmp_path, encoder):
    ave = keep(tmp_path / "ave.pth", encoder.audio_encoder.state_dict())
    with pytest.raises(InputError, match="not the weights of the older generator"):
        load_unet(ave)
    unet = Unet328().state_dict()
    smaller = OrderedDict((name, value) for name, value in unet.items() if not name.startswith("down5"))
    for network, weights, advice in (
        (Unet328(), read_state_dict(ave), "AVE audio encoder"),
        (AudioEncoder(), unet, "older mouth generator"),
        (Unet328(), smaller, "160-pixel variant"),
    ):
        with pytest.raises(InputError) as caught:
            load_strictly(network, weights, source="x.pth")
        assert advice in caught.value.hint


def test_the_mode_is_told_or_said_aloud(caplog):
    ave, wenet = Unet328("ave").state_dict(), Unet328("wenet").state_dict()
    assert detect_mode(wenet) == "wenet"
    assert detect_mode(ave, told="hubert") == "hubert"
    assert not caplog.records
    assert detect_mode(ave) == "ave"
    assert "--asr hubert" in caplog.text
    with pytest.raises(InputError, match="wenet features, not ave") as caught:
        detect_mode(wenet, told="ave")
    assert caught.value.hint == "use --asr wenet"
    with pytest.raises(InputError, match="ave or hubert features, not wenet"):
        detect_mode(ave, told="wenet")
