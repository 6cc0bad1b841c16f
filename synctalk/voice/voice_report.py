"""The data report of a voice: are these recordings good enough to learn from, and what should be recorded again?

Written by the stage `prepare` as `report.json` and `report.png`; docs/recordings.md says how to read them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from synctalk import files
from synctalk.media.verdict import Finding, Verdict, worst
from synctalk.voice.alphabet import plain
from synctalk.voice.corpus import Clip, Corpus
from synctalk.voice.extent import Extent
from synctalk.voice.listing import Listing, Row
from synctalk.voice.metadata import count_reasons
from synctalk.voice.soundcheck import Soundness
from synctalk.voice.voice_charts import draw_report
from synctalk.voice.voice_grading import Evidence, judge, minutes_advised, rare_signs

REPORT_JSON, REPORT_PNG = "report.json", "report.png"

_LEAST_BINS, _MOST_BINS = 6, 24
_BATCH = 16


@dataclass(frozen=True)
class Accepted:
    """A recording that is used.

    Attributes:
        row: What the listing says.
        clip: What became of it.
        soundness: What was measured before anything was done to it.
    """

    row: Row
    clip: Clip
    soundness: Soundness


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """How many clips are between each edge and the next."""

    edges: list[float]
    counts: list[int]


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """What there is of one speaker."""

    clips: int
    minutes: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `report.json`."""

    verdict: Verdict
    language: str
    rate_hz: int
    rows: int
    """Of the listing."""
    clips: int
    """That are used."""
    held_out: int
    """Of the clips."""
    left_out: dict[str, int]
    """How many rows for which reason."""
    unlisted_sounds: int
    """Files without a row."""
    minutes: float
    """That are used, margins included."""
    minutes_recorded: float
    """Of the same clips before silence was cut."""
    minutes_advised: float
    """To be recorded further for a verdict of good; 0 when there is enough."""
    speakers: dict[str, Spoken]
    recorded_rates_hz: dict[str, int]
    """How many recordings have which rate."""
    padding_share: float
    """Of batches of 16 clips in the order of the listing."""
    padding_share_by_length: float
    """The same, of clips sorted by length."""
    characters: dict[str, int]
    """In how many clips each sign occurs."""
    rare_characters: list[str]
    """Letters that occur in too few clips to be learned well."""
    histograms: dict[str, Histogram]
    findings: list[Finding]

    @property
    def advice(self) -> list[str]:
        """What to record again."""
        return [found.advice for found in self.findings if found.advice]


def make_report(corpus: Corpus, accepted: Sequence[Accepted], listing: Listing, extent: Extent) -> Report:
    """Everything that can be said about the recordings of a voice.

    Args:
        corpus: What is used.
        accepted: The same, with what was measured; in the same order.
        listing: All rows, with those that were left out.
        extent: What the headers said.
    """
    evidence = Evidence(
        rate_hz=corpus.rate_hz,
        soundness=[each.soundness for each in accepted],
        lengths_s=np.array([each.clip.samples / corpus.rate_hz for each in accepted]),
        texts=[plain(each.clip.text) for each in accepted],
        speakers=[each.row.speaker for each in accepted],
        left_out=count_reasons(listing.rejections),
        rates=extent.rates,
    )
    findings = judge(evidence)
    lengths_s = evidence.lengths_s
    return Report(
        verdict=worst(findings),
        language=corpus.language,
        rate_hz=corpus.rate_hz,
        rows=len(accepted) + len(listing.rejections),
        clips=len(accepted),
        held_out=len(list(corpus.chosen(is_held_out=True))),
        left_out={str(reason): count for reason, count in evidence.left_out.items()},
        unlisted_sounds=len(listing.unlisted),
        minutes=round(evidence.minutes, 3),
        minutes_recorded=round(sum(each.soundness.seconds for each in accepted) / 60, 3),
        minutes_advised=round(minutes_advised(evidence), 1),
        speakers=_spoken(evidence),
        recorded_rates_hz={str(rate): count for rate, count in sorted(extent.rates.items())},
        padding_share=round(padding_share(lengths_s), 4),
        padding_share_by_length=round(padding_share(np.sort(lengths_s)), 4),
        characters=dict(sorted(evidence.signs.items(), key=lambda item: (-item[1], item[0]))),
        rare_characters=rare_signs(evidence),
        histograms=_histograms(evidence),
        findings=findings,
    )


def write_report(facts: Path, picture: Path, report: Report) -> None:
    """Write both files, the picture first.

    Raises:
        StorageError: The disk refused.
    """
    histograms = {name: (shown.edges, shown.counts) for name, shown in report.histograms.items()}
    title = f"{report.clips} of {report.rows} clips, {report.minutes:.1f} minutes: {report.verdict}"
    draw_report(picture, title, histograms, bars=(report.characters, report.left_out), findings=report.findings)
    files.write_json(facts, report)


def padding_share(lengths: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Which share of batches of 16 is padding, when all clips of a batch are as long as its longest.

    Example:
        >>> padding_share(np.array([1.0, 3.0]))
        0.3333333333333333
    """
    batches = [lengths[first : first + _BATCH] for first in range(0, len(lengths), _BATCH)]
    padded = sum(float(batch.max()) * len(batch) for batch in batches)
    return 1 - float(lengths.sum()) / padded if padded else 0.0


def _spoken(evidence: Evidence) -> dict[str, Spoken]:
    clips = Counter(evidence.speakers)
    minutes = evidence.minutes_by_speaker
    return {name: Spoken(clips=clips[name], minutes=round(minutes[name], 3)) for name in clips}


def _histograms(evidence: Evidence) -> dict[str, Histogram]:
    figures = {
        "seconds": evidence.lengths_s,
        "characters_per_second": evidence.characters_per_second,
        "level_dbfs": np.array([each.level_dbfs for each in evidence.soundness]),
        "noise_distance_db": np.array([each.noise_db for each in evidence.soundness]),
    }
    made = {}
    for name, values in figures.items():
        counts, edges = np.histogram(values, bins=min(_MOST_BINS, max(_LEAST_BINS, len(values) // 4)))
        made[name] = Histogram(edges=[round(float(edge), 4) for edge in edges], counts=counts.tolist())
    return made
