"""Daily partitions on plain PostgreSQL."""

import pytest

from fixture_agent import in_threads
from tagtrail.ingest.database.connection import Connection, connect
from tagtrail.ingest.database.partitions import Partitions, parts

DAY = 20_526  # 2026-03-14


def partitions(connection: Connection) -> dict[str, str]:
    rows = connection.execute(
        "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid "
        "WHERE inhparent = 'tag_read'::regclass"
    ).fetchall()
    return dict(rows)


def skip_unless_plain(connection: Connection) -> None:
    row = connection.execute("SELECT relkind FROM pg_class WHERE oid = 'tag_read'::regclass").fetchone()
    if row != ("p",):
        pytest.skip("TimescaleDB makes its chunks itself")


def test_a_partition_holds_one_utc_day(connection: Connection) -> None:
    skip_unless_plain(connection)
    Partitions().ensure(connection, [DAY, DAY + 1, DAY])
    assert partitions(connection) == {
        "tag_read_20260314": "FOR VALUES FROM ('2026-03-14 00:00:00+00') TO ('2026-03-15 00:00:00+00')",
        "tag_read_20260315": "FOR VALUES FROM ('2026-03-15 00:00:00+00') TO ('2026-03-16 00:00:00+00')",
    }
    indexes = connection.execute("SELECT count(*) FROM pg_indexes WHERE tablename = 'tag_read_20260314'").fetchone()
    assert indexes == (1,)  # BRIN on time, and no other


def test_days_are_utc_wherever_the_session_is(connection: Connection) -> None:
    skip_unless_plain(connection)
    connection.execute("SET timezone = 'Asia/Shanghai'")
    Partitions().ensure(connection, [DAY])
    connection.execute("SET timezone = 'UTC'")
    assert "FROM ('2026-03-14 00:00:00+00')" in partitions(connection)["tag_read_20260314"]


def test_a_partition_that_was_dropped_or_detached_comes_back(connection: Connection) -> None:
    skip_unless_plain(connection)
    cache = Partitions()
    cache.ensure(connection, [DAY, DAY + 1])
    connection.execute("DROP TABLE tag_read_20260314")
    connection.execute("ALTER TABLE tag_read DETACH PARTITION tag_read_20260315")
    cache.ensure(connection, [DAY, DAY + 1])
    assert not partitions(connection)
    cache.forget()
    cache.ensure(connection, [DAY, DAY + 1])
    assert partitions(connection).keys() == {"tag_read_20260314", "tag_read_20260315"}


def test_times_before_this_tagtrail_go_by_the_year(connection: Connection) -> None:
    skip_unless_plain(connection)
    Partitions().ensure(connection, [*range(10_957, 20_089), 20_089])  # all days from 2000-01-01 to 2025-01-01
    assert len(partitions(connection)) == 26
    assert partitions(connection).keys() >= {"tag_read_2000", "tag_read_2024", "tag_read_20250101"}
    found = parts(connection)
    assert [part.begin for part in found[1:]] == [part.end for part in found[:-1]]
    Partitions().ensure(connection, [10_957, 20_089])  # another process meets them again
    assert len(partitions(connection)) == 26


def test_several_workers_make_it_once_and_wait_for_no_query(schema: str, connection: Connection) -> None:
    skip_unless_plain(connection)
    with connect(schema) as busy:
        busy.execute("SELECT count(*) FROM tag_read")  # holds its lock until the end

        def work(_number: int) -> None:
            with connect(schema, autocommit=True) as worker:
                worker.execute("SET lock_timeout = '10s'")
                Partitions().ensure(worker, range(DAY, DAY + 5))

        in_threads(4, work)
    assert len(partitions(connection)) == 5
