"""Ids of names under rollback, eviction and concurrency."""

from fixture_agent import in_threads
from tagtrail.ingest.database.connection import Connection, connect
from tagtrail.ingest.database.names import Names, antenna_names, store_names, tag_names


def ids_of(connection: Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT epc, tag_id FROM tag").fetchall())


def test_names_get_ids_and_keep_them(connection: Connection) -> None:
    tags = tag_names()
    first = tags.ids(connection, ["A", "B", "A"])
    tags.commit()
    assert first == ids_of(connection)
    assert tags.ids(connection, ["B", "C"])["B"] == first["B"]
    assert tag_names().ids(connection, ["A"]) == {"A": first["A"]}


def test_antennas_have_three_parts(connection: Connection) -> None:
    store_id = store_names().ids(connection, ["riverside"])["riverside"]
    antennas = antenna_names()
    found = antennas.ids(connection, [(store_id, "r01", 1), (store_id, "r01", 2), (store_id, "r02", 1)])
    rows = connection.execute("SELECT store_id, reader, port, antenna_id FROM antenna").fetchall()
    assert found == {(store, reader, port): antenna_id for store, reader, port, antenna_id in rows}


def test_an_id_that_was_rolled_back_is_not_remembered(connection: Connection) -> None:
    tags = tag_names()
    with connection.transaction(force_rollback=True):
        lost = tags.ids(connection, ["A"])["A"]
    tags.rollback()
    connection.execute("INSERT INTO tag (epc) VALUES ('B')")
    again = tags.ids(connection, ["A"])["A"]
    assert again == ids_of(connection)["A"] != lost


def test_known_names_use_up_no_ids(connection: Connection) -> None:
    for _ in range(3):
        store_names().ids(connection, ["riverside", "hillside"])
    store_names().ids(connection, ["lakeside"])
    assert connection.execute("SELECT max(store_id) FROM store").fetchone() == (3,)


def test_memory_keeps_what_was_used_last_and_is_bounded(connection: Connection) -> None:
    tags: Names[str] = Names("tag", "tag_id", {"epc": "text"}, capacity=10)
    used = {}
    for number in range(50):
        used = tags.ids(connection, ["ALWAYS", f"E{number}"])
        tags.commit()
    connection.execute("DELETE FROM tag")
    assert tags.ids(connection, used) == used  # from memory
    assert not ids_of(connection)
    tags.ids(connection, ["E0"])  # asked for again
    assert ids_of(connection).keys() == {"E0"}


def test_workers_agree_without_deadlock(schema: str, connection: Connection) -> None:
    names = [f"E{number:03d}" for number in range(300)]
    seen: dict[int, dict[str, int]] = {}

    def work(number: int) -> None:
        with connect(schema, autocommit=True) as worker:
            tags = tag_names()
            for part in range(6):
                with worker.transaction():
                    tags.ids(worker, names[part * 50 : part * 50 + 100] if number % 2 else reversed(names[part * 50 :]))
                tags.commit()
            seen[number] = tags.ids(worker, names)

    in_threads(4, work)
    assert all(ids == ids_of(connection) for ids in seen.values())
