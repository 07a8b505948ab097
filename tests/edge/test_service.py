import logging
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from fixture_edge import Shop, wait_for
from tagtrail.edge import service
from tagtrail.edge.settings import EdgeSettings
from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.wire import reads_topic


def tags(count: int, start: int = 0) -> list[str]:
    return [f"E280116060000205{i:08X}" for i in range(start, start + count)]


def arrived(shop: Shop, count: int) -> bool:
    return len(shop.ingest.reads) >= count


def gapless(shop: Shop) -> bool:
    (boot,) = {boot for boot, _ in shop.ingest.batches}
    return shop.ingest.committed(boot) == len(shop.ingest.batches)


def test_reads_arrive_with_antenna_strength_and_time_and_the_stop_is_clean(shop: Shop) -> None:
    shop.start()
    shop.readers["r01"].see(tags(1), antenna=2, rssi_dbm=-61)
    shop.readers["r01"].see(tags(300, 1))
    wait_for(lambda: len(shop.ingest.reads) == 301, "all reads")
    first = shop.ingest.reads[0]
    assert (first.reader, first.antenna, first.epc, first.rssi_dbm, first.count) == ("r01", 2, tags(1)[0], -61, 1)
    assert shop.ingest.epcs == tags(301)
    times = [read.time_us for read in shop.ingest.reads]
    assert times == sorted(times)
    wait_for(lambda: (s := shop.ingest.status("online")) and s.spool_batches == 0 and s.reads_total == 301, "status")
    (reader,) = shop.ingest.statuses[-1].readers
    assert (reader.state, reader.reads, reader.error, reader.checksum_errors) == ("streaming", 301, None, 0)
    assert shop.readers["r01"].model.powers_dbm == {1: 30.0, 2: 30.0}
    assert shop.stop() == 0
    wait_for(lambda: shop.ingest.status("stopped"), "the last status")
    assert not shop.readers["r01"].model.streaming
    assert gapless(shop)
    assert shop.ingest.repeated == 0
    assert "Traceback" not in shop.log()


def test_the_window_merges_and_a_stop_flushes_it(shop: Shop) -> None:
    shop.start(window_s=60.0)
    shop.readers["r01"].see(tags(2) * 50)
    wait_for(lambda: shop.readers["r01"].told, "all told")
    wait_for(lambda: (s := shop.ingest.status("online")) and s.reads_total == 100, "all seen")
    assert shop.ingest.reads == []
    assert shop.stop() == 0
    wait_for(lambda: shop.ingest.reads, "the flushed reads")
    assert [(read.epc, read.count) for read in shop.ingest.reads] == [(tag, 50) for tag in tags(2)]


def test_nothing_is_lost_when_the_broker_is_killed(shop: Shop) -> None:
    shop.start()
    for seen in (0, 400, 800):
        shop.readers["r01"].see(tags(200, seen))
        wait_for(partial(arrived, shop, seen + 100), "some reads")
        shop.broker.kill()
        shop.readers["r01"].see(tags(200, seen + 200))
        wait_for(lambda: shop.readers["r01"].told, "reads without a broker")
        shop.broker.start()
    wait_for(lambda: len(shop.ingest.reads) >= 1200, "all reads")
    assert shop.ingest.epcs == tags(1200)
    assert gapless(shop)
    wait_for(lambda: (s := shop.ingest.status("online")) and s.spool_batches == 0, "an empty spool")


def test_nothing_is_lost_when_ingest_forgets_and_stops_committing(shop: Shop) -> None:
    shop.ingest.committing = False
    shop.start(inflight=4)
    shop.readers["r01"].see(tags(600))
    wait_for(lambda: len(shop.ingest.batches) == 4, "the first batches")
    wait_for(lambda: shop.ingest.repeated >= 2, "repetitions")
    assert len(shop.ingest.batches) == 4, "no more than the window"
    shop.ingest.batches.clear()  # as if its database had been rolled back
    shop.ingest.committing = True
    wait_for(lambda: len(shop.ingest.reads) >= 600, "all reads")
    assert shop.ingest.epcs == tags(600)
    assert gapless(shop)
    wait_for(lambda: (s := shop.ingest.status("online")) and s.spool_batches == 0, "an empty spool")
    assert "no commit from ingest" in shop.log()
    assert "ingest commits again" in shop.log()


