"""What is past is dropped, on both servers the same; what comes late is kept, and changes nothing that is done with."""

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from fixture_agent import T0_US, FakeAgent, stored
from fixture_ingest import wait_until
from rollups import assert_reads_are_rolled_up, count_antennas
from tagtrail.ingest.database import retention
from tagtrail.ingest.database.antenna_health import slices, update_antenna_health
from tagtrail.ingest.database.connection import Connection, connect
from tagtrail.ingest.database.partitions import parts
from tagtrail.ingest.database.retention import drop_reads, drop_visits
from tagtrail.ingest.intake import Message, read_message
from tagtrail.ingest.writer import Outcome, Writer

DAY_US = 86_400_000_000
DAYS = 40
NOW = datetime.fromtimestamp(T0_US / 1e6, UTC)


def agent_of(days_ago: int, name: str = "edge-1") -> FakeAgent:
    return FakeAgent(name=name, boot=f"b{days_ago}", start_us=T0_US - days_ago * DAY_US)


def write(connection: Connection, agent: FakeAgent, seqs: Sequence[int], writer: Writer | None = None) -> Outcome:
    items = [read_message(Message(agent.topic, agent.payload(seq))) for seq in seqs]
    return (writer or Writer()).write(connection, items)


def grow_old(connection: Connection, days: int) -> None:
    """Everything was committed so many days ago."""
    connection.execute("UPDATE batch SET committed_at = committed_at - make_interval(days => %s)", [days])


def horizon(connection: Connection) -> list[tuple[str, datetime | None]]:
    return connection.execute(
        "SELECT what, nullif(dropped_before, '-infinity') FROM retention ORDER BY what"
    ).fetchall()


def test_days_that_are_past_are_dropped(connection: Connection) -> None:
    for days_ago in (60, DAYS + 1, DAYS, 1, 0):
        write(connection, agent_of(days_ago), [1, 2])
    grow_old(connection, DAYS + 1)
    assert drop_reads(connection, NOW, DAYS) == 2  # the day of 40 days ago is not over by 40 days
    kept = [row for days_ago in (DAYS, 1, 0) for row in agent_of(days_ago).expected([1, 2])]
    assert stored(connection) == kept
    assert [part.begin.date() for part in parts(connection)] == sorted({row[0].date() for row in kept})
    day = (NOW - timedelta(days=DAYS)).replace(hour=0)
    assert horizon(connection) == [("tag_read", day), ("visit", None)]
    assert connection.execute("SELECT count(*) FROM batch").fetchone() == (6,)
    assert drop_reads(connection, NOW, DAYS) == 0


def test_what_came_lately_is_kept_however_old_it_is(connection: Connection) -> None:
    unset = FakeAgent(name="edge-2", start_us=946_684_800_000_000)  # a clock without battery: 2000-01-01
    write(connection, agent_of(100), [1, 2])
    grow_old(connection, DAYS + 1)
    write(connection, unset, [1])
    write(connection, agent_of(300), [1])
    assert drop_reads(connection, NOW, DAYS) == 1
    assert stored(connection) == unset.expected([1]) + agent_of(300).expected([1])
    grow_old(connection, DAYS + 1)
    assert drop_reads(connection, NOW, DAYS) == 2
    assert stored(connection) == []


def test_a_batch_that_left_the_ledger_is_still_known(connection: Connection) -> None:
    agent, writer = agent_of(100), Writer()
    write(connection, agent, [1, 2, 4], writer)
    grow_old(connection, DAYS + 1)
    drop_reads(connection, NOW, DAYS)
    seqs = connection.execute("SELECT seq FROM batch").fetchall()
    assert seqs == [(4,)]  # not thinned: 3 is missing, so what came beyond is known by its row alone
    outcome = write(connection, agent, [1, 2, 2, 4], writer)
    assert (outcome.batches, outcome.duplicates, outcome.quarantined.total()) == (0, 4, 0)
    assert outcome.committed["riverside", agent.name] == {agent.boot: 2}
    outcome = write(connection, agent, [3], writer)  # late, and never here before
    assert (outcome.batches, outcome.committed["riverside", agent.name]) == (1, {agent.boot: 4})
    assert stored(connection) == agent.expected([3])


def test_ingest_goes_on_where_a_day_was_dropped_behind_its_back(connection: Connection) -> None:
    agent, writer = agent_of(100), Writer()
    write(connection, agent, [1], writer)
    grow_old(connection, DAYS + 1)
    assert drop_reads(connection, NOW, DAYS) == 1
    write(connection, agent, [2], writer)
    assert stored(connection) == agent.expected([2])


def test_a_day_in_use_is_dropped_later(schema: str, connection: Connection) -> None:
    write(connection, agent_of(100), [1])
    grow_old(connection, DAYS + 1)
    with connect(schema) as busy:
        busy.execute("SELECT FROM retention FOR SHARE")
        assert drop_reads(connection, NOW, DAYS) == 0
        assert len(stored(connection)) == 20
    assert drop_reads(connection, NOW, DAYS) == 1


