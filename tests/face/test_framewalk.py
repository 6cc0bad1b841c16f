"""The order of source frames: pure, so checked for any clip, any length, any start."""

from itertools import islice, pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.errors import InputError
from synctalk.face.framewalk import LONGEST_SKIP, Loop, Step, legs, plan_walk

flags = st.lists(st.booleans(), min_size=1, max_size=60).filter(any)
counts = st.integers(0, 200)
starts = st.none() | st.integers(-500, 500)


def shown(step: Step) -> set[int]:
    return {step.frame} if step.fade_to is None else {step.frame, step.fade_to}


class TestAnyWalk:
    @given(flags, counts, starts, st.sampled_from(Loop), st.booleans())
    def test_has_the_asked_length_and_shows_only_usable_frames(self, usable, count, start, loop, returns) -> None:
        steps = list(plan_walk(usable, count=count, start=start, loop=loop, returns=returns))
        assert len(steps) == count
        assert all(usable[frame] for step in steps for frame in shown(step))

    @given(flags, st.integers(1, 200), st.integers(-500, 500), st.sampled_from(Loop), st.booleans())
    def test_begins_near_the_wrapped_start(self, usable, count, start, loop, returns) -> None:
        first = next(plan_walk(usable, count=count, start=start, loop=loop, returns=returns))
        wanted = start % len(usable)
        assert first.fade_to is None or count == 1
        if loop is Loop.PING_PONG:
            nearest = min(abs(frame - wanted) for frame, is_usable in enumerate(usable) if is_usable)
            assert abs(first.frame - wanted) == nearest

    @given(st.integers(1, 60), st.integers(1, 300), st.integers(0, 59), st.sampled_from(Loop))
    def test_that_returns_ends_on_the_frame_it_began_with(self, size, count, start, loop) -> None:
        steps = list(plan_walk([True] * size, count=count, start=start, loop=loop, returns=True))
        last = steps[-1]
        seen_last = last.fade_to if last.share == 1 else last.frame
        assert last.share in {0, 1}
        assert seen_last == steps[0].frame

    @pytest.mark.parametrize("loop", Loop)
    def test_that_returns_does_so_in_every_short_stretch(self, loop) -> None:
        for size, count in product(range(1, 12), range(1, 40)):
            for start in range(size):
                first, *_, last = [*plan_walk([True] * size, count=count, start=start, loop=loop, returns=True)] * 2
                assert first.frame == (last.frame if last.fade_to is None else last.fade_to), (size, count, start)

    def test_without_a_usable_frame_is_refused(self) -> None:
        with pytest.raises(InputError, match="no frame"):
            plan_walk([False] * 9, count=5)

    def test_is_lazy(self) -> None:
        steps = plan_walk([True] * 10, count=18 * 10**12 + 1, returns=True)
        assert [step.frame for step in islice(steps, 12)] == [*range(10), 8, 7]

    def test_without_a_start_takes_the_longest_stretch(self) -> None:
        usable = [True] * 5 + [False] * 10 + [True] * 20
        assert next(plan_walk(usable, count=1)).frame == 15

    @given(st.lists(st.booleans(), min_size=1, max_size=60), counts, starts, st.sampled_from(Loop), st.booleans())
    def test_never_crosses_a_cut(self, cuts, count, start, loop, returns) -> None:
        usable = [True] * len(cuts)
        steps = list(plan_walk(usable, count=count, start=start, loop=loop, returns=returns, cuts=cuts))
        frames = {frame for step in steps for frame in shown(step)}
        assert not frames or not any(cuts[min(frames) + 1 : max(frames) + 1])


