"""Edit distances, beside the textbook's algorithm, and sequences by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagtrail.simulator.geometry import Ints
from tagtrail.simulator.score import paths
from tagtrail.simulator.score.paths import edit_distances, equal_costs, similarity, weighted_costs
from tagtrail.simulator.score.stays import SECOND_US, cut, make_stays

A, B, C = 0, 1, 2
AB = 3
LABELS = ((A,), (B,), (C,), (A, B))


def path(text: str) -> Ints:
    return np.array([ord(letter) - ord("a") for letter in text], dtype=np.int64)


@pytest.mark.parametrize(
    ("left", "right", "distance"),
    [("abc", "abc", 0), ("abc", "", 3), ("", "", 0), ("abca", "acba", 2), ("abab", "baba", 2), ("cab", "ab", 1)],
)
def test_edit_distance(left: str, right: str, distance: int) -> None:
    assert edit_distances([path(left)], [path(right)], equal_costs(3, LABELS[:3]), 1.0).tolist() == [distance]


def test_half_a_right_answer_costs_half() -> None:
    costs = weighted_costs(3, LABELS)
    truth = path("abc")
    for estimate, distance in (([AB, B, C], 1), ([AB, AB, C], 2), ([AB, AB, AB], 4), ([C, B, C], 2), ([B, C], 2)):
        assert edit_distances([truth], [np.array(estimate)], costs, paths.WRONG).tolist() == [distance]


def textbook(left: list[int], right: list[int], costs: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> float:
    table = [[2.0 * (i + j) for j in range(len(right) + 1)] for i in range(len(left) + 1)]
    for i, one in enumerate(left):
        for j, other in enumerate(right):
            table[i + 1][j + 1] = min(table[i][j] + costs[one, other], table[i][j + 1] + 2, table[i + 1][j] + 2)
    return table[-1][-1]


SEQUENCE = st.lists(st.integers(-1, 2), max_size=9)


@given(st.lists(st.tuples(SEQUENCE, st.lists(st.integers(-1, 3), max_size=9)), max_size=12))
def test_many_at_once_are_each_as_in_the_textbook(pairs: list[tuple[list[int], list[int]]]) -> None:
    costs = weighted_costs(3, LABELS)
    left, right = ([np.array(pair[side], dtype=np.int64) for pair in pairs] for side in (0, 1))
    expected = [textbook(one, other, costs) for one, other in pairs]
    assert edit_distances(left, right, costs, 2.0).tolist() == expected


@given(SEQUENCE, SEQUENCE)
def test_distance_is_symmetric_and_similarity_a_share(one: list[int], other: list[int]) -> None:
    left, right = [np.array(one, dtype=np.int64)], [np.array(other, dtype=np.int64)]
    costs = equal_costs(3, LABELS[:3])
    there, back = edit_distances(left, right, costs, 1.0), edit_distances(right, left, costs, 1.0)
    assert there == back
    if one or other:
        assert 0 <= similarity(there, left, right, 1.0)[0] <= 1
    assert (there[0] == 0) == (one == other)
    assert weighted_costs(3, LABELS[:3]).tolist() == (2 * costs).tolist()


def test_sequences_of_blocks_and_of_steps() -> None:
    rows = [(0, A, 0, 10), (0, A, 15, 20), (0, B, 20, 41), (2, C, 5, 6)]
    who, zone, enter, exit_ = np.array(rows).T
    segments = cut(make_stays(who, zone, enter * SECOND_US, exit_ * SECOND_US), zones=3)
    assert [block.tolist() for block in paths.blocks(segments, 3)] == [[A, B], [], [C]]
    start, end = np.array([0, 0, 5]) * SECOND_US, np.array([45, 20, 7]) * SECOND_US
    steps = paths.steps(segments, start, end, 10 * SECOND_US)
    assert [step.tolist() for step in steps] == [[A, A, B, B], [-1, -1], [-1]]  # at 5, 15, 25, 35; 5, 15; 6
