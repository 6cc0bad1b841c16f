"""How good a recording is, property by property: each with its figure, its limits, a verdict and what to record again.

Pure functions of what was seen and heard. Limits are constants beside the finding they belong to. They are advice
drawn from what such networks need; only what cannot work at all is graded unusable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synctalk.config import FPS, SAMPLES_PER_FRAME
from synctalk.face.survey import Sights, find_cuts
from synctalk.media.vad import find_speech
from synctalk.media.verdict import Finding, Verdict, at_least, at_most, without_needless_advice
from synctalk.media.video import VideoFacts


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a recording is judged by.

    Attributes:
        facts: What the container says.
        frames: Grid frames of picture and sound together.
        sights: What was seen, one row per frame that was looked at.
        sound: The samples of these `frames`, at 16 kHz.
        lost_frames: Grid frames of picture without sound, or (negative) of sound without picture.
    """

    facts: VideoFacts
    frames: int
    sights: Sights
    sound: NDArray[np.float32]
    lost_frames: int = 0

    @property
    def faces(self) -> Sights:
        """The rows with a face."""
        faces: Sights = self.sights[np.isfinite(self.sights["face_px"])]
        return faces


def judge(evidence: Evidence) -> list[Finding]:
    """Everything that can be said about a recording; before a frame was looked at, what can be said by then."""
    looks = list(_FILE)
    looks += _PICTURE if len(evidence.sights) else ()
    looks += _FACE if len(evidence.faces) else ()
    looks += _SOUND if len(evidence.sound) else ()
    return without_needless_advice(look(evidence) for look in looks)


_SHORTEST_S = 2


def _duration(evidence: Evidence) -> Finding:
    seconds = evidence.frames / FPS
    return Finding(
        name="duration", value=seconds, unit="s", text=f"{seconds:.1f} s",
        verdict=at_least(seconds, good=120, usable=_SHORTEST_S),
        advice=(f"at least {_SHORTEST_S} s are needed; " if seconds < _SHORTEST_S else "")
        + "record two to five minutes of lively speech, a network learns a person from examples",
    )  # fmt: skip


def _frame_rate(evidence: Evidence) -> Finding:
    fps = evidence.facts.fps
    return Finding(
        name="frame rate", value=fps, unit="fps",
        text=f"{fps:.2f} fps" + (", variable" if evidence.facts.is_variable_rate else ""),
        verdict=at_least(fps, good=23.5, usable=10),
        advice="record at 25 or 30 frames per second; lips move too fast for fewer",
    )  # fmt: skip


def _resolution(evidence: Evidence) -> Finding:
    facts = evidence.facts
    return Finding(
        name="resolution", value=min(facts.width, facts.height), unit="px",
        text=f"{facts.width} x {facts.height}, {facts.codec}",
        verdict=at_least(min(facts.width, facts.height), good=480, usable=96),
        advice="record in at least 720p",
    )  # fmt: skip


def _face_share(evidence: Evidence) -> Finding:
    share = len(evidence.faces) / len(evidence.sights)
    return Finding(
        name="frames with a face", value=share, unit="share", text=f"{share:.1%}",
        verdict=at_least(share, good=0.95, usable=0.5),
        advice="record again facing the camera, the whole face lit and never covered by hands or a microphone",
    )  # fmt: skip


_SECOND_FACE_PER_FIRST = 0.4  # smaller ones are passers-by and pictures on a wall


def _people(evidence: Evidence) -> Finding:
    faces = evidence.faces
    has_second = faces["second_px"] > _SECOND_FACE_PER_FIRST * faces["face_px"]
    share = float(has_second.sum()) / len(evidence.sights)
    return Finding(
        name="frames with a second face", value=share, unit="share", text=f"{share:.1%}",
        verdict=at_most(share, good=0.01, usable=0.2),
        advice="film one person alone; cut or crop the video so that nobody else is in the picture",
    )  # fmt: skip


def _face_size(evidence: Evidence) -> Finding:
    width = float(np.median(evidence.faces["face_px"]))
    return Finding(
        name="face size", value=width, unit="px", text=f"{width:.0f} px high",
        verdict=at_least(width, good=200, usable=64),
        advice="move the camera closer or film in a higher resolution; the mouth will be blurred otherwise",
    )  # fmt: skip


_ANGLES = ("yaw", "pitch", "roll")
_TURNED_DEG = 30.0
_NODDED_DEG = 25.0


def _head_pose(evidence: Evidence) -> Finding:
    faces = evidence.faces
    spans = [np.percentile(faces[name], [5, 95]) for name in _ANGLES]
    is_away = (np.abs(faces["yaw"]) > _TURNED_DEG) | (np.abs(faces["pitch"]) > _NODDED_DEG)
    share = float(is_away.mean())
    words = (
        f"{name} {low:+.0f}..{high:+.0f}" for name, (low, high) in zip(("yaw", "pitch", "roll"), spans, strict=True)
    )
    return Finding(
        name="frames turned away", value=share, unit="share", text=f"{share:.1%} ({', '.join(words)} degrees)",
        verdict=at_most(share, good=0.1, usable=0.6),
        advice="look towards the camera; a mouth seen from the side cannot be learned from the front",
    )  # fmt: skip


