"""Versions of the store file."""

from datetime import UTC, datetime, timedelta

import pytest

from fixture_agent import in_threads
from tagtrail.hardware.errors import GiveUp, Retry
from tagtrail.ingest.database.connection import Connection, connect
from tagtrail.ingest.database.layouts import add_layout, load_layout

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)
DOCUMENT = """
[store]
id = "riverside"
name = "Riverside Department Store"
timezone = "Asia/Shanghai"

[[floor]]
id = "1F"
width_m = 40.0
depth_m = 25.0

[[zone]]
id = "perfume"
floor = "1F"
kind = "counter"
polygon = [[0.0, 7.0], [6.0, 7.0], [6.0, 12.5], [0.0, 12.5]]

[[reader]]
id = "r01"
protocol = "mercury"
[[reader.antenna]]
port = 1
floor = "1F"
position_m = [3.0, 9.5, 3.0]
"""
WIDER = DOCUMENT.replace("40.0", "50.0")


def test_the_version_valid_at_a_time_is_found(connection: Connection) -> None:
    assert add_layout(connection, DOCUMENT, MARCH) is not None
    assert add_layout(connection, WIDER, APRIL) is not None
    _, valid_from, store = load_layout(connection, "riverside", APRIL - timedelta(microseconds=1))
    assert (valid_from, store.floor[0].width_m) == (MARCH, 40.0)
    _, valid_from, store = load_layout(connection, "riverside", APRIL)
    assert (valid_from, store.floor[0].width_m) == (APRIL, 50.0)
    assert load_layout(connection, "riverside").valid_from == APRIL


def test_the_same_text_is_no_new_version(connection: Connection) -> None:
    first = add_layout(connection, DOCUMENT, MARCH)
    assert first is not None
    assert add_layout(connection, DOCUMENT, APRIL) is None
    assert load_layout(connection, "riverside", APRIL).layout_id == first.layout_id
    assert add_layout(connection, WIDER, APRIL) is not None
    assert add_layout(connection, DOCUMENT, APRIL + timedelta(days=1)) is not None  # back to what it was


def test_two_layouts_cannot_be_valid_from_the_same_time(connection: Connection) -> None:
    add_layout(connection, DOCUMENT, MARCH)
    with pytest.raises(GiveUp, match=r"already has another layout valid from 2026-03-01T00:00:00\+00:00"):
        add_layout(connection, WIDER, MARCH)


def test_a_store_without_layout_may_get_one(connection: Connection) -> None:
    with pytest.raises(Retry, match="no layout of store 'riverside'"):
        load_layout(connection, "riverside")
    add_layout(connection, DOCUMENT, MARCH)
    with pytest.raises(Retry, match="valid at 2026-02-01"):
        load_layout(connection, "riverside", datetime(2026, 2, 1, tzinfo=UTC))


def test_a_faulty_file_changes_nothing(connection: Connection) -> None:
    with pytest.raises(GiveUp):
        add_layout(connection, DOCUMENT.replace("1F", "2F", 1), MARCH)
    assert connection.execute("SELECT count(*) FROM store").fetchone() == (0,)


def test_two_processes_add_it_once(schema: str, connection: Connection) -> None:
    def work(_number: int) -> None:
        with connect(schema) as worker:
            add_layout(worker, DOCUMENT, MARCH)

    in_threads(3, work)
    assert connection.execute("SELECT count(*) FROM store_layout").fetchone() == (1,)
