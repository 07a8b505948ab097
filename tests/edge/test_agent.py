import logging
from pathlib import Path
from typing import Any

import pytest

from tagtrail.edge import agent as agent_module
from tagtrail.edge.agent import Agent
from tagtrail.edge.settings import EdgeSettings
from tagtrail.edge.spool import Limit
from tagtrail.hardware.clock import WallClock
from tagtrail.hardware.reads import TagRead
from tagtrail.hardware.store import Antenna, Floor, Reader, Store, StoreInfo
from tagtrail.hardware.wire import decode_batch, unpack_reads

STORE = Store(
    store=StoreInfo(id="riverside", name="Riverside", timezone="UTC"),
    floor=(Floor("1F", 10.0, 10.0),),
    zone=(),
    reader=(Reader("r01", "mercury", (Antenna(1, "1F", (1.0, 1.0, 3.0)),), port="/nowhere"),),
)


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    settings = EdgeSettings(
        spool=str(tmp_path / "spool.sqlite"), batch_reads=100, window_s=0.0, batch_s=0.001, spool_free_mb=0.0
    )
    return Agent(settings, STORE)


def reads(count: int, start: int = 0) -> list[TagRead]:
    now_us = WallClock().now_us()
    return [TagRead(now_us, "r01", 1, f"E280116060000205{i:08X}", -60.0) for i in range(start, start + count)]


def spooled(agent: Agent) -> list[str]:
    batches = [decode_batch(batch.payload) for batch in agent._spool.pending(0, 10_000)]
    return [read.epc for batch in batches for read in unpack_reads(batch)]


def test_a_full_disk_is_told_once_and_what_memory_cannot_hold_is_counted(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(agent_module, "SPOOL_RETRY_S", 0.0)
    monkeypatch.setattr(agent._batcher, "_held_max", 300)
    statuses: list[Any] = []
    monkeypatch.setattr(agent._broker, "publish", lambda _topic, payload, retain: statuses.append(payload))
    monkeypatch.setattr(agent._spool, "_limit", Limit(file=32_768))
    sent = reads(1000)
    with caplog.at_level(logging.WARNING):
        for i in range(10):
            agent._inbox.put_reads(sent[i * 100 : i * 100 + 100])
            agent._step()
        refused = agent._batcher.refused.total()
        assert refused > 0
        assert len(agent._batcher) == 300
        assert sum("kept in memory" in message for message in caplog.messages) == 1
        agent._status_due_s = 0.0
        agent._step()
        assert f'"reads_refused":{refused}'.encode() in statuses[-1]
        assert b"is full" in statuses[-1]
        agent._status_due_s = 0.0
        agent._step()
        agent._spool._limit = Limit()
        while len(agent._batcher):
            agent._step()
    assert spooled(agent) == [read.epc for read in sent[: 1000 - refused]]
    assert f"the spool takes reads again; {refused} were lost meanwhile" in caplog.text
    assert sum("READS ARE BEING LOST" in message for message in caplog.messages) == 1
    agent._spool.close()


def test_a_spool_that_breaks_while_running_is_replaced_and_the_reads_at_hand_are_kept(
    agent: Agent, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for i in range(20):
        agent._inbox.put_reads(reads(100, i * 100))
        agent._step()
    agent._spool._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    agent._spool._db.execute("PRAGMA shrink_memory")
    path = tmp_path / "spool.sqlite"
    path.write_bytes(b"\xff" * path.stat().st_size)
    boot = agent._spool.boot
    agent._inbox.put_reads(reads(50))
    agent._step()
    while len(agent._batcher):
        agent._step()
    assert agent._spool.boot != boot
    assert spooled(agent) == [read.epc for read in reads(50)]
    assert len(list(tmp_path.glob("*.corrupt-*"))) == 1
    assert "it is kept as" in caplog.text
    agent._spool.close()


def test_reads_wait_no_longer_than_window_and_batch_say(tmp_path: Path) -> None:
    settings = EdgeSettings(spool=str(tmp_path / "spool.sqlite"), window_s=0.02, batch_s=0.02)
    agent = Agent(settings, STORE)
    agent._inbox.put_reads(reads(3))
    for _ in range(50):
        agent._step()
        if agent._spool.last_seq:
            break
    assert len(spooled(agent)) == 3
    agent._spool.close()
