"""A backup restored elsewhere gives the same tables, from and to either kind of server."""

import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixture_agent import T0_US, FakeAgent
from fixture_database import embedded_server, new_database
from rollups import assert_visits_are_rolled_up, count_antennas
from tagtrail.hardware.errors import GiveUp
from tagtrail.ingest.database import backup as backup_module
from tagtrail.ingest.database.backup import backup, restore
from tagtrail.ingest.database.connection import Connection, connect
from tagtrail.ingest.database.layouts import add_layout
from tagtrail.ingest.database.migrate import Migration, migrate, migrations, status
from tagtrail.ingest.intake import Message, read_message
from tagtrail.ingest.writer import Writer
from walks import START, store_text

AGENT = FakeAgent()
UNSET = FakeAgent(name="edge-2", start_us=946_684_800_000_000)  # a clock without battery: 2000-01-01

Tables = dict[str, list[str]]


def silent(*_: object) -> None:
    pass


def fill(dsn: str) -> None:
    """Something in every table that the newest schema has."""
    with connect(dsn, autocommit=True) as connection:
        writer = Writer()
        for agent, seqs in (
            (AGENT, range(1, 9)),
            (UNSET, (1,)),
            (FakeAgent(start_us=T0_US + 86_400_000_000, boot="b2"), (7,)),
        ):
            items = [read_message(Message(agent.topic, agent.payload(seq))) for seq in seqs]
            writer.write(connection, [*items, read_message(Message(agent.status_topic, agent.status()))])
        writer.write(connection, [read_message(Message(AGENT.topic, b"\0{"))])
        count_antennas(connection)
        connection.execute("INSERT INTO analysis_cursor SELECT store_id, pg_current_xact_id(), now() FROM store")
        for seq in (9, 10):  # not analysed yet
            writer.write(connection, [read_message(Message(AGENT.topic, AGENT.payload(seq)))])
        with connection.transaction():
            add_layout(connection, store_text().replace('id = "row"', 'id = "riverside"'), START)
        enter = datetime(2026, 3, 14, 9, 59, tzinfo=UTC)
        for tag, zone, minutes in ((1, "door", 0), (1, "hats", 4), (2, "door", 1)):
            begin = enter + timedelta(minutes=minutes)
            connection.execute(
                "INSERT INTO visit VALUES (1, %s, %s, %s, %s, %s, 0.87, %s)",
                [tag, round(enter.timestamp() * 1e6), zone, begin, begin + timedelta(minutes=3), tag == 2],
            )
        connection.execute("INSERT INTO trip VALUES (1, 1, 5, %s, %s, '{door,hats}', false)", [enter, enter])
        connection.execute("UPDATE retention SET dropped_before = '2026-01-01' WHERE what = 'tag_read'")
        empty = [name for name, rows in tables(connection).items() if not rows]
    assert empty == []


def tables(connection: Connection) -> Tables:
    """All rows of all tables as text; of ids of transactions, what of the ledger is analysed."""
    names = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relispartition AND relname NOT IN ('schema_version', 'batch') AND relname NOT LIKE '%\\_cursor'"
    ).fetchall()
    found = {name: _rows(connection, f"SELECT t::text FROM {name} t") for (name,) in names}
    found["batch"] = _rows(
        connection,
        "SELECT (to_jsonb(b) - 'xid' || jsonb_build_object('analysed', b.xid < c.xid, 'counted', b.xid < a.xid))::text"
        " FROM batch b LEFT JOIN analysis_cursor c USING (store_id) LEFT JOIN antenna_cursor a USING (store_id)",
    )
    for cursor in ("analysis_cursor", "antenna_cursor"):
        found[cursor] = _rows(connection, f"SELECT (to_jsonb(c) - 'xid')::text FROM {cursor} c")
    return found


def _rows(connection: Connection, query: str) -> list[str]:
    return sorted(row[0] for row in connection.execute(query.encode()).fetchall())


def all_of(dsn: str) -> Tables:
    with connect(dsn) as connection:
        return tables(connection)


@contextmanager
def other_kind(server: str) -> Iterator[str]:
    """Where TAGTRAIL_TEST_DSN names a server, the embedded one."""
    if "TAGTRAIL_TEST_DSN" not in os.environ:
        pytest.skip("needs TAGTRAIL_TEST_DSN: a server beside the embedded one")
    with embedded_server() as embedded, new_database(embedded) as dsn:
        yield dsn


@pytest.fixture
def filled(schema: str) -> str:
    fill(schema)
    return schema


@pytest.fixture
def target(postgres_server: str) -> Iterator[str]:
    with new_database(postgres_server) as dsn:
        yield dsn


