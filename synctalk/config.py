"""What was asked for: settings, presets, and which part of them can change a result.

Layers, later ones win: defaults, preset, `dataset/<name>/synctalk.toml`, command line (`--set key=value`). Everything
in `RuntimeSettings` may change from run to run without changing a result; it is never part of a fingerprint.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from synctalk.errors import InputError
from synctalk.presets import PRESETS
from synctalk.ranges import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Share, SizePx
from synctalk.trackers import TRACKERS
from synctalk.voice_settings import (
    AlignSettings,
    FeedbackSettings,
    KokoroSettings,
    PrepareSettings,
    VitsSettings,
    VoiceSettings,
)

FPS = 25
AUDIO_RATE_HZ = 16_000
SAMPLES_PER_FRAME = AUDIO_RATE_HZ // FPS
UNET328_SIZE_PX = 320


class PreprocessSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How video becomes crops."""

    size_px: SizePx = 128
    """Side of the square face crop."""
    smoothing_frames: NonNegativeInt = 6
    """Reach, to each side, of the zero-phase smoothing of the crop path; 0 switches it off."""


class SyncnetSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the judge of lip sync is trained."""

    epochs: PositiveInt = 100
    batch_size: PositiveInt = 32
    lr: PositiveFloat = 5e-4
    warmup_steps: NonNegativeInt = 50
    weight_decay: NonNegativeFloat = 0.05
    clip_norm: PositiveFloat = 1.0
    ema_decay: Share = 0.99
    initial: str = ""
    """A SyncNet checkpoint to start from instead of random weights."""


class MainSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the mouth generator is trained."""

    arch: Literal["mouthnet", "unet328"] = "mouthnet"
    asr: Literal["ave", "hubert", "wenet"] = "ave"
    """Audio features of the older network `unet328`; `mouthnet` learns its own from the mel spectrogram."""
    asr_model: str = ""
    """Local file (ave) or folder (hubert) with the weights of the feature extractor."""
    epochs: PositiveInt = 100
    batch_size: PositiveInt = 8
    """Clips of consecutive frames per step."""
    lr: PositiveFloat = 1e-3
    warmup_steps: NonNegativeInt = 100
    weight_decay: NonNegativeFloat = 0.01
    clip_norm: PositiveFloat = 1.0
    ema_decay: Share = 0.995
    channels: Annotated[int, msgspec.Meta(ge=8, le=512, multiple_of=8)] = 64
    """Width of the generator."""
    mouth_weight: NonNegativeFloat = 10.0
    structure_weight: NonNegativeFloat = 0.5
    temporal_weight: NonNegativeFloat = 0.5
    lips_weight: NonNegativeFloat = 0.1
    """Of the lips told from the sound alone; `mouthnet` only."""
    sync_weight: NonNegativeFloat = 0.03
    sync_threshold: Annotated[float, msgspec.Meta(ge=0.5, le=1)] = 0.85
    """Held-out shift accuracy that the SyncNet must reach before its loss is used."""
    perceptual_weight: NonNegativeFloat = 0.01
    vgg_weights: str = ""
    """Local file with torchvision's VGG19 weights; without it there is no perceptual term."""


class RuntimeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may differ from run to run without changing a result."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    workers: Annotated[int, msgspec.Meta(ge=-1, le=256)] = -1
    """Loader processes; -1 chooses by the device."""
    snapshot_s: PositiveFloat = 60.0
    """Seconds between snapshots inside an epoch."""
    snapshot_cost: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.01
    """Share of the time that snapshots may take from the training; they come less often to keep it."""
    disk_wait_s: NonNegativeFloat = 600.0
    """Seconds a training waits for space when the disk is full, before it ends resumably; 0 does not wait."""
    memory_high: Share = 0.9
    """Share of taken memory from which on a training gives back what it does not need."""
    memory_critical: Share = 0.97
    """Share from which on it warns, when that did not help."""
    gradient_checkpointing: Literal["off", "on"] = "off"
    """Whether a VITS training computes inner results a second time rather than keep them: less memory, more time."""
    samples: Literal["auto", "float32", "int16", "mapped"] = "auto"
    """How a voice training keeps its samples: in memory as one of these numbers, or mapped from the disk."""
    preview_s: NonNegativeFloat = 4.0
    """Length of the preview video after each epoch; 0 switches it off."""
    kept_previews: NonNegativeInt = 10
    """How many previews of earlier epochs stay to be compared, spread over the training; 0 keeps only the newest."""
    trackers: str = ""
    """Where trainings are shown while they run: names of `TRACKERS`, with commas between."""
    track_steps: PositiveInt = 10
    """Steps between two losses that trackers are told."""
    project: str = "synctalk"
    """Where Weights & Biases puts the runs."""
    profile_steps: NonNegativeInt = 0
    """Steps until the first report on where the time goes; one follows after each epoch; 0 reports nothing."""
    lock: Literal["auto", "flock", "lease"] = "auto"
    """How a dataset is kept for one process: the system's lock, or a lease with a heartbeat for shared disks."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.tracker_names if name not in TRACKERS]
        if unknown:
            raise ValueError(f"runtime.trackers: there is no {unknown[0]!r}, only {' and '.join(TRACKERS)}")

    @property
    def tracker_names(self) -> tuple[str, ...]:
        """The trackers asked for, each once."""
        return tuple(dict.fromkeys(name for part in self.trackers.split(",") if (name := part.strip())))


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything a run can be told, one section per stage."""

    preset: Literal["draft", "standard", "high"] = "standard"
    seed: NonNegativeInt = 1234
    target_hours: NonNegativeFloat = 0.0
    """Hours that the line's last training may take in all; 0 for no limit."""
    preprocess: PreprocessSettings = PreprocessSettings()
    syncnet: SyncnetSettings = SyncnetSettings()
    main: MainSettings = MainSettings()
    prepare: PrepareSettings = PrepareSettings()
    vits: VitsSettings = VitsSettings()
    feedback: FeedbackSettings = FeedbackSettings()
    align: AlignSettings = AlignSettings()
    kokoro: KokoroSettings = KokoroSettings()
    voice: VoiceSettings = VoiceSettings()
    runtime: RuntimeSettings = RuntimeSettings()


