"""Listening to recordings one after another, and choosing those that are used.

Samples go to the disk at once; what stays in memory is a few figures for each recording.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from synctalk.errors import StoppedError
from synctalk.faults import crash_point
from synctalk.progress import Progress
from synctalk.voice.hearing import hear
from synctalk.voice.listing import Reason, Rejection, Row, RowError
from synctalk.voice.samplefile import SampleStore
from synctalk.voice.screening import check_paces, key_of, pace
from synctalk.voice.soundcheck import Soundness
from synctalk.voice_settings import PrepareSettings


@dataclass(frozen=True)
class Kept:
    """A recording that was heard; its samples are in the store.

    Attributes:
        row: What the listing says.
        soundness: What was measured.
        start: Of its samples in the store.
        samples: How many.
        key: Of its sound and text.
    """

    row: Row
    soundness: Soundness
    start: int
    samples: int
    key: str

    @property
    def pace(self) -> float:
        """Seconds per character."""
        return pace(self.row.text, self.soundness.speech_s)


@dataclass
class Gathering:
    """Recordings being listened to, one after another.

    Attributes:
        settings: What is asked of them.
        store: Where their samples go.
        should_stop: Asked for each.
        rejections: Grows with every row that cannot be used.
    """

    settings: PrepareSettings
    store: SampleStore
    should_stop: Callable[[], bool]
    rejections: list[Rejection]
    _sounds: dict[str, Row] = field(default_factory=dict)

    def listen(self, rows: Sequence[Row], progress: Progress) -> list[Kept]:
        """Those rows that can be used, until there are as many as wanted.

        Raises:
            StoppedError: `should_stop` said so.
            OSError: The disk refused the samples.
        """
        kept: list[Kept] = []
        progress.begin("listening", total=len(rows), unit="clips")
        try:
            for number, row in enumerate(rows):
                if self._is_enough(kept):
                    self._reject_surplus(rows[number:])
                    break
                self._listen_to(row, kept)
                progress.advance()
        finally:
            progress.end()
        return kept

    def choose(self, kept: list[Kept]) -> list[Kept]:
        """Those whose text fits their sound, at most as many as wanted."""
        fitting = []
        for each, problem in zip(kept, check_paces([each.pace for each in kept]), strict=True):
            if problem is None:
                fitting.append(each)
            else:
                self._reject(each.row, problem)
        wanted = self.settings.most_clips or len(fitting)
        self._reject_surplus([each.row for each in fitting[wanted:]])
        return fitting[:wanted]

    def _listen_to(self, row: Row, kept: list[Kept]) -> None:
        if self.should_stop():
            raise StoppedError
        try:
            heard = hear(row, self.settings, self.should_stop)
            if heard.key in self._sounds:
                raise RowError(Reason.SAME_SOUND, f"as {self._sounds[heard.key].name}")
        except RowError as error:
            self._reject(row, error)
            return
        self._sounds[heard.key] = row
        crash_point("prepare.store")
        start = self.store.append(heard.samples)
        kept.append(Kept(row, heard.soundness, start, len(heard.samples), key_of(heard.key, row.text)))

    def _is_enough(self, kept: list[Kept]) -> bool:
        wanted = self.settings.most_clips
        return 0 < wanted <= len(kept) and check_paces([each.pace for each in kept]).count(None) >= wanted

    def _reject(self, row: Row, error: RowError) -> None:
        self.rejections.append(Rejection(row.source, row.line, row.name, error.reason, error.detail))

    def _reject_surplus(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._reject(row, RowError(Reason.SURPLUS, f"prepare.most_clips is {self.settings.most_clips}"))
