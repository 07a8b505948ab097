"""The counting itself: what it is told of, it must find."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from chaos.count import Heard, judge
from chaos.visits import are_analysed, visit_faults
from chaos.witness import READ, Evidence, epc, hear
from chaos.witness import Batch as Accepted
from chaos.worker import environment
from chaos.world import store_file
from fixture_ingest import wait_until
from tagtrail.analytics.database import load_stores
from tagtrail.analytics.live import StoreAnalyzer
from tagtrail.analytics.presence import PresenceParameters
from tagtrail.hardware.reads import TagRead
from tagtrail.hardware.wire import encode, pack_reads, reads_topic
from tagtrail.ingest.database.connection import Connection
from tagtrail.ingest.database.layouts import add_layout
from tagtrail.ingest.intake import Message, read_message
from tagtrail.ingest.writer import Writer

T0_US = 1_773_453_600_000_000

APPEND = """
import sys
from pathlib import Path
from chaos.witness import Witness, epc
from tagtrail.edge.spool import Spool
from tagtrail.hardware.reads import TagRead
folder = Path(sys.argv[1])
Witness(folder / "witness").attend()
spool = Spool(folder / "spool.sqlite", store="riverside", agent="edge-1")
number = 0
while True:
    reads = [TagRead(1_773_453_600_000_000 + number + i, "r01", 1, epc(1, number + i), -40.0) for i in range(100)]
    print(spool.append(reads), flush=True)
    number += 100
"""


def batch(connection: Connection, seq: int) -> Accepted:
    """Write a batch, and say what a witness would."""
    reads = [TagRead(T0_US + seq * 100 + i, "r01", 1, epc(1, seq * 100 + i), -40.0) for i in range(10)]
    payload = encode(pack_reads(reads, agent="edge-1", boot="b1", seq=seq))
    Writer().write(connection, [read_message(Message(reads_topic("riverside", "edge-1"), payload))])
    key = [(1 << 40 | seq * 100 + i) << 12 | 1 << 8 | 40 for i in range(10)]
    return Accepted("b1", seq, np.array(list(zip([read.time_us for read in reads], key, strict=True)), READ))


def test_lost_double_and_foreign_rows_are_found(connection: Connection) -> None:
    told = Evidence([batch(connection, seq) for seq in (1, 2, 3)])
    heard = [Heard("edge-1", told, ["r01"])]
    assert judge(connection, "riverside", heard).right
    tag = "(SELECT tag_id FROM tag WHERE epc = %s)"
    copy = "INSERT INTO tag_read SELECT * FROM tag_read WHERE tag_id = "
    connection.execute(f"DELETE FROM tag_read WHERE tag_id = {tag}".encode(), [epc(1, 105)])
    connection.execute(f"{copy}{tag}".encode(), [epc(1, 304)])
    connection.execute(
        "UPDATE tag_read SET rssi_dbm = -41 WHERE tag_id = " + tag.replace("%s", "'" + epc(1, 207) + "'")
    )
    verdict = judge(connection, "riverside", heard)
    (line,) = verdict.lines
    assert not verdict.right
    assert (line.reads, line.lost, line.double, line.seqs, verdict.foreign) == (30, 2, 1, (1, 2, 3), 1)
    assert "30 reads: 2 lost, 1 double, 1 that nobody sent" in verdict.table()


def test_a_batch_that_only_the_ledger_has_or_lacks_is_found(connection: Connection) -> None:
    told = Evidence([batch(connection, seq) for seq in (1, 2)])
    connection.execute("UPDATE batch SET seq = 9 WHERE seq = 2")
    verdict = judge(connection, "riverside", [Heard("edge-1", told, ["r01"])])
    assert verdict.lines[0].ledger == 1
    assert verdict.faults == ["edge-1: the ledger has batch 9 of boot b1, nobody spooled it"]


def live(folder: Path, batches: int) -> int:
    """An edge's life: it appends until it is killed; returns the last batch that it has told of."""
    argv = [sys.executable, "-c", APPEND, str(folder)]
    seq = 0
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment()) as child:
        assert child.stdout is not None
        for _ in range(batches):
            seq = int(child.stdout.readline())
        child.kill()
    return seq


def test_the_witness_and_the_spool_agree_over_kills(tmp_path: Path) -> None:
    told_seq = max(live(tmp_path, 20) for _ in range(3))
    told = hear(tmp_path / "witness")
    assert told.lives == 3
    assert not [fault for fault in told.faults if "in doubt" not in fault]
    assert [batch.seq for batch in told.batches] == list(range(1, len(told.batches) + 1))
    assert len(told.batches) >= told_seq


def test_a_spool_that_forgets_is_found(tmp_path: Path) -> None:
    live(tmp_path, 5)
    old = {file: file.read_bytes() for file in tmp_path.glob("spool.sqlite*")}
    live(tmp_path, 50)
    for file in tmp_path.glob("spool.sqlite*"):
        file.unlink()
    for file, content in old.items():
        file.write_bytes(content)
    live(tmp_path, 1)
    assert "it had accepted" in hear(tmp_path / "witness").faults[0]


def test_visits_that_lack_or_are_double_are_found(connection: Connection) -> None:
    add_layout(connection, store_file(1), datetime(2020, 1, 1, tzinfo=UTC))
    reads = [TagRead(T0_US + i * 1_000_000, "r01", 1, epc(1, i % 3), -40.0) for i in range(60)]
    payload = encode(pack_reads(reads, agent="edge-1", boot="b1", seq=1))
    Writer().write(connection, [read_message(Message(reads_topic("riverside", "edge-1"), payload))])
    store_id = load_stores(connection)["riverside"]
    analyzer = StoreAnalyzer(connection, "riverside", store_id, PresenceParameters())
    wait_until(lambda: analyzer.step(T0_US + 60_000_000, is_quiet=False), "the batch is taken in")
    assert are_analysed(connection)
    assert visit_faults(connection, "riverside") == []
    connection.execute("DELETE FROM visit WHERE tag_id = (SELECT min(tag_id) FROM tag)")
    connection.execute("UPDATE trip SET zones = '{other}' WHERE tag_id = (SELECT max(tag_id) FROM tag)")
    assert visit_faults(connection, "riverside") == [
        "2 visits where the reads make 3: 1 of these lack, 0 are double or wrong",
        "3 trips where the reads make 3: 1 of these lack, 1 are double or wrong",
    ]
    connection.execute(
        "INSERT INTO visit "
        "SELECT store_id, tag_id, trip, zone, enter + interval '1 s', exit, confidence, open FROM visit"
    )
    assert "2 are double or wrong" in visit_faults(connection, "riverside")[0]