def load_settings(
    settings_file: Path, *, preset: str | None = None, overrides: Mapping[str, object] | None = None
) -> Settings:
    """The settings of one dataset: defaults, preset, file and overrides, in this order.

    Args:
        settings_file: A `synctalk.toml`; may be missing.
        preset: Wins over the preset named in the overrides and in the file.
        overrides: Dotted names and values, for example `{"main.epochs": 20}`; values may be text as typed.

    Raises:
        InputError: An unknown name or a value out of range, in the file or the overrides.
    """
    overrides = overrides or {}
    from_file = _read_toml(settings_file)
    chosen = preset or overrides.get("preset") or from_file.get("preset", Settings().preset)
    if not isinstance(chosen, str) or chosen not in PRESETS:
        raise InputError(f"there is no preset {chosen!r}", hint=f"choose one of {', '.join(PRESETS)}")
    layers = [
        PRESETS[chosen],
        *_sizes_of_arch(from_file, overrides),
        from_file,
        *(_nested(name, value) for name, value in overrides.items()),
    ]
    merged: dict[str, Any] = {}
    for layer in [*layers, {"preset": chosen}]:
        _merge(merged, layer)
    try:
        settings = msgspec.convert(merged, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(f"bad setting: {error}", hint="docs/settings.md lists every setting with its range") from error
    if settings.main.arch == "unet328" and settings.preprocess.size_px != UNET328_SIZE_PX:
        raise InputError(
            f"the network unet328 works on crops of {UNET328_SIZE_PX} px, not {settings.preprocess.size_px}",
            hint="leave preprocess.size_px out",
        )
    return settings


def _sizes_of_arch(from_file: Mapping[str, Any], overrides: Mapping[str, object]) -> list[dict[str, Any]]:
    """The crop size that the older network dictates, as a layer above the preset."""
    section = from_file.get("main", {})
    arch = overrides.get("main.arch", section.get("arch") if isinstance(section, Mapping) else None)
    return [{"preprocess": {"size_px": UNET328_SIZE_PX}}] if arch == "unet328" else []


def parse_overrides(pairs: Iterable[str]) -> dict[str, str]:
    """Turn `["main.epochs=20", ...]` into a mapping.

    Raises:
        InputError: An item without `=`.
    """
    overrides = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"{pair!r} is not a setting", hint="write it as --set main.epochs=20")
        overrides[name.strip()] = value.strip()
    return overrides


def as_facts(
    section: msgspec.Struct, *, without: Iterable[str] = (), unless_default: Iterable[str] = ()
) -> dict[str, object]:
    """A section as plain data for a fingerprint.

    Args:
        section: Some settings.
        without: Names that cannot change a result.
        unless_default: Names that are left out while they have their default value. A setting that is added later
            belongs here: then what was made before it existed, and so with its default, is not made again.
    """
    facts: dict[str, object] = msgspec.to_builtins(section)
    defaults = msgspec.to_builtins(type(section)())
    same = {name for name in unless_default if facts[name] == defaults[name]}
    return {name: value for name, value in facts.items() if name not in {*without, *same}}


def _read_toml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return msgspec.toml.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}", hint="docs/settings.md shows a complete example") from error


def _nested(name: str, value: object) -> dict[str, Any]:
    *sections, leaf = name.split(".")
    nested: dict[str, Any] = {leaf: value}
    for section in reversed(sections):
        nested = {section: nested}
    return nested


def _merge(target: dict[str, Any], layer: Mapping[str, Any]) -> None:
    for name, value in layer.items():
        if isinstance(value, Mapping):
            below = target.setdefault(name, {})
            if not isinstance(below, dict):
                raise InputError(f"bad setting: {name} is a single value, not a section")
            _merge(below, value)
        else:
            target[name] = value
