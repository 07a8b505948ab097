"""Two writers, one agent: what came later is written later."""

import threading

from fixture_agent import FakeAgent
from tagtrail.ingest.intake import Item, Message, read_messages
from tagtrail.ingest.turns import Turns

ONE, OTHER = FakeAgent(name="edge-1"), FakeAgent(name="edge-2")


def statuses(*agents: FakeAgent) -> list[Item]:
    return read_messages(Message(agent.status_topic, agent.status()) for agent in agents)


def test_a_later_status_waits_for_an_earlier_one_of_its_agent() -> None:
    turns = Turns()
    first, second = turns.next(statuses(ONE)), turns.next(statuses(OTHER, ONE))
    order: list[str] = []

    def write() -> None:
        with second.taken():
            order.append("second")

    thread = threading.Thread(target=write)
    with first.taken():
        thread.start()
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_nothing_waits_for_other_agents_nor_for_what_failed() -> None:
    turns = Turns()
    first, second, third = (turns.next(statuses(*agents)) for agents in ((ONE,), (OTHER,), (ONE, OTHER)))
    with first.taken(), second.taken():
        pass
    with third.taken():
        pass
    failing, last = turns.next(statuses(ONE)), turns.next(statuses(ONE))
    try:
        with failing.taken():
            raise ValueError
    except ValueError:
        pass
    with last.taken():
        pass
    with turns.next([]).taken():
        pass
