"""What else a reader can be asked once it is found: an optional part of a family, for ``tagtrail edge probe``."""

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

OPEN_PORT_DB: Final = 3.0
"""Return loss below this: more than half of the power comes back, so there is no antenna on the port."""


@dataclass(frozen=True)
class Details:
    """What a reader told about its set-up; None is what it did not.

    Attributes:
        region: As in the store file; None also where it has none.
        antennas: Ports with an antenna on them, as printed, from 1.
        return_loss_db: By port: how much weaker than the wave to the antenna the one is that comes back.
    """

    region: str | None = None
    antennas: tuple[int, ...] | None = None
    return_loss_db: Mapping[int, float] = field(default_factory=dict)


Inquiry = Generator[bytes, list[dict[str, object]], Details]
"""Yields commands, is sent the frames that came back for each as `ReaderFamily.decode` tells them (none, where nothing
came), and returns what it learned. It leaves the reader, which is not reading, as it was."""


def value(frames: Iterable[Mapping[str, object]], name: str, key: str) -> object:
    """What the first frame with this name that has this key says there; None where none has."""
    return next((frame[key] for frame in frames if frame.get("name") == name and key in frame), None)


def number(frames: Iterable[Mapping[str, object]], name: str, key: str) -> int | None:
    """The same of a whole number."""
    found = value(frames, name, key)
    return found if isinstance(found, int) else None


def details(region: str | None, return_loss_db: Mapping[int, float], enough_db: float = OPEN_PORT_DB) -> Details:
    """What the return loss of some ports says about their antennas.

    Args:
        region: As in `Details`.
        return_loss_db: Of all ports that could be measured; empty where nothing is known.
        enough_db: Of a port with an antenna.
    """
    if not return_loss_db:
        return Details(region)
    connected = {port: loss_db for port, loss_db in return_loss_db.items() if loss_db >= enough_db}
    return Details(region, tuple(sorted(connected)), connected)
