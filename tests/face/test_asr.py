"""Audio features of the older network: what is refused at once, and what is heard around each frame."""

import json
import subprocess
import sys

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st

from synctalk.errors import ExitCode, InputError, MissingPartError
from synctalk.face import audio_features
from synctalk.face.asr import FEATURE_SHAPES, check_asr
from synctalk.face.ave import AudioEncoder
from synctalk.media.mel import mel_spectrogram

SAMPLES_PER_FRAME = 640


@pytest.fixture(scope="module")
def encoder(fill):
    return fill(AudioEncoder())


@pytest.fixture(scope="module")
def ave_file(encoder, tmp_path_factory):
    path = tmp_path_factory.mktemp("ave") / "audio_visual_encoder.pth"
    torch.save(encoder.audio_encoder.state_dict(), path)
    return path


def voice(seconds, *, seed=1):
    generator = np.random.default_rng(seed)
    times = np.arange(int(seconds * 16_000)) / 16_000
    loudness = 0.5 + 0.5 * np.sin(2 * np.pi * 2.3 * times)
    return (0.1 * loudness * generator.standard_normal(len(times))).astype(np.float32)


# ------------------------------------------------------------------------------------------------ refused at once


def test_the_check_loads_nothing_heavy():
    code = (
        "import sys; from synctalk.face.asr import check_asr; check_asr('ave', ''); "
        "print([name for name in ('numpy', 'torch', 'transformers') if name in sys.modules])"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("mode", "model", "error", "message"),
    [
        ("hubert", "", InputError, "needs a local folder"),
        ("hubert", "nowhere", InputError, "no HuBERT folder at nowhere"),
        ("wenet", "", MissingPartError, "streaming ONNX encoder"),
        ("ave", "nowhere.pth", InputError, "no AVE weights at nowhere.pth"),
        ("deepspeech", "", InputError, "no audio features called 'deepspeech'"),
        ("", "", InputError, "no audio features called ''"),
    ],
)
def test_what_cannot_work_is_refused_with_advice(mode, model, error, message):
    with pytest.raises(error, match=message) as caught:
        check_asr(mode, model)
    assert caught.value.exit_code == ExitCode.BAD_INPUT
    assert "--asr" in caught.value.hint or "main.asr_model" in caught.value.hint


def test_ave_needs_no_weights_to_train_but_some_to_listen():
    assert check_asr("ave", "") == "ave"
    with pytest.raises(InputError, match="needs the weights of the AVE audio encoder"):
        audio_features.features_for("ave", voice(1), frames=25, model_path="")


def test_what_the_hubert_folder_lacks_is_listed(tmp_path):
    with pytest.raises(InputError, match=r"lacks config\.json and model\.safetensors"):
        check_asr("hubert", tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"lacks model\.safetensors"):
        check_asr("hubert", tmp_path)
    (tmp_path / "pytorch_model.bin").touch()
    for config, message in (
        ("{}", "nameless model of size 0"),
        ('{"model_type": "hubert", "hidden_size": 768}', "hubert model of size 768"),
        ("no json", "cannot read"),
    ):
        (tmp_path / "config.json").write_text(config)
        with pytest.raises(InputError, match=message):
            check_asr("hubert", tmp_path)


def test_a_missing_library_is_named_with_its_installation(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)  # how Python itself keeps a library from being found
    (tmp_path / "config.json").write_text('{"model_type": "hubert", "hidden_size": 1024}')
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(MissingPartError) as caught:
        check_asr("hubert", tmp_path)
    assert caught.value.hint == 'pip install "synctalk[voice]"'


# ---------------------------------------------------------------------------------------------- around each frame


@hypothesis.given(rows=st.integers(1, 40), frames=st.integers(0, 45))
def test_a_frame_sees_eight_rows_before_and_seven_after(rows, frames):
    numbers = np.arange(rows, dtype=np.float32)[:, None] * [1, 100]
    seen = audio_features.surround(numbers, frames=frames)
    assert seen.shape == (frames, 16, 2)
    for frame in range(frames):
        expected = [min(max(row, 0), rows - 1) for row in range(frame - 8, frame + 8)]
        assert seen[frame, :, 0].tolist() == expected
        assert seen[frame, :, 1].tolist() == [100 * row for row in expected]


@pytest.mark.parametrize("seconds", [2, 5])
def test_there_is_one_mel_window_per_frame_but_the_last(seconds):
    mel = mel_spectrogram(voice(seconds))
    rows = audio_features.mel_rows(mel)
    assert rows.shape == (25 * seconds - 1, 80, 16)
    np.testing.assert_array_equal(rows[0], mel[:16].T)
    np.testing.assert_array_equal(rows[1], mel[:16].T)
    np.testing.assert_array_equal(rows[31], mel[96:112].T)
    np.testing.assert_array_equal(rows[-1], mel[-16:].T)


