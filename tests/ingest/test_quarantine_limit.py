"""The quarantine keeps to its bound, and what gives way is counted."""

import random

import pytest

from tagtrail.ingest import quarantine
from tagtrail.ingest.database.connection import Connection, connect
from tagtrail.ingest.intake import Message, Rejected
from tagtrail.ingest.quarantine import Choice, Entry
from tagtrail.ingest.quarantine_limit import FORGOTTEN, HEAD, QuarantineLimit
from tagtrail.ingest.retry import retry

LIMIT = 500_000


def put(connection: Connection, sizes: list[int], reason: str = "not-json") -> None:
    """Messages that cannot be compressed, one after the other."""
    for size in sizes:
        message = Message("tagtrail/v1/riverside/edge-1/reads", random.randbytes(size))
        quarantine.keep(connection, [Rejected(message, reason, "it is nonsense")])


def entries(connection: Connection) -> list[Entry]:
    """In the order in which they came."""
    return sorted(quarantine.entries(connection, Choice()), key=lambda entry: entry.id)


def test_below_the_limit_nothing_is_touched(connection: Connection) -> None:
    put(connection, [20_000] * 10)
    assert not any(QuarantineLimit(LIMIT).keep(connection))
    assert all(entry.whole for entry in entries(connection))


def test_the_oldest_are_cut_to_a_trace(connection: Connection) -> None:
    put(connection, [40_000] * 5, "version")
    put(connection, [200, *[40_000] * 12])
    before, limit = entries(connection), QuarantineLimit(LIMIT)
    shed = limit.keep(connection)
    after = entries(connection)
    cut = [entry for entry in after if not entry.whole]
    assert cut == [entry._replace(kept=HEAD) for entry in before if entry.size > HEAD][: len(cut)]
    assert [entry for entry in after if entry.whole and entry.size > HEAD] == before[-(17 - len(cut)) :]
    assert (shed.cut, shed.forgotten.total()) == ({"version": 5, "not-json": len(cut) - 5}, 0)
    assert 0.5 * LIMIT < sum(entry.kept for entry in after) < LIMIT
    assert [(result.gone, result.words) for result in retry(connection, [cut[0].id])] == [
        (False, f"only {HEAD} of its 40000 bytes were kept")
    ]
    assert not any(limit.keep(connection))


def test_traces_beyond_the_limit_leave_their_number(connection: Connection) -> None:
    put(connection, [100] * 300, "version")
    put(connection, [100] * 1100)
    limit = QuarantineLimit(LIMIT)
    forgotten = limit.keep(connection).forgotten
    assert forgotten["version"] == 300
    assert forgotten["not-json"] > 0
    left = entries(connection)
    assert {entry.reason: (entry.times, entry.size) for entry in left if entry.topic == FORGOTTEN} == {
        reason: (count, 100 * count) for reason, count in forgotten.items()
    }
    assert sum(entry.times for entry in left) == 1400
    put(connection, [100] * 1400)
    more = limit.keep(connection).forgotten
    left = entries(connection)
    assert more["not-json"] > 0
    assert sum(entry.times for entry in left) == 2800
    assert sum(entry.size for entry in left) == 280_000
    assert len([entry for entry in left if entry.topic == FORGOTTEN]) == 2


def test_what_was_cut_is_not_cut_again(connection: Connection) -> None:
    limit, cut = QuarantineLimit(LIMIT), 0
    for _ in range(6):
        put(connection, [20_000] * 30)
        cut += limit.keep(connection).cut.total()
        assert cut == sum(not entry.whole for entry in entries(connection))


def test_a_message_that_comes_again_is_whole_again(connection: Connection) -> None:
    messages = [Rejected(Message("t", random.randbytes(60_000)), "not-json", "it is nonsense") for _ in range(10)]
    quarantine.keep(connection, messages)
    limit = QuarantineLimit(LIMIT)
    limit.keep(connection)
    first = entries(connection)[0]
    again = next(item for item in messages if quarantine.payload(connection, first.id) == item.message.payload[:HEAD])
    quarantine.keep(connection, [again])
    assert quarantine.payload(connection, first.id) == again.message.payload


def test_what_a_retry_holds_is_not_waited_for(connection: Connection, schema: str) -> None:
    put(connection, [60_000] * 12)
    held = entries(connection)[0]
    with connect(schema) as other:
        other.execute("SELECT FROM quarantine WHERE quarantine_id = %s FOR UPDATE", [held.id])
        assert QuarantineLimit(LIMIT).keep(connection).cut.total() > 0
        assert entries(connection)[0] == held
    put(connection, [60_000] * 12)
    QuarantineLimit(LIMIT).keep(connection)
    assert not entries(connection)[0].whole


@pytest.mark.parametrize("seed", range(3))
def test_the_disk_is_bounded_whatever_comes(connection: Connection, seed: int) -> None:
    rng = random.Random(seed)
    floods = [rng.choices([0, 50, 2_000, 30_000, 120_000], k=rng.randint(1, 20)) for _ in range(10)]
    limit = QuarantineLimit(LIMIT)
    came = 0
    for sizes in floods:
        put(connection, sizes)
        came += len(sizes)
        limit.keep(connection)
        # The server fills gaps as it likes, but it does fill them.
        assert quarantine.size_bytes(connection) < LIMIT + 3 * max(map(sum, floods))
        assert sum(entry.times for entry in entries(connection)) == came
