"""A thread that works ahead must not change what arrives, swallow an error, or outlive its reader."""

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.face.readahead import read_ahead


@given(st.lists(st.integers()), st.integers(1, 5))
def test_gives_the_same_items_in_order(items, depth) -> None:
    with read_ahead(iter(items), depth=depth) as received:
        assert list(received) == items


def test_raises_the_error_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    seen = []
    with pytest.raises(ValueError, match="broken"), read_ahead(items(), depth=3) as received:
        seen.extend(received)
    with read_ahead(items(), depth=3) as received:
        assert next(received) == 1


def test_works_ahead_but_never_further_than_its_depth() -> None:
    made = []

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with read_ahead(items(), depth=4) as received:
        next(received)
        deadline = time.monotonic() + 5
        while len(made) < 6 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.15)
        assert len(made) == 6  # one taken, four waiting, one in hand


def test_leaving_early_stops_the_thread_and_closes_the_items() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    before = threading.active_count()
    with read_ahead(items(), depth=2) as received:
        next(received)
    assert closed.is_set()
    assert threading.active_count() == before


def test_an_error_of_the_reader_stops_the_thread_too() -> None:
    def fail_while_reading() -> None:
        with read_ahead(iter(range(10**9)), depth=2) as received:
            next(received)
            raise RuntimeError("reader")

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="reader"):
        fail_while_reading()
    assert threading.active_count() == before
