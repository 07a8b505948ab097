"""Ids of tags by the ten thousand: nearly all are found by a few array operations, without a look at each EPC."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tagtrail.ingest.database.connection import Connection
from tagtrail.ingest.database.names import tag_names

SLOTS_LOG2: Final = 18
"""For 20,000 tags about one in thirteen meets another one in its slot; those are looked up by name."""
EPC_BYTES_MAX: Final = 16
_MIX: Final = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))
"""Odd numbers that spread EPCs, which often differ in their last digits only, over the slots."""

Keys = NDArray[np.uint64]


class _Found(NamedTuple):
    """What is put into slots once its transaction is committed."""

    slot: NDArray[np.int64]
    keys: Keys
    ids: NDArray[np.int64]


class TagIds:
    """`tag_names` behind a table with one slot per hash value, where a newer tag displaces an older one.

    As with `Names`, what a transaction met is remembered when `commit` says so.

    Args:
        slots_log2: There are 2 to the power of this.
    """

    def __init__(self, slots_log2: int = SLOTS_LOG2) -> None:
        self._names = tag_names()
        self._shift = np.uint64(64 - slots_log2)
        self._keys: Keys = np.zeros((2**slots_log2, 3), np.uint64)
        self._ids = np.zeros(2**slots_log2, np.int64)
        self._found: list[_Found] = []

    def column(self, connection: Connection, epcs: Sequence[str]) -> NDArray[np.int64]:
        """The ids of tags, one after the other, new ones added within the transaction of ``connection``."""
        keys = _keys(epcs)
        if keys is None:
            return np.array(self._names.column(connection, epcs), np.int64)
        hashes = keys[:, 0] * _MIX[0] ^ (keys[:, 1] + keys[:, 2]) * _MIX[1]
        slot = (hashes >> self._shift).astype(np.int64)
        ids = self._ids[slot]
        missing = np.flatnonzero((self._keys[slot] != keys).any(axis=1))
        if len(missing):
            ids[missing] = self._names.column(connection, [epcs[index] for index in missing.tolist()])
            self._found.append(_Found(slot[missing], keys[missing], ids[missing]))
        return ids

    def commit(self) -> None:
        """The transaction was committed: remember what it met."""
        self._names.commit()
        for slot, keys, ids in self._found:
            _, last = np.unique(slot[::-1], return_index=True)  # of two in one slot, one as a whole
            chosen = len(slot) - 1 - last
            self._keys[slot[chosen]], self._ids[slot[chosen]] = keys[chosen], ids[chosen]
        self._found.clear()

    def rollback(self) -> None:
        """The transaction came to nothing, or perhaps did: forget what it met."""
        self._names.rollback()
        self._found.clear()

    def forget(self) -> None:
        """Ask the database again for everything."""
        self._names.forget()
        self._found.clear()
        self._keys[:] = 0


def _keys(epcs: Sequence[str]) -> Keys | None:
    """A row per EPC: its 128 bits, and its length, so that none is all zeros; None where they differ in length."""
    digits = len(epcs[0]) if epcs else 0
    size = digits // 2
    if not 0 < size <= EPC_BYTES_MAX or digits % 2 or set(map(len, epcs)) != {digits}:
        return None
    padded = np.zeros((len(epcs), EPC_BYTES_MAX), np.uint8)
    padded[:, EPC_BYTES_MAX - size :] = np.frombuffer(bytes.fromhex("".join(epcs)), np.uint8).reshape(-1, size)
    keys = np.empty((len(epcs), 3), np.uint64)
    keys[:, 0] = padded[:, 8:].copy().view(np.uint64)[:, 0]
    keys[:, 1] = padded[:, :8].copy().view(np.uint64)[:, 0]
    keys[:, 2] = size
    return keys
