"""What was received and is not written yet: between the thread of the broker and that of the database."""

import threading
from collections import deque
from collections.abc import Sequence

from tagtrail.ingest.intake import Item


class Inbox:
    """A bounded queue that takes and gives many items at once: a lock for each would cost more than the item.

    Args:
        most: Nothing is put in while there are so many items.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()

    def __len__(self) -> int:
        """Items that nobody has taken yet."""
        return len(self._items)

    def put(self, items: Sequence[Item], timeout_s: float) -> bool:
        """Put items in; False where there was no room for them in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._items) < self._most, timeout_s):
                return False
            self._items.extend(items)
            self._changed.notify_all()
            return True

    def take(self, rows: int, timeout_s: float) -> list[Item]:
        """Take what is there, in order, until it has so many rows; waits for the first item, and may find none."""
        taken: list[Item] = []
        with self._changed:
            self._changed.wait_for(lambda: self._items, timeout_s)
            while self._items and rows > 0:
                item = self._items.popleft()
                taken.append(item)
                rows -= item.rows
            self._changed.notify_all()
        return taken
