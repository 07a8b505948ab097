import contextlib
import logging
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tagtrail.edge.spool import APPLICATION_ID, TRIM, Limit, Spool, SpoolCorruptError, SpoolWriteError
from tagtrail.edge.timekeeper import Correction
from tagtrail.hardware.errors import GiveUp
from tagtrail.hardware.reads import TagRead
from tagtrail.hardware.wire import decode_batch, encode, pack_reads, unpack_reads

T0_US = 1_773_453_600_000_000


def reads(count: int, start: int = 0) -> list[TagRead]:
    return [TagRead(T0_US + i, "r01", 1, f"E2801160600002051234{i:04X}", -60.0) for i in range(start, start + count)]


def opened(path: Path, store: str = "riverside", agent: str = "edge-1") -> Spool:
    return Spool(path, store=store, agent=agent)


def append_many(spool: Spool, *, checkpoint: bool = False) -> None:
    for _ in range(10_000):
        spool.append(reads(100))
        if checkpoint:
            spool._db.execute("PRAGMA wal_checkpoint")


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


@pytest.mark.parametrize("limit", ["spool_max_mb", "spool_free_mb"])
def test_beyond_a_limit_nothing_is_lost_and_writing_goes_on_after_it(
    path: Path, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 1_000_000
    monkeypatch.setattr(
        "tagtrail.edge.spool.shutil.disk_usage", lambda _path: type("usage", (), {"free": free - path.stat().st_size})
    )
    limits = Limit(file=200_000) if limit == "spool_max_mb" else Limit(free=800_000)
    spool = Spool(path, store="riverside", agent="edge-1", limit=limits)
    spool.append(reads(100))
    assert free > 900_000
    with pytest.raises(SpoolWriteError, match=f"is full: .*{limit}"):
        append_many(spool, checkpoint=True)
    held, last = spool.batches, spool.last_seq
    assert held == last == len(spool.pending(0, 10_000))
    assert 100_000 < path.stat().st_size < 250_000
    with pytest.raises(SpoolWriteError, match="full"):
        spool.append(reads(100))
    spool.free(last // 2)
    assert spool.append(reads(100)) == last + 1, "freed batches make room"
    spool.close()
    spool = opened(path)
    assert (spool.last_seq, spool.freed_seq) == (last + 1, last // 2)
    spool.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("needs to be root, to mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill_disk(folder: Path, leave: int = 0) -> Path:
    hog = folder / "hog"
    usage = shutil.disk_usage(folder)
    with contextlib.suppress(OSError), hog.open("wb", buffering=0) as file:
        while (left := shutil.disk_usage(folder).free - leave) > 0:
            file.write(bytes(min(left, 4096)))
    assert shutil.disk_usage(folder).free < usage.total // 100 + leave
    return hog


def test_a_disk_that_is_really_full_loses_nothing(small_disk: Path) -> None:
    path = small_disk / "spool.sqlite"
    spool = opened(path)
    spool.append(reads(100))
    hog = fill_disk(small_disk, leave=300_000)
    with pytest.raises(SpoolWriteError, match="is full: the disk is full|disk I/O error"):
        append_many(spool)
    held = spool.last_seq
    assert held > 5
    with pytest.raises(SpoolWriteError):
        spool.append(reads(100))
    assert [unpack_reads(decode_batch(spooled.payload)) for spooled in spool.pending(0, 1000)] == [reads(100)] * held
    hog.unlink()
    assert spool.append(reads(3)) == held + 1
    spool.close()
    spool = opened(path)
    assert (spool.last_seq, spool.batches) == (held + 1, held + 1)
    spool.close()


def test_the_room_that_is_left_free_is_enough_to_go_on_by_itself(small_disk: Path) -> None:
    spool = Spool(small_disk / "spool.sqlite", store="riverside", agent="edge-1", limit=Limit(free=6_000_000))
    fill_disk(small_disk, leave=9_000_000)
    with pytest.raises(SpoolWriteError, match="spool_free_mb"):
        append_many(spool)
    assert shutil.disk_usage(small_disk).free > 1_000_000
    held = spool.last_seq
    for seq in range(held - 5):
        spool.free(seq)
        if seq % 20 == 0:
            spool.trim()
    for _ in range(held // 2):
        spool.append(reads(100))
    assert spool.last_seq == held + held // 2
    spool.close()


def test_an_agent_starts_on_a_full_disk_and_what_it_holds_can_be_sent(small_disk: Path) -> None:
    path = small_disk / "spool.sqlite"
    spool = opened(path)
    for _ in range(20):
        spool.append(reads(100))
    spool.close()
    hog = fill_disk(small_disk)
    spool = opened(path)
    assert (spool.last_seq, len(spool.pending(0, 1000))) == (20, 20)
    spool.free(20)
    hog.unlink()
    assert spool.append(reads(100)) == 21
    spool.close()


def test_what_was_freed_is_deleted_in_parts(path: Path) -> None:
    spool = opened(path)
    for _ in range(2 * TRIM + 10):
        spool.append(reads(1))
    spool.free(2 * TRIM + 5)

    def lying() -> int:
        (count,) = spool._db.execute("SELECT count(*) FROM batch").fetchone()
        return int(count)

    spool.append(reads(1))
    assert lying() == TRIM + 11
    spool.trim()
    assert lying() == 11
    spool.trim()
    assert lying() == 11, "the last few wait for the next batch"
    spool.append(reads(1))
    assert (lying(), spool.batches) == (7, 7)
    spool.close()
    spool = opened(path)
    assert (spool.batches, spool.freed_seq) == (7, 2 * TRIM + 5)
    spool.close()


def test_a_spool_of_the_first_version_goes_on(path: Path) -> None:
    path.parent.mkdir()
    batch = pack_reads(reads(3), agent="edge-1", boot="0a0b0c0d", seq=7)
    with sqlite3.connect(path) as db:
        db.executescript(
            "CREATE TABLE spool (boot TEXT NOT NULL, store TEXT NOT NULL, agent TEXT NOT NULL, last_seq INTEGER);"
            "CREATE TABLE batch (seq INTEGER PRIMARY KEY, reads INTEGER NOT NULL, payload BLOB NOT NULL);"
            f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;"
        )
        db.execute("INSERT INTO spool VALUES ('0a0b0c0d', 'riverside', 'edge-1', 7)")
        db.execute("INSERT INTO batch VALUES (7, 3, ?)", (encode(batch),))
    db.close()
    spool = opened(path)
    run = spool.begin_run("this start", 5)
    assert (spool.boot, spool.batches, spool.append(reads(1))) == ("0a0b0c0d", 1, 8)
    assert [spooled.run for spooled in spool.pending(0, 9)] == [0, run.run]
    assert spool.pending(0, 1)[0].payload == encode(batch)
    assert spool.correction(0) == Correction()
    spool.close()


def test_what_is_known_of_the_clock_outlives_the_agent(path: Path) -> None:
    spool = opened(path)
    first = spool.begin_run("monday", 100)
    spool.append(reads(1))
    spool.correct_run(Correction(5, "corrected", 6))
    spool.append(reads(1))
    spool.close()

    spool = opened(path)
    assert spool.begin_run("monday", 999) == (first.run, "monday", 100, Correction(5, "corrected", 6))
    spool.append(reads(1))
    spool.close()

    spool = opened(path)
    second = spool.begin_run("tuesday", 200)
    assert (second.run, second.epoch_us, second.correction) == (first.run + 1, 200, Correction())
    spool.append(reads(1))
    corrections = [spool.correction(spooled.run).shift_us for spooled in spool.pending(0, 9)]
    assert corrections == [5, 5, 5, 0]
    spool.close()


def test_another_version_is_refused_and_left_alone(path: Path) -> None:
    opened(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 7")
    db.close()
    before = path.read_bytes()
    with pytest.raises(GiveUp, match="has version 7, this agent writes version 3"):
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


def test_a_boot_that_has_ended_keeps_its_numbers_and_the_rest_gets_new_ones(path: Path) -> None:
    spool = opened(path)
    boot = spool.boot
    spool.append(reads(1))
    spool.append(reads(1))
    spool.end_boot(2)
    spool.append(reads(3, 50))
    spool.close()
    spool = opened(path)
    assert (spool.boot, spool.opened_seq, spool.sendable_seq, spool.last_seq) == (boot, 2, 2, 3), "also after a restart"
    spool.append(reads(2, 60))
    spool.free(4)
    assert spool.freed_seq == 2, "what was never sent is nowhere else"
    spool.renumber()
    assert (spool.ended_seq, spool.opened_seq, spool.sendable_seq) == (None, 0, 2)
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