@pytest.mark.parametrize("seconds", [0, 0.01, 0.04, 0.3])
def test_even_a_moment_of_sound_has_features(ave_file, seconds):
    features = audio_features.features_for("ave", voice(seconds), frames=9, model_path=ave_file)
    assert features.shape == (9, 32, 16, 16)
    assert np.isfinite(features).all()


def test_ave_features_are_the_encoded_windows_in_the_older_layout(ave_file, encoder):
    samples = voice(2)
    features = audio_features.features_for("ave", samples, frames=50, model_path=ave_file)
    windows = torch.from_numpy(audio_features.mel_rows(mel_spectrogram(samples)))
    with torch.inference_mode():
        vectors = encoder(windows[:, None]).numpy()
    np.testing.assert_allclose(features[20], vectors[12:28].reshape(32, 16, 16), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(features[20, 2, 3], vectors[13, 48:64], rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(features[0, 0], features[0, 14])
    np.testing.assert_array_equal(features[49, 30], features[49, 16])
    assert features.dtype == np.float32
    assert not features.flags.writeable


def test_a_training_of_the_encoder_hears_what_rendering_hears(ave_file, encoder):
    samples = voice(1.2)
    windows = audio_features.mel_windows(mel_spectrogram(samples), frames=30)
    assert windows.shape == (30, 16, 80, 16)
    with torch.inference_mode():
        vectors = encoder(torch.tensor(windows[[0, 17, 29]]).reshape(-1, 1, 80, 16)).numpy()
    features = audio_features.features_for("ave", samples, frames=30, model_path=ave_file)
    np.testing.assert_allclose(vectors.reshape(3, *FEATURE_SHAPES["ave"]), features[[0, 17, 29]], rtol=1e-4, atol=1e-4)


def test_a_stretch_of_a_long_sound_is_heard_as_in_the_whole(ave_file):
    samples = voice(8)
    whole = audio_features.features_for("ave", samples, frames=200, model_path=ave_file)
    part = audio_features.features_for("ave", samples[50 * 640 : 150 * 640], frames=100, model_path=ave_file)
    np.testing.assert_allclose(part[20:-20], whole[70:130], rtol=1e-4, atol=1e-3)


# ------------------------------------------------------------------------------------------------------- HuBERT


def near_listener(calls):
    """A 50 Hz extractor whose rows are sums over 400 samples, and means over 0.8 s to each side."""

    def listen(block):
        calls.append(len(block))
        near = np.lib.stride_tricks.sliding_window_view(block, 400)[::320].sum(axis=1)
        return np.stack([near, np.convolve(near, np.full(81, 1 / 81), "full")[40:-40]], axis=1)

    return listen


@hypothesis.given(count=st.one_of(st.integers(0, 3000), st.integers(319_000, 322_000), st.integers(639_000, 656_000)))
@hypothesis.settings(max_examples=25)
def test_long_sounds_are_heard_in_blocks_without_seams(count):
    samples = np.random.default_rng(count).standard_normal(count).astype(np.float32)
    calls = []
    pairs = audio_features.paired_rows(samples, near_listener(calls))
    whole = near_listener([])(np.pad(samples, (0, max(0, 400 - count))))
    assert pairs.shape == ((len(whole) + 1) // 2, 2, 2)
    np.testing.assert_allclose(pairs.reshape(-1, 2)[: len(whole)], whole, atol=1e-4)
    np.testing.assert_allclose(pairs[-1, 1], whole[-1], atol=1e-4)
    assert max(calls) <= 22 * 16_000 + 80


def test_a_second_of_sound_gives_a_pair_per_frame():
    assert len(audio_features.paired_rows(voice(1), near_listener([]))) == 25


@pytest.fixture(scope="module")
def hubert_folder(tmp_path_factory):
    """A HuBERT with random weights and the output size of the large one."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("hubert")
    config = transformers.HubertConfig(
        hidden_size=1024,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=64,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
    )
    transformers.HubertModel(config).save_pretrained(folder)
    return folder


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_hubert_features_come_from_a_local_folder(hubert_folder):
    features = audio_features.features_for("hubert", voice(2), frames=50, model_path=hubert_folder)
    assert features.shape == (50, 32, 32, 32)
    assert np.isfinite(features).all()
    louder = audio_features.features_for("hubert", 0.1 * voice(2), frames=50, model_path=hubert_folder)
    np.testing.assert_allclose(louder, features, atol=1e-2)
    assert np.abs(features[25] - features[40]).max() > 0.1


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_hubert_that_lacks_weights_is_refused(hubert_folder, tmp_path):
    config = json.loads((hubert_folder / "config.json").read_text()) | {"num_hidden_layers": 2}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes((hubert_folder / "model.safetensors").read_bytes())
    with pytest.raises(InputError, match=r"lack .* entries, the first is encoder\.layers\.1"):
        audio_features.features_for("hubert", voice(1), frames=25, model_path=tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot load a HuBERT model"):
        audio_features.features_for("hubert", voice(1), frames=25, model_path=tmp_path)
