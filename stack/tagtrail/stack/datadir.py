"""The data directory of one machine's stack: one owner at a time, one store, one format."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from tagtrail.hardware.errors import GiveUp

FORMAT: Final = 1
"""Raised when a newer Tagtrail lays things out so that an older one would misread them."""


class _Label(msgspec.Struct, frozen=True):
    """Content of ``tagtrail.json``."""

    format: int
    store: str


@contextmanager
def own_data_dir(path: Path, store: str) -> Iterator[Path]:
    """Make and lock a data directory for as long as the context lasts.

    Raises:
        GiveUp: It is in use, of another format, of another store, or cannot be made.
    """
    path = path.absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = (path / "lock").open("w")
    except OSError as error:
        raise GiveUp(f"data directory {path}: {error.strerror}; choose another with --data-dir") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise GiveUp(f"data directory {path} is in use by another tagtrail; stop it, or choose another") from None
        _check_label(path, store)
        yield path


def _check_label(path: Path, store: str) -> None:
    label_file = path / "tagtrail.json"
    if not label_file.exists():
        strangers = sorted(entry.name for entry in path.iterdir() if entry.name != "lock")
        if strangers:
            raise GiveUp(
                f"{path} holds {strangers[0]!r} and is not a data directory of tagtrail; choose another --data-dir"
            )
        label_file.write_bytes(msgspec.json.encode(_Label(FORMAT, store)))
        return
    try:
        label = msgspec.json.decode(label_file.read_bytes(), type=_Label)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise GiveUp(f"{label_file} cannot be read; restore it, or choose another --data-dir") from None
    if label.format != FORMAT:
        raise GiveUp(
            f"data directory {path} has format {label.format}, this tagtrail reads {FORMAT}: "
            "use the tagtrail that made it, or choose another --data-dir"
        )
    if label.store != store:
        raise GiveUp(
            f"data directory {path} belongs to store {label.store!r}, not {store!r}; choose another --data-dir"
        )


@contextmanager
def temporary_data_dir() -> Iterator[Path]:
    """A data directory that is gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="tagtrail-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
