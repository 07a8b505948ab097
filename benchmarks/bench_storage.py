"""Bytes per read, what answers from rollups cost beside the same answers from visits and reads, and what keeps them.

A week of one store: 200 antennas, 50 zones, shoppers who pass some zones and are read once a second by the two antennas
nearest to them, a tenth of them unsteadily. Rows lie in the order in which they came, as ingest writes them.

``STORAGE_READS`` in the environment is how many reads (default 2 million). On the server that ``TAGTRAIL_TEST_DSN``
names, in a database of its own, else on the embedded PostgreSQL.
"""

import os
import secrets
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psycopg
from psycopg.conninfo import make_conninfo

from row import Row
from tagtrail.ingest.database.antenna_health import update_antenna_health
from tagtrail.ingest.database.connection import Connection, connect
from tagtrail.ingest.database.copy import Copier
from tagtrail.ingest.database.migrate import migrate
from tagtrail.ingest.database.partitions import DAY_US, Partitions, is_native
from tagtrail.stack import process
from tagtrail.stack.postgres import prepare_cluster

READS = int(os.environ.get("STORAGE_READS", "2_000_000"))
DAYS = 7
ZONES = 50
READS_PER_VISIT = 50
VISITS_PER_TRIP = 8
FIRST_DAY = 20_521  # 2026-03-09, a Monday
ROUNDS = 21
BATCH = 10_000
BATCHES = 60

_VISITS = """
    INSERT INTO visit (store_id, tag_id, trip, zone, enter, exit, confidence, open)
    SELECT 1, 1 + (number * 7919) %% %(tags)s, (extract(epoch FROM start) * 1000000)::bigint,
           'zone-' || (number * 31 + place * 17 + place * place * 7) %% %(zones)s,
           start + place * INTERVAL '75 s',
           start + place * INTERVAL '75 s' + (30 + (number * place) %% 41) * INTERVAL '1 s', 0.9, false
    FROM (
        SELECT number, %(day)s::timestamptz + INTERVAL '10 h' + random() * INTERVAL '11 h' AS start
        FROM generate_series(1, %(trips)s) AS number
    ) trip, generate_series(0, %(places)s - 1) AS place
"""
_READS = """
    INSERT INTO tag_read (time, tag_id, antenna_id, rssi_dbm, store_id, count)
    SELECT * FROM (
        SELECT enter + (second + random() * 0.9) * INTERVAL '1 s' AS time, tag_id,
               1 + 4 * substr(zone, 6)::int + CASE WHEN random() < 0.8 THEN 0 ELSE (random() * 3)::int END,
               round((-60 + 5 * sin(second / 7.0) + 6 * random())::numeric, 1)::real,
               1::smallint, (1 + random() * 4)::int
        FROM visit, generate_series(0, extract(epoch FROM exit - enter)::int - 1) AS second
        WHERE enter >= %(day)s::timestamptz AND enter < %(day)s::timestamptz + INTERVAL '1 day'
    ) made ORDER BY time
"""
_BIN = "date_bin(INTERVAL '5 minutes', {}, TIMESTAMPTZ '2000-01-01 00:00:00+00')"
_ROLLUP = """
    SELECT zone, time, visits, visitors, dwell_s::float8 FROM zone_traffic_5min
    WHERE store = 'bench' AND time >= %(day)s::timestamptz AND time < %(day)s::timestamptz + INTERVAL '1 day'
"""
_FROM_VISITS = f"""
    SELECT zone, {_BIN.format("enter")}, count(*), count(DISTINCT tag_id), sum(extract(epoch FROM exit - enter))::float8
    FROM visit WHERE store_id = 1 AND enter >= %(day)s::timestamptz AND enter < %(day)s::timestamptz + INTERVAL '1 day'
    GROUP BY 1, 2
"""
_FROM_READS = f"""
    SELECT (antenna_id - 1) / 4, {_BIN.format("time")}, count(*), sum(count)
    FROM tag_read
    WHERE store_id = 1 AND time >= %(day)s::timestamptz AND time < %(day)s::timestamptz + INTERVAL '1 day'
    GROUP BY 1, 2
"""
_UPSERT = """
    INSERT INTO antenna_1min AS a (time, antenna_id, store_id, rows, reads, tags, rssi_dbm)
    SELECT * FROM unnest(%s::timestamptz[], %s::int[], %s::smallint[], %s::int[], %s::bigint[], %s::int[], %s::real[])
    ON CONFLICT (store_id, time, antenna_id) DO UPDATE
    SET rows = a.rows + excluded.rows, reads = a.reads + excluded.reads, tags = a.tags + excluded.tags,
        rssi_dbm = (a.rssi_dbm * a.rows + excluded.rssi_dbm * excluded.rows) / (a.rows + excluded.rows)
"""


