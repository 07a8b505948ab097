"""Stays that overlap, by hand and at random."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagtrail.simulator.score.stays import MERGED, SECOND_US, Order, Stays, cut, make_stays

Row = tuple[int, int, int, int]
A, B, C = 0, 1, 2
ROWS = st.lists(
    st.builds(
        lambda who, zone, enter, length: (who, zone, enter, enter + length),
        st.integers(0, 3), st.integers(0, 2), st.integers(0, 30), st.integers(0, 12),
    ),
    max_size=25,
)  # fmt: skip


def stays_of(*rows: Row) -> Stays:
    """Who, zone, enter and exit; seconds."""
    who, zone, enter, exit_ = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return make_stays(who, zone, enter * SECOND_US, exit_ * SECOND_US)


def rows_of(stays: Stays) -> list[Row]:
    columns = (stays.who, stays.zone, stays.enter_us // SECOND_US, stays.exit_us // SECOND_US)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_stays_of_one_zone_that_overlap_are_one() -> None:
    stays = stays_of((0, A, 0, 10), (0, A, 5, 12), (0, A, 12, 14), (0, B, 3, 4), (1, A, 0, 3))
    assert rows_of(stays.whole()) == [(0, A, 0, 12), (0, B, 3, 4), (0, A, 12, 14), (1, A, 0, 3)]
    assert stays.whole().row.tolist() == [MERGED, 3, 2, 4]


def test_what_is_said_at_a_time() -> None:
    segments = cut(stays_of((0, A, 0, 10), (0, B, 5, 12), (0, C, 20, 20), (1, C, 0, 3)), zones=3)
    assert segments.labels == ((A,), (B,), (C,), (A, B))
    times = np.array([0, 4, 5, 9, 10, 11, 12, 20])
    zones = segments.zone_at(np.zeros(8, dtype=np.int64), times * SECOND_US)
    assert zones.tolist() == [A, A, B, B, B, B, -1, -1]  # the one that was entered last
    assert segments.zone_at(np.array([1, 1, 2]), np.array([2, 3, 0]) * SECOND_US).tolist() == [C, -1, -1]
    assert C in segments.label[segments.who == 0]  # a stay without length is kept


@given(ROWS)
def test_pieces_cover_the_same_time_and_never_overlap(rows: list[Row]) -> None:
    segments = cut(stays_of(*rows), zones=3)
    for who in range(4):
        for time in range(45):
            there = {zone for w, zone, enter, exit_ in rows if w == who and enter <= time < exit_}
            label = int(segments.label_at(np.array([who]), np.array([time * SECOND_US]))[0])
            assert set(segments.labels[label] if label >= 0 else ()) == there
    same = segments.who[1:] == segments.who[:-1]
    assert (segments.start_us[1:][same] >= segments.end_us[:-1][same]).all()


@given(ROWS, st.randoms())
def test_the_order_of_rows_does_not_matter(rows: list[Row], random: "np.random.Generator") -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert rows_of(stays_of(*rows).whole()) == rows_of(stays_of(*shuffled).whole())


@pytest.mark.parametrize("time", [0, 3, 4, 9])
def test_moments_are_counted_by_key_and_time(time: int) -> None:
    moments = [(0, 3), (0, 9), (2, 1), (2, 4), (2, 4)]
    order = Order(*np.array(moments, dtype=np.int64).T)
    for key in range(4):
        asked = (np.array([key]), np.array([time]))
        assert order.before(*asked)[0] == sum(moment < (key, time) for moment in moments)
        assert order.until(*asked)[0] == sum(moment <= (key, time) for moment in moments)
