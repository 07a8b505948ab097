"""Ids of tags by the ten thousand: nearly all are found by a few array operations, without a look at each EPC."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tagtrail.ingest.columns import EpcKeys
from tagtrail.ingest.database.connection import Connection
from tagtrail.ingest.database.names import tag_names

SLOTS_LOG2: Final = 18
"""For 20,000 tags about one in thirteen meets another one in its slot; those are looked up by name."""
_MIX: Final = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))
"""Odd numbers that spread EPCs, which often differ in their last digits only, over the slots."""

Ids = NDArray[np.int64]


class _Found(NamedTuple):
    """What is put into slots once its transaction is committed."""

    slot: NDArray[np.int64]
    keys: EpcKeys
    ids: Ids


class TagIds:
    """`tag_names` behind a table with one slot per hash value, where a newer tag displaces an older one.

    As with `Names`, what a transaction met is remembered when `commit` says so.

    Args:
        slots_log2: There are 2 to the power of this.
    """

    def __init__(self, slots_log2: int = SLOTS_LOG2) -> None:
        self._names = tag_names()
        self._shift = np.uint64(64 - slots_log2)
        self._high = np.zeros(2**slots_log2, np.uint64)
        self._low = np.zeros(2**slots_log2, np.uint64)
        self._ids: Ids = np.zeros(2**slots_log2, np.int64)
        self._found: list[_Found] = []

    def column(self, connection: Connection, parts: Sequence[tuple[Sequence[str], EpcKeys | None]]) -> Ids:
        """The ids of tags, one after the other, new ones added within the transaction of ``connection``.

        Args:
            connection: In a transaction.
            parts: EPCs and their `epc_keys`.
        """
        return np.concatenate([self._part(connection, epcs, keys) for epcs, keys in parts])

    def _part(self, connection: Connection, epcs: Sequence[str], keys: EpcKeys | None) -> Ids:
        if keys is None:
            return np.array(self._names.column(connection, epcs), np.int64)
        slot = ((keys[:, 0] * _MIX[0] ^ keys[:, 1] * _MIX[1]) >> self._shift).view(np.int64)
        ids = self._ids[slot]
        there = (self._low[slot] == keys[:, 1]) & (self._high[slot] == keys[:, 0])
        if not there.all():
            missing = np.flatnonzero(~there)
            ids[missing] = self._names.column(connection, [epcs[index] for index in missing.tolist()])
            self._found.append(_Found(slot[missing], keys[missing], ids[missing]))
        return ids

    def commit(self) -> None:
        """The transaction was committed: remember what it met."""
        self._names.commit()
        for slot, keys, ids in self._found:
            _, last = np.unique(slot[::-1], return_index=True)  # of two in one slot, one as a whole
            chosen = len(slot) - 1 - last
            slot = slot[chosen]
            self._high[slot], self._low[slot], self._ids[slot] = keys[chosen, 0], keys[chosen, 1], ids[chosen]
        self._found.clear()

    def rollback(self) -> None:
        """The transaction came to nothing, or perhaps did: forget what it met."""
        self._names.rollback()
        self._found.clear()

    def forget(self) -> None:
        """Ask the database again for everything."""
        self._names.forget()
        self._found.clear()
        self._high[:] = 0
