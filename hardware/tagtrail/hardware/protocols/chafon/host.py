"""The host's side of a Chafon line: find the reader, configure it, keep it reading in rounds."""

from typing import Final

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols.chafon import setup
from tagtrail.hardware.protocols.chafon.frame import command, look_for_reply
from tagtrail.hardware.protocols.chafon.tables import ADVICE, NOT_FAULTS, STATUS_NAMES, Command, Layout, Status
from tagtrail.hardware.protocols.chafon.tags import (
    Info,
    Record,
    parse_info,
    parse_inventory,
    parse_report,
    tag_seen,
    temperature_c,
)
from tagtrail.hardware.protocols.framing import Framer
from tagtrail.hardware.protocols.heat import TOO_HOT, Heat
from tagtrail.hardware.protocols.interface import Counters, ReaderFault, ReaderSettings, State, Temperature
from tagtrail.hardware.protocols.session import Session, Step

CHECK_S: Final = 10.0
"""How often the reader is asked whether it still has its settings: it reboots without a word, and then reads on with
the power that is saved in it."""
REST_S: Final = 10.0
"""How long an antenna is left out after the reader has found it missing."""
HELD_MAX: Final = 256
"""Frames that are kept until the reader has told its layout; a line at 57600 baud brings fewer in the meantime."""

_NOT_KNOWN: Final = frozenset({Status.WRONG_LENGTH, Status.ILLEGAL_COMMAND})
_GO_ON: Final = frozenset({Status.MORE_FRAMES, Status.STATISTICS})
_READING: Final = frozenset({Command.INVENTORY, Command.AUTO_REPORT})
_STOPS: Final = frozenset({State.STOPPING, State.DRAINING})


