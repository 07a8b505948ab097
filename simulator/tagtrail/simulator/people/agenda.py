"""What happens next: the people are generators, which run until they wait for something."""

import heapq
from collections.abc import Generator
from itertools import count
from typing import Final

Process = Generator[int, None, None]
"""Yields the time, in microseconds since the world's time 0, at which it goes on."""
NEVER: Final = 2**62
"""A time that does not come."""
SECOND_US: Final = 1_000_000


class Task:
    """A process and when it is due."""

    __slots__ = ("order", "process")

    def __init__(self, process: Process) -> None:
        self.process = process
        self.order = -1


class Agenda:
    """Runs processes in the order of time; at one time in the order in which they were asked to.

    Attributes:
        now_us: Microseconds since the world's time 0.
    """

    def __init__(self, now_us: int) -> None:
        self.now_us = now_us
        self._due: list[tuple[int, int, Task]] = []
        self._orders = count()

    @property
    def now_s(self) -> float:
        """Seconds since the world's time 0."""
        return self.now_us / SECOND_US

    def start(self, process: Process) -> Task:
        """Run a process from now on."""
        task = Task(process)
        self.at(self.now_us, task)
        return task

    def at(self, time_us: int, task: Task) -> None:
        """Let a task go on at a time, whatever it waited for."""
        task.order = next(self._orders)
        heapq.heappush(self._due, (time_us, task.order, task))

    def run(self, until_us: int) -> None:
        """Run all that is due before a time."""
        while self._due and self._due[0][0] < until_us:
            time_us, order, task = heapq.heappop(self._due)
            if order != task.order:
                continue  # it was woken for another reason
            self.now_us = time_us
            wakes_us = next(task.process, None)
            if wakes_us is not None:
                self.at(wakes_us, task)
        self.now_us = until_us
