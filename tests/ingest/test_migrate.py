"""The schema: applied once, never behind anybody's back."""

import subprocess
import sys

import psycopg
import pytest

from tagtrail.hardware.errors import GiveUp
from tagtrail.ingest.database.connection import connect
from tagtrail.ingest.database.migrate import Migration, check_schema, migrate, migrations, status

NAMES = [migration.name for migration in migrations()]


def test_the_files_are_numbered_without_gaps() -> None:
    assert [migration.version for migration in migrations()] == list(range(1, len(NAMES) + 1))
    assert NAMES[0] == "0001_reads.sql"


def test_migrating_twice_changes_nothing(database: str) -> None:
    assert status(database).pending == NAMES
    assert migrate(database) == NAMES
    assert migrate(database) == []
    assert status(database).applied == NAMES
    assert status(database).pending == []


def test_a_database_without_schema_says_what_to_run(database: str) -> None:
    with pytest.raises(GiveUp, match=r"lacks 0001_reads\.sql, .*: run 'tagtrail db migrate'"):
        check_schema(database)
    migrate(database)
    check_schema(database)


def test_a_newer_schema_is_refused(schema: str) -> None:
    with connect(schema) as connection:
        connection.execute("INSERT INTO schema_version (version, name, sha256) VALUES (99, '0099_later.sql', '')")
    known = len(NAMES)
    for call in (migrate, status, check_schema):
        with pytest.raises(GiveUp, match=f"this database has schema 99, this tagtrail knows {known}: upgrade tagtrail"):
            call(schema)


def test_a_changed_file_is_refused(database: str) -> None:
    migrate(database, [Migration(1, "0001_a.sql", b"CREATE TABLE a ()")])
    with pytest.raises(GiveUp, match=r"0001_a\.sql is not the file that was applied"):
        migrate(database, [Migration(1, "0001_a.sql", b"CREATE TABLE a (x int)")])


def test_a_failing_file_leaves_nothing_behind(database: str) -> None:
    bad = Migration(2, "0002_b.sql", b"CREATE TABLE b (); SELECT no_such_column")
    with pytest.raises(GiveUp, match=r"0002_b\.sql cannot be applied here"):
        migrate(database, [Migration(1, "0001_a.sql", b"CREATE TABLE a ()"), bad])
    with connect(database) as connection:
        tables = connection.execute("SELECT to_regclass('a'), to_regclass('b')").fetchone()
        versions = connection.execute("SELECT version FROM schema_version").fetchall()
    assert tables == ("a", None)
    assert versions == [(1,)]


def test_several_processes_migrate_once(database: str) -> None:
    code = "import sys; from tagtrail.ingest.database.migrate import migrate; print(len(migrate(sys.argv[1])))"
    processes = [subprocess.Popen([sys.executable, "-c", code, database], stdout=subprocess.PIPE) for _ in range(3)]
    applied = [int(process.communicate()[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(applied) == [0, 0, len(NAMES)]


def test_a_user_without_rights_is_told(database: str) -> None:
    with connect(database, autocommit=True) as connection:
        name = f"reader_{connection.info.backend_pid}"
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x'".encode())
        try:
            with pytest.raises(GiveUp, match="migrate as the owner of the database"):
                migrate(psycopg.conninfo.make_conninfo(database, user=name, password="x"))
        finally:
            connection.execute(f"DROP ROLE {name}".encode())
