"""Answers that are shared for a moment, so that fifty open pages cost the database as much as one."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

KEYS_MAX: Final = 256
KEEP_SHARE: Final = 9
KEEP_LONG_S: Final = 10.0


class _Slot(Generic[V]):
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.old_at_s = float("-inf")
        self.value: V | None = None


class Recent(Generic[K, V]):
    """Makes a value when the last one is older than ``keep_s``; who asks meanwhile waits for the one being made.

    A value that took long to make is kept for `KEEP_SHARE` times as long, so that the database has time to rest; but
    for no more than `KEEP_LONG_S`, for it may only have waited for a lock.
    """

    def __init__(self, keep_s: float, make: Callable[[K], V], now_s: Callable[[], float] = time.monotonic) -> None:
        self._keep_s = keep_s
        self._make = make
        self._now_s = now_s
        self._slots: OrderedDict[K, _Slot[V]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V:
        """The value of ``key``; whatever making it raises is raised, and nothing is kept."""
        with self._lock:
            slot = self._slots.pop(key, None) or _Slot()
            self._slots[key] = slot
            if len(self._slots) > KEYS_MAX:
                self._slots.popitem(last=False)
        with slot.lock:
            asked_s = self._now_s()
            if slot.value is None or asked_s >= slot.old_at_s:
                slot.value = None
                slot.value = self._make(key)
                made_s = self._now_s()
                slot.old_at_s = max(asked_s + self._keep_s, made_s + min(KEEP_LONG_S, KEEP_SHARE * (made_s - asked_s)))
            return slot.value
