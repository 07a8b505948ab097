"""Which reads belong to a store-day: each to one, and whole runs, whatever was read around midnight."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagtrail.analytics.database import ROW, Rows
from tagtrail.analytics.days import Bounds, bounds_of, last_day, load_day

BERLIN = ZoneInfo("Europe/Berlin")
GAP_US = 600_000_000
HOUR_US = 3_600_000_000
FIRST = date(2026, 3, 27)
DAYS = [FIRST + timedelta(days=n) for n in range(6)]  # clocks change in the night to the third

Read = tuple[int, int]
"""tag_id, time_us"""


class Reads:
    """What a database would give."""

    def __init__(self, reads: Sequence[Read]) -> None:
        self.rows = np.zeros(len(reads), dtype=ROW)
        self.rows["tag_id"] = [tag for tag, _ in reads]
        self.rows["time_us"] = [time_us for _, time_us in reads]
        self.rows = self.rows[np.lexsort((self.rows["time_us"], self.rows["tag_id"]))]
        self.asked: list[tuple[int, int]] = []

    def load(self, from_us: int, to_us: int, tag_ids: Sequence[int] | None) -> Rows:
        self.asked.append((from_us, to_us))
        chosen = (self.rows["time_us"] >= from_us) & (self.rows["time_us"] <= to_us)
        if tag_ids is not None:
            chosen &= np.isin(self.rows["tag_id"], tag_ids)
        return self.rows[chosen]


def day_by_the_rule(reads: Sequence[Read]) -> dict[Read, date | None]:
    """The day of each read, by a look at all of its tag's reads."""
    midnights = [bounds_of(FIRST + timedelta(days=n), BERLIN).begin_us for n in range(-2, 9)]
    days = [FIRST + timedelta(days=n) for n in range(-2, 8)]
    found: dict[Read, date | None] = {}
    for tag in {tag for tag, _ in reads}:
        times = sorted(time_us for other, time_us in reads if other == tag)
        runs = [[times[0]]]
        for time_us in times[1:]:
            if time_us - runs[-1][-1] > GAP_US:
                runs.append([])
            runs[-1].append(time_us)
        for run in runs:
            cuts = {end for begin, end in pairwise(midnights) if run[0] < begin and run[-1] >= end}
            first_us = run[0]
            for time_us in run:
                if passed := [cut for cut in cuts if first_us < cut <= time_us]:
                    first_us = max(passed)
                inside = [day for day, begin in zip(days, midnights, strict=False) if begin <= first_us]
                found[tag, time_us] = inside[-1] if inside and first_us < midnights[-1] else None
    return found


@st.composite
def crowds(draw: st.DrawFn) -> list[Read]:
    """Tags with stays of minutes to days, and pauses around the silence that ends a run."""
    begin_us = bounds_of(FIRST, BERLIN).begin_us
    reads: set[Read] = set()
    for tag in range(1, draw(st.integers(1, 4)) + 1):
        time_us = begin_us + draw(st.integers(0, 5 * 24)) * HOUR_US + draw(st.sampled_from([-1, 0, 1, 1_234_567]))
        for _ in range(draw(st.integers(1, 4))):
            step_us = draw(st.sampled_from([GAP_US, GAP_US - 1, 173_000_000]))
            for _ in range(draw(st.sampled_from([1, 2, 20, 150, 400]))):
                reads.add((tag, time_us))
                time_us += step_us
            time_us += draw(st.sampled_from([1, GAP_US, HOUR_US, 20 * HOUR_US]))
    return sorted(reads)


@settings(max_examples=40)
@given(crowds())
def test_each_read_belongs_to_one_day_with_its_whole_run(reads: list[Read]) -> None:
    days = day_by_the_rule(reads)
    source = Reads(reads)
    for day in DAYS:
        found = load_day(source.load, bounds_of(day, BERLIN), GAP_US)
        expected = [read for read in reads if days[read] == day]
        assert list(zip(found.rows["tag_id"].tolist(), found.rows["time_us"].tolist(), strict=True)) == expected
        begin_us, end_us = bounds_of(day, BERLIN)[1:3]
        assert found.earlier == sum(
            begin_us <= time_us < end_us and days[tag, time_us] != day for tag, time_us in reads
        )


@settings(max_examples=40)
@given(crowds(), st.data())
def test_what_was_not_looked_at_has_no_say(reads: list[Read], data: st.DataObject) -> None:
    bounds = bounds_of(data.draw(st.sampled_from(DAYS)), BERLIN)
    found = load_day(Reads(reads).load, bounds, GAP_US)
    outside = data.draw(
        st.lists(st.tuples(st.integers(1, 5), st.integers(bounds.before_us - HOUR_US, bounds.after_us + HOUR_US)))
    )
    late = [read for read in outside if not found.from_us <= read[1] <= found.to_us]
    again = load_day(Reads(sorted({*reads, *late})).load, bounds, GAP_US)
    assert again.rows.tolist() == found.rows.tolist()


def test_an_ordinary_night_costs_one_look_ten_minutes_back() -> None:
    bounds = bounds_of(FIRST, BERLIN)
    source = Reads([(1, bounds.begin_us + 10 * HOUR_US)])
    assert len(load_day(source.load, bounds, GAP_US).rows) == 1
    assert source.asked == [(bounds.begin_us - GAP_US, bounds.end_us - 1)]


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 28), 24), (date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_a_day_ends_where_the_next_one_begins(day: date, hours: int) -> None:
    bounds = bounds_of(day, BERLIN)
    assert bounds.end_us - bounds.begin_us == hours * HOUR_US
    after = bounds_of(day + timedelta(days=1), BERLIN)
    assert Bounds(bounds.begin_us, bounds.end_us, bounds.after_us, after.after_us) == after


def test_the_last_day_that_is_over_depends_on_the_zone() -> None:
    midnight_us = bounds_of(FIRST, BERLIN).begin_us
    assert last_day(midnight_us - 1, BERLIN) == FIRST - timedelta(days=2)
    assert last_day(midnight_us, BERLIN) == FIRST - timedelta(days=1)
    assert last_day(midnight_us - 1, ZoneInfo("Asia/Shanghai")) == FIRST - timedelta(days=1)
