"""Days again, from a real database into files: one process, a Dask cluster and a file of the day give the same."""

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fixture_database import new_database
from fixture_ingest import wait_until
from tagtrail.analytics import offline
from tagtrail.analytics.files import write_table
from tagtrail.analytics.reanalysis import SUMMARY, day_folder, known_basis, locked, run_days
from tagtrail.analytics.settings import AnalyzeSettings
from tagtrail.analytics.store_day import Failure, StoreDay, analyze_day
from tagtrail.hardware.errors import FaultsError, GiveUp
from tagtrail.hardware.reads import TagRead
from tagtrail.hardware.wire import encode, pack_reads, reads_topic
from tagtrail.ingest.database.connection import Connection, connect
from tagtrail.ingest.database.layouts import add_layout
from tagtrail.ingest.database.migrate import migrate
from tagtrail.ingest.intake import Message, read_message
from tagtrail.ingest.writer import Writer
from tagtrail.stack import cli
from walks import ROOMS, START, epc_of, frame_of, random_reads, store_text

HOUR_US = 3_600_000_000
DAYS = [date(2026, 3, 14) + timedelta(days=n) for n in range(3)]
ENDS = {"place": DAYS[0], "presence": DAYS[-1]}
"""Last day to compare: learning takes its seconds."""
LONG = epc_of(77)
"""A tag that is read from late on the first day until the afternoon of the second one."""


def shifted(reads: Sequence[TagRead], hours: float) -> list[TagRead]:
    return [
        TagRead(read.time_us + round(hours * HOUR_US), read.reader, read.antenna, read.epc, read.rssi_dbm, read.count)
        for read in reads
    ]


def long_stay() -> list[TagRead]:
    begin_us = round(datetime(2026, 3, 14, 22, 30, tzinfo=UTC).timestamp() * 1e6)
    return [TagRead(begin_us + n * 45_000_000, "r01", 2, LONG, -50.0, 1) for n in range(1280)]


# In Berlin 22:00 is 23:00, so of each evening some trips go past midnight. The long one is of the first day, whole.
EVENINGS = [shifted(random_reads(seed, tags=8), 20 + 24 * day) for day, seed in enumerate((1, 2))]
READS = sorted(
    [*EVENINGS[0], *EVENINGS[1], *long_stay(), *shifted(random_reads(3, tags=8), 54)], key=lambda read: read.time_us
)


def day_of_each(reads: Sequence[TagRead]) -> dict[date, list[TagRead]]:
    """By the day in Berlin of the first read since ten minutes of silence."""
    found: dict[date, list[TagRead]] = {}
    begun: dict[str, tuple[int, int]] = {}
    for read in reads:
        first_us, last_us = begun.get(read.epc, (0, 0))
        if read.time_us - last_us > 600_000_000:
            first_us = read.time_us
        begun[read.epc] = first_us, read.time_us
        found.setdefault((datetime.fromtimestamp(first_us / 1e6, UTC) + timedelta(hours=1)).date(), []).append(read)
    return found


class Shop:
    """A database with stores, and what brings reads into it."""

    def __init__(self, dsn: str, connection: Connection) -> None:
        self.dsn, self.connection = dsn, connection
        self._writer, self._seq = Writer(), 0

    def open(self, store: str, *, rooms: Sequence[str] = ROOMS, since: datetime = START - timedelta(days=1)) -> None:
        with self.connection.transaction():
            add_layout(self.connection, store_text(rooms).replace('id = "row"', f'id = "{store}"'), since)

    def bring(self, store: str, reads: Sequence[TagRead]) -> None:
        for begin_us in range(READS[0].time_us, READS[-1].time_us + 1, 6 * HOUR_US):  # a batch spans a day at most
            batch = [read for read in reads if begin_us <= read.time_us < begin_us + 6 * HOUR_US]
            if batch:
                self._seq += 1
                payload = encode(pack_reads(batch, agent="edge-1", boot="b1", seq=self._seq))
                items = [read_message(Message(reads_topic(store, "edge-1"), payload))]
                assert self._writer.write(self.connection, items).batches == 1

    @property
    def secret(self) -> str:
        return str(conninfo_to_dict(self.dsn).get("password") or self.dsn)

    def settings(self, out: Path, **changes: Any) -> AnalyzeSettings:
        names: dict[str, Any] = {
            "dsn": self.dsn, "from_": str(DAYS[0]), "to": str(DAYS[-1]), "stores": ["row"], "out": str(out),
            "estimator": "presence",
        }  # fmt: skip
        return AnalyzeSettings(**names | changes)

    def analyze(self, out: Path, **changes: Any) -> int:
        settings = self.settings(out, **changes)
        assert not settings.faults()
        return run_days(settings, threading.Event())


