"""`synctalk speak` and `synctalk export` from outside."""

from __future__ import annotations

import io
import json
import sys
import wave
from types import SimpleNamespace

import pytest

from synctalk.cli import main
from synctalk.media.encode import read_metadata
from tests.voice.test_trained import save

TEXT = "Hello there. This is a test."


@pytest.fixture
def root(tmp_path, couple):
    from synctalk.workspace import Workspace

    save(Workspace(tmp_path, "our couple"), couple)
    return tmp_path


def words(root, *more: str) -> list[str]:
    return ["speak", "our couple", "--root", str(root), *more]


def seconds(path) -> float:
    with wave.open(str(path)) as file:
        return file.getnframes() / file.getframerate()


@pytest.mark.parametrize("name", ["a.wav", "b.mp3"])
def test_a_dataset_speaks_into_a_file_that_says_what_it_is(root, name: str) -> None:
    assert main(words(root, "--text", TEXT, "--out", str(root / name), "--speaker", "ben", "--seed", "1")) == 0
    told = read_metadata(root / name)
    assert told["comment"].startswith("Synthetic speech")
    assert "'our couple' (vits/best.pth, epoch 3)" in told["comment"]


def test_the_same_seed_gives_the_same_samples_and_speed_fewer(root) -> None:
    for name, speed in (("a", "1"), ("b", "1"), ("c", "2")):
        out = str(root / f"{name}.wav")
        assert main(words(root, "--text", TEXT, "--out", out, "--seed", "5", "--speed", speed)) == 0
    first, second = ((root / name).read_bytes().partition(b"data")[2] for name in ("a.wav", "b.wav"))
    assert first == second
    assert seconds(root / "c.wav") < 0.8 * seconds(root / "a.wav")


def test_an_exported_voice_speaks(anna_onnx, tmp_path) -> None:
    out = str(tmp_path / "a.wav")
    assert main(["speak", str(anna_onnx), "--text", TEXT, "--out", out, "--root", str(tmp_path)]) == 0
    assert seconds(out) > 0.5


def test_a_text_comes_from_a_file_or_from_a_pipe(root, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "text.txt").write_bytes("\ufeffHello — you.".encode())
    assert main(words(root, "--file", str(root / "text.txt"), "--out", str(root / "a.wav"))) == 0
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"Hello you.")))
    assert main(words(root, "--file", "-", "--out", str(root / "b.wav"))) == 0
    assert seconds(root / "b.wav") > 0.1


def test_sound_goes_to_a_pipe_as_wav_and_nothing_else(root, capfdbinary, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=pipe, flush=lambda: None))
    assert main(words(root, "--text", TEXT, "--out", "-")) == 0
    assert pipe.getvalue().startswith(b"RIFF")
    assert len(pipe.getvalue()) > 10_000
    assert capfdbinary.readouterr().out == b""


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--text", TEXT, "--out", "a.ogg"], "neither wav nor mp3"),
        (["--text", " ", "--out", "a.wav"], "nothing to say"),
        (["--text", TEXT, "--out", "a.wav", "--speed", "9"], "--speed 1"),
        (["--file", "none", "--out", "a.wav"], "none"),
        (["--text", TEXT, "--out", "a.wav", "--speaker", "x"], "anna, ben"),
        (["--text", TEXT, "--out", "a.wav", "--checkpoint", "9"], "best.pth"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_with_what_to_do(root, more, message: str, monkeypatch, capsys) -> None:
    monkeypatch.chdir(root)
    assert main(words(root, *more)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "hint:" in error
    assert sorted(path.name for path in root.iterdir()) == ["checkpoint"]


def test_a_file_that_is_no_text_is_refused(root, capsys) -> None:
    (root / "text.txt").write_bytes(b"\xff\xfe\x00")
    assert main(words(root, "--file", str(root / "text.txt"), "--out", str(root / "a.wav"))) == 2
    assert "UTF-8" in capsys.readouterr().err


def test_a_dataset_without_a_voice_is_told_how_to_get_one(tmp_path, capsys) -> None:
    for command in (["speak", "anna", "--text", TEXT, "--out", str(tmp_path / "a.wav")], ["export", "anna"]):
        assert main([*command, "--root", str(tmp_path)]) == 2
        assert f"synctalk run --root {tmp_path} anna --line voice" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_voice_is_exported_and_speaks(root, capsys) -> None:
    command = ["export", "our couple", "--root", str(root), "--name", "duo", "--quality", "low"]
    assert main([*command, "--out", str(root / "out")]) == 0
    voice = root / "out" / "en_US-duo-low.onnx"
    assert f"wrote {voice}" in capsys.readouterr().err
    assert json.loads(voice.with_name(voice.name + ".json").read_text())["speaker_id_map"] == {"anna": 0, "ben": 1}
    spoken = ["speak", str(voice), "--text", TEXT, "--speaker", "ben", "--out", str(root / "a.wav")]
    assert main([*spoken, "--root", str(root)]) == 0


def test_the_sample_text_is_that_of_the_dataset(root, capsys) -> None:
    folder = root / "dataset" / "our couple"
    folder.mkdir(parents=True)
    (folder / "synctalk.toml").write_text('[voice]\nsample_text = "你好"\n')
    assert main(["export", "our couple", "--root", str(root), "--format", "hf"]) == 2
    assert "holds nothing" in capsys.readouterr().err
    assert list((root / "result" / "voices").iterdir()) == []
