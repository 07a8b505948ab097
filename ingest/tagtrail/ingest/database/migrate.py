"""Brings the schema up to date from the numbered SQL files of this package.

A file runs once, in one transaction with its row in ``schema_version``, and is never changed afterwards.
"""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Final

import psycopg

from tagtrail.hardware.errors import GiveUp
from tagtrail.ingest.database.connection import Connection, address, connect, explain

log = logging.getLogger("tagtrail.ingest")

LOCK_KEY: Final = 0x7461_6774_7261_696C  # "tagtrail"; one migration at a time per database

_CREATE_VERSIONS: Final = """
CREATE TABLE IF NOT EXISTS schema_version (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    sha256     bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True)
class Migration:
    """One file, e.g. ``0001_reads.sql``."""

    version: int
    name: str
    sql: bytes

    @property
    def sha256(self) -> bytes:
        """Tells whether the file is still what was applied."""
        return hashlib.sha256(self.sql).digest()


@dataclass(frozen=True)
class Status:
    """Names of the migrations that a database has, and of those that it lacks, in order."""

    applied: list[str]
    pending: list[str]


def migrations() -> list[Migration]:
    """All that this installation knows, in order."""
    folder = resources.files("tagtrail.ingest.database") / "migrations"
    files = (file for file in folder.iterdir() if file.name.endswith(".sql"))
    found = [Migration(int(file.name.partition("_")[0]), file.name, file.read_bytes()) for file in files]
    return sorted(found, key=lambda migration: migration.version)


def migrate(dsn: str, known: list[Migration] | None = None) -> list[str]:
    """Apply what is missing; safe to run by several processes at once.

    An empty database gets TimescaleDB where the server has it. A database that began on plain PostgreSQL stays so.

    Args:
        dsn: The database.
        known: Migrations to apply; those of this installation if None.

    Returns:
        Names of the files applied now.

    Raises:
        Retry: The database is not there.
        GiveUp: It has a schema that this installation does not know, or one made from other files; or its user may not
            create tables.
    """
    known = migrations() if known is None else known
    try:
        with connect(dsn, application="tagtrail migrate", autocommit=True) as connection, _alone(connection):
            before = _applied(connection)
            pending = _pending(dsn, known, before)
            if not before:
                _add_timescaledb(dsn)
            if pending:
                connection.execute(_CREATE_VERSIONS)
            for migration in pending:
                _apply(connection, migration)
    except psycopg.errors.InsufficientPrivilege as error:
        raise GiveUp(f"{address(dsn)}: {_first_line(error)}; migrate as the owner of the database") from None
    except psycopg.OperationalError as error:
        raise explain(error) from None
    return [migration.name for migration in pending]


def status(dsn: str) -> Status:
    """What the database has and what it lacks; changes nothing.

    Raises:
        Retry: The database is not there.
        GiveUp: See `migrate`.
    """
    known = migrations()
    with connect(dsn, application="tagtrail migrate", autocommit=True) as connection:
        pending = _pending(dsn, known, _applied(connection))
    return Status([m.name for m in known if m not in pending], [m.name for m in pending])


def check_schema(dsn: str) -> None:
    """Make sure that the database has the schema of this installation.

    Raises:
        Retry: The database is not there.
        GiveUp: It has another schema, or none; the message says what to run.
    """
    if pending := status(dsn).pending:
        raise GiveUp(f"{address(dsn)} lacks {', '.join(pending)}: run 'tagtrail db migrate'")


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    connection.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute("SELECT pg_advisory_unlock(%s)", [LOCK_KEY])


def _applied(connection: Connection) -> dict[int, tuple[str, bytes]]:
    row = connection.execute("SELECT to_regclass('schema_version')").fetchone()
    if row == (None,):
        return {}
    rows = connection.execute("SELECT version, name, sha256 FROM schema_version").fetchall()
    return {version: (name, bytes(sha256)) for version, name, sha256 in rows}


def _pending(dsn: str, known: list[Migration], applied: dict[int, tuple[str, bytes]]) -> list[Migration]:
    """What is to be applied, after a check of what was."""
    newest, newest_known = max(applied, default=0), max((migration.version for migration in known), default=0)
    if newest > newest_known:
        raise GiveUp(
            f"{address(dsn)}: this database has schema {newest}, this tagtrail knows {newest_known}: upgrade tagtrail"
        )
    for migration in known:
        name, sha256 = applied.get(migration.version, (migration.name, migration.sha256))
        if (name, sha256) != (migration.name, migration.sha256):
            raise GiveUp(
                f"{address(dsn)}: {migration.name} is not the file that was applied there as {name}: "
                "install the tagtrail that made this database, or begin with a new database"
            )
    return [migration for migration in known if migration.version not in applied]


def _apply(connection: Connection, migration: Migration) -> None:
    try:
        with connection.transaction():
            connection.execute(migration.sql)
            connection.execute(
                "INSERT INTO schema_version (version, name, sha256) VALUES (%s, %s, %s)",
                [migration.version, migration.name, migration.sha256],
            )
    except (psycopg.ProgrammingError, psycopg.NotSupportedError, psycopg.IntegrityError, psycopg.DataError) as error:
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            raise
        raise GiveUp(f"{migration.name} cannot be applied here: {_first_line(error)}") from None
    log.info("applied %s", migration.name)


def _add_timescaledb(dsn: str) -> None:
    """Create the extension where the server has it.

    On a connection of its own: where the library is not preloaded, the server ends the session.
    """
    with connect(dsn, application="tagtrail migrate", autocommit=True) as connection:
        found = connection.execute(
            "SELECT default_version, installed_version FROM pg_available_extensions WHERE name = 'timescaledb'"
        ).fetchone()
        if found is None or found[1] is not None:
            return
        try:
            connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        except psycopg.Error as error:
            log.warning("going on with plain PostgreSQL, TimescaleDB %s is there but: %s", found[0], _first_line(error))


def _first_line(error: psycopg.Error) -> str:
    return error.diag.message_primary or str(error).partition("\n")[0]
