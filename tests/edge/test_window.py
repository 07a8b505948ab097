from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagtrail.edge.window import BATCH_SPAN_MAX_US, COUNT_MAX, Batcher, Window
from tagtrail.hardware.reads import TagRead
from tagtrail.hardware.wire import SPAN_MAX_US

T0_US = 1_773_453_600_000_000
TAGS = ["E28011606000020512345678", "E28011606000020512345679", "0102030405"]

one_read = st.builds(
    TagRead,
    time_us=st.integers(-2_000_000, 2_000_000).map(lambda dt: T0_US + dt),
    reader=st.sampled_from(["r01", "r02"]),
    antenna=st.integers(1, 2),
    epc=st.sampled_from(TAGS),
    rssi_dbm=st.none() | st.floats(-90, -30),
    count=st.integers(1, COUNT_MAX),
)
some_reads = st.lists(one_read, max_size=60)


def through(window: Window, chunks: list[list[TagRead]]) -> list[TagRead]:
    out: list[TagRead] = []
    for chunk in chunks:
        out += window.add(chunk)
        if chunk:
            out += window.due(chunk[-1].time_us)
    return out + window.flush()


def read(dt_s: float, rssi_dbm: float | None = -60.0, epc: str = TAGS[0], count: int = 1) -> TagRead:
    return TagRead(T0_US + round(dt_s * 1e6), "r01", 1, epc, rssi_dbm, count)


def test_repetitions_become_one_read_with_the_first_time_and_the_strongest_signal() -> None:
    window = Window(0.5)
    assert window.add([read(0.0, -70), read(0.2, None), read(0.4, -61.5), read(0.1, -65, TAGS[1])]) == []
    assert window.due(T0_US + 499_999) == []
    assert window.due_us() == T0_US + 500_000
    assert window.due(T0_US + 500_000) == [read(0.0, -61.5, count=3)]
    assert window.due(T0_US + 600_000) == [read(0.1, -65, TAGS[1])]
    assert window.due_us() is None


def test_a_read_after_the_window_starts_the_next_one() -> None:
    window = Window(0.5)
    assert window.add([read(0.0), read(0.5), read(0.9)]) == [read(0.0)]
    assert window.flush() == [read(0.5, count=2)]


def test_without_a_window_each_read_is_its_own() -> None:
    reads = [read(0.0), read(0.0), read(0.1)]
    window = Window(0)
    assert window.add(reads) == reads
    assert window.flush() == []


def test_a_clock_that_is_set_back_closes_the_windows_of_the_old_time() -> None:
    window = Window(0.5)
    window.add([read(0.0)])
    assert window.due(T0_US - 3_600_000_000) == [read(0.0)]
    window.add([read(0.0)])
    assert window.add([read(-3600.0)]) == [read(0.0)]


def test_a_count_that_the_wire_cannot_carry_is_split() -> None:
    window = Window(0.5)
    closed = window.add([read(0.0, count=COUNT_MAX), read(0.1)])
    assert [r.count for r in closed + window.flush()] == [COUNT_MAX, 1]


@given(st.lists(some_reads, max_size=8), st.sampled_from([0.0, 0.05, 0.5, 5.0]))
def test_counts_are_conserved_and_nothing_is_invented(chunks: list[list[TagRead]], window_s: float) -> None:
    before, after = Counter[tuple[str, int, str]](), Counter[tuple[str, int, str]]()
    reads = [r for chunk in chunks for r in chunk]
    merged = through(Window(window_s), chunks)
    for r in reads:
        before[r.reader, r.antenna, r.epc] += r.count
    for r in merged:
        after[r.reader, r.antenna, r.epc] += r.count
    assert before == after
    assert {(r.reader, r.antenna, r.epc, r.time_us) for r in merged} <= {
        (r.reader, r.antenna, r.epc, r.time_us) for r in reads
    }
    assert {r.rssi_dbm for r in merged} <= {r.rssi_dbm for r in reads}
    assert all(r.count <= COUNT_MAX for r in merged)


@given(some_reads, st.sampled_from([0.05, 0.5]))
def test_in_order_in_means_in_order_out(reads: list[TagRead], window_s: float) -> None:
    small = [msgspec.structs.replace(r, count=1) for r in sorted(reads, key=lambda r: r.time_us)]
    merged = through(Window(window_s), [[r] for r in small])
    times = [r.time_us for r in merged]
    assert times == sorted(times)
    last: dict[tuple[str, int, str], int] = {}
    for r in merged:
        key = (r.reader, r.antenna, r.epc)
        assert r.time_us >= last.get(key, r.time_us - 10**9) + round(window_s * 1e6)
        last[key] = r.time_us


def test_a_batch_is_due_when_it_is_full_or_old() -> None:
    batcher = Batcher(3, 0.5, 100)
    assert batcher.due_s() == float("inf")
    batcher.add([read(0.0)], 10.0)
    batcher.add([read(0.1)], 10.2)
    assert batcher.due_s() == 10.5
    batcher.add([read(0.2), read(0.3)], 10.3)
    assert batcher.due_s() <= 10.3
    assert batcher.peek() == [read(0.0), read(0.1), read(0.2)]
    batcher.drop(3)
    assert batcher.due_s() == 10.8
    assert batcher.peek() == [read(0.3)]


def test_reads_beyond_the_memory_are_refused_and_counted() -> None:
    batcher = Batcher(3, 0.5, 2)
    batcher.add([read(0.0), read(0.1), read(0.2, count=7)], 0.0)
    assert (len(batcher), batcher.refused.total()) == (2, 7)


@given(st.lists(st.integers(0, 3 * SPAN_MAX_US), min_size=1, max_size=30))
def test_a_clock_that_jumps_never_makes_a_batch_that_ingest_refuses(times_us: list[int]) -> None:
    reads = [TagRead(T0_US + time_us, "r01", 1, TAGS[0], None) for time_us in times_us]
    batcher = Batcher(10, 0.5, 100)
    batcher.add(reads, 0.0)
    out = []
    while len(batcher):
        batch = batcher.peek()
        assert 1 <= len(batch) <= 10
        span_us = max(r.time_us for r in batch) - min(r.time_us for r in batch)
        assert span_us <= BATCH_SPAN_MAX_US < SPAN_MAX_US
        out += batch
        batcher.drop(len(batch))
    assert out == reads
    assert batcher.peek() == []


@pytest.mark.parametrize("count", [1, 5])
def test_a_batch_that_is_not_dropped_stays(count: int) -> None:
    batcher = Batcher(3, 0.5, 100)
    batcher.add([read(0.0)] * count, 0.0)
    assert batcher.peek() == batcher.peek()
    assert len(batcher) == count
