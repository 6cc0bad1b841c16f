"""The witness sees every frame, and knows where there is no face to be seen."""

import numpy as np

from synctalk.face.opening import mouth_opening
from synctalk.face.witness import Witness
from synctalk.media.landmarks import FaceTracker


def test_frames_without_a_face_are_unknown(footage, painter) -> None:
    with FaceTracker() as tracker:
        witness = Witness(footage, painter, first=18, count=6, tracker=tracker)
        seen = witness.watch(np.zeros(6 * 640, np.float32), has_pictures=True, tick=lambda: None)
    assert np.isfinite(seen.points[:, 0, 0]).tolist() == [True, True, False, False, True, True]
    assert len(seen.seams) == 4


def test_sees_the_mouth_that_was_drawn(footage, painter) -> None:
    silence, loud = np.zeros(6 * 640, np.float32), np.full(6 * 640, 0.2, np.float32)
    with FaceTracker() as tracker:
        witness = Witness(footage, painter, first=0, count=6, tracker=tracker)
        closed, opened = (witness.watch(sound, has_pictures=False, tick=lambda: None) for sound in (silence, loud))
    assert closed.crops.shape == opened.crops.shape == (6, 64, 64, 3)
    assert closed.psnr_frame == []
    x, y = painter.mouth
    assert closed.crops[:, y, x].mean() > opened.crops[:, y, x].mean() + 25
    assert np.nanmean(mouth_opening(closed.points)) < 0.1
