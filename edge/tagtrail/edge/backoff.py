"""Waiting longer after each failure, never in step with other agents."""

import random


class Backoff:
    """Delays that double from ``first_s`` to ``limit_s``, each shortened by up to a quarter at random.

    The jitter keeps the agents of a chain of stores from storming a broker that comes back.
    """

    def __init__(self, first_s: float, limit_s: float, rng: random.Random) -> None:
        self._first_s = first_s
        self._limit_s = limit_s
        self._rng = rng
        self._next_s = first_s

    def next_s(self) -> float:
        """Seconds to wait before the next try."""
        delay_s = self._next_s
        self._next_s = min(self._limit_s, delay_s * 2)
        return delay_s * self._rng.uniform(0.75, 1.0)

    def reset(self) -> None:
        """It worked: start again with the shortest delay."""
        self._next_s = self._first_s
