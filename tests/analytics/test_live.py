"""The live loop on a real database: what it writes depends on the reads alone, not on how they came."""

import random
import threading
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from rollups import assert_visits_are_rolled_up
from tagtrail.analytics import live, memory
from tagtrail.analytics.database import load_stores, moment
from tagtrail.analytics.live import StoreAnalyzer, join_and_cut
from tagtrail.analytics.placement import Layout
from tagtrail.analytics.presence import Presence, PresenceParameters
from tagtrail.analytics.service import keep_up
from tagtrail.analytics.settings import AnalyzeSettings
from tagtrail.analytics.trips import make_trips
from tagtrail.hardware.reads import TagRead
from tagtrail.hardware.wire import encode, pack_reads, reads_topic
from tagtrail.ingest.database.connection import Connection, connect
from tagtrail.ingest.database.layouts import add_layout
from tagtrail.ingest.intake import Message, read_message
from tagtrail.ingest.writer import Writer
from walks import START, START_US, epc_of, frame_of, presence, random_reads, row_store, store_text

PARAMETERS = PresenceParameters()
HOUR_US = 3_600_000_000
LATE_US = START_US + 12 * HOUR_US
"""A clock at which all is over."""

Table = list[tuple[object, ...]]


@pytest.fixture
def shop(connection: Connection) -> Connection:
    """A database that knows the layout of the store."""
    with connection.transaction():
        add_layout(connection, store_text(), START - timedelta(days=1))
    return connection


class Delivery:
    """Brings batches of reads into the database as ingest does."""

    def __init__(self, connection: Connection, agent: str = "edge-1") -> None:
        self._connection, self._agent = connection, agent
        self._seq = 0
        self._writer = Writer()

    def bring(self, reads: Sequence[TagRead], *, wait: bool = True) -> None:
        """Commit a batch, and wait until the server has no older transaction, also not in other databases."""
        self._seq += 1
        payload = encode(pack_reads(reads, agent=self._agent, boot="b1", seq=self._seq))
        items = [read_message(Message(reads_topic("row", self._agent), payload))] * 2  # the broker may say it twice
        assert self._writer.write(self._connection, items).batches == 1
        if wait:
            wait_for(self._connection, "SELECT max(xid) < pg_snapshot_xmin(pg_current_snapshot()) FROM batch")


def analyzer(connection: Connection) -> StoreAnalyzer:
    return StoreAnalyzer(connection, "row", load_stores(connection)["row"], PARAMETERS)


def restart(connection: Connection) -> StoreAnalyzer:
    """Another process takes over from what is in the database."""
    connection.execute("SELECT pg_advisory_unlock_all()")
    return analyzer(connection)


def batches_of(reads: Sequence[TagRead], seconds: float) -> list[list[TagRead]]:
    """Reads in order, cut into stretches of time."""
    found: dict[int, list[TagRead]] = {}
    for read in reads:
        found.setdefault(int((read.time_us - START_US) / 1e6 / seconds), []).append(read)
    return [found[key] for key in sorted(found)]


def finish(analyzer: StoreAnalyzer) -> None:
    """Look until there is no news, and then believe that the store is empty."""
    analyzer.step(LATE_US, is_quiet=False)
    # Until then somebody, perhaps in another database of the server, might still commit an older batch.
    wait_for(analyzer._connection, "SELECT max(xid) < pg_snapshot_xmin(pg_current_snapshot()) FROM batch")
    while analyzer.step(LATE_US, is_quiet=False):
        pass
    analyzer.settle(LATE_US)
    analyzer.step(LATE_US, is_quiet=True)


def visits_in(connection: Connection) -> Table:
    rows = connection.execute(
        "SELECT epc, trip, zone, enter, exit, confidence, open FROM visit JOIN tag USING (tag_id) ORDER BY epc, enter"
    ).fetchall()
    return [(*row[:5], np.float32(row[5]), row[6]) for row in rows]