def test_what_is_being_written_just_then_is_not_dropped(
    schema: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "LOCK_TIMEOUT_MS", 20_000)
    agent = agent_of(100)
    write(connection, agent, [1])
    grow_old(connection, DAYS + 1)  # so nothing came lately, until the other one commits
    with connect(schema) as busy, connect(schema, autocommit=True) as keeper, ThreadPoolExecutor() as executor:
        busy.execute("SELECT 1")
        write(busy, agent, [2])
        dropping = executor.submit(drop_reads, keeper, NOW, DAYS)
        waits = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'tag_read'::regclass"
        wait_until(lambda: connection.execute(waits.encode()).fetchone() == (True,), "the lock is waited for")
        busy.commit()
        assert dropping.result(30) == 0
    assert stored(connection) == agent.expected([1, 2])
    assert horizon(connection)[0] == ("tag_read", None)


def test_reads_dropped_before_they_were_analysed_are_told(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    write(connection, agent_of(100), [1, 2])
    connection.execute("INSERT INTO analysis_cursor (store_id, xid) SELECT store_id, '1' FROM store")
    grow_old(connection, DAYS + 1)
    drop_reads(connection, NOW, DAYS)
    assert "before 2 batches of them were analysed" in caplog.text
    assert connection.execute("SELECT count(*) FROM batch").fetchone() == (2,)  # the analysis shall see that they were


def test_visits_go_by_their_begin_and_leave_their_rollups(connection: Connection) -> None:
    connection.execute("INSERT INTO store (store) VALUES ('north')")
    connection.execute("INSERT INTO tag (epc) VALUES ('E2801160')")
    for days_ago in (100, 10):
        enter = NOW - timedelta(days=days_ago)
        connection.execute(
            "INSERT INTO visit VALUES (1, 1, %s, 'door', %s, %s, 0.9, false)",
            [days_ago, enter, enter + timedelta(minutes=1)],
        )
        connection.execute(
            "INSERT INTO trip VALUES (1, 1, %s, %s, %s, '{door}', false)",
            [days_ago, enter, enter + timedelta(minutes=1)],
        )
    before = connection.execute("SELECT * FROM zone_traffic_5min ORDER BY time").fetchall()
    assert drop_visits(connection, NOW, 200) == 0
    assert horizon(connection)[1] == ("visit", None)
    assert drop_visits(connection, NOW, DAYS) == 2
    assert horizon(connection)[1] == ("visit", (NOW - timedelta(days=DAYS)).replace(hour=0))
    assert connection.execute("SELECT count(*) FROM visit").fetchone() == (1,)
    assert connection.execute("SELECT * FROM zone_traffic_5min ORDER BY time").fetchall() == before


def test_antenna_health_equals_the_reads_however_they_come(connection: Connection) -> None:
    writer = Writer()
    other = dataclasses.replace(agent_of(2), store="hillside")
    for agent, seqs in ((agent_of(0), [5, 90]), (other, [1]), (agent_of(0), [4, 5, 89, 4000]), (agent_of(2), [1, 1])):
        write(connection, agent, seqs, writer)
        count_antennas(connection)
        assert_reads_are_rolled_up(connection)
    assert update_antenna_health(connection) == 0  # nothing new
    row = connection.execute("SELECT sum(rows), sum(reads) > sum(rows) FROM antenna_minute").fetchone()
    assert row == (140, True)


def test_antenna_health_of_dropped_days_stays(connection: Connection, caplog: pytest.LogCaptureFixture) -> None:
    agent = agent_of(100)
    write(connection, agent, [1, 2])
    count_antennas(connection)
    before = connection.execute("SELECT * FROM antenna_minute ORDER BY 1, 2, 3, 4").fetchall()
    grow_old(connection, DAYS + 1)
    drop_reads(connection, NOW, DAYS)
    write(connection, agent, [3])
    count_antennas(connection)
    assert connection.execute("SELECT * FROM antenna_minute ORDER BY 1, 2, 3, 4").fetchall() == before
    assert "20 reads came for the time before" in caplog.text


def test_antenna_health_begins_anew_behind_a_cursor_of_another_cluster(connection: Connection) -> None:
    write(connection, agent_of(0), [1])
    connection.execute("INSERT INTO antenna_cursor SELECT store_id, '900000000000' FROM store")
    count_antennas(connection)
    assert_reads_are_rolled_up(connection)


def test_stretches_are_joined_and_cut() -> None:
    def at(hour: float) -> datetime:
        return NOW + timedelta(hours=hour)

    assert slices([]) == []
    assert slices([(at(1), at(2)), (at(0), at(1.5)), (at(9), at(10.5))]) == [
        (at(0), at(1)),
        (at(1), at(2)),
        (at(9), at(10)),
        (at(10), at(10.5)),
    ]
