"""A data directory has one owner, one store and one format."""

import json
from pathlib import Path

import pytest

from tagtrail.hardware.errors import GiveUp
from tagtrail.stack.datadir import own_data_dir, temporary_data_dir


def test_it_can_be_used_again_by_the_same_store(tmp_path: Path) -> None:
    for _ in range(2):
        with own_data_dir(tmp_path / "data", "riverside") as path:
            assert json.loads((path / "tagtrail.json").read_text()) == {"format": 1, "store": "riverside"}


def test_only_one_at_a_time(tmp_path: Path) -> None:
    with own_data_dir(tmp_path, "riverside"), pytest.raises(GiveUp, match="in use by another tagtrail"):
        with own_data_dir(tmp_path, "riverside"):
            pass


def test_another_store_is_refused(tmp_path: Path) -> None:
    with own_data_dir(tmp_path, "riverside"):
        pass
    with pytest.raises(GiveUp, match="belongs to store 'riverside', not 'hilltop'"):
        with own_data_dir(tmp_path, "hilltop"):
            pass


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ('{"format": 99, "store": "riverside"}', "has format 99, this tagtrail reads 1"),
        ("half a fi", "cannot be read"),
        ('{"format": "new"}', "cannot be read"),
    ],
)
def test_another_format_is_refused_and_left_as_it_is(tmp_path: Path, label: str, message: str) -> None:
    (tmp_path / "tagtrail.json").write_text(label)
    with pytest.raises(GiveUp, match=message):
        with own_data_dir(tmp_path, "riverside"):
            pass
    assert (tmp_path / "tagtrail.json").read_text() == label


def test_somebody_elses_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").touch()
    with pytest.raises(GiveUp, match=r"holds 'thesis.doc' and is not a data directory"):
        with own_data_dir(tmp_path, "riverside"):
            pass


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(GiveUp, match="choose another with --data-dir"):
        with own_data_dir(tmp_path / "file", "riverside"):
            pass


def test_a_temporary_one_leaves_nothing() -> None:
    with temporary_data_dir() as path, own_data_dir(path, "riverside"):
        (path / "spool.sqlite").touch()
    assert not path.exists()
