"""A file that is there whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tagtrail.hardware.errors import FaultsError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """The path to write to; what is there at the end takes the place of ``path``, which until then stays as it is.

    Raises:
        FaultsError: It cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise FaultsError(str(path), [f"cannot be written: {error.strerror or error}"]) from None
