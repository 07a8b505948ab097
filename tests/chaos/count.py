"""Counts: what the spools have accepted against what the database has, read by read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from chaos.witness import KEY_SQL, READ, Evidence
from tagtrail.ingest.database.connection import Connection

_ROW: Final = np.dtype(
    [("fields", ">i2"), ("time_length", ">i4"), ("time", ">i8"), ("key_length", ">i4"), ("key", ">i8")]
)
_HEADER_BYTES: Final = 19
_TRAILER_BYTES: Final = 2
_EPOCH_US: Final = 946_684_800_000_000  # timestamptz counts from 2000


class Heard(NamedTuple):
    """What the witness of one agent has seen, and which readers that agent serves."""

    agent: str
    evidence: Evidence
    readers: Sequence[str]


@dataclass(frozen=True)
class Line:
    """The counts of one agent and boot.

    Attributes:
        agent: Who.
        boot: Which spool.
        batches: That the spool has accepted, and
        ledger: that are in the database's ledger, with the same number of rows.
        reads: That the spool has accepted.
        rows: In the database.
        lost: Reads that are not there.
        double: Rows too many.
        seqs: Batches with a read that is lost or double.
    """

    agent: str
    boot: str
    batches: int
    ledger: int
    reads: int
    rows: int
    lost: int
    double: int
    seqs: tuple[int, ...]


@dataclass(frozen=True)
class Verdict:
    """What became of the reads of all agents.

    Attributes:
        lines: Per agent and boot.
        foreign: Rows that no spool has accepted.
        faults: Anything else that is wrong.
    """

    lines: Sequence[Line]
    foreign: int
    faults: Sequence[str]

    @property
    def right(self) -> bool:
        """Nothing lost, nothing double, nothing invented."""
        lines_right = all(line.lost == line.double == 0 and line.batches == line.ledger for line in self.lines)
        return lines_right and not self.foreign and not self.faults

    def table(self) -> str:
        """For people."""
        head = ("agent", "boot", "batches", "in ledger", "reads spooled", "rows", "lost", "double", "wrong batches")
        total = [sum(getattr(line, name) for line in self.lines) for name in _COUNTS]
        cells = [
            head,
            *(
                (line.agent, line.boot, *(f"{getattr(line, name):,}" for name in _COUNTS), _some(line.seqs))
                for line in self.lines
            ),
            ("all", "", *(f"{number:,}" for number in total), ""),
        ]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        rows = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
        end = f"{total[2]:,} reads: {total[4]:,} lost, {total[5]:,} double, {self.foreign:,} that nobody sent"
        return "\n".join([*rows, end, *self.faults])


SHIFT_MAX_S: Final = 1.0
"""All clocks here are one."""
_COUNTS: Final = ("batches", "ledger", "reads", "rows", "lost", "double")


def judge(connection: Connection, store: str, heard: Sequence[Heard]) -> Verdict:
    """Compare what all witnesses have seen with what the database has.

    Args:
        connection: To the database.
        store: Id of the store.
        heard: Each reader belongs to one of them; two agents may have the same name.
    """
    lines: list[Line] = []
    foreign = 0
    faults: list[str] = []
    ledger = _ledger(connection, store)
    for agent, told, readers in heard:
        faults += [f"{agent}: {fault}" for fault in told.faults]
        batches = told.batches
        empty = [np.empty(0, READ)]
        spooled = np.concatenate([batch.reads for batch in batches] or empty)
        owner = np.repeat(np.arange(len(batches)), [len(batch.reads) for batch in batches])
        rows = stored(connection, store, readers)
        lost, double, of_batch, strangers = compare(spooled, owner, len(batches), rows)
        foreign += strangers
        if (shift_s := largest_shift_s(spooled, rows)) > SHIFT_MAX_S:
            faults.append(f"{agent}: the times of some reads differ by up to {shift_s:.3f} s from those spooled")
        for boot in told.last_seqs():
            mine = [number for number, batch in enumerate(batches) if batch.boot == boot]
            reads = sum(len(batches[number].reads) for number in mine)
            known = sum(
                ledger.pop((agent, boot, batches[number].seq), None) == len(batches[number].reads) for number in mine
            )
            wrong = tuple(batches[number].seq for number in mine if lost[number] or double[number])
            counts = (int(lost[mine].sum()), int(double[mine].sum()))
            there = int(of_batch[mine].sum())
            lines.append(Line(agent, boot, len(mine), known, reads, there, *counts, wrong))
    faults += [f"{agent}: the ledger has batch {seq} of boot {boot}, nobody spooled it" for agent, boot, seq in ledger]
    row = connection.execute("SELECT count(*), min(reason), min(message) FROM quarantine").fetchone()
    assert row is not None
    if row[0]:
        faults.append(f"{row[0]} messages are in the quarantine, among them {row[1]}: {row[2]}")
    return Verdict(lines, foreign, faults)


def compare(
    spooled: NDArray[np.void], owner: NDArray[np.int64], batches: int, rows: NDArray[np.void]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int]:
    """Compare two bags of reads.

    Args:
        spooled: What should be there.
        owner: Number of the batch of each.
        batches: How many batches there are.
        rows: What is there.

    Returns:
        Per batch: reads that are lost, rows that are too many, rows that are there; and rows of no batch.
    """
    keys, group = np.unique(np.concatenate([spooled["key"], rows["key"]]), return_inverse=True)
    groups = len(keys)
    wanted = np.bincount(group[: len(spooled)], minlength=groups)
    found = np.bincount(group[len(spooled) :], minlength=groups)
    of_group = np.full(groups, -1, np.int64)
    of_group[group[: len(spooled)]] = owner
    ours = of_group >= 0

    def per_batch(counts: NDArray[Any]) -> NDArray[np.int64]:
        return np.bincount(of_group[ours], counts[ours], batches).astype(np.int64)

    lost, double = np.maximum(wanted - found, 0), np.maximum(found - wanted, 0)
    return per_batch(lost), per_batch(double), per_batch(found), int(found[~ours].sum())


def largest_shift_s(spooled: NDArray[np.void], rows: NDArray[np.void]) -> float:
    """How far the time of any read is from the one that it had in the spool."""
    _, here, there = np.intersect1d(spooled["key"], rows["key"], return_indices=True)
    shifts = np.abs(spooled["time_us"][here] - rows["time_us"][there])
    return float(shifts.max()) / 1e6 if len(shifts) else 0.0


def stored(connection: Connection, store: str, readers: Sequence[str]) -> NDArray[np.void]:
    """The rows of some readers."""
    query = sql.SQL(
        "COPY (SELECT tag_read.time, {key} FROM tag_read JOIN antenna USING (antenna_id) JOIN tag USING (tag_id) "
        "JOIN store ON store.store_id = antenna.store_id AND store.store_id = tag_read.store_id "
        "WHERE store.store = {store} AND antenna.reader = ANY({readers})) TO STDOUT (FORMAT BINARY)"
    ).format(key=sql.SQL(KEY_SQL), store=sql.Literal(store), readers=sql.Literal(list(readers)))
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        data = b"".join(bytes(part) for part in copy)
    found = np.frombuffer(data, _ROW, (len(data) - _HEADER_BYTES - _TRAILER_BYTES) // _ROW.itemsize, _HEADER_BYTES)
    rows = np.empty(len(found), READ)
    rows["time_us"] = found["time"] + _EPOCH_US
    rows["key"] = found["key"]
    return rows


def _ledger(connection: Connection, store: str) -> dict[tuple[str, str, int], int]:
    rows = connection.execute(
        "SELECT agent, boot, seq, rows FROM batch JOIN store USING (store_id) WHERE store = %s", [store]
    ).fetchall()
    return {(agent, boot, seq): count for agent, boot, seq, count in rows}


def _some(seqs: Sequence[int]) -> str:
    return ", ".join(map(str, seqs[:5])) + (" …" if len(seqs) > 5 else "")
