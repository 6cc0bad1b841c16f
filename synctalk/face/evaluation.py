"""The figures of an evaluation: what `evaluation.json` holds, and how it is told to people. Plain data, no numpy.

Writer: `evaluate`. Readers: the command line, the dashboard, any program.
"""

from __future__ import annotations

import msgspec

_MEANINGS = (
    ("found_faces", "", "share of frames in which a face is found"),
    ("psnr_mouth", " dB", "likeness of the redrawn part; higher is better"),
    ("ssim_mouth", "", "likeness of the redrawn part; 1 is equal"),
    ("psnr_frame", " dB", "likeness of the whole frame"),
    ("ssim_frame", "", "likeness of the whole frame"),
    ("landmark_distance_px", " px", "error of the lips on a 100 px face; smaller is better"),
    ("opening_correlation", "", "the mouth opens when it should; 1 is perfect"),
    ("opening_correlation_shuffled", "", "the same with wrong sound; near 0 is right"),
    ("jitter_ratio", "", "trembling of the lips; 1 is natural"),
    ("silence_open_ratio", "", "silent frames with an open mouth; 0 is best"),
    ("silence_open_ratio_true", "", "the same in the recording"),
    ("seam_ratio", "", "border of the pasted part; 1 is invisible"),
    ("sync_accuracy", "", "wrong sounds the SyncNet believes less; 0.5 is chance"),
    ("sync_accuracy_true", "", "the same in the recording"),
    ("sync_offset_frames", "", "shift at which the SyncNet agrees most"),
)


class Evaluation(msgspec.Struct, kw_only=True):
    """What `evaluation.json` holds. A figure that cannot be known here is None.

    Attributes:
        dataset: Whose face.
        model: Which checkpoint.
        first_frame: Where the measured part of the recording begins.
        frames: How many frames were measured, once with the own sound and `shuffles` times with shuffled sound.
        shuffles: Orders of the shuffled sound; their correlations are averaged.
        found_faces: Share of the rendered frames in which a face is found.
        psnr_mouth: Decibels, inside the redrawn part of the crop.
        ssim_mouth: The same part.
        psnr_frame: Decibels, whole frames.
        ssim_frame: Whole frames.
        landmark_distance_px: Mean distance of the centred lip points on a face whose eyes are 100 px apart.
        opening_correlation: Of the rendered and the true opening of the mouth.
        opening_correlation_shuffled: The same with shuffled sound; near 0 when the mouth listens to the sound only.
        jitter_ratio: Trembling of the lips over that of the true ones; 1 is natural.
        silence_open_ratio: Share of silent frames with a clearly open mouth.
        silence_open_ratio_true: The same in the recording itself.
        seam_ratio: Steepness along the border of the pasted part, rendered over original; 1 is invisible.
        sync_accuracy: Share of wrong sounds that the SyncNet believes less than the right one; 0.5 is chance.
        sync_accuracy_true: The same in the recording itself.
        sync_offset_frames: How much later the sound is that the SyncNet believes most; 0 when in step.
    """

    dataset: str
    model: str
    first_frame: int
    frames: int
    shuffles: int
    found_faces: float
    psnr_mouth: float | None
    ssim_mouth: float | None
    psnr_frame: float | None
    ssim_frame: float | None
    landmark_distance_px: float | None
    opening_correlation: float | None
    opening_correlation_shuffled: float | None
    jitter_ratio: float | None
    silence_open_ratio: float | None
    silence_open_ratio_true: float | None
    seam_ratio: float | None
    sync_accuracy: float | None = None
    sync_accuracy_true: float | None = None
    sync_offset_frames: int | None = None


def format_evaluation(evaluation: Evaluation) -> str:
    """The figures for people, one per line, each with what it means."""
    measured = f"{evaluation.frames} held-out frames from frame {evaluation.first_frame}"
    lines = [f"{evaluation.dataset}: {measured}, model {evaluation.model}"]
    for name, unit, meaning in _MEANINGS:
        value = getattr(evaluation, name)
        text = "unknown" if value is None else f"{value:.3g}{unit}"
        lines.append(f"  {name.replace('_', ' '):<30} {text:>10}  {meaning}")
    return "\n".join(lines)
