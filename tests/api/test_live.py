"""Who is where: and nobody is not the same as not known."""

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from api_store import CORNER, NOON, add_layout, clock_at
from crowd import Trip, add_trips, epc_of, set_agent, set_progress
from fixture_api import StartApi
from tagtrail.api.settings import ApiSettings

STREAMING = {"r01": "streaming", "r02": "streaming"}


def ago(seconds: float) -> datetime:
    return NOON - timedelta(seconds=seconds)


def standing(number: int, zone: str, seen_ago_s: float) -> Trip:
    """A tag that came an hour ago and was last seen in ``zone``."""
    return Trip(
        epc_of(number),
        [("door", ago(3600), ago(3500)), (zone, ago(3500), ago(seen_ago_s))],
        open=True,
    )


def live(start_api: StartApi, dsn: str, **settings: Any) -> dict[str, Any]:
    client = start_api(ApiSettings(dsn=dsn, **{"clock": clock_at(NOON), **settings}))
    answer = client.get("/api/store/corner/live")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_who_was_seen_lately_is_counted_where_he_was_last(
    writer: psycopg.Connection, corner: str, start_api: StartApi
) -> None:
    add_trips(
        writer,
        "corner",
        [
            standing(1, "perfume", 0),
            standing(2, "perfume", 25),
            standing(3, "perfume", 45),  # gone, or in a dead spot: not known, so not counted
            standing(4, "shoes", 3),
            Trip(epc_of(5), [("door", ago(900), ago(890))]),
        ],
    )
    set_progress(writer, "corner", NOON)
    set_agent(writer, "corner", STREAMING)
    found = live(start_api, corner)
    assert found["zones"] == {"door": 0, "aisle": 0, "perfume": 2, "shoes": 1}
    assert (found["inside"], found["floors"], found["elsewhere"]) == (3, {"1F": 3}, 0)
    assert found["data"]["state"] == "live"
    assert (found["data"]["readers_online"], found["data"]["readers_total"]) == (2, 2)
    assert live(start_api, corner, presence_s=60.0)["zones"]["perfume"] == 3


def test_presence_is_judged_where_the_data_end_not_later(
    writer: psycopg.Connection, corner: str, start_api: StartApi
) -> None:
    """In a day that runs 60 times as fast, a second of delay is a minute of the store."""
    add_trips(writer, "corner", [standing(1, "perfume", 300)])
    set_progress(writer, "corner", ago(300))
    found = live(start_api, corner, clock=clock_at(NOON, rate=60))
    assert (found["clock_rate"], found["data"]["state"], found["zones"]["perfume"]) == (60, "live", 1)
    assert 300 <= found["data"]["lag_s"] < 1500


def test_before_the_first_read_nothing_is_known(corner: str, start_api: StartApi) -> None:
    found = live(start_api, corner)
    assert (found["data"]["state"], found["data"]["reads_to"], found["inside"]) == ("none", None, None)
    assert set(found["zones"].values()) == {None}
    assert found["floors"] == {"1F": None}


@pytest.mark.parametrize(
    ("readers", "age_s", "behind", "state", "perfume"),
    [
        ({"r01": "streaming", "r02": "failed"}, 0, False, "quiet", 0),
        ({"r01": "failed", "r02": "failed"}, 0, False, "stale", None),
        (STREAMING, 600, False, "stale", None),
        (STREAMING, 0, True, "stale", None),
    ],
)
def test_without_reads_only_running_readers_prove_that_nobody_is_there(
    writer: psycopg.Connection,
    corner: str,
    start_api: StartApi,
    readers: dict[str, str],
    age_s: float,
    behind: bool,
    state: str,
    perfume: int | None,
) -> None:
    add_trips(writer, "corner", [standing(1, "perfume", 3000)])
    set_progress(writer, "corner", ago(3000))
    set_agent(writer, "corner", readers, age_s=age_s)
    if behind:
        writer.execute(
            "INSERT INTO batch (store_id, agent, boot, seq, rows, reads, committed_at) "
            "SELECT store_id, 'edge-1', 'b', 1, 1, 1, now() - interval '10 minutes' FROM store"
        )
        writer.commit()
    found = live(start_api, corner)
    assert (found["data"]["state"], found["zones"]["perfume"], found["inside"]) == (state, perfume, perfume)


def test_a_reader_is_online_when_any_living_agent_reads_with_it(
    writer: psycopg.Connection, corner: str, start_api: StartApi
) -> None:
    set_agent(writer, "corner", {"r01": "streaming"}, agent="edge-1", state="offline")
    set_agent(writer, "corner", {"r01": "streaming", "r99": "streaming"}, agent="edge-2")
    set_agent(writer, "corner", {"r01": "failed"}, agent="edge-3")
    readers = live(start_api, corner)["readers"]
    assert [(reader["id"], reader["online"], reader["state"]) for reader in readers] == [
        ("r01", True, "streaming"),
        ("r02", False, "unreported"),
    ]


def test_people_in_zones_that_the_layout_lost_are_not_lost(
    writer: psycopg.Connection, corner: str, start_api: StartApi
) -> None:
    add_trips(writer, "corner", [standing(1, "hats", 0), standing(2, "shoes", 0)])
    set_progress(writer, "corner", NOON)
    found = live(start_api, corner)
    assert (found["inside"], found["elsewhere"], found["floors"]) == (2, 1, {"1F": 1})


def test_stores_do_not_mix(writer: psycopg.Connection, corner: str, start_api: StartApi) -> None:
    add_layout(corner, CORNER.replace("corner", "annex"))
    add_trips(writer, "annex", [standing(1, "perfume", 0)])
    for store in ("annex", "corner"):
        set_progress(writer, store, NOON)
    client = start_api(ApiSettings(dsn=corner, clock=clock_at(NOON)))
    assert [client.get(f"/api/store/{store}/live").json()["inside"] for store in ("annex", "corner")] == [1, 0]
