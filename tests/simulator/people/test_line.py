"""Lines before tills."""

from hypothesis import given
from hypothesis import strategies as st

from tagtrail.simulator.people.agenda import Agenda, Process, Task
from tagtrail.simulator.people.line import Line

Guest = tuple[int, int, int]  # gap to the one before, service, patience


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 30), st.integers(1, 60)), max_size=40), st.integers(1, 4))
def test_lines_are_first_come_first_served_and_no_server_idles(guests: list[Guest], servers: int) -> None:
    agenda = Agenda(0)
    line = Line(agenda, servers)
    tasks: dict[int, Task] = {}
    began: dict[int, int] = {}
    gave_up: dict[int, int] = {}

    def guest(number: int, arrives: int, service: int, patience: int) -> Process:
        yield arrives
        ticket = line.join(tasks[number])
        if not ticket.served:
            yield arrives + patience
        if not ticket.served:
            line.give_up(ticket)
            gave_up[number] = agenda.now_us
            return
        began[number] = agenda.now_us
        yield agenda.now_us + service
        line.done()

    arrives, arrivals = 0, []
    for number, (gap, service, patience) in enumerate(guests):
        arrives += gap
        arrivals.append(arrives)
        tasks[number] = agenda.start(guest(number, arrives, service, patience))
    agenda.run(10**6)
    assert sorted([*began, *gave_up]) == list(range(len(guests)))
    assert list(began.values()) == [began[number] for number in sorted(began)]
    for number, time in gave_up.items():
        assert time == arrivals[number] + guests[number][2]
    for number, time in began.items():
        assert time <= arrivals[number] + guests[number][2]
        busy = [other for other in began if began[other] <= time < began[other] + guests[other][1]]
        assert len(busy) <= servers
        if time > arrivals[number]:  # it had to wait: all servers were busy until then
            before = [other for other in began if began[other] < time <= began[other] + guests[other][1]]
            assert len(before) >= servers
    assert line.free == servers
    assert not len(line)
