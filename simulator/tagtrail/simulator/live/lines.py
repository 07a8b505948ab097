"""Serial lines that a host can open: pseudo-terminals, and TCP sockets as serial servers have them.

A line may be plugged or not, and a host may be there or not. Bytes go nowhere while nobody is there, so nothing is
given to a line then.
"""

import os
import select
import socket
import struct
import termios
import time
import tty
from collections.abc import Callable
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path
from typing import Final, Protocol

from tagtrail.hardware.errors import GiveUp

READ_SIZE: Final = 4096
SETTLE_S: Final = 0.1
"""How long a host has for what is in the line before the cable is pulled: what it leaves is lost, byte for byte."""
SETTLE_STEP_S: Final = 0.005


class Line(Protocol):
    """The reader's end of a line.

    Attributes:
        address: What a host opens.
    """

    address: str

    @property
    def attached(self) -> bool:
        """Whether a host is there."""
        ...

    def waits_for(self) -> list[int]:
        """Descriptors that tell when there is something to hear."""
        ...

    def writes_to(self) -> int | None:
        """The descriptor that tells when there is room again."""
        ...

    def read(self) -> bytes:
        """What the host has said since; b"" if nothing."""
        ...

    def write(self, data: bytes) -> int:
        """Give bytes to the line; returns how many it took."""
        ...

    def unplug(self) -> int:
        """The line is gone; returns how many of the last bytes the host has not got."""
        ...

    def plug(self) -> None:
        """The line is there, or there again."""
        ...


LineMaker = Callable[[str], Line]
"""Makes the line of a reader, by its name; see `pty_lines` and `tcp_lines`."""


class PtyLine:
    """A pseudo-terminal behind a link.

    Only the master is held, so that it tells whether a host has the port open.
    """

    def __init__(self, link: Path) -> None:
        self.address = str(link)
        self._link = link
        self._master: int | None = None
        self._slave_name = ""
        self.plug()

    def plug(self) -> None:
        """A new pseudo-terminal appears behind the link."""
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self._slave_name = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self._master, False)
        new = self._link.with_name(self._link.name + ".new")
        new.unlink(missing_ok=True)
        new.symlink_to(self._slave_name)
        new.replace(self._link)

    @property
    def attached(self) -> bool:
        """Whether a host has it open."""
        if self._master is None:
            return False
        poll = select.poll()
        poll.register(self._master, 0)
        return not poll.poll(0)

    def waits_for(self) -> list[int]:
        """Nothing while no host is there: a pseudo-terminal nobody has open would wake us all the time."""
        return [self._master] if self._master is not None and self.attached else []

    def writes_to(self) -> int | None:
        """The master."""
        return self._master

    def read(self) -> bytes:
        """What the host has written."""
        if self._master is None:
            return b""
        try:
            return os.read(self._master, READ_SIZE)
        except OSError:  # nothing there, or the host has just left
            return b""

    def write(self, data: bytes) -> int:
        """As much as the kernel takes."""
        if self._master is None:
            return 0
        try:
            return os.write(self._master, data)
        except BlockingIOError:
            return 0

    def unplug(self) -> int:
        """The link vanishes, then the terminal; a host that keeps it open hears that it is gone."""
        if self._master is None:
            return 0
        if self._link.is_symlink() and str(self._link.readlink()) == self._slave_name:
            self._link.unlink()
        left = self._leave()
        os.close(self._master)
        self._master = None
        return left

    def _leave(self) -> int:
        """Wait until the host has taken what is in the line; take what it leaves, and return how much that is."""
        if not self.attached:
            return 0
        slave = os.open(self._slave_name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            until_s, empty = time.monotonic() + SETTLE_S, 0
            while empty < 2 and time.monotonic() < until_s:
                waiting = struct.unpack("i", ioctl(slave, termios.FIONREAD, b"\0" * 4))[0]
                empty = 0 if waiting else empty + 1
                time.sleep(SETTLE_STEP_S)
            left = 0
            with suppress(OSError):
                while data := os.read(slave, READ_SIZE):
                    left += len(data)
            return left
        finally:
            os.close(slave)


class TcpLine:
    """A serial server for one line: who connects is the host; while it is there, others are turned away."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._server: socket.socket | None = None
        self._peer: socket.socket | None = None
        self.plug()

    def plug(self) -> None:
        """Listen."""
        self._server = socket.create_server((self._host, self._port))
        self._server.settimeout(0)
        self._port = self._server.getsockname()[1]
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.address = f"socket://{host}:{self._port}"

    @property
    def attached(self) -> bool:
        """Whether a host is connected."""
        return self._peer is not None

    def waits_for(self) -> list[int]:
        """The server, and the host's connection."""
        return [end.fileno() for end in (self._server, self._peer) if end is not None]

    def writes_to(self) -> int | None:
        """The host's connection."""
        return None if self._peer is None else self._peer.fileno()

    def read(self) -> bytes:
        """What the host has sent; takes a new host where there is none."""
        self._accept()
        if self._peer is None:
            return b""
        try:
            data = self._peer.recv(READ_SIZE)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._hang_up()
        return data

    def write(self, data: bytes) -> int:
        """As much as the kernel takes."""
        if self._peer is None:
            return 0
        try:
            return self._peer.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self._hang_up()
            return 0

    def unplug(self) -> int:
        """Nobody listens any more; what was sent is still delivered, as TCP does."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._peer is not None:
            with suppress(OSError):
                self._peer.shutdown(socket.SHUT_WR)
                while self._peer.recv(READ_SIZE):  # what is unread at the end would break the connection off
                    pass
            self._hang_up()
        return 0

    def _accept(self) -> None:
        if self._server is None:
            return
        try:
            peer, _ = self._server.accept()
        except OSError:
            return
        if self._peer is not None:
            peer.close()
            return
        peer.settimeout(0)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._peer = peer

    def _hang_up(self) -> None:
        if self._peer is not None:
            self._peer.close()
            self._peer = None


def pty_lines(folder: Path) -> LineMaker:
    """Lines that are links in a folder.

    Raises:
        GiveUp: The folder cannot be used; the maker raises it, too.
    """

    def make(reader: str) -> Line:
        try:
            link = folder / reader
            link.parent.mkdir(parents=True, exist_ok=True)
            return PtyLine(link)
        except OSError as error:
            raise GiveUp(f"ports_dir {folder}: cannot make the links of the serial ports: {error}") from None

    return make


def tcp_lines(address: str) -> LineMaker:
    """Lines that are TCP ports: the first reader's is that of the address, each other one has the next.

    Args:
        address: ``HOST:PORT``; port 0 takes any free ones.

    Raises:
        GiveUp: It is no such address; the maker raises it where a port cannot be had.
    """
    host, port = parse_tcp_address(address)
    made = 0

    def make(reader: str) -> Line:
        nonlocal made
        number = port + made if port else 0
        made += 1
        try:
            return TcpLine(host, number)
        except (OSError, OverflowError) as error:
            raise GiveUp(f"tcp {address}: cannot listen on port {number} for reader {reader}: {error}") from None

    return make


def parse_tcp_address(address: str) -> tuple[str, int]:
    """``HOST:PORT`` or ``[HOST]:PORT``.

    Raises:
        GiveUp: It is neither.
    """
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise GiveUp(f"tcp {address!r}: expected HOST:PORT, e.g. 127.0.0.1:7000")
    return host, int(port)
