"""The ledger of batches: which are in the database, and up to which none is missing."""

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from tagtrail.hardware.wire import Committed
from tagtrail.ingest.database.connection import Connection
from tagtrail.ingest.numbering import KEPT_MAX

log = logging.getLogger("tagtrail.ingest")

Boot = tuple[int, str, str]
"""store_id, agent, boot."""
Key = tuple[int, str, str, int]
"""store_id, agent, boot, seq."""
PAGE = 1_000

_KEYS = "unnest(%b::smallint[], %b::text[], %b::text[], %b::bigint[])"

# A batch that could not be read has no rows. A readable copy that comes later, e.g. after an upgrade, takes its place.
_ENTER = """
INSERT INTO batch (store_id, agent, boot, seq, rows, reads, first_time, last_time, content, clock, clock_shift_us)
SELECT * FROM unnest(%b::smallint[], %b::text[], %b::text[], %b::bigint[],
                     %b::integer[], %b::bigint[], %b::timestamptz[], %b::timestamptz[], %b::bytea[],
                     %b::text[], %b::bigint[]) AS came (store_id, agent, boot, seq)
-- Retention thins the ledger; up to thinned_seq a batch is known without its row. It leaves what could not be read.
WHERE NOT EXISTS (
    SELECT FROM agent_boot b
    WHERE (b.store_id, b.agent, b.boot) = (came.store_id, came.agent, came.boot) AND came.seq <= b.thinned_seq
      AND NOT EXISTS (
          SELECT FROM batch p
          WHERE (p.store_id, p.agent, p.boot, p.seq) = (b.store_id, b.agent, b.boot, came.seq) AND p.rows = 0
      )
)
-- In one order for all, whatever the join makes of it: who adds the same batches waits instead of deadlocking.
ORDER BY store_id, agent, boot, seq
ON CONFLICT (store_id, agent, boot, seq) DO UPDATE
SET rows = excluded.rows, reads = excluded.reads, first_time = excluded.first_time, last_time = excluded.last_time,
    content = excluded.content, clock = excluded.clock, clock_shift_us = excluded.clock_shift_us,
    committed_at = now(), xid = pg_current_xact_id()
WHERE batch.rows = 0 AND excluded.rows > 0
RETURNING store_id, agent, boot, seq
"""
_CONTENT = f"""
SELECT store_id, agent, boot, seq, content
FROM batch JOIN {_KEYS} AS wanted (store_id, agent, boot, seq) USING (store_id, agent, boot, seq)
"""  # noqa: S608 - a constant
_NEW_BOOTS = f"""
INSERT INTO agent_boot (store_id, agent, boot, committed_seq) SELECT * FROM {_KEYS}
ON CONFLICT DO NOTHING RETURNING store_id, agent, boot
"""  # noqa: S608 - a constant
_LOCK_BOOTS = """
SELECT store_id, agent, boot, committed_seq, claimed_seq
FROM agent_boot JOIN unnest(%b::smallint[], %b::text[], %b::text[]) AS wanted (store_id, agent, boot)
     USING (store_id, agent, boot)
ORDER BY store_id, agent, boot
FOR NO KEY UPDATE OF agent_boot
"""
# How many batches follow without a gap, at most a page: an agent with a backlog has many batches beyond the gap.
_FOLLOWING = f"""
SELECT store_id, agent, boot, (
    SELECT count(*) FROM (
        SELECT batch.seq, row_number() OVER (ORDER BY batch.seq) AS place FROM batch
        WHERE (batch.store_id, batch.agent, batch.boot) = (known.store_id, known.agent, known.boot)
          AND batch.seq > known.seq AND batch.seq <= known.seq + {PAGE}
    ) AS next
    WHERE next.seq = known.seq + next.place
)
FROM {_KEYS} AS known (store_id, agent, boot, seq)
"""  # noqa: S608 - a constant
_ADVANCE = """
UPDATE agent_boot SET committed_seq = new.seq, claimed_seq = new.claimed_seq, updated_at = now()
FROM unnest(%b::smallint[], %b::text[], %b::text[], %b::bigint[], %b::bigint[])
     AS new (store_id, agent, boot, seq, claimed_seq)
WHERE (agent_boot.store_id, agent_boot.agent, agent_boot.boot) = (new.store_id, new.agent, new.boot)
"""
_LATEST = """
SELECT DISTINCT ON (store_id, agent) store, agent, boot, committed_seq
FROM agent_boot JOIN store USING (store_id) ORDER BY store_id, agent, updated_at DESC
"""


