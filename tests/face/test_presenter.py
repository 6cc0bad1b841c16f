import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synctalk.errors import InputError
from synctalk.face.opening import mouth_opening
from synctalk.face.presenter import (
    MOUTH_OPENING,
    Performance,
    Scene,
    draw_presenter,
    film_presenter,
    perform_babble,
    perform_text,
)
from synctalk.media.audio import read_soundtrack
from synctalk.media.landmarks import FaceTracker
from synctalk.media.vad import find_speech
from synctalk.media.video import FrameReader

SENTENCE = "Hello, I was never filmed saying this sentence."


@pytest.fixture(scope="module")
def tracker() -> Iterator[FaceTracker]:
    with FaceTracker() as tracker:
        yield tracker


@pytest.fixture(scope="module")
def babble() -> Performance:
    return perform_babble(12, seed=1)


def test_babble_is_as_long_as_asked_and_pauses(babble: Performance) -> None:
    assert len(babble.opening) == len(babble.width) == 300
    assert len(babble.samples) == 300 * 640
    speech = find_speech(babble.samples)
    assert 0.5 < speech.mean() < 0.95
    assert 0.1 < np.mean(babble.opening < 0.01) < 0.5
    assert babble.opening.max() > 0.85


def test_babble_never_repeats_itself_but_can_be_made_again(babble: Performance) -> None:
    assert np.array_equal(perform_babble(12, seed=1).samples, babble.samples)
    assert abs(np.corrcoef(perform_babble(12, seed=2).opening, babble.opening)[0, 1]) < 0.5
    assert abs(np.corrcoef(babble.opening[:150], babble.opening[150:])[0, 1]) < 0.5


@pytest.mark.parametrize("seconds", [0.0, -3.0, 0.01])
def test_nothing_cannot_be_performed(seconds: float) -> None:
    with pytest.raises(InputError, match="shorter than one frame"):
        perform_babble(seconds, seed=0)


def test_a_sentence_begins_and_ends_with_a_shut_mouth() -> None:
    spoken = perform_text(SENTENCE)
    assert len(spoken.samples) == 640 * len(spoken.opening)
    assert 4 < len(spoken.opening) / 25 < 8
    assert not spoken.opening[:3].any()
    assert not spoken.opening[-8:].any()
    assert spoken.opening.max() > 0.8


def test_longer_text_takes_longer_and_each_text_is_its_own() -> None:
    short, long = perform_text("hello"), perform_text("hello, hello, hello")
    assert len(long.opening) > 2 * len(short.opening)
    assert not np.array_equal(perform_text("mama").opening[:20], perform_text("lily").opening[:20])


@pytest.mark.parametrize("text", ["", "…", "Здравствуйте"])
def test_unspeakable_text_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        perform_text(text)


def test_the_mouth_can_be_told_from_the_sound() -> None:
    def features(performance: Performance) -> np.ndarray:
        frames = performance.samples.reshape(-1, 640).astype(np.float64)
        spectrum = np.abs(np.fft.rfft(frames * np.hanning(640), axis=1))[:, :160]
        bands = np.log10(spectrum.reshape(len(frames), 40, 4).mean(axis=2) + 1e-3)
        near = np.concatenate([np.roll(bands, shift, axis=0) for shift in range(-2, 3)], axis=1)
        return np.hstack([near, np.ones((len(near), 1))])

    heard, spoken = perform_babble(60, seed=3), perform_text(SENTENCE)
    known, ridge = features(heard), 3.0 * np.eye(201)
    weights = np.linalg.solve(known.T @ known + ridge, known.T @ heard.opening)
    assert np.corrcoef(features(spoken) @ weights, spoken.opening)[0, 1] > 0.8


@settings(max_examples=20)
@given(
    opening=st.floats(0, 1),
    width=st.floats(0, 1),
    frame=st.integers(0, 10**6),
    seed=st.integers(0, 2**31),
    scene=st.sampled_from(Scene),
)
def test_any_picture_can_be_drawn_again(opening: float, width: float, frame: int, seed: int, scene: Scene) -> None:
    one, two = (draw_presenter(opening, width, frame=frame, seed=seed, size_px=64, scene=scene) for _ in range(2))
    assert one.dtype == np.uint8
    assert one.shape == (64, 128 if scene is Scene.TWO_PRESENTERS else 64, 3)
    assert np.array_equal(one, two)


