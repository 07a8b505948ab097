"""The host's side of a Mercury line: find the module, configure it, keep it reading."""

from typing import Final

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols.interface import (
    Counters,
    Event,
    KeepAlive,
    ReaderFault,
    ReaderSettings,
    State,
    StateChanged,
    Temperature,
)
from tagtrail.hardware.protocols.mercury.frame import Direction, Framer, command
from tagtrail.hardware.protocols.mercury.setup import NOT_KNOWN, Step, check, steps
from tagtrail.hardware.protocols.mercury.streaming import STOP, Action, Kind, Search, parse_head, parse_temperature
from tagtrail.hardware.protocols.mercury.tables import M6E, M7E, Op, Status, is_silion, model_name, status_name
from tagtrail.hardware.protocols.mercury.tags import tag_seen, unpack_record

ATTEMPTS: Final = 3
"""How often a command is sent, and how often reading is started again without any good frame."""
REPLY_TIMEOUT_S: Final = 0.5
"""Time for the first answer to a command; doubled with each further attempt."""
DRAIN_S: Final = 2.0
"""How long queued tags may come after a stop command (Mercury API, tm_reader_async.c waits as long)."""
QUIET_S: Final = 0.5
"""A line without bytes for so long will not answer a stop: nothing was streaming."""
CYCLE_S: Final = 1.0
"""A module that was streaming acknowledges the stop at the end of its cycle at the latest."""
PARTIAL_S: Final = 0.3
"""The rest of a frame is never this late: 255 bytes take 22 ms, a USB converter adds 16 ms."""
SILENCE_S: Final = 4.0
"""Watchdog: a module says something in each cycle of one second, tags or not."""
HOT_SILENCE_S: Final = 60.0
"""Watchdog while the module cools: it stops transmitting and tells nobody when it goes on."""
FLUSH: Final = b"\xff" * 240
"""Before a repeated command: completes whatever half a frame the module may still wait for, and means nothing else
(serial_reader_l3.c, TMR_flush)."""

_STOP: Final = command(Op.MULTI_PROTOCOL_TAG_OP, STOP)
_STOPPED: Final = bytes((Action.STOP,))
_VERSION: Final = Step("ask for the version", (command(Op.VERSION),), "check power, cable, port and baud rate")
_BOOT: Final = Step("boot the firmware", (command(Op.BOOT_FIRMWARE),), "load a firmware with the maker's tool")
_QUIESCENT: Final = frozenset({State.CLOSED, State.FAILED})