def trips_in(connection: Connection) -> Table:
    return connection.execute(
        'SELECT epc, trip, start, "end", zones, open FROM trip JOIN tag USING (tag_id) ORDER BY epc, trip'
    ).fetchall()


def visit_rows(visits: pd.DataFrame) -> Table:
    """A table of visits as the database would give it, nothing open."""
    return [
        (epc, trip, zone, enter.to_pydatetime(), exit_.to_pydatetime(), np.float32(confidence), False)
        for epc, zone, enter, exit_, confidence, trip in visits.itertuples(index=False, name=None)
    ]


def trip_rows(trips: pd.DataFrame) -> Table:
    """A table of trips as the database would give it, nothing open."""
    return [
        (epc, trip, start.to_pydatetime(), end.to_pydatetime(), zones, False)
        for epc, trip, start, end, zones in trips.itertuples(index=False, name=None)
    ]


def expected(reads: Sequence[TagRead]) -> tuple[Table, Table]:
    """Visits and trips of the same reads offline."""
    visits = presence().estimate(frame_of(reads)).visits
    assert len(visits) > 10
    return visit_rows(visits), trip_rows(make_trips(visits))


def test_live_and_offline_find_the_same(shop: Connection) -> None:
    reads = random_reads(1, tags=15)
    delivery = Delivery(shop)
    running: StoreAnalyzer | None = None
    for batch in batches_of(reads, 120):
        delivery.bring(batch)
        running = running or analyzer(shop)
        running.step(batch[-1].time_us, is_quiet=False)
    assert running is not None
    finish(running)
    assert (visits_in(shop), trips_in(shop)) == expected(reads)
    assert not running._memory.held  # all is over, nothing is kept


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_late_and_shuffled_reads_give_what_reads_in_order_give(shop: Connection, seed: int) -> None:
    reads = random_reads(seed, tags=12)
    chance = random.Random(seed)
    agents = [Delivery(shop, f"edge-{number}") for number in range(3)]
    parts = [[read for read in reads if chance.randrange(3) == number] for number in range(3)]
    scattered = [read for read in reads if not any(read in part for part in parts)]
    deliveries = [(agents[n], batch) for n, part in enumerate(parts) for batch in batches_of(part, 300) if batch]
    deliveries += [(agents[0], scattered)] if scattered else []
    chance.shuffle(deliveries)
    everything = [read for _, batch in deliveries for read in batch]
    running: StoreAnalyzer | None = None
    for agent, batch in deliveries:
        agent.bring(batch)
        if running is None or chance.random() < 0.1:  # killed, and begun again from what is in the database
            running = restart(shop)
        if chance.random() < 0.6:
            running.step(LATE_US, is_quiet=chance.random() < 0.1)
            assert_visits_are_rolled_up(shop)
    assert running is not None
    finish(running)
    assert (visits_in(shop), trips_in(shop)) == expected(everything)
    assert_visits_are_rolled_up(shop)


def test_a_visit_is_open_while_it_may_grow_and_silence_closes_it(shop: Connection) -> None:
    delivery, running = Delivery(shop), analyzer(shop)
    reads = [TagRead(START_US + second * 1_000_000, "r01", 2, epc_of(1), -55.0) for second in range(31)]
    delivery.bring(reads)
    running.step(START_US + 35_000_000, is_quiet=False)
    assert [row[-1] for row in visits_in(shop)] == [True]
    assert [row[-1] for row in trips_in(shop)] == [True]
    last_us = reads[-1].time_us
    gap_us, trip_gap_us = round(PARAMETERS.visit_gap_s * 1e6), round(PARAMETERS.trip_gap_s * 1e6)
    for now_us, visit_open, trip_open in (
        (last_us + gap_us, True, True),
        (last_us + gap_us + 1, False, True),
        (last_us + trip_gap_us, False, True),
        (last_us + trip_gap_us + 1, False, False),
    ):
        running.step(now_us, is_quiet=False)  # without reads time is not believed to go on: ingest may be behind
        assert trips_in(shop)[0][-1] or not trip_open
        running.step(now_us, is_quiet=True)
        assert ([row[-1] for row in visits_in(shop)], [row[-1] for row in trips_in(shop)]) == (
            [visit_open],
            [trip_open],
        )


