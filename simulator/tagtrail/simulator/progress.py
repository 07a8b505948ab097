"""When to say how far it is."""

import time
from typing import Final

FIRST_S: Final = 5.0


class Pace:
    """Says when the next line of progress is due: after 5 s, and then again and again.

    Args:
        slower: Each pause is twice as long as the one before, up to ``longest_s``: for what may last for hours.
    """

    def __init__(self, *, slower: bool = False, longest_s: float = 60.0) -> None:
        self._pause_s = FIRST_S
        self._slower, self._longest_s = slower, longest_s
        self._next_s = time.monotonic() + FIRST_S

    def due(self) -> bool:
        """Whether it is time; if so, the next pause begins."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return False
        if self._slower:
            self._pause_s = min(2 * self._pause_s, self._longest_s)
        self._next_s = now_s + self._pause_s
        return True
