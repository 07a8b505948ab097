"""`tagtrail decode`: raw bytes of a reader to JSON lines."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BufferedReader, FileIO
from typing import Final

import msgspec

from tagtrail.hardware import capture
from tagtrail.hardware.decoding import (
    Decoder,
    Event,
    decode_line,
    decode_stream,
    is_hex_text,
    load_decoder,
    parse_hex,
    parse_json_line,
    told,
)
from tagtrail.hardware.errors import BadData, GiveUp
from tagtrail.hardware.protocols import FAMILIES, JSON_FORMATS
from tagtrail.hardware.protocols.interface import Counters

CHUNK: Final = 64 * 1024
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SPACES: Final = dict.fromkeys(map(ord, "\t\n\r\f\v"), " ")


def configure(parser: argparse.ArgumentParser) -> None:
    """What to decode, and how."""
    parser.description = (
        "Raw bytes of a reader to JSON lines, one event each: hex text (spaces, 0x and comments may be in it), binary, "
        "JSON of fixed readers, or a .capture of the edge. Counters go to standard error."
    )
    protocols = ", ".join(sorted({*FAMILIES, *JSON_FORMATS}))
    parser.add_argument("file", metavar="FILE", help="what to decode; - is standard input")
    parser.add_argument("--protocol", metavar="P", help=f"one of {protocols} (a capture names its own)")
    parser.add_argument(
        "--lines", action="store_true", help="each line is a stream of its own and gives one JSON array on one line"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="what a session would have learned from the reader, e.g. layout=18 for Chafon",
    )
    side = parser.add_mutually_exclusive_group()
    side.add_argument("--from-host", action="store_true", help="decode what the host sent, not what the reader sent")
    side.add_argument(
        "--from-reader", action="store_true", help="with --lines: take no line for a command, however it looks"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--hex", action="store_true", help="FILE is hex text (default: if there is nothing else in it)")
    form.add_argument("--binary", action="store_true", help="FILE is the bytes themselves")


def run(options: argparse.Namespace) -> int:
    """Decode until the end of the file; whatever the bytes are, this is 0.

    Raises:
        GiveUp: The file cannot be read, is not the hex that it should be, or the options make no sense.
    """
    job = _Job(options)
    try:
        with _open(options.file) as file:
            for line in job.lines(file):
                sys.stdout.write(line)
                if options.file == "-":  # perhaps a reader that is read just now
                    sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise GiveUp(f"{options.file}: {error.strerror}") from None
    print(told(job.counters), file=sys.stderr)
    if job.counters.bytes_in and not job.counters.frames and not options.from_host:
        print("note: there is no frame of a reader in this; --from-host looks for the host's", file=sys.stderr)
    return 0


def _open(name: str) -> BufferedReader:
    return BufferedReader(FileIO(0, closefd=False) if name == "-" else FileIO(name), CHUNK)


class _Job:
    """One call of the command."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.counters = Counters()
        self._options = options
        self._settings = dict(_setting(text) for text in options.set)
        self._decoder = load_decoder(options.protocol) if options.protocol else None

    def lines(self, file: BufferedReader) -> Iterator[str]:
        """What to print."""
        options = self._options
        sample = file.peek(CHUNK)
        if sample.startswith(capture.MAGIC) and not options.binary:
            if options.lines:
                raise GiveUp(f"{options.file} is a capture, whose lines are one stream: leave --lines out")
            return map(_json_line, self._captured(file))
        if self._decoder is None:
            raise GiveUp(f"{options.file} is no capture, which would name its protocol: give --protocol")
        if options.lines:
            return (_json_line(self._line(self._decoder, data)) for data in self._line_by_line(file))
        if options.hex or not (options.binary or self._is_binary(sample)):
            return map(_json_line, self._events(self._decoder, self._hex_lines(file)))
        return map(_json_line, self._events(self._decoder, iter(partial(file.read1, CHUNK), b"")))

    def _events(self, decoder: Decoder, chunks: Iterable[bytes]) -> Iterator[Event]:
        return decode_stream(
            decoder, chunks, self.counters, from_reader=not self._options.from_host, options=self._settings
        )

    def _line(self, decoder: Decoder, data: bytes) -> list[Event]:
        if self._options.from_host or self._options.from_reader:
            return list(self._events(decoder, [data]))
        return decode_line(decoder, data, self.counters, options=self._settings)

    def _is_binary(self, sample: bytes) -> bool:
        if is_hex_text(sample):
            return False
        if self._options.protocol in FAMILIES and sample.decode("utf-8", "replace").translate(_SPACES).isprintable():
            print(f"note: {self._options.file} is text, but not hex alone, so it was read as binary", file=sys.stderr)
        return True

    def _hex_lines(self, file: Iterable[bytes]) -> Iterator[bytes]:
        return (self._parsed(number, line) for number, line in enumerate(file, start=1))

    def _line_by_line(self, file: Iterable[bytes]) -> Iterator[bytes]:
        if self._options.protocol not in JSON_FORMATS:
            if self._options.binary:
                raise GiveUp("--lines needs hex text: binary has no lines, so leave --binary out")
            return self._hex_lines(file)
        if self._options.hex:
            return self._hex_lines(file)
        return iter(file) if self._options.binary else map(parse_json_line, file)

    def _parsed(self, number: int, line: bytes) -> bytes:
        try:
            return parse_hex(line.decode("utf-8", "replace"))
        except BadData as bad:
            raise GiveUp(f"{self._options.file}:{number}: {bad}; --binary reads bytes as they are") from None

    def _captured(self, file: BufferedReader) -> Iterator[Event]:
        try:
            recorded = capture.Capture(capture.lines(file))
        except BadData as bad:
            raise GiveUp(f"{self._options.file}: {bad}") from None
        decoder = self._decoder or load_decoder(recorded.header.protocol)
        kind = capture.Kind.TO_READER if self._options.from_host else capture.Kind.FROM_READER
        time_us = 0

        def timed(records: Iterable[capture.Record]) -> Iterator[bytes]:
            nonlocal time_us
            for record in records:
                time_us = record.time_us
                yield record.data

        for connection in recorded.connections(kind):
            for event in self._events(decoder, timed(connection)):
                moment = _EPOCH + timedelta(microseconds=time_us)
                yield {"time": moment.isoformat(timespec="microseconds").replace("+00:00", "Z")} | event
        if recorded.note:
            print(f"note: {self._options.file}: {recorded.note}", file=sys.stderr)


def _json_line(value: object) -> str:
    return msgspec.json.encode(value).decode() + "\n"


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise GiveUp(f"--set {text}: expected KEY=VALUE, e.g. layout=18")
    return name, value
