"""A generator is loaded from whatever was trained, and draws what its network draws."""

from pathlib import Path

import numpy as np
import pytest
import torch

from synctalk.config import SAMPLES_PER_FRAME
from synctalk.errors import InputError, TrainingError
from synctalk.face.generator import MouthnetGenerator, load_generator
from synctalk.face.mask import FaceMasks
from synctalk.face.mouthnet import MOUTH_MELS, MouthNet
from synctalk.training.checkpoint import Checkpoint, Facts, save_checkpoint

SIZE = 64


@pytest.fixture(scope="module")
def network() -> MouthNet:
    hidden = np.zeros((SIZE, SIZE), bool)
    hidden[24:56, 8:56] = True
    alpha = np.pad(np.ones((24, 40), np.float32), ((28, 12), (12, 12)))
    torch.manual_seed(0)
    masks = FaceMasks(hidden=hidden, mouth=alpha, alpha=alpha)
    return MouthNet(masks, channels=8, mask_levels=2).eval()


@pytest.fixture
def folder(tmp_path: Path, network: MouthNet) -> Path:
    """A training of three epochs, the second of which was best; what is averaged is what counts."""
    for name, factor in (("epoch_0001", 3.0), ("epoch_0002", 2.0), ("epoch_0003", 5.0), ("best", 1.0)):
        averaged = {key: factor * value for key, value in network.state_dict().items()}
        state = {"generator": {key: 0 * value for key, value in averaged.items()}}
        facts = Facts(stage="main", fingerprint="f", generation=0, epoch=2, settings={"main": {"arch": "mouthnet"}})
        ema = {"updates": 3, "models": {"generator": averaged}}
        save_checkpoint(tmp_path / f"{name}.pth", Checkpoint(facts=facts, models=state, ema=ema))
    return tmp_path


def frames(count: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    targets, references = random.integers(0, 256, (2, count, SIZE, SIZE, 3)).astype(np.uint8)
    return targets, references, random.normal(size=(count, 80, MOUTH_MELS)).astype(np.float32)


def test_the_best_epoch_of_a_folder_is_loaded_with_its_averaged_weights(folder: Path, network: MouthNet):
    generator = load_generator(folder, device="cpu")
    targets, references, audio = frames()
    drawn = generator.predict(targets, references, audio)
    assert drawn.dtype == np.uint8
    with torch.no_grad():
        planes = [torch.from_numpy(crops).permute(0, 3, 1, 2) / 255 for crops in (references, targets)]
        wanted = network(*planes, torch.from_numpy(audio)).clamp(0, 1).permute(0, 2, 3, 1).numpy() * 255
    assert np.abs(drawn - wanted).max() <= 3  # 16-bit numbers where the processor has them
    assert np.abs(drawn - wanted).mean() <= 0.6
    assert generator.size_px == SIZE
    assert generator.alpha.shape == (SIZE, SIZE)


def test_outside_the_hidden_part_the_target_comes_back(folder: Path, network: MouthNet):
    targets, references, audio = frames()
    drawn = load_generator(folder, device="cpu").predict(targets, references, audio)
    shown = network.hidden[0, 0].numpy() == 0
    assert (drawn[:, shown] == targets[:, shown]).all()


def test_frames_are_drawn_alike_alone_and_together(folder: Path):
    generator = load_generator(folder, device="cpu")
    targets, references, audio = frames(4)
    together = generator.predict(targets, references, audio)
    alone = np.concatenate(
        [generator.predict(*(part[k : k + 1] for part in (targets, references, audio))) for k in range(4)]
    )
    assert np.abs(together.astype(int) - alone).max() <= 3


def test_without_a_best_epoch_the_newest_is_loaded(folder: Path):
    (folder / "best.pth").unlink()
    by_folder, by_file = (load_generator(path, device="cpu") for path in (folder, folder / "epoch_0003.pth"))
    assert (by_folder.predict(*frames()) == by_file.predict(*frames())).all()


def test_what_is_heard_at_a_frame_is_what_sounds_then(network: MouthNet):
    samples = np.zeros(20 * SAMPLES_PER_FRAME, np.float32)
    samples[12 * SAMPLES_PER_FRAME + SAMPLES_PER_FRAME // 2] = 1
    heard = MouthnetGenerator(network, device=torch.device("cpu")).hear(samples, frames=20)
    assert heard.shape == (20, 80, MOUTH_MELS)
    middle = heard[:, :, MOUTH_MELS // 2 - 1 : MOUTH_MELS // 2 + 1].mean(axis=(1, 2))
    assert middle.argmax() == 12


def test_a_sound_shorter_than_asked_ends_in_silence(network: MouthNet):
    generator = MouthnetGenerator(network, device=torch.device("cpu"))
    heard = generator.hear(np.ones(SAMPLES_PER_FRAME, np.float32), frames=50)
    assert heard.shape[0] == 50
    assert (heard[40:] == heard[40:].min()).all()


def test_nothing_trained_is_said_with_the_command_that_trains(tmp_path: Path):
    with pytest.raises(InputError, match="nothing is trained") as caught:
        load_generator(tmp_path)
    assert "synctalk run" in caught.value.hint


def test_a_missing_file_is_said(tmp_path: Path):
    with pytest.raises(InputError, match="there is no checkpoint"):
        load_generator(tmp_path / "best.pth")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 not really"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "best.pth"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match="cannot be used"):
        load_generator(path)


def test_a_damaged_checkpoint_is_refused(folder: Path):
    path = folder / "best.pth"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(TrainingError):
        load_generator(folder)


def test_a_checkpoint_of_another_stage_is_refused(tmp_path: Path):
    facts = Facts(stage="syncnet", fingerprint="f", generation=0, epoch=1)
    save_checkpoint(tmp_path / "best.pth", Checkpoint(facts=facts, models={"syncnet": {"w": torch.ones(2)}}))
    with pytest.raises(InputError, match="holds no generator but syncnet"):
        load_generator(tmp_path)


def test_a_bare_file_of_other_weights_is_refused(tmp_path: Path):
    torch.save({"layer.weight": torch.ones(2, 2)}, tmp_path / "9.pth")
    with pytest.raises(InputError):
        load_generator(tmp_path / "9.pth")
