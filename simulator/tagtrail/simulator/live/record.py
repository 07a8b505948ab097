"""Records ports into captures: starts the readers as a host does, and keeps all bytes of both directions.

The ports may be real ones, serial servers, or those of a running simulation. An edge at work records its own ports
(its setting ``capture_dir``), since a port has one host.
"""

import logging
import termios
import threading
import time
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Final

import serial

from tagtrail.hardware.capture import Header, Kind, Record, encode_header, encode_record
from tagtrail.hardware.clock import Clock
from tagtrail.hardware.errors import FaultsError, GiveUp
from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.protocols.interface import AntennaSettings, HostSession, ReaderSettings, State, TagSeen
from tagtrail.hardware.store import Reader, Store
from tagtrail.simulator.progress import Pace

READ_TIMEOUT_S: Final = 0.05
RETRY_S: Final = 1.0
CLOSE_S: Final = 4.5
"""How long a reader may take to stop."""

log = logging.getLogger("tagtrail.record")


def record(
    store: Store,
    *,
    out: Path,
    clock: Clock,
    ports: str | None = None,
    readers: list[str] | None = None,
    minutes: float = 0.0,
    stop: Callable[[], bool],
) -> dict[str, int]:
    """Record readers until ``stop``; returns the number of tags that each has reported.

    Args:
        store: What to set the readers up with.
        out: Folder for one capture per reader, ``READER.capture``.
        clock: Gives the times of the records.
        ports: Pattern of ports with ``{reader}``, instead of those of the store file.
        readers: Which ones; all if None or empty.
        minutes: How long in real time; 0: until ``stop``.
        stop: Whether to end.

    Raises:
        FaultsError: A reader is unknown, or has no port.
        GiveUp: The folder cannot be used, or has such captures already.
    """
    until_s = time.monotonic() + minutes * 60 if minutes else float("inf")
    chosen = _chosen(store, ports, readers)
    ended = threading.Event()
    tapes = [_Tape(reader, port, out, clock, ended) for reader, port in chosen]
    threads = [threading.Thread(target=tape.run, name=f"record-{tape.reader.id}") for tape in tapes]
    for thread in threads:
        thread.start()
    pace = Pace(slower=True)
    while not stop() and time.monotonic() < until_s and any(thread.is_alive() for thread in threads):
        time.sleep(READ_TIMEOUT_S)
        if pace.due():
            log.info("%s", ", ".join(f"{tape.reader.id}: {tape.tags} tags, {tape.size} bytes" for tape in tapes))
    ended.set()
    for thread in threads:
        thread.join()
    if errors := [tape.error for tape in tapes if tape.error]:
        raise GiveUp("; ".join(errors))
    return {tape.reader.id: tape.tags for tape in tapes}


def _chosen(store: Store, ports: str | None, names: list[str] | None) -> list[tuple[Reader, str]]:
    """Readers and their ports."""
    known = {reader.id: reader for reader in store.reader}
    faults = [f"there is no reader {name}; there are {', '.join(known)}" for name in names or () if name not in known]
    if ports is not None and "{reader}" not in ports:
        faults.append(f"ports {ports!r}: there is no {{reader}} in it, so all readers would share one port")
    if faults:
        raise FaultsError(f"store {store.id}", faults)
    chosen = []
    for reader in (known[name] for name in names or known):
        port = reader.port if ports is None else ports.replace("{reader}", reader.id)
        if port is None or port.startswith("usb:"):
            faults.append(f"reader {reader.id}: say where it is: a path or URL as its port, or ports with {{reader}}")
        else:
            chosen.append((reader, port))
    if faults:
        raise FaultsError(f"store {store.id}", faults)
    return chosen


class _Tape:
    """Records one reader, in a thread of its own.

    Each record is one unbuffered write of a whole line, so that all lines before it are there whatever happens.
    """

    def __init__(self, reader: Reader, port: str, out: Path, clock: Clock, ended: threading.Event) -> None:
        self.reader = reader
        self.tags = self.size = 0
        self.error = ""
        self._port, self._clock, self._ended = port, clock, ended
        family = load_family(reader.protocol)
        self._baud = reader.baud or family.default_baud
        antennas = tuple(AntennaSettings(antenna.port, antenna.power_dbm) for antenna in reader.antenna)
        self._settings = ReaderSettings(reader.region, antennas)
        self._family = family
        path = out / f"{reader.id}.capture"
        try:
            out.mkdir(parents=True, exist_ok=True)
            self._file = FileIO(path, "x")
        except FileExistsError:
            raise GiveUp(f"{path} is there already; choose another folder") from None
        except OSError as error:
            raise GiveUp(f"{path}: {error.strerror}") from None
        self._file.write(encode_header(Header(reader.id, reader.protocol, port, self._baud)))

    def run(self) -> None:
        """Record until ended, or until the disk takes no more; open the port again when it breaks."""
        told = ""
        with self._file:
            while not self._ended.is_set():
                try:
                    with serial.serial_for_url(self._port, baudrate=self._baud, timeout=READ_TIMEOUT_S) as line:
                        told = ""
                        self._converse(line)
                except _DiskError as error:
                    self.error = f"{self._file.name!s}: {error}"
                    return
                except (OSError, ValueError, termios.error) as error:
                    if str(error) != told:
                        told = str(error)
                        log.warning("reader %s: port %s: %s; trying again", self.reader.id, self._port, error)
                self._ended.wait(RETRY_S)

    def _converse(self, line: serial.Serial) -> None:
        """One opening of the port, until ended or until the session has failed."""
        session = self._family.host(self._settings)
        self._keep(Kind.NOTE, b"opened")
        self._say(line, session.open(time.monotonic()))
        closing_until_s = float("inf")
        while time.monotonic() < closing_until_s and session.state is not State.FAILED:
            if closing_until_s == float("inf") and self._ended.is_set():
                closing_until_s = time.monotonic() + CLOSE_S
                self._say(line, session.close(time.monotonic()))
            elif self._ended.is_set() and session.state is State.CLOSED:
                break
            self._turn(line, session)
        self._keep(Kind.NOTE, b"closed")

    def _turn(self, line: serial.Serial, session: HostSession) -> None:
        data = bytes(line.read(max(1, line.in_waiting)))
        answers = [session.tick(time.monotonic())]
        if data:
            self.size += len(data)
            self._keep(Kind.FROM_READER, data)
            answers.append(session.feed(data, time.monotonic()))
        for events, answer in answers:
            self.tags += sum(isinstance(event, TagSeen) for event in events)
            self._say(line, answer)

    def _say(self, line: serial.Serial, data: bytes) -> None:
        if data:
            line.write(data)
            self._keep(Kind.TO_READER, data)

    def _keep(self, kind: Kind, data: bytes) -> None:
        text = encode_record(Record(self._clock.now_us(), kind, data))
        try:
            whole = self._file.write(text) == len(text)
        except OSError as error:
            raise _DiskError(error.strerror) from None
        if not whole:
            raise _DiskError("the disk is full")


class _DiskError(Exception):
    """The capture cannot go on."""
