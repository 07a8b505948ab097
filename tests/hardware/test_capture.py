"""Captures: what was written is read, and what was spoilt spoils no more than itself."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagtrail.hardware.capture import LINE_MAX, Capture, Header, Kind, Record, encode_header, encode_record, lines
from tagtrail.hardware.errors import BadData
from tagtrail.hardware.wire import TIME_MAX_US

HEADER = Header("r01", "mercury", "/dev/ttyUSB0", 115_200)
TIMES = st.integers(0, TIME_MAX_US)
RECORDS = st.lists(
    st.builds(Record, TIMES, st.sampled_from([Kind.FROM_READER, Kind.TO_READER]), st.binary(min_size=1, max_size=40))
    | st.builds(Record, TIMES, st.just(Kind.NOTE), st.text("abc <>!#{}", max_size=9).map(str.encode)),
    max_size=12,
)


def read(data: bytes) -> Capture:
    return Capture(lines(io.BytesIO(data)))


def encode(records: list[Record], header: Header = HEADER) -> bytes:
    return encode_header(header) + b"".join(map(encode_record, records))


@given(RECORDS)
def test_what_is_written_is_read(records: list[Record]) -> None:
    capture = read(encode(records))
    assert capture.header == HEADER
    assert list(capture.records()) == records
    assert capture.note is None


@given(RECORDS, st.data())
def test_a_file_that_was_cut_off_gives_all_whole_lines(records: list[Record], data: st.DataObject) -> None:
    whole = encode(records)
    size = data.draw(st.integers(len(encode_header(HEADER)), len(whole)))
    capture = read(whole[:size])
    good = list(capture.records())
    assert good == records[: whole[:size].count(b"\n") - 1]
    assert (capture.note is None) == whole[:size].endswith(b"\n")


@given(RECORDS, st.data())
def test_a_damaged_line_costs_itself_alone(records: list[Record], data: st.DataObject) -> None:
    junk = data.draw(st.binary(min_size=1, max_size=30).filter(lambda junk: b"\n" not in junk))
    at = data.draw(st.integers(0, len(records)))
    capture = read(encode(records[:at]) + b"\0" + junk + b"\n" + b"".join(map(encode_record, records[at:])))
    assert list(capture.records()) == records
    assert capture.note == f"1 line left out, first line {at + 2}: cut off or damaged; all others are good"


@given(st.binary(max_size=200))
def test_any_bytes_at_all(data: bytes) -> None:
    list(read(encode([]) + data).records())
    with pytest.raises(BadData):
        read(data)


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (b"", "not-a-capture"),
        (b"FF 00 03\n", "not-a-capture"),
        (encode_header(HEADER)[:-1], "not-a-capture"),
        (b"tagtrail-capture 2 {}\n", "version"),
        (b'tagtrail-capture 1 {"reader":"r01"}\n', "wrong-shape"),
        (encode_header(Header("../../etc", "mercury")), "wrong-shape"),
        (b"tagtrail-capture 1 \xff\n", "wrong-shape"),
    ],
)
def test_what_is_no_capture_is_told(first: bytes, reason: str) -> None:
    with pytest.raises(BadData) as caught:
        read(first)
    assert caught.value.reason == reason


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "r01.capture"
    path.write_bytes(encode([]) + b"\0" * (3 * LINE_MAX))
    with path.open("rb") as file:
        capture = Capture(lines(file))
        assert list(capture.records()) == []
        assert capture.faulty == 3


def test_each_opening_is_a_connection_of_its_own() -> None:
    def record(mark: str, text: bytes) -> Record:
        return Record(1, Kind(mark), text)

    records = [
        record("!", b"opened"), record("<", b"a"), record(">", b"x"), record("<", b"b"), record("!", b"closed"),
        record("!", b"opened"), record(">", b"y"), record("<", b"c"),
    ]  # fmt: skip
    of_reader = [b"".join(r.data for r in one) for one in read(encode(records)).connections(Kind.FROM_READER)]
    of_host = [b"".join(r.data for r in one) for one in read(encode(records)).connections(Kind.TO_READER)]
    assert of_reader == [b"ab", b"", b"c"]
    assert of_host == [b"x", b"", b"y"]
