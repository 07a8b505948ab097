"""All batches at once accept, refuse and mean what the pure check does one by one."""

import math
from dataclasses import fields

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fixture_agent import T0_US, FakeAgent
from tagtrail.hardware.errors import BadData
from tagtrail.hardware.reads import EPC_PATTERN, are_epcs
from tagtrail.hardware.wire import ReadBatch, check_batch, encode, parse_batch, reads_topic, with_first
from tagtrail.ingest.columns import SuspectError, pack
from tagtrail.ingest.intake import Batch, Message, Rejected, read_messages
from tagtrail.ingest.parsing import BatchArrays, as_arrays, parse_fast

GOOD = FakeAgent()

small = st.integers(-2, 5) | st.sampled_from([254, 255, 256, 32_767, 32_768, -(2**63) - 1, 2**63, 10**30])
many_us = st.integers(0, 90_000_000_000) | st.sampled_from([-1, 86_400_000_001, 2**63, -(2**63), 10**30])
epc = st.text("0123456789ABCDEF", min_size=8, max_size=9) | st.sampled_from(
    ["", "A" * 7, "A" * 128, "A" * 129, "abcdef01", "E2801160 ", "E280116Ü", "\ud7ff" * 8, "E280\x001160"]
)
dbm = st.none() | st.floats(-160, 40) | st.sampled_from([-150.0, math.nextafter(-150, -151), 30.0, 30.1, 1e300, 7.0])


@st.composite
def batches(draw: st.DrawFn) -> ReadBatch:
    """Mostly right ones; each column may be wrong in each way."""
    reads = draw(st.integers(1, 6))

    def column(good: st.SearchStrategy[object], bad: st.SearchStrategy[object]) -> list[object]:
        size = reads + draw(st.sampled_from([0] * 20 + [-1, 1]))
        return draw(st.lists(draw(st.sampled_from([good] * 5 + [bad])), min_size=size, max_size=size))

    readers = draw(st.lists(st.text(max_size=3), min_size=1, max_size=3))
    tags = draw(st.lists(st.text("0123456789ABCDEF", min_size=8, max_size=9), min_size=1, max_size=300))
    if draw(st.integers(0, 5)) == 0:
        tags.append(draw(epc))
    t0 = draw(st.sampled_from([T0_US] * 6 + [0, -(10**30), 2**63 - 1, -(2**63), 4_102_444_800_000_000]))
    dt = column(st.integers(0, 1_000_000), many_us)
    if abs(t0) > 2**62 and draw(st.booleans()):
        dt = [T0_US - t0] * reads  # absurd and right
    return msgspec.convert(
        {
            "v": draw(st.sampled_from([1] * 9 + [2])),
            "agent": "edge-1",
            "boot": draw(st.sampled_from(["b1"] * 9 + [""])),
            "seq": draw(st.sampled_from([1, 7] * 5 + [0])),
            "t0": t0,
            "tags": tags,
            "readers": readers,
            "tag": column(st.integers(0, len(tags) - 1), small),
            "reader": column(st.integers(0, len(readers) - 1), small),
            "antenna": column(st.integers(1, 255), small),
            "dt": dt,
            "rssi": column(st.none() | st.floats(-150, 30).map(lambda value: round(value, 1)), dbm),
            "count": column(st.integers(1, 32_767), small),
            "first": draw(st.sampled_from([1] * 9 + [0, 7])),
            "shift": draw(st.sampled_from([0] * 9 + [5, -5, 10**16, 10**30])),
        },
        ReadBatch,
    )


def verdict(batch: ReadBatch) -> str | None:
    try:
        check_batch(batch)
    except BadData as bad:
        return bad.reason
    return None


@given(batch=batches())
def test_what_one_refuses_the_other_suspects(batch: ReadBatch) -> None:
    if verdict(batch) is None:
        columns, (extent,) = pack(["s"], [as_arrays(batch)])
        zero = batch.t0 + batch.shift
        assert columns.time.astype(int).tolist() == [zero + dt for dt in batch.dt]
        assert [columns.tags[tag] for tag in columns.tag] == [batch.tags[tag] for tag in batch.tag]
        assert [tuple(columns.antennas[antenna]) for antenna in columns.antenna] == [
            ("s", batch.readers[reader], port) for reader, port in zip(batch.reader, batch.antenna, strict=True)
        ]
        assert columns.count.tolist() == batch.count
        expected = [np.float32(math.nan if rssi is None else rssi) for rssi in batch.rssi]
        np.testing.assert_array_equal(columns.rssi_dbm, expected)
        assert (extent.first_us, extent.last_us) == (zero + min(batch.dt), zero + max(batch.dt))
        assert extent.reads == sum(batch.count)
    else:
        with pytest.raises((SuspectError, OverflowError)):
            pack(["s"], [as_arrays(batch)])


