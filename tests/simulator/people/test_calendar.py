"""When people come."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tagtrail.simulator.people.calendar import Calendar

START = datetime(2026, 3, 9, tzinfo=UTC)  # a Monday
WEEK = [date(2026, 3, 9) + timedelta(days=days) for days in range(7)]


def arrivals(calendar: Calendar, day: date, seed: int, group_size: float = 1.0) -> np.ndarray:
    return np.array(list(calendar.arrivals_s(day, START, group_size, np.random.default_rng(seed))))


def test_arrivals_follow_the_hours_of_the_day() -> None:
    by_hour = tuple(float(hour % 4 + 1) for hour in range(24))
    calendar = Calendar(opens="09:30", closes="21:00", shoppers_per_day=8000, by_hour=by_hour, by_weekday=(1.0,) * 7)
    came = arrivals(calendar, WEEK[0], 1) / 3600
    counts = np.histogram(came, bins=np.arange(25))[0]
    open_share = np.clip(np.arange(24) + 1 - 9.5, 0, 1) * (np.arange(24) < 21)
    expected = np.array(by_hour) * open_share
    expected *= 8000 / expected.sum()
    assert (counts[expected == 0] == 0).all()
    busy = expected > 0
    chi2 = ((counts - expected)[busy] ** 2 / expected[busy]).sum()
    assert chi2 < busy.sum() + 4 * np.sqrt(2 * busy.sum())


def test_weekdays_and_special_days_scale_the_day() -> None:
    calendar = Calendar(shoppers_per_day=3000, by_weekday=(1.0, 0.5, 0, 1, 1, 2.0, 1), days={"2026-03-15": 3.0})
    counts = [len(arrivals(calendar, day, index)) for index, day in enumerate(WEEK)]
    expected = np.array([3000, 1500, 0, 3000, 3000, 6000, 9000])
    assert (np.abs(counts - expected) <= 4 * np.sqrt(expected)).all()
    assert calendar.opening(WEEK[2], START) is None


def test_heads_are_counted_not_groups() -> None:
    calendar = Calendar(shoppers_per_day=4000, by_weekday=(1.0,) * 7)
    assert len(arrivals(calendar, WEEK[0], 1, group_size=2.0)) == pytest.approx(2000, abs=4 * np.sqrt(2000))


def test_the_gaps_of_a_constant_rate_are_exponential() -> None:
    calendar = Calendar(opens="00:00", closes="24:00", by_hour=(1.0,) * 24, shoppers_per_day=20_000)
    gaps = np.diff(arrivals(calendar, WEEK[3], 5))
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)


def test_a_day_on_which_the_clocks_change_opens_by_the_clock() -> None:
    start = datetime(2026, 3, 28, tzinfo=ZoneInfo("Europe/Berlin"))
    sunday = Calendar().opening(date(2026, 3, 29), start)
    assert sunday
    assert sunday.opens_s == (24 + 9) * 3600  # one hour of the night is missing


@pytest.mark.parametrize(
    ("calendar", "fault"),
    [
        (Calendar(opens="12:00", closes="10:00"), "calendar.closes: "),
        (Calendar(by_hour=(1.0,) * 9 + (0.0,) * 15), "calendar.by_hour: "),
        (Calendar(days={"christmas": 1.0}), "calendar.days: 'christmas'"),
    ],
)
def test_what_cannot_be_is_told_with_its_key(calendar: Calendar, fault: str) -> None:
    (told,) = calendar.faults()
    assert told.startswith(fault)
