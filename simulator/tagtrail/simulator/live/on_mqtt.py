"""A scenario straight to the broker, as agents or fixed readers publish: ingest can be loaded without an edge."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from tagtrail.hardware.clock import Clock, ScaledClock
from tagtrail.hardware.errors import BadData
from tagtrail.hardware.wire import committed_topic, reads_topic, status_topic, time_topic
from tagtrail.simulator.disk import Room
from tagtrail.simulator.geometry import Ints
from tagtrail.simulator.live.agent import Agent, Clockwork
from tagtrail.simulator.live.connection import Connection, MqttTarget
from tagtrail.simulator.live.course import Course, Sightings, open_course
from tagtrail.simulator.live.faults import Disorder, Fault, clock_error_us
from tagtrail.simulator.live.follow import WAKE_MAX_S, WAKE_MIN_S, Follower
from tagtrail.simulator.live.vendor import Maker, vendor_messages, vendor_topic
from tagtrail.simulator.progress import Pace
from tagtrail.simulator.scenario import Scenario
from tagtrail.simulator.truth import ReaderCount, Summary, iso

BATCH_S: Final = 0.2
"""Longest real time that a read waits for its batch to fill."""
STATUS_S: Final = 10.0
_DISORDER: Final = 8
"""Random stream of the seed."""

log = logging.getLogger("tagtrail.simulate")


@dataclass(frozen=True, kw_only=True)
class Publishing:
    """Who publishes, and how.

    Attributes:
        target: Where to.
        agents: How many agents share the readers of a store; they are ``edge-1``, ``edge-2``…
        maker: The readers publish by themselves, as those of this maker do; there are no agents then.
        boot: New for each run: ingest takes every batch of a boot once.
    """

    target: MqttTarget
    agents: int = 1
    maker: Maker | None = None
    boot: str


class Publisher(Protocol):
    """Something that publishes the reads of some readers.

    Attributes:
        counts: Reads so far, by reader.
    """

    counts: dict[str, int]

    def add(self, seen: Sightings, rows: Ints) -> None:
        """Take these rows of what the readers have seen."""
        ...

    def turn(self, time_us: int) -> None:
        """Do what is due at a time of the store."""
        ...

    def settled(self) -> bool:
        """Whether all has arrived for good."""
        ...

    def close(self, time_us: int) -> None:
        """Leave the broker."""
        ...


class AgentOnMqtt:
    """An agent, its connection, and what happens to its messages on the way."""

    def __init__(self, agent: Agent, store: str, target: MqttTarget, disorder: Disorder, clockwork: Clockwork) -> None:
        self._agent, self._disorder, self._clockwork = agent, disorder, clockwork
        self.counts = agent.counts
        self._reads, self._status = reads_topic(store, agent.name), status_topic(store, agent.name)
        self._connection = Connection(
            target,
            f"tagtrail-simulator-{store}-{agent.name}",
            [committed_topic(store, agent.name), time_topic(store, agent.name)],
            (self._status, agent.status("offline", clockwork.start_us)),
        )
        self._made = 0
        self._status_due_s = 0.0

    def add(self, seen: Sightings, rows: Ints) -> None:
        """Make batches."""
        self._agent.add(seen, rows)

    def turn(self, time_us: int) -> None:
        """Listen, tell how it is, publish what may be published."""
        agent, connection, now_s = self._agent, self._connection, time.monotonic()
        for topic, payload in connection.inbox():
            try:
                agent.received(topic.rpartition("/")[2], payload, now_s)
            except BadData as bad:
                log.warning("agent %s: %s", agent.name, bad)
        if not connection.ready:
            return
        if connection.made != self._made:
            self._made, self._status_due_s = connection.made, 0.0
            agent.again()
        if now_s >= self._status_due_s or agent.wants_time(time_us):
            self._status_due_s = now_s + STATUS_S
            connection.publish(self._status, agent.status("online", time_us), retain=True)
        for payload in self._disorder.pass_on(agent.due(now_s), (time_us - self._clockwork.start_us) / 1e6):
            connection.publish(self._reads, payload)

    def settled(self) -> bool:
        """Whether the database has every batch."""
        for payload in self._disorder.end():
            self._connection.publish(self._reads, payload)
        return not self._agent.waiting

    def close(self, time_us: int) -> None:
        """Say that it stops, and leave."""
        self._connection.publish(self._status, self._agent.status("stopped", time_us), retain=True)
        self._connection.close()


class ReaderOnMqtt:
    """A fixed reader that publishes by itself. What it says is not repeated: the broker's word is enough for it."""

    def __init__(
        self,
        reader: str,
        maker: Maker,
        store: str,
        connection: Connection,
        disorder: Disorder,
        clockwork: Clockwork,
        faults: Sequence[Fault],
    ) -> None:
        self.counts = {reader: 0}
        self._reader, self._maker, self._topic = reader, maker, vendor_topic(maker, store, reader)
        self._connection, self._disorder, self._clockwork, self._faults = connection, disorder, clockwork, faults
        self._outbox: deque[bytes] = deque()

    def add(self, seen: Sightings, rows: Ints) -> None:
        """Make events."""
        time_s = (int(seen.time_us[rows[0]]) - self._clockwork.start_us) / 1e6
        error_us = clock_error_us(self._faults, self._reader, time_s)
        self._outbox.extend(vendor_messages(self._maker, seen, rows, error_us))
        self.counts[self._reader] += len(rows)

    def turn(self, time_us: int) -> None:
        """Publish."""
        if self._connection.ready:
            time_s = (time_us - self._clockwork.start_us) / 1e6
            for payload in self._disorder.pass_on(list(self._outbox), time_s):
                self._connection.publish(self._topic, payload)
            self._outbox.clear()

    def settled(self) -> bool:
        """Whether the broker has all messages."""
        if self._connection.ready:
            for payload in self._disorder.end():
                self._connection.publish(self._topic, payload)
        return not self._outbox and not self._connection.unacknowledged

    def close(self, time_us: int) -> None:  # noqa: ARG002 - part of the interface
        """Leave."""
        self._connection.close()


