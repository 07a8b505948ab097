"""What goes wrong with readers, lines, clocks and messages, as a scenario tells it. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta

from tagtrail.hardware.store import Store
from tagtrail.simulator.geometry import Floats

Kind = Literal[
    "unplug", "silence", "garbage", "power-cut", "antenna", "slow-clock", "wrong-clock", "duplicate", "reorder"
]
ON_READERS: Final = frozenset({"unplug", "silence", "garbage", "power-cut", "antenna"})
"""What happens to a reader or its line; the rest happens to an agent and its messages."""
YEAR_US: Final = 31_557_600 * 1_000_000
"""365.25 days."""


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something goes wrong for a while.

    - ``unplug``: the cable is out: the port is gone, and comes back. The reader keeps its power and its settings.
    - ``silence``: the reader neither hears nor speaks; its port is there.
    - ``garbage``: bytes that mean nothing stand between the reader's frames.
    - ``power-cut``: the reader is dark, and knows nothing of its settings afterwards; its port stays.
    - ``antenna``: one antenna loses ``loss_db`` each way, or everything.
    - ``slow-clock``: an agent's clock goes slow.
    - ``wrong-clock``: an agent's clock is years off.
    - ``duplicate``: an agent's messages arrive twice.
    - ``reorder``: an agent's messages arrive in another order.

    What a reader sees while nobody can hear it is lost, as in a shop. The faults of agents and messages act where the
    simulator publishes by itself; where an edge does, its clock is set there.
    """

    kind: Annotated[Kind, Meta(description="what goes wrong")]
    at: Annotated[float, Meta(ge=0, description="minutes after the start")] = 0.0
    minutes: Annotated[float, Meta(gt=0, description="how long; not given: to the end")] = float("inf")
    reader: Annotated[str, Meta(description="which reader; not given: all")] = ""
    antenna: Annotated[int, Meta(ge=1, description="its port number, as printed on the reader")] | None = None
    loss_db: (
        Annotated[float, Meta(ge=0, le=100, description="what a weak antenna loses each way; not given: it is off")]
        | None
    ) = None
    agent: Annotated[str, Meta(description="whose messages or clock; not given: everybody's")] = ""
    slow_s_per_hour: Annotated[float, Meta(ge=0, lt=3600, description="seconds that a slow clock loses in an hour")] = (
        60.0
    )
    years: Annotated[
        float, Meta(ge=-70, le=70, description="how far off a wrong clock is; behind where negative")
    ] = -26.0
    garbage_bytes: Annotated[int, Meta(ge=1, le=2000, description="bytes of garbage in half a second")] = 20
    share: Annotated[float, Meta(gt=0, le=1, description="of the messages, how many come twice or too late")] = 0.5

    def faults(self, store: Store) -> list[str]:
        """What cannot be in a store, one ``key: reason`` each."""
        found = []
        readers = {reader.id: reader for reader in store.reader}
        if self.reader and self.reader not in readers:
            found.append(f"reader: {self.reader!r} is no reader of store {store.id!r}; it has {', '.join(readers)}")
        if self.kind == "antenna":
            if self.antenna is None or not self.reader:
                found.append("antenna: say which one: reader and antenna")
            elif self.reader in readers and self.antenna not in {a.port for a in readers[self.reader].antenna}:
                found.append(f"antenna: reader {self.reader!r} has no antenna {self.antenna}")
        elif self.antenna is not None:
            found.append(f"antenna: a fault of kind {self.kind!r} is not one of an antenna")
        if self.kind in ON_READERS and self.agent:
            found.append(f"agent: a fault of kind {self.kind!r} happens to a reader, not to an agent")
        if self.kind not in ON_READERS and self.reader:
            found.append(f"reader: a fault of kind {self.kind!r} happens to an agent, not to a reader")
        return found

    @property
    def begins_s(self) -> float:
        """Seconds after the start."""
        return self.at * 60

    @property
    def ends_s(self) -> float:
        """Seconds after the start; the first at which all is well."""
        return (self.at + self.minutes) * 60

    def active(self, time_s: float) -> bool:
        """Whether it is so, at seconds after the start."""
        return self.begins_s <= time_s < self.ends_s