@pytest.fixture(scope="module")
def shop(postgres_server: str) -> Iterator[Shop]:
    with new_database(postgres_server) as dsn:
        migrate(dsn)
        with connect(dsn, autocommit=True) as connection:
            shop = Shop(dsn, connection)
            shop.open("row")
            shop.bring("row", READS)
            yield shop


@pytest.fixture(scope="module")
def cluster(shop: Shop) -> Iterator[str]:
    """Two workers that know the database by their environment."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", env={"TAGTRAIL_DSN": shop.dsn}
    ) as cluster:
        yield cluster.scheduler_address


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}


@pytest.fixture(scope="module")
def alone(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """The files of one process, by estimator."""
    found = {}
    for estimator in ("place", "presence"):
        out = tmp_path_factory.mktemp(estimator)
        assert shop.analyze(out, estimator=estimator, to=str(ENDS[estimator])) == 0
        found[estimator] = contents(out)
        days = (ENDS[estimator] - DAYS[0]).days + 1
        assert len(found[estimator]) == 1 + 7 * days  # the lock, and six tables and a summary of each day
    return found


@pytest.mark.parametrize("estimator", ["place", "presence"])
def test_a_day_is_what_the_file_of_its_reads_gives(
    alone: dict[str, dict[str, bytes]], tmp_path: Path, estimator: str
) -> None:
    (tmp_path / "store.toml").write_text(store_text())
    by_day = day_of_each(READS)
    assert sorted(by_day) == DAYS
    assert LONG not in {read.epc for read in by_day[DAYS[1]]}
    for day, reads in by_day.items():
        if day > ENDS[estimator]:
            continue
        write_table(frame_of(reads), tmp_path / "reads.parquet")
        offline.analyze(
            AnalyzeSettings(
                store=str(tmp_path / "store.toml"), reads=str(tmp_path / "reads.parquet"), out=str(tmp_path / "file"),
                estimator=estimator,
            )
        )  # fmt: skip
        folder = f"row/{day}/"
        files = {name.removeprefix(folder): data for name, data in alone[estimator].items() if folder in name}
        assert f'"reads": {len(reads)},' in files.pop(SUMMARY).decode()
        assert files == contents(tmp_path / "file")


def test_a_cluster_gives_what_one_process_gives(
    shop: Shop, cluster: str, alone: dict[str, dict[str, bytes]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert shop.analyze(tmp_path / "place", dask=cluster, estimator="place", to=str(ENDS["place"])) == 0
    assert contents(tmp_path / "place") == alone["place"]
    capfd.readouterr()
    assert shop.analyze(tmp_path / "presence", dask=cluster) == 0
    assert contents(tmp_path / "presence") == alone["presence"]
    told = capfd.readouterr()
    assert told.out == f"3 store-days: 3 analysed, 0 as they were, 0 failed; results in {tmp_path / 'presence'}\n"
    lines = told.err.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["1 of 3", "2 of 3", "3 of 3"]
    assert f"row {DAYS[1]}: " in told.err
    assert "; 2 left, less than a minute" in lines[0]
    assert shop.secret not in told.err


def test_a_killed_worker_changes_nothing(
    shop: Shop, cluster: str, alone: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    codes: list[int] = []
    run = threading.Thread(target=lambda: codes.append(shop.analyze(tmp_path, dask=cluster)))
    with connect(shop.dsn) as lock, Client(cluster, set_as_default=False) as client:
        lock.execute("LOCK TABLE tag_read")
        workers = client.run(os.getpid)
        run.start()
        waits = (
            "SELECT count(*) = 2 FROM pg_stat_activity"
            " WHERE application_name = 'tagtrail analyze days' AND wait_event_type = 'Lock'"
        )
        wait_until(lambda: shop.connection.execute(waits).fetchone() == (True,), "both workers are at a day")
        killed = next(iter(workers))
        os.kill(workers[killed], signal.SIGKILL)
        wait_until(lambda: killed not in client.scheduler_info()["workers"], "the scheduler notices")
        lock.rollback()
        run.join(60)
    assert codes == [0]
    assert contents(tmp_path) == alone["presence"]


def test_a_month_goes_on_where_it_was_stopped_and_takes_in_what_came_late(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = np.random.default_rng(1)
    is_late = chance.random(len(EVENINGS[1])) < 0.3
    late = [read for read, came_late in zip(EVENINGS[1], is_late, strict=True) if came_late]
    shop.open("late")
    shop.bring("late", [*EVENINGS[0], *(read for read in EVENINGS[1] if read not in late)])
    assert shop.analyze(tmp_path / "days", stores=["late"], to=None) == 0
    assert shop.analyze(tmp_path / "days", stores=["late"]) == 0
    assert "2 analysed, 1 as they were" in capsys.readouterr().out
    shop.bring("late", late)
    assert shop.analyze(tmp_path / "days", stores=["late"], from_=str(DAYS[1]), to=None) == 0  # that day alone
    assert shop.analyze(tmp_path / "days", stores=["late"]) == 0  # some came after midnight
    assert "1 analysed, 2 as they were" in capsys.readouterr().out
    assert shop.analyze(tmp_path / "fresh", stores=["late"]) == 0
    assert contents(tmp_path / "days") == contents(tmp_path / "fresh")
    assert shop.analyze(tmp_path / "days", stores=["late"], to=None, again=True) == 0
    assert "1 analysed, 0 as they were" in capsys.readouterr().out
    assert shop.analyze(tmp_path / "days", stores=["late"], to=None, visit_min_s=5) == 0
    assert "1 analysed, 0 as they were" in capsys.readouterr().out


def test_a_day_has_the_layout_of_its_time(shop: Shop, tmp_path: Path) -> None:
    shop.open("moved")
    shop.open("moved", rooms=["door", "shoes", "bags", "till"], since=datetime(2026, 3, 15, 12, tzinfo=UTC))
    shop.bring("moved", READS)
    assert shop.analyze(tmp_path, stores=["moved", "row"]) == 0
    visits = pd.read_parquet(day_folder(tmp_path, "moved", DAYS[0]) / "visits.parquet")
    assert visits[visits["epc"] == LONG]["zone"].to_list() == ["bags", "shoes"]
    basis = [known_basis(tmp_path, "moved", day) for day in DAYS]
    assert [len(one.layouts) for one in basis if one is not None] == [2, 2, 1]
    new, old = ((day_folder(tmp_path, store, DAYS[2]) / "traffic.csv").read_text() for store in ("moved", "row"))
    swapped = old.replace("bags", "?").replace("shoes", "bags").replace("?", "shoes")
    assert sorted(new.splitlines()) == sorted(swapped.splitlines())


def test_a_broken_store_does_not_stop_the_others(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.open("broken")
    shop.connection.execute(
        "UPDATE store_layout SET document = 'not a store' FROM store"
        " WHERE store.store_id = store_layout.store_id AND store = 'broken'"
    )
    assert shop.analyze(tmp_path, stores=["row", "nowhere", "broken"], to=None) == 1
    told = capsys.readouterr()
    assert "1 store-days: 1 analysed" in told.out
    failures = told.err.partition("not analysed:\n")[2]
    assert "nowhere: the database has no such store, but " in failures
    assert "broken: layout" in failures
    assert shop.secret not in told.err + told.out
    with pytest.raises(FaultsError, match="there is none to analyse"):
        shop.analyze(tmp_path, stores=["nowhere"])


def test_reads_that_are_gone_leave_what_was_found(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shop.analyze(tmp_path, to=None) == 0
    before = contents(tmp_path)
    move = "UPDATE retention SET dropped_before = %s WHERE what = 'tag_read'"
    shop.connection.execute(move, [START])
    try:
        assert shop.analyze(tmp_path, to=None) == 0
        assert shop.analyze(tmp_path, to=None, again=True) == 1
        assert "reads before 2026-03-14 02:00 UTC are not kept any more" in capsys.readouterr().err
    finally:
        shop.connection.execute(move, ["-infinity"])
    assert contents(tmp_path) == before


def task(shop: Shop) -> StoreDay:
    settings = AnalyzeSettings(estimator="presence")
    row = shop.connection.execute("SELECT store_id FROM store WHERE store = 'row'").fetchone()
    assert row is not None
    return StoreDay("row", row[0], DAYS[0], "Europe/Berlin", settings, None)


def test_a_lost_connection_is_made_anew(shop: Shop) -> None:
    expected = analyze_day(task(shop), shop.dsn, threading.Event())
    found: list[object] = []
    run = threading.Thread(target=lambda: found.append(analyze_day(task(shop), shop.dsn, threading.Event())))
    ours = "FROM pg_stat_activity WHERE application_name = 'tagtrail analyze days' AND wait_event_type = 'Lock'"
    with connect(shop.dsn) as lock:
        lock.execute("LOCK TABLE tag_read")
        run.start()
        ends = f"SELECT pg_terminate_backend(pid) {ours}"
        wait_until(lambda: bool(shop.connection.execute(ends).fetchall()), "the day waits for its reads")
        lock.rollback()
    run.join(60)
    assert [repr(one) for one in found] == [repr(expected)]


def test_a_database_that_stays_away_fails_the_day(shop: Shop) -> None:
    away = make_conninfo(shop.dsn, host="127.0.0.1", port=1)
    outcome = analyze_day(task(shop), away, threading.Event(), patience_s=0.0)
    assert isinstance(outcome, Failure)
    assert "nobody listens there" in outcome.reason


def test_a_day_that_is_not_over_is_refused(shop: Shop, tmp_path: Path) -> None:
    now_us = round(datetime(2026, 3, 16, 22, 59, tzinfo=UTC).timestamp() * 1e6)
    with pytest.raises(FaultsError, match="the last day of store row that is over is 2026-03-15 \\(Europe/Berlin\\)"):
        shop.analyze(tmp_path, clock=f"{time.time_ns() // 1000},{now_us},0.001")


def test_nobody_at_the_address_of_dask(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagtrail.analytics.distributed.CONNECT_S", 0.1)
    with pytest.raises(GiveUp, match="nobody answers there"):
        shop.analyze(tmp_path, dask="tcp://127.0.0.1:1")


def test_two_do_not_write_into_one_folder(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(GiveUp, match="another tagtrail"), locked(tmp_path):
        pass


def test_the_command_with_workers_of_its_own(
    shop: Shop, alone: dict[str, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAGTRAIL_ANALYZE_DSN", shop.dsn)
    argv = ["analyze", "--from", str(DAYS[0]), "--to", str(DAYS[-1]), "--stores", "row", "--out", str(tmp_path)]
    assert cli.main([*argv, "--estimator", "presence", "--dask", "local:1"]) == 0
    assert contents(tmp_path) == alone["presence"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"to": "2026-03-13"}, "to 2026-03-13 is before from 2026-03-14"),
        ({"to": "20260315"}, "to '20260315': expected a day, YYYY-MM-DD, from 2000-01-01 on"),
        ({"from_": "yesterday"}, "from 'yesterday': expected a day"),
        ({"from_": "1999-12-31"}, "from 2000-01-01 on"),
        ({"from_": None}, "to, again, dask: work together with from only"),
        ({"dsn": None}, "dsn: needed together with from; set TAGTRAIL_DSN in the environment"),
        ({"out": None}, "out: needed together with from"),
        ({"reads": "r.csv", "store": "s.toml"}, "reads, from: one of them only"),
        ({"dask": "local:0"}, "dask 'local:0': expected tcp://HOST:PORT"),
        ({"calibration": "p.csv"}, "calibration: works together with reads"),
    ],
)
def test_settings_say_what_is_wrong(changes: dict[str, Any], words: str) -> None:
    names: dict[str, Any] = {"dsn": "x", "from_": "2026-03-14", "to": "2026-03-15", "out": "o"}
    (fault,) = [fault for fault in AnalyzeSettings(**names | changes).faults() if not fault.startswith("out: works")]
    assert words in fault
