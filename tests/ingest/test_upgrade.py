"""Every earlier schema with rows in its tables becomes the newest one, and keeps every row."""

from pathlib import Path
from typing import Any

import pytest

from rollups import assert_reads_are_rolled_up, assert_visits_are_rolled_up, count_antennas
from tagtrail.ingest.database.connection import Connection, connect
from tagtrail.ingest.database.migrate import migrate, migrations, status
from tagtrail.ingest.database.partitions import Partitions, is_native

DUMPS = Path(__file__).with_name("dumps")
VERSIONS = [migration.version for migration in migrations()]
DAYS = (20_526, 20_527)

Tables = dict[str, list[dict[str, Any]]]


def fill(dsn: str, version: int) -> None:
    """Bring in the rows of all schemas up to a version, each into its own schema."""
    for newest in VERSIONS[:version]:
        migrate(dsn, migrations()[:newest])
        dump = DUMPS / f"{newest:04}.sql"
        with connect(dsn, autocommit=True) as connection:
            if newest == 1:
                Partitions().ensure(connection, DAYS)
                if is_native(connection):  # an earlier tagtrail made a partition per day of all times
                    connection.execute(
                        "CREATE TABLE tag_read_20000101 PARTITION OF tag_read"
                        " FOR VALUES FROM ('2000-01-01') TO ('2000-01-02')"
                    )
            if dump.exists():
                connection.execute(dump.read_bytes())


def tables(connection: Connection) -> Tables:
    names = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relispartition AND relname <> 'schema_version'"
    ).fetchall()
    return {
        name: [row[0] for row in connection.execute(f"SELECT to_jsonb(t) FROM {name} t".encode()).fetchall()]
        for (name,) in names
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_all_rows_are_kept(database: str, version: int) -> None:
    fill(database, version)
    with connect(database) as connection:
        before = tables(connection)
    assert migrate(database) == [migration.name for migration in migrations()[version:]]
    assert migrate(database) == []
    assert status(database).pending == []
    with connect(database, autocommit=True) as connection:
        after = tables(connection)
        for name, rows in before.items():
            kept = [{column: row[column] for column in rows[0]} for row in after[name]] if rows else after[name]
            assert sorted(kept, key=str) == sorted(rows, key=str), name
        assert_visits_are_rolled_up(connection)
        count_antennas(connection)
        assert_reads_are_rolled_up(connection)
        if version >= 2:
            assert connection.execute("SELECT sum(visits), sum(visitors) FROM zone_traffic_5min").fetchone() == (5, 5)
            assert connection.execute("SELECT sum(steps) FROM flow_hour").fetchone() == (2,)
            connection.execute("DELETE FROM visit WHERE zone = 'hats'")  # from here on they are kept along the way
            assert_visits_are_rolled_up(connection)
        Partitions().ensure(connection, [10_957, 10_958])  # days of the year 2000 beside the one that was there
        connection.execute(
            "INSERT INTO tag_read VALUES ('2000-01-02', 1, 1, -60, 1, 1), ('2000-01-01', 1, 1, -60, 1, 1)"
        )