def test_what_does_not_change_is_not_written_again(shop: Connection) -> None:
    delivery, running = Delivery(shop), analyzer(shop)
    rooms = [(room, 40 * number + second) for number, room in enumerate((1, 2, 3)) for second in range(38)]
    reads = [TagRead(START_US + second * 1_000_000, "r01", room, epc_of(1), -55.0) for room, second in rooms]
    delivery.bring(reads)
    running.step(LATE_US, is_quiet=False)
    before = shop.execute("SELECT xmin::text, enter FROM visit ORDER BY enter").fetchall()
    delivery.bring([TagRead(reads[-1].time_us + 1_000_000, "r01", 3, epc_of(1), -55.0)])
    running.step(LATE_US, is_quiet=False)
    after = shop.execute("SELECT xmin::text, enter FROM visit ORDER BY enter").fetchall()
    assert len(before) == len(after) == 3
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, True, False]


def test_the_cursor_tells_how_far_reads_are_analysed(shop: Connection) -> None:
    reads = random_reads(3, tags=2)
    Delivery(shop).bring(reads)
    running = analyzer(shop)
    assert running.step(LATE_US, is_quiet=False)
    assert not running.step(LATE_US, is_quiet=False)
    row = shop.execute("SELECT reads_to, xid > (SELECT max(xid) FROM batch) FROM analysis_cursor").fetchone()
    assert row == (moment(max(read.time_us for read in reads)), True)


def test_a_transaction_that_commits_late_is_not_missed(schema: str, shop: Connection) -> None:
    reads = random_reads(4, tags=4)
    half = len(reads) // 2
    running = analyzer(shop)
    with connect(schema) as slow:
        slow.execute("SELECT pg_current_xact_id()")  # a writer that began before, and commits after, another one
        Delivery(shop, "edge-1").bring(reads[:half], wait=False)
        running.step(LATE_US, is_quiet=False)
        assert visits_in(shop) == []  # not before everybody older is done
        slow.commit()
    Delivery(shop, "edge-2").bring(reads[half:])
    finish(running)
    assert (visits_in(shop), trips_in(shop)) == expected(reads)


def test_long_trips_are_put_off_and_still_become_right(shop: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "READS_PER_PASS", 5)
    reads = random_reads(5, tags=6)
    delivery, running = Delivery(shop), analyzer(shop)
    for batch in batches_of(reads, 60):
        delivery.bring(batch)
        running.step(LATE_US, is_quiet=False)
    running.settle(LATE_US)
    running.step(LATE_US, is_quiet=True)
    assert (visits_in(shop), trips_in(shop)) == expected(reads)


def test_a_new_layout_changes_the_past_from_its_begin(shop: Connection) -> None:
    reads = random_reads(6, tags=8)
    Delivery(shop).bring(reads)
    finish(analyzer(shop))
    renamed_from = START + timedelta(minutes=45)
    rooms = ("door", "hats", "shoes", "till")
    running = restart(shop)
    running.step(LATE_US, is_quiet=False)
    with shop.transaction():
        add_layout(shop, store_text(rooms), renamed_from)
    finish(running)
    layouts = [Layout(0, row_store()), Layout(round(renamed_from.timestamp() * 1e6), row_store(rooms))]
    visits = Presence(layouts).estimate(frame_of(reads)).visits
    assert {"bags", "hats"} <= set(visits["zone"])
    assert visits_in(shop) == visit_rows(visits)


