"""The stage `preprocess` on drawn recordings: what it makes, what it refuses, and that a kill changes nothing."""

from __future__ import annotations

import hashlib
import multiprocessing
import runpy
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest

from synctalk import faults
from synctalk.config import PreprocessSettings, Settings
from synctalk.errors import ExitCode, InputError, StorageError
from synctalk.face import onepass, preprocess
from synctalk.face.footage import open_footage
from synctalk.face.opening import mouth_opening
from synctalk.face.preprocess import check_room, run_preprocess
from synctalk.face.presenter import Scene, draw_presenter, film_presenter, perform_babble
from synctalk.face.report import Report
from synctalk.media.audio import read_audio
from synctalk.media.crop import find_jumps, fit_box, smooth_boxes, to_crop, warp
from synctalk.media.mel import mel_spectrogram
from synctalk.media.video import FrameReader
from synctalk.outcome import Outcome
from synctalk.pipeline.stage import StageContext
from synctalk.workspace import Workspace
from tests.pictures import CONTACT_SHEET, drawn_once
from tests.stage_context import stage_context

SECONDS = 2.6
FRAMES = 65
SEGMENT_FRAMES = 20
MADE = ("aud.wav", "crops.npy", "boxes.npy", "landmarks.npy", "mel.npy", "source.json", "report.json", "report.png")
PARTIAL = ".partial"

Films = Callable[..., Path]


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    """Films of the presenter, each made once: `films(scene=..., seconds=..., size_px=...)`."""
    made: dict[tuple[object, ...], Path] = {}
    folder = tmp_path_factory.mktemp("films")

    def film(scene: Scene = Scene.PRESENTER, seconds: float = SECONDS, size_px: int = 192) -> Path:
        key = (scene, seconds, size_px)
        if key not in made:
            made[key] = folder / f"{len(made)}.mp4"
            film_presenter(made[key], perform_babble(seconds, seed=5), seed=4, size_px=size_px, scene=scene)
        return made[key]

    return film


@pytest.fixture(autouse=True)
def _pictures() -> Iterator[None]:
    with drawn_once(CONTACT_SHEET):
        yield


@pytest.fixture
def prepare(tmp_path: Path) -> Callable[..., StageContext]:
    """A dataset with one video in it, and the context to prepare it in."""

    def dataset(video: Path, *, name: str = "anna", size_px: int = 64, fingerprint: str = "f") -> StageContext:
        workspace = Workspace(tmp_path, name)
        workspace.dataset.mkdir(parents=True, exist_ok=True)
        shutil.copy(video, workspace.dataset / f"source{video.suffix}")
        return context_of(workspace, size_px=size_px, fingerprint=fingerprint)

    return dataset


def context_of(workspace: Workspace, *, size_px: int = 64, fingerprint: str = "f") -> StageContext:
    return stage_context(
        workspace, Settings(preprocess=PreprocessSettings(size_px=size_px)), stage="preprocess", fingerprint=fingerprint
    )


def digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in MADE}


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def after_frames(count: int) -> Callable[[], bool]:
    """A wish to stop that comes with the given frame, not while the sound is read."""
    frames = iter(range(count))
    return lambda: sys._getframe(1).f_globals["__name__"] == onepass.__name__ and next(frames, None) is None


# ------------------------------------------------------------------------------------------- what it makes


