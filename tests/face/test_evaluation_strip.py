"""The picture of an evaluation shows a few faces in a sensible order."""

import cv2
import numpy as np

from synctalk.face.evaluation_strip import write_strip


def test_strip_orders_faces_from_closed_to_open(tmp_path) -> None:
    openings = np.array([0.5, np.nan, 0.1, 0.3])
    true = np.stack([np.full((32, 32, 3), 10 * number, np.uint8) for number in range(4)])
    write_strip(tmp_path / "strip.png", true, true, openings, first_frame=7)
    picture = cv2.imread(str(tmp_path / "strip.png"))
    row = picture[100, 100::228, 0]
    assert row.tolist() == [20, 30, 0]


def test_strip_of_one_large_face(tmp_path) -> None:
    true = np.full((1, 320, 320, 3), 90, np.uint8)
    write_strip(tmp_path / "strip.png", true, true + 20, np.array([0.2]), first_frame=0)
    picture = cv2.imread(str(tmp_path / "strip.png"))
    assert picture[120, 100, 0] == 90
    assert picture[360, 100, 0] == 110
    assert picture[610, 100, 0] == 128 + 3 * 20
