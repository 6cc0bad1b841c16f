"""Which network is trained, and what it hears: the only place that knows all architectures."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from synctalk.config import MainSettings
from synctalk.errors import InputError
from synctalk.face.asr import check_asr
from synctalk.face.audio_features import features_for, mel_windows
from synctalk.face.audio_track import AudioTrack, FeatureTrack, MelTrack
from synctalk.face.ave import AudioEncoder
from synctalk.face.data import MASK_LEVELS
from synctalk.face.interop import load_ave
from synctalk.face.mask import FaceMasks, face_masks, find_giveaways
from synctalk.face.masked_unet328 import MaskedUnet328
from synctalk.face.mouthnet import MOUTH_MELS, MouthNet
from synctalk.face.opening import mouth_opening
from synctalk.face.recording import Recording
from synctalk.face.soundgate import rest_in_silence
from synctalk.face.unet328 import SIZE_PX, Unet328

Tracks = tuple[AudioTrack, AudioTrack]
"""What is heard in a recording: as it is, and with everything but speech silenced."""


def build_network(settings: MainSettings, recording: Recording) -> tuple[nn.Module, Tracks]:
    """A new network for one person, and what it hears.

    Args:
        settings: Architecture, width and audio features.
        recording: Decides the masks.

    Returns:
        A module that is a `Drawer`, and the tracks.

    Raises:
        InputError: The crops do not have the size the architecture needs, or a model of audio features is missing.
        MissingPartError: A library that the audio features need is missing.
    """
    masks = recording_masks(recording)
    if settings.arch == "mouthnet":
        network = MouthNet(masks, channels=settings.channels, mask_levels=MASK_LEVELS)
        return network, (MelTrack(recording.mel, MOUTH_MELS), MelTrack(recording.gated_mel, MOUTH_MELS))
    if recording.size_px != SIZE_PX:
        raise InputError(
            f"the older network draws {SIZE_PX} px crops, these are {recording.size_px} px",
            hint=f"add --set preprocess.size_px={SIZE_PX}",
        )
    return _build_unet328(settings, recording, masks)


def recording_masks(recording: Recording) -> FaceMasks:
    """What is hidden, what is the mouth, and how it is pasted back, for all of one recording."""
    usable = recording.is_usable
    giveaways = find_giveaways(recording.crops, mouth_opening(recording.points))
    return face_masks(recording.points[usable], size_px=recording.size_px, giveaways=giveaways)


def _build_unet328(settings: MainSettings, recording: Recording, masks: FaceMasks) -> tuple[nn.Module, Tracks]:
    mode = check_asr(settings.asr, settings.asr_model)
    frames = len(recording.crops)
    learns_audio = mode == "ave" and not settings.asr_model
    ave = None
    if mode == "ave":
        ave = AudioEncoder() if learns_audio else load_ave(Path(settings.asr_model))
    network = MaskedUnet328(Unet328(mode), ave, mouth=masks.mouth, learns_audio=learns_audio)
    if learns_audio:
        plain, gated = (mel_windows(mel, frames=frames) for mel in (recording.mel, recording.gated_mel))
    else:
        plain, gated = (
            features_for(mode, samples, frames=frames, model_path=settings.asr_model)
            for samples in (recording.samples, rest_in_silence(recording.samples, recording.speech))
        )
    return network, (FeatureTrack(plain), FeatureTrack(gated))
