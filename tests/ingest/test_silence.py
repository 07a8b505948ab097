"""A database that takes bytes and never answers."""

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from chaos.proxy import Proxy
from fixture_agent import FakeAgent, stored
from fixture_ingest import Agents, IngestProcess, wait_until
from fixture_mqtt import MqttBroker
from tagtrail.hardware.wire import Committed
from tagtrail.ingest.database.connection import Connection, connect
from tagtrail.ingest.database.link import Link
from tagtrail.ingest.database.silence import end_sessions, own_session

AGENT = FakeAgent()
SILENCE_S = 1.0


@pytest.fixture
def proxy(schema: str) -> Iterator[Proxy]:
    proxy = Proxy(int(conninfo_to_dict(schema).get("port") or 5432))
    yield proxy
    proxy.close()


@pytest.fixture
def through(schema: str, proxy: Proxy) -> str:
    """The database by way of the proxy."""
    return make_conninfo(schema, port=proxy.port)


def enter(connection: Connection) -> None:
    """Take a lock that any other session which does the same has to wait for."""
    connection.execute("INSERT INTO store (store) VALUES ('riverside')")


def in_a_statement(connection: Connection, fail: Callable[[], None]) -> None:
    with connection.transaction():
        enter(connection)
        fail()
        connection.execute("SELECT 1")


def in_a_copy(connection: Connection, fail: Callable[[], None]) -> None:
    with connection.transaction():
        enter(connection)
        with connection.cursor() as cursor, cursor.copy("COPY tag (epc) FROM STDIN") as copy:
            copy.write("E280\n" * 10)
            fail()
            copy.write("E281\n")


def at_the_commit(connection: Connection, fail: Callable[[], None]) -> None:
    with connection.transaction():
        enter(connection)
        fail()


@pytest.mark.parametrize("way", [in_a_statement, in_a_copy, at_the_commit])
def test_a_transaction_in_the_dark_is_given_up_and_blocks_nobody(
    schema: str, through: str, proxy: Proxy, way: Callable[[Connection, Callable[[], None]], None]
) -> None:
    link = Link(through, application="test", silence_s=SILENCE_S, stop=threading.Event())
    attempts = []

    def act(connection: Connection) -> str:
        attempts.append(connection)
        if len(attempts) == 1:
            way(connection, proxy.strand)
        with connection.transaction():
            enter(connection)
        return "done"

    begun_s = time.monotonic()
    try:
        assert link.do(act) == "done"
    finally:
        link.close()
    assert time.monotonic() - begun_s >= SILENCE_S
    assert len(attempts) == 2
    with connect(schema) as connection:
        assert connection.execute("SELECT count(*) FROM store").fetchone() == (1,)


def test_a_server_that_works_and_one_that_is_not_waited_for_are_left_alone(through: str) -> None:
    with connect(through, autocommit=True, silence_s=0.3) as connection:
        connection.execute("SELECT pg_sleep(0.1)")
        time.sleep(0.4)
        assert connection.execute("SELECT 7").fetchone() == (7,)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT pg_sleep(60)")


def test_only_the_very_session_is_ended(schema: str) -> None:
    with connect(schema, autocommit=True) as lost, connect(schema, autocommit=True) as connection:
        session = own_session(lost)
        assert end_sessions(connection, []) == 0
        assert end_sessions(connection, [session._replace(since=own_session(connection).since)]) == 0
        assert lost.execute("SELECT 1").fetchone() == (1,)
        assert end_sessions(connection, [session]) == 1
        with pytest.raises(psycopg.OperationalError):
            lost.execute("SELECT 1")


def test_ingest_goes_on_with_each_read_once(
    schema: str, through: str, proxy: Proxy, mqtt_broker: MqttBroker, ingest: IngestProcess
) -> None:
    agents = Agents(mqtt_broker.host, mqtt_broker.port)
    try:
        ingest.start(dsn=through, mqtt=mqtt_broker.url, database_silence_s=SILENCE_S, flush_reads=500)
        ingest.wait_connected()
        for part in range(3):
            done = part * 60
            for seq in range(done + 1, done + 61):
                agents.publish(AGENT.topic, AGENT.payload(seq))
            wait_until(partial(committed_beyond, schema, done + 5), "a part of the batches")
            proxy.strand()
            wait_until(partial(told, agents, done + 60), "commits over a new connection")
            agents.publish(AGENT.topic, b"nonsense")  # so that there is something to write at each strand
        assert "fell silent" in ingest.log
        assert ingest.terminate() == 0
        assert "Traceback" not in ingest.log
    finally:
        agents.close()
    with connect(schema) as connection:
        assert sorted(map(str, stored(connection))) == sorted(str(row) for row in AGENT.expected(range(1, 181)))
        assert connection.execute("SELECT count(*) FROM batch").fetchone() == (180,)


def committed_beyond(dsn: str, seq: int) -> bool:
    with connect(dsn) as connection:
        row = connection.execute("SELECT coalesce(max(seq), 0) FROM batch").fetchone()
    assert row is not None
    return int(row[0]) >= seq


def told(agents: Agents, seq: int) -> bool:
    return agents.told.get(AGENT.name) == Committed(AGENT.boot, seq)
