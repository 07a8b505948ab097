"""Care for a module that reads continuously: its temperature, and its antennas when one is in trouble.

Such a module hears no command but the one that stops it, so it is paused to be asked.
"""

from math import inf
from typing import Final

from tagtrail.hardware.protocols.framing import Framer
from tagtrail.hardware.protocols.heat import TOO_HOT, Heat
from tagtrail.hardware.protocols.interface import Event, ReaderFault, ReaderSettings, State, Temperature
from tagtrail.hardware.protocols.mercury.frame import command
from tagtrail.hardware.protocols.mercury.replies import CONNECTED, RETURN_LOSS
from tagtrail.hardware.protocols.mercury.setup import NOT_KNOWN
from tagtrail.hardware.protocols.mercury.tables import Op, Status, fault_line
from tagtrail.hardware.protocols.session import Session, Step

LOOK_S: Final = 60.0
"""Between two questions for the temperature, or for the antennas while these are in trouble."""
COOLING_S: Final = 5.0
"""What a module that is too hot is given on top of the usual silence, before it is asked how hot it is."""
RETURN_LOSS_MIN_DB: Final = 10
"""Below this more than a tenth of the power comes back from the antenna."""


TEMPERATURE: Final = Step("ask for the temperature", (command(Op.GET_TEMPERATURE),), optional=True)
ABOUT_ANTENNAS: Final = {
    Status.ANTENNA_NOT_CONNECTED: Step(
        "ask which antennas are connected", (command(Op.GET_ANTENNA_PORT, bytes((CONNECTED,))),)
    ),
    Status.HIGH_RETURN_LOSS: Step(
        "ask for the return loss of the antennas", (command(Op.GET_ANTENNA_PORT, bytes((RETURN_LOSS,))),)
    ),
}
"""By fault: what tells the ports that it is about."""


class CaringSession(Session):
    """What `MercuryHost` needs for it.

    Attributes:
        pause: Stops reading for a while.
        starts: What starts it: with all power, and with rests where the module can do so.
    """

    def __init__(self, family: str, settings: ReaderSettings, framer: Framer) -> None:
        super().__init__(family, settings, framer)
        self.care_anew()

    def care_anew(self) -> None:
        """Forget all that was told."""
        self.pause = Step("pause reading", (self.stop_command,), timeout_s=self.drain_s)
        self.starts: tuple[Step, ...] = ()
        self.statistics = False
        """It tells its temperature along."""
        self.can_rest = True
        """It can read with rests, as far as is known."""
        self.heat = Heat()
        self.tells_temperature = True
        self.look_at_s = inf
        """When it is asked."""
        self.asks: set[Status] = set()
        """Faults whose ports are to be asked for."""
        self._asked_s: dict[Status, float] = {}

    @property
    def rests_while_reading(self) -> bool:
        """Whether the module can read for a part of the time, and tells its temperature along."""
        return self.statistics and self.can_rest and len(self.starts) > 1

    @property
    def lies_idle(self) -> bool:
        """Whether the module is too hot to read at all."""
        return self.heat.rests and not self.rests_while_reading

    def tick(self, now_s: float) -> tuple[list[Event], bytes]:
        """Let time pass; a module that streams is paused when something is to be asked."""
        if self.state is State.STREAMING and self.step is None and now_s >= self.look_at_s:
            self.now_s = now_s
            self.run([self.pause])
        return super().tick(now_s)

    def due_s(self) -> float:
        """When `tick` has something to do even if no byte comes; infinite if never."""
        due_s = super().due_s()
        return min(due_s, self.look_at_s) if self.state is State.STREAMING and self.step is None else due_s

    def look_later(self, *, at_once: bool = False) -> None:
        """Ask for the temperature in a while, or as soon as can be."""
        delay_s = 0.0 if at_once else LOOK_S
        self.look_at_s = self.now_s + delay_s if self.tells_temperature else inf

    def told_temperature(self, status: int, data: bytes) -> None:
        """The answer to `TEMPERATURE`."""
        if status == Status.OK and len(data) == 1:
            self.measured(int.from_bytes(data, "big", signed=True))
            self.answered(worked=not self.lies_idle)
        elif status == Status.OK or status in NOT_KNOWN:
            self.tells_temperature = False
            self.heat = Heat()
            self.look_at_s = inf
            self.answered()
        else:
            self.look_later()
            if self.state is State.STREAMING:
                self.refused(status, fault_line(status))
            else:
                self.answered()

    def measured(self, temperature_c: int) -> bool:
        """The module has told its temperature; returns whether it is to read otherwise from now on."""
        before = self.heat.rests
        self.tell(Temperature(temperature_c))
        if self.heat.measured(temperature_c):
            self.tell(ReaderFault(Op.GET_TEMPERATURE, TOO_HOT))
        self.look_later()
        return self.heat.rests is not before

    def told_antennas(self, status: int, data: bytes) -> None:
        """The answer to one of `ABOUT_ANTENNAS`: which ports the fault is about."""
        fault = next(fault for fault, step in ABOUT_ANTENNAS.items() if step is self.step)
        self.asks.discard(fault)
        self._asked_s[fault] = self.now_s
        told = dict(zip(data[1::2], data[2::2], strict=False)) if status == Status.OK else {}
        enough = 1 if fault is Status.ANTENNA_NOT_CONNECTED else RETURN_LOSS_MIN_DB
        ports = [each.port for each in self.settings.antennas if told.get(each.port, enough) < enough]
        where = f" on antenna port {', '.join(map(str, ports))}" if ports else ""
        if self.state is State.CONFIGURING:
            self.fail(f"could not {self.starts[0].what}: the reader answered {fault:04X} {fault_line(fault, where)}")
            return
        if ports:
            self.tell(ReaderFault(fault, fault_line(fault, where)))
        self.answered()

    def follow(self, status: int) -> None:
        """What is to be asked after a fault."""
        if status == Status.TEMPERATURE_EXCEEDS_LIMITS:
            self.hot()
            self.look_at_s = min(self.look_at_s, self.now_s + self.silence_s + COOLING_S)
        elif status in ABOUT_ANTENNAS and self.now_s - self._asked_s.get(Status(status), -inf) >= LOOK_S:
            self.asks.add(Status(status))
            self.look_at_s = self.now_s
