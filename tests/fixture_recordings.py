"""Recordings with ground truth, which are not part of the project."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("TAGTRAIL_DATA") or Path(__file__).parents[2] / "shared" / "data")


@pytest.fixture(scope="session")
def uci_rfid_wearable() -> Path:
    """Passive UHF reads of a tag worn on the chest, with the labelled place (UCI data set 427, CC BY 4.0)."""
    folder = DATA / "uci-rfid-wearable"
    if not folder.is_dir():
        pytest.skip(f"no recordings in {folder}; set TAGTRAIL_DATA to the folder that has them")
    return folder
