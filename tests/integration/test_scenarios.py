"""Every scenario that comes along, shortened, through the whole stack: broker, ingest, database, analytics.

One stack serves them all, each with a store of its own. Their people live in their own time, at a busy hour; the
readers and the database live in that of the stack.
"""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace as replaced
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from fixture_database import new_database
from fixture_edge import running_edge
from fixture_ingest import IngestProcess, wait_until
from fixture_mqtt import MqttBroker, find_mosquitto
from tagtrail.hardware.clock import ScaledClock
from tagtrail.ingest.database.connection import Connection, connect
from tagtrail.ingest.database.layouts import add_layout
from tagtrail.ingest.database.migrate import migrate
from tagtrail.simulator.layouts import renamed, store_toml
from tagtrail.simulator.live.connection import MqttTarget
from tagtrail.simulator.live.lines import pty_lines
from tagtrail.simulator.live.on_lines import simulate_on_lines
from tagtrail.simulator.live.on_mqtt import Publishing, simulate_on_mqtt
from tagtrail.simulator.scenario import Layout, LayoutChange, Scenario, Shop, load_scenario, scenario_path, shipped
from tagtrail.simulator.truth import Summary

LIMIT_S = 60.0
SPEED = 30.0
ORIGIN_US = 1_773_453_600_000_000
ANALYZE = """
import logging, sys, msgspec
from tagtrail.analytics.service import run
from tagtrail.analytics.settings import AnalyzeSettings
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
sys.exit(run(msgspec.json.decode(sys.argv[1], type=AnalyzeSettings)))
"""


@dataclass(frozen=True)
class Stack:
    """What all scenarios are run through."""

    clock: ScaledClock
    mqtt: str
    connection: Connection

    def sent(self, summary: Summary) -> bool:
        """Whether the database has at least as many reads of a store as were sent."""
        return sum(self.reads(summary.store).values()) >= summary.reads_sent

    def reads(self, store: str) -> Counter[tuple[str, int]]:
        """Reads in the database by antenna."""
        rows = self.connection.execute(
            "SELECT reader, antenna, sum(count)::int FROM read WHERE store = %s GROUP BY 1, 2", [store]
        )
        return Counter({(reader, antenna): count for reader, antenna, count in rows})

    def analysed(self, store: str) -> bool:
        """Whether analytics has taken in every batch of a store."""
        row = self.connection.execute(
            "SELECT count(*) FROM batch b JOIN store USING (store_id) LEFT JOIN analysis_cursor c USING (store_id) "
            "WHERE store = %s AND (c.xid IS NULL OR b.xid >= c.xid)",
            [store],
        ).fetchone()
        return row == (0,)

    def add_layout(self, layout: Layout, valid_from: datetime) -> None:
        with self.connection.transaction():
            add_layout(self.connection, store_toml(layout.store), valid_from)


