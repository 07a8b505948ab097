"""What the edge's spool has accepted, written down by a witness in the edge's own process.

The promise is: a batch that `Spool.append` has returned is in the database once. So the witness writes what is offered
before the spool gets it, and the spool's word after it, with one system call each, to a file that the kernel keeps when
the process is killed. A kill between the two leaves a doubt, which the spool itself resolves when it is opened again:
it says how far it got, and is held to it.

A read is known by its `key`: EPC (reader and running number of the tag), antenna port and signal strength, which no two
sightings of a tag share. Its time may be corrected on its way, where the edge finds that its clock is wrong.
"""

import os
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tagtrail.edge.spool import Spool
from tagtrail.hardware.reads import TagRead

EPC_HEAD: Final = "E28011606000"
READER_SHIFT: Final = 40
READ: Final = np.dtype([("time_us", "<i8"), ("key", "<i8")])

_RECORD: Final = struct.Struct("<c16sqq")  # kind, boot, seq, reads
_OPENED, _OFFERED, _ACCEPTED, _REFUSED = b"O", b"?", b"+", b"-"


def epc(reader: int, number: int) -> str:
    """The EPC of a tag; ``number`` is less than 2**40."""
    return f"{EPC_HEAD}{reader << READER_SHIFT | number:012X}"


def key(read: TagRead) -> int:
    """Tells this read from all others."""
    assert read.rssi_dbm is not None
    return int(read.epc[12:], 16) << 12 | read.antenna << 8 | round(-read.rssi_dbm)


KEY_SQL: Final = (
    "(('x' || right(tag.epc, 12))::bit(48)::bigint << 12) | (antenna.port << 8) | (-tag_read.rssi_dbm)::integer"
)
"""The same of a row of the database."""


class Witness:
    """Stands beside the spool of this process; one file for each life of it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._file = os.open(folder / f"{time.time_ns():020d}", os.O_WRONLY | os.O_CREAT | os.O_EXCL)

    def attend(self, *, cloned: bool = False) -> None:
        """Listen to every spool that is opened in this process from now on.

        Args:
            cloned: Others may use copies of it, so that its boot may end.
        """
        opening, appending, ending = Spool.__init__, Spool.append, Spool.end_boot
        witness = self

        def __init__(spool: Spool, *args: Any, **options: Any) -> None:  # noqa: N807
            opening(spool, *args, **options)
            witness._note(_OPENED, spool.boot, spool.last_seq)

        def append(spool: Spool, reads: Sequence[TagRead]) -> int:
            boot, offered = spool.boot, spool.last_seq + 1
            witness._note(_OFFERED, boot, offered, reads)
            try:
                seq = appending(spool, reads)
            except BaseException:
                witness._note(_REFUSED, boot, offered)
                raise
            assert (spool.boot, seq) == (boot, offered), "the spool numbers its batches otherwise"
            witness._note(_ACCEPTED, boot, seq)
            return seq

        def end_boot(spool: Spool, seq: int) -> None:
            raise AssertionError(f"boot {spool.boot} ends at {seq}: the database has more of it than was ever spooled")

        assert ending is not None
        methods = {"__init__": __init__, "append": append, **({} if cloned else {"end_boot": end_boot})}
        for name, method in methods.items():
            setattr(Spool, name, method)

    def _note(self, kind: bytes, boot: str, seq: int, reads: Sequence[TagRead] = ()) -> None:
        rows = np.array([(read.time_us, key(read)) for read in reads], READ)
        record = _RECORD.pack(kind, boot.encode(), seq, len(rows)) + rows.tobytes()
        assert os.write(self._file, record) == len(record)


class Batch(NamedTuple):
    """A batch that the spool has accepted."""

    boot: str
    seq: int
    reads: NDArray[np.void]


@dataclass
class Evidence:
    """What the witness of one agent has seen in all its lives.

    Attributes:
        batches: What was accepted, in order.
        faults: Where the spool broke its word.
        lives: How often the spool was opened.
    """

    batches: list[Batch] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    lives: int = 0

    def last_seqs(self) -> dict[str, int]:
        """Newest batch per boot."""
        return {batch.boot: batch.seq for batch in self.batches}


def hear(folder: Path) -> Evidence:
    """Read all that the witness of an agent has written."""
    told = Evidence()
    doubt: Batch | None = None
    for life in sorted(folder.iterdir()):
        told.lives += 1
        for kind, boot, seq, reads in _records(life.read_bytes()):
            if kind == _OFFERED:
                doubt = Batch(boot, seq, reads)
            elif kind == _REFUSED:
                doubt = None
            elif kind == _ACCEPTED:
                assert doubt is not None
                told.batches.append(doubt)
                doubt = None
            else:
                if doubt is not None and (doubt.boot, doubt.seq) == (boot, seq):
                    told.batches.append(doubt)
                doubt = None
                known = told.last_seqs().get(boot, 0)
                if seq != known:
                    told.faults.append(f"the spool opened with boot {boot} at batch {seq}, it had accepted {known}")
    if doubt is not None:
        told.faults.append(f"batch {doubt.seq} is in doubt: the spool was not opened again after the last kill")
    return told


def accepted_about(folder: Path) -> int:
    """Reads that were offered to the spool so far, from the size of the files: for progress lines."""
    return sum(file.stat().st_size for file in folder.iterdir()) // READ.itemsize if folder.exists() else 0


def _records(data: bytes) -> list[tuple[bytes, str, int, NDArray[np.void]]]:
    """The whole records of a file: a kill may have torn the last one, which then was not acted upon."""
    found = []
    at = 0
    while at + _RECORD.size <= len(data):
        kind, boot, seq, count = _RECORD.unpack_from(data, at)
        end = at + _RECORD.size + count * READ.itemsize
        if end > len(data):
            break
        reads = np.frombuffer(data, READ, count, at + _RECORD.size)
        found.append((kind, boot.rstrip(b"\0").decode(), seq, reads))
        at = end
    return found
