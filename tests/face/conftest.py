"""A small prepared recording of the drawn presenter, and a stand-in for the trained network."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from synctalk.config import SAMPLES_PER_FRAME
from synctalk.face.footage import Footage, open_footage
from synctalk.face.mask import face_masks
from synctalk.face.mouthnet import MODEL, MouthNet
from synctalk.face.presenter import Performance, film_presenter, perform_babble
from synctalk.face.recording import open_recording
from synctalk.files import write_json
from synctalk.media.audio import read_soundtrack, write_wav
from synctalk.media.crop import fit_box, smooth_boxes, warp
from synctalk.media.landmarks import FaceTracker
from synctalk.media.mel import mel_spectrogram
from synctalk.media.video import FrameReader
from synctalk.training.checkpoint import Checkpoint, Facts, save_checkpoint
from synctalk.workspace import Workspace

SIZE_PX = 64
FRAMES = 66
FACELESS = (20, 21, 40)


class MouthPainter:
    """Draws a dark ellipse for a mouth, as high as the sound is loud; all else is the target, a little brighter."""

    size_px = SIZE_PX
    mouth = (SIZE_PX // 2, 26)

    def __init__(self) -> None:
        self.alpha = np.zeros((SIZE_PX, SIZE_PX), np.float32)
        self.alpha[10:52, 10:54] = 1
        self.alpha = cv2.GaussianBlur(self.alpha, (0, 0), 2)
        self.batches: list[int] = []

    def hear(self, samples: np.ndarray, *, frames: int) -> np.ndarray:
        padded = np.zeros(frames * SAMPLES_PER_FRAME, np.float32)
        padded[: min(len(samples), len(padded))] = samples[: len(padded)]
        return np.sqrt((padded.reshape(frames, -1) ** 2).mean(axis=1))

    def predict(self, targets: np.ndarray, references: np.ndarray, audio: np.ndarray) -> np.ndarray:
        assert targets.shape == references.shape == (len(audio), SIZE_PX, SIZE_PX, 3)
        self.batches.append(len(audio))
        pictures = np.clip(targets.astype(int) + 6, 0, 255).astype(np.uint8)
        for picture, loudness in zip(pictures, audio, strict=True):
            if loudness > 0.01:
                cv2.ellipse(picture, self.mouth, (9, int(min(14, 60 * loudness))), 0, 0, 360, (30, 10, 10), -1)
        return pictures


@pytest.fixture(scope="session")
def painter_class() -> type[MouthPainter]:
    return MouthPainter


@pytest.fixture
def painter(painter_class: type[MouthPainter]) -> MouthPainter:
    return painter_class()


@pytest.fixture(scope="session")
def performance() -> Performance:
    """What the presenter of `workspace` says."""
    return perform_babble(FRAMES / 25, seed=23)


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory, performance: Performance) -> Workspace:
    """A prepared dataset: 2.6 s at 256 px, with three frames in which no face was found."""
    workspace = Workspace(tmp_path_factory.mktemp("root"), "anna 1")
    workspace.face.mkdir(parents=True)
    video = workspace.dataset / "source.mp4"
    film_presenter(video, performance, seed=3, size_px=256)
    reader = FrameReader(video)
    with FaceTracker() as tracker:
        landmarks = np.stack([tracker.find(frame)[0] for frame in reader.frames()])
    boxes = smooth_boxes(fit_box(landmarks, SIZE_PX), 6, size_px=SIZE_PX)
    crops = [warp(frame, box, SIZE_PX) for frame, box in zip(reader.frames(), boxes, strict=True)]
    landmarks[list(FACELESS)] = np.nan
    save(workspace.face, boxes=boxes, landmarks=landmarks, crops=np.stack(crops))
    samples = np.resize(read_soundtrack(video), FRAMES * SAMPLES_PER_FRAME)
    write_wav(workspace.face / "aud.wav", samples, rate_hz=16_000)
    save(workspace.face, mel=mel_spectrogram(samples))
    facts = {"video": video.name, "frames": FRAMES, "width": 256, "height": 256, "fps": 25.0}
    write_json(workspace.face / "source.json", facts)
    return workspace


def save(folder: Path, **arrays: np.ndarray) -> None:
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


@pytest.fixture
def trained(workspace: Workspace, tmp_path: Path) -> Workspace:
    """A copy of `workspace` with the checkpoint of a tiny generator that has learned nothing."""
    shutil.copytree(workspace.root, tmp_path / "trained")
    copied = Workspace(tmp_path / "trained", workspace.name)
    recording = open_recording(copied.face)
    masks = face_masks(recording.points[recording.is_usable], size_px=SIZE_PX)
    torch.manual_seed(0)
    models = {MODEL: MouthNet(masks, channels=8).state_dict()}
    facts = Facts(stage="main", fingerprint="", generation=0, epoch=1, settings={"main": {}})
    copied.training("main").mkdir(parents=True)
    save_checkpoint(copied.training("main") / "best.pth", Checkpoint(facts=facts, models=models))
    return copied


@pytest.fixture
def footage(workspace: Workspace) -> Footage:
    return open_footage(workspace)


@pytest.fixture
def speech(tmp_path: Path) -> Iterator[Path]:
    """0.4 s of silence, 1.2 s of a loud voice-like sound, 0.6 s of faint noise; 44.1 kHz stereo."""
    rate_hz = 44_100
    times = np.arange(int(2.2 * rate_hz)) / rate_hz
    voice = sum(np.sin(2 * np.pi * 150 * k * times) / k for k in range(1, 20)) * 0.2
    sound = np.where((times > 0.4) & (times < 1.6), voice, 0) + np.random.default_rng(0).normal(0, 5e-4, len(times))
    path = tmp_path / "speech.wav"
    write_wav(path, np.stack([sound, sound], axis=1).astype(np.float32), rate_hz=rate_hz)
    return path


# What the older networks compute on weights and inputs that anyone can regenerate.


@pytest.fixture(scope="session")
def fill() -> Callable[[torch.nn.Module], torch.nn.Module]:
    """Gives a network the weights of the golden vectors, entry by entry, and returns it ready to infer."""
    return _filled


@pytest.fixture(scope="session")
def uniform() -> Callable[[int, tuple[int, ...]], torch.Tensor]:
    """The inputs of the golden vectors: numbers in [0, 1) by seed and shape."""

    def draw(seed: int, shape: tuple[int, ...]) -> torch.Tensor:
        return torch.from_numpy(np.random.RandomState(seed).random_sample(shape).astype(np.float32))

    return draw


@pytest.fixture(scope="session")
def golden(real_data: Path) -> dict[str, np.ndarray]:
    """What the older networks computed."""
    with np.load(real_data / "interop" / "synctalk2d_golden.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="session")
def layouts(real_data: Path) -> dict[str, list[tuple[str, tuple[int, ...]]]]:
    """Names and shapes of all entries of the older networks, in order."""
    content = json.loads((real_data / "interop" / "synctalk2d_state_dicts.json").read_text())
    return {name: [(entry, tuple(shape)) for entry, shape in entries] for name, entries in content.items()}


def _filled(network: torch.nn.Module) -> torch.nn.Module:
    state = network.state_dict()
    for place, (name, value) in enumerate(state.items()):
        drawn = np.random.RandomState(place).standard_normal(value.numel()).reshape(value.shape)
        state[name] = torch.tensor(_rule(name, drawn)).to(value.dtype)
    network.load_state_dict(state)
    return network.eval()


def _rule(name: str, drawn: np.ndarray) -> np.ndarray:
    scale = 0.0005 if name.startswith("outc") else 1.0
    if name.endswith("num_batches_tracked"):
        return np.zeros_like(drawn)
    if name.endswith("running_var"):
        return 1 + 0.1 * np.abs(drawn)
    if drawn.ndim == 4:
        return scale * drawn * np.sqrt(2 / np.prod(drawn.shape[1:]))
    return scale * ((1 if name.endswith("weight") else 0) + 0.1 * drawn)
