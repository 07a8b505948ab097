"""The whole database as one file, to be restored on PostgreSQL or TimescaleDB, by the same or a newer tagtrail.

A ZIP archive: a member per table, of ``tag_read`` per part, each the bytes of a binary COPY, and ``manifest.json``,
which comes last and says what a whole archive holds. All of it is of one moment (one snapshot).

Ids of transactions mean nothing in another cluster. They are there to tell what of the ledger is done (below a cursor
of the same store) from what is not; the archive holds just that, as small numbers, below all ids of any cluster.
"""

import hashlib
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

import msgspec
import psycopg
from psycopg import sql

from tagtrail.hardware.errors import GiveUp
from tagtrail.ingest.database.connection import Connection, address, connect, explain
from tagtrail.ingest.database.migrate import migrate, migrations, status
from tagtrail.ingest.database.partitions import DAY_US, Partitions, parts

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
CHUNK: Final = 1 << 20
READS: Final = "tag_read"
FILLED_BY_MIGRATIONS: Final = ("schema_version", "retention")

Tell = Callable[[str, int, int], None]
"""Called with a table, the members done and the members there are."""


class Member(msgspec.Struct, frozen=True):
    """What the archive holds of a table.

    Attributes:
        table: Its name.
        columns: In order.
        rows: How many.
        sha256: Of the COPY data, in hex.
        day: First day of a part of ``tag_read``, in days since 1970.
    """

    table: str
    columns: list[str]
    rows: int
    sha256: str
    day: int | None = None


class Manifest(msgspec.Struct, frozen=True):
    """What a whole archive holds.

    Attributes:
        format: `FORMAT`.
        schema: Newest migration of the database.
        made_at: For a person.
        members: By name in the archive, in an order in which they can be loaded.
        sequences: Last value by table and column; None where it was not used.
    """

    format: int
    schema: int
    made_at: datetime
    members: dict[str, Member]
    sequences: dict[str, int | None]


def backup(dsn: str, file: Path, tell: Tell) -> Manifest:
    """Write the database to a file; ingest and the others go on meanwhile.

    Args:
        dsn: The database.
        file: New file; it has its name when it is whole.
        tell: Hears how far it is.

    Raises:
        Retry: The database is not there.
        GiveUp: There is such a file, or no room for it; or the database has no schema, or an unknown one.
    """
    if file.exists():
        raise GiveUp(f"{file} exists: choose another name, or remove it")
    applied = status(dsn).applied
    if not applied:
        raise GiveUp(f"{address(dsn)} is empty: nothing to back up")
    partial = file.with_name(file.name + ".part")
    try:
        with (
            _explained(),
            connect(dsn, application="tagtrail backup", autocommit=True) as connection,
            connection.transaction(),
            partial.open("wb") as stream,
        ):
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            connection.execute("LOCK TABLE tag_read IN ACCESS SHARE MODE")  # what is dropped is gone from snapshots too
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                members = _write_members(connection, archive, tell)
                manifest = Manifest(
                    format=FORMAT,
                    schema=int(applied[-1].partition("_")[0]),
                    made_at=datetime.now(UTC),
                    members=members,
                    sequences={name: _last_value(connection, name) for name in _sequences(connection)},
                )
                archive.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        partial.replace(file)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise GiveUp(f"{file}: {error.strerror or error}") from None
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return manifest