class Entry(NamedTuple):
    """A row of the ledger; ``rows`` is 0 where the batch is in the quarantine."""

    store_id: int
    agent: str
    boot: str
    seq: int
    rows: int = 0
    reads: int = 0
    first_time: datetime | None = None
    last_time: datetime | None = None
    content: bytes | None = None
    clock: str | None = None
    clock_shift_us: int | None = None

    @property
    def key(self) -> Key:
        """What a batch is known by."""
        return self[:4]


def enter(connection: Connection, entries: Iterable[Entry]) -> set[Key]:
    """Add batches to the ledger, in the transaction that adds their reads.

    Waits for another process that is adding the same batch.

    Args:
        connection: In a transaction.
        entries: One per batch.

    Returns:
        The batches that were not there; the reads of the others must not be added.
    """
    columns = [list(column) for column in zip(*entries, strict=True)]
    return set(connection.execute(_ENTER, columns).fetchall()) if columns else set()


def contents(connection: Connection, keys: Iterable[Key]) -> dict[Key, bytes | None]:
    """The content of batches that have a row; None where a batch is in the quarantine.

    One that differs from what came means that a number was used twice: two agents share an identity, or an agent goes
    on with an old copy of its spool.
    """
    wanted = set(keys)
    if not wanted:
        return {}
    return {(*key,): content for *key, content in connection.execute(_CONTENT, _columns(wanted)).fetchall()}


def advance(connection: Connection, confirmed: Mapping[Boot, int]) -> dict[Boot, int]:
    """Find up to which batch each boot is complete, after its batches were entered.

    Args:
        connection: In the transaction that entered the batches.
        confirmed: Per boot, what its agent has been told before: a boot that is new here begins there. A known boot
            that is told further than this database knows lost batches with a restored backup; the agent does not have
            them any more, so waiting for them would only fill its spool. But a single message may be garbled, and what
            is skipped, the agent forgets: two transactions in a row must hear it.

    Returns:
        Per boot, the batch up to which none is missing.
    """
    if not confirmed:
        return {}
    new = set(connection.execute(_NEW_BOOTS, _columns((*boot, seq) for boot, seq in confirmed.items())).fetchall())
    # From here on this transaction alone moves these boots, and the next statement sees what the others committed.
    locked = connection.execute(_LOCK_BOOTS, _columns(confirmed)).fetchall()
    before = {(store_id, agent, boot): seq for store_id, agent, boot, seq, _ in locked}
    claimed = {(store_id, agent, boot): claim for store_id, agent, boot, _, claim in locked}
    claims: dict[Boot, int] = {}
    complete = dict(before)
    for boot, seq in before.items():
        if confirmed[boot] - seq > KEPT_MAX:
            log.error("agent %s says that batch %d of boot %s is known to it as committed, and we are at %d: ignored",
                      boot[1], confirmed[boot], boot[2], seq)  # fmt: skip
        elif confirmed[boot] > seq:
            claims[boot] = confirmed[boot]
            complete[boot] = max(seq, min(claims[boot], claimed[boot] or 0))
        if complete[boot] > seq:
            log.error(
                "agent %s has been told that batches %d to %d of boot %s are in the database, but they are not: was it "
                "restored from a backup?", boot[1], seq + 1, complete[boot], boot[2],
            )  # fmt: skip
    unfinished = list(complete)
    while unfinished:
        rows = connection.execute(_FOLLOWING, _columns((*boot, complete[boot]) for boot in unfinished)).fetchall()
        unfinished = []
        for *found, run in rows:
            complete[*found,] += run
            if run == PAGE:
                unfinished.append((*found,))
    moved = [
        (*boot, seq, claims.get(boot))
        for boot, seq in complete.items()
        if (seq, claims.get(boot)) != (before[boot], claimed[boot]) or boot in new
    ]
    if moved:
        connection.execute(_ADVANCE, _columns(moved))
    return complete


def latest(connection: Connection) -> dict[tuple[str, str], Committed]:
    """Per store and agent, what the agent should know about the boot that it used last."""
    rows = connection.execute(_LATEST).fetchall()
    return {(store, agent): Committed(boot, seq) for store, agent, boot, seq in rows}


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Numbers as runs without a gap, each its first and last."""
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def utc(time_us: int) -> datetime:
    """Microseconds since 1970 as the database gives them back."""
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).replace(microsecond=time_us % 1_000_000)


def _columns(rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*sorted(rows), strict=True)]
