"""Public frames of real readers with what they mean."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("TAGTRAIL_DATA", REPOSITORY.parent / "shared" / "data"))
FRAMES = DATA.parent / "frames" / "frames.json"
ANNOTATIONS = {"note", "reconstructed", "composed", "synthetic"}
"""What a meaning says about the entry itself, not about its bytes."""


def frames_of(family: str) -> list[Any]:
    """Entries of a family; one that is skipped where there are none."""
    entries: list[Any] = [entry for entry in _all() if entry["family"] == family]
    return entries or [pytest.param(None, marks=pytest.mark.skip(reason=f"no recorded frames at {FRAMES}"))]


def _all() -> list[dict[str, Any]]:
    return list(json.loads(FRAMES.read_text())) if FRAMES.exists() else []