class TestPingPong:
    @given(st.integers(1, 60), st.integers(1, 300), st.integers(0, 59), st.booleans())
    def test_moves_by_at_most_one_frame(self, size, count, start, returns) -> None:
        steps = list(plan_walk([True] * size, count=count, start=start, returns=returns))
        assert all(abs(after.frame - before.frame) <= 1 for before, after in pairwise(steps))
        assert all(step.fade_to is None for step in steps)

    @given(flags, counts, starts, st.booleans())
    def test_steps_over_short_gaps_only(self, usable, count, start, returns) -> None:
        steps = list(plan_walk(usable, count=count, start=start, returns=returns))
        assert all(abs(after.frame - before.frame) <= LONGEST_SKIP + 1 for before, after in pairwise(steps))

    def test_turns_at_both_ends(self) -> None:
        steps = plan_walk([True] * 4, count=9, start=1)
        assert [step.frame for step in steps] == [1, 2, 3, 2, 1, 0, 1, 2, 3]

    def test_return_turns_half_way_when_the_clip_is_long(self) -> None:
        steps = plan_walk([True] * 100, count=9, start=0, returns=True)
        assert [step.frame for step in steps] == [0, 1, 2, 3, 4, 3, 2, 1, 0]

    @given(st.integers(2, 60), st.integers(2, 300), st.integers(0, 59))
    def test_return_waits_for_at_most_one_frame_per_round(self, size, count, start) -> None:
        steps = list(plan_walk([True] * size, count=count, start=start, returns=True))
        waits = sum(before == after for before, after in pairwise(steps))
        assert waits <= -(-(count - 1) // (2 * (size - 1)))

    def test_return_uses_rounds_of_equal_length(self) -> None:
        # One full round of 18 moves and a stub of 2 would twitch at the end; two rounds of 10 do not.
        frames = [step.frame for step in plan_walk([True] * 10, count=21, start=0, returns=True)]
        assert frames == [0, 1, 2, 3, 4, 5, 4, 3, 2, 1] * 2 + [0]


class TestForward:
    @given(st.integers(3, 60), st.integers(1, 300), st.integers(0, 59), st.booleans())
    def test_never_runs_backwards_and_never_jumps_unfaded(self, size, count, start, returns) -> None:
        steps = list(plan_walk([True] * size, count=count, start=start, loop=Loop.FORWARD, returns=returns))
        for before, after in pairwise(steps):
            went_on = 0 <= after.frame - before.frame <= 1
            was_faded_out = before.fade_to is not None and after.frame - before.fade_to == 1
            assert went_on or was_faded_out

    @given(st.integers(3, 60), st.integers(1, 300), st.integers(0, 59), st.booleans())
    def test_shares_grow_gradually(self, size, count, start, returns) -> None:
        steps = list(plan_walk([True] * size, count=count, start=start, loop=Loop.FORWARD, returns=returns))
        for before, after in pairwise(steps):
            if after.fade_to is not None:
                assert 0 < after.share <= 1
                is_another_fade = before.fade_to is None or after.frame == before.fade_to + 1
                assert after.share > before.share or is_another_fade

    def test_fades_from_the_end_into_the_beginning(self) -> None:
        steps = list(plan_walk([True] * 4, count=5, loop=Loop.FORWARD))
        assert steps == [Step(0), Step(1), Step(2), Step(3, 0, 1 / 2), Step(1)]

    def test_return_fades_into_the_frames_before_the_first(self) -> None:
        steps = list(plan_walk([True] * 200, count=50, start=100, loop=Loop.FORWARD, returns=True))
        assert [step.fade_to for step in steps[-8:]] == list(range(93, 101))
        assert steps[-1].share == 1


class TestLegs:
    @given(flags, counts, starts, st.sampled_from(Loop), st.booleans())
    def test_put_together_are_the_walk(self, usable, count, start, loop, returns) -> None:
        frames = [step.frame for step in plan_walk(usable, count=count, start=start, loop=loop, returns=returns)]
        parts = list(legs(frames))
        assert [frame for part in parts for frame in part] == frames
        for part in parts:
            moves = {after - before for before, after in pairwise(part)}
            assert all(move >= 0 for move in moves) or all(move <= 0 for move in moves)

    def test_of_nothing(self) -> None:
        assert list(legs([])) == []
