"""Every case of the corpus decodes to what its page says; a new folder is a new test. See tests/corpus/README.md."""

import json
from pathlib import Path

import pytest

from corpus_case import Case
from tagtrail.hardware.protocols import FAMILIES, JSON_FORMATS
from tagtrail.hardware.protocols.interface import Counters

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
CASES = sorted(file.parent for file in CORPUS.glob("*/*/expected.json"))


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_case(folder: Path) -> None:
    case = Case(folder)
    assert case.notes.get("source"), "a case says where its bytes come from: '# source: …' in the .hex or in README.md"
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    streams, counters = list(case.streams()), Counters()
    events = case.events(streams, counters)
    assert [{name: event.get(name) for name in wanted} for event, wanted in zip(events, expected, strict=False)] == (
        expected[: len(events)]
    )
    assert len(events) == len(expected), events
    if case.input.name == "frame.hex":
        assert counters.frames == (1 if expected else 0)
    byte_by_byte = [[bytes([byte]) for chunk in chunks for byte in chunk] for chunks in streams]
    assert case.events(byte_by_byte, Counters()) == events


def test_every_case_has_both_files() -> None:
    folders = {file.parent for file in CORPUS.glob("*/*/*")}
    assert folders == set(CASES)


def test_every_protocol_has_cases() -> None:
    assert {folder.parent.name for folder in CASES} >= {*FAMILIES, *JSON_FORMATS}
    assert {path.parts[-3] for path in CORPUS.glob("*/*/port.capture")} == {*FAMILIES}