def test_the_same_tables_elsewhere(filled: str, target: str, tmp_path: Path) -> None:
    told: list[int] = []
    made = backup(filled, tmp_path / "b", lambda _, done, total: told.append(100 * done // total))
    assert (told[0], told[-1]) == (0, 100)
    assert restore(target, tmp_path / "b", silent) == made
    assert all_of(target) == all_of(filled)
    assert [file.name for file in tmp_path.iterdir()] == ["b"]


def test_from_one_kind_of_server_to_the_other_and_back(
    filled: str, target: str, postgres_server: str, tmp_path: Path
) -> None:
    with other_kind(postgres_server) as there:
        backup(filled, tmp_path / "1", silent)
        restore(there, tmp_path / "1", silent)
        assert all_of(there) == all_of(filled)
        backup(there, tmp_path / "2", silent)
        restore(target, tmp_path / "2", silent)
    assert all_of(target) == all_of(filled)


def test_work_goes_on_after_a_restore(filled: str, target: str, tmp_path: Path) -> None:
    backup(filled, tmp_path / "b", silent)
    restore(target, tmp_path / "b", silent)
    with connect(target, autocommit=True) as connection:
        new = FakeAgent(name="edge-3")
        items = [
            read_message(Message(agent.topic, agent.payload(seq))) for agent, seq in ((AGENT, 3), (AGENT, 11), (new, 1))
        ]
        outcome = Writer().write(connection, items)
        assert (outcome.batches, outcome.duplicates) == (2, 1)
        later = connection.execute(
            "SELECT count(*) FROM batch JOIN analysis_cursor c USING (store_id) WHERE batch.xid >= c.xid"
        ).fetchone()
        assert later == (4,)  # 9 and 10, and what came just now
        connection.execute("DELETE FROM visit WHERE zone = 'hats'")
        assert_visits_are_rolled_up(connection)


def test_a_backup_of_an_earlier_schema_is_migrated(database: str, target: str, tmp_path: Path) -> None:
    migrate(database, migrations()[:1])
    with connect(database) as connection:
        connection.execute("INSERT INTO store (store) VALUES ('north'), ('south')")
        connection.execute("DELETE FROM store WHERE store = 'south'")
    backup(database, tmp_path / "b", silent)
    restore(target, tmp_path / "b", silent)
    assert status(target).pending == []
    with connect(target) as connection:
        connection.execute("INSERT INTO store (store) VALUES ('west')")
        assert connection.execute("SELECT * FROM store ORDER BY 1").fetchall() == [(1, "north"), (3, "west")]


def test_rows_are_not_overwritten_unless_told(filled: str, tmp_path: Path) -> None:
    backup(filled, tmp_path / "b", silent)
    before = all_of(filled)
    with connect(filled) as connection:
        connection.execute("DELETE FROM quarantine")
        connection.execute("CREATE VIEW mine AS SELECT count(*) FROM pg_class")
    with pytest.raises(GiveUp, match="is not empty, it has rows in store: choose another, or add --replace"):
        restore(filled, tmp_path / "b", silent)
    restore(filled, tmp_path / "b", silent, replace=True)
    assert all_of(filled) == before
    with connect(filled) as connection:
        assert connection.execute("SELECT FROM mine").rowcount == 1  # not ours


def test_a_database_in_use_is_refused(filled: str, target: str, tmp_path: Path) -> None:
    backup(filled, tmp_path / "b", silent)
    with connect(target, application="tagtrail ingest"):
        with pytest.raises(GiveUp, match="in use by tagtrail ingest: stop what works on it first"):
            restore(target, tmp_path / "b", silent)


def test_what_an_ingest_commits_meanwhile_is_not_emptied(
    filled: str, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its agents were told that it is safe; a unit with Restart=always starts it in the gap."""
    backup(filled, tmp_path / "b", silent)
    begun = FakeAgent(name="edge-3")

    def migrated_and_written(dsn: str, known: list[Migration] | None = None) -> list[str]:
        applied = migrate(dsn, known)
        with connect(dsn, autocommit=True) as connection:
            Writer().write(connection, [read_message(Message(begun.topic, begun.payload(1)))])
        return applied

    monkeypatch.setattr(backup_module, "migrate", migrated_and_written)
    with pytest.raises(GiveUp, match="somebody began to write"):
        restore(target, tmp_path / "b", silent)
    with connect(target) as connection:
        assert connection.execute("SELECT agent FROM batch").fetchall() == [("edge-3",)]


def test_no_file_is_overwritten_and_no_half_one_is_left(filled: str, database: str, tmp_path: Path) -> None:
    (tmp_path / "b").touch()
    with pytest.raises(GiveUp, match="b exists"):
        backup(filled, tmp_path / "b", silent)
    with pytest.raises(GiveUp, match="nowhere/b: No such file or directory"):
        backup(filled, tmp_path / "nowhere" / "b", silent)

    def break_off(_: str, done: int, __: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backup(filled, tmp_path / "c", break_off)
    assert [file.name for file in tmp_path.iterdir()] == ["b"]


def test_an_empty_database_has_no_backup(database: str, tmp_path: Path) -> None:
    with pytest.raises(GiveUp, match="is empty: nothing to back up"):
        backup(database, tmp_path / "b", silent)


@pytest.mark.parametrize("damage", ["missing", "text", "cut", "bit", "member", "newer"])
def test_a_damaged_file_changes_nothing(filled: str, tmp_path: Path, damage: str) -> None:
    file = tmp_path / "b"
    backup(filled, file, silent)
    before = all_of(filled)
    content = file.read_bytes()
    match damage:
        case "missing":
            file.unlink()
        case "text":
            file.write_text("-- PostgreSQL database dump")
        case "cut":
            file.write_bytes(content[: len(content) // 2])
        case "bit":
            place = len(content) // 3
            file.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        case "member" | "newer":
            shutil.move(file, tmp_path / "whole")
            with zipfile.ZipFile(tmp_path / "whole") as whole, zipfile.ZipFile(file, "w") as copy:
                for name in whole.namelist():
                    data = whole.read(name)
                    if damage == "newer":
                        copy.writestr(name, data.replace(b'"schema": ', b'"schema": 9'))
                    elif name != "visit.copy":
                        copy.writestr(name, data)
    words = {"missing": "No such file", "newer": "upgrade tagtrail"}.get(damage, "is damaged or no backup of tagtrail")
    with pytest.raises(GiveUp, match=words):
        restore(filled, file, silent, replace=True)
    assert all_of(filled) == before
