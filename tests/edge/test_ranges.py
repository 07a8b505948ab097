from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tagtrail.edge.ranges import Ranges

TOP = 40
pairs = st.tuples(st.integers(1, TOP), st.integers(1, TOP))


@given(st.lists(pairs), st.integers(0, TOP), pairs)
def test_ranges_are_a_set(added: list[tuple[int, int]], dropped: int, window: tuple[int, int]) -> None:
    ranges, numbers = Ranges(), set[int]()
    for first, last in added:
        ranges.add(first, last)
        numbers |= set(range(first, last + 1))
    ranges.drop_upto(dropped)
    numbers = {number for number in numbers if number > dropped}

    assert {number for number in range(TOP + 2) if number in ranges} == numbers
    assert len(ranges) == len(numbers)
    assert ranges.last == max(numbers, default=0)
    assert [number for first, last in ranges for number in range(first, last + 1)] == sorted(numbers)
    runs = list(ranges)
    assert all(before[1] + 1 < after[0] for before, after in pairwise(runs)), "no two runs touch"
    low, high = window
    assert ranges.count_above(low) == len({number for number in numbers if number > low})
    common = {number for first, last in ranges.common(low, high) for number in range(first, last + 1)}
    assert common == numbers & set(range(low, high + 1))

    missing = [number for number in range(low + 1, high + 1) if number not in numbers]
    gap = ranges.gap(low, high)
    assert (gap is None) == (not missing)
    if gap:
        assert gap[0] == missing[0]
        assert not numbers & set(range(gap[0], gap[1] + 1))
        assert gap[1] == high or gap[1] + 1 in numbers
    other = ranges.copy()
    other.add(1, TOP)
    assert len(ranges) == len(numbers)
