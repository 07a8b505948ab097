"""What was received and is not written yet: between the thread of the broker and that of the database."""

import threading
from collections import deque
from collections.abc import Sequence

from tagtrail.ingest.intake import Item


class Inbox:
    """A bounded queue that takes and gives many items at once: a lock for each would cost more than the item.

    What was put in together comes out together: items that were read together share their columns.

    Args:
        most: Nothing is put in while there are so many items.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._groups: deque[Sequence[Item]] = deque()
        self._count = 0
        self._changed = threading.Condition()

    def __len__(self) -> int:
        """Items that nobody has taken yet."""
        return self._count

    def put(self, items: Sequence[Item], timeout_s: float) -> bool:
        """Put items in; False where there was no room for them in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._count < self._most, timeout_s):
                return False
            self._groups.append(items)
            self._count += len(items)
            self._changed.notify_all()
            return True

    def take(self, rows: int, timeout_s: float) -> list[Item]:
        """Take what is there, in order, until it has at least so many rows; waits for the first, and may find none."""
        taken: list[Item] = []
        with self._changed:
            self._changed.wait_for(lambda: self._count, timeout_s)
            while self._groups and rows > 0:
                group = self._groups.popleft()
                taken += group
                rows -= sum(item.rows for item in group)
            self._count -= len(taken)
            self._changed.notify_all()
        return taken