@pytest.fixture(scope="module")
def stack(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    clock = ScaledClock(time.time_ns() // 1000, ORIGIN_US, SPEED)
    broker = MqttBroker(find_mosquitto(), folder)
    ingest = IngestProcess(folder / "ingest.log")
    analyze: subprocess.Popen[bytes] | None = None
    try:
        with new_database(postgres_server) as dsn:
            migrate(dsn)
            ingest.start(dsn=dsn, mqtt=broker.url, clock=clock.text())
            settings = {"dsn": dsn, "clock": clock.text(), "poll_s": 0.2, "quiet_s": 2.0}
            with (folder / "analyze.log").open("wb") as log:
                command = [sys.executable, "-c", ANALYZE, msgspec.json.encode(settings).decode()]
                analyze = subprocess.Popen(command, stderr=log)
            ingest.wait_connected()
            with connect(dsn, autocommit=True) as connection:
                yield Stack(clock, broker.url, connection)
            analyze.terminate()
            assert analyze.wait(30) == 0
            assert ingest.terminate() == 0
    finally:
        ingest.kill()
        if analyze is not None:
            analyze.kill()
            analyze.wait()
        broker.kill()


@dataclass(frozen=True)
class Played:
    """A store of a scenario that has gone through the stack."""

    stack: Stack
    shop: Shop
    summary: Summary
    folder: Path

    @property
    def start(self) -> datetime:
        return datetime.fromisoformat(self.summary.start)

    def after(self, minutes: float) -> datetime:
        return self.start + timedelta(minutes=minutes)

    def rows(self, query: Any, *values: object) -> list[tuple[Any, ...]]:
        """Of a query whose first parameter is the store."""
        return self.stack.connection.execute(query, [self.summary.store, *values]).fetchall()

    def visitors(self) -> Counter[str]:
        """Tags with visits, by zone."""
        rows = self.rows(
            "SELECT zone, count(DISTINCT tag_id) FROM visit JOIN store USING (store_id) WHERE store = %s GROUP BY zone"
        )
        return Counter(dict(rows))

    def tags(self) -> dict[str, tuple[datetime, datetime]]:
        """First and last read of each tag."""
        rows = self.rows("SELECT epc, min(time), max(time) FROM read WHERE store = %s GROUP BY epc")
        return {epc: (first, last) for epc, first, last in rows}

    def truth(self, name: str) -> list[dict[str, Any]]:
        return pq.read_table(self.folder / f"{name}.parquet").to_pylist()

    def epcs(self, kind: str) -> set[str]:
        """The tags of all people of a kind."""
        return {epc for row in self.truth("people") if row["kind"] == kind for epc in row["epcs"]}


def play(stack: Stack, scenario: Scenario, folder: Path, *, on_lines: bool = False) -> list[Played]:
    """Run a scenario; returns when the database has all reads, and analytics all batches."""
    for shop in scenario.shops:
        stack.add_layout(shop.layouts[0], datetime.fromisoformat("2026-01-01T00:00+00:00"))
    until_s = time.monotonic() + LIMIT_S
    chain, out = len(scenario.shops) > 1, folder / "out"
    if on_lines:
        (shop,) = scenario.shops
        ports = folder / "ports"

        def arrived() -> bool:
            assert time.monotonic() < until_s, (folder / "edge.log").read_text()
            found = out / "summary.json"
            return found.exists() and stack.sent(msgspec.json.decode(found.read_bytes(), type=Summary))

        with running_edge(shop.store, folder, stack.mqtt, stack.clock, f"{ports}/{{reader}}"):
            simulate_on_lines(scenario, make_line=pty_lines(ports), clock=stack.clock, out=out, stop=arrived)
    else:

        def never() -> bool:
            assert time.monotonic() < until_s, "the database does not get all batches"
            return False

        publishing = Publishing(target=MqttTarget(url=stack.mqtt), boot="b1")
        simulate_on_mqtt(scenario, publishing=publishing, clock=stack.clock, out=out, stop=never)
    played = []
    for shop in scenario.shops:
        place = out / shop.store.id if chain else out
        summary = msgspec.json.decode((place / "summary.json").read_bytes(), type=Summary)
        assert summary.store == shop.store.id
        played.append(Played(stack, shop, summary, place))
        for layout in shop.layouts[1:]:
            begins = played[-1].start + (layout.valid_from - shop.start)
            stack.add_layout(layout, begins)
    for one in played:
        assert_all_arrived(one)
    return played


def shortened(name: str, start: str, minutes: float, **overrides: object) -> Scenario:
    """A scenario that comes along, so many minutes of it; a single store is named after it."""
    moment = datetime.fromisoformat(start)
    scenario = load_scenario(scenario_path(name), {"start": moment, "minutes": minutes, **overrides})
    if len(scenario.shops) > 1:
        return scenario
    return replaced(scenario, shops=(named(scenario.shops[0], name),))


def named(shop: Shop, name: str) -> Shop:
    """The same shop as another store."""
    return replaced(
        shop, layouts=tuple(replaced(layout, store=renamed(layout.store, name, name)) for layout in shop.layouts)
    )


def assert_all_arrived(played: Played) -> None:
    """Each read that was sent is in the database, and has been analysed."""
    by_reader: Counter[str] = Counter()
    for (reader, _), count in played.stack.reads(played.summary.store).items():
        by_reader[reader] += count
    assert by_reader == {name: count.reads_sent for name, count in played.summary.readers.items() if count.reads_sent}
    assert played.summary.reads_sent > 500
    wait_until(lambda: played.stack.analysed(played.summary.store), "all batches are analysed")
    assert played.visitors().total() > 0


def test_all_scenarios_are_here() -> None:
    here = {name.removeprefix("test_").replace("_", "-") for name in globals() if name.startswith("test_")}
    assert {path.stem for path in shipped()} <= here


def test_quiet_tuesday(stack: Stack, tmp_path: Path) -> None:
    """Nothing breaks: nearly every reader hears somebody."""
    (played,) = play(stack, shortened("quiet-tuesday", "2026-03-10T11:30", 1.5), tmp_path)
    antennas = {(reader.id, antenna.port) for reader in played.shop.store.reader for antenna in reader.antenna}
    heard = set(stack.reads("quiet-tuesday"))
    assert heard <= antennas
    assert len({reader for reader, _ in heard}) >= 6, "some of the eight readers hang where few people are"


def test_saturday_sale(stack: Stack, tmp_path: Path) -> None:
    """A crowd, which queues where it pays and tries on."""
    (played,) = play(stack, shortened("saturday-sale", "2026-03-14T10:40", 1), tmp_path)
    assert len(played.epcs("shopper") & set(played.tags())) > 80
    visitors = played.visitors()
    assert visitors["checkout-1"] + visitors["checkout-2"] >= 2
    assert visitors["fitting"] >= 2


def test_promotion(stack: Stack, tmp_path: Path) -> None:
    """Beside the same store, people and hours without the promotion, more of them visit the watches."""
    scenario = shortened("promotion", "2026-03-13T15:30", 1.5)
    (shop,) = scenario.shops
    plain = replaced(named(shop, "no-promotion"), habits=replace(shop.habits, promotion=()))
    promoted, without = play(stack, replaced(scenario, shops=(shop, plain)), tmp_path)
    assert promoted.visitors()["watches"] > without.visitors()["watches"]


def test_counter_move(stack: Stack, tmp_path: Path) -> None:
    """Who visits sports is read upstairs first; after the move, where perfume was."""
    change = LayoutChange(valid_from=datetime.fromisoformat("2026-03-14T11:32"), swap=["perfume", "sports"])
    (played,) = play(stack, shortened("counter-move", "2026-03-14T11:30", 4, layout=(change,)), tmp_path)
    moved = played.after(2)

    def loudest(zone: str, since: datetime, until: datetime) -> tuple[str, int]:
        rows = played.rows(
            "SELECT a.reader, a.port FROM visit v JOIN store s USING (store_id)"
            " JOIN tag_read r USING (store_id, tag_id) JOIN antenna a USING (antenna_id)"
            " WHERE s.store = %s AND r.time BETWEEN v.enter AND v.exit"
            " AND v.zone = %s AND v.enter >= %s AND r.time < %s"
            " GROUP BY 1, 2 ORDER BY count(*) DESC LIMIT 1",
            zone, since, until,
        )  # fmt: skip
        return rows[0] if rows else ("", 0)

    above_sports, above_perfume = ("r07", 1), ("r02", 4)
    wait_until(lambda: loudest("sports", played.start, moved) == above_sports, "visits in the old layout")
    wait_until(lambda: loudest("sports", moved, played.after(5)) == above_perfume, "visits in the new layout")
    wait_until(lambda: loudest("perfume", moved, played.after(5)) == above_sports, "those of the other counter")


def test_broken_antenna(stack: Stack, tmp_path: Path) -> None:
    """The antenna that is off reads nothing any more, the weak one still does, and so does the rest."""
    (shop,) = load_scenario(scenario_path("broken-antenna")).shops
    sooner = tuple(replace(fault, at=fault.at / 240) for fault in shop.faults)
    scenario = shortened("broken-antenna", "2026-03-10T10:40", 1.75, fault=sooner)
    (played,) = play(stack, scenario, tmp_path)
    off, weak = [(fault.reader, fault.antenna, played.after(fault.at)) for fault in sooner]

    def reads(reader: str, antenna: int | None, since: datetime, until: datetime) -> int:
        query = (
            "SELECT count(*) FROM read WHERE store = %s AND reader = %s AND antenna = %s AND time >= %s AND time < %s"
        )
        return int(played.rows(query, reader, antenna, since, until)[0][0])

    end = played.after(2)
    assert reads("r03", off[1], played.start, off[2]) > 0
    assert reads("r03", off[1], off[2], end) == 0
    assert reads("r03", weak[1], weak[2], end) > 0


def test_staff_morning(stack: Stack, tmp_path: Path) -> None:
    """Most tags are those of the staff, and they are there from the first to the last."""
    (played,) = play(stack, shortened("staff-morning", "2026-03-11T10:05", 1), tmp_path)
    tags, staff = played.tags(), played.epcs("staff")
    # Some stand where no antenna reaches for a while.
    stayed = [
        epc for epc in staff & set(tags) if tags[epc][0] < played.after(0.25) and tags[epc][1] > played.after(0.75)
    ]
    assert len(stayed) > 0.6 * len(staff) > len(set(tags) - staff)


def test_hard_store(stack: Stack, tmp_path: Path) -> None:
    """The tagged articles of both counters of a pair are heard best by the one antenna between them."""
    (played,) = play(stack, shortened("hard-store", "2026-03-11T10:40", 1), tmp_path)
    articles = played.epcs("thing")
    rows = played.rows("SELECT epc, reader, antenna, count(*) FROM read WHERE store = %s GROUP BY 1, 2, 3 ORDER BY 4")
    best = {epc: (reader, antenna) for epc, reader, antenna, _ in rows if epc in articles}
    per_antenna, stock = Counter(best.values()), played.shop.habits.tags.stock_per_counter
    assert len(best) > 0.9 * len(articles)
    assert min(per_antenna["r01", 4], per_antenna["r02", 1]) > stock


def test_chain_month(stack: Stack, tmp_path: Path) -> None:
    """Five stores at once, each with people of its own; the largest has twice those of the smallest."""
    played = {one.summary.store: one for one in play(stack, shortened("chain-month", "2026-03-07T10:40", 1), tmp_path)}
    assert len(played) == 5
    seen = {store: one.epcs("shopper") & set(one.tags()) for store, one in played.items()}
    assert len(seen["riverside-center"]) > len(seen["riverside-park"]) > 5


def test_everyday(stack: Stack, tmp_path: Path) -> None:
    """Nobody but shoppers, each with one tag that works."""
    (played,) = play(stack, shortened("everyday", "2026-03-14T10:00", 2), tmp_path, on_lines=True)
    people = played.truth("people")
    assert {len(row["epcs"]) for row in people} == {1}
    lingered = {row["epcs"][0] for row in people if row["exit"] - row["enter"] >= timedelta(seconds=30)}
    assert len(lingered) >= 10
    assert lingered <= set(played.tags()) <= played.epcs("shopper")
