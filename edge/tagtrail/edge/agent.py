"""The agent: one main loop that owns the window, the spool and the publisher.

Threads: one per reader puts reads into the inbox, one for the broker puts events; only the main loop touches the disk.
"""

import logging
import random
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tagtrail.edge.broker import Acknowledged, Broker, BrokerEvent, BrokerSettings, Disconnected, Message, Subscribed
from tagtrail.edge.health import agent_status, last_will
from tagtrail.edge.inbox import Inbox
from tagtrail.edge.publisher import Publisher
from tagtrail.edge.reader_task import ReaderTask, Wiring
from tagtrail.edge.recorder import Recorder
from tagtrail.edge.settings import EdgeSettings
from tagtrail.edge.spool import Limit, Spool, SpoolCorruptError, SpoolWriteError
from tagtrail.edge.timekeeper import Timekeeper, machine_start
from tagtrail.edge.window import Batcher, Window
from tagtrail.hardware.capture import Header
from tagtrail.hardware.clock import Clock, parse_clock
from tagtrail.hardware.errors import BadData, FaultsError, TagtrailError
from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.protocols.interface import AntennaSettings, HostSession, ReaderSettings
from tagtrail.hardware.store import Store
from tagtrail.hardware.wire import (
    CLOCK_UNKNOWN,
    AgentStatus,
    committed_topic,
    decode_time_answer,
    encode,
    reads_topic,
    status_topic,
    time_topic,
)

if TYPE_CHECKING:
    from tagtrail.hardware.prometheus import MetricsServer

log = logging.getLogger("tagtrail.edge")

INBOX_MAX: Final = 10_000
"""Reads on their way to the main loop; a reader's thread waits while there are more."""
HELD_MAX: Final = 100_000
"""Reads kept in memory while the disk takes none: some 30 MB."""
WAKE_S: Final = 0.2
"""Longest sleep of the main loop, so that it sees a stop soon."""
SPOOL_RETRY_S: Final = 1.0
NEWS_S: Final = 0.2
"""Changes within this time share one status message."""
ASKED: Final = 8
"""So many statuses may wait for ingest's answer with the time."""

STOP_READERS_S: Final = 5.0
STOP_SEND_S: Final = 3.0
STOP_BROKER_S: Final = 2.0


@dataclass(frozen=True)
class ReaderChanged:
    """A reader's state changed."""


def plan_readers(settings: EdgeSettings, store: Store) -> list[tuple[Wiring, HostSession]]:
    """Which readers to serve on which port, with a session each.

    Raises:
        FaultsError: A reader is not in the store file, has no port, shares one, or speaks an unknown protocol.
    """
    known = {reader.id: reader for reader in store.reader}
    wanted = list(dict.fromkeys(settings.readers)) or list(known)
    faults: list[str] = []
    plan: list[tuple[Wiring, HostSession]] = []
    users: dict[str, str] = {}
    for reader_id in wanted:
        reader = known.get(reader_id)
        if reader is None:
            faults.append(f"reader {reader_id!r} is not in the store file, which has {', '.join(known) or 'none'}")
            continue
        port = settings.ports.replace("{reader}", reader_id) if settings.ports else reader.port
        if not port:
            faults.append(f"reader {reader_id!r} has no port; name it in the store file or by the setting ports")
            continue
        if (other := users.setdefault(port, reader_id)) != reader_id:
            faults.append(f"readers {other!r} and {reader_id!r} have the same port {port}")
        antennas = tuple(AntennaSettings(antenna.port, antenna.power_dbm) for antenna in reader.antenna)
        try:
            family = load_family(reader.protocol)
            session = family.host(ReaderSettings(reader.region, antennas))
        except TagtrailError as error:
            faults.append(f"reader {reader_id!r}: {error}")
            continue
        baud = reader.baud or family.default_baud
        ports = tuple(antenna.port for antenna in antennas)
        plan.append((Wiring(reader_id, port, baud, ports, reader.protocol), session))
    if faults:
        raise FaultsError("readers", faults)
    return plan