def equal(one: BatchArrays, other: BatchArrays) -> bool:
    return all(
        np.array_equal(getattr(one, field.name), getattr(other, field.name), equal_nan=field.name == "rssi")
        for field in fields(BatchArrays)
    )


def strange(payload: bytes, key: str, text: bytes) -> bytes:
    """The payload with another value for one key, as it stands in the JSON."""
    values = {name: msgspec.json.encode(value) for name, value in msgspec.json.decode(payload).items()}
    return b"{" + b",".join(b'"%s":%s' % (n.encode(), v) for n, v in (values | {key: text}).items()) + b"}"


odd = st.sampled_from(
    [b"[[1],[2]]", b"[1,[2]]", b"[]", b"[1.0]", b"[1e0]", b"[true]", b"[null]", b'["1"]', b'"x"', b"1", b"1.0", b"null",
     b"{}", b"[NaN]", b"[18446744073709551615]", b"[-0]", b"[01]", b'["\\ud800"]', b'["AB\\u0043D"]', b"true", b"1e400",
     b'{"r01":[1]}', b'"[r01"']
)  # fmt: skip
key = st.sampled_from([field.name for field in fields(BatchArrays)] + ["more", "\\u0074ag"])


def careful(payload: bytes) -> BatchArrays | None:
    try:
        return as_arrays(parse_batch(payload))
    except (BadData, OverflowError):
        return None


@example(batch=GOOD.batch(1), name="readers", text=b'{"r01":[1]}', first=1)
@example(batch=GOOD.batch(1), name="readers", text=b'"[r01"', first=1)
@example(batch=GOOD.batch(1), name="tags", text=b'{"E2801160":[1]}', first=1)
@given(batch=batches(), name=key, text=odd, first=st.integers(0, 9))
def test_the_fast_way_reads_what_the_careful_way_reads_or_nothing(
    batch: ReadBatch, name: str, text: bytes, first: int
) -> None:
    payload = encode(batch)
    for changed in (payload, with_first(payload, first), strange(payload, name, text), b" " + payload, payload + b"x",
                    b"\xef\xbb\xbf" + payload, payload[:-1], payload.replace(b'"tag":', b'"tags":')):  # fmt: skip
        fast = parse_fast(changed)
        if fast is not None:
            slow = careful(changed)
            assert slow is not None, changed
            assert equal(fast, slow), changed


def test_what_is_usual_goes_the_fast_way() -> None:
    pytest.importorskip("simdjson", reason="no wheel of pysimdjson for this Python")
    usual = GOOD.batch(1)
    for batch in (usual, msgspec.structs.replace(usual, rssi=[None] * len(usual.rssi), shift=5, clock="corrected")):
        fast = parse_fast(encode(batch))
        assert fast is not None
        assert equal(fast, as_arrays(batch))


@given(several=st.lists(batches(), max_size=5))
def test_among_others_each_batch_meets_its_own_fate(several: list[ReadBatch]) -> None:
    payloads = [encode(batch) for batch in several]
    expected: list[str | None] = []
    for payload in payloads:
        try:
            expected.append(verdict(parse_batch(payload)))
        except BadData as bad:  # numbers that JSON cannot carry
            expected.append(bad.reason)
    topic = reads_topic("riverside", "edge-1")
    items = read_messages([Message(topic, payload) for payload in payloads])
    assert [item.reason if isinstance(item, Rejected) else None for item in items] == expected
    for item, batch in zip(items, several, strict=True):
        if isinstance(item, Batch):
            own = item.columns.of([item.extent.rows])
            assert [own.tags[tag] for tag in own.tag] == [batch.tags[tag] for tag in batch.tag]


@given(tags=st.lists(epc | st.text(max_size=130)))
def test_epcs_at_once_and_one_by_one(tags: list[str]) -> None:
    assert are_epcs(tags) == all(EPC_PATTERN.fullmatch(tag) for tag in tags)
