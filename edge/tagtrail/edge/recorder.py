"""Records what goes over a port into capture files (``docs/capture-format.md``); old files are deleted."""

import errno
import logging
import os
import re
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path

from tagtrail.hardware.capture import Header, Kind, Record, encode_header, encode_record
from tagtrail.hardware.clock import Clock

log = logging.getLogger("tagtrail.edge")


class Recorder:
    """A tap on one port; see `tagtrail.edge.link.Tap`. Used by one thread.

    Each record is one unbuffered write of a whole line: whatever happens, all lines before it are there. A disk that
    takes no more costs the capture and nothing else; a new file is tried when the port is opened again.

    Args:
        folder: Where the files go; it is made when the first one is.
        header: Which port this is.
        clock: Gives the time of a record.
        size_max: Bytes after which a new file is begun.
        files_max: Most files of this reader, this one included.
    """

    def __init__(self, folder: Path, header: Header, *, clock: Clock, size_max: int, files_max: int) -> None:
        self._folder = folder
        self._header = header
        self._clock = clock
        self._size_max = size_max
        self._files_max = files_max
        self._mine = re.compile(rf"{re.escape(header.reader)}-\d{{8}}T\d{{6}}\.\d{{6}}Z\.capture")
        self._path: Path | None = None
        self._file: FileIO | None = None
        self._size = 0
        self._told = ""

    def opened(self) -> None:
        """The port was opened."""
        try:
            self._go_on()
        except OSError as error:
            self._give_up(error)
        self._write(Kind.NOTE, b"opened")

    def received(self, data: bytes) -> None:
        """These bytes came from the reader."""
        self._write(Kind.FROM_READER, data)

    def sent(self, data: bytes) -> None:
        """These bytes went to the reader."""
        self._write(Kind.TO_READER, data)

    def closed(self) -> None:
        """The port was closed."""
        self._write(Kind.NOTE, b"closed")
        self._end()

    def _write(self, kind: Kind, data: bytes) -> None:
        if self._file is None:
            return
        try:
            self._append(encode_record(Record(self._clock.now_us(), kind, data)))
            if self._size >= self._size_max:
                self._begin()
        except OSError as error:
            self._give_up(error)

    def _append(self, line: bytes) -> None:
        assert self._file is not None
        if self._file.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += len(line)

    def _go_on(self) -> None:
        """Open the last file again, or a new one where there is none any more."""
        if self._path is None or not self._path.exists():
            self._begin()
        else:
            self._file = FileIO(self._path, "a")

    def _begin(self) -> None:
        self._end()
        seconds, microseconds = divmod(self._clock.now_us(), 1_000_000)
        moment = datetime.fromtimestamp(seconds, UTC)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path = self._folder / f"{self._header.reader}-{moment:%Y%m%dT%H%M%S}.{microseconds:06}Z.capture"
        self._file = FileIO(self._path, "x")
        self._size = 0
        self._append(encode_header(self._header))
        files = sorted(path for path in self._folder.iterdir() if self._mine.fullmatch(path.name))
        for path in files[: -self._files_max]:
            path.unlink()

    def _give_up(self, error: OSError) -> None:
        self._end()
        self._path = None
        why = f"no capture in {self._folder}: {error.strerror}"
        if why != self._told:
            self._told = why
            log.warning("reader %s: %s; trying again when the port is opened anew", self._header.reader, why)

    def _end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