class Agent:
    """One edge agent.

    Args:
        settings: Checked settings.
        store: The store file.

    Raises:
        GiveUp: The readers cannot be served or the spool cannot be used as the settings say.
    """

    def __init__(self, settings: EdgeSettings, store: Store) -> None:
        self._settings = settings
        self._clock: Clock = parse_clock(settings.clock)
        plan = plan_readers(settings, store)
        rng = random.Random()  # noqa: S311 - jitter
        self._topic = reads_topic(store.id, settings.agent)
        self._committed_topic = committed_topic(store.id, settings.agent)
        self._status_topic = status_topic(store.id, settings.agent)
        self._time_topic = time_topic(store.id, settings.agent)
        self._inbox: Inbox[BrokerEvent | ReaderChanged] = Inbox(INBOX_MAX)
        self._window = Window(settings.window_s)
        self._batcher = Batcher(settings.batch_reads, settings.batch_s, HELD_MAX)
        limit = Limit(file=round(settings.spool_max_mb * 1e6), free=round(settings.spool_free_mb * 1e6))
        self._spool = Spool(Path(settings.spool), store=store.id, agent=settings.agent, limit=limit)
        self._timekeeper = Timekeeper(self._clock, limit_s=settings.clock_limit_s)
        # A simulated clock does not go on from one run to the next.
        machine = machine_start() if settings.clock == "real" else secrets.token_hex(8)
        self._timekeeper.resume(self._spool.begin_run(machine, self._timekeeper.epoch_us))
        self._asked: deque[int] = deque(maxlen=ASKED)
        self._publisher = Publisher(
            self._spool, send=self._send, inflight=settings.inflight, resend_s=settings.resend_s
        )
        self._broker = Broker(
            BrokerSettings(
                url=settings.mqtt,
                user=settings.mqtt_user,
                password=settings.mqtt_password,
                client_id=f"tagtrail-edge-{store.id}-{settings.agent}",
                subscribe_to=(self._committed_topic, self._time_topic),
                will_topic=self._status_topic,
                ca=settings.mqtt_ca,
            ),
            will=self._will,
            emit=self._inbox.put_event,
            rng=rng,
        )
        self._tasks = [
            ReaderTask(
                wiring,
                session,
                clock=self._timekeeper,
                deliver=self._inbox.put_reads,
                changed=lambda: self._inbox.put_event(ReaderChanged()),
                rng=rng,
                tap=self._recorder(wiring),
            )
            for wiring, session in plan
        ]
        self._status_due_s = 0.0
        self._spool_retry_s = 0.0
        self._spool_error: str | None = None
        self._refused_told = 0
        self._losing = False
        self._state = "online"
        self._flushing = False
        self._stop_mid: int | None = None
        self._stop_told = False
        self._metrics = self._metrics_server()

    def _recorder(self, wiring: Wiring) -> Recorder | None:
        settings = self._settings
        if settings.capture_dir is None:
            return None
        return Recorder(
            Path(settings.capture_dir),
            Header(wiring.reader, wiring.protocol, wiring.port, wiring.baud),
            clock=self._clock,
            size_max=round(settings.capture_mb * 1e6),
            files_max=settings.capture_files,
        )

    def _metrics_server(self) -> "MetricsServer | None":
        settings = self._settings
        if not settings.metrics_port:
            return None
        from tagtrail.edge.metrics import render
        from tagtrail.hardware.prometheus import MetricsServer  # http.server takes some MB

        return MetricsServer(settings.metrics_host, settings.metrics_port, lambda: render(self._status()))

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set, then end in order."""
        settings = self._settings
        log.info(
            "agent %s: readers %s, spool %s (boot %s) holds %d batches",
            settings.agent,
            ", ".join(task.reader for task in self._tasks),
            settings.spool,
            self._spool.boot,
            self._spool.batches,
        )
        self._broker.start()
        for task in self._tasks:
            task.start()
        while not stop.is_set():
            self._step()
        self._finish()

    def _step(self) -> None:
        """Wait for something to happen, and do all that is due."""
        reads, events = self._inbox.take(self._idle_s())
        now_s = time.monotonic()
        self._watch_clock()
        closed = self._window.add(reads)
        closed += self._window.flush() if self._flushing else self._window.due(self._timekeeper.now_us())
        self._batcher.add(closed, now_s)
        for event in events:
            self._handle(event, now_s)
        try:
            self._spool_reads(now_s)
            self._publisher.pump(now_s)
            self._spool.trim()
        except SpoolWriteError as error:
            self._note_spool_error(str(error), now_s)
        except SpoolCorruptError as error:
            self._spool.start_over(str(error))
            self._publisher.rewind(now_s)
        if now_s >= self._status_due_s:
            self._tell_status(now_s)

    def _step_while(self, condition: Callable[[], bool], limit_s: float) -> None:
        until_s = time.monotonic() + limit_s
        while condition() and time.monotonic() < until_s:
            self._step()

    def _idle_s(self) -> float:
        """How long the main loop may sleep."""
        now_s = time.monotonic()
        window_us = self._window.due_us()
        return min(
            WAKE_S,
            max(0.0, self._status_due_s - now_s),
            max(0.0, self._publisher.due_s() - now_s),
            max(0.0, max(self._spool_due_s(), self._spool_retry_s) - now_s),
            WAKE_S if window_us is None else self._timekeeper.seconds_until(window_us),
        )

    def _handle(self, event: BrokerEvent | ReaderChanged, now_s: float) -> None:
        match event:
            case Subscribed():
                self._publisher.connected(now_s)
                self._status_due_s = now_s
            case Disconnected():
                self._publisher.disconnected()
            case Message(topic, payload, retained):
                # Some brokers hand every new client the retained messages of topics that it never asked for.
                if topic == self._committed_topic:
                    self._publisher.committed(payload, retained=retained)
                elif topic == self._time_topic and not retained:
                    self._take_time(payload)
            case Acknowledged(mid):
                self._stop_told = self._stop_told or mid == self._stop_mid
            case ReaderChanged():
                self._status_due_s = min(self._status_due_s, now_s + NEWS_S)

    def _take_time(self, payload: bytes) -> None:
        """Ingest says what time it is."""
        try:
            answer = decode_time_answer(payload)
        except BadData as error:
            log.warning("ignored: %s", error)
            return
        if answer.run_us in self._asked:
            self._timekeeper.answered(answer.run_us, answer.time_us)
            self._watch_clock()
            self._publisher.heard()

    def _watch_clock(self) -> None:
        """Correct the times of reads, of those that are spooled as well, where the clock was or is wrong."""
        before = self._timekeeper.correction
        if not self._timekeeper.correct():
            return
        correction = self._timekeeper.correction
        self._spool.correct_run(correction)
        if correction[:2] == before[:2]:
            return
        if correction.state == CLOCK_UNKNOWN:
            log.warning("the clock of this machine is not set: reads are marked so until ingest or NTP tell the time")
        elif correction.shift_us:
            log.warning(
                "the clock of this machine is or was wrong: %+.3f s are added to the times of reads since its start, "
                "also of those that are spooled",
                correction.shift_us / 1e6,
            )
        else:
            log.info("the times of reads need no correction")
        self._status_due_s = min(self._status_due_s, time.monotonic() + NEWS_S)

    def _spool_due_s(self) -> float:
        """When reads should be written to the spool."""
        return 0.0 if self._flushing and len(self._batcher) else self._batcher.due_s()

    def _spool_reads(self, now_s: float) -> None:
        """Write what is due to the spool; what fails stays in memory."""
        if now_s < max(self._spool_due_s(), self._spool_retry_s):
            return
        while now_s >= self._spool_due_s():
            batch = self._batcher.peek()
            self._spool.append(batch)
            self._batcher.drop(len(batch))
        if self._spool_error is not None:
            refused = self._batcher.refused.total()
            log.warning("the spool takes reads again; %d were lost meanwhile", refused - self._refused_told)
            self._spool_error, self._refused_told, self._losing = None, refused, False
            self._status_due_s = now_s

    def _note_spool_error(self, error: str, now_s: float) -> None:
        self._spool_retry_s = now_s + SPOOL_RETRY_S
        if error != self._spool_error:
            log.error("%s. Up to %d reads are kept in memory meanwhile; free some space.", error, HELD_MAX)
            self._spool_error = error
            self._status_due_s = now_s

    def _send(self, payload: bytes) -> bool:
        return self._broker.publish(self._topic, payload) is not None

    def _will(self) -> bytes:
        time_us = self._timekeeper.now_us() + self._timekeeper.correction.shift_us
        return encode(last_will(agent=self._settings.agent, time_us=time_us, boot=self._spool.boot))

    def _tell_status(self, now_s: float) -> int | None:
        """Publish the status; returns the message's id, or None where there is no connection."""
        self._status_due_s = now_s + self._settings.status_s
        refused = self._batcher.refused.total()
        if refused > self._refused_told and not self._losing:
            self._losing = True
            log.error("READS ARE BEING LOST: memory is full as well. %s; free some space", self._spool_error)
        status = self._status()
        self._asked.append(status.run_us)
        return self._broker.publish(self._status_topic, encode(status), retain=True)

    def _status(self) -> AgentStatus:
        """What the agent says of itself; may be called from any thread."""
        refused = self._batcher.refused.copy()
        return agent_status(
            self._state,
            agent=self._settings.agent,
            timekeeper=self._timekeeper,
            spool=self._spool,
            readers=[task.status(refused[task.reader]) for task in self._tasks],
            inflight=self._publisher.outstanding,
            reads_refused=refused.total(),
            error=self._spool_error,
        )

    def _finish(self) -> None:
        """Stop the readers, spool and send what there is, say so, disconnect."""
        for task in self._tasks:
            task.stop()
        self._step_while(lambda: any(task.alive for task in self._tasks), STOP_READERS_S)
        self._flushing = True
        self._step()
        self._step_while(lambda: len(self._batcher) > 0, STOP_SEND_S)
        if len(self._batcher):
            log.error("%d reads are lost: the spool does not take them (%s)", len(self._batcher), self._spool_error)
        self._step_while(lambda: self._publisher.outstanding > 0, STOP_SEND_S)
        self._state = "stopped"
        self._stop_mid = self._tell_status(time.monotonic())
        self._step_while(lambda: self._stop_mid is not None and not self._stop_told, STOP_BROKER_S)
        self._broker.stop(STOP_BROKER_S)
        log.info("agent %s stopped; the spool holds %d batches", self._settings.agent, self._spool.batches)
        if self._metrics:
            self._metrics.close()
        self._spool.close()