@pytest.mark.parametrize(("opening", "width", "size_px"), [(1.1, 0, 64), (0, -0.1, 64), (np.nan, 0, 64), (0, 0, 32)])
def test_impossible_pictures_are_refused(opening: float, width: float, size_px: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        draw_presenter(opening, width, frame=0, seed=0, size_px=size_px)


def test_the_mouth_is_measured_as_it_was_drawn(tracker: FaceTracker, babble: Performance) -> None:
    measured = []
    tracker.restart()
    for frame in range(0, 300, 3):
        picture = draw_presenter(babble.opening[frame], babble.width[frame], frame=frame, seed=1, size_px=320)
        faces = tracker.find(picture)
        assert len(faces) == 1
        measured.append(mouth_opening(faces[0]))
    opening = babble.opening[::3]
    assert np.corrcoef(measured, opening)[0, 1] > 0.96
    assert np.polyfit(opening, np.ravel(measured), 1)[0] == pytest.approx(MOUTH_OPENING, rel=0.2)


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("size_px", [96, 256])
def test_everybody_is_found_at_every_opening(tracker: FaceTracker, seed: int, size_px: int) -> None:
    for opening, width in ((0, 0.5), (0.3, 1), (0.6, 0), (1, 0.5)):
        tracker.restart()
        assert len(tracker.find(draw_presenter(opening, width, frame=9, seed=seed, size_px=size_px))) == 1


@pytest.mark.parametrize(("scene", "faces"), [(Scene.EMPTY, 0), (Scene.TURNED_AWAY, 0), (Scene.TWO_PRESENTERS, 2)])
def test_scenes_show_as_many_faces_as_they_say(tracker: FaceTracker, scene: Scene, faces: int) -> None:
    tracker.restart()
    assert len(tracker.find(draw_presenter(0.3, 0.5, frame=2, seed=1, size_px=256, scene=scene))) == faces


def test_a_film_holds_the_performance(tmp_path: Path) -> None:
    path = tmp_path / "a presenter's film.mp4"
    spoken = perform_text("Hi!")
    film_presenter(path, spoken, seed=2, size_px=96, with_truth=True)
    reader = FrameReader(path)
    assert (reader.width, reader.height, reader.count) == (96, 96, len(spoken.opening))
    first = next(iter(reader.frames())).astype(float)
    drawn = draw_presenter(spoken.opening[0], spoken.width[0], frame=0, seed=2, size_px=96)
    assert np.abs(first - drawn).mean() < 4
    sound = read_soundtrack(path)[: len(spoken.samples)]
    assert np.corrcoef(sound, spoken.samples[: len(sound)])[0, 1] > 0.95
    truth = json.loads(path.with_name("a presenter's film.truth.json").read_bytes())
    assert truth["seed"] == 2
    assert truth["opening"] == pytest.approx(spoken.opening)
    assert len(list(tmp_path.iterdir())) == 2


def test_truth_is_written_only_when_asked_and_nothing_else_remains(tmp_path: Path) -> None:
    path = tmp_path / "not yet there" / "two.mp4"
    film_presenter(path, perform_babble(0.2, seed=0), seed=0, size_px=64, scene=Scene.TWO_PRESENTERS)
    assert FrameReader(path).width == 128
    assert [file.name for file in path.parent.iterdir()] == ["two.mp4"]


def test_a_film_that_fails_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "broken.mp4"
    whole = perform_babble(0.4, seed=0)
    broken = Performance(whole.samples, np.where(np.arange(10) == 7, 2.0, whole.opening), whole.width)
    with pytest.raises(ValueError, match="must be"):
        film_presenter(path, broken, seed=0, size_px=64)
    assert not list(tmp_path.iterdir())
