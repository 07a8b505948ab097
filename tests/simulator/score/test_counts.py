"""Traffic, occupancy and flows by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tagtrail.simulator.geometry import Floats
from tagtrail.simulator.score import counts
from tagtrail.simulator.score.stays import HOUR_US, MINUTE_US, SECOND_US, Stays, make_stays

A, B, C = 0, 1, 2
START_US = 1_773_453_600 * SECOND_US


def stays_of(*rows: tuple[int, int, float, float]) -> Stays:
    """Who, zone, enter and exit; minutes since the start."""
    who, zone = (np.array([row[column] for row in rows], dtype=np.int64) for column in (0, 1))
    enter, exit_ = (
        START_US + np.array([row[column] * MINUTE_US for row in rows]).astype(np.int64) for column in (2, 3)
    )
    return make_stays(who, zone, enter, exit_)


def test_visits_count_where_they_begin_and_visitors_where_they_are() -> None:
    stays = stays_of((0, A, 0, 5), (0, A, 10, 125), (1, A, 59, 60), (1, B, 60, 61), (2, B, -5, 3), (3, B, 179, 200))
    visits = counts.visits_by_hour(stays, 2, START_US, 3)
    assert visits.tolist() == [[3, 0, 0], [0, 1, 1]]  # before the start: none
    visitors = counts.visitors_by_hour(stays, 2, START_US, 3)
    assert visitors.tolist() == [[2, 1, 1], [1, 1, 1]]


def test_occupancy_is_the_mean_of_a_minute() -> None:
    stays = stays_of((0, A, 0, 0.5), (1, A, 0.25, 2), (2, B, -3, 9), (3, A, 2.5, 2.5))
    table = counts.occupancy(stays, 3, START_US, 3)
    assert table.tolist() == [[1.25, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]


def test_wape_weighs_by_the_true_counts() -> None:
    result = counts.wape(np.array([[8.0, 3.0], [0.0, 4.0]]), np.array([[10.0, 0.0], [0.0, 5.0]]))
    assert (result.true, result.estimated) == (15, 15)
    assert result.wape == pytest.approx(6 / 15)
    assert result.bias == 0.0
    assert math.isnan(counts.wape(np.ones(2), np.zeros(2)).wape)


def test_steps_are_within_a_trip() -> None:
    stays = stays_of((0, B, 5, 6), (0, A, 0, 5), (0, B, 7, 8), (0, A, 30, 31), (1, C, 31, 32), (1, A, 33, 34))
    trip = counts.split_by_gap(stays, 10 * MINUTE_US)
    assert len(set(trip.tolist())) == 3
    assert counts.flows(stays, trip, 3).tolist() == [[0, 1, 0], [0, 0, 0], [1, 0, 0]]
    whole = counts.flows(stays, np.zeros(6, dtype=np.int64), 3)
    assert whole[B, A] == 1


def test_common_part_of_commuters() -> None:
    one, other = np.array([[0.0, 4.0], [2.0, 0.0]]), np.array([[0.0, 1.0], [5.0, 0.0]])
    assert counts.common_part(one, other) == 2 * (1 + 2) / 12
    assert math.isnan(counts.common_part(np.zeros((2, 2)), np.zeros((2, 2))))


TABLES = arrays(np.float64, (3, 3), elements=st.integers(0, 50).map(float))


@given(TABLES, TABLES)
def test_common_part_is_a_symmetric_share(one: Floats, other: Floats) -> None:
    share = counts.common_part(one, other)
    if one.any() or other.any():
        assert 0 <= share <= 1
        assert share == counts.common_part(other, one)
    if one.any():
        assert counts.common_part(one, one) == 1


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.floats(0, 90), st.floats(0, 60)), min_size=1))
def test_time_is_neither_lost_nor_made(rows: list[tuple[int, int, float, float]]) -> None:
    stays = stays_of(*((who, zone, enter, enter + length) for who, zone, enter, length in rows))
    table = counts.occupancy(stays, 3, START_US, 180)
    assert 60 * table.sum() == pytest.approx(stays.dwell_s.sum(), abs=1e-3)
    assert counts.visits_by_hour(stays, 3, START_US, 3).sum() == len(rows)
    assert HOUR_US == 60 * MINUTE_US