def test_what_was_spooled_survives_a_kill_of_edge_and_broker(shop: Shop) -> None:
    shop.ingest.committing = False
    shop.start(resend_s=600.0)
    shop.readers["r01"].see(tags(500))
    wait_for(lambda: len(shop.ingest.reads) == 500, "all reads")
    shop.kill()
    shop.broker.kill()
    before = dict(shop.ingest.batches)
    shop.ingest.batches.clear()
    shop.broker.start()
    shop.ingest.committing = True
    shop.start()
    wait_for(lambda: len(shop.ingest.batches) >= len(before), "all batches again")
    assert {key: shop.ingest.batches[key] for key in before} == before
    shop.readers["r01"].see(tags(100, 500))
    wait_for(lambda: len(shop.ingest.reads) == 600, "reads after the restart")
    assert shop.ingest.epcs == tags(600)
    assert gapless(shop)


def test_kills_again_and_again_leave_no_gap_and_only_whole_repetitions(shop: Shop) -> None:
    seen = 0
    for _ in range(4):
        shop.start()
        shop.readers["r01"].see(tags(200, seen))
        seen += 200
        wait_for(partial(arrived, shop, len(shop.ingest.reads) + 75), "two more batches")
        shop.kill()
    shop.start()
    wait_for(lambda: shop.readers["r01"].told, "the rest")
    shop.readers["r01"].see(tags(200, seen))
    wait_for(lambda: tags(200, seen)[-1] in shop.ingest.epcs, "the last read")
    wait_for(lambda: shop.ingest.statuses[-1].spool_batches == 0, "an empty spool")
    assert gapless(shop)
    assert max(Counter(shop.ingest.epcs).values()) == 1, "each tag was reported once and must not be there twice"


def test_a_kill_is_told_by_the_last_will(shop: Shop) -> None:
    shop.start()
    wait_for(lambda: shop.ingest.status("online"), "online")
    shop.kill()
    wait_for(lambda: shop.ingest.status("offline"), "the last will")


def test_a_missing_reader_is_awaited_and_does_not_hold_up_the_others(shop: Shop) -> None:
    shop.start(readers=["r01", "r02"])
    shop.readers["r01"].see(tags(10))
    wait_for(lambda: len(shop.ingest.reads) == 10, "the reader that is there")
    wait_for(lambda: shop.ingest.statuses[-1].readers[1].state == "failed", "the other's failure")
    assert "there is no such port" in str(shop.ingest.statuses[-1].readers[1].error)
    shop.connect("r02")
    shop.readers["r02"].see(tags(10, 10))
    wait_for(lambda: len(shop.ingest.reads) == 20, "the reader that came late")
    shop.readers.pop("r02").close()
    wait_for(lambda: shop.ingest.statuses[-1].readers[1].state == "failed", "its loss")
    shop.connect("r02")
    shop.readers["r02"].see(tags(10, 20))
    wait_for(lambda: len(shop.ingest.reads) == 30, "the reader that came again")
    wait_for(lambda: shop.ingest.statuses[-1].readers[1].reconnects == 1, "the count of it")
    assert shop.log().count("there is no such port") <= 2, "each loss is told once"


def test_a_reader_that_reboots_is_configured_again(shop: Shop) -> None:
    shop.start()
    reader = shop.readers["r01"]
    wait_for(lambda: reader.model.streaming, "streaming")
    reader.reboot()
    wait_for(lambda: reader.model.streaming, "streaming again")
    reader.see(tags(10))
    wait_for(lambda: len(shop.ingest.reads) == 10, "reads")
    assert "WARNING reader r01: stopping (the reader has rebooted; starting again)" in shop.log()


