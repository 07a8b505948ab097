"""A database that takes bytes and never answers: a half-open connection, a frozen machine, a proxy that swallows.

TCP does not notice, since somebody confirms each packet; so the client looks at the clock. The server may not notice
either: then the session that was left goes on, and keeps its locks from the one that comes after it.
"""

import contextlib
import logging
import socket
import time
from collections.abc import Generator, Iterable
from datetime import datetime
from typing import Final, NamedTuple, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.rows import TupleRow
from psycopg.waiting import Ready, Wait

log = logging.getLogger("tagtrail.database")

T = TypeVar("T")

INTERVAL_S: Final = 0.1
"""How often the clock is looked at while nothing happens."""


class WatchedConnection(psycopg.Connection[TupleRow]):
    """Breaks off when the server neither takes nor sends a byte for ``silence_s`` while something is waited for."""

    silence_s = float("inf")

    def wait(self, gen: PQGen[T], interval: float = INTERVAL_S, timeout: float | None = None) -> T:
        """As in psycopg, which waits for the server nowhere else once a connection is made."""
        return super().wait(self._watched(gen), min(interval, INTERVAL_S), timeout)

    def _watched(self, gen: PQGen[T]) -> Generator[Wait, Ready | int, T]:
        try:
            wanted = next(gen)
            since_s = time.monotonic()
            while True:
                ready = yield wanted
                if ready:
                    since_s = time.monotonic()
                elif time.monotonic() - since_s >= self.silence_s:
                    self._break_off()
                    since_s = time.monotonic()
                wanted = gen.send(ready)
        except StopIteration as end:
            result: T = end.value
            return result

    def _break_off(self) -> None:
        """Shut the socket: libpq finds its end, and says so by its usual error wherever that is waited for."""
        log.warning("the database fell silent: not a byte for %g s; this connection is given up", self.silence_s)
        with contextlib.suppress(OSError), socket.socket(fileno=socket.dup(self.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)


class Session(NamedTuple):
    """A session at the server; numbers of processes are used again, so its begin belongs to it."""

    pid: int
    since: datetime


def own_session(connection: psycopg.Connection[TupleRow]) -> Session:
    """The session of a connection.

    Raises:
        psycopg.Error: The database failed.
    """
    row = connection.execute("SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()").fetchone()
    assert row is not None
    return Session(*row)


def end_sessions(connection: psycopg.Connection[TupleRow], sessions: Iterable[Session]) -> int:
    """End sessions of the same user whose connections are lost, if the server still has them.

    Returns:
        How many it had.

    Raises:
        psycopg.Error: The database failed.
    """
    pids, begins = [], []
    for session in sessions:
        pids.append(session.pid)
        begins.append(session.since)
    return connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity JOIN unnest(%s::integer[], %s::timestamptz[]) "
        "AS lost (lost_pid, since) ON pid = lost_pid AND backend_start = since",
        [pids, begins],
    ).rowcount
