from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from synctalk.training.retention import KEEP_NEWEST, Kept, choose_expired

scans = st.lists(
    st.builds(Kept, st.integers(1, 30), is_own=st.booleans(), is_verified=st.booleans(), is_best=st.booleans()),
    max_size=12,
    unique_by=lambda kept: kept.epoch,
)


def own(*epochs: int, verified: tuple[int, ...] = ()) -> list[Kept]:
    return [Kept(epoch, is_verified=epoch in verified) for epoch in epochs]


@given(scans)
def test_the_newest_and_the_best_always_stay(scan: list[Kept]) -> None:
    expired = choose_expired(scan)
    mine = sorted((kept for kept in scan if kept.is_own), key=lambda kept: kept.epoch)
    assert not expired & {kept.epoch for kept in mine[-KEEP_NEWEST:]}
    assert not expired & {kept.epoch for kept in mine if kept.is_best}
    assert expired <= {kept.epoch for kept in scan}


@given(scans)
def test_two_verified_ones_stay_once_there_are_two(scan: list[Kept]) -> None:
    def verified(kept: list[Kept]) -> int:
        return sum(one.is_own and one.is_verified for one in kept)

    staying = [kept for kept in scan if kept.epoch not in choose_expired(scan)]
    assert verified(staying) >= min(2, verified(scan))


@given(scans)
def test_files_of_another_training_stay_until_this_one_has_a_verified_one(scan: list[Kept]) -> None:
    foreign = {kept.epoch for kept in scan if not kept.is_own}
    expired = choose_expired(scan)
    if not any(kept.is_own and kept.is_verified for kept in scan):
        assert not expired & foreign
    assert not expired & foreign or foreign <= expired


@given(scans)
def test_what_stays_is_not_expired_the_next_time(scan: list[Kept]) -> None:
    staying = [kept for kept in scan if kept.epoch not in choose_expired(scan)]
    assert choose_expired(staying) == set()


def test_the_fourth_newest_goes() -> None:
    assert choose_expired(own(1, 2, 3, 4, verified=(3, 4))) == {1}


def test_nothing_goes_while_only_one_is_known_to_be_good() -> None:
    assert choose_expired(own(1, 2, 3, 4, verified=(4,))) == set()


def test_older_files_go_with_the_first_verified_one_of_a_new_training() -> None:
    older = [Kept(epoch, is_own=False) for epoch in (98, 99, 100)]
    assert choose_expired(older + own(1)) == set()
    assert choose_expired(older + own(1, verified=(1,))) == {98, 99, 100}
