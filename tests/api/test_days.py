"""The numbers of a day, and where it begins and ends."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_store import CORNER, NOON, add_layout, clock_at, zoned
from crowd import Trip, add_trips, epc_of, set_agent, set_progress
from fixture_api import StartApi
from tagtrail.api.days import day_window
from tagtrail.api.settings import ApiSettings

MINUTE = timedelta(minutes=1)


def trip(number: int, start: datetime, *stays: tuple[str, float], is_open: bool = False) -> Trip:
    """Stays of (zone, minutes), one after the other."""

    def times() -> Iterator[tuple[str, datetime, datetime]]:
        enter = start
        for zone, minutes in stays:
            leave = enter + minutes * MINUTE
            yield zone, enter, leave
            enter = leave

    return Trip(epc_of(number), list(times()), is_open)


def ask(start_api: StartApi, dsn: str, path: str = "today", now: datetime = NOON, **settings: Any) -> dict[str, Any]:
    answer = start_api(ApiSettings(dsn=dsn, clock=clock_at(now), **settings)).get(f"/api/store/corner/{path}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.fixture
def morning(writer: psycopg.Connection, corner: str) -> str:
    """DSN with a morning of four trips, a week before which there were two."""
    ten = NOON.replace(hour=10)
    add_trips(
        writer,
        "corner",
        [
            trip(1, ten, ("door", 1), ("aisle", 1), ("perfume", 4), ("aisle", 1), ("shoes", 8), ("door", 1)),
            trip(2, ten + 7 * MINUTE, ("door", 1), ("perfume", 2), ("perfume", 2), ("door", 1)),
            trip(1, ten + 60 * MINUTE, ("door", 1), ("shoes", 5), ("door", 2)),  # comes back
            trip(3, NOON - 5 * MINUTE, ("door", 1), ("perfume", 4), is_open=True),
            trip(4, ten - timedelta(days=7), ("door", 6)),
            trip(5, ten - timedelta(days=7), ("door", 10)),
            trip(6, NOON + timedelta(hours=1) - timedelta(days=7), ("door", 20)),  # later than now, a week ago
        ],
    )
    set_progress(writer, "corner", NOON)
    set_agent(writer, "corner", {"r01": "streaming"})
    return corner


def test_the_numbers_of_a_morning(morning: str, start_api: StartApi) -> None:
    numbers = ask(start_api, morning)["numbers"]
    values = {name: number["value"] for name, number in numbers.items() if "value" in number}
    assert values == {"inside_now": 1, "visitors": 3, "entries": 4, "stay_s": 8 * 60, "peak_inside": 2}
    assert numbers["stay_s"]["sample"] == 3  # the fourth has not ended
    assert (numbers["visitors"]["week_before"], numbers["stay_s"]["week_before"]) == (2, 8 * 60)
    assert numbers["peak_inside"]["at"] == "2026-03-14T10:10:00+08:00"
    assert (numbers["busiest_zone"]["zone"], numbers["busiest_zone"]["visitors"]) == ("perfume", 3)
    assert all(number["definition"].endswith(".") for number in numbers.values())


def test_zones_count_stays_and_tags_and_take_the_median_of_what_has_ended(morning: str, start_api: StartApi) -> None:
    zones = ask(start_api, morning)["zones"]
    assert zones["perfume"] == {"visits": 4, "visitors": 3, "dwell_s": 120, "dwell_sample": 3}
    assert zones["shoes"] == {"visits": 2, "visitors": 1, "dwell_s": 390, "dwell_sample": 2}


def test_flows_pass_over_aisles_and_do_not_step_on_the_spot(morning: str, start_api: StartApi) -> None:
    day = ask(start_api, morning)
    flows = {(flow["from_zone"], flow["to_zone"]): flow["steps"] for flow in day["flows"]}
    assert flows == {
        ("door", "perfume"): 3,
        ("perfume", "shoes"): 1,
        ("shoes", "door"): 2,
        ("perfume", "door"): 1,
        ("door", "shoes"): 1,
    }
    assert [flow["steps"] for flow in day["flows"]] == [3, 2, 1, 1, 1]
    short = ask(start_api, morning, "today?flows=2")
    assert (len(short["flows"]), short["flows_left_out"]) == (2, 3)


def test_the_curve_counts_who_is_between_first_and_last_read(morning: str, start_api: StartApi) -> None:
    series = ask(start_api, morning)["series"]
    assert len(series) == 12 * 12  # from midnight to noon, where the data end
    curve = {slot["time"][11:16]: (slot["inside"], slot["entries"]) for slot in series}
    assert curve["09:55"] == (0, 0)
    assert curve["10:00"] == (1, 1)
    assert curve["10:05"] == (2, 1)
    assert curve["10:10"] == (1, 0)  # one left at 10:13
    assert curve["10:15"] == (0, 0)
    assert curve["11:55"] == (1, 1)


def test_the_curve_ends_where_the_data_do(writer: psycopg.Connection, morning: str, start_api: StartApi) -> None:
    set_progress(writer, "corner", NOON - 30 * MINUTE)
    assert ask(start_api, morning)["series"][-1]["time"] == "2026-03-14T12:00:00+08:00"  # a reader is on: nobody came
    set_agent(writer, "corner", {"r01": "failed"})
    assert ask(start_api, morning)["series"][-1]["time"] == "2026-03-14T11:25:00+08:00"


def test_a_past_day_is_whole(morning: str, start_api: StartApi) -> None:
    day = ask(start_api, morning, "today?day=2026-03-07")
    assert (day["numbers"]["entries"]["value"], day["numbers"]["inside_now"]["value"]) == (3, None)
    assert day["until"] == day["end"] == "2026-03-08T00:00:00+08:00"
    assert len(day["series"]) == 288


def test_a_day_without_anybody_is_zero_not_nothing(corner: str, start_api: StartApi) -> None:
    day = ask(start_api, corner)
    assert day["numbers"]["visitors"]["value"] == 0
    assert (day["numbers"]["stay_s"]["value"], day["numbers"]["busiest_zone"]["zone"]) == (None, None)
    assert set(day["zones"]) == {"door", "aisle", "perfume", "shoes"}
    assert (day["flows"], day["series"]) == ([], [])


def test_midnight_in_shanghai_divides_the_days(writer: psycopg.Connection, corner: str, start_api: StartApi) -> None:
    midnight = NOON.replace(hour=0)
    add_trips(
        writer,
        "corner",
        [
            trip(1, midnight - MINUTE, ("door", 3), ("perfume", 4)),  # a trip belongs to the day of its start
            trip(2, midnight - timedelta(microseconds=1), ("door", 1)),
            trip(3, midnight, ("door", 1)),
        ],
    )
    set_progress(writer, "corner", NOON)
    today = ask(start_api, corner)
    yesterday = ask(start_api, corner, "today?day=2026-03-13")
    assert today["start"] == "2026-03-14T00:00:00+08:00"
    assert [day["numbers"]["entries"]["value"] for day in (yesterday, today)] == [2, 1]
    assert [day["zones"]["perfume"]["visits"] for day in (yesterday, today)] == [0, 1]
    assert today["series"][0]["inside"] == 1  # who came yesterday is still there at 00:05
    assert today["series"][1]["inside"] == 0


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_days_of_23_and_25_hours(migrated: str, start_api: StartApi, day: str, hours: int) -> None:
    add_layout(migrated, zoned(CORNER, "Europe/Berlin"), datetime(2026, 1, 1, tzinfo=UTC))
    berlin = ZoneInfo("Europe/Berlin")
    noon = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=berlin)
    with psycopg.connect(migrated) as connection:
        add_trips(connection, "corner", [trip(1, noon, ("door", 10))])
        set_progress(connection, "corner", noon + timedelta(hours=1))
    found = ask(start_api, migrated, f"today?day={day}", now=noon + timedelta(days=2))
    assert datetime.fromisoformat(found["end"]) - datetime.fromisoformat(found["start"]) == timedelta(hours=hours)
    assert len(found["series"]) == 12 * hours
    assert [slot["time"][11:16] for slot in found["series"] if slot["entries"]] == ["12:00"]


@given(
    moment=st.datetimes(datetime(2001, 1, 1), datetime(2090, 1, 1)),  # noqa: DTZ001 - the zone comes next
    zone=st.sampled_from(
        ["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
    ),
)
def test_every_moment_lies_in_its_own_day(moment: datetime, zone: str) -> None:
    now = moment.replace(tzinfo=UTC)
    window = day_window(None, now, ZoneInfo(zone))
    assert window.start.astimezone(UTC) <= now < window.end.astimezone(UTC)
    assert window.until.astimezone(UTC) == now
    before = day_window(window.day - timedelta(days=1), now, ZoneInfo(zone))
    assert before.end.astimezone(UTC) == window.start.astimezone(UTC)
    assert before.until == before.end
    assert isinstance(window.day, date)


def test_zones_of_two_layouts_are_not_mixed(writer: psycopg.Connection, morning: str, start_api: StartApi) -> None:
    changed = NOON.replace(hour=10, minute=30)
    add_layout(morning, CORNER.replace('name = "Perfume"', 'name = "Perfume, moved"'), changed)
    day = ask(start_api, morning)
    assert day["layout_since"] == changed.isoformat()
    assert day["zones"]["perfume"]["visits"] == 1  # since the move
    assert day["numbers"]["entries"]["value"] == 4  # the store as a whole has not changed
    assert ask(start_api, morning, "today?day=2026-03-13")["layout_since"] is None


def test_a_zone_in_depth(morning: str, start_api: StartApi) -> None:
    zone = ask(start_api, morning, "zone/perfume")
    assert (zone["visits"], zone["visitors"], zone["share_of_visitors"]) == (4, 3, 1.0)
    assert (zone["dwell_quartiles_s"], zone["dwell_sample"]) == ([120, 120, 180], 3)
    assert zone["hours"] == [
        {"time": "2026-03-14T10:00:00+08:00", "visits": 3},
        {"time": "2026-03-14T11:00:00+08:00", "visits": 1},
    ]
    assert zone["previous"] == [{"zone": "door", "steps": 3, "share": 1.0}]
    assert zone["next"] == [{"zone": "door", "steps": 1, "share": 0.5}, {"zone": "shoes", "steps": 1, "share": 0.5}]
    assert zone["left_share"] == 0


def test_who_left_from_a_zone(morning: str, start_api: StartApi) -> None:
    zone = ask(start_api, morning, "zone/door")
    assert zone["left_share"] == pytest.approx(3 / 7)  # 3 of 7 stays at the door were the last one
    assert sum(step["share"] for step in zone["next"]) + zone["left_share"] == pytest.approx(1)


def test_an_empty_zone_in_depth(corner: str, start_api: StartApi) -> None:
    zone = ask(start_api, corner, "zone/shoes")
    assert (zone["visits"], zone["dwell_quartiles_s"], zone["left_share"], zone["next"]) == (0, None, None, [])
