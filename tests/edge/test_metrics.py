import re
import socket
import urllib.error
import urllib.request
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from fixture_edge import wait_for
from tagtrail.edge.metrics import CONTENT_TYPE, MetricsServer, render
from tagtrail.hardware.errors import GiveUp
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
    readers=[READER, ReaderStatus("r02", "failed", port="usb:A1")],
)
Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]

_SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? ([-+0-9.e]+)')
_LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"')
_ESCAPED = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def parse(text: str) -> Samples:
    """A strict reader of the text format: a metric's help and type come first, its samples in one block after them."""
    assert text.endswith("\n")
    found: Samples = defaultdict(dict)
    kinds: dict[str, str] = {}
    name = ""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("# HELP "):
            name = line.split()[2]
            assert name not in kinds, "one block per metric"
            assert len(line.split()) > 3
            word, typed, kinds[name] = next(lines).removeprefix("# ").split()
            assert (word, typed) == ("TYPE", name)
            assert (kinds[name] == "counter") == name.endswith("_total")
            continue
        match = _SAMPLE.fullmatch(line)
        assert match, line
        assert match[1] == name
        labels = tuple((k, re.sub(r"\\.", lambda m: _ESCAPED[m[0]], v)) for k, v in _LABEL.findall(match[2] or ""))
        assert labels not in found[name], "one value per set of labels"
        found[name][labels] = float(match[3])
    return found


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
    }


def get(port: int, path: str = "/metrics") -> Samples:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        assert answer.headers["Content-Type"] == CONTENT_TYPE
        return parse(answer.read().decode())


def test_it_is_served_at_one_path() -> None:
    server = MetricsServer("127.0.0.1", 0, lambda: STATUS)
    try:
        assert get(server.port) == get(server.port, "/metrics?x=1") == parse(render(STATUS))
        with pytest.raises(urllib.error.HTTPError, match="404") as caught:
            get(server.port, "/")
        caught.value.close()
        with pytest.raises(GiveUp, match="metrics cannot be served at 127.0.0.1:.*Change metrics_host or metrics_port"):
            MetricsServer("127.0.0.1", server.port, lambda: STATUS)
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