class ShopOnMqtt:
    """One shop, all its antennas on, and who publishes their reads."""

    def __init__(self, course: Course, publishers: Sequence[Publisher], clock: Clock) -> None:
        self.course, self._publishers = course, publishers
        self._by_reader = {reader: publisher for publisher in publishers for reader in publisher.counts}
        self._follower = Follower(clock, course.start_us)
        self._pending: deque[tuple[Sightings, int]] = deque()
        self._added_s = 0.0

    @property
    def reads(self) -> int:
        """Made so far."""
        return sum(sum(publisher.counts.values()) for publisher in self._publishers)

    @property
    def over(self) -> bool:
        """Whether all has been handed to who publishes."""
        return self.course.over and not self._pending

    def go_on(self) -> float:
        """Do what is due; returns the real seconds until the next thing is."""
        follower, course = self._follower, self.course
        follower.turn()
        while course.time_us <= follower.now_us and not course.over and course.ready:
            self._pending.append((course.block(follower.block_cycles), 0))
        if (now_s := time.monotonic()) - self._added_s >= BATCH_S or course.over:
            self._added_s = now_s
            self._add(follower.now_us)
        self.turn()
        return min(follower.seconds_until(course.time_us), WAKE_MAX_S)

    def turn(self) -> None:
        """Let all who publish do what is due."""
        for publisher in self._publishers:
            publisher.turn(self._follower.now_us)

    def _add(self, now_us: int) -> None:
        """Hand out all reads up to now."""
        while self._pending:
            seen, first = self._pending[0]
            end = int(np.searchsorted(seen.time_us, now_us, side="right"))
            self._hand_out(seen, first, end)
            if end < len(seen.epc):
                self._pending[0] = (seen, max(first, end))
                return
            self._pending.popleft()

    def _hand_out(self, seen: Sightings, first: int, end: int) -> None:
        rows = np.arange(first, end)
        antennas = seen.antenna[first:end]
        publishers = [self._by_reader.get(reader) for reader, _ in seen.antennas]
        for publisher in dict.fromkeys(publishers):
            mine = np.array([one is publisher for one in publishers], dtype=bool)[antennas]
            if publisher is not None and mine.any():
                publisher.add(seen, rows[mine])

    @property
    def settled(self) -> bool:
        """Whether all reads have arrived for good."""
        return all(publisher.settled() for publisher in self._publishers)

    def close(self) -> None:
        """Leave the broker."""
        for publisher in self._publishers:
            publisher.close(self._follower.now_us)

    def tell(self) -> None:
        """Say in the log how far it is."""
        course = self.course
        log.info("%s: %s: %d inside, %d reads", course.shop.store.id, iso(course.time_us), course.inside, self.reads)

    def summary(self, scenario: str) -> Summary:
        """What has happened."""
        counts = {reader: count for publisher in self._publishers for reader, count in publisher.counts.items()}
        return self.course.summary(scenario, {reader: ReaderCount(count) for reader, count in counts.items()})


