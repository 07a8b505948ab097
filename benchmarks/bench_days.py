"""A month again: 30 store-days from the database into files, by one process, and beside it by two workers of Dask.

One crowd of shoppers is simulated in a store of 30 zones (`scores.crude`); it comes to three stores on ten days, with
times moved by up to half a second and strengths by up to 1 dB, so that no day is like another one. Both runs are the
command as a person gives it, from its start to its end, into a folder of its own, and must write the same bytes. They
take turns, and of each the quicker one counts. Whoever else is at work on the machine takes more from the two workers
than from the one process; PostgreSQL is, too, and runs beside both.

``DAYS_SHOPPERS`` in the environment is how many shoppers come a day (default 100: 187,000 reads).
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np

from row import Row
from scores.crude import Air, Plan, Run, simulate, store_text
from tagtrail.analytics.columns import us_of_times
from tagtrail.analytics.database import moment
from tagtrail.hardware.store import parse_store
from tagtrail.ingest.database.connection import Connection, connect
from tagtrail.ingest.database.copy import Copier
from tagtrail.ingest.database.layouts import add_layout
from tagtrail.ingest.database.migrate import migrate
from tagtrail.ingest.database.names import antenna_names, tag_names
from tagtrail.ingest.database.partitions import DAY_US, Partitions
from tagtrail.stack import process
from tagtrail.stack.postgres import prepare_cluster

SHOPPERS: Final = int(os.environ.get("DAYS_SHOPPERS", "100"))
STORES: Final = ("north", "south", "west")
DAYS: Final = 10
FIRST_DAY: Final = 20_521  # 2026-03-09, a Monday, in days since 1970
ROUNDS: Final = 2
WORKERS: Final = 2
NAMES: Final = ("time", "tag_id", "antenna_id", "rssi_dbm", "store_id", "count")


def measure() -> list[Row]:
    """Fill a database, and run the command in turns."""
    # Not below our own folders: as root the server is another user, who has to pass.
    with tempfile.TemporaryDirectory(prefix="tagtrail-bench-") as name, tempfile.TemporaryDirectory() as out:
        cluster = prepare_cluster(Path(name))
        child = process.start(cluster.argv, user=cluster.user, death_signal=signal.SIGINT, stdout=subprocess.DEVNULL)
        try:
            cluster.wait_ready()
            dsn = cluster.dsn()
            migrate(dsn)
            with connect(dsn, autocommit=True) as connection:
                reads = _fill(connection)
            return _compare(dsn, Path(out), reads)
        finally:
            process.stop(child, signal.SIGINT)


def _compare(dsn: str, out: Path, reads: int) -> list[Row]:
    _analyze(dsn, out / "warm", "--to", _day(0))  # compiles, once for a machine
    seconds: dict[str, list[float]] = {"one": [], "dask": []}
    for number in range(ROUNDS):
        for name, more in (("one", ()), ("dask", ("--dask", f"local:{WORKERS}"))):
            seconds[name].append(_analyze(dsn, out / f"{name}{number}", "--to", _day(DAYS - 1), *more))
            print(f"  {name:<5}{seconds[name][-1]:>8.1f} s", file=sys.stderr)
    one_s, dask_s = min(seconds["one"]), min(seconds["dask"])
    days = len(STORES) * DAYS
    fault = "" if _contents(out / "one0") == _contents(out / "dask0") else "workers wrote other results"
    return [
        Row("days_reads", reads / days, "reads/day"),
        Row("days_one_process", days / one_s * 60, "store-days/min"),
        Row("days_dask_vs_one", days / dask_s * 60, "store-days/min", "one process", one_s / dask_s, fault),
    ]


def _day(number: int) -> str:
    return f"{moment((FIRST_DAY + number) * DAY_US):%Y-%m-%d}"


def _analyze(dsn: str, out: Path, *more: str) -> float:
    """Seconds that the command takes."""
    argv = [sys.executable, "-m", "tagtrail.stack", "analyze", "--from", _day(0), "--out", str(out), *more]
    begun_s = time.monotonic()
    subprocess.run(argv, check=True, capture_output=True, env={**os.environ, "TAGTRAIL_DSN": dsn})
    return time.monotonic() - begun_s


def _contents(folder: Path) -> dict[str, bytes]:
    found = {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*.*")) if file.is_file()}
    assert len(found) > len(STORES) * DAYS
    return found


def _fill(connection: Connection) -> int:
    """The reads of all days, as ingest leaves them; returns how many."""
    rng = np.random.default_rng(1)
    plan = store_text(Plan(6, 4), rng)
    own = parse_store(plan).store.id
    run = simulate(parse_store(plan), shoppers=SHOPPERS, rng=rng, air=Air(shadow_db=3.0, body_db=4.0))
    Partitions().ensure(connection, range(FIRST_DAY, FIRST_DAY + DAYS + 1))
    copier = Copier("tag_read", NAMES)
    for store in STORES:
        with connection.transaction():
            layout = add_layout(connection, plan.replace(f'id = "{own}"', f'id = "{store}"', 1), moment(0))
            assert layout is not None
            for day in range(DAYS):
                _bring(connection, copier, run, store, day, rng)
    connection.execute("VACUUM ANALYZE")
    return len(run.reads) * len(STORES) * DAYS


def _bring(connection: Connection, copier: Copier, run: Run, store: str, day: int, rng: np.random.Generator) -> None:
    """One day of a store, and its line in the ledger."""
    reads = run.reads
    (store_id,) = connection.execute("SELECT store_id FROM store WHERE store = %s", [store]).fetchone() or (0,)
    time_us = us_of_times(reads["time"]) % DAY_US + (FIRST_DAY + day) * DAY_US + rng.integers(0, 500_000, len(reads))
    antennas = list(zip(reads["reader"].astype(str), reads["antenna"].tolist(), strict=True))
    numbers = antenna_names().ids(connection, {(store_id, reader, port) for reader, port in antennas})
    tags = tag_names().ids(connection, set(reads["epc"].cat.categories))
    order = np.argsort(time_us, kind="stable")
    columns = (
        time_us.astype("datetime64[us]"),
        np.array([tags[epc] for epc in reads["epc"]], dtype=np.int64),
        np.array([numbers[store_id, reader, port] for reader, port in antennas], dtype=np.int32),
        (reads["rssi_dbm"] + rng.integers(-1, 2, len(reads))).to_numpy(dtype=np.float32),
        np.full(len(reads), store_id, dtype=np.int16),
        np.ones(len(reads), dtype=np.int16),
    )
    copier.copy(connection, [column[order] for column in columns])
    connection.execute(
        "INSERT INTO batch (store_id, agent, boot, seq, rows, reads, first_time, last_time)"
        " VALUES (%s, 'edge-1', 'b1', %s, %s, %s, %s, %s)",
        [store_id, day + 1, len(reads), len(reads), moment(int(time_us.min())), moment(int(time_us.max()))],
    )


if __name__ == "__main__":
    for row in measure():
        print(row)
