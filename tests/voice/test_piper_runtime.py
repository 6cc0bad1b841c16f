"""The contract with Piper's own runtime: what is exported speaks there, through each of its doors.

The runtime is GPL; it lives in an environment of its own (`.cache/piper-runtime`, made once with pip), is only ever
started as a process, and nothing here is imported from it. Run with `make test-slow`.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
import venv
import wave
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from synctalk.voice.alphabet import Alphabet
from synctalk.voice.espeak import phonemes_of
from synctalk.voice.onnx_voice import open_onnx_voice
from synctalk.voice.reader import Delivery

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

RUNTIME = "piper-tts[http,alignment]==1.8.0"
TEXT = "“Hi”, she said — LOUDLY… x-ray: 5!"  # one sentence for us; the runtime never splits letters
API = """
import json, sys
import numpy as np
from piper import PiperVoice, SynthesisConfig

model, text, speaker, scale, target = sys.argv[1:]
voice = PiperVoice.load(model, include_alignments=True)
how = SynthesisConfig(
    speaker_id=int(speaker), length_scale=float(scale), noise_scale=0.0, noise_w_scale=0.0, normalize_audio=False
)
chunks = list(voice.synthesize(text, how, include_alignments=True))
np.save(target, np.concatenate([chunk.audio_float_array for chunk in chunks]))
aligned = [[int(each.num_samples) for each in chunk.phoneme_alignments or ()] for chunk in chunks]
print(json.dumps({
    "ids": [chunk.phoneme_ids for chunk in chunks],
    "aligned": aligned,
    "rate": chunks[0].sample_rate,
}))
"""


@pytest.fixture(scope="module")
def runtime(repository: Path) -> Path:
    """The interpreter that has Piper's runtime."""
    folder = repository / ".cache" / "piper-runtime"
    python = folder / "bin" / "python"
    if not list(folder.glob("lib/*/site-packages/piper/__init__.py")):
        venv.create(folder, with_pip=True)
        done = subprocess.run([python, "-m", "pip", "install", "--quiet", RUNTIME], capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"Piper's runtime cannot be installed here: {done.stderr.decode()[-300:]}")
    return python


def ask(python: Path, *words: object) -> str:
    done = subprocess.run([python, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def spoken_here(path: Path, speaker: str, speed: float) -> np.ndarray:
    voice = open_onnx_voice(path)
    delivery = Delivery(speaker=speaker, speed=speed, noise=0.0, duration_noise=0.0)
    return np.concatenate(list(voice.speak(TEXT, delivery)))


def test_our_map_is_the_runtimes_own(runtime: Path) -> None:
    program = "import json, piper.phoneme_ids as p; print(json.dumps(p.DEFAULT_PHONEME_ID_MAP))"
    theirs = json.loads(ask(runtime, "-c", program))
    ours = Alphabet().ids
    assert {sign: [number] for sign, number in ours.items()} == {sign: theirs[sign] for sign in ours}
    assert all(min(ids) >= 161 for sign, ids in theirs.items() if sign not in ours)


SENTENCES = (
    "Hello, Dr. Smith paid $3.50: why?", "Well... it's \"odd\"; isn't it!", "Yes — no (maybe).", "He said, “Stop.”",
    "What?! Really?", "Wait… what", "x: y", "Chapter IV. The end", "one", "a-b, c; d: e", "dot.com, ok", "Hmm...",
)  # fmt: skip
PHONEMES = """
import json, sys
from piper.phonemize_espeak import EspeakPhonemizer

told = EspeakPhonemizer()
print(json.dumps([[" ".join("".join(each) for each in told.phonemize(*asked))] for asked in json.load(sys.stdin)]))
"""


@pytest.mark.usefixtures("real_espeak")
def test_its_phonemes_are_ours_but_for_glides_that_only_its_newer_espeak_writes(runtime: Path) -> None:
    asked = [("en-us", text) for text in SENTENCES] + [("de", "Er sagte: „Halt!“ und ging."), ("cmn", "你好。再见！")]
    asked += [("fr", "Bonjour ! Ça va ? Oui : non ; peut-être…"), ("ur", "مرحبا۔ آپ"), ("el", "Τι κάνεις; Καλά.")]
    done = subprocess.run(
        [runtime, "-c", PHONEMES], input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    for (voice, text), (theirs,) in zip(asked, json.loads(done.stdout), strict=True):
        assert phonemes_of([text], voice) == [" ".join(theirs.replace("ʲ", "").split())], text


@pytest.mark.parametrize("speaker", [0, 1])
@pytest.mark.parametrize("scale", [1.0, 1.6])
def test_its_python_speaks_as_we_do(runtime, anna_onnx, couple_onnx, tmp_path, speaker: int, scale: float) -> None:
    model = couple_onnx if speaker else anna_onnx
    told = json.loads(ask(runtime, "-c", API, model, TEXT, speaker, scale, tmp_path / "x.npy"))
    assert told["ids"] == [Alphabet(("ё",)).encode(TEXT)]
    assert told["rate"] == 22_050
    found, expected = np.load(tmp_path / "x.npy"), spoken_here(model, str(speaker), 1 / scale)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4
    (aligned,) = told["aligned"]
    assert sum(aligned) == len(found)


@pytest.mark.parametrize("speaker", [None, 1])
def test_its_command_line_writes_a_wav(runtime, anna_onnx, couple_onnx, tmp_path, speaker: int | None) -> None:
    model, who = (anna_onnx, []) if speaker is None else (couple_onnx, ["-s", speaker])
    ask(runtime, "-m", "piper", "-m", model, *who, "-f", tmp_path / "out.wav", "--", TEXT)
    with wave.open(str(tmp_path / "out.wav")) as file:
        assert file.getframerate() == 22_050
        assert file.getnframes() > 11_025
        assert np.any(np.frombuffer(file.readframes(file.getnframes()), "<i2"))


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def post(port: int, **fields: object) -> bytes:
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/synthesize",
        data=json.dumps(fields).encode(),
        headers={"Content-Type": "application/json"},
    )
    end = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def test_its_server_answers_with_speech_of_both_speakers(runtime, couple_onnx, tmp_path) -> None:
    port = free_port()
    words = ["-m", "piper.http_server", "-m", couple_onnx, "--host", "127.0.0.1", "--port", port]
    command = [str(word) for word in (runtime, *words, "--data-dir", tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            still = {"text": TEXT, "noise_scale": 0.0, "noise_w_scale": 0.0}
            answers = [post(port, **still, speaker=who) for who in ("anna", "ben")]
            slow = post(port, **still, speaker="anna", length_scale=2.0)
        finally:
            server.terminate()
    lengths = []
    for answer in (*answers, slow):
        with wave.open(BytesIO(answer)) as file:
            assert file.getframerate() == 22_050
            lengths.append(file.getnframes())
    assert answers[0] != answers[1]
    assert lengths[2] > 1.3 * lengths[0]
