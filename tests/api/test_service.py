"""The process: how it begins, waits and ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tagtrail.api.service import listen
from tagtrail.hardware.errors import GiveUp
from tagtrail.ingest.database import migrate

RUN = """
import logging, msgspec, sys
logging.basicConfig(level="INFO", stream=sys.stdout, format="%(message)s")
from tagtrail.api.service import run
from tagtrail.api.settings import ApiSettings
sys.exit(run(msgspec.json.decode(sys.argv[1], type=ApiSettings)))
"""


@contextmanager
def service(dsn: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """The service in a process of its own, on a free port."""
    argv = [sys.executable, "-W", "error", "-c", RUN, f'{{"dsn": "{dsn}", "port": 0}}']
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        try:
            assert child.stdout is not None
            line = child.stdout.readline()
            assert "http://" in line, line + child.stdout.read()
            with httpx.Client(base_url=line.split()[-1], timeout=20) as client:
                yield child, client
        finally:
            child.kill()


def test_a_taken_port_gives_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(GiveUp, match=rf"^port {port} is taken .* --port$"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_a_strange_host_gives_one_clear_line(host: str) -> None:
    with pytest.raises(GiveUp, match=rf"^host '{host}'.*127\.0\.0\.1"):
        listen(host, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(corner: str, number: signal.Signals) -> None:
    with service(corner) as (child, client):
        assert client.get("/api/health").json()["stores"] == 1
        os.kill(child.pid, number)
        assert child.wait(20) == 0
        assert child.stdout is not None
        assert child.stdout.read() == "stopped\n"


def test_it_serves_the_page_before_there_is_a_database_and_recovers(migrated: str) -> None:
    parts = conninfo_to_dict(migrated)
    name = f"{parts['dbname']}_later"
    with service(make_conninfo(migrated, dbname=name)) as (child, client):
        assert client.get("/").status_code == 200
        answer = client.get("/api/stores")
        assert (answer.status_code, answer.json()["reason"]) == (503, "database-away")
        assert int(answer.headers["retry-after"]) > 0
        with psycopg.connect(migrated, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        try:
            deadline = time.monotonic() + 60
            while (answer := client.get("/api/stores")).json()["reason"] == "database-away":
                assert time.monotonic() < deadline
            assert (answer.status_code, answer.json()["reason"]) == (503, "database-not-ready")
            assert "tagtrail db" in answer.json()["message"]
            migrate.migrate(make_conninfo(migrated, dbname=name))
            assert client.get("/api/stores").status_code == 200
        finally:
            with psycopg.connect(migrated, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        child.terminate()
        assert child.wait(20) == 0
        assert child.stdout is not None
        away, not_ready, back, stopped = child.stdout.read().splitlines()
        assert away.startswith("The database does not answer.")
        assert "tagtrail db" in not_ready
        assert (back, stopped) == ("the database answers again", "stopped")
