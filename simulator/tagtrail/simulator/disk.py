"""Writing on a disk that may be full: a run ends then as if it was told to stop, with whole files."""

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from tagtrail.hardware.errors import FaultsError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

ROOM_BYTES: Final = 16 << 20
"""For what is not written yet of all files: some groups of rows of a few megabytes each, and what ends a file."""
_NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Something is written in a folder.

    Raises:
        FaultsError: It cannot be: the disk is full, or somebody else's.
    """
    try:
        yield
    except OSError as error:
        raise FaultsError(str(folder), [f"cannot be written: {error.strerror or error}"]) from None


class Room:
    """A file of nothing in a folder while it is entered; who finds the disk full has its space.

    Attributes:
        taken: Whether the disk was full, so that it is time to end.
    """

    def __init__(self, folder: Path) -> None:
        self.taken = False
        self._folder, self._file = folder, folder / "room.part"

    def __enter__(self) -> Self:
        """Take the space from the disk.

        Raises:
            FaultsError: There is not so much, or nothing can be written there.
        """
        try:
            with writing(self._folder):
                self._folder.mkdir(parents=True, exist_ok=True)
                with self._file.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, ROOM_BYTES)
        except FaultsError:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def take(self) -> bool:
        """Give the space back to the disk; whether there was any."""
        if self.taken:
            return False
        self.taken = True
        self._leave()
        return True

    def or_full(self, stop: Callable[[], bool]) -> Callable[[], bool]:
        """Whether to end: because of ``stop``, or because the disk is full."""
        return lambda: self.taken or stop()

    def _leave(self) -> None:
        with suppress(OSError):  # the folder may be gone
            self._file.unlink(missing_ok=True)


class RoomyFile(io.FileIO):
    """A new file that is written to its end, with what `Room` has kept when the disk is full.

    Raises:
        OSError: Nor is that enough, or it cannot be written at all.
    """

    def __init__(self, path: Path, room: Room | None) -> None:
        super().__init__(path, "wb")
        self._room = room

    def write(self, data: "ReadableBuffer") -> int:
        """Write all of it."""
        left = memoryview(data).cast("B")
        size = left.nbytes
        while left:
            try:
                left = left[super().write(left) or 0 :]
            except OSError as error:
                if error.errno not in _NO_SPACE or self._room is None or not self._room.take():
                    raise
        return size
