"""Pairs of visits, and what is said of them, by hand; matching beside the best one of all."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagtrail.simulator.score.matching import coverage, dwell_error, error, found, match, total_dwell_error
from tagtrail.simulator.score.stays import SECOND_US, Stays, make_stays

A, B = 0, 1
Row = tuple[int, int, int, int]


def stays_of(*rows: Row) -> Stays:
    who, zone, enter, exit_ = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return make_stays(who, zone, enter * SECOND_US, exit_ * SECOND_US)


def pairs_of(true: Stays, estimated: Stays) -> list[tuple[int, int]]:
    pairs = match(true, estimated)
    return sorted(zip(pairs.true.tolist(), pairs.found.tolist(), strict=True))


def test_half_of_the_time_is_enough() -> None:
    true = stays_of((0, A, 0, 10), (0, A, 20, 30), (0, B, 40, 50), (1, A, 0, 10))
    estimated = stays_of((0, A, 0, 5), (0, A, 20, 24), (0, A, 40, 50), (2, A, 0, 10), (1, A, 2, 14))
    assert pairs_of(true, estimated) == [(0, 0), (3, 4)]  # 5/10; 4/10 is not; wrong zone; wrong person; 8/14


def test_of_two_halves_the_first_is_taken() -> None:
    assert pairs_of(stays_of((0, A, 0, 10)), stays_of((0, A, 5, 10), (0, A, 0, 5))) == [(0, 1)]
    assert pairs_of(stays_of((0, A, 0, 5), (0, A, 5, 10)), stays_of((0, A, 0, 10))) == [(0, 0)]


def test_nothing_matches_nothing() -> None:
    assert pairs_of(stays_of(), stays_of((0, A, 0, 5))) == []
    assert pairs_of(stays_of((0, A, 0, 5)), stays_of()) == []
    assert pairs_of(stays_of((0, A, 5, 5)), stays_of((0, A, 0, 9))) == []


VISITS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20), st.integers(1, 9)), max_size=5).map(
    lambda rows: stays_of(*((0, zone, enter, enter + length) for zone, enter, length in rows)).whole()
)


@given(VISITS, VISITS)
def test_as_many_pairs_as_there_can_be_both_ways(true: Stays, estimated: Stays) -> None:
    def iou(i: int, j: int) -> float:
        if true.zone[i] != estimated.zone[j]:
            return 0.0
        both = min(true.exit_us[i], estimated.exit_us[j]) - max(true.enter_us[i], estimated.enter_us[j])
        return float(both / (np.ptp([true.exit_us[i], true.enter_us[i]]) + estimated.dwell_s[j] * SECOND_US - both))

    few, many = sorted((true, estimated), key=len)
    swapped = len(true) > len(estimated)
    best = max(
        sum((iou(j, i) if swapped else iou(i, j)) >= 0.5 for i, j in enumerate(chosen))
        for chosen in permutations(range(len(many)), len(few))
    )
    assert len(pairs_of(true, estimated)) == best
    assert len(pairs_of(estimated, true)) == best


@given(VISITS)
def test_a_perfect_estimate_is_found_whole(true: Stays) -> None:
    assert pairs_of(true, true) == [(row, row) for row in range(len(true))]
    assert total_dwell_error(true, true).mae in (0.0,) if len(true) else True


def test_precision_recall_and_f1() -> None:
    result = found(true=4, estimated=5, matched=3)
    assert (result.precision, result.recall) == (0.6, 0.75)
    assert result.f1 == pytest.approx(2 * 0.6 * 0.75 / (0.6 + 0.75))
    assert math.isnan(found(0, 0, 0).f1)
    assert found(2, 0, 0).f1 == 0


def test_dwell_of_matched_visits_and_of_persons() -> None:
    true = stays_of((0, A, 0, 10), (0, A, 20, 40), (1, B, 0, 30))
    estimated = stays_of((0, A, 0, 13), (0, A, 21, 40), (1, A, 0, 8))
    matched = dwell_error(true, estimated, match(true, estimated))
    assert (matched.count, matched.mae, matched.median, matched.bias) == (2, 2.0, 2.0, 1.0)  # 13-10, 19-20
    total = total_dwell_error(true, estimated)
    assert total.count == 3
    assert total.bias == pytest.approx((2 + 8 - 30) / 3)  # 32-30 in A, 8 invented, 30 missed
    assert total.median == 8.0


def test_errors_are_antisymmetric() -> None:
    estimate, truth = np.array([1.0, 5.0, 2.0]), np.array([2.0, 2.0, 2.0])
    one, other = error(estimate, truth), error(truth, estimate)
    assert (one.mae, one.median, one.bias) == (other.mae, other.median, -other.bias) == (4 / 3, 1.0, 2 / 3)
    assert math.isnan(error(np.zeros(0), np.zeros(0)).mae)


def test_intervals_hold_the_truth_or_not() -> None:
    nan = math.nan
    low, high = np.array([0.0, 0.0, 5.0, nan]), np.array([10.0, 4.0, 5.0, 10.0])
    result = coverage("dwell", low, high, np.array([10.0, 5.0, 5.0, 1.0]))
    assert (result.count, result.share, result.width_s) == (3, 2 / 3, 14 / 3)
    assert math.isnan(coverage("dwell", low[3:], high[3:], np.zeros(1)).share)