@pytest.fixture(scope="session")
def prepared(films: Films, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A dataset prepared in one go, in short segments; to be read only."""
    workspace = Workspace(tmp_path_factory.mktemp("prepared"), "anna")
    workspace.dataset.mkdir(parents=True)
    shutil.copy(films(), workspace.dataset / "source.mp4")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preprocess, "SEGMENT_FRAMES", SEGMENT_FRAMES)
        result = run_preprocess(context_of(workspace))
    assert result.outcome is Outcome.FINISHED
    assert result.summary["frames"] == FRAMES
    assert result.summary["frames with a face"] == 1
    return workspace


def test_nothing_but_the_dataset_is_left(prepared: Workspace) -> None:
    assert names_in(prepared.face) == set(MADE)


def test_arrays_have_the_documented_shapes(prepared: Workspace) -> None:
    arrays = {name: np.load(prepared.face / f"{name}.npy") for name in ("crops", "boxes", "landmarks", "mel")}
    described = {name: (array.dtype.name, array.shape) for name, array in arrays.items()}
    assert described == {
        "crops": ("uint8", (FRAMES, 64, 64, 3)),
        "boxes": ("float64", (FRAMES, 2, 3)),
        "landmarks": ("float32", (FRAMES, 478, 2)),
        "mel": ("float32", (FRAMES * 640 // 200 + 1, 80)),
    }


def test_sound_and_mel_belong_to_the_picture(prepared: Workspace) -> None:
    samples = read_audio(prepared.face / "aud.wav")
    assert len(samples) == FRAMES * 640
    np.testing.assert_array_equal(np.load(prepared.face / "mel.npy"), mel_spectrogram(samples))
    said = perform_babble(SECONDS, seed=5)
    truth = np.interp(np.arange(len(samples)) / 16_000, np.arange(len(said.samples)) / 22_050, said.samples)
    if len(said.samples) == len(samples):
        truth = said.samples
    assert np.corrcoef(np.abs(samples), np.abs(truth))[0, 1] > 0.8


def test_the_mouth_in_the_landmarks_is_the_mouth_that_was_drawn(prepared: Workspace) -> None:
    landmarks = np.load(prepared.face / "landmarks.npy")
    assert np.corrcoef(mouth_opening(landmarks), perform_babble(SECONDS, seed=5).opening)[0, 1] > 0.9


def test_crops_are_cut_along_the_smoothed_path(prepared: Workspace) -> None:
    landmarks, boxes, crops = (np.load(prepared.face / f"{name}.npy") for name in ("landmarks", "boxes", "crops"))
    raw = np.stack([fit_box(points, 64) for points in landmarks])
    np.testing.assert_array_equal(boxes, smooth_boxes(raw, 6, size_px=64, breaks=find_jumps(raw, 64)))
    for frame, (image, box, crop) in enumerate(
        zip(FrameReader(prepared.dataset / "source.mp4").frames(), boxes, crops, strict=True)
    ):
        np.testing.assert_array_equal(warp(image, box, 64), crop, err_msg=f"frame {frame}")


def test_mouth_and_chin_lie_inside_every_crop(prepared: Workspace) -> None:
    points = to_crop(np.load(prepared.face / "landmarks.npy"), np.load(prepared.face / "boxes.npy"))
    mouth_and_chin = points[:, [13, 14, 61, 291, 152]]
    assert mouth_and_chin.min() > 4
    assert mouth_and_chin.max() < 60


def test_the_renderer_and_the_report_reader_take_it(prepared: Workspace) -> None:
    footage = open_footage(prepared)
    assert (footage.count, footage.usable.all()) == (FRAMES, True)
    report = msgspec.json.decode((prepared.face / "report.json").read_bytes(), type=Report)
    assert (report.frames, report.frames_seen) == (FRAMES, FRAMES)
    assert (prepared.face / "report.png").read_bytes().startswith(b"\x89PNG")


# ------------------------------------------------------------------------------------------- killed


def run_killed(workspace: Workspace, *, crash_at: str = "", after_s: float | None = None) -> bool:
    """Run the stage in another process until it is killed; tells whether it was."""
    family = multiprocessing.get_context("forkserver")
    family.set_forkserver_preload(["synctalk.face.preprocess", "mediapipe.python.solutions.face_mesh"])
    given = {"context": context_of(workspace), "crash_at": crash_at, "segment_frames": SEGMENT_FRAMES}
    child = family.Process(target=runpy.run_path, args=(str(Path(__file__).with_name("preprocess_child.py")), given))
    child.start()
    if after_s is not None:
        time.sleep(after_s)
        child.kill()
    child.join(60)
    is_killed = child.exitcode == -signal.SIGKILL
    assert is_killed or child.exitcode == 0
    child.close()
    return is_killed


def finish(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preprocess, "SEGMENT_FRAMES", SEGMENT_FRAMES)
    assert run_preprocess(context_of(workspace)).outcome is Outcome.FINISHED


def slow(crash_at: str) -> object:
    return pytest.param(crash_at, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    "crash_at",
    [
        slow("preprocess.segment:1"),  # everything is lost
        "preprocess.segment:3",  # two segments are safe
        "preprocess.segment:4",  # the last, short one
        slow("files.write:5"),
        "files.renamed:8",
        slow("preprocess.publish:1"),
        "preprocess.publish:5",  # half of the files have their places
        slow("preprocess.publish:8"),  # all but the report
    ],
)
def test_killed_anywhere_it_ends_with_the_same_bits(
    prepared: Workspace,
    prepare: Callable[..., StageContext],
    films: Films,
    monkeypatch: pytest.MonkeyPatch,
    crash_at: str,
) -> None:
    workspace = prepare(films()).workspace
    assert run_killed(workspace, crash_at=crash_at)
    assert not (workspace.face / "report.json").exists()
    finish(workspace, monkeypatch)
    assert digests(workspace.face) == digests(prepared.face)
    assert names_in(workspace.face) == set(MADE)


def test_killed_at_any_time_it_ends_with_the_same_bits(
    prepared: Workspace, prepare: Callable[..., StageContext], films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = prepare(films()).workspace
    for after_s in (0.3, 0.7, 1.1):
        if not run_killed(workspace, after_s=after_s):
            break
    finish(workspace, monkeypatch)
    assert digests(workspace.face) == digests(prepared.face)


# ------------------------------------------------------------------------------------------- interrupted


@pytest.fixture
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preprocess, "SEGMENT_FRAMES", SEGMENT_FRAMES)


@pytest.mark.usefixtures("short_segments")
def test_a_wish_to_stop_is_granted_and_what_is_done_is_kept(
    prepared: Workspace, prepare: Callable[..., StageContext], films: Films
) -> None:
    context = prepare(films())
    assert run_preprocess(replace(context, should_stop=after_frames(50))).outcome is Outcome.INTERRUPTED
    assert names_in(context.workspace.face) == {PARTIAL}
    kept = names_in(context.workspace.face / PARTIAL)
    assert kept == {"key.json", "crops.npy", "segment_0000.npz", "segment_0001.npz"}
    asked = after_frames(FRAMES - 40 + 1)
    assert run_preprocess(replace(context, should_stop=asked)).outcome is Outcome.FINISHED  # looked at the rest only
    assert digests(context.workspace.face) == digests(prepared.face)


@pytest.mark.usefixtures("short_segments")
def test_the_old_dataset_stays_until_the_new_one_is_whole(prepared: Workspace, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, "anna")
    shutil.copytree(prepared.dataset, workspace.dataset)
    other = replace(context_of(workspace, size_px=96), fingerprint="other")
    assert run_preprocess(replace(other, should_stop=after_frames(45))).outcome is Outcome.INTERRUPTED
    assert digests(workspace.face) == digests(prepared.face)
    assert run_preprocess(other).outcome is Outcome.FINISHED
    assert names_in(workspace.face) == set(MADE)
    assert np.load(workspace.face / "crops.npy", mmap_mode="r").shape == (FRAMES, 96, 96, 3)


@pytest.mark.usefixtures("short_segments")
def test_work_for_other_settings_is_never_taken_up(
    prepared: Workspace, prepare: Callable[..., StageContext], films: Films
) -> None:
    context = prepare(films())
    unlike = replace(context_of(context.workspace, size_px=96), fingerprint="unlike", should_stop=after_frames(45))
    assert run_preprocess(unlike).outcome is Outcome.INTERRUPTED
    assert run_preprocess(context).outcome is Outcome.FINISHED
    assert digests(context.workspace.face) == digests(prepared.face)


@pytest.mark.usefixtures("short_segments")
def test_damaged_work_is_done_again(prepared: Workspace, prepare: Callable[..., StageContext], films: Films) -> None:
    context = prepare(films())
    partial = context.workspace.face / PARTIAL
    for name, content in (("segment_0001.npz", b"PK nonsense"), ("crops.npy", b""), ("key.json", b"{")):
        assert run_preprocess(replace(context, should_stop=after_frames(23))).outcome is Outcome.INTERRUPTED
        (partial / name).write_bytes(content)
    assert run_preprocess(context).outcome is Outcome.FINISHED
    assert digests(context.workspace.face) == digests(prepared.face)


# ------------------------------------------------------------------------------------------- awkward recordings


def film_of(path: Path, pictures: list[np.ndarray], samples: np.ndarray | None, *, fps: int = 25) -> Path:
    """A video whose sound may have any length, or be missing."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "18"})
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = "yuv420p"
        sound = None if samples is None else container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for picture in pictures:
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))
        if sound is not None:
            whole = (samples * 32767).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(whole, format="s16", layout="mono")
            frame.sample_rate = 16_000
            container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
    return path


