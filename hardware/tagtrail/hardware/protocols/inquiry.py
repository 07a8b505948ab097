"""What else a reader can be asked once it is found: an optional part of a family, for ``tagtrail edge probe``."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable


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
came), and returns what it learned. It changes nothing on the reader."""


@runtime_checkable
class Inquirer(Protocol):
    """A `ReaderFamily` whose readers can be asked about their set-up."""

    def inquire(self) -> Inquiry:
        """Ask a reader that is not reading."""
        ...
