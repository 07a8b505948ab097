"""A line of groups before tills or cabins: first come, first served."""

from collections import deque

from tagtrail.simulator.people.agenda import Agenda, Task


class Ticket:
    """A place in a line.

    Attributes:
        served: Whether it is, or was, this one's turn.
    """

    __slots__ = ("served", "task")

    def __init__(self, task: Task, *, served: bool) -> None:
        self.task = task
        self.served = served


class Line:
    """One line before several servers.

    Attributes:
        servers: How many groups are served at a time.
        free: How many servers are.
    """

    def __init__(self, agenda: Agenda, servers: int) -> None:
        self.servers = self.free = servers
        self._agenda = agenda
        self._waiting: deque[Ticket] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def join(self, task: Task) -> Ticket:
        """Come to the end of the line; the task goes on as soon as a server is free."""
        ticket = Ticket(task, served=self.free > 0)
        if ticket.served:
            self.free -= 1
        else:
            self._waiting.append(ticket)
        return ticket

    def give_up(self, ticket: Ticket) -> None:
        """Leave the line without being served."""
        self._waiting.remove(ticket)

    def done(self) -> None:
        """A server is free again."""
        if not self._waiting:
            self.free += 1
            return
        ticket = self._waiting.popleft()
        ticket.served = True
        self._agenda.at(self._agenda.now_us, ticket.task)
