"""What was received and nobody has read yet: between the thread of the broker and those that write."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from tagtrail.ingest.intake import Message

BYTES_MAX: Final = 64 * 2**20


class Inbox:
    """A bounded queue that takes and gives many messages at once: a lock for each would cost more than the message.

    Args:
        most: Nothing is put in while there are so many messages.
        most_bytes: The same for the bytes of their payloads.
    """

    def __init__(self, most: int, most_bytes: int = BYTES_MAX) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._messages: deque[Message] = deque()
        self._bytes = 0
        self._changed = threading.Condition()

    def __len__(self) -> int:
        """Messages that nobody has taken yet."""
        return len(self._messages)

    def put(self, messages: Sequence[Message], timeout_s: float) -> bool:
        """Put messages in; False where there was no room for them in time."""
        with self._changed:
            if not self._changed.wait_for(self._has_room, timeout_s):
                return False
            self._messages.extend(messages)
            self._bytes += sum(len(message.payload) for message in messages)
            self._changed.notify_all()
            return True

    def take(self, most: int, timeout_s: float, quiet_s: float = 0.0, longest_s: float = 0.0) -> list[Message]:
        """Take messages in order.

        Args:
            most: Up to so many.
            timeout_s: How long the first one is waited for.
            quiet_s: Further ones are waited for as long as they come no further apart than this.
            longest_s: Nor longer than this after the first one.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._messages, timeout_s)
            until_s = time.monotonic() + longest_s
            while 0 < (there := len(self._messages)) < most:
                wait_s = min(quiet_s, until_s - time.monotonic())
                if wait_s <= 0 or not self._changed.wait_for(lambda: len(self._messages) > there, wait_s):
                    break
            taken = [self._messages.popleft() for _ in range(min(most, len(self._messages)))]
            self._bytes -= sum(len(message.payload) for message in taken)
            self._changed.notify_all()
        return taken

    def _has_room(self) -> bool:
        return len(self._messages) < self._most and self._bytes < self._most_bytes