def simulate_on_mqtt(
    scenario: Scenario,
    *,
    publishing: Publishing,
    clock: Clock,
    out: Path | None = None,
    forever: bool = False,
    stop: Callable[[], bool],
    room: Room | None = None,
) -> list[Summary]:
    """Run a scenario straight to a broker, until it is over and all has arrived, or until ``stop``.

    All antennas are on with the power of the store file, and all readers read. Truth and summary are in ``out`` as
    `tagtrail.simulator.live.on_lines.simulate_on_lines` has them; the summary is written when the database has all
    batches (of a maker's readers: when the broker has all messages).

    Returns:
        The summaries of all stores.

    Raises:
        GiveUp: The file with the authority's certificate cannot be used.
    """
    chain = len(scenario.shops) > 1
    with ExitStack() as connections:
        with ExitStack() as files:
            if room:
                files.enter_context(room)
            courses = [
                open_course(shop, out, files, chain=chain, forever=forever, room=room) for shop in scenario.shops
            ]
            shops = []
            start_us = clock.now_us()
            clockwork = Clockwork(start_us, clock.rate if isinstance(clock, ScaledClock) else 1.0)
            for course in courses:
                course.begin(start_us)
                publishers = list(_publishers(course, publishing, clockwork))
                shops.append(ShopOnMqtt(course, publishers, clock))
                connections.callback(shops[-1].close)
            pace = Pace()
            while not all(shop.over for shop in shops) and not stop():
                time.sleep(max(WAKE_MIN_S, min([shop.go_on() for shop in shops])))
                if pace.due():
                    for shop in shops:
                        shop.tell()
            for shop in shops:
                shop.course.end()
        _settle(shops, stop)
        summaries = [shop.summary(scenario.name) for shop in shops]
        for summary in summaries:
            if out:
                summary.write(out / summary.store if chain else out)
        reads = sum(shop.reads for shop in shops)
        if all(shop.settled for shop in shops):
            log.info("%d reads were published", reads)
        else:
            log.warning("stopped before all of %d reads had arrived; what was on the way is not sent again", reads)
    return summaries


def _settle(shops: Sequence[ShopOnMqtt], stop: Callable[[], bool]) -> None:
    """Wait until all has arrived, however long broker or ingest are away."""
    pace = Pace(slower=True)
    while not all(shop.settled for shop in shops) and not stop():
        for shop in shops:
            shop.go_on()
        time.sleep(WAKE_MIN_S)
        if pace.due():
            log.info("waiting for the last batches to arrive")


def _publishers(course: Course, publishing: Publishing, clockwork: Clockwork) -> Iterator[Publisher]:
    store, faults = course.shop.store, course.shop.faults
    readers = list(dict.fromkeys(reader.id for layout in course.shop.layouts for reader in layout.store.reader))

    def disorder(index: int, name: str) -> Disorder:
        seeds = np.random.SeedSequence(course.shop.seed, spawn_key=(_DISORDER, index))
        return Disorder(faults, name, np.random.default_rng(seeds))

    if publishing.maker is not None:
        for index, reader in enumerate(readers):
            connection = Connection(publishing.target, f"tagtrail-simulator-{store.id}-{reader}", [])
            yield ReaderOnMqtt(
                reader, publishing.maker, store.id, connection, disorder(index, reader), clockwork, faults
            )
        return
    for index in range(publishing.agents):
        name = f"edge-{index + 1}"
        agent = Agent(
            name, readers[index :: publishing.agents], faults=faults, clockwork=clockwork, boot=publishing.boot
        )
        yield AgentOnMqtt(agent, store.id, publishing.target, disorder(index, name), clockwork)
