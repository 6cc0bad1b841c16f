"""Frames come out in order, one per step, with the mouth that the sound of that very frame asks for."""

import threading
from itertools import islice

import numpy as np
import pytest

from synctalk.config import SAMPLES_PER_FRAME
from synctalk.errors import InputError
from synctalk.face.framewalk import Loop, Step, plan_walk
from synctalk.face.lipsync import LipSync


def loud_in(frames: set[int], count: int) -> np.ndarray:
    samples = np.zeros(count * SAMPLES_PER_FRAME, np.float32)
    for frame in frames:
        samples[frame * SAMPLES_PER_FRAME : (frame + 1) * SAMPLES_PER_FRAME] = 0.2
    return samples


def mouth_darkness(shown, footage, painter) -> float:
    """How much darker than the source the frame is where the mouth is painted."""
    box = footage.box(shown.frame, painter.size_px)
    x, y = np.linalg.solve(box[:, :2], np.array(painter.mouth) - box[:, 2]).round().astype(int)
    around = (slice(y - 1, y + 2), slice(x - 1, x + 2))
    return float(shown.original[around].mean() - shown.image[around].mean())


def test_each_frame_shows_its_own_moment_of_the_sound(footage, painter) -> None:
    loud = {0, 3, 4, 17, 31, 44}
    steps = list(plan_walk(footage.usable, count=45, start=50))
    shown = list(LipSync(footage, painter).frames(steps, loud_in(loud, 45)))
    assert [one.frame for one in shown] == [step.frame for step in steps]
    open_mouths = {number for number, one in enumerate(shown) if mouth_darkness(one, footage, painter) > 25}
    assert open_mouths == loud


def test_originals_are_the_pictures_of_the_video(footage, painter) -> None:
    video = list(footage.reader.frames())
    steps = [Step(frame) for frame in (5, 6, 7, 7, 6, 30, 31)]
    for one in LipSync(footage, painter).frames(steps, loud_in(set(), 7)):
        assert (one.original == video[one.frame]).all()


def test_sound_is_followed_by_silence(footage, painter) -> None:
    steps = [Step(frame) for frame in range(10)]
    shown = list(LipSync(footage, painter).frames(steps, loud_in({0, 1}, 2)))
    assert [mouth_darkness(one, footage, painter) > 25 for one in shown] == [True, True] + [False] * 8


def test_long_sounds_are_heard_in_stretches_that_fit(footage, painter) -> None:
    lipsync = LipSync(footage, painter)
    samples = np.random.default_rng(0).uniform(-1, 1, 2500 * SAMPLES_PER_FRAME + 17).astype(np.float32)
    rows = np.array(list(islice(lipsync._heard(samples), 2600)))
    np.testing.assert_array_equal(rows, painter.hear(samples, frames=2600))


def test_a_cross_faded_frame_is_between_its_two_pictures(footage, painter) -> None:
    def show(step: Step) -> np.ndarray:
        return next(LipSync(footage, painter).frames([step], loud_in({0}, 1))).image.astype(float)

    mixed, first, second = show(Step(2, 50, 0.25)), show(Step(2)), show(Step(50))
    np.testing.assert_allclose(mixed, 0.75 * first + 0.25 * second, atol=1.01)


def test_a_forward_walk_is_followed_through_its_fades(footage, painter) -> None:
    steps = list(plan_walk(footage.usable, count=150, loop=Loop.FORWARD))
    shown = list(LipSync(footage, painter).frames(steps, loud_in({149}, 150)))
    assert len(shown) == 150
    assert mouth_darkness(shown[-1], footage, painter) > 25


def test_the_network_is_called_in_batches(footage, painter) -> None:
    list(LipSync(footage, painter).frames([Step(frame) for frame in range(22, 40)] * 3, loud_in(set(), 40)))
    assert painter.batches == [16, 16, 16, 6]


def test_leaving_early_stops_everything(footage, painter) -> None:
    before = threading.active_count()
    frames = LipSync(footage, painter).frames(plan_walk(footage.usable, count=10**9), loud_in(set(), 10))
    next(frames)
    frames.close()
    assert threading.active_count() == before


def test_works_only_a_little_ahead(footage, painter) -> None:
    frames = LipSync(footage, painter).frames(plan_walk(footage.usable, count=10**9), loud_in(set(), 10))
    for _ in islice(frames, 3):
        pass
    frames.close()
    assert sum(painter.batches) <= 6 * 16


def test_an_error_of_the_network_reaches_the_caller(footage, painter) -> None:
    def broken(*_: np.ndarray) -> np.ndarray:
        raise InputError("the network is broken")

    painter.predict = broken
    with pytest.raises(InputError, match="broken"):
        list(LipSync(footage, painter).frames([Step(0)], loud_in(set(), 1)))
