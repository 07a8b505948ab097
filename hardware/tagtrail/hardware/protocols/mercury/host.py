"""The host's side of a Mercury line: what its frames say to the session."""

from collections.abc import Mapping
from typing import ClassVar, Final

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols.check import check_settings
from tagtrail.hardware.protocols.interface import Counters, ReaderFault, ReaderSettings, State, Temperature
from tagtrail.hardware.protocols.mercury.frame import Direction, command, framer_for
from tagtrail.hardware.protocols.mercury.setup import NOT_KNOWN, PORT_MAX, POWER_MAX_DBM, steps
from tagtrail.hardware.protocols.mercury.streaming import STOP, Action, Kind, Search, parse_head, parse_temperature
from tagtrail.hardware.protocols.mercury.tables import M6E, M7E, REGIONS, Op, Status, is_silion, model_name, status_name
from tagtrail.hardware.protocols.mercury.tags import tag_seen, unpack_record
from tagtrail.hardware.protocols.session import CHECK_LINE, Session, Step

MERCURY: Final = "mercury"
SILION: Final = "mercury-silion"
_STOPPED: Final = bytes((Action.STOP,))
_VERSION: Final = Step("ask for the version", (command(Op.VERSION),), CHECK_LINE)
_BOOT: Final = Step("boot the firmware", (command(Op.BOOT_FIRMWARE),), "load a firmware with the maker's tool")


class MercuryHost(Session):
    """Host session of one Mercury module.

    The times of `Session` fit: queued tags come for up to 2 s after a stop (Mercury API, tm_reader_async.c waits as
    long); a module says something in each cycle of one second, tags or not; 255 bytes take 22 ms and a USB converter
    adds 16 ms. A module that is too hot stops transmitting and tells nobody when it goes on.

    Raises:
        FaultsError: The settings cannot be obeyed by any module.
    """

    protocol: ClassVar[str] = MERCURY
    regions: ClassVar[Mapping[str, int]] = REGIONS
    """Region codes by name."""
    stop_command = command(Op.MULTI_PROTOCOL_TAG_OP, STOP)
    flush = b"\xff" * 240  # serial_reader_l3.c, TMR_flush

    def __init__(self, settings: ReaderSettings) -> None:
        check_settings(self.protocol, settings, ports_max=PORT_MAX, power_max_dbm=POWER_MAX_DBM, regions=self.regions)
        super().__init__(self.protocol, settings, framer_for(Direction.READER_TO_HOST, Counters()))
        self._hardware = b""
        self._booted = False

    def probe(self) -> list[Step]:
        """The version tells what follows."""
        self._booted = False
        return [_VERSION]

    def configuration(self) -> list[Step]:
        """From the region to the start of continuous reading."""
        return steps(self.settings, self._hardware)

    def hear(self, frame: bytes) -> None:
        """One good frame came."""
        opcode = frame[2]
        status = frame[3] << 8 | frame[4]
        data = frame[5:-2]
        if status == Status.FIRMWARE_ASSERT:
            self.tell(ReaderFault(status, status_name(status)))
            self.rebooted("the reader's firmware failed")
        elif opcode == Op.READ_TAG_MULTIPLE:
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
        if self.step is _VERSION:
            self._version(status, data)
        elif self.step is _BOOT:  # "invalid opcode" is the answer of a firmware that runs already
            self._booted = True
            self.run([_VERSION])
        elif status != Status.OK:
            self.refused(status, status_name(status), not_known=status in NOT_KNOWN)
        elif self.outstanding[2] == Op.GET_REGION and not any(data):
            self.fail("the reader has no region: set the region of this reader in the store file")
        else:
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
            self.found = f"found {model_name(hardware)}, firmware {firmware.hex('.')}"
            self.answered()

    def _belongs_to(self, protocol: str, found: str) -> None:
        """The module speaks another dialect."""
        if self.state in (State.STOPPING, State.PROBING):
            self.fail(f'found {found}: set protocol = "{protocol}" for this reader in the store file')
        else:
            self.counters.reject("unexpected-reply")

    # -- what comes while reading

    def _notification(self, status: int, data: bytes) -> None:
        if self.starting:
            self.started()  # the acknowledgement was lost
        if status == Status.NO_TAGS_FOUND:
            self.alive()
        elif status != Status.OK:
            self.tell(ReaderFault(status, status_name(status)))
            if status == Status.TEMPERATURE_EXCEEDS_LIMITS:
                self.hot()
        elif not data:
            self.alive()
        else:
            try:
                self._content(data)
            except BadData as bad:
                self.counters.reject(bad.reason)

    def _content(self, data: bytes) -> None:
        head = parse_head(data)
        if head.kind == Kind.TAG:
            record, _ = unpack_record(data, head.body, head.metadata_flags or 0)
            plain = self._hardware[0] == M7E if self._hardware else None
            self.seen(tag_seen(record, plain_antenna=plain))
        elif head.kind == Kind.STATISTICS and head.search_flags & Search.STREAM_STATISTICS:
            temperature_c = parse_temperature(data[head.body :])
            if temperature_c is not None:
                self.tell(Temperature(temperature_c))
        elif head.kind in (Kind.STATISTICS, Kind.ROUND_SUMMARY):
            self.alive()
        elif head.kind != Kind.END:
            raise BadData("response-type", f"a notification of unknown type {head.kind}")
        elif self.state is State.STREAMING:
            self.restart("the reader has ended continuous reading")
