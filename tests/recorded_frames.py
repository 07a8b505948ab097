"""Frames of real readers with their meaning, which are not part of the project; they lie beside the recordings."""

import json
from typing import Any

from fixture_recordings import DATA
from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.protocols.interface import Counters

FRAMES = DATA.parent / "frames" / "frames.json"
NOT_IN_THE_BYTES = ("reconstructed",)
"""What a meaning says of the origin of its frame."""


def frames_of(family: str) -> list[dict[str, Any]]:
    """All recorded frames of a family; none where there are no recordings."""
    if not FRAMES.exists():
        return []
    return [entry for entry in json.loads(FRAMES.read_text()) if entry["family"] == family]


def check_frame(entry: dict[str, Any], options: dict[str, str] | None = None) -> None:
    """Decode a recorded frame: it says what is known of it, or nothing where it is a misprint."""
    counters, meaning = Counters(), entry["meaning"]
    raw = bytes.fromhex(entry["hex"])
    decoded = list(
        load_family(entry["family"]).decode(
            [raw], counters, from_reader=entry["direction"] != "host->reader", options=options
        )
    )
    if meaning["kind"] == "invalid":
        assert decoded == []
        assert counters.checksum_errors == 1
    elif meaning["kind"] == "stream":
        assert [frame["hex"] for frame in decoded] == [
            text.replace(" ", "") for text in meaning["expected_valid_frames"]
        ]
    else:
        (frame,) = decoded
        expected = {name: value for name, value in meaning.items() if name not in NOT_IN_THE_BYTES}
        assert expected.items() <= frame.items()
        assert bytes.fromhex(str(frame["hex"])) == raw
