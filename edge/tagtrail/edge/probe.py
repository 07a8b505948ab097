"""Finds out which reader is on a serial port: what ``tagtrail edge probe`` does.

Each family that obeys commands opens its own session, as the agent does, and is held back before it would configure
anything. All that a reader loses by being probed is that it stops reading.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from serial.tools import list_ports

from tagtrail.edge.link import Link
from tagtrail.edge.usb import Port, usb_id
from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.protocols.inquiry import Details, Inquiry
from tagtrail.hardware.protocols.interface import (
    AntennaSettings,
    Counters,
    ReaderFamily,
    ReaderSettings,
    State,
    StateChanged,
)

TRY_S: Final = 2.5
"""Time for one family at one rate: half a second of silence after the stop, then two attempts of the first command."""
ANSWER_S: Final = 1.0
QUIET_S: Final = 0.15
"""An answer is whole when the line has been quiet for so long."""
BAUDS: Final = (115_200, 57_600, 9_600, 230_400, 38_400, 921_600)
"""Rates at which readers are met, when they do not answer at the default of their family."""
RETURN_LOSS_MIN_DB: Final = 10.0
"""Below this a tenth of the power comes back: a damaged cable or antenna, or metal close to it."""
BY_ID: Final = Path("/dev/serial/by-id")

_SETTINGS: Final = ReaderSettings(region=None, antennas=(AntennaSettings(1, 20.0),))
"""Never sent to a reader; a session wants some."""


@dataclass(frozen=True)
class Found:
    """A reader that answered; ``what`` is what its session found, as the object of a sentence."""

    port: str
    baud: int
    family: ReaderFamily
    what: str
    details: Details


def tries(protocols: Sequence[str], baud: int | None) -> Iterator[tuple[ReaderFamily, int]]:
    """Families and rates to try, the likely ones first: each family at its default rate, then at the others.

    Args:
        protocols: The families to try; those that obey no commands are left out.
        baud: The only rate to try.
    """
    families = [family for family in map(load_family, protocols) if family.obeys_commands]
    if baud is not None:
        yield from ((family, baud) for family in families)
        return
    yield from ((family, family.default_baud) for family in families)
    for rate in BAUDS:
        yield from ((family, rate) for family in families if rate != family.default_baud)


@dataclass(frozen=True)
class NotFound:
    """No reader that can be used; ``why`` is what a reader of the family answered, None where none did."""

    why: str | None = None


def probe(port: str, family: ReaderFamily, baud: int) -> Found | NotFound:
    """Ask whether a reader of this family is on the port at this rate; takes up to `TRY_S` if none is.

    Raises:
        LinkError: The port cannot be opened, or broke.
    """
    with Link(Port(port).device(), baud) as link:
        what = _find(link, family)
        if isinstance(what, NotFound):
            return what
        details = Details() if family.inquire is None else _ask(link, family, family.inquire())
        return Found(port, baud, family, what.removeprefix("found "), details)


def _find(link: Link, family: ReaderFamily) -> str | NotFound:
    """Drive a session up to where it would configure the reader; what it found there."""
    session = family.host(_SETTINGS)
    begun_s = time.monotonic()
    out = session.open(begun_s)
    while time.monotonic() - begun_s < TRY_S:
        link.write(out)
        events, out = session.feed(link.read(), time.monotonic())
        more, late = session.tick(time.monotonic())
        events += more
        out += late
        for event in events:
            match event:
                case StateChanged(State.CONFIGURING, what):
                    return what
                case StateChanged(State.FAILED, why):
                    return NotFound(why if session.counters.frames else None)
    return NotFound()


def _ask(link: Link, family: ReaderFamily, inquiry: Inquiry) -> Details:
    command = next(inquiry)
    while True:
        link.write(command)
        frames = list(family.decode(_answer(link), Counters()))
        try:
            command = inquiry.send(frames)
        except StopIteration as done:
            details: Details = done.value
            return details


def _answer(link: Link) -> Iterator[bytes]:
    """What comes until the line is quiet."""
    begun_s = time.monotonic()
    heard_s = None
    while time.monotonic() - begun_s < ANSWER_S and (heard_s is None or time.monotonic() - heard_s < QUIET_S):
        data = link.read()
        if data:
            heard_s = time.monotonic()
            yield data


def report(found: Found) -> Iterator[str]:
    """What was found, and the lines for the store file."""
    details, name = found.details, found.family.name
    yield f"{found.port}: {found.what} ({name}, {found.baud} baud)"
    if details.region is not None:
        yield f"  region       {details.region}"
    elif found.family.inquire is not None:
        yield "  region       none is set: name the one of your country in the store file"
    if details.antennas is not None:
        yield f"  antennas     {', '.join(map(str, details.antennas)) or 'none connected'}"
    for port, loss_db in sorted(details.return_loss_db.items()):
        doubt = "" if loss_db >= RETURN_LOSS_MIN_DB else "  - poor: check antenna and cable"
        yield f"  return loss  {loss_db:g} dB on port {port}{doubt}"
    yield from ("", "For the store file:", "", "[[reader]]", 'id = "r01"')
    yield f'protocol = "{name}"'
    yield f'port = "{stable_name(found.port)}"'
    if found.baud != found.family.default_baud:
        yield f"baud = {found.baud}"
    yield f'region = "{details.region}"' if details.region else '# region = "…"'
    for port in details.antennas or (1,):
        yield from ("", "[[reader.antenna]]", f"port = {port}", 'floor = "1F"')
        yield "position_m = [0.0, 0.0, 3.0]  # where it hangs: x, y, height"


def stable_name(port: str) -> str:
    """The name of a port that stays when others are plugged in; the port itself if it has none."""
    if "://" in port or not BY_ID.is_dir():
        return port
    device = Path(port).resolve()
    return next((str(link) for link in sorted(BY_ID.iterdir()) if link.resolve() == device), port)


def ports() -> Iterator[str]:
    """The serial ports of this machine, a line each."""
    for port in sorted(list_ports.comports(), key=lambda port: port.device):
        stays = stable_name(port.device)
        usb = usb_id(port)
        names = ([] if stays == port.device else [stays]) + ([str(usb)] if usb else [])
        yield "\n  ".join([f"{port.device}  {port.description}", *names])
