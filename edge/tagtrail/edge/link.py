"""A serial line: opened by path or pyserial URL, with errors that a person can act on."""

import contextlib
import errno
import select
from typing import Final, Protocol

import serial

from tagtrail.hardware.errors import Retry

READ_TIMEOUT_S: Final = 0.05
"""How long a read waits for the first byte, where nobody says how long."""

WRITE_TIMEOUT_S: Final = 1.0
"""Commands are a few bytes: a line that does not take them for a second is stuck."""

_ADVICE: Final = {
    errno.ENOENT: "there is no such port; check the cable and the name (/dev/serial/by-id/ has names that stay)",
    errno.ENXIO: "the device behind it is gone; check the cable",
    errno.ENODEV: "the device behind it is gone; check the cable",
    errno.EIO: "the device behind it is gone; check the cable",
    errno.EACCES: "no permission; add the agent's user to the port's group (often dialout)",
    errno.EPERM: "no permission; add the agent's user to the port's group (often dialout)",
    errno.EBUSY: "another program uses it",
    errno.EAGAIN: "another program uses it",
    errno.ENOTTY: "it is not a serial port",
}

# termios.error is no OSError, and ValueError is what pyserial says to an URL or a baud rate that it does not know.
_ERRORS: tuple[type[Exception], ...] = (OSError, ValueError)
with contextlib.suppress(ImportError):  # there is no termios on Windows
    import termios

    _ERRORS = (*_ERRORS, termios.error)


class LinkError(Retry):
    """The line cannot be opened, or broke; the message names the port and what to do."""


class Tap(Protocol):
    """Hears all that goes over a line; must not raise, and not wait."""

    def opened(self) -> None:
        """The port was opened; what comes belongs to a new connection."""
        ...

    def closed(self) -> None:
        """The port was closed."""
        ...

    def received(self, data: bytes) -> None:
        """These bytes came from the reader."""
        ...

    def sent(self, data: bytes) -> None:
        """These bytes went to the reader."""
        ...


class Link:
    """An open serial line. Use it as a context manager.

    Args:
        port: Path, or any pyserial URL (``socket://HOST:PORT``, ``rfc2217://HOST:PORT``).
        baud: Bits per second.
        tap: Hears all that goes over the line.

    Raises:
        LinkError: The port cannot be opened; every method raises it when the line breaks.
    """

    def __init__(self, port: str, baud: int, tap: Tap | None = None) -> None:
        self.port = port
        self._tap = tap
        try:
            self._serial = serial.serial_for_url(
                port, baudrate=baud, timeout=READ_TIMEOUT_S, write_timeout=WRITE_TIMEOUT_S, exclusive=True
            )
        except _ERRORS as error:
            raise self._explained("cannot be opened", error) from None
        try:
            self._fd: int | None = self._serial.fileno()
        except OSError:  # on Windows, and with rfc2217://
            self._fd = None
        if tap:
            tap.opened()

    def __enter__(self) -> "Link":
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(*_ERRORS):
            self._serial.close()
        if self._tap:
            self._tap.closed()

    def read(self, wait_s: float = READ_TIMEOUT_S) -> bytes:
        """All bytes that have arrived; waits up to ``wait_s`` for the first, and returns nothing if none comes.

        Where a port cannot be waited for, it is at most `READ_TIMEOUT_S`.
        """
        try:
            # pyserial configures the whole port again when its time-out is changed, so we wait ourselves.
            if self._fd is not None and not select.select([self._fd], [], [], wait_s)[0]:
                return b""
            data = bytes(self._serial.read(max(1, self._serial.in_waiting)))
        except _ERRORS as error:
            raise self._explained("broke while reading", error) from None
        if data and self._tap:
            self._tap.received(data)
        return data

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if not data:
            return
        try:
            self._serial.write(data)
        except _ERRORS as error:
            raise self._explained("broke while writing", error) from None
        if self._tap:
            self._tap.sent(data)

    def _explained(self, what: str, error: Exception) -> LinkError:
        number = getattr(error, "errno", None) or (error.args[0] if error.args else None)
        why = _ADVICE.get(number) if isinstance(number, int) else None
        return LinkError(f"port {self.port} {what}: {why or error}")