def restore(dsn: str, file: Path, tell: Tell, *, replace: bool = False) -> Manifest:
    """Make a database from a file, and bring its schema up to date.

    The file is read as a whole before anything is changed. All rows come in one transaction: killed, it leaves the
    tables empty, and can be begun again.

    Args:
        dsn: The database: empty, or with empty tables.
        file: What `backup` wrote.
        tell: Hears how far it is; each member is told twice, when it is checked and when it is loaded.
        replace: Drop what the database has of tagtrail.

    Raises:
        Retry: The database is not there.
        GiveUp: The file is damaged or of a newer tagtrail, or the database is in use or not empty.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = _checked(archive, tell)
            known = migrations()
            if manifest.schema > known[-1].version:
                raise GiveUp(
                    f"{file} has schema {manifest.schema}, this tagtrail knows {known[-1].version}: upgrade tagtrail"
                )
            with _explained():
                _make_room(dsn, replace=replace)
                migrate(dsn, [migration for migration in known if migration.version <= manifest.schema])
                with connect(dsn, application="tagtrail restore", autocommit=True) as connection:
                    _load(connection, archive, manifest, tell)
                migrate(dsn)
    except (zipfile.BadZipFile, _DamagedError, EOFError, NotImplementedError) as error:
        raise GiveUp(f"{file} is damaged or no backup of tagtrail: {error}; take another backup") from None
    except OSError as error:
        raise GiveUp(f"{file}: {error.strerror or error}") from None
    return manifest


class _DamagedError(Exception):
    """The archive is not what its manifest says."""


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise explain(error) from None


def _tables(connection: Connection) -> list[str]:
    """Our tables that this database has, those that others refer to first."""
    return [
        name for name in _created("TABLE") if connection.execute("SELECT to_regclass(%s)", [name]).fetchone() != (None,)
    ]


def _created(kind: str) -> list[str]:
    """What migrations create, in order."""
    found = (re.findall(rf"^\s*CREATE {kind} (\w+)", file.sql.decode(), re.MULTILINE) for file in migrations())
    return list(dict.fromkeys(name for names in found for name in names))


def _columns(connection: Connection, table: str) -> dict[str, str]:
    """Columns and their types."""
    return dict(
        connection.execute(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
            [table],
        ).fetchall()
    )


def _write_members(connection: Connection, archive: zipfile.ZipFile, tell: Tell) -> dict[str, Member]:
    tables = {table: _columns(connection, table) for table in _tables(connection)}
    cursors = [table for table, columns in tables.items() if columns.get("xid") == "xid8" and table != "batch"]
    work: list[tuple[str, str, int | None, sql.Composable]] = []
    for table, columns in tables.items():
        query = _select(table, columns, cursors)
        if table != READS:
            work.append((f"{table}.copy", table, None, query))
            continue
        for part in parts(connection):
            where = sql.SQL(" WHERE time >= {} AND time < {}").format(part.begin, part.end)
            day = round(part.begin.timestamp() * 1e6) // DAY_US
            work.append((f"{table}/{part.begin:%Y-%m-%d}.copy", table, day, query + where))
    members = {}
    for done, (name, table, first_day, query) in enumerate(work):
        tell(table, done, len(work))
        digest = hashlib.sha256()
        copying = sql.SQL("COPY ({}) TO STDOUT (FORMAT BINARY)").format(query)
        with archive.open(name, "w", force_zip64=True) as target, connection.cursor() as cursor:
            with cursor.copy(copying) as copy:
                for data in copy:
                    digest.update(data)
                    target.write(data)
            members[name] = Member(table, list(tables[table]), cursor.rowcount, digest.hexdigest(), first_day)
    tell("", len(work), len(work))
    return members


def _select(table: str, columns: dict[str, str], cursors: list[str]) -> sql.Composable:
    """All columns as they are, but ids of transactions as the number of the store's cursors that are not above them."""
    chosen = [
        sql.SQL("({})::text::xid8").format(
            sql.SQL(" + ").join(
                sql.SQL("(SELECT count(*) FROM {c} c WHERE c.store_id = {t}.store_id AND c.xid <= {t}.xid)").format(
                    c=sql.Identifier(cursor), t=sql.Identifier(table)
                )
                for cursor in cursors
            )
            if cursors
            else sql.SQL("0")
        )
        if kind == "xid8"
        else sql.Identifier(name)
        for name, kind in columns.items()
    ]
    return sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(chosen), sql.Identifier(table))


def _sequences(connection: Connection) -> list[str]:
    return [
        f"{table}.{column}"
        for table in _tables(connection)
        for (column,) in connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attidentity <> ''", [table]
        ).fetchall()
    ]


def _last_value(connection: Connection, name: str) -> int | None:
    row = connection.execute(
        "SELECT pg_sequence_last_value(pg_get_serial_sequence(%s, %s)::regclass)", name.split(".")
    ).fetchone()
    return None if row is None else row[0]