_MANY_CUTS = 5


def _cuts(evidence: Evidence) -> Finding:
    cuts = int(find_cuts(evidence.sights["change"]).sum())
    per_minute = cuts * 60 * FPS / len(evidence.sights)
    return Finding(
        name="cuts", value=cuts, unit="cuts", text=f"{cuts} ({per_minute:.1f} per minute)",
        verdict=at_most(per_minute, good=0.5, usable=20) if cuts >= _MANY_CUTS else at_most(cuts, good=0),
        advice="use one uncut take",
    )  # fmt: skip


def _light_drift(evidence: Evidence) -> Finding:
    light = evidence.faces["light"]
    low, high = np.percentile(light, [5, 95])
    drift = float((high - low) / max(1.0, float(np.median(light))))
    return Finding(
        name="light drift", value=drift, unit="share", text=f"{drift:.1%} of the face's brightness",
        verdict=at_most(drift, good=0.2),
        advice="use steady light and switch off the camera's automatic exposure",
    )  # fmt: skip


_BLURRED_PER_SHARP = 0.4


def _motion_blur(evidence: Evidence) -> Finding:
    sharpness = evidence.faces["sharpness"]
    share = float((sharpness < _BLURRED_PER_SHARP * np.percentile(sharpness, 75)).mean())
    return Finding(
        name="blurred frames", value=share, unit="share", text=f"{share:.1%}",
        verdict=at_most(share, good=0.1),
        advice="use more light and a shorter exposure, hold the head calmly, and lock the focus",
    )  # fmt: skip


CLOSED_OPENING = 0.03  # inner lips apart, in distances of the outer eye corners


def _closed_mouth(evidence: Evidence) -> Finding:
    share = float((evidence.faces["opening"] < CLOSED_OPENING).mean())
    is_moving = share < 0.9
    return Finding(
        name="frames with a closed mouth", value=share, unit="share", text=f"{share:.1%}",
        verdict=at_least(share, good=0.03) if is_moving else Verdict.USABLE,
        advice="pause with closed lips now and then, and keep them closed for a few seconds at the start and the end"
        if is_moving
        else "the mouth hardly moves: speak clearly all through the recording",
    )  # fmt: skip


_SILENT_DBFS = -60.0
_FULL_SCALE = 0.999


def _level(evidence: Evidence) -> Finding:
    speech = find_speech(evidence.sound)
    pieces = evidence.sound.reshape(-1, SAMPLES_PER_FRAME)
    heard = pieces[speech[: len(pieces)]] if speech.any() else pieces
    level = max(-120.0, float(10 * np.log10(max(1e-12, float(np.mean(heard.astype(np.float64) ** 2))))))
    return Finding(
        name="audio level", value=level, unit="dBFS", text=f"{level:.0f} dBFS",
        verdict=at_least(level, good=-35, usable=_SILENT_DBFS),
        advice="bring the microphone closer and raise its level; check that it is switched on",
    )  # fmt: skip


def _clipping(evidence: Evidence) -> Finding:
    share = float((np.abs(evidence.sound) >= _FULL_SCALE).mean())
    return Finding(
        name="clipped samples", value=share, unit="share", text=f"{share:.2%}",
        verdict=at_most(share, good=0.001),
        advice="lower the microphone's level; clipped sound cannot be mended",
    )  # fmt: skip


def _silence(evidence: Evidence) -> Finding:
    share = 1 - float(find_speech(evidence.sound).mean())
    return Finding(
        name="silence", value=share, unit="share", text=f"{share:.1%} of the time nobody speaks",
        verdict=at_most(share, good=0.6),
        advice="speak most of the time, without music or steady noise in the background",
    )  # fmt: skip


_LOST_FRAMES = 2


def _lengths(evidence: Evidence) -> Finding:
    lost = evidence.lost_frames
    what = "picture without sound" if lost > 0 else "sound without picture"
    return Finding(
        name="length of picture and sound", value=lost / FPS, unit="s",
        text=f"{abs(lost) / FPS:.2f} s of {what} at the end left out" if lost else "equal",
        verdict=at_most(abs(lost), good=_LOST_FRAMES),
        advice="picture and sound should end together; look whether the recording was cut off",
    )  # fmt: skip


_FILE: tuple[Callable[[Evidence], Finding], ...] = (_duration, _frame_rate, _resolution)
_PICTURE = (_face_share, _cuts)
_FACE = (_people, _face_size, _head_pose, _light_drift, _motion_blur, _closed_mouth)
_SOUND = (_level, _clipping, _silence, _lengths)
