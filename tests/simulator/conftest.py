"""A small department store on two floors, built in code, and a host for the readers that hang in a store."""

import os
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, Self

import pytest

from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.protocols.interface import AntennaSettings, ReaderSettings, State, TagSeen
from tagtrail.hardware.store import Antenna, Floor, Link, Point, Reader, Store, StoreInfo, Wall, Zone, ZoneKind


def box(x0: float, y0: float, x1: float, y1: float) -> tuple[Point, ...]:
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def zone(name: str, floor: str, kind: ZoneKind, *corners: float) -> Zone:
    return Zone(id=name, floor=floor, kind=kind, polygon=box(*corners))


def antenna(port: int, floor: str, x: float, y: float) -> Antenna:
    return Antenna(port=port, floor=floor, position_m=(x, y, 3.0))


@pytest.fixture(scope="session")
def store() -> Store:
    return Store(
        store=StoreInfo(id="corner-shop", name="Corner Shop", timezone="UTC"),
        floor=(Floor("1F", 16.0, 10.0), Floor("2F", 12.0, 8.0)),
        zone=(
            zone("door", "1F", "entrance", 6, 0, 9, 2),
            zone("side-door", "1F", "entrance", 14, 6, 16, 8),
            zone("aisle", "1F", "aisle", 0, 4, 14, 6),
            zone("shoes", "1F", "counter", 0, 6, 5, 10),
            zone("bags", "1F", "counter", 5, 6, 10, 10),
            zone("hats", "1F", "counter", 10, 0, 16, 4),
            zone("till", "1F", "checkout", 0, 1, 4, 4),
            zone("office", "1F", "staff", 10, 8, 14, 10),
            zone("lift-1", "1F", "lift", 14, 4, 16, 6),
            zone("lift-2", "2F", "lift", 0, 0, 2, 2),
            zone("coats", "2F", "counter", 4, 0, 12, 4),
            zone("cabins", "2F", "fitting", 4, 5, 12, 8),
        ),
        wall=(
            Wall("1F", ((5.0, 6.0), (5.0, 10.0))),
            Wall("1F", ((10.0, 2.0), (10.0, 4.0), (15.0, 4.0))),
            Wall("2F", ((4.0, 4.5), (11.0, 4.5))),
        ),
        link=(Link("lift-1", "lift-2", 25.0),),
        reader=(
            Reader(
                "r01",
                "mercury",
                (antenna(1, "1F", 7.5, 1), antenna(2, "1F", 2.5, 8), antenna(3, "1F", 7.5, 8)),
                region="eu",
            ),
            Reader("r02", "mercury", (antenna(1, "1F", 13, 2), antenna(2, "1F", 2, 2.5)), region="eu"),
            Reader("r03", "mercury", (antenna(1, "2F", 8, 2), antenna(4, "2F", 8, 6.5)), region="eu"),
        ),
    )


class Host:
    """What stands at the other end of a reader's line: opens it, starts the reader, keeps what it says.

    Attributes:
        seen: All tags that the reader has reported.
        heard: All bytes that the reader has sent.
        chunk: Bytes read at a time; 0 stops reading.
    """

    def __init__(self, reader: Reader, link: Path) -> None:
        antennas = tuple(AntennaSettings(antenna.port, antenna.power_dbm) for antenna in reader.antenna)
        self.session = load_family(reader.protocol).host(ReaderSettings(reader.region, antennas))
        self.seen: list[TagSeen] = []
        self.heard = bytearray()
        self.chunk = 65536
        self._line = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._line, termios.TCSANOW)  # what a host before this one has not read is still to be read
        self._say(self.session.open(time.monotonic()))

    def _say(self, data: bytes) -> None:
        if data:
            assert os.write(self._line, data) == len(data)

    def turn(self) -> None:
        """Take what there is, answer it."""
        try:
            data = os.read(self._line, self.chunk) if self.chunk else b""
        except BlockingIOError:
            data = b""
        self.heard += data
        for events, answer in (
            self.session.feed(data, time.monotonic()) if data else ([], b""),
            self.session.tick(time.monotonic()),
        ):
            self.seen += [event for event in events if isinstance(event, TagSeen)]
            self._say(answer)

    def stop(self) -> None:
        """Ask the reader to stop; go on turning until the session is closed."""
        self._say(self.session.close(time.monotonic()))

    @property
    def closed(self) -> bool:
        return self.session.state is State.CLOSED

    def vanish(self) -> None:
        """Close the line without a word, as a killed process does."""
        os.close(self._line)


class Running(Protocol):
    def __call__(self, stop: Callable[[], bool]) -> None: ...


class Background:
    """Something that runs until it is told to stop; its error, if any, is raised at the end."""

    def __init__(self, work: Running) -> None:
        self._work = work
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self._work(self._stopped.is_set)
        except BaseException as error:  # noqa: BLE001 - raised again in the test's thread
            self._error = error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        if self._error:
            raise self._error

    def until(self, done: Callable[[], bool], *hosts: Host, limit_s: float = 30.0) -> None:
        """Turn the hosts until something is so."""
        end_s = time.monotonic() + limit_s
        while not done():
            assert time.monotonic() < end_s, "waited too long"
            assert self._thread.is_alive(), self._error
            for host in hosts:
                host.turn()
            time.sleep(0.001)


@pytest.fixture
def hosts() -> Iterator[Callable[[Reader, Path], Host]]:
    """Makes hosts and closes their lines in the end."""
    made: list[Host] = []

    def make(reader: Reader, link: Path) -> Host:
        made.append(Host(reader, link))
        return made[-1]

    yield make
    for host in made:
        try:
            host.vanish()
        except OSError:
            continue  # the test has closed it


@pytest.fixture
def background() -> type[Background]:
    return Background