def at_reader(faults: Iterable[Fault], reader: str, time_s: float) -> Iterator[Fault]:
    """What is wrong with a reader and its line at a time."""
    return (
        fault for fault in faults if fault.kind in ON_READERS and fault.reader in ("", reader) and fault.active(time_s)
    )


def at_agent(faults: Iterable[Fault], agent: str, time_s: float) -> Iterator[Fault]:
    """What is wrong with an agent's clock and its messages at a time."""
    return (
        fault
        for fault in faults
        if fault.kind not in ON_READERS and fault.agent in ("", agent) and fault.active(time_s)
    )


def antenna_gain_db(faults: Iterable[Fault], antennas: Sequence[tuple[str, int]], time_s: float) -> Floats:
    """What broken antennas do to the link, one way: 0 for those that are well, negative for weak ones, -inf for none.

    Add it to the transmit powers, and once more to the RSSI: the way back is as weak.

    Args:
        faults: All of a scenario.
        antennas: Reader id and port number of each antenna.
        time_s: Seconds after the start.
    """
    gain_db = np.zeros(len(antennas))
    for fault in faults:
        if fault.kind == "antenna" and fault.active(time_s):
            broken = [(reader, port) == (fault.reader, fault.antenna) for reader, port in antennas]
            gain_db[broken] -= np.inf if fault.loss_db is None else fault.loss_db
    return gain_db


def unchanged_until_s(faults: Iterable[Fault], time_s: float) -> float:
    """When the next broken antenna breaks or is mended, in seconds after the start: until then the gain stays."""
    edges = [edge_s for fault in faults if fault.kind == "antenna" for edge_s in (fault.begins_s, fault.ends_s)]
    return min((edge_s for edge_s in edges if edge_s > time_s), default=float("inf"))


def clock_error_us(faults: Iterable[Fault], agent: str, time_s: float) -> int:
    """What an agent's clock shows too much, microseconds; negative where it is behind."""
    error_us = 0.0
    for fault in at_agent(faults, agent, time_s):
        if fault.kind == "wrong-clock":
            error_us += fault.years * YEAR_US
        elif fault.kind == "slow-clock":
            error_us -= (time_s - fault.begins_s) / 3600 * fault.slow_s_per_hour * 1e6
    return round(error_us)


class Disorder:
    """The messages of one agent on their way, in the order in which they arrive.

    Args:
        faults: All of a scenario.
        agent: Whose messages.
        rng: Which ones are hit.
    """

    def __init__(self, faults: Iterable[Fault], agent: str, rng: np.random.Generator) -> None:
        self._faults = [fault for fault in faults if fault.kind in ("duplicate", "reorder")]
        self._agent, self._rng = agent, rng
        self._late: list[bytes] = []

    def pass_on(self, messages: Sequence[bytes], time_s: float) -> list[bytes]:
        """What arrives now, of these messages and of those that were held up before."""
        share = {fault.kind: fault.share for fault in at_agent(self._faults, self._agent, time_s)}
        if not share:
            arriving, self._late = [*self._late, *messages], []
            return arriving
        twice = [message for message in messages if self._rng.random() < share.get("duplicate", 0.0)]
        arriving = [*self._late, *messages, *twice]
        self._late = []
        if "reorder" in share:
            self._rng.shuffle(arriving)
            late = self._rng.random(len(arriving)) < share["reorder"] / 2
            self._late = [message for message, is_late in zip(arriving, late, strict=True) if is_late]
            arriving = [message for message, is_late in zip(arriving, late, strict=True) if not is_late]
        return arriving

    def end(self) -> list[bytes]:
        """What has been held up arrives."""
        arriving, self._late = self._late, []
        return arriving
