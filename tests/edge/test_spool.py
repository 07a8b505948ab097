import logging
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tagtrail.edge.spool import Spool, SpoolCorruptError, SpoolWriteError
from tagtrail.hardware.errors import GiveUp
from tagtrail.hardware.reads import TagRead
from tagtrail.hardware.wire import decode_batch, unpack_reads

T0_US = 1_773_453_600_000_000


def reads(count: int, start: int = 0) -> list[TagRead]:
    return [TagRead(T0_US + i, "r01", 1, f"E2801160600002051234{i:04X}", -60.0) for i in range(start, start + count)]


def opened(path: Path, store: str = "riverside", agent: str = "edge-1") -> Spool:
    return Spool(path, store=store, agent=agent)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "spool.sqlite"


def test_batches_come_back_in_order_until_they_are_freed(path: Path) -> None:
    spool = opened(path)
    assert [spool.append(reads(3, i)) for i in range(5)] == [1, 2, 3, 4, 5]
    assert (spool.batches, spool.reads, spool.last_seq, spool.freed_seq) == (5, 15, 5, 0)
    assert [batch.seq for batch in spool.pending(0, 3)] == [1, 2, 3]
    assert [batch.seq for batch in spool.pending(3, 9)] == [4, 5]
    batch = decode_batch(spool.pending(1, 1)[0].payload)
    assert (batch.agent, batch.boot, batch.seq) == ("edge-1", spool.boot, 2)
    assert unpack_reads(batch) == reads(3, 1)
    spool.free(3)
    spool.free(2)
    assert (spool.batches, spool.reads, spool.freed_seq) == (2, 6, 3)
    assert [batch.seq for batch in spool.pending(0, 9)] == [4, 5]
    spool.free(99)
    assert (spool.batches, spool.reads, spool.freed_seq) == (0, 0, 5)
    spool.close()


def test_numbers_go_on_after_a_restart_even_where_all_is_freed(path: Path) -> None:
    spool = opened(path)
    boot = spool.boot
    spool.append(reads(1))
    spool.append(reads(1))
    spool.free(2)
    spool.close()
    spool = opened(path)
    assert (spool.boot, spool.last_seq, spool.freed_seq, spool.batches) == (boot, 2, 2, 0)
    assert spool.append(reads(1)) == 3
    spool.close()


def test_each_new_spool_has_its_own_boot(tmp_path: Path) -> None:
    spools = [opened(tmp_path / name) for name in ("a", "b")]
    assert spools[0].boot != spools[1].boot
    for spool in spools:
        spool.close()


CRASH = """
import os, sys
from pathlib import Path
from tagtrail.edge.spool import Spool
from tagtrail.hardware.reads import TagRead
spool = Spool(Path(sys.argv[1]), store="riverside", agent="edge-1")
for i in range(40):
    spool.append([TagRead(1773453600000000 + i, "r01", 1, "E28011606000020512345678", None)] * 5)
    if i == 20:
        spool.free(7)
print(spool.boot, flush=True)
os.kill(os.getpid(), 9)
"""


def test_what_was_appended_survives_a_kill(path: Path) -> None:
    process = subprocess.run([sys.executable, "-c", CRASH, str(path)], capture_output=True, text=True, check=False)
    assert process.returncode == -9, process.stderr
    spool = opened(path)
    assert spool.boot == process.stdout.strip()
    assert (spool.last_seq, spool.freed_seq, spool.batches, spool.reads) == (40, 7, 33, 165)
    assert [batch.seq for batch in spool.pending(0, 100)] == list(range(8, 41))
    spool.close()