def _checked(archive: zipfile.ZipFile, tell: Tell) -> Manifest:
    """Read all of an archive, and compare it with its manifest."""
    try:
        manifest = msgspec.json.decode(archive.read(MANIFEST), type=Manifest)
    except (KeyError, msgspec.MsgspecError) as error:
        raise _DamagedError(f"its manifest cannot be read ({error})") from None
    if manifest.format != FORMAT:
        raise GiveUp(f"{archive.filename} has format {manifest.format}, this tagtrail reads {FORMAT}: upgrade tagtrail")
    for done, (name, member) in enumerate(manifest.members.items()):
        tell(f"check {member.table}", done, 2 * len(manifest.members))
        digest = hashlib.sha256()
        try:
            with archive.open(name) as source:
                for data in _pieces(source):
                    digest.update(data)
        except (KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise _DamagedError(f"{name}: {error}") from None
        if digest.hexdigest() != member.sha256:
            raise _DamagedError(f"{name} is not what was written")
    return manifest


def _pieces(source: IO[bytes]) -> Iterator[bytes]:
    while data := source.read(CHUNK):
        yield data


def _make_room(dsn: str, *, replace: bool) -> None:
    with connect(dsn, application="tagtrail restore", autocommit=True) as connection, connection.transaction():
        users = connection.execute(
            "SELECT DISTINCT application_name FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'tagtrail %' AND pid <> pg_backend_pid()"
            " ORDER BY 1"
        ).fetchall()
        if users:
            names = ", ".join(name for (name,) in users)
            raise GiveUp(f"{address(dsn)} is in use by {names}: stop what works on it first")
        tables = _tables(connection)
        if not replace and (filled := _filled(connection, tables)):
            raise GiveUp(f"{address(dsn)} is not empty, it has rows in {filled[0]}: choose another, or add --replace")
        for table in [*tables, "schema_version"]:
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(sql.Identifier(table)))
        for function in _created("FUNCTION"):
            connection.execute(sql.SQL("DROP FUNCTION IF EXISTS {}").format(sql.Identifier(function)))


def _filled(connection: Connection, tables: Iterable[str]) -> list[str]:
    """Tables with rows, but for those that migrations fill."""
    some_row = sql.SQL("SELECT FROM {} LIMIT 1")
    return [
        table
        for table in tables
        if table not in FILLED_BY_MIGRATIONS
        and connection.execute(some_row.format(sql.Identifier(table))).fetchone() is not None
    ]


def _load(connection: Connection, archive: zipfile.ZipFile, manifest: Manifest, tell: Tell) -> None:
    members = manifest.members
    Partitions().ensure(connection, [member.day for member in members.values() if member.day is not None])
    with connection.transaction():
        connection.execute("SET LOCAL tagtrail.rollups = 'keep'")
        tables = list(dict.fromkeys(member.table for member in members.values()))
        names = sql.SQL(", ").join(map(sql.Identifier, tables))
        connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(names))
        if _filled(connection, tables):  # an ingest that was started meanwhile has told its agents that these are safe
            raise GiveUp("somebody began to write to the database that is being restored: stop ingest, and begin again")
        connection.execute(sql.SQL("TRUNCATE {}").format(names))
        for done, (name, member) in enumerate(members.items(), len(members)):
            tell(member.table, done, 2 * len(members))
            query = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
                sql.Identifier(member.table), sql.SQL(", ").join(map(sql.Identifier, member.columns))
            )
            with archive.open(name) as source, connection.cursor() as cursor:
                with cursor.copy(query) as copy:
                    for data in _pieces(source):
                        copy.write(data)
                if cursor.rowcount != member.rows:
                    raise _DamagedError(f"{name} has {cursor.rowcount} rows of {member.rows}")
        for name, value in manifest.sequences.items():
            if value is not None:
                table, column = name.split(".")
                connection.execute("SELECT setval(pg_get_serial_sequence(%s, %s), %s)", [table, column, value])
    tell("", 2 * len(members), 2 * len(members))
