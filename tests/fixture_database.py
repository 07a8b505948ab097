"""A real PostgreSQL for tests: the server of TAGTRAIL_TEST_DSN, else the embedded one."""

import os
import secrets
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tagtrail.stack import process
from tagtrail.stack.postgres import prepare_cluster


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """DSN of a server where databases may be made."""
    if given := os.environ.get("TAGTRAIL_TEST_DSN"):
        yield given
        return
    with embedded_server() as dsn:
        yield dsn


@contextmanager
def embedded_server() -> Iterator[str]:
    """DSN of an embedded server of its own."""
    # Not below pytest's own folder: each session that starts makes that one private, and as root the server is another
    # user, who has to pass.
    with tempfile.TemporaryDirectory(prefix="tagtrail-test-") as folder:
        cluster = prepare_cluster(Path(folder))
        child = process.start(cluster.argv, user=cluster.user, death_signal=signal.SIGINT, stdout=None)
        try:
            cluster.wait_ready()
            yield cluster.dsn()
        finally:
            process.stop(child, signal.SIGINT)


@contextmanager
def new_database(server: str) -> Iterator[str]:
    """DSN of a new, empty database, dropped in the end."""
    name = f"tagtrail_test_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    try:
        yield make_conninfo(server, dbname=name)
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def database(postgres_server: str) -> Iterator[str]:
    """DSN of a new, empty database, dropped after the test."""
    with new_database(postgres_server) as dsn:
        yield dsn