def test_reads_from_the_future_are_left_out(shop: Connection, caplog: pytest.LogCaptureFixture) -> None:
    reads = random_reads(7, tags=5)
    wrong = TagRead(LATE_US + 100 * HOUR_US, "r01", 1, epc_of(0), -50.0)
    delivery, running = Delivery(shop), analyzer(shop)
    delivery.bring(reads)
    delivery.bring([wrong])
    finish(running)
    assert (visits_in(shop), trips_in(shop)) == expected(reads)
    assert "later than the clock" in caplog.text


@pytest.mark.parametrize("is_cursor_ahead", [True, False])
def test_a_restored_dump_is_analysed_again(
    shop: Connection, caplog: pytest.LogCaptureFixture, *, is_cursor_ahead: bool
) -> None:
    reads = random_reads(11, tags=8)
    delivery, (first, second, third) = Delivery(shop), batches_of(reads, 2400)[:3]
    delivery.bring(first)
    finish(analyzer(shop))
    delivery.bring(second)  # in the dump, but not analysed
    shop.execute("UPDATE batch SET xid = (xid::text::bigint + 900000000)::text::xid8")  # the cluster that was left
    if is_cursor_ahead:
        shop.execute("UPDATE analysis_cursor SET xid = (SELECT max(xid) FROM batch)")
    delivery.bring(third, wait=False)
    running = restart(shop)
    finish(running)
    assert (visits_in(shop), trips_in(shop)) == expected([*first, *second, *third])
    assert caplog.text.count("restored from a dump") == 1
    assert shop.execute(
        "SELECT c.xid <= pg_snapshot_xmax(s) AND (SELECT max(xid) FROM batch) < c.xid"
        " FROM analysis_cursor c, pg_current_snapshot() s"
    ).fetchone() == (True,)
    finish(restart(shop))  # all is in order now
    assert caplog.text.count("restored from a dump") == 1


@pytest.mark.parametrize("is_restarted", [False, True])
def test_reads_of_a_fast_clock_are_taken_when_their_time_comes(
    shop: Connection, caplog: pytest.LogCaptureFixture, *, is_restarted: bool
) -> None:
    reads = random_reads(12, tags=8)
    delivery, running = Delivery(shop), analyzer(shop)
    for batch in batches_of(reads, 900):
        delivery.bring(batch)  # hours before their time
    minute_us = 60_000_000
    end_us = reads[-1].time_us
    for clock_us in range(START_US - HOUR_US, end_us + 7 * minute_us, 7 * minute_us):
        if is_restarted:
            running = restart(shop)
        running.step(clock_us, is_quiet=False)
        limit = moment(clock_us + live.FUTURE_US)
        taken = shop.execute("SELECT coalesce(max(exit), '-infinity') <= %s FROM visit", [limit]).fetchone()
        assert taken == (True,)
        assert shop.execute("SELECT xid > (SELECT max(xid) FROM batch) FROM analysis_cursor").fetchone() == (True,)
    assert is_restarted or caplog.text.count("later than the clock") == 1
    finish(running)
    assert (visits_in(shop), trips_in(shop)) == expected(reads)


def test_a_layout_that_was_committed_while_the_cursor_was_saved_is_not_missed(schema: str, shop: Connection) -> None:
    reads = random_reads(13, tags=6)
    rooms = ("door", "hats", "shoes", "till")
    Delivery(shop).bring(reads)
    with connect(schema) as slow:
        add_layout(slow, store_text(rooms), START)
        finish(analyzer(shop))
        slow.commit()
    finish(restart(shop))
    layouts = [Layout(0, row_store()), Layout(START_US, row_store(rooms))]
    assert visits_in(shop) == visit_rows(Presence(layouts).estimate(frame_of(reads)).visits)


def test_only_one_process_analyses_a_store(schema: str, shop: Connection, caplog: pytest.LogCaptureFixture) -> None:
    Delivery(shop).bring(random_reads(8, tags=3))
    running = analyzer(shop)
    running.step(LATE_US, is_quiet=False)
    with connect(schema, autocommit=True) as other:
        second = analyzer(other)
        assert not second.step(LATE_US, is_quiet=False)
        assert "another process analyses it" in caplog.text
        shop.execute("SELECT pg_advisory_unlock_all()")
        second.step(LATE_US, is_quiet=False)
        assert second._is_ready


