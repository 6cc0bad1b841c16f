"""A rendered video is finished and honest: right length, right mouth, right words about itself; or it is not there."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from synctalk.config import SAMPLES_PER_FRAME, PreprocessSettings, Settings
from synctalk.errors import InputError
from synctalk.face.footage import open_footage
from synctalk.face.framewalk import Loop
from synctalk.face.mask import face_masks
from synctalk.face.metrics import psnr
from synctalk.face.preprocess import run_preprocess
from synctalk.face.provenance import STATEMENT, read_provenance
from synctalk.face.render import Renderer, RenderOptions, read_sound, render_dataset
from synctalk.files import content_hash
from synctalk.media.audio import read_audio, write_wav
from synctalk.media.encode import VideoWriter, find_ffmpeg
from synctalk.media.video import FrameReader, probe
from synctalk.outcome import Outcome
from synctalk.workspace import Workspace
from tests.stage_context import stage_context

FAST = "ultrafast"


def render(footage, painter, audio: Path, out: Path, **options) -> list[np.ndarray]:
    result = Renderer(footage, painter, RenderOptions(preset=FAST, **options)).render(audio, out)
    assert result.outcome is Outcome.FINISHED
    return list(FrameReader(out).frames())


def mouth_darkness(frame: np.ndarray, footage, painter, number: int) -> float:
    """How dark the place of the painted mouth is, where the source frame is `number`."""
    box = footage.box(number, painter.size_px)
    x, y = np.linalg.solve(box[:, :2], np.array(painter.mouth) - box[:, 2]).round().astype(int)
    return 255 - float(frame[y - 1 : y + 2, x - 1 : x + 2].mean())


class TestVideo:
    def test_is_as_long_as_its_sound_and_says_what_it_is(self, workspace, footage, painter, speech, tmp_path) -> None:
        out = tmp_path / "new folder" / "ролик 1.mp4"
        options = RenderOptions(preset=FAST, voice="ben, vits/best.pth, epoch 3")
        result = Renderer(footage, painter, options, model="best").render(speech, out)
        facts = probe(out)
        assert (facts.codec, facts.width, facts.height, facts.has_audio) == ("h264", 256, 256, True)
        assert facts.fps == pytest.approx(25)
        sound = read_sound(speech)
        assert abs(facts.duration_s - len(sound) / 16_000) < 1 / 25
        assert abs(len(read_audio(out)) / 16_000 - facts.duration_s) < 1 / 25
        assert result.frames == 55
        assert result.duration_s == pytest.approx(2.2)
        assert set(result.parts) == {"hear", "decode", "crop", "network", "paste", "encode"}
        said = read_provenance(out)
        assert said["statement"] == STATEMENT
        assert (said["dataset"], said["model"], said["voice"]) == (workspace.name, "best", options.voice)
        assert said["sound_xxh3"] == content_hash(speech)
        assert [path.name for path in out.parent.iterdir()] == [out.name]

    def test_has_the_usual_colours_and_its_index_in_front(self, footage, painter, speech, tmp_path) -> None:
        out = tmp_path / "out.mp4"
        render(footage, painter, speech, out)
        said = subprocess.run([find_ffmpeg(), "-hide_banner", "-i", out], capture_output=True, text=True, check=False)
        assert "yuv420p(tv, bt709" in said.stderr
        content = out.read_bytes()
        assert content.index(b"moov") < content.index(b"mdat")

    def test_has_the_sound_of_the_file_untouched(self, footage, painter, speech, tmp_path) -> None:
        out = tmp_path / "out.mp4"
        render(footage, painter, speech, out)
        original, heard = read_audio(speech), read_audio(out)
        assert np.corrcoef(original[:30_000], heard[:30_000])[0, 1] > 0.99
        assert np.abs(heard[28_000:30_000]).max() > 0  # the faint noise after the words is still there

    def test_is_the_source_outside_the_face(self, footage, painter, speech, tmp_path) -> None:
        frames = render(footage, painter, speech, tmp_path / "out.mp4", start_frame=22, crf=1)
        originals = list(footage.reader.frames())
        for step in (0, 9, 17):
            difference = np.abs(frames[step][:60].astype(int) - originals[22 + step][:60])
            assert difference.mean() < 2


class TestMouth:
    def test_opens_with_the_sound_of_its_own_frame(self, footage, painter, speech, tmp_path) -> None:
        frames = render(footage, painter, speech, tmp_path / "out.mp4", start_frame=0)
        darker = [
            mouth_darkness(frame, footage, painter, step) - mouth_darkness(original, footage, painter, step)
            for step, (frame, original) in enumerate(zip(frames, footage.follow(range(19)), strict=False))
        ]
        is_open = [difference > 25 for difference in darker]
        assert is_open == [step >= 10 for step in range(19)]

    @pytest.mark.parametrize(("rests", "is_open"), [(True, False), (False, True)])
    def test_rests_in_a_humming_silence(self, footage, painter, speech, tmp_path, rests, is_open) -> None:
        samples = read_audio(speech)
        hum = 0.03 * np.sin(2 * np.pi * 150 * np.arange(len(samples)) / 16_000).astype(np.float32)
        write_wav(tmp_path / "hum.wav", np.clip(samples + hum, -1, 1), rate_hz=16_000)
        frames = render(
            footage, painter, tmp_path / "hum.wav", tmp_path / "out.mp4", start_frame=0, rests_in_silence=rests
        )
        quiet = render(footage, painter, speech, tmp_path / "quiet.mp4", start_frame=0)
        darker = mouth_darkness(frames[1], footage, painter, 1) - mouth_darkness(quiet[1], footage, painter, 1)
        assert (darker > 20) == is_open


class TestDataset:
    def test_that_is_trained_speaks(self, trained, speech, tmp_path) -> None:
        result = render_dataset(trained, speech, tmp_path / "out.mp4", options=RenderOptions(preset=FAST, device="cpu"))
        assert (result.outcome, result.frames) == (Outcome.FINISHED, 55)
        assert read_provenance(tmp_path / "out.mp4")["model"] == "anna 1/main"

    def test_that_is_not_trained_names_the_command(self, workspace, speech, tmp_path) -> None:
        with pytest.raises(InputError, match="nothing is trained"):
            render_dataset(workspace, speech, tmp_path / "out.mp4")


class TestWalk:
    def test_begins_at_the_wrapped_start_frame(self, footage, painter, speech, tmp_path) -> None:
        frames = render(footage, painter, speech, tmp_path / "out.mp4", start_frame=30 + 66, crf=1)
        original = next(footage.follow([30]))
        assert np.abs(frames[0][:60].astype(int) - original[:60]).mean() < 2

    @pytest.mark.parametrize("loop", Loop)
    def test_that_returns_ends_as_it_began(self, footage, painter, speech, tmp_path, loop) -> None:
        frames = render(footage, painter, speech, tmp_path / "o.mp4", start_frame=8, loop=loop, returns=True, crf=1)
        assert np.abs(frames[-1][:60].astype(int) - frames[0][:60]).mean() < 1

    def test_goes_on_when_the_source_is_shorter_than_the_sound(self, footage, painter, tmp_path) -> None:
        write_wav(tmp_path / "long.wav", np.zeros(16_000 * 8, np.float32), rate_hz=16_000)
        assert len(render(footage, painter, tmp_path / "long.wav", tmp_path / "out.mp4", loop=Loop.FORWARD)) == 200

    def test_mark_is_put_on_when_asked(self, footage, painter, speech, tmp_path) -> None:
        plain = render(footage, painter, speech, tmp_path / "plain.mp4", start_frame=0)
        marked = render(footage, painter, speech, tmp_path / "marked.mp4", start_frame=0, has_mark=True)
        difference = np.abs(plain[3].astype(int) - marked[3])
        assert difference[-24:, :60].mean() > 10
        assert difference[:-40].mean() < 1


class TestSound:
    def test_may_come_from_a_video(self, footage, painter, workspace, tmp_path) -> None:
        frames = render(footage, painter, workspace.dataset / "source.mp4", tmp_path / "out.mp4")
        assert abs(len(frames) - 66) <= 1

    def test_that_is_too_short_is_refused(self, footage, painter, tmp_path) -> None:
        write_wav(tmp_path / "click.wav", np.ones(4 * SAMPLES_PER_FRAME, np.float32), rate_hz=16_000)
        with pytest.raises(InputError, match=r"only 0\.16 s"):
            Renderer(footage, painter, RenderOptions()).render(tmp_path / "click.wav", tmp_path / "out.mp4")
        assert not (tmp_path / "out.mp4").exists()

    def test_that_is_not_there_is_refused_before_anything_is_loaded(self, tmp_path) -> None:
        with VideoWriter(tmp_path / "silent.mp4", width=32, height=32, preset=FAST) as writer:
            writer.write(np.zeros((32, 32, 3), np.uint8))
        (tmp_path / "text.wav").write_text("hello")
        for name in ("missing.wav", "text.wav", "silent.mp4"):
            with pytest.raises(InputError, match=name):
                render_dataset(Workspace(tmp_path, "nobody"), tmp_path / name, tmp_path / "out.mp4")

    def test_for_a_dataset_that_is_not_prepared_names_the_command(self, speech, tmp_path) -> None:
        with pytest.raises(InputError, match="not prepared") as caught:
            render_dataset(Workspace(tmp_path, "nobody"), speech, tmp_path / "out.mp4")
        assert "synctalk run nobody" in caught.value.hint


class TestStopping:
    def test_leaves_nothing_half_made_and_keeps_the_old_file(self, footage, painter, speech, tmp_path) -> None:
        out = tmp_path / "out" / "video.mp4"
        out.parent.mkdir()
        out.write_bytes(b"the old one")
        asked = []

        def should_stop() -> bool:
            asked.append(True)
            return len(asked) > 10

        result = Renderer(footage, painter, RenderOptions()).render(speech, out, should_stop=should_stop)
        assert result.outcome is Outcome.INTERRUPTED
        assert result.frames == 10
        assert out.read_bytes() == b"the old one"
        assert [path.name for path in out.parent.iterdir()] == ["video.mp4"]

    def test_an_error_leaves_nothing_either(self, footage, painter, speech, tmp_path) -> None:
        def broken(*_: np.ndarray) -> np.ndarray:
            raise InputError("the network is broken")

        painter.predict = broken
        with pytest.raises(InputError, match="broken"):
            Renderer(footage, painter, RenderOptions()).render(speech, tmp_path / "out" / "video.mp4")
        assert not list((tmp_path / "out").iterdir())

    def test_never_replaces_the_person_or_the_sound(self, footage, painter, speech, workspace) -> None:
        for source in (workspace.dataset / "source.mp4", speech):
            with pytest.raises(InputError, match="never replaced"):
                Renderer(footage, painter, RenderOptions()).render(speech, source)


@pytest.mark.real_data
def test_a_real_clip_survives_the_way_through_crops_and_back(real_data, tmp_path) -> None:
    """A network that changes nothing must give back the clip, however far it was cut, turned and pasted."""
    workspace = Workspace(tmp_path, "grid")
    workspace.dataset.mkdir(parents=True)
    shutil.copyfile(real_data / "video" / "grid" / "bbaf2n.mpg", workspace.dataset / "source.mpg")
    run_preprocess(stage_context(workspace, Settings(preprocess=PreprocessSettings(size_px=128)), stage="preprocess"))
    footage = open_footage(workspace)

    class Copier:
        size_px = 128
        alpha = face_masks(footage.recording.points[footage.usable], size_px=128).alpha

        def hear(self, samples: np.ndarray, *, frames: int) -> np.ndarray:
            return np.zeros((frames, 1), np.float32)

        def predict(self, targets: np.ndarray, references: np.ndarray, audio: np.ndarray) -> np.ndarray:
            return targets

    write_wav(tmp_path / "sound.wav", np.zeros(16_000 * 80 // 25, np.float32), rate_hz=16_000)
    frames = render(footage, Copier(), tmp_path / "sound.wav", tmp_path / "out.mp4", start_frame=0, crf=4)
    walk = [*range(footage.count), *range(footage.count - 2, 0, -1)][: len(frames)]
    likeness = [psnr(frame, true) for frame, true in zip(frames, footage.follow(walk), strict=True)]
    assert len(frames) == 80
    assert min(likeness) > 36
