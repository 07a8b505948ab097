"""The host's side of a Mercury line: what its frames say to the session."""

from collections.abc import Mapping
from math import inf
from typing import ClassVar, Final

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols.check import check_settings
from tagtrail.hardware.protocols.interface import Counters, ReaderFault, ReaderSettings, State
from tagtrail.hardware.protocols.mercury.care import ABOUT_ANTENNAS, TEMPERATURE, CaringSession
from tagtrail.hardware.protocols.mercury.frame import Direction, command, framer_for
from tagtrail.hardware.protocols.mercury.rounds import (
    CLEAR,
    FETCH,
    FETCH_AGAIN,
    HOW_FAR,
    LOOK,
    Piece,
    TagBuffer,
    parse_how_far,
    parse_piece,
)
from tagtrail.hardware.protocols.mercury.setup import (
    CANNOT_STREAM,
    METADATA,
    NOT_KNOWN,
    PORT_MAX,
    POWER_MAX_DBM,
    multiplexed,
    start_step,
    start_with_rests,
    steps,
)
from tagtrail.hardware.protocols.mercury.streaming import (
    COUNT_SIZE_MAX,
    STOP,
    Action,
    Kind,
    Search,
    parse_count,
    parse_head,
    parse_temperature,
)
from tagtrail.hardware.protocols.mercury.tables import (
    ADVICE,
    M6E,
    M7E,
    REGIONS,
    Op,
    Status,
    fault_line,
    is_silion,
    model_name,
    status_name,
)
from tagtrail.hardware.protocols.mercury.tags import GPIO, Record, tag_seen, unpack_record
from tagtrail.hardware.protocols.session import ATTEMPTS, CHECK_LINE, Step

MERCURY: Final = "mercury"
SILION: Final = "mercury-silion"
_STOPPED: Final = bytes((Action.STOP,))
_STOPS: Final = frozenset({State.STOPPING, State.DRAINING})
_VERSION: Final = Step("ask for the version", (command(Op.VERSION),), CHECK_LINE)
_BOOT: Final = Step("boot the firmware", (command(Op.BOOT_FIRMWARE),), "load a firmware with the maker's tool")
_ROUND: Final = (LOOK, FETCH, FETCH_AGAIN, HOW_FAR, CLEAR)
_NO_MORE_TAGS: Final = frozenset({Status.NO_TAGS_FOUND, Status.TAG_BUFFER_NOT_ENOUGH_TAGS})
_SETTINGS_LOST: Final = frozenset(
    {Status.INVALID_OPCODE, Status.INVALID_REGION, Status.NO_PROTOCOL_DEFINED, Status.INVALID_ANTENNA_CONFIG}
)
"""Answers to a search that went before: the module has rebooted, perhaps into its bootloader."""
_LOST: Final = "the reader has lost its settings, as after a power cut"