def voice(seconds: float) -> np.ndarray:
    times = np.arange(int(seconds * 16_000)) / 16_000
    return 0.1 * np.sign(np.sin(2 * np.pi * 140 * times)) * (np.sin(2 * np.pi * 2 * times) > -0.5)


def portrait(frame: int, *, scene: Scene = Scene.PRESENTER) -> np.ndarray:
    return draw_presenter(0.3 + 0.3 * np.sin(frame), 0.5, frame=frame, seed=4, size_px=160, scene=scene)


def test_frames_without_a_face_are_marked(prepare: Callable[..., StageContext], tmp_path: Path) -> None:
    hidden = range(20, 30)
    pictures = [portrait(i, scene=Scene.EMPTY if i in hidden else Scene.PRESENTER) for i in range(60)]
    context = prepare(film_of(tmp_path / "hidden.mkv", pictures, voice(2.4)))
    summary = run_preprocess(context).summary
    face = context.workspace.face
    is_missing = np.isnan(np.load(face / "landmarks.npy")).any(axis=(1, 2))
    assert np.flatnonzero(is_missing).tolist() == list(hidden)
    np.testing.assert_array_equal(np.isnan(np.load(face / "boxes.npy")).all(axis=(1, 2)), is_missing)
    np.testing.assert_array_equal((np.load(face / "crops.npy") == 0).all(axis=(1, 2, 3)), is_missing)
    assert summary["frames with a face"] == pytest.approx(50 / 60, abs=1e-3)
    assert summary["verdict"] == "usable"


