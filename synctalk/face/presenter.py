"""A drawn presenter who speaks: the demo's star, and ground truth wherever a face line has to be measured.

The person is made up, and so is the voice. What is said, how the mouth moves with it and how everything is drawn are
pure functions of a seed, so a video can be made again bit by bit, and the true opening of the mouth is known in every
frame.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synctalk.config import AUDIO_RATE_HZ, FPS
from synctalk.errors import InputError
from synctalk.face.drawing import compose, expose, pose_at
from synctalk.face.mouth import FULL_GAP
from synctalk.face.portrait import EYE_SPAN, paint_portrait
from synctalk.face.speech_synth import (
    Performance,
    Sound,
    babble_syllables,
    duration_of,
    perform,
    phrase_sounds,
    silence,
)
from synctalk.face.spelling import read_aloud
from synctalk.files import make_folder, temporary_beside, write_json
from synctalk.media.audio import write_wav
from synctalk.media.encode import VideoWriter

__all__ = [
    "MOUTH_OPENING",
    "Performance",
    "Scene",
    "draw_presenter",
    "film_presenter",
    "perform_babble",
    "perform_text",
]

MOUTH_OPENING = FULL_GAP / EYE_SPAN
"""Distance of the inner lips at opening 1, relative to the distance of the outer eye corners."""

_LEAD_S = 0.3
_TAIL_S = 0.5
_SMALLEST_PX = 64


class Scene(Enum):
    """Who is in the picture."""

    PRESENTER = "presenter"
    TURNED_AWAY = "turned away"
    EMPTY = "empty"
    TWO_PRESENTERS = "two presenters"


def perform_babble(seconds: float, seed: int) -> Performance:
    """Varied syllables in phrases with pauses: what the presenter says in the training video.

    Args:
        seconds: Length; rounded to whole 25 fps frames.
        seed: Of everything random in it.

    Raises:
        InputError: Not even one frame long.
    """
    frames = round(seconds * FPS)
    if frames < 1:
        raise InputError(f"a performance of {seconds} s is shorter than one frame", hint="ask for at least 0.04 s")
    random = np.random.default_rng([seed, 0xBAB])
    sounds: list[Sound] = [silence(_LEAD_S)]
    syllables: list[list[str]] = []
    while duration_of(sounds) < seconds:
        if len(syllables) < 12:
            syllables += babble_syllables(30, random)
        count = int(random.integers(3, 10))
        phrase, syllables = syllables[:count], syllables[count:]
        sounds += phrase_sounds(phrase, random=random, rises=bool(random.random() < 0.2))
        sounds.append(silence(float(random.uniform(0.25, 0.8))))
    return perform(sounds, frames=frames, seed=seed)


def perform_text(text: str, seed: int = 0) -> Performance:
    """A sentence or more, with a moment of silence before and after.

    Args:
        text: English, or something spelt like it.
        seed: Of melody, stress and noises; the voice is always the same.

    Raises:
        InputError: There is nothing that can be said.
    """
    random = np.random.default_rng([seed, 0x7E87])
    sounds: list[Sound] = [silence(_LEAD_S)]
    phrase: list[list[str]] = []
    rises = "?" in text
    for part in [*read_aloud(text), _TAIL_S]:
        if isinstance(part, list):
            phrase.append(part)
            continue
        sounds += phrase_sounds(phrase, random=random, rises=rises)
        sounds.append(silence(part))
        phrase = []
    return perform(sounds, frames=-int(-duration_of(sounds) * FPS // 1), seed=seed)


def draw_presenter(
    opening: float,
    width: float,
    *,
    frame: int,
    seed: int,
    size_px: int = 512,
    scene: Scene = Scene.PRESENTER,
) -> NDArray[np.uint8]:
    """One picture of presenter `seed`.

    Args:
        opening: Of the mouth, 0 shut to 1 wide open.
        width: Of the mouth, 0 rounded to 1 spread.
        frame: Number of the 25 fps frame; decides pose, blink, light and noise.
        seed: Looks and movements.
        size_px: Height; the picture is square, or twice as wide when two are in it.
        scene: Who is in the picture.

    Returns:
        RGB uint8 `[size_px, size_px, 3]`, or `[size_px, 2 * size_px, 3]`.

    Example:
        >>> draw_presenter(0.4, 0.5, frame=0, seed=1, size_px=96).shape
        (96, 96, 3)
    """
    if size_px < _SMALLEST_PX:
        raise ValueError(f"size_px must be at least {_SMALLEST_PX}, not {size_px}")
    if not (0 <= opening <= 1 and 0 <= width <= 1):
        raise ValueError(f"opening and width must be between 0 and 1, not {opening} and {width}")
    seeds = (seed, seed + 1) if scene is Scene.TWO_PRESENTERS else (seed,)
    halves = []
    for one in seeds:
        is_turned_away = scene is Scene.TURNED_AWAY
        pose = pose_at(frame, one)
        if scene is Scene.EMPTY:
            picture = paint_portrait(one, size_px).wall
        else:
            portrait = paint_portrait(one, size_px, is_turned_away=is_turned_away)
            picture = compose(portrait, pose, opening=opening, width=width, has_face=not is_turned_away)
        halves.append(expose(picture, light=pose.light, seed=one, number=frame))
    return halves[0] if len(halves) == 1 else np.hstack(halves)


def film_presenter(
    path: Path,
    performance: Performance,
    *,
    seed: int,
    size_px: int = 512,
    scene: Scene = Scene.PRESENTER,
    with_truth: bool = False,
) -> None:
    """Write a performance as an ordinary mp4 with sound, atomically.

    Args:
        path: The video.
        performance: What is said, and the mouth.
        seed: Who says it.
        size_px: Height of the picture.
        scene: Who is in the picture; of two, both move their lips.
        with_truth: Also write `<stem>.truth.json` beside it: `{"seed", "size_px", "opening": [N], "width": [N]}`.

    Raises:
        StorageError: The disk refuses.
    """
    wide = 2 * size_px if scene is Scene.TWO_PRESENTERS else size_px
    make_folder(path.parent)
    sound = temporary_beside(path)
    try:
        write_wav(sound, performance.samples, rate_hz=AUDIO_RATE_HZ)
        with VideoWriter(path, width=wide, height=size_px, fps=FPS, audio=sound, preset="veryfast") as video:
            for frame, (opening, width) in enumerate(zip(performance.opening, performance.width, strict=True)):
                video.write(draw_presenter(opening, width, frame=frame, seed=seed, size_px=size_px, scene=scene))
    finally:
        sound.unlink(missing_ok=True)
    if with_truth:
        truth = {"opening": performance.opening.tolist(), "width": performance.width.tolist()}
        write_json(path.with_name(f"{path.stem}.truth.json"), {"seed": seed, "size_px": size_px, **truth})
