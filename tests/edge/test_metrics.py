import socket
import urllib.error
from typing import TYPE_CHECKING

import pytest

from fixture_edge import wait_for
from fixture_metrics import get, parse
from tagtrail.edge.metrics import render
from tagtrail.hardware.errors import GiveUp
from tagtrail.hardware.prometheus import MetricsServer
from tagtrail.hardware.wire import AgentStatus, ReaderStatus

if TYPE_CHECKING:
    from fixture_edge import Shop

READER = ReaderStatus(
    reader="r01",
    port='C:\\a"b\nc',
    state="streaming",
    reads=1,
    frames=2,
    keepalives=3,
    bytes_dropped=4,
    checksum_errors=5,
    resyncs=6,
    rejected=15,
    rejected_by={"bad-epc": 7, "bad-antenna": 8},
    reconnects=9,
    temperature_c=41.5,
    bytes_in=10,
    timeouts=11,
    reads_refused=12,
)
STATUS = AgentStatus(
    v=1,
    agent="edge-1",
    state="online",
    time_us=0,
    boot="b1",
    seq=21,
    spool_batches=22,
    spool_reads=23,
    committed_seq=24,
    inflight=25,
    error="the disk is full",
    clock_shift_us=-1_500_000,
    clock="unknown",
    readers=[READER, ReaderStatus("r02", "failed", port="usb:A1")],
)


def test_all_numbers_of_the_status_are_told() -> None:
    found = parse(render(STATUS))
    one, two = (("reader", "r01"), ("port", 'C:\\a"b\nc')), (("reader", "r02"), ("port", "usb:A1"))
    told = {name.removeprefix("tagtrail_edge_"): samples for name, samples in found.items()}
    for name, value in {
        "reads": 1,
        "frames": 2,
        "keepalives": 3,
        "bytes_dropped": 4,
        "checksum_errors": 5,
        "resyncs": 6,
        "reconnects": 9,
        "bytes": 10,
        "timeouts": 11,
        "reads_refused": 12,
    }.items():
        assert told.pop(f"reader_{name}_total") == {one: value, two: 0}
    rejected = told.pop("reader_rejected_total")
    assert rejected == {(*one, ("reason", "bad-epc")): 7, (*one, ("reason", "bad-antenna")): 8}
    states = told.pop("reader_state")
    assert {labels for labels, value in states.items() if value} == {
        (*one, ("state", "streaming")),
        (*two, ("state", "failed")),
    }
    assert len(states) == 14
    assert told.pop("reader_temperature_celsius") == {one: 41.5}
    assert told.pop("info") == {(("agent", "edge-1"), ("boot", "b1")): 1}
    assert told == {
        "spooled_seq": {(): 21},
        "spool_batches": {(): 22},
        "spool_reads": {(): 23},
        "committed_seq": {(): 24},
        "inflight_batches": {(): 25},
        "spool_full": {(): 1},
        "clock_shift_seconds": {(): -1.5},
        "clock_unknown": {(): 1},
    }


def test_it_is_served_at_one_path() -> None:
    server = MetricsServer("127.0.0.1", 0, lambda: render(STATUS))
    try:
        assert get(server.port) == get(server.port, "/metrics?x=1") == parse(render(STATUS))
        with pytest.raises(urllib.error.HTTPError, match="404") as caught:
            get(server.port, "/")
        caught.value.close()
        with pytest.raises(GiveUp, match="metrics cannot be served at 127.0.0.1:.*Change metrics_host or metrics_port"):
            MetricsServer("127.0.0.1", server.port, lambda: render(STATUS))
    finally:
        server.close()


def test_a_running_agent_tells_what_its_status_tells(shop: "Shop") -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shop.start(metrics_port=port)
    shop.readers["r01"].see([f"E280116060000205{i:08X}" for i in range(200)])
    wait_for(lambda: len(shop.ingest.reads) == 200, "the reads")
    wait_for(lambda: (s := shop.ingest.status("online")) and s.committed_seq == s.seq > 0, "their commit")
    status = shop.ingest.statuses[-1]
    (reader,) = status.readers
    assert reader.port == str(shop.port("r01"))
    labels = (("reader", "r01"), ("port", reader.port))
    first, second = get(port), get(port)
    for found in (first, second):
        assert found["tagtrail_edge_committed_seq"][()] == status.committed_seq == status.seq > 0
        assert found["tagtrail_edge_reader_reads_total"][labels] == 200
        assert found["tagtrail_edge_reader_bytes_total"][labels] >= reader.bytes_in > 200 * 12
        assert found["tagtrail_edge_reader_frames_total"][labels] >= reader.frames > 200
        assert found["tagtrail_edge_reader_state"][(*labels, ("state", "streaming"))] == 1
    for name in first:
        if name.endswith("_total"):
            assert all(second[name][key] >= value for key, value in first[name].items())
    assert shop.stop() == 0
    assert "Traceback" not in shop.log()
