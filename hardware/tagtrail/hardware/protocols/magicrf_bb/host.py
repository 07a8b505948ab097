"""The host's side of an M100 line: find the module, configure it, keep it polling."""

from typing import Final

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols.check import check_settings
from tagtrail.hardware.protocols.framing import Framer
from tagtrail.hardware.protocols.interface import Counters, ReaderFault, ReaderSettings, State
from tagtrail.hardware.protocols.magicrf_bb.frame import (
    Variant,
    frame,
    in_any_variant,
    is_tag,
    look_at_answer,
    tag_seen,
)
from tagtrail.hardware.protocols.magicrf_bb.tables import REGIONS, Command, Error, error_name
from tagtrail.hardware.protocols.session import CHECK_LINE, Session, Step

FAMILY: Final = "magicrf-bb"
POWER_MAX_DBM: Final = 33.0
POLLS: Final = 0xFFFF
"""Polls after which the module stops by itself, without a word; the most that a command can ask for."""
POLLS_RENEWED: Final = 60_000
"""Each poll gives at least one frame, so before so many frames have come the module is still polling."""
AUTOMATIC: Final = b"\xff"
NEVER: Final = b"\x01"
QUERY: Final = bytes.fromhex("1020")
"""Session S0, target A, Q = 4: a tag answers in every round (section 4, set query parameters)."""
HARDWARE, FIRMWARE = b"\0", b"\1"
_MULTI_POLL: Final = b"\x22" + POLLS.to_bytes(2, "big")
_ADVICE: Final = {Error.FHSS_FAIL: "all channels are in use; keep other readers away, or set another region"}


class MagicRfHost(Session):
    """Host session of one M100 module; see `tagtrail.hardware.protocols.interface.HostSession`.

    Raises:
        FaultsError: The settings cannot be obeyed by any module.
    """

    stop_command = in_any_variant(Command.STOP_MULTI_POLL)

    def __init__(self, settings: ReaderSettings) -> None:
        check_settings(FAMILY, settings, ports_max=1, power_max_dbm=POWER_MAX_DBM, regions=REGIONS)
        super().__init__(FAMILY, settings, Framer(look_at_answer, Counters()))
        self._variant: Variant | None = None
        self._polled = 0

    # -- what is asked

    def probe(self) -> list[Step]:
        """Which module."""
        self._variant = None
        return [
            Step("ask for the hardware", (in_any_variant(Command.GET_INFO, HARDWARE),), CHECK_LINE),
            Step("ask for the firmware", (in_any_variant(Command.GET_INFO, FIRMWARE),), optional=True),
        ]

    def configuration(self) -> list[Step]:
        """Region, power, what is polled how; then polling starts."""
        power_dbm = self.settings.antennas[0].power_dbm
        power = round(power_dbm * 100).to_bytes(2, "big")
        steps = [
            Step(
                "set the transmit power",
                (self._command_for(Command.SET_POWER, power),),
                f"give a power_dbm that the module has; now {power_dbm:g}",
            ),
            Step("let it hop", (self._command_for(Command.SET_FHSS, AUTOMATIC),), optional=True),
            Step("poll all tags", (self._command_for(Command.SET_SELECT_MODE, NEVER),), optional=True),
            Step("set session and target", (self._command_for(Command.SET_QUERY, QUERY),), optional=True),
            self._start(),
        ]
        name = self.settings.region
        if name is not None:
            command = self._command_for(Command.SET_REGION, bytes((REGIONS[name.upper()],)))
            advice = f"give another region than {name}, one that the module is built for"
            steps.insert(0, Step("set the region", (command,), advice))
        return steps

    def _start(self) -> Step:
        self._polled = 0
        return Step("start polling", (self._command_for(Command.MULTI_POLL, _MULTI_POLL),))

    def _command_for(self, command: Command, parameters: bytes = b"") -> bytes:
        return frame(command, parameters, variant=self._variant or Variant.BB_7E)

    # -- what is heard

    def hear(self, frame: bytes) -> None:
        """One good frame came."""
        command, parameters = frame[2], frame[5:-2]
        if self._variant is not None and frame[0] != self._variant.value[0]:
            self.counters.reject("variant")
        elif is_tag(frame):
            self._polls()
            try:
                self.seen(tag_seen(frame))
            except BadData as bad:
                self.counters.reject(bad.reason)
        elif command == Command.ERROR:
            self._error(parameters[0])
        elif not self._asked(command):
            self.counters.reject("unexpected-reply")
        elif command == Command.GET_INFO:
            self._info(Variant((frame[0], frame[-1])), parameters)
        elif len(parameters) == 1 and parameters[0] != 0:
            self.refused(parameters[0], error_name(parameters[0]))
        else:
            self.answered()

    def _asked(self, command: int) -> bool:
        return self.outstanding[2:3] == bytes((command,))

    def _info(self, variant: Variant, parameters: bytes) -> None:
        """The hardware, then the firmware; both are texts."""
        text = parameters[1:].decode("ascii", "replace").strip()
        if parameters[:1] == HARDWARE:
            self._variant = variant
            self.found = f"found {text}"
        elif parameters[:1] == FIRMWARE and self._variant is not None:
            self.found += f", firmware {text}"
        self.answered()

    def _error(self, code: int) -> None:
        if code == Error.INVENTORY_FAIL_NO_TAG:
            self._polls()
            self.alive()
            return
        advice = _ADVICE.get(Error(code)) if code in _ADVICE else None
        told = error_name(code) + (f": {advice}" if advice else "")
        if self.outstanding and self.state is not State.STREAMING:
            self.refused(code, told, not_known=code == Error.COMMAND_ERROR)
        else:
            self.tell(ReaderFault(code, told))

    def _polls(self) -> None:
        """A frame of a poll: the answer to the command that starts them; and it begins anew long before they end."""
        if self._asked(Command.MULTI_POLL):
            self.answered()
        if self.state is not State.STREAMING:
            return
        self._polled += 1
        if self._polled >= POLLS_RENEWED:
            stop = self._command_for(Command.STOP_MULTI_POLL)
            self.run([Step("stop polling", (stop,)), self._start()])
