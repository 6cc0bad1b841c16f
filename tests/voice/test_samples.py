"""Samples in memory or on the disk: the estimate, the choice, and batches that do not depend on it."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synctalk.errors import InputError
from synctalk.training.memory_guard import Room
from synctalk.voice.corpus import AUDIO, Clip, Corpus, open_corpus, write_corpus
from synctalk.voice.samples import Estimate, as_float, keep_samples
from synctalk.voice.vits_data import VitsClips

GIB = 1 << 30
PLENTY = Room(64 * GIB, 64 * GIB)


@pytest.mark.parametrize(
    ("free", "storage"),
    [(8_000, "float32"), (7_999, "int16"), (4_000, "int16"), (3_999, "mapped"), (1, "mapped"), (0, "mapped")],
)
def test_half_of_the_free_memory_is_left_to_the_training(free: int, storage: str) -> None:
    assert Estimate(1000, free).choose() == storage


@given(count=st.integers(0, 10**12), free=st.integers(0, 10**13))
def test_a_choice_always_fits_and_a_better_one_would_not(count: int, free: int) -> None:
    estimate = Estimate(count, free)
    chosen = estimate.choose()
    assert 2 * estimate.needed(chosen) <= free or chosen == "mapped"
    assert chosen == "float32" or 2 * estimate.needed("float32") > free
    assert chosen != "mapped" or 2 * estimate.needed("int16") > free


def test_the_known_sizes_of_an_hour_come_out() -> None:
    hour = Estimate(3600 * 16_000, GIB)
    assert (hour.needed("float32"), hour.needed("int16"), hour.needed("mapped")) == (230_400_000, 115_200_000, 0)


def test_all_numbers_of_16_bits_become_exact_fractions() -> None:
    every = np.arange(-32768, 32768).astype(np.int16)
    exact = as_float(every)
    assert exact.dtype == np.float32
    assert (exact.astype(np.float64) * 32768 == every).all()
    assert as_float(exact) is exact


def test_what_was_asked_for_and_does_not_fit_is_refused_before_it_is_read() -> None:
    endless = np.lib.stride_tricks.as_strided(np.zeros(1, np.int16), (10**12,), (0,))
    with pytest.raises(InputError, match="as float32") as refused:
        keep_samples(endless, "float32", Room(10**12, 10**12))
    assert "--set runtime.samples=auto" in refused.value.hint
    assert keep_samples(endless, "auto", Room(10**12, 10**12)) is endless
    assert keep_samples(endless, "mapped", Room(1, 1)) is endless


def test_where_the_system_does_not_tell_only_a_wish_takes_memory() -> None:
    samples = np.arange(5, dtype=np.int16)
    assert keep_samples(samples, "auto", Room(0, 0)) is samples
    assert keep_samples(samples, "float32", Room(0, 0)).dtype == np.float32


def test_estimate_and_choice_are_told(caplog: pytest.LogCaptureFixture) -> None:
    assert str(Estimate(10**9, 10**10)) == "4000.0 MB as float32 or 2000.0 MB as int16; 10000 MB are free"
    assert "does not tell" in str(Estimate(1, 0))
    logging.getLogger("synctalk").propagate = True
    with caplog.at_level(logging.INFO):
        keep_samples(np.zeros(1000, np.int16), "auto", Room(4000, 8000))
    assert f"samples in memory would take {Estimate(1000, 4000)}: kept as int16" in caplog.text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("voice")


@given(
    lengths=st.lists(st.integers(1, 3000), min_size=1, max_size=5),
    seed=st.integers(0, 1000),
    order=st.randoms(use_true_random=False),
)
def test_batches_are_the_same_to_the_last_bit_wherever_the_samples_are(folder: Path, lengths, seed, order) -> None:
    random = np.random.default_rng(seed)
    starts = np.cumsum([0, *lengths]).tolist()
    np.save(folder / AUDIO, random.integers(-32768, 32768, sum(lengths)).astype(np.int16))
    clips = tuple(
        Clip(name=str(n), text="a" * (n + 1), start=start, samples=length)
        for n, (start, length) in enumerate(zip(starts[:-1], lengths, strict=True))
    )
    write_corpus(folder, Corpus(rate_hz=16_000, language="en_US", clips=clips))
    corpus, samples = open_corpus(folder)
    indices = order.sample(range(len(clips)), k=order.randint(1, len(clips)))
    batches = [
        VitsClips(corpus, keep_samples(samples, storage, PLENTY), is_held_out=False).load(indices, [0] * len(indices))
        for storage in ("mapped", "int16", "float32", "auto")
    ]
    for batch in batches[1:]:
        assert batch.keys() == batches[0].keys()
        assert all(torch.equal(batch[name], batches[0][name]) for name in batch)