class ChafonHost(Session):
    """Host session of one reader in answer mode; see `tagtrail.hardware.protocols.interface.HostSession`.

    The reader is asked for one round of reading after the other, antenna by antenna. A reader that was left in real
    time mode, in which it speaks unasked even after a power cut, is brought back; what it reports until then counts.

    Raises:
        FaultsError: The settings cannot be obeyed by any reader of the family.
    """

    stop_command = command(Command.STOP_INVENTORY)
    gap_s = 0.015
    """A shorter pause between commands is no pause to the reader (UHFReader18 User's Manual V2.0, 2)."""

    def __init__(self, settings: ReaderSettings) -> None:
        setup.check(settings)
        super().__init__("chafon", settings, Framer(look_for_reply, Counters()))
        self._held: list[bytes] = []
        self._forget()

    def open(self, now_s: float) -> bytes:
        """Start anew on a freshly opened port; returns the first bytes to write."""
        self._forget()
        return super().open(now_s)

    def _forget(self) -> None:
        self._info: Info | None = None
        self._layout: Layout | None = None
        self._address = 0
        for _ in self._held:
            self.counters.reject("layout-unknown")
        self._held.clear()
        self._real_time = False
        self._at_start: Info | None = None
        self._trouble = 0
        self._check_at_s = 0.0
        self._tells_temperature = True
        self._heat = Heat()
        self._resting: dict[int, float] = {}

    # -- what is sent

    def probe(self) -> list[Step]:
        """The reader's information: its layout, and what it need not be told."""
        return [setup.INFO]

    def configuration(self) -> list[Step]:
        """Bring the reader into answer mode, then set it up."""
        info = self._known()
        self._at_start = None
        self._check_at_s = self.now_s
        if info.layout is Layout.WITHOUT_ANTENNA:
            if len(self.settings.antennas) > 1:
                self.fail(f"a {info.model} has one antenna: give this reader a single antenna in the store file")
                return []
            mode = [setup.WORK_MODE_18]
        else:
            mode = [setup.ANSWER_MODE] if self._real_time else [setup.WORK_MODE]
        return mode + setup.steps(self.settings, info)

    def rounds(self) -> list[Step]:
        """One round for each antenna, but for those that are missing; now and then a look at the reader itself.

        While it is too hot, only its temperature is asked for.
        """
        if self._heat.rests:
            return [setup.TEMPERATURE]
        layout = self._known().layout
        antennas = [a for a in self.settings.antennas if self._resting.get(a.port, 0.0) <= self.now_s]
        todo = [setup.round_of(antenna, self.settings, layout) for antenna in antennas or self.settings.antennas]
        counters = self.counters
        trouble = counters.timeouts + counters.checksum_errors + counters.resyncs
        if trouble != self._trouble or self.now_s >= self._check_at_s:
            self._trouble = trouble
            self._check_at_s = self.now_s + CHECK_S
            look = [setup.CHECK] + ([setup.TEMPERATURE] if self._tells_temperature else [])
            return todo + look if self._at_start is None else look + todo
        return todo

    def _known(self) -> Info:
        assert self._info is not None
        return self._info

    # -- what comes

    def hear(self, frame: bytes) -> None:
        """One good frame came."""
        code = frame[2]
        if self._layout is not None and frame[1] != self._address:
            self.counters.reject("other-address")
        elif code in _READING:
            if self._layout is not None:
                self._reading(code, frame[3], frame[4:-2], self._layout)
            elif len(self._held) < HELD_MAX:
                self._held.append(frame)
            else:
                self.counters.reject("layout-unknown")
        elif self._awaits(code):
            self._reply(code, frame[3], frame[4:-2], frame[1])
        elif code == Command.UNKNOWN and self.outstanding:
            self._refused(frame[3])
        elif code != Command.STOP_INVENTORY:  # it comes late when the round's end was taken for it
            self.counters.reject("unexpected-reply")

    def _awaits(self, code: int) -> bool:
        return self.outstanding[2:3] == bytes((code,))

    def _reading(self, code: int, status: int, data: bytes, layout: Layout) -> None:
        if code == Command.AUTO_REPORT:
            self._report(status, data)
            return
        if status in NOT_FAULTS or status == Status.MEMORY_FULL:
            records: list[Record] = []
            if data and status != Status.STATISTICS:
                try:
                    records = parse_inventory(data, layout)
                except BadData as bad:
                    self.counters.reject(bad.reason)
            for record in records:
                self._seen(record)
            if status not in _GO_ON:
                self._round_ended(status, tags=bool(records))
        elif self.state in _STOPS or self._awaits(Command.INVENTORY):
            self._refused(status)
        else:
            self.counters.reject("unexpected-reply")

    def _round_ended(self, status: int, *, tags: bool) -> None:
        if self.state in _STOPS:
            self.stopped("the last round has ended")
        elif self._awaits(Command.INVENTORY):
            if status == Status.MEMORY_FULL:
                self.tell(ReaderFault(status, self._fault_name(status)))
            elif not tags:
                self.alive()
            self.answered()

    def _seen(self, record: Record) -> None:
        try:
            self.seen(tag_seen(record))
        except BadData as bad:
            self.counters.reject(bad.reason)

    def _report(self, status: int, data: bytes) -> None:
        if status == Status.HEARTBEAT:
            self.alive()
        elif status == Status.OK:
            try:
                self._seen(parse_report(data))
            except BadData as bad:
                self.counters.reject(bad.reason)
        else:
            self.tell(ReaderFault(status, self._fault_name(status)))
        self._real_time = True
        if self.state is State.STREAMING:
            self.restart("the reader has been set to real time mode")

    def _reply(self, code: int, status: int, data: bytes, address: int) -> None:
        step = self.step
        if status != Status.OK:
            self._refused(status)
        elif code == Command.GET_READER_INFO:
            self._look_at(data, address)
        elif code == Command.GET_TEMPERATURE:
            self._temperature(data)
        elif step is setup.WORK_MODE and data[:1] not in (b"", b"\0"):
            self.run([setup.ANSWER_MODE, *setup.steps(self.settings, self._known())])
        elif step is setup.WORK_MODE_18 and setup.mode_18(data):
            self.run([setup.answer_mode_18(data), *setup.steps(self.settings, self._known())])
        else:
            if step is setup.ANSWER_MODE:
                self._real_time = False
            self.answered()

    def _temperature(self, data: bytes) -> None:
        try:
            degrees = temperature_c(data)
        except BadData as bad:
            self.counters.reject(bad.reason)
            self._no_temperature()
            return
        self.tell(Temperature(degrees))
        if self._heat.measured(degrees):
            self.refused(Command.GET_TEMPERATURE, TOO_HOT)
        else:
            self.answered()

    def _no_temperature(self) -> None:
        """The reader does not tell it, so nothing can be made of it."""
        self._tells_temperature = False
        self._heat = Heat()
        self.answered()

    def _look_at(self, data: bytes, address: int) -> None:
        """What the reader says of itself, when it is found and later on."""
        try:
            info = parse_info(data)
        except BadData as bad:
            self.fail(f"could not {setup.INFO.what}: {bad}; update the reader's firmware")
            return
        before = self._at_start
        if self.state is State.STREAMING:
            self._at_start = info
            if before is not None and self._settings_of(before) != self._settings_of(info):
                self.rebooted("the reader has lost its settings, as after a power cut")
                return
        else:
            self._info, self._layout, self._address = info, info.layout, address
            self.found = f"found {info.model}, firmware {info.version[0]}.{info.version[1]}"
        held, self._held = self._held, []
        for frame in held:
            self._reading(frame[2], frame[3], frame[4:-2], info.layout)
        self.answered()

    def _settings_of(self, info: Info) -> tuple[int | None, ...]:
        power = info.power_dbm if setup.one_power(self.settings) else None
        return info.channel_max, info.channel_min, power, info.antenna_mask

    def _refused(self, status: int) -> None:
        step = self.step
        if self.state in _STOPS:
            self.stopped("the reader is not reading")
            return
        if step is setup.TEMPERATURE:
            self._no_temperature()
            return
        if step is not None and self._info is not None and status == Status.ANTENNA_ERROR:
            self._rest(step)
        another_form = status == Status.WRONG_PARAMETER and step is not None and len(step.commands) > 1
        self.refused(status, self._fault_name(status), not_known=status in _NOT_KNOWN or another_form)

    def _rest(self, step: Step) -> None:
        for antenna in self.settings.antennas:
            if step == setup.round_of(antenna, self.settings, self._known().layout):
                self._resting[antenna.port] = self.now_s + REST_S

    def _fault_name(self, status: int) -> str:
        """The name of a status; while reading also where it happened and what to do."""
        name = STATUS_NAMES.get(status, "unknown")
        if self.state is not State.STREAMING or self.step is None:
            return name
        advice = ADVICE.get(status)
        return f"{name}, could not {self.step.what}" + (f"; {advice}" if advice else "")
