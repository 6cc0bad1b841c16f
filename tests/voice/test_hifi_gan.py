"""Vocoders from local folders: two layouts give one sound, and what does not fit is refused in words."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from synctalk.commands.speech import open_voice
from synctalk.errors import InputError
from synctalk.voice.hifi_gan import open_hifi_gan
from synctalk.voice.kokoro import KokoroModel
from synctalk.voice.phones import TokenSet
from synctalk.workspace import Workspace
from tests.voice.test_kokoro_voice import SMALL, VOICE
from tests.voice.test_kokoro_voice import saved as save_kokoro

RATE_HZ = 22_050
CONFIG: dict[str, Any] = {
    "resblock": "1", "upsample_rates": [8, 8, 4], "upsample_kernel_sizes": [16, 16, 8], "upsample_initial_channel": 16,
    "resblock_kernel_sizes": [3, 5], "resblock_dilation_sizes": [[1, 3], [1, 2]], "num_mels": 80, "n_fft": 1024,
    "hop_size": 256, "win_size": 1024, "sampling_rate": RATE_HZ, "fmin": 0, "fmax": 8000,
}  # fmt: skip
MEL = torch.randn(80, 6, generator=torch.Generator().manual_seed(1)) - 5


def generator_weights() -> dict[str, torch.Tensor]:
    """As the original programs save them, norms apart."""
    generator = torch.Generator().manual_seed(2)
    weights: dict[str, torch.Tensor] = {}

    def add(name: str, *shape: int, bias: int) -> None:
        weights[f"{name}.weight_v"] = torch.randn(*shape, generator=generator)
        weights[f"{name}.weight_g"] = torch.rand(shape[0], 1, 1, generator=generator) + 0.5
        weights[f"{name}.bias"] = 0.1 * torch.randn(bias, generator=generator)

    add("conv_pre", 16, 80, 7, bias=16)
    for stage, kernel in enumerate(CONFIG["upsample_kernel_sizes"]):
        channels = 16 >> (stage + 1)
        add(f"ups.{stage}", 2 * channels, channels, kernel, bias=channels)
        for block, size in enumerate(CONFIG["resblock_kernel_sizes"]):
            for layer in range(2):
                add(f"resblocks.{2 * stage + block}.convs1.{layer}", channels, channels, size, bias=channels)
                add(f"resblocks.{2 * stage + block}.convs2.{layer}", channels, channels, size, bias=channels)
    add("conv_post", 1, channels, 7, bias=1)
    return weights


def slow_sound(weights: dict[str, torch.Tensor], mel: torch.Tensor) -> torch.Tensor:
    """The published generator, written out."""

    def weight(name: str) -> torch.Tensor:
        direction = weights[f"{name}.weight_v"]
        return weights[f"{name}.weight_g"] * direction / direction.flatten(1).norm(dim=1)[:, None, None]

    def convolved(name: str, signal: torch.Tensor, dilation: int = 1) -> torch.Tensor:
        kernel = weight(name)
        padding = dilation * (kernel.shape[-1] - 1) // 2
        return F.conv1d(signal, kernel, weights[f"{name}.bias"], padding=padding, dilation=dilation)

    signal = convolved("conv_pre", mel[None])
    for stage, (rate, size) in enumerate(zip(CONFIG["upsample_rates"], CONFIG["upsample_kernel_sizes"], strict=True)):
        signal = F.conv_transpose1d(
            F.leaky_relu(signal, 0.1), weight(f"ups.{stage}"), weights[f"ups.{stage}.bias"], rate, (size - rate) // 2
        )
        total = torch.zeros_like(signal)
        for block, dilations in enumerate(CONFIG["resblock_dilation_sizes"]):
            name, part = f"resblocks.{2 * stage + block}", signal
            for layer, dilation in enumerate(dilations):
                inner = convolved(f"{name}.convs1.{layer}", F.leaky_relu(part, 0.1), dilation)
                part = part + convolved(f"{name}.convs2.{layer}", F.leaky_relu(inner, 0.1))
            total = total + part
        signal = total / 2
    return torch.tanh(convolved("conv_post", F.leaky_relu(signal)))[0, 0]


def original(folder: Path, **changes: Any) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({**CONFIG, **changes}))
    torch.save({"generator": generator_weights()}, folder / "g_02500000")
    return folder


def test_an_original_generator_sounds_as_its_definition_says(tmp_path: Path) -> None:
    vocoder = open_hifi_gan(original(tmp_path / "hifi-gan"), RATE_HZ)
    assert vocoder.name == f"HiFi-GAN from {tmp_path / 'hifi-gan'}"
    samples = vocoder(MEL)
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, slow_sound(generator_weights(), MEL).numpy(), atol=1e-5)
    assert samples.std() > 0.01


def test_a_folder_of_transformers_is_read(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = SpeechT5HifiGanConfig(
        sampling_rate=RATE_HZ, upsample_initial_channel=16, upsample_rates=[8, 8, 4], upsample_kernel_sizes=[16, 16, 8],
        resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1, 3]], normalize_before=False,
    )  # fmt: skip
    generator = SpeechT5HifiGan(config).eval()
    generator.save_pretrained(tmp_path / "hf")
    with torch.no_grad():
        expected = generator(MEL.T).numpy()
    np.testing.assert_allclose(open_hifi_gan(tmp_path / "hf", RATE_HZ)(MEL), expected, atol=1e-6)
    with pytest.raises(InputError, match="sampling rate is 22050 and not 16000"):
        open_hifi_gan(tmp_path / "hf", 16_000)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"fmax": 11_025}, "fmax is 11025 and not 8000"),
        ({"hop_size": 300, "num_mels": 100}, "num_mels is 100 and not 80, hop_size is 300 and not 256"),
        ({"fmin": None}, "fmin is None and not 0"),
        ({"resblock": "2"}, "kind 2"),
        ({"upsample_initial_channel": 32}, "not whole"),
        ({"upsample_rates": None}, "not whole"),
    ],
)
def test_a_vocoder_for_other_spectrograms_is_refused(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        open_hifi_gan(original(tmp_path / "other", **changes), RATE_HZ)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("code has run",))


@pytest.mark.parametrize("content", [b"", b"rubbish", pickle.dumps(Evil())])
def test_damaged_weights_are_refused_and_code_in_them_never_runs(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = original(tmp_path / "damaged")
    (folder / "g_02500000").write_bytes(content)
    with pytest.raises(InputError, match="holds no weights of a generator"):
        open_hifi_gan(folder, RATE_HZ)
    assert "code has run" not in capsys.readouterr().out


def test_a_folder_without_configuration_or_with_two_generators_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config\.json cannot be read"):
        open_hifi_gan(tmp_path / "nothing", RATE_HZ)
    folder = original(tmp_path / "two")
    (folder / "g_00000001").write_bytes(b"")
    with pytest.raises(InputError, match="there are: g_00000001, g_02500000"):
        open_hifi_gan(folder, RATE_HZ)
    (folder / "config.json").write_text("[]")
    with pytest.raises(InputError, match="does not describe a vocoder"):
        open_hifi_gan(folder, RATE_HZ)


def test_a_voice_speaks_through_it_when_its_folder_is_named(tmp_path: Path) -> None:
    torch.manual_seed(0)
    workspace = Workspace(tmp_path, "anna")
    path = workspace.training("kokoro") / "best.pth"
    path.parent.mkdir(parents=True)
    save_kokoro(path, KokoroModel(len(TokenSet(VOICE.extra_phones)), SMALL))
    folder = original(tmp_path / "hifi-gan", sampling_rate=VOICE.rate_hz)
    through, plain = (
        np.concatenate(list(open_voice("anna", root=tmp_path, vocoder=vocoder).speak("Oh, ship!")))
        for vocoder in (folder, None)
    )
    assert len(through) == len(plain)
    assert not np.allclose(through, plain, atol=0.01)


@pytest.mark.parametrize("name", ["voices/en_US-anna-low.onnx", "anna"])
def test_a_voice_that_makes_sound_itself_wants_none(tmp_path: Path, name: str) -> None:
    path = Workspace(tmp_path, "anna").training("vits") / "best.pth"
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(InputError, match="needs no vocoder") as caught:
        open_voice(name, root=tmp_path, vocoder=tmp_path)
    assert caught.value.hint == "leave --vocoder out"
