from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sspvs.video.footage import Stretch
from sspvs.video.takes import film_seconds, takes_of


def test_what_is_blended_comes_from_beyond_the_stretches_as_far_as_it_may() -> None:
    stretches = [(0, Stretch(2.0, 4.0, after=1.0)), (0, Stretch(10.0, 12.0, before=0.1)), (1, Stretch(0.0, 1.0))]
    one, other, last = takes_of(stretches, [20.0, 20.0], 0.4, 0.04)
    assert (one.start, one.end, one.tail) == pytest.approx((2.0, 4.2, 0.4))
    assert (other.start, other.end, other.lead, other.tail) == pytest.approx((9.9, 12.0, 0.4, 0.4))
    assert (last.start, last.lead) == pytest.approx((0.0, 0.4))  # nothing lies before the start of a file
    # 0.1 s of the first crossfade and all of the second one are cut off what is shown.
    assert film_seconds([one, other, last]) == pytest.approx(5.0 - 0.1 - 0.4)


def test_what_goes_on_is_not_blended_with_itself() -> None:
    stretches = [(0, Stretch(0.0, 2.0)), (0, Stretch(2.0, 10.0, speed=8.0)), (0, Stretch(10.0, 11.0))]
    takes = takes_of(stretches, [20.0], 0.5, 0.04)
    assert [(take.lead, take.tail) for take in takes] == [(0, 0)] * 3
    assert [take.sound_tail for take in takes] == [0.04, 0.04, 0.0]
    assert film_seconds(takes) == pytest.approx(4.0)


stretch = st.builds(
    lambda start, length, before, after, speed: Stretch(start, start + length, before, after, speed),
    st.floats(0, 50),
    st.floats(0.01, 9),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from([1.0, 1.0, 4.0]),
)


@given(
    st.lists(st.tuples(st.integers(0, 1), stretch), min_size=1, max_size=8),
    st.floats(0, 2),
    st.floats(0, 0.1),
    st.tuples(st.floats(1, 70), st.floats(1, 70)),
)
def test_takes_fit_together(
    stretches: list[tuple[int, Stretch]], crossfade: float, sound: float, ends: tuple[float, float]
) -> None:
    takes = takes_of(stretches, ends, crossfade, sound)
    whole = sum(max(0.0, min(one.end, ends[source]) - one.start) / one.speed for source, one in stretches)
    assert film_seconds(takes) <= whole + 1e-6
    assert takes[0].lead == takes[-1].tail == 0
    for (source, one), take in zip(stretches, takes, strict=True):
        assert take.lead + take.tail <= take.seconds + 1e-9
        assert take.heard_lead + take.heard_tail <= take.seconds + 1e-9
        assert take.start >= min(0.0, one.start) - 1e-9
        assert take.end <= max(ends[source], take.start) + 1e-9
        assert one.start - take.start <= one.before + 1e-9
        assert take.end - one.end <= one.after + 1e-9
    for before, after in pairwise(takes):
        assert before.tail == after.lead
        assert before.sound_tail == after.sound_lead
