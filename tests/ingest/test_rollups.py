"""Rollups of visits equal what the visits say, whatever was done to them in which order."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from rollups import assert_visits_are_rolled_up
from tagtrail.ingest.database.connection import Connection

START = datetime(2026, 3, 14, 9, 57, tzinfo=UTC)
ZONES = ("door", "hats", "shoes")
TAGS = 4
TRIPS = (0, 3000)
"""Seconds after `START`."""


@pytest.fixture
def shop(connection: Connection) -> Connection:
    connection.execute("INSERT INTO store (store) VALUES ('north'), ('south')")
    connection.execute("INSERT INTO tag (epc) SELECT 'E2' || n FROM generate_series(1, %s) n", [TAGS])
    return connection


def visit(chance: random.Random) -> tuple[object, ...]:
    trip = chance.choice(TRIPS)
    enter = START + timedelta(seconds=trip + chance.choice([0, 1, 60, 180, 239.999999, 240, 900, 1500.000001]))
    stay = timedelta(seconds=chance.choice([0, 0.000001, 5, 60, 299, 1800]))
    first_us = round((START + timedelta(seconds=trip)).timestamp() * 1e6)
    zone = chance.choice(ZONES)
    return chance.randint(1, 2), chance.randint(1, TAGS), first_us, zone, enter, enter + stay, 0.9, False


INSERT = "INSERT INTO visit VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"


@pytest.mark.parametrize("seed", range(8))
def test_any_statements_keep_them_right(shop: Connection, seed: int) -> None:
    chance = random.Random(seed)
    shop.execute("SELECT setseed(%s)", [seed / 10])
    for _ in range(25):
        rows = {(row[0], row[1], row[4]): row for row in (visit(chance) for _ in range(chance.choice([1, 6, 25])))}
        match chance.choice(["insert", "copy", "update", "shift", "delete", "all"]):
            case "insert" | "copy":
                there = set(shop.execute("SELECT store_id, tag_id, enter FROM visit").fetchall())
                new = [row for key, row in rows.items() if key not in there]
                with shop.transaction(), shop.cursor() as cursor:
                    if chance.random() < 0.5:
                        with cursor.copy("COPY visit FROM STDIN") as copy:
                            for row in new:
                                copy.write_row(row)
                    else:
                        cursor.executemany(INSERT, new)
            case "update":
                shop.execute(
                    "UPDATE visit SET exit = exit + interval '7 minutes', zone = CASE WHEN random() < 0.3 THEN 'hats'"
                    " ELSE zone END WHERE random() < 0.4"
                )
            case "shift":  # to a time, a tag and a trip of its own
                shop.execute(
                    "UPDATE visit SET enter = enter + interval '91.5 s', exit = exit + interval '91.5 s',"
                    " trip = trip + 91500000, tag_id = 1 + (tag_id + 1) %% %s WHERE tag_id = 2 AND store_id = 1"
                    " AND NOT EXISTS (SELECT FROM visit v WHERE store_id = 1 AND tag_id = 4)",
                    [TAGS],
                )
            case "delete":
                shop.execute("DELETE FROM visit WHERE random() < 0.4")
            case _:
                shop.execute("UPDATE visit SET open = NOT open")
        assert_visits_are_rolled_up(shop)


def test_nothing_remains_of_a_transaction_that_was_rolled_back(shop: Connection) -> None:
    with shop.transaction(force_rollback=True):
        shop.execute(INSERT, visit(random.Random(1)))
    assert shop.execute("SELECT FROM zone_5min").rowcount == 0


def test_a_visit_counts_where_it_begins_and_is_present_where_it_lasts(shop: Connection) -> None:
    trip = round(START.timestamp() * 1e6)
    rows = [
        (1, 1, trip, "door", START, START + timedelta(minutes=5), 0.9, False),
        (1, 1, trip, "hats", START + timedelta(minutes=5), START + timedelta(minutes=6), 0.9, False),
        (1, 1, trip, "hats", START + timedelta(minutes=7), START + timedelta(minutes=7.5), 0.9, True),
    ]
    for row in rows:
        shop.execute(INSERT, row)
    found = shop.execute(
        "SELECT zone, to_char(time, 'HH24:MI'), visits, visitors, dwell_s::float8, presence_s::float8"
        " FROM zone_traffic_5min WHERE store = 'north' ORDER BY time, zone"
    ).fetchall()
    assert found == [
        ("door", "09:55", 1, 1, 300.0, 180.0),
        ("door", "10:00", 0, 0, 0.0, 120.0),
        ("hats", "10:00", 2, 1, 90.0, 90.0),
    ]
    steps = "SELECT from_zone, to_zone, to_char(time, 'HH24:MI'), steps FROM flow_hour"
    assert shop.execute(steps).fetchall() == [("door", "hats", "10:00", 1)]
    shop.execute("DELETE FROM visit WHERE zone = 'hats' AND NOT open")  # the other visit takes the step over
    assert shop.execute(steps).fetchall() == [("door", "hats", "10:00", 1)]