@pytest.mark.parametrize(("sound_s", "frames"), [(2.1, 53), (4.0, 60)])
def test_the_shorter_of_picture_and_sound_decides(
    prepare: Callable[..., StageContext], tmp_path: Path, sound_s: float, frames: int
) -> None:
    video = film_of(tmp_path / "uneven.mkv", [portrait(i) for i in range(60)], voice(sound_s))
    context = prepare(video)
    summary = run_preprocess(context).summary
    assert summary["frames"] == frames
    assert len(read_audio(context.workspace.face / "aud.wav")) == summary["frames"] * 640
    assert len(np.load(context.workspace.face / "crops.npy")) == summary["frames"]
    assert abs(summary["length of picture and sound"]) > 0.1


def test_a_cut_off_file_gives_what_it_holds(prepare: Callable[..., StageContext], films: Films, tmp_path: Path) -> None:
    whole = films(seconds=4.0)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.8)])
    context = prepare(broken)
    summary = run_preprocess(context).summary
    assert 50 <= summary["frames"] < 100
    for name in ("crops", "boxes", "landmarks"):
        assert len(np.load(context.workspace.face / f"{name}.npy")) == summary["frames"]
    assert len(read_audio(context.workspace.face / "aud.wav")) == summary["frames"] * 640


# ------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("scene", "says"),
    [(Scene.EMPTY, "face"), (Scene.TURNED_AWAY, "face"), (Scene.TWO_PRESENTERS, "second face")],
)
def test_the_wrong_number_of_faces_is_refused(
    prepare: Callable[..., StageContext], films: Films, scene: Scene, says: str
) -> None:
    expect_refusal(prepare(films(scene, 2.2)), says)


