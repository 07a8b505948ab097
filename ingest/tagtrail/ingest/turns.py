"""Statuses of an agent are written in the order in which they came, whichever writer has them."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tagtrail.ingest.intake import Item, Status

Agent = tuple[str, str]
"""Store and agent."""


class Turn:
    """Of one transaction: it begins when those that have earlier statuses of its agents are over.

    Args:
        before: The turns of those.
    """

    def __init__(self, before: Iterable["Turn"]) -> None:
        self._before = tuple(before)
        self._over = threading.Event()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for it, and end it in any case."""
        try:
            for turn in self._before:
                turn._over.wait()
            self._before = ()
            yield
        finally:
            self._over.set()


class Turns:
    """Gives out turns, in the order in which messages came; in one thread at a time."""

    def __init__(self) -> None:
        self._last: dict[Agent, Turn] = {}

    def next(self, items: Iterable[Item]) -> Turn:
        """The turn of these messages. Whoever gets one has to take it, else others wait for ever."""
        agents = {(item.store, item.status.agent) for item in items if isinstance(item, Status)}
        turn = Turn({last for agent in agents if (last := self._last.get(agent)) is not None})
        self._last.update(dict.fromkeys(agents, turn))
        return turn