def test_a_simulated_clock_gives_the_times(shop: Shop) -> None:
    origin_us = 1_600_000_000_000_000
    anchor_us = 1_700_000_000_000_000
    shop.ingest.answering = False  # its clock is not simulated
    shop.start(clock=f"{anchor_us},{origin_us},10")
    shop.readers["r01"].see(tags(10))
    wait_for(lambda: len(shop.ingest.reads) == 10, "reads")
    wait_for(lambda: shop.ingest.status("online"), "status")
    for time_us in (shop.ingest.reads[0].time_us, shop.ingest.statuses[-1].time_us):
        real_us = (time_us - origin_us) / 10 + anchor_us
        assert abs(real_us - (shop.folder / "log").stat().st_mtime * 1e6) < 60e6


def test_a_spool_of_the_future_ends_the_start_with_one_message(shop: Shop) -> None:
    shop.start()
    wait_for(lambda: shop.ingest.status("online"), "online")
    assert shop.stop() == 0
    with sqlite3.connect(shop.spool_path) as db:
        db.execute("PRAGMA user_version = 9")
    db.close()
    settings = EdgeSettings(**shop.settings())
    with pytest.raises(Exception, match="has version 9"):
        service.run(settings)


def test_the_retained_messages_of_others_are_ignored(shop: Shop) -> None:
    shop.ingest.committing = False
    shop.start()
    shop.readers["r01"].see(tags(10))
    wait_for(lambda: len(shop.ingest.reads) == 10, "reads")
    shop.ingest.publish(reads_topic("other", "edge-9"), b"nonsense")
    shop.ingest.publish("tagtrail/v1/riverside/edge-1/committed", b"nonsense")
    wait_for(lambda: "unreadable commit message" in shop.log(), "a word about it")
    assert shop.edge is not None
    assert shop.edge.poll() is None


def test_readers_that_cannot_be_served_are_all_named(shop: Shop) -> None:
    with pytest.raises(FaultsError) as caught:
        service.run(EdgeSettings(**shop.settings(readers=["r07", "r08"])))
    assert len(caught.value.faults) == 2
    with pytest.raises(FaultsError, match="'r01' has no port"):
        service.run(EdgeSettings(**shop.settings(ports=None)))
    assert not shop.spool_path.exists()


def test_wrong_settings_are_refused_before_anything_is_opened(tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match="batch_reads"):
        service.run(EdgeSettings(batch_reads=0, store=str(tmp_path / "nowhere")))


def test_importing_the_service_takes_only_its_few_packages() -> None:
    code = "import sys, tagtrail.edge.service; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    bare = subprocess.run(
        [sys.executable, "-I", "-c", "import sys; print('\\n'.join(sys.modules))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    # msgspec takes typing_extensions along where it happens to be installed; Debian's Python has a sitecustomize
    packages = {name.split(".")[0] for name in done.stdout.split()} - {*bare.stdout.split()}
    foreign = {name for name in packages if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert foreign - {"typing_extensions"} == {"tagtrail", "msgspec", "serial", "paho"}
    ours = {name for name in done.stdout.split() if name.startswith("tagtrail.")}
    assert not {name for name in ours if name.split(".")[1] not in ("hardware", "edge")}


def test_a_stop_without_a_broker_keeps_all_in_the_spool(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.start()
    wait_for(lambda: shop.ingest.status("online"), "online")
    shop.broker.kill()
    shop.readers["r01"].see(tags(100))
    wait_for(lambda: shop.readers["r01"].told, "all told")
    assert shop.edge is not None
    shop.edge.send_signal(signal.SIGINT)
    assert shop.edge.wait(20) == 0
    assert "Traceback" not in shop.log()
    shop.broker.start()
    with caplog.at_level(logging.INFO):
        shop.start()
    wait_for(lambda: len(shop.ingest.reads) == 100, "what the spool kept")
    assert shop.ingest.epcs == tags(100)