class MercuryHost(CaringSession):
    """Host session of one Mercury module.

    The times of `Session` fit: queued tags come for up to 2 s after a stop (Mercury API, tm_reader_async.c waits as
    long); a module says something in each cycle of one second, tags or not; 255 bytes take 22 ms and a USB converter
    adds 16 ms.

    A module that knows no continuous reading is read in rounds; see `rounds`. One that reads continuously hears no
    other command, so it is paused to be asked for anything: for its temperature once a minute, unless it tells that by
    itself, and for its antennas when one is in trouble. A module that gets too hot reads for a part of the time, or not
    at all where it cannot do that, until it has cooled; one that was not asked in time stops transmitting, and tells
    nobody when it could go on.

    Raises:
        FaultsError: The settings cannot be obeyed by any module.
    """

    protocol: ClassVar[str] = MERCURY
    ports_max: ClassVar[int] = PORT_MAX
    regions: ClassVar[Mapping[str, int]] = REGIONS
    """Region codes by name."""
    reads_in_rounds: ClassVar[bool] = True
    """Whether a module may know no continuous reading."""
    stop_command = command(Op.MULTI_PROTOCOL_TAG_OP, STOP)
    flush = b"\xff" * 240  # serial_reader_l3.c, TMR_flush

    def __init__(self, settings: ReaderSettings) -> None:
        check_settings(
            self.protocol, settings, ports_max=self.ports_max, power_max_dbm=POWER_MAX_DBM, regions=self.regions
        )
        super().__init__(self.protocol, settings, framer_for(Direction.READER_TO_HOST, Counters()))
        self._hardware = b""
        self._plain: bool | None = None
        self._booted = False
        self._forget()

    def open(self, now_s: float) -> bytes:
        """Start anew on a freshly opened port; returns the first bytes to write."""
        self._forget()
        return super().open(now_s)

    def _forget(self) -> None:
        self.stop_command = type(self).stop_command
        self._buffer: TagBuffer | None = None
        self._paused = self._multiplexed = False
        self._start_refusals = 0
        self.care_anew()

    # -- what is sent

    def probe(self) -> list[Step]:
        """The version tells what follows."""
        self._booted = False
        return [_VERSION]

    def setup(self) -> list[Step]:
        """From the region up to the start."""
        return steps(self.settings, self._hardware)

    def start_steps(self) -> tuple[Step, ...]:
        """What starts continuous reading: with all power, and with rests where the module can do so."""
        metadata_flags = METADATA | (GPIO if self._multiplexed else 0)
        return start_step(metadata_flags), start_with_rests(metadata_flags)

    def configuration(self) -> list[Step]:
        """From the region to the start of continuous reading."""
        self._paused = False
        self._start_refusals = 0
        self._multiplexed = multiplexed(self.settings, self._hardware)
        self.starts = self.start_steps()
        todo = self.setup() + ([TEMPERATURE] if self.tells_temperature else [])
        return todo if self._buffer is not None else [*todo, self.starts[0]]

    def rounds(self) -> list[Step]:
        """What a paused module is asked before it goes on; or the next step of a round."""
        if self._buffer is None and not self._paused:
            return []  # it reads
        if self.tells_temperature and (self.lies_idle or self.now_s >= self.look_at_s):
            return [TEMPERATURE]
        if self.asks:
            return [ABOUT_ANTENNAS[min(self.asks)]]
        if self._buffer is not None:
            return [self._buffer.next()]
        return [self.starts[-1 if self.heat.rests and self.rests_while_reading else 0]]

    @property
    def begins(self) -> bool:
        """Whether the start of continuous reading is outstanding."""
        return self.step is not None and self.step in self.starts

    # -- what comes

    def hear(self, frame: bytes) -> None:
        """One good frame came."""
        opcode = frame[2]
        status = frame[3] << 8 | frame[4]
        data = frame[5:-2]
        if status == Status.FIRMWARE_ASSERT:
            self.tell(ReaderFault(status, status_name(status)))
            self.rebooted("the reader's firmware failed")
        elif opcode == Op.READ_TAG_MULTIPLE and self._buffer is None:
            self._notification(status, data)
        elif self._answers(opcode, status, data):
            self._reply(status, data)
        elif opcode == Op.BOOT_FIRMWARE:
            self.rebooted()
        elif opcode == Op.SILION_EXTENDED and self.protocol != SILION:
            self._belongs_to(SILION, "a Silion module that reads")
        elif opcode != Op.MULTI_PROTOCOL_TAG_OP or self.outstanding != self.stop_command:
            self.counters.reject("unexpected-reply")

    def _answers(self, opcode: int, status: int, data: bytes) -> bool:
        """Whether a reply is to the outstanding command, and not the late acknowledgement of another 2F before it."""
        awaited = self.outstanding
        if not awaited or opcode != awaited[2]:
            return False
        if opcode != Op.MULTI_PROTOCOL_TAG_OP:
            return True
        if awaited == self.stop_command:
            return status != Status.OK or data[:1] in (b"", _STOPPED)
        return data[:1] != _STOPPED

    def _reply(self, status: int, data: bytes) -> None:
        step = self.step
        if self._buffer is not None and step in _ROUND:
            self._round(self._buffer, step, status, data)
        elif self.state in _STOPS and status in CANNOT_STREAM:
            self.stopped("the reader knows no continuous reading")
        elif step is _VERSION:
            self._version(status, data)
        elif step is _BOOT:  # "invalid opcode" is the answer of a firmware that runs already
            self._booted = True
            self.run([_VERSION])
        elif step is TEMPERATURE:
            self.told_temperature(status, data)
        elif step in ABOUT_ANTENNAS.values():
            self.told_antennas(status, data)
        elif status != Status.OK:
            self._refused(status)
        elif self.outstanding[2] == Op.GET_REGION and not any(data):
            self.fail("the reader has no region: set the region of this reader in the store file")
        else:
            if self.begins:
                self._begun()
            elif step is self.pause:
                self._paused = True
                self.look_at_s = self.now_s if self.tells_temperature else inf
            self.answered()

    def _version(self, status: int, data: bytes) -> None:
        if status != Status.OK or len(data) != 20:
            self.refused(status, status_name(status))
            return
        hardware, firmware, protocols = data[4:8], data[12:16], data[16:]
        in_bootloader = not any(protocols)
        if not self._booted and (in_bootloader or hardware[0] < M6E):
            self.run([_BOOT])
        elif in_bootloader:
            self.fail(f"the reader stays in its bootloader; {_BOOT.advice}")
        elif (right := SILION if is_silion(hardware) else MERCURY) != self.protocol:
            self._belongs_to(right, model_name(hardware))
        else:
            self._hardware = hardware
            self._plain = hardware[0] == M7E
            self.found = f"found {model_name(hardware)}, firmware {firmware.hex('.')}"
            self.answered()

    def _belongs_to(self, protocol: str, found: str) -> None:
        """The module speaks another dialect."""
        if self.state in (State.STOPPING, State.PROBING):
            self.fail(f'found {found}: set protocol = "{protocol}" for this reader in the store file')
        else:
            self.counters.reject("unexpected-reply")

    def _refused(self, status: int) -> None:
        step = self.step
        not_known = status in NOT_KNOWN
        last_form = step is not None and self.outstanding == step.commands[-1]
        configuring = self.state is not State.STREAMING
        if step is not None and configuring and status in CANNOT_STREAM and self._reads_not(step):
            return
        if step is None or (not_known and not last_form and configuring):
            self.refused(status, status_name(status), not_known=not_known)
        elif self.begins:
            self._start_refused(step, status)
        elif not configuring and step is not self.pause and last_form and not step.optional:
            self.rebooted(_LOST)
        else:
            self.refused(status, status_name(status), not_known=not_known)

    def _reads_not(self, step: Step) -> bool:
        """Deal with a refusal to start, or to stop: the module has begun already, or has no continuous reading."""
        if not self.reads_in_rounds:
            return False
        if step is self.pause:
            self._read_in_rounds()
        elif self.begins and not self._start_refusals:
            self._start_refusals = 1
            self.run([self.pause, step])
        else:
            return False
        return True

    def _read_in_rounds(self) -> None:
        self._buffer = TagBuffer()
        self.stop_command = b""  # a round ends by itself
        self.look_later()
        self.started()

    def _begun(self) -> None:
        """Continuous reading has begun."""
        self.statistics = self.outstanding != self.starts[0].commands[-1]
        self._paused = False
        self._start_refusals = 0
        self.look_later(at_once=self.heat.rests and self.outstanding in self.starts[0].commands)

    def _start_refused(self, step: Step, status: int) -> None:
        if self.state is State.STREAMING:
            self._start_again_refused(step, status)
        elif status in CANNOT_STREAM and self.reads_in_rounds:
            self._read_in_rounds()
        elif status in ABOUT_ANTENNAS:
            self.run([ABOUT_ANTENNAS[Status(status)]])
        elif status in ADVICE:
            self.fail(f"could not {step.what}: the reader answered {status:04X} {fault_line(status)}")
        else:
            self.refused(status, status_name(status), not_known=status in NOT_KNOWN)

    def _start_again_refused(self, step: Step, status: int) -> None:
        """A start that has worked before, or one with rests; perhaps the module reads, and its answer was lost."""
        if status not in NOT_KNOWN:
            self.follow(status)
            self.refused(status, fault_line(status))
            return
        self._start_refusals += 1
        if self._start_refusals > 1 and step != self.starts[0]:
            self.can_rest = False
        if self._start_refusals > ATTEMPTS:
            self.restart(f"could not {step.what}: the reader answered {status:04X} {status_name(status)}")
        else:
            self.run([self.pause])

    # -- what comes while reading continuously

    def _notification(self, status: int, data: bytes) -> None:
        if self.step is not None and self.begins:  # the acknowledgement was lost
            self._begun()
            if self.state is State.STREAMING:
                self.answered()
            else:
                self.started()
        if status == Status.NO_TAGS_FOUND:
            self.alive()
        elif status != Status.OK:
            self.tell(ReaderFault(status, fault_line(status)))
            self.follow(status)
        elif not data:
            self.alive()
        else:
            try:
                self._content(data)
            except BadData as bad:
                self.counters.reject(bad.reason)

    def _content(self, data: bytes) -> None:
        if len(data) <= COUNT_SIZE_MAX and parse_count(data) is not None:
            self.counters.reject("unexpected-reply")  # to a search of another host
            return
        head = parse_head(data)
        if head.kind == Kind.TAG:
            self._seen(unpack_record(data, head.body, head.metadata_flags or 0)[0])
        elif head.kind == Kind.STATISTICS and head.search_flags & Search.STREAM_STATISTICS:
            temperature_c = parse_temperature(data[head.body :])
            changed = temperature_c is not None and self.measured(temperature_c)
            if changed and self.state is State.STREAMING and self.step is None:
                self.run([self.pause])
        elif head.kind in (Kind.STATISTICS, Kind.ROUND_SUMMARY):
            self.alive()
        elif head.kind != Kind.END:
            raise BadData("response-type", f"a notification of unknown type {head.kind}")
        elif self.state is State.STREAMING and self.step is None:
            self.restart("the reader has ended continuous reading")

    def _seen(self, record: Record) -> None:
        self.seen(tag_seen(record, plain_antenna=self._plain, multiplexed=self._multiplexed))

    # -- what comes while reading in rounds

    def _round(self, buffer: TagBuffer, step: Step, status: int, data: bytes) -> None:
        """The answer to a step of a round."""
        worked = True
        if step == LOOK and status in _SETTINGS_LOST:
            self.rebooted(_LOST)
            return
        if status not in (Status.OK, Status.TAG_BUFFER_FULL, *_NO_MORE_TAGS):
            self._round_refused(buffer, step, status)
            return
        try:
            if step == LOOK:
                self._found(buffer, status, data)
            elif step == HOW_FAR:
                buffer.told(*(parse_how_far(data) or (0, 0)))
            elif step == CLEAR:
                buffer.cleared()
            elif status == Status.OK:
                self._fetched(buffer, parse_piece(data))
            else:
                buffer.fetched(0)
        except BadData as bad:
            self.counters.reject(bad.reason)
            buffer.refused(step)
            worked = False
        if self.state is State.DRAINING and buffer.unread:
            self.run([buffer.next()])
        else:
            self.answered(worked=worked)

    def _round_refused(self, buffer: TagBuffer, step: Step, status: int) -> None:
        not_known = status in NOT_KNOWN
        if not not_known or self.outstanding == step.commands[-1]:
            buffer.refused(step)
            self.follow(status)
        if self.state is State.DRAINING:
            self.answered()
        else:
            self.refused(status, fault_line(status), not_known=not_known)

    def _found(self, buffer: TagBuffer, status: int, data: bytes) -> None:
        if status == Status.TAG_BUFFER_FULL:
            return  # the next step asks for how many there are
        count = parse_count(data) if status == Status.OK else 0
        if count is None:
            raise BadData("tag-count", "a search that does not tell how many tags it has found")
        buffer.found(count)
        if not count:
            self.alive()

    def _fetched(self, buffer: TagBuffer, piece: Piece) -> None:
        buffer.fetched(len(piece.records))
        for record in piece.records:
            try:
                self._seen(record)
            except BadData as bad:
                self.counters.reject(bad.reason)
