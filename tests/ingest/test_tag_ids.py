"""Tags and their ids by the thousand, beside the dictionary that looks at each."""

import threading
import time

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixture_agent import in_threads
from tagtrail.ingest.columns import EpcKeys, epc_keys
from tagtrail.ingest.database.connection import connect
from tagtrail.ingest.database.migrate import migrate
from tagtrail.ingest.database.names import tag_names
from tagtrail.ingest.database.tag_ids import TagIds


def epcs(count: int, digits: int = 24) -> list[str]:
    return [f"{number * 7:0{digits}X}" for number in range(count)]


def parts(*lists: list[str]) -> list[tuple[list[str], EpcKeys | None]]:
    return [(wanted, epc_keys(wanted)) for wanted in lists]


def test_ids_are_those_of_the_table(database: str) -> None:
    migrate(database)
    tags = TagIds()
    with connect(database, autocommit=True) as connection:
        for wanted in (epcs(50_000), epcs(3, 32), epcs(3, 4), ["00", "0000", *epcs(2)], ["ABC"], epcs(100) * 3, []):
            for _ in range(3):
                ids = tags.column(connection, parts(wanted, wanted[:3]))
                tags.commit()
                assert ids.tolist() == tag_names().column(connection, wanted + wanted[:3])


def test_what_was_rolled_back_is_forgotten(database: str) -> None:
    migrate(database)
    tags = TagIds()
    with connect(database) as connection:
        tags.column(connection, parts(epcs(10)))
        connection.rollback()
        tags.rollback()
        tags.column(connection, parts(epcs(20)[10:]))
        tags.commit()
        ids = tags.column(connection, parts(epcs(20)))
        tags.commit()
        connection.commit()
        assert ids.tolist() == tag_names().column(connection, epcs(20))


def test_two_that_add_the_same_tags_do_not_deadlock(schema: str) -> None:
    met = threading.Barrier(2)

    def add(direction: int) -> None:
        tags = TagIds()
        with connect(schema) as connection:
            for begin in range(0, 300, 100):
                wanted = epcs(300)[begin : begin + 100]
                met.wait(10)
                tags.column(connection, parts(wanted[:50], wanted[50:])[:: 1 - 2 * direction])
                time.sleep(0.01)  # the other one holds some of them by now
                connection.commit()

    in_threads(2, add)


def test_after_forgetting_the_table_is_asked_again(database: str) -> None:
    migrate(database)
    tags = TagIds()
    with connect(database, autocommit=True) as connection:
        before = tags.column(connection, parts(epcs(5)))
        tags.commit()
        connection.execute("DELETE FROM tag")
        tags.forget()
        assert not set(tags.column(connection, parts(epcs(5))).tolist()) & set(before.tolist())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(rounds=st.lists(st.lists(st.integers(0, 40), max_size=30), max_size=6))
def test_where_many_meet_in_few_slots(database: str, rounds: list[list[int]]) -> None:
    migrate(database)
    tags = TagIds(slots_log2=3)
    with connect(database, autocommit=True) as connection:
        for numbers in rounds:
            wanted = [f"E280{number:020X}" for number in numbers]
            ids = tags.column(connection, parts(wanted))
            tags.commit()
            np.testing.assert_array_equal(ids, tag_names().column(connection, wanted))
