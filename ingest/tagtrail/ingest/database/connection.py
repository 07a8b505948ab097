"""Connections to PostgreSQL, with failures told by what the caller must do about them."""

import logging
import threading
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from tagtrail.hardware.errors import GiveUp, Retry
from tagtrail.ingest.database.silence import WatchedConnection

Connection = psycopg.Connection[TupleRow]

CONNECT_TIMEOUT_S: Final = 10
BACKOFF_FIRST_S: Final = 0.1
BACKOFF_LIMIT_S: Final = 5.0

# A dead peer is noticed within half a minute, instead of the hours that TCP takes by itself.
_LIVENESS: Final = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_UTC: Final = "-c timezone=UTC"

# What the server says before a session exists comes without SQLSTATE, so the words must do.
_HOPELESS: Final = (
    ("password authentication failed", "it refuses this user and password: correct the DSN"),
    ("no password supplied", "it wants a password: put one into the DSN"),
    ("no pg_hba.conf entry", "it does not let this user in from here: add a line to its pg_hba.conf"),
    ("role", "it has no such user: create the role, or correct the DSN"),
    ("database", "it has no such database: create it, or correct the DSN"),
)


def connect(
    dsn: str, *, application: str = "tagtrail", autocommit: bool = False, silence_s: float | None = None
) -> Connection:
    """Open a connection whose session speaks UTC.

    Args:
        dsn: Connection string or URL of libpq; what it sets itself is kept.
        application: Name in ``pg_stat_activity``.
        autocommit: As in `psycopg.connect`.
        silence_s: The connection is lost when the server is waited for and neither takes nor sends a byte for so long;
            None: it is waited for.

    Raises:
        Retry: The server is not there or not ready.
        GiveUp: The DSN is wrong: its form, user, password or database.
    """
    conninfo = _conninfo(dsn, application)
    try:
        if silence_s is None:
            return psycopg.connect(conninfo, autocommit=autocommit)
        watched = WatchedConnection.connect(conninfo, autocommit=autocommit)
        watched.silence_s = silence_s
        return watched
    except psycopg.OperationalError as error:
        raise _connect_failure(dsn, error) from None


def pool(
    dsn: str, *, application: str = "tagtrail", max_size: int = 8, statement_timeout_s: float = 30.0
) -> ConnectionPool[Connection]:
    """A pool for a service with many short queries. Opens in the background: the database may come later.

    Args:
        dsn: As in `connect`.
        application: As in `connect`.
        max_size: Most connections at once.
        statement_timeout_s: The server ends a statement that takes longer (SQLSTATE 57014).

    Raises:
        GiveUp: The DSN is malformed.
    """
    options = f"-c statement_timeout={round(statement_timeout_s * 1000)}"
    return ConnectionPool(
        _conninfo(dsn, application, options),
        min_size=1,
        max_size=max_size,
        timeout=CONNECT_TIMEOUT_S,
        check=ConnectionPool.check_connection,
        open=True,
    )


def wait_for_database(
    dsn: str, logger: logging.Logger, stop: threading.Event, *, application: str = "tagtrail"
) -> bool:
    """Wait until the database answers, with one log line when it does not and one when it does again.

    Returns:
        True when it answers; False when ``stop`` was set first.

    Raises:
        GiveUp: Waiting cannot help.
    """
    delay_s = BACKOFF_FIRST_S
    told = ""
    while not stop.is_set():
        try:
            connect(dsn, application=application).close()
        except Retry as reason:
            if str(reason) != told:
                told = str(reason)
                logger.warning("%s; trying again until it answers", reason)
            stop.wait(delay_s)
            delay_s = min(BACKOFF_LIMIT_S, delay_s * 2)
        else:
            if told:
                logger.info("%s answers", address(dsn))
            return True
    return False


def server_version(dsn: str) -> str:
    """What runs there, e.g. ``PostgreSQL 18.6 with TimescaleDB 2.29.2``.

    Raises:
        Retry: See `connect`.
        GiveUp: See `connect`.
    """
    with connect(dsn, autocommit=True) as connection:
        number = connection.info.server_version
        row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    return f"PostgreSQL {number // 10000}.{number % 10000}" + (f" with TimescaleDB {row[0]}" if row else "")


def address(dsn: str) -> str:
    """Where the database is, for messages: without the password."""
    parts = conninfo_to_dict(dsn)
    host, port = parts.get("host") or "localhost", parts.get("port") or 5432
    return f"database {parts.get('dbname') or parts.get('user') or ''!s} at {host}:{port}"


def explain(error: psycopg.Error) -> Retry | GiveUp:
    """What to do about an error of a statement that was itself in order.

    Class 42 (no such table, no permission) needs a person; anything else passes: a lost connection, a full disk, a
    restart, a deadlock.
    """
    text = str(error).partition("\n")[0]
    if error.sqlstate is not None and error.sqlstate.startswith("42"):
        return GiveUp(f"the database refuses: {text}; check 'tagtrail db status' and the permissions of its user")
    return Retry(f"the database failed: {text}")


def _conninfo(dsn: str, application: str, options: str = "") -> str:
    try:
        given = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        # libpq quotes the string in its message, and with it the password.
        raise GiveUp("dsn: expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE or libpq's KEY=VALUE pairs") from None
    defaults: dict[str, str | int | None] = {"application_name": application, **_LIVENESS}
    given["options"] = " ".join(str(part) for part in (given.get("options"), _UTC, options) if part)
    return make_conninfo("", **{**defaults, **given})


def _connect_failure(dsn: str, error: psycopg.OperationalError) -> Retry | GiveUp:
    text = str(error)
    where = address(dsn)
    for words, advice in _HOPELESS:
        missing = f"{words} " in text and '" does not exist' in text
        if missing if words in ("role", "database") else words in text:
            return GiveUp(f"{where}: {advice}")
    if "invalid integer value" in text or "invalid port" in text:
        return GiveUp(f"dsn: {text.rpartition(': ')[2].strip()}")
    if "refused" in text:
        return Retry(f"{where}: nobody listens there")
    reason = text.strip().splitlines()[0].rpartition("failed: ")[2].removeprefix("FATAL:").strip()
    return Retry(f"{where}: {reason}")