def test_a_store_without_layout_waits_for_it(connection: Connection, caplog: pytest.LogCaptureFixture) -> None:
    reads = random_reads(9, tags=5)
    Delivery(connection).bring(reads)
    running = analyzer(connection)
    assert not running.step(LATE_US, is_quiet=False)
    assert "no layout" in caplog.text
    with connection.transaction():
        add_layout(connection, store_text(), START)
    finish(running)
    assert (visits_in(connection), trips_in(connection)) == expected(reads)


def test_the_service_outlives_its_connection(schema: str, shop: Connection) -> None:
    reads = random_reads(10, tags=6)
    half = reads[len(reads) // 2].time_us
    stop = threading.Event()
    settings = AnalyzeSettings(dsn=schema, poll_s=0.02, quiet_s=0.01, clock=f"0,{LATE_US},0.000001")
    thread = threading.Thread(target=keep_up, args=(settings, stop))
    thread.start()
    try:
        delivery = Delivery(shop)
        delivery.bring([read for read in reads if read.time_us < half])
        wait_for(shop, "SELECT count(*) > 0 FROM visit")
        shop.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tagtrail analyze'"
        )
        delivery.bring([read for read in reads if read.time_us >= half])
        visits, trips = expected(reads)
        wait_for(shop, f"SELECT count(*) = {len(visits)} AND NOT bool_or(open) FROM visit")
    finally:
        stop.set()
        thread.join(30)
    assert (visits_in(shop), trips_in(shop)) == (visits, trips)


def wait_for(connection: Connection, query: str, limit_s: float = 30.0) -> None:
    pause = threading.Event()
    for _ in range(round(limit_s / 0.05)):
        if connection.execute(query.encode()).fetchone() == (True,):
            return
        pause.wait(0.05)
    pytest.fail(f"not within {limit_s} s: {query}")


def test_stretches_are_joined_and_cut() -> None:
    second, hour = 1_000_000, live.SLICE_US
    assert join_and_cut([]) == []
    near = live.JOIN_US
    assert join_and_cut([(5 * second, 9 * second), (0, 6 * second)]) == [(0, 9 * second)]
    assert join_and_cut([(0, 1), (1 + near, 5 + near)]) == [(0, 5 + near)]
    assert join_and_cut([(0, 1), (2 + near, 5 + near)]) == [(0, 1), (2 + near, 5 + near)]
    assert join_and_cut([(0, 2 * hour)]) == [(0, hour - 1), (hour, 2 * hour - 1), (2 * hour, 2 * hour)]


def test_ranges_are_split_at_a_time() -> None:
    assert live.split([(0, 9), (10, 20), (5, 12)], 9) == ([(0, 9), (5, 9)], [(10, 20), (10, 12)])


def test_reads_for_a_time_that_retention_has_dropped_change_no_visit(
    shop: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    reads = random_reads(14, tags=10)
    late = [read for read in reads if read.epc == epc_of(0)][::3]
    cut_us = START_US + HOUR_US
    delivery = Delivery(shop)
    delivery.bring([read for read in reads if read not in late])
    finish(analyzer(shop))
    before = visits_in(shop)
    shop.execute("DELETE FROM tag_read WHERE time < %s", [moment(cut_us)])
    shop.execute("UPDATE retention SET dropped_before = %s WHERE what = 'tag_read'", [moment(cut_us)])
    delivery.bring([read for read in late if read.time_us < cut_us])
    finish(restart(shop))
    assert visits_in(shop) == before
    assert "retention has dropped the others" in caplog.text
    assert shop.execute("SELECT xid > (SELECT max(xid) FROM batch) FROM analysis_cursor").fetchone() == (True,)