def test_a_clip_of_a_second_is_refused(prepare: Callable[..., StageContext], films: Films) -> None:
    expect_refusal(prepare(films(Scene.PRESENTER, 1.0)), "duration: 1.0 s")


def test_a_silent_clip_is_refused(prepare: Callable[..., StageContext], tmp_path: Path) -> None:
    video = film_of(tmp_path / "silent.mkv", [portrait(i) for i in range(60)], np.zeros(38_400))
    expect_refusal(prepare(video), "audio level")


def test_a_slide_show_is_refused(prepare: Callable[..., StageContext], tmp_path: Path) -> None:
    video = film_of(tmp_path / "slow.mkv", [portrait(i) for i in range(12)], voice(3), fps=4)
    expect_refusal(prepare(video), "4.00 fps")


def test_a_tiny_face_is_refused(prepare: Callable[..., StageContext], tmp_path: Path) -> None:
    pictures = [np.full((480, 640, 3), 128, np.uint8) for _ in range(55)]
    for frame, picture in enumerate(pictures):
        picture[200:296, 300:396] = draw_presenter(0.3, 0.5, frame=frame, seed=4, size_px=96)
    expect_refusal(prepare(film_of(tmp_path / "tiny.mkv", pictures, voice(2.2))), "face")


def test_a_clip_without_sound_is_refused(prepare: Callable[..., StageContext], tmp_path: Path) -> None:
    expect_refusal(prepare(film_of(tmp_path / "mute.mkv", [portrait(i) for i in range(55)], None)), "sound")


def test_a_text_is_refused(prepare: Callable[..., StageContext], tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("this is no video")
    expect_refusal(prepare(path), "source.mp4")


def expect_refusal(context: StageContext, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        run_preprocess(context)
    assert caught.value.exit_code is ExitCode.BAD_INPUT
    assert caught.value.hint
    assert names_in(context.workspace.face) == set()


# ------------------------------------------------------------------------------------------- the disk


@pytest.mark.usefixtures("short_segments")
def test_a_full_disk_is_named_and_the_work_goes_on_later(
    prepared: Workspace, prepare: Callable[..., StageContext], films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = prepare(films())
    with monkeypatch.context() as patch:
        patch.setattr(faults, "_passed", Counter())
        patch.setenv("SYNCTALK_FAIL_AT", "preprocess.segment:3:ENOSPC")
        with pytest.raises(StorageError, match="space") as caught:
            run_preprocess(context)
    assert "same command" in caught.value.hint
    assert "segment_0001.npz" in names_in(context.workspace.face / PARTIAL)
    assert run_preprocess(context).outcome is Outcome.FINISHED
    assert digests(context.workspace.face) == digests(prepared.face)


def test_too_little_room_is_said_in_numbers_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"needs 1,000,000,000,000 MB .* but only [\d,]+ MB are free"):
        check_room(tmp_path, 10**18)
    check_room(tmp_path, 1)


def test_a_folder_that_is_a_file_is_named(prepare: Callable[..., StageContext], films: Films) -> None:
    context = prepare(films())
    context.workspace.face.write_text("in the way")
    with pytest.raises(StorageError, match="face"):
        run_preprocess(context)
    assert context.workspace.face.read_text() == "in the way"