def test_two_agents_cannot_share_a_spool(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagtrail.edge.spool.LOCK_WAIT_S", 0.01)
    spool = opened(path)
    with pytest.raises(GiveUp, match="in use by another process"):
        opened(path)
    spool.append(reads(1))
    with pytest.raises(GiveUp, match="in use by another process"):
        opened(path)
    spool.close()
    opened(path).close()


@pytest.mark.parametrize("damage", ["no database", "page", "cut", "gap"])
def test_a_damaged_file_is_moved_aside_and_told(path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    spool = opened(path)
    boot = spool.boot
    for i in range(50):
        spool.append(reads(200, i))
    spool.close()
    content = path.read_bytes()
    match damage:
        case "no database":
            content = b"these are not the bytes of a database" * 400
        case "page":
            content = content[: len(content) // 2] + b"\xff" * 8192 + content[len(content) // 2 + 8192 :]
        case "cut":
            content = content[: len(content) // 2]
    path.write_bytes(content)
    if damage == "gap":
        with sqlite3.connect(path) as db:
            db.execute("DELETE FROM batch WHERE seq = 7")
        db.close()
        content = path.read_bytes()
    with caplog.at_level(logging.ERROR):
        spool = opened(path)
    assert spool.boot != boot
    assert (spool.last_seq, spool.batches) == (0, 0)
    assert spool.append(reads(1)) == 1
    (kept,) = path.parent.glob("*.corrupt-*")
    assert kept.read_bytes() == content
    assert len(caplog.messages) == 1
    assert str(kept) in caplog.messages[0]
    spool.close()


def test_a_second_damaged_file_does_not_replace_the_first(path: Path) -> None:
    path.parent.mkdir()
    for text in (b"first", b"second"):
        path.write_bytes(text * 400)
        opened(path).close()
    assert sorted(kept.read_bytes()[:5] for kept in path.parent.glob("*.corrupt-*")) == [b"first", b"secon"]


def test_damage_while_running_ends_in_a_new_spool(path: Path) -> None:
    spool = opened(path)
    for i in range(50):
        spool.append(reads(200, i))
    spool.close()
    spool = opened(path)
    boot = spool.boot
    spool._db.execute("PRAGMA shrink_memory")
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (path.stat().st_size - 8192))
    with pytest.raises(SpoolCorruptError):
        spool.pending(0, 100)
    spool.start_over("test")
    assert spool.boot != boot
    assert spool.append(reads(1)) == 1
    spool.close()


def test_a_full_disk_loses_nothing_and_writing_goes_on_after_it(path: Path) -> None:
    spool = opened(path)
    spool.append(reads(100))
    spool._db.execute("PRAGMA max_page_count = 20")
    with pytest.raises(SpoolWriteError, match="full"):
        list(map(spool.append, [reads(100)] * 1000))
    held, last = spool.batches, spool.last_seq
    assert held == last == len(spool.pending(0, 10_000))
    with pytest.raises(SpoolWriteError, match="full"):
        spool.append(reads(100))
    spool.free(last // 2)
    assert spool.append(reads(100)) == last + 1, "freed batches make room"
    spool.close()
    spool = opened(path)
    assert (spool.last_seq, spool.freed_seq) == (last + 1, last // 2)
    spool.close()


def test_another_version_is_refused_and_left_alone(path: Path) -> None:
    opened(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 7")
    db.close()
    before = path.read_bytes()
    with pytest.raises(GiveUp, match="has version 7, this agent writes version 1"):
        opened(path)
    assert path.read_bytes() == before


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "holiday.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE photos (name TEXT)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(GiveUp, match="another program"):
        opened(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(("store", "agent"), [("riverside", "edge-2"), ("hillside", "edge-1")])
def test_another_agents_spool_is_refused(path: Path, store: str, agent: str) -> None:
    opened(path).close()
    with pytest.raises(GiveUp, match="belongs to agent 'edge-1' of store 'riverside'"):
        opened(path, store, agent)


def test_a_path_that_cannot_be_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "spool"):
        with pytest.raises(GiveUp, match="cannot be opened"):
            opened(path)


def test_renumbering_keeps_what_is_new_under_a_new_boot(path: Path) -> None:
    spool = opened(path)
    boot = spool.boot
    spool.append(reads(1))
    spool.append(reads(1))
    spool.close()
    spool = opened(path)
    spool.append(reads(3, 50))
    spool.append(reads(2, 60))
    spool.renumber()
    assert spool.boot != boot
    assert (spool.last_seq, spool.freed_seq, spool.batches, spool.reads) == (2, 0, 2, 5)
    batches = [decode_batch(spooled.payload) for spooled in spool.pending(0, 9)]
    assert [(batch.boot, batch.seq) for batch in batches] == [(spool.boot, 1), (spool.boot, 2)]
    assert [unpack_reads(batch) for batch in batches] == [reads(3, 50), reads(2, 60)]
    assert spool.append(reads(1)) == 3
    boot = spool.boot
    spool.close()
    spool = opened(path)
    assert (spool.boot, spool.last_seq) == (boot, 3)
    spool.close()
