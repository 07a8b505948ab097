"""Every case of the corpus decodes to what its page says; a new folder is a new test. See tests/corpus/README.md."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from null_modem import family_of
from tagtrail.hardware.decoding import Decoder, Event, decode_stream, load_decoder, parse_hex
from tagtrail.hardware.protocols import FAMILIES, JSON_FORMATS
from tagtrail.hardware.protocols.interface import Counters

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
INPUTS = ("frame.hex", "capture.hex", "messages.json")
CASES = sorted(file.parent for file in CORPUS.glob("*/*/expected.json"))


def decoder_of(protocol: str) -> Decoder:
    return load_decoder(protocol) if protocol in (*FAMILIES, *JSON_FORMATS) else family_of(protocol)


class Case:
    """A folder: one input, its notes, and what is expected."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (self.input,) = (folder / name for name in INPUTS if (folder / name).exists())
        page = folder / "README.md"
        self.text = self.input.read_text(encoding="utf-8")
        lines = (page.read_text(encoding="utf-8") if page.exists() else self.text).splitlines()
        notes = (line.lstrip("# ").partition(": ") for line in lines if ": " in line)
        self.notes = {name: value for name, _, value in notes}

    @property
    def data(self) -> bytes:
        if self.input.suffix == ".hex":
            return b"".join(map(parse_hex, self.text.splitlines()))
        return self.text.encode()

    def events(self, chunks: Iterable[bytes], counters: Counters) -> list[Event]:
        decoder = decoder_of(self.folder.parent.name)
        options = dict(word.split("=") for word in self.notes.get("set", "").split())
        from_reader = self.notes.get("from", "reader") == "reader"
        return list(decode_stream(decoder, chunks, counters, from_reader=from_reader, options=options))


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_case(folder: Path) -> None:
    case = Case(folder)
    assert case.notes.get("source"), "a case says where its bytes come from: '# source: …' in the .hex or in README.md"
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    data, counters = case.data, Counters()
    events = case.events([data], counters)
    assert [{name: event.get(name) for name in wanted} for event, wanted in zip(events, expected, strict=False)] == (
        expected[: len(events)]
    )
    assert len(events) == len(expected), events
    if case.input.name == "frame.hex":
        assert counters.frames == (1 if expected else 0)
    assert case.events([data[at : at + 1] for at in range(len(data))], Counters()) == events


def test_every_case_has_both_files() -> None:
    folders = {file.parent for file in CORPUS.glob("*/*/*")}
    assert folders == set(CASES)
    assert len(CASES) >= 10
