"""Numbers of batches that cannot be: garbled, or a lie. Pure.

A number within these bounds that is wrong does no harm: the ledger keeps its place, what its agent is told is the end
of the run without gaps, and when the true batch of that number comes, its other reads show it (``seq-reused``).
"""

from typing import Final

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.wire import BatchHeader, ReadBatch
from tagtrail.ingest.parsing import BatchArrays

SEQ_MAX: Final = 2**36
"""A hundred years of twenty batches a second."""
KEPT_MAX: Final = 2**27
"""Batches that an agent keeps: two years of two a second."""


def check_numbers(header: ReadBatch | BatchArrays | BatchHeader) -> None:
    """Refuse a batch that nobody can have sent, or that tells of more batches than any agent keeps.

    Raises:
        BadData: ``bad-seq``.
    """
    if header.seq > SEQ_MAX:
        raise BadData("bad-seq", f"batch {header.seq} of boot {header.boot[:64]!r}: no agent has sent so many")
    if header.seq - header.first > KEPT_MAX:
        raise BadData(
            "bad-seq", f"batch {header.seq} of boot {header.boot[:64]!r} with all since {header.first} still kept"
        )


def plausible(header: ReadBatch | BatchArrays | BatchHeader) -> bool:
    """Whether `check_numbers` lets it pass."""
    try:
        check_numbers(header)
    except BadData:
        return False
    return True
