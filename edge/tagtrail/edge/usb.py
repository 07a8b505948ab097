"""Finds a serial port again by the USB serial number of its adapter, whatever name the system gives it this time."""

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from serial.tools import list_ports

from tagtrail.edge.link import LinkError

_NAME: Final = re.compile(r"usb:(?:([0-9A-Fa-f]{4}):([0-9A-Fa-f]{4}):)?(.+)")


class PortInfo(Protocol):
    """What pyserial tells of a port, as far as it is needed here."""

    device: str
    vid: int | None
    pid: int | None
    serial_number: str | None
    location: str | None


Listing = Callable[[], Iterable[PortInfo]]


@dataclass(frozen=True)
class UsbId:
    """An adapter; ``vid``, ``pid`` and ``interface`` are None where any will do.

    Attributes:
        serial: Its USB serial number.
        vid: Number of the maker.
        pid: Number of the product.
        interface: Which port of an adapter with several, as USB numbers it: ``1.0``.
    """

    serial: str
    vid: int | None = None
    pid: int | None = None
    interface: str | None = None

    def __str__(self) -> str:
        if self.vid is None or self.pid is None:
            return f"usb:{self.serial}"
        return f"usb:{self.vid:04x}:{self.pid:04x}:{self.serial}"

    def matches(self, port: PortInfo) -> bool:
        """Whether this is the adapter's port."""
        return (
            port.serial_number == self.serial
            and self.vid in (None, port.vid)
            and self.pid in (None, port.pid)
            and self.interface in (None, _interface(port))
        )


def parse_usb(name: str) -> UsbId | None:
    """The adapter that ``usb:SERIAL`` or ``usb:VID:PID:SERIAL`` names; None for every other name of a port.

    >>> parse_usb("usb:0403:6001:A50285BI")
    UsbId(serial='A50285BI', vid=1027, pid=24577, interface=None)
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    vid, pid, serial = match.groups()
    return UsbId(serial, int(vid, 16), int(pid, 16)) if vid else UsbId(serial)


def usb_id(port: PortInfo) -> UsbId | None:
    """What the port can be found again by; None where its adapter has no serial number."""
    if not port.serial_number:
        return None
    return UsbId(port.serial_number, port.vid, port.pid, _interface(port))


def find_usb(wanted: UsbId, ports: Iterable[PortInfo]) -> str | None:
    """The device of an adapter; None where it is not plugged in.

    Raises:
        LinkError: There are several.
    """
    devices = sorted(port.device for port in ports if wanted.matches(port))
    if len(devices) > 1:
        raise LinkError(
            f"port {wanted}: {', '.join(devices)} all have this serial number; name one of them, as "
            "/dev/serial/by-id/ does"
        )
    return devices[0] if devices else None


class Port:
    """Where a reader is plugged in. One object for as long as the agent runs, used by one thread.

    Args:
        name: As in the store file: a path, a pyserial URL, ``usb:SERIAL`` or ``usb:VID:PID:SERIAL``.
        listing: The serial ports that there are now.
    """

    def __init__(self, name: str, listing: Listing = list_ports.comports) -> None:
        self._name = name
        self._listing = listing
        self._usb = parse_usb(name)
        self._named = self._usb is not None

    def device(self) -> str:
        """What to open now.

        Raises:
            LinkError: The adapter is not plugged in, or another one has taken its name.
        """
        if self._usb is None:
            return self._name
        ports = list(self._listing())
        device = find_usb(self._usb, ports)
        if device is not None:
            return self._name if _same(device, self._name) else device
        if self._named:
            there = ", ".join(str(usb) for usb in map(usb_id, ports) if usb) or "none"
            raise LinkError(f"port {self._name} is not plugged in; USB serial ports with a serial number: {there}")
        if any(_same(port.device, self._name) for port in ports):
            raise LinkError(
                f"port {self._name} is another device than before, which was {self._usb}: plug that in, or restart the "
                "agent if it has been replaced"
            )
        return self._name

    def opened(self) -> None:
        """The device was opened; the first time, remember which adapter that is."""
        if self._usb is None and "://" not in self._name:
            port = next((port for port in self._listing() if _same(port.device, self._name)), None)
            self._usb = usb_id(port) if port else None


def _interface(port: PortInfo) -> str | None:
    """The interface is behind the colon of a location: ``1-1.2:1.0``."""
    return (port.location or "").partition(":")[2] or None


def _same(device: str, name: str) -> bool:
    """Whether both name one device; names under ``/dev/serial`` are links."""
    return device == name or os.path.realpath(device) == os.path.realpath(name)
