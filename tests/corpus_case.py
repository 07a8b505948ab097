"""A case of the corpus. As a program it prints what the decoder makes of one, a line per event, for you to hold against
the source of the bytes:

    .venv/bin/python tests/corpus_case.py tests/corpus/mercury/version
    .venv/bin/python tests/corpus_case.py tests/corpus/mercury/version --write    # when you have read it

What it writes is only as good as the review: leave out each field that the source does not vouch for.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from null_modem import family_of
from tagtrail.hardware.capture import Capture, Kind
from tagtrail.hardware.decoding import Decoder, Event, decode_stream, load_decoder, parse_hex
from tagtrail.hardware.protocols import FAMILIES, JSON_FORMATS
from tagtrail.hardware.protocols.interface import Counters

INPUTS = ("frame.hex", "capture.hex", "messages.json", "port.capture")


def decoder_of(protocol: str) -> Decoder:
    """The decoder of a folder of the corpus."""
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
    def from_reader(self) -> bool:
        """Whether the reader said it."""
        return self.notes.get("from", "reader") == "reader"

    def streams(self) -> Iterator[list[bytes]]:
        """The bytes in chunks, apart for each time that the port was opened."""
        if self.input.suffix == ".capture":
            capture = Capture(self.input.read_bytes().splitlines(keepends=True))
            for connection in capture.connections(Kind.FROM_READER if self.from_reader else Kind.TO_READER):
                yield [record.data for record in connection]
            if capture.note is not None:
                raise ValueError(f"{self.input}: {capture.note}")
        elif self.input.suffix == ".hex":
            yield [b"".join(map(parse_hex, self.text.splitlines()))]
        else:
            yield [self.text.encode()]

    def events(self, streams: Iterable[Iterable[bytes]], counters: Counters) -> list[Event]:
        """What the decoder makes of streams."""
        decoder = decoder_of(self.folder.parent.name)
        options = dict(word.split("=") for word in self.notes.get("set", "").split())
        return [
            event
            for chunks in streams
            for event in decode_stream(decoder, chunks, counters, from_reader=self.from_reader, options=options)
        ]


def main() -> int:
    """Print, or write, what is made of one case."""
    folder = Path(sys.argv[1]).resolve()
    events = Case(folder).events(Case(folder).streams(), Counters())
    lines = [json.dumps({name: value for name, value in event.items() if name != "hex"}) for event in events]
    text = "[" + ",".join("\n  " + line for line in lines) + ("\n]\n" if lines else "]\n")
    if sys.argv[2:] == ["--write"]:
        (folder / "expected.json").write_text(text)
    else:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
