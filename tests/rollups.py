"""What the rollups must say: the same sums, taken from the visits and reads as a whole."""

import threading

import psycopg
import pytest

from tagtrail.ingest.database.antenna_health import update_antenna_health
from tagtrail.ingest.database.connection import Connection

Rows = list[tuple[object, ...]]

_BIN = "date_bin(INTERVAL '{}', {}, TIMESTAMPTZ '2000-01-01 00:00:00+00')"

# A row for every second-exact piece of a visit in 5 minutes, and one for the 5 minutes in which it began.
_TRAFFIC = f"""
    WITH stay AS (
        SELECT store, zone, tag_id, enter, exit, {_BIN.format("5 minutes", "enter")} AS began
        FROM visit JOIN store USING (store_id)
    ), begun AS (
        SELECT store, zone, began AS time, count(*) AS visits, count(DISTINCT tag_id) AS visitors,
               sum(extract(epoch FROM exit - enter)) AS dwell_s
        FROM stay GROUP BY 1, 2, 3
    ), slot AS (
        SELECT generate_series(min(began), max(exit), INTERVAL '5 minutes') AS time FROM stay
    ), present AS (
        SELECT store, zone, time,
               sum(extract(epoch FROM least(exit, time + INTERVAL '5 minutes') - greatest(enter, time))) AS presence_s
        FROM stay JOIN slot ON enter < time + INTERVAL '5 minutes' AND exit > time GROUP BY 1, 2, 3
    )
    SELECT store, zone, time, coalesce(visits, 0), coalesce(visitors, 0), coalesce(dwell_s, 0), coalesce(presence_s, 0)
    FROM begun FULL JOIN present USING (store, zone, time)
"""
_FLOWS = f"""
    SELECT store, from_zone, zone, {_BIN.format("1 hour", "enter")}, count(*)
    FROM (
        SELECT store, zone, enter, lag(zone) OVER (PARTITION BY store_id, tag_id, trip ORDER BY enter) AS from_zone
        FROM visit JOIN store USING (store_id)
    ) step
    WHERE from_zone <> zone GROUP BY 1, 2, 3, 4
"""
_ANTENNAS = f"""
    SELECT store, reader, port, {_BIN.format("1 minute", "time")}, count(*), sum(count)::bigint,
           count(DISTINCT tag_id), avg(rssi_dbm)::real
    FROM tag_read r JOIN store USING (store_id) JOIN antenna USING (antenna_id)
    GROUP BY 1, 2, 3, 4
"""


def assert_visits_are_rolled_up(connection: psycopg.Connection) -> None:
    """The tables kept along the way equal what the visits say now."""
    assert _sorted(connection, "SELECT * FROM zone_traffic_5min") == _sorted(connection, _TRAFFIC)
    assert _sorted(connection, "SELECT * FROM flow_hour") == _sorted(connection, _FLOWS)


def count_antennas(connection: Connection, limit_s: float = 30.0) -> None:
    """Bring the antennas' minutes up to date; transactions of other databases of the server are waited for."""
    pause = threading.Event()
    for _ in range(round(limit_s / 0.02)):
        update_antenna_health(connection)
        if not connection.execute(
            "SELECT FROM batch LEFT JOIN antenna_cursor c USING (store_id)"
            " WHERE (batch.xid >= c.xid) IS NOT FALSE OR c.xid > pg_snapshot_xmax(pg_current_snapshot())"
        ).rowcount:
            return
        pause.wait(0.02)
    pytest.fail(f"not within {limit_s:g} s: all batches are older than the oldest transaction")


def assert_reads_are_rolled_up(connection: psycopg.Connection) -> None:
    """The antennas' minutes equal what the reads say now."""
    assert _sorted(connection, "SELECT * FROM antenna_minute") == _sorted(connection, _ANTENNAS)


def _sorted(connection: psycopg.Connection, query: str) -> Rows:
    return sorted(connection.execute(query.encode()).fetchall(), key=str)
