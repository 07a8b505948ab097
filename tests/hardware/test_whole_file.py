"""A file takes the place of the old one when it is whole, and not before."""

from pathlib import Path

import pytest

from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.whole_file import whole_file


def write_half(path: Path) -> None:
    with whole_file(path) as part:
        part.write_text("half")
        raise ValueError("half way")


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")
    with whole_file(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_who_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")
    with pytest.raises(ValueError, match="half way"):
        write_half(path)
    assert path.read_text() == "old"


def test_where_nothing_can_be_written_is_told(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "page.html"
    with pytest.raises(FaultsError, match=r"page\.html: cannot be written: No such file"), whole_file(path) as part:
        part.write_text("new")
