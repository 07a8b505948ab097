"""A reader whose frames tell no antenna: its reads get the only one that the store file has for it."""

import os
import pty
import random
import tty
from collections.abc import Sequence

import pytest

from fixture_edge import READER, STORE_FILE, wait_for
from tagtrail.edge.agent import plan_readers
from tagtrail.edge.reader_task import ReaderTask
from tagtrail.edge.settings import EdgeSettings
from tagtrail.hardware.clock import WallClock
from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.protocols.interface import TagSeen
from tagtrail.hardware.reads import TagRead
from tagtrail.hardware.store import parse_store

ONE_ANTENNA, SECOND_ANTENNA = READER.format(id="desk").rsplit("[[reader.antenna]]", 1)
CARD_READER = ONE_ANTENNA.replace('"mercury"', '"rdm6300"')
CARD = "62E3086CED"


def settings(port: str) -> EdgeSettings:
    return EdgeSettings(store="store.toml", ports=port)


def test_a_card_on_a_real_line() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    ((wiring, session),) = plan_readers(settings(os.ttyname(slave)), parse_store(STORE_FILE + CARD_READER))
    assert wiring.baud == 9600
    reads: list[TagRead] = []

    def deliver(more: Sequence[TagRead]) -> None:
        reads.extend(more)

    task = ReaderTask(wiring, session, clock=WallClock(), deliver=deliver, changed=lambda: None, rng=random.Random(1))
    task.start()
    try:
        wait_for(lambda: task.status().state == "streaming", "the reader")
        os.write(master, load_family("rdm6300").reader().tag(TagSeen(epc=CARD)) * 2)
        wait_for(lambda: len(reads) == 2, "the reads")
        assert {(read.reader, read.antenna, read.epc, read.rssi_dbm) for read in reads} == {("desk", 1, CARD, None)}
    finally:
        task.stop()
        wait_for(lambda: not task.alive, "the end of the task")
        os.close(master)
        os.close(slave)
    assert task.status().rejected == 0


def test_two_antennas_are_refused_before_anything_starts() -> None:
    store = parse_store(STORE_FILE + CARD_READER + "[[reader.antenna]]" + SECOND_ANTENNA)
    with pytest.raises(FaultsError, match=r"reader 'desk': .*rdm6300: a card reader has exactly one antenna"):
        plan_readers(settings("/dev/ttyUSB0"), store)