def measure() -> list[Row]:
    """Rows of storage, of answers, and of the upkeep of antenna health."""
    with database() as connection:
        name = "plain" if is_native(connection) else "timescale"
        rows = [Row(f"storage_{name}_reads", fill(connection), "reads")]
        rows += storage(connection, name, int(rows[0].value))
        rows += answers(connection, name)
        rows += antenna_health(connection, name)
    return rows


def fill(connection: Connection) -> int:
    """A week of visits, kept in rollups as they come, and their reads."""
    Partitions().ensure(connection, range(FIRST_DAY, FIRST_DAY + DAYS))
    connection.execute("INSERT INTO store (store) VALUES ('bench')")
    connection.execute(
        "INSERT INTO antenna (store_id, reader, port) SELECT 1, 'r' || n / 4, 1 + n %% 4 FROM generate_series(0, %s) n",
        [4 * ZONES - 1],
    )
    trips = max(1, READS // DAYS // READS_PER_VISIT // VISITS_PER_TRIP)
    connection.execute("INSERT INTO tag (epc) SELECT 'E280' || n FROM generate_series(1, %s) n", [trips])
    count = 0
    for day in days():
        values = {"day": day, "trips": trips, "tags": trips, "zones": ZONES, "places": VISITS_PER_TRIP}
        connection.execute(_VISITS, values)
        count += connection.execute(_READS, values).rowcount
    connection.execute("VACUUM ANALYZE visit, zone_5min, tag_read")
    return count


def storage(connection: Connection, name: str, reads: int) -> list[Row]:
    """Bytes per read, with indexes and all; on TimescaleDB before and after it went to the columnstore."""
    rows = [Row(f"storage_{name}_bytes_per_read", size(connection) / reads, "B/read")]
    if name == "timescale":
        for chunk in connection.execute("SELECT c::text FROM show_chunks('tag_read') c").fetchall():
            connection.execute("CALL convert_to_columnstore(%s)", chunk)
        before, after = rows[0].value, size(connection) / reads
        rows.append(Row("storage_columnstore_bytes_per_read", after, "B/read", "rowstore", after / before))
    return rows


def size(connection: Connection) -> int:
    """Bytes of ``tag_read``."""
    query = (
        "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'tag_read'::regclass"
        if is_native(connection)
        else "SELECT hypertable_size('tag_read')"
    )
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


def answers(connection: Connection, name: str) -> list[Row]:
    """Milliseconds until a client has the bytes of one day per zone and 5 minutes, from each source in turns."""
    day = days()[DAYS // 2]
    rollup, visits = (
        sorted(row for row in connection.execute(query, {"day": day}).fetchall() if row[2])
        for query in (_ROLLUP, _FROM_VISITS)
    )
    if rollup != visits or not rollup:
        raise AssertionError("the rollup differs from the visits")
    queries = {"rollup": _ROLLUP, "visits": _FROM_VISITS, "reads": _FROM_READS}
    took_ms: dict[str, list[float]] = {key: [] for key in queries}
    for _ in range(ROUNDS):
        for key, query in queries.items():
            begun_s = time.perf_counter()
            connection.execute(query, {"day": day}, binary=True)
            took_ms[key].append((time.perf_counter() - begun_s) * 1e3)
    median = {key: statistics.median(values) for key, values in took_ms.items()}
    row = connection.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + _ROLLUP, {"day": day}).fetchone()
    assert row is not None
    return [
        Row(f"storage_{name}_zone_day_ms_server", row[0][0]["Execution Time"], "ms"),
        Row(
            f"storage_{name}_zone_day_ms_rollup",
            median["rollup"],
            "ms",
            "from visits",
            median["rollup"] / median["visits"],
        ),
        Row(f"storage_{name}_zone_day_ms_visits", median["visits"], "ms"),
        Row(f"storage_{name}_zone_day_ms_reads", median["reads"], "ms"),
    ]


def antenna_health(connection: Connection, name: str) -> list[Row]:
    """COPY of batches alone, with an upsert per antenna and minute in the transaction, and the job afterwards."""
    generator = np.random.default_rng(1)
    begin_us = (FIRST_DAY + DAYS) * DAY_US
    Partitions().ensure(connection, [FIRST_DAY + DAYS])
    copier: Copier | None = None
    took_s: dict[bool, list[float]] = {False: [], True: []}
    for number in range(BATCHES):
        with_upsert = bool(number % 2)
        time_us = np.sort(begin_us + number * 500_000 + generator.integers(0, 500_000, BATCH))
        antenna_id = generator.integers(1, 4 * ZONES + 1, BATCH).astype(np.int32)
        columns = {
            "time": time_us.view("datetime64[us]"),
            "tag_id": antenna_id * 5 + generator.integers(0, 10, BATCH),  # who stands there
            "antenna_id": antenna_id,
            "rssi_dbm": generator.uniform(-75, -40, BATCH).astype(np.float32),
            "store_id": np.ones(BATCH, np.int16),
            "count": generator.integers(1, 10, BATCH).astype(np.int16),
        }
        copier = copier or Copier("tag_read", list(columns))
        begun_s = time.perf_counter()
        with connection.transaction():
            copier.copy(connection, list(columns.values()))
            if with_upsert:
                connection.execute(_UPSERT, grouped(columns))
        took_s[with_upsert].append(time.perf_counter() - begun_s)
    connection.execute("TRUNCATE antenna_1min")
    connection.execute(
        "INSERT INTO batch (store_id, agent, boot, seq, rows, reads, first_time, last_time)"
        " SELECT 1, 'edge', 'b', 1, count(*), sum(count), min(time), max(time) FROM tag_read"
        " WHERE time >= TIMESTAMPTZ 'epoch' + %s * INTERVAL '1 day'",
        [FIRST_DAY + DAYS],
    )
    begun_s = time.perf_counter()
    while not update_antenna_health(connection):
        time.sleep(0.01)
    job_s = (time.perf_counter() - begun_s) / (BATCHES * BATCH)
    alone_s, upsert_s = (statistics.median(took_s[key]) / BATCH for key in (False, True))
    return [
        Row(
            f"antenna_health_{name}_upsert_us", (upsert_s - alone_s) * 1e6, "µs/read", "COPY alone", upsert_s / alone_s
        ),
        Row(f"antenna_health_{name}_job_us", job_s * 1e6, "µs/read", "COPY alone", job_s / alone_s),
    ]


def grouped(columns: dict[str, np.ndarray]) -> list[list[object]]:
    """What the upsert adds: sums per minute and antenna, and tags that may have been counted before."""
    minute = columns["time"].view(np.int64) // 60_000_000
    keys, index = np.unique(minute * 1_000 + columns["antenna_id"], return_inverse=True)
    rows = np.bincount(index)
    tags = np.bincount(np.unique(index * 1_000_000 + columns["tag_id"]) // 1_000_000)
    dbm = np.bincount(index, columns["rssi_dbm"]) / rows
    times = (keys // 1_000 * 60_000_000).view("datetime64[us]").astype("datetime64[s]")
    return [
        [f"{text}Z" for text in times.astype(str).tolist()], (keys % 1_000).tolist(), [1] * len(keys), rows.tolist(),
        np.bincount(index, columns["count"]).astype(int).tolist(), tags.tolist(), dbm.tolist(),
    ]  # fmt: skip


def days() -> list[object]:
    """The days, as dates."""
    return [np.datetime64(FIRST_DAY + number, "D").astype(object) for number in range(DAYS)]


@contextmanager
def database() -> Iterator[Connection]:
    """A new database with the schema."""
    with server() as dsn, psycopg.connect(dsn, autocommit=True) as admin:
        name = f"tagtrail_bench_{secrets.token_hex(4)}"
        admin.execute(f"CREATE DATABASE {name}".encode())
        try:
            own = make_conninfo(dsn, dbname=name)
            migrate(own)
            with connect(own, autocommit=True) as connection:
                yield connection
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@contextmanager
def server() -> Iterator[str]:
    """The server of ``TAGTRAIL_TEST_DSN``, or the embedded one."""
    if given := os.environ.get("TAGTRAIL_TEST_DSN"):
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="tagtrail-bench-") as folder:
        cluster = prepare_cluster(Path(folder))
        child = process.start(cluster.argv, user=cluster.user, death_signal=signal.SIGINT, stdout=subprocess.DEVNULL)
        try:
            cluster.wait_ready()
            yield cluster.dsn()
        finally:
            process.stop(child, signal.SIGINT)