class MercuryHost:
    """Host session of one Mercury module; see `tagtrail.hardware.protocols.interface.HostSession`.

    One command is outstanding at a time. A read is a read whenever it arrives: tags that a reader left streaming by a
    crashed agent reports before it obeys the stop, and tags still queued after `close`, are delivered like any other.

    Raises:
        FaultsError: The settings cannot be obeyed by any module.
    """

    def __init__(self, settings: ReaderSettings) -> None:
        check(settings)
        self.state = State.CLOSED
        self.counters = Counters()
        self._settings = settings
        self._framer = Framer(Direction.READER_TO_HOST, self.counters)
        self._events: list[Event] = []
        self._out = bytearray()
        self._hardware = b""
        self._booted = False
        self._steps: list[Step] = []
        self._form = 0
        self._attempt = 0
        self._stops_sent = 0
        self._deadline_s = 0.0
        self._byte_s = 0.0
        self._frame_s = 0.0
        self._silence_s = SILENCE_S
        self._restarts = 0

    def open(self, now_s: float) -> bytes:
        """Start anew on a freshly opened port; returns the first bytes to write."""
        self._framer.discard()
        self._hardware = b""
        self._restarts = 0
        self._begin(now_s, "port opened; asking the reader to stop in case it still reads")
        return self._written()

    def feed(self, data: bytes, now_s: float) -> tuple[list[Event], bytes]:
        """Take bytes that arrived; returns what they say and bytes to write."""
        if data:
            self._byte_s = now_s
        for frame in self._framer.feed(data):
            self._handle(frame, now_s)
        return self._told()

    def tick(self, now_s: float) -> tuple[list[Event], bytes]:
        """Let time pass: time-outs, retries, watchdog; returns events and bytes to write."""
        if self._framer.buffered and now_s - self._byte_s >= PARTIAL_S:
            for frame in self._framer.flush():
                self._handle(frame, now_s)
        if self.state in (State.STOPPING, State.DRAINING):
            self._wait_for_stop(now_s)
        elif self.state in (State.PROBING, State.CONFIGURING):
            self._wait_for_reply(now_s)
        elif self.state is State.STREAMING and now_s - self._frame_s >= self._silence_s:
            self.counters.timeouts += 1
            self._restart(now_s, f"no frame for {self._silence_s:g} s")
        return self._told()

    def close(self, now_s: float) -> bytes:
        """Ask the reader to stop; keep feeding until the state is CLOSED or FAILED."""
        if self.state not in _QUIESCENT and self.state is not State.DRAINING:
            self._enter(State.DRAINING, "asked to close")
            self._stop(now_s)
        return self._written()

    def _told(self) -> tuple[list[Event], bytes]:
        events, self._events = self._events, []
        return events, self._written()

    def _written(self) -> bytes:
        out = bytes(self._out)
        self._out.clear()
        return out

    def _enter(self, state: State, why: str) -> None:
        self.state = state
        self._steps = []
        self._events.append(StateChanged(state, why))

    # -- stopping and draining

    def _begin(self, now_s: float, why: str) -> None:
        self._booted = False
        self._enter(State.STOPPING, why)
        self._stop(now_s)

    def _restart(self, now_s: float, why: str) -> None:
        self._restarts += 1
        if self._restarts > ATTEMPTS:
            self._fail(f"{why}; starting again {ATTEMPTS} times did not help: check the cable, power-cycle the reader")
        else:
            self._begin(now_s, f"{why}; starting again")

    def _fail(self, why: str) -> None:
        self._enter(State.FAILED, why)

    def _stop(self, now_s: float, *, sent: int = 0) -> None:
        self._out += (FLUSH if sent else b"") + _STOP
        self._stops_sent = sent + 1
        self._deadline_s = now_s + DRAIN_S

    def _wait_for_stop(self, now_s: float) -> None:
        quiet_s = now_s - max(self._byte_s, self._deadline_s - DRAIN_S)
        if self.state is State.STOPPING and quiet_s >= QUIET_S:
            self._stopped(now_s, "the line is quiet")
        elif now_s >= self._deadline_s or quiet_s >= CYCLE_S:
            self.counters.timeouts += 1
            if self._stops_sent < 2:
                self._stop(now_s, sent=self._stops_sent)
            else:
                self._stopped(now_s, "no acknowledgement of two stop commands")

    def _stopped(self, now_s: float, why: str) -> None:
        if self.state is State.DRAINING:
            self._enter(State.CLOSED, why)
        else:
            self._enter(State.PROBING, why)
            self._run([_VERSION], now_s)

    # -- commands and replies

    def _run(self, todo: list[Step], now_s: float) -> None:
        self._steps = todo
        self._form = self._attempt = 0
        self._send(now_s)

    def _send(self, now_s: float) -> None:
        self._out += (FLUSH if self._attempt else b"") + self._steps[0].commands[self._form]
        self._deadline_s = now_s + REPLY_TIMEOUT_S * 2**self._attempt
        self._attempt += 1

    def _wait_for_reply(self, now_s: float) -> None:
        if now_s < self._deadline_s:
            return
        self.counters.timeouts += 1
        if self._attempt < ATTEMPTS:
            self._send(now_s)
        else:
            what = self._steps[0].what
            self._fail(f"could not {what}: no answer in {ATTEMPTS} attempts; {_VERSION.advice}")

    def _handle(self, frame: bytes, now_s: float) -> None:
        self._frame_s = now_s
        opcode = frame[2]
        status = frame[3] << 8 | frame[4]
        data = frame[5:-2]
        if status == Status.FIRMWARE_ASSERT:
            self._events.append(ReaderFault(status, status_name(status)))
            self._rebooted(now_s, "the reader's firmware failed")
        elif opcode == Op.READ_TAG_MULTIPLE:
            self._notification(status, data, now_s)
        elif self._answers(opcode, data):
            self._reply(status, data, now_s)
        elif opcode == Op.BOOT_FIRMWARE:
            self._rebooted(now_s, "the reader has rebooted")
        elif opcode == Op.MULTI_PROTOCOL_TAG_OP and self.state in (State.STOPPING, State.DRAINING):
            if status != Status.OK or data[:1] in (b"", _STOPPED):
                self._stopped(now_s, "the reader has stopped")
        else:
            self.counters.reject("unexpected-reply")

    def _answers(self, opcode: int, data: bytes) -> bool:
        """Whether a reply is to the outstanding command, and not the late acknowledgement of a stop before it."""
        if not self._steps or opcode != self._steps[0].commands[self._form][2]:
            return False
        return opcode != Op.MULTI_PROTOCOL_TAG_OP or data[:1] != _STOPPED

    def _rebooted(self, now_s: float, why: str) -> None:
        if self.state is State.DRAINING:
            self._enter(State.CLOSED, why)
        elif self.state not in _QUIESCENT:
            self._restart(now_s, why)

    def _reply(self, status: int, data: bytes, now_s: float) -> None:
        step = self._steps[0]
        if step is _VERSION:
            self._version(status, data, now_s)
        elif step is _BOOT:  # "invalid opcode" is the answer of a firmware that runs already
            self._booted = True
            self._run([_VERSION], now_s)
        elif status in NOT_KNOWN and self._form + 1 < len(step.commands):
            self._form += 1
            self._attempt = 0
            self._send(now_s)
        elif status != Status.OK and not (step.optional and status in NOT_KNOWN):
            self._fail(f"could not {step.what}: the reader answered {status:04X} {status_name(status)}; {step.advice}")
        elif step.commands[0][2] == Op.GET_REGION and not any(data):
            self._fail("the reader has no region: set the region of this reader in the store file")
        elif len(self._steps) > 1:
            self._run(self._steps[1:], now_s)
        else:
            self._started()

    def _version(self, status: int, data: bytes, now_s: float) -> None:
        if status != Status.OK or len(data) != 20:
            self._fail(f"could not {_VERSION.what}: the reader answered {status:04X} {status_name(status)}")
            return
        hardware, firmware, protocols = data[4:8], data[12:16], data[16:]
        in_bootloader = not any(protocols)
        if not self._booted and (in_bootloader or hardware[0] < M6E):
            self._run([_BOOT], now_s)
        elif in_bootloader:
            self._fail(f"the reader stays in its bootloader; {_BOOT.advice}")
        elif is_silion(hardware):
            self._fail("a Silion module: it streams with commands of its own, which this driver does not speak")
        else:
            self._hardware = hardware
            self._enter(State.CONFIGURING, f"found {model_name(hardware)}, firmware {firmware.hex('.')}")
            self._run(steps(self._settings, hardware), now_s)

    def _started(self) -> None:
        ports = ", ".join(str(antenna.port) for antenna in self._settings.antennas)
        self._silence_s = SILENCE_S
        self._enter(State.STREAMING, f"reading on antenna {ports}")

    # -- what comes while reading

    def _notification(self, status: int, data: bytes, now_s: float) -> None:
        if self.state is State.CONFIGURING and len(self._steps) == 1:
            self._started()  # the acknowledgement was lost
        if status == Status.NO_TAGS_FOUND:
            self._alive()
        elif status != Status.OK:
            self._events.append(ReaderFault(status, status_name(status)))
            if status == Status.TEMPERATURE_EXCEEDS_LIMITS:
                self._silence_s = HOT_SILENCE_S
        elif not data:
            self._alive()
        else:
            try:
                self._content(data, now_s)
            except BadData as bad:
                self.counters.reject(bad.reason)

    def _content(self, data: bytes, now_s: float) -> None:
        head = parse_head(data)
        if head.kind == Kind.TAG:
            record, _ = unpack_record(data, head.body, head.metadata_flags or 0)
            plain = self._hardware[0] == M7E if self._hardware else None
            self._events.append(tag_seen(record, plain_antenna=plain))
            self._works()
        elif head.kind == Kind.STATISTICS and head.search_flags & Search.STREAM_STATISTICS:
            temperature_c = parse_temperature(data[head.body :])
            if temperature_c is not None:
                self._events.append(Temperature(temperature_c))
        elif head.kind in (Kind.STATISTICS, Kind.ROUND_SUMMARY):
            self._alive()
        elif head.kind != Kind.END:
            raise BadData("response-type", f"a notification of unknown type {head.kind}")
        elif self.state is State.STREAMING:
            self._restart(now_s, "the reader has ended continuous reading")

    def _alive(self) -> None:
        self.counters.keepalives += 1
        self._events.append(KeepAlive())
        self._works()

    def _works(self) -> None:
        self._restarts = 0
        self._silence_s = SILENCE_S
