"""Every public Mercury frame decodes to what is known of it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tagtrail.hardware.protocols.interface import Counters
from tagtrail.hardware.protocols.mercury.describe import describe
from tagtrail.hardware.protocols.mercury.frame import Direction, crc16, framer_for

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("TAGTRAIL_DATA", REPOSITORY.parent / "shared" / "data"))
FRAMES = DATA.parent / "frames" / "frames.json"


def mercury_frames() -> list[dict[str, Any]]:
    if not FRAMES.exists():
        return []
    return [entry for entry in json.loads(FRAMES.read_text()) if entry["family"] == "mercury"]


ENTRIES = mercury_frames()
if not ENTRIES:
    pytest.skip(f"no recorded frames at {FRAMES}", allow_module_level=True)
STREAMS = [entry for entry in ENTRIES if entry["meaning"]["kind"] == "stream"]
INVALID = [entry for entry in ENTRIES if entry["meaning"]["kind"] == "invalid"]
VALID = [entry for entry in ENTRIES if entry not in STREAMS and entry not in INVALID]


def name(entry: dict[str, Any]) -> str:
    return str(entry["hex"])[:40]


@pytest.mark.parametrize("entry", VALID, ids=name)
def test_meaning(entry: dict[str, Any]) -> None:
    assert describe(bytes.fromhex(entry["hex"]), Direction(entry["direction"])) == entry["meaning"]


@pytest.mark.parametrize("entry", INVALID, ids=name)
def test_misprints_are_refused_and_mean_what_they_should_with_a_right_checksum(entry: dict[str, Any]) -> None:
    frame, direction, counters = bytes.fromhex(entry["hex"]), Direction(entry["direction"]), Counters()
    framer = framer_for(direction, counters)
    assert framer.feed(frame) + framer.flush() == []
    assert counters.checksum_errors == 1
    assert describe(frame, direction)["kind"] == "invalid"
    repaired = frame[:-2] + crc16(frame[1:-2]).to_bytes(2, "big")
    assert describe(repaired, direction) == entry["meaning"]["would_decode_as"]


@pytest.mark.parametrize("entry", STREAMS, ids=lambda entry: entry["meaning"]["name"])
def test_streams(entry: dict[str, Any]) -> None:
    framer = framer_for(Direction(entry["direction"]), Counters())
    expected = [bytes.fromhex(frame) for frame in entry["meaning"]["expected_valid_frames"]]
    assert framer.feed(bytes.fromhex(entry["hex"])) == expected


def test_there_are_enough_frames() -> None:
    assert (len(VALID), len(INVALID), len(STREAMS)) >= (40, 3, 2)
