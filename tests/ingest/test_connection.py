"""Failures to connect, each with one sentence that says what to do."""

import logging
import threading

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tagtrail.hardware.errors import GiveUp, Retry
from tagtrail.ingest.database.connection import connect, explain, pool, server_version, wait_for_database
from tagtrail.stack.postgres import free_port

log = logging.getLogger("tagtrail.test")


def test_sessions_speak_utc_and_keep_the_users_options(database: str) -> None:
    dsn = make_conninfo(database, options="-c work_mem=7MB", application_name="mine")
    with connect(dsn) as connection:
        row = connection.execute(
            "SELECT current_setting('timezone'), current_setting('work_mem'), current_setting('application_name')"
        ).fetchone()
    assert row == ("UTC", "7MB", "mine")


def test_nobody_listens() -> None:
    port = free_port()
    with pytest.raises(Retry, match=f"database x at 127.0.0.1:{port}: nobody listens there"):
        connect(f"postgresql://someone:secret@127.0.0.1:{port}/x")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "wrong"}, "refuses this user and password"),
        ({"dbname": "nowhere"}, "no such database"),
        ({"user": "nobody-there"}, "refuses this user and password"),
    ],
)
def test_a_wrong_dsn_needs_a_person(database: str, change: dict[str, str], words: str) -> None:
    with pytest.raises(GiveUp, match=words) as caught:
        connect(make_conninfo(database, **change))
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize("dsn", ["postgres:secret", "postgresql://a:secret@127.0.0.1:port/x"])
def test_a_malformed_dsn_is_not_repeated(dsn: str) -> None:
    with pytest.raises(GiveUp) as caught:
        connect(dsn)
    assert "secret" not in str(caught.value)


def test_an_unknown_host_may_come() -> None:
    with pytest.raises(Retry, match=r"database x at nowhere\.invalid:5432"):
        connect("postgresql://someone:secret@nowhere.invalid/x")


def test_waiting_ends_with_an_answer_or_the_stop(database: str, caplog: pytest.LogCaptureFixture) -> None:
    assert wait_for_database(database, log, threading.Event())
    stop = threading.Event()
    threading.Timer(0.4, stop.set).start()
    assert not wait_for_database(f"postgresql://a:b@127.0.0.1:{free_port()}/x", log, stop)
    assert len(caplog.records) == 1  # several attempts, one line


def test_a_pool_serves_and_limits_statements(database: str) -> None:
    with pool(database, statement_timeout_s=0.05) as connections, connections.connection() as connection:
        assert connection.execute("SELECT current_setting('timezone')").fetchone() == ("UTC",)
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(5)")


def test_the_server_names_itself(database: str) -> None:
    assert server_version(database).startswith("PostgreSQL ")


def test_what_needs_a_person_among_failing_statements() -> None:
    assert isinstance(explain(psycopg.errors.UndefinedTable("no such table")), GiveUp)
    assert isinstance(explain(psycopg.errors.DiskFull("disk full")), Retry)
    assert isinstance(explain(psycopg.OperationalError("connection lost")), Retry)
