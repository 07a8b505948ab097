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
_NO_SLOTS: Final = np.empty(0, np.int64)


class _Look(NamedTuple):
    """What the slots know of some tags: ``ids`` are right but for those ``missing``."""

    slot: NDArray[np.int64]
    ids: Ids
    missing: NDArray[np.int64]


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
        looks = [self._look(keys, len(epcs)) for epcs, keys in parts]
        # One question for all: two processes that add the same tags in two steps each would deadlock.
        names = [epcs[index] for (epcs, _), look in zip(parts, looks, strict=True) for index in look.missing.tolist()]
        named = np.array(self._names.column(connection, names), np.int64)
        begin = 0
        for (_, keys), (slot, ids, missing) in zip(parts, looks, strict=True):
            ids[missing] = named[begin : begin + len(missing)]
            begin += len(missing)
            if keys is not None and len(missing):
                self._found.append(_Found(slot[missing], keys[missing], ids[missing]))
        return np.concatenate([look.ids for look in looks])

    def _look(self, keys: EpcKeys | None, count: int) -> _Look:
        if keys is None:
            return _Look(_NO_SLOTS, np.empty(count, np.int64), np.arange(count))
        slot = ((keys[:, 0] * _MIX[0] ^ keys[:, 1] * _MIX[1]) >> self._shift).view(np.int64)
        there = (self._low[slot] == keys[:, 1]) & (self._high[slot] == keys[:, 0])
        return _Look(slot, self._ids[slot], np.flatnonzero(~there))

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
