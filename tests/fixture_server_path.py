"""A temporary folder that a server which runs as another user can enter."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def server_path() -> Iterator[Path]:
    """A folder with a space in its name, outside of pytest's own: those are private to our user."""
    with tempfile.TemporaryDirectory(prefix="tagtrail test ") as folder:
        path = Path(folder)
        path.chmod(0o711)
        yield path
