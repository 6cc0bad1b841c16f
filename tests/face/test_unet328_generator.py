"""The older network behind the interface that render uses."""

import numpy as np
import pytest
import torch

from synctalk.errors import InputError, MissingPartError
from synctalk.face.ave import AudioEncoder
from synctalk.face.unet328 import Unet328
from synctalk.face.unet328_generator import Unet328Generator, feathered_share


@pytest.fixture(scope="module")
def unet(fill):
    return fill(Unet328("ave"))


@pytest.fixture(scope="module")
def ave(fill):
    return fill(AudioEncoder())


@pytest.fixture(scope="module")
def files(tmp_path_factory, unet, ave):
    folder = tmp_path_factory.mktemp("older")
    torch.save(unet.state_dict(), folder / "99.pth")
    torch.save(ave.audio_encoder.state_dict(), folder / "ave.pth")
    return folder / "99.pth", folder / "ave.pth"


@pytest.fixture(scope="module")
def generator(files):
    return Unet328Generator.from_files(*files, "ave")


@pytest.fixture(scope="module")
def crops():
    pixels = np.random.default_rng(2).integers(0, 256, (2, 2, 20, 20, 3), np.uint8)
    return pixels.repeat(16, axis=2).repeat(16, axis=3)  # [targets or references, B, S, S, 3]


@pytest.fixture(scope="module")
def heard(generator):
    samples = np.random.default_rng(3).normal(0, 0.1, 30 * 640).astype(np.float32)
    return generator.hear(samples, frames=30)


def test_draws_what_the_network_draws(generator, unet, crops, heard):
    targets, references = crops
    drawn = generator.predict(targets, references, heard[[5, 20]])
    bgr = [torch.from_numpy(images[..., ::-1].copy()).permute(0, 3, 1, 2) / 255 for images in crops]
    bgr[0][:, :, 5:310, 5:315] = 0
    with torch.inference_mode():
        expected = unet(torch.cat([bgr[1], bgr[0]], dim=1), torch.tensor(heard[[5, 20]]))
    difference = drawn.astype(int) - (expected.flip(1).permute(0, 2, 3, 1) * 255).round().numpy().astype(int)
    assert drawn.dtype == np.uint8
    assert drawn.shape == targets.shape
    assert np.abs(difference).max() <= 1


def test_never_sees_the_mouth_of_the_target(generator, crops, heard):
    targets, references = crops
    another = targets.copy()
    another[:, 5:310, 5:315] = 255 - another[:, 5:310, 5:315]
    pictures = [generator.predict(images, references, heard[:2]) for images in (targets, another)]
    np.testing.assert_array_equal(*pictures)


def test_our_own_checkpoint_draws_the_same_as_the_bare_files(generator, unet, ave, crops, heard):
    own = Unet328Generator.from_states({"unet": unet.state_dict(), "ave": ave.state_dict()}, mode="ave")
    samples = np.random.default_rng(3).normal(0, 0.1, 30 * 640).astype(np.float32)
    np.testing.assert_allclose(own.hear(samples, frames=30), heard, rtol=1e-5, atol=1e-5)
    pictures = [one.predict(crops[0][:1], crops[1][:1], heard[:1]) for one in (own, generator)]
    np.testing.assert_array_equal(*pictures)


def test_the_checkpoint_of_the_training_stays_as_it_was(unet, ave):
    before = unet.outc.conv.weight.clone()
    Unet328Generator.from_states({"unet": unet.state_dict(), "ave": ave.state_dict()}, mode="ave")
    assert torch.equal(unet.outc.conv.weight, before)
    assert isinstance(unet.audio_model.bn3, torch.nn.BatchNorm2d)


def test_no_box_shows():
    share = feathered_share()
    assert share.shape == (320, 320)
    assert share.dtype == np.float32
    hidden = np.zeros((320, 320), bool)
    hidden[5:310, 5:315] = True
    assert (share[~hidden] == 0).all()
    assert (share[40:280, 40:280] == 1).all()
    assert max(np.abs(np.diff(share, axis=axis)).max() for axis in (0, 1)) < 0.07


def test_crops_of_another_size_are_refused(generator, heard):
    small = np.zeros((1, 192, 192, 3), np.uint8)
    with pytest.raises(InputError, match="192 px") as caught:
        generator.predict(small, small, heard[:1])
    assert "preprocess.size_px=320" in caught.value.hint


def test_a_bare_checkpoint_without_its_audio_encoder_is_refused_with_the_command(files):
    with pytest.raises(InputError, match="does not hold the audio encoder") as caught:
        Unet328Generator.from_files(files[0], None, "ave")
    assert f"--checkpoint {files[0]} --ave audio_visual_encoder.pth" in caught.value.hint


def test_features_that_cannot_be_made_are_refused(files, unet, tmp_path, fill):
    with pytest.raises(InputError, match="HuBERT folder"):
        Unet328Generator.from_files(files[0], tmp_path / "none", "hubert")
    torch.save(fill(Unet328("wenet")).state_dict(), tmp_path / "9.pth")
    with pytest.raises(MissingPartError, match="wenet"):
        Unet328Generator.from_files(tmp_path / "9.pth", None)
    with pytest.raises(InputError, match="part unet does not fit the network: 556 missing"):
        Unet328Generator.from_states({}, mode="ave")
    with pytest.raises(InputError, match="AVE audio encoder"):
        Unet328Generator.from_states({"unet": unet.state_dict()}, mode="ave")
