"""Every reader family, by itself: the real agent, real pseudo-terminals, and all that goes wrong on a serial line.

One agent per family serves five readers, to each of which something else happens while it reads. All of that runs at
the same time, since most of it is waiting. Then every agent is stopped in the middle of it all, and its spool must hold
what its readers have told, once each.

Environment:
    TAGTRAIL_UNPLUGGED_S: How long a cable is out; 1 by default.
"""

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fixture_edge import STORE_FILE, PtyReader, wait_for
from null_modem import decoded_tags, powers_for, settings_for
from tagtrail.edge.agent import Agent
from tagtrail.edge.settings import EdgeSettings
from tagtrail.edge.spool import Spool
from tagtrail.hardware.protocols import FAMILIES, load_family
from tagtrail.hardware.protocols.interface import TagSeen
from tagtrail.hardware.protocols.invelion_a0 import host as invelion_host
from tagtrail.hardware.protocols.mercury.reader import MercuryReader
from tagtrail.hardware.protocols.mercury.tables import Status
from tagtrail.hardware.protocols.session import Session
from tagtrail.hardware.store import parse_store
from tagtrail.hardware.wire import ReaderStatus, decode_batch, unpack_reads

UNPLUGGED_S = float(os.environ.get("TAGTRAIL_UNPLUGGED_S", "1"))
LIMIT_S = 60.0 + 2 * UNPLUGGED_S
RSSI_DBM = -60.0
HOT_C, COOL_C = 90, 30

READER = '[[reader]]\nid = "{id}"\nprotocol = "{protocol}"\n'
ANTENNA = '[[reader.antenna]]\nport = {port}\nfloor = "1F"\nposition_m = [{port}.0, 3.0, 3.0]\npower_dbm = {power}\n'


class Line:
    """One reader on its port, and what the agent makes of it."""

    def __init__(self, protocol: str, story: str, path: Path) -> None:
        self.story = story
        self.family = load_family(protocol)
        self.reader = PtyReader(path, self.family.reader(), spoken_to=self.family.obeys_commands)
        self.reader.tags_per_turn = 1
        self.status: Callable[[], ReaderStatus]
        self._seen: dict[str, TagSeen] = {}

    def tag(self) -> TagSeen:
        """A tag that nobody has seen before."""
        number = len(self._seen) + 1
        antenna = 1 + number % min(2, self.family.ports_max)
        seen = TagSeen(epc=f"{number:0{2 * self.family.epc_bytes}X}", antenna=antenna, rssi_dbm=RSSI_DBM)
        self._seen[seen.epc] = seen
        return seen

    def see(self, count: int) -> set[str]:
        """The reader sees so many tags from now on."""
        seen = [self.tag() for _ in range(count)]
        self.reader.see_tags(seen)
        return {tag.epc for tag in seen}

    def sees(self, count: int) -> None:
        """The reader is in the middle of telling so many tags."""
        told = len(self.told)
        self.see(count)
        self.wait(lambda: len(self.told) > told, "the first of many tags")

    @property
    def told(self) -> list[TagSeen]:
        """What the reader's bytes say, as far as they reached the port."""
        return [self._seen[epc] for said in self.reader.said for epc in decoded_tags(self.family, bytes(said))]

    def wait(self, condition: Callable[[], object], what: str) -> None:
        wait_for(condition, f"{self.family.name}, {self.story}: {what}", LIMIT_S)

    def state(self, state: str) -> None:
        self.wait(lambda: self.status().state == state, state)

    def flows(self) -> None:
        """Reads come from a reader that is set up as the store file says, and each arrives."""
        wanted = self.see(30)
        self.wait(lambda: wanted <= {seen.epc for seen in self.told}, "the reader tells its tags")
        self.wait(
            lambda: (self.status().reads, self.status().state) == (len(self.told), "streaming"), "each of them, once"
        )
        if self.family.obeys_commands:
            assert self.reader.model.powers_dbm == powers_for(self.family)


# -- what may happen to a reader


def nothing(line: Line) -> None:
    line.flows()
    assert line.status().reconnects == 0


def unplugged(line: Line) -> None:
    """The cable is out; the reader keeps its power and reads on."""
    line.reader.unplug()
    line.state("failed")
    pause(UNPLUGGED_S)
    line.wait(lambda: "no such port" in (line.status().error or ""), "the advice")
    line.see(30)  # seen while the cable is out, and still there afterwards
    line.reader.plug()
    line.flows()
    status = line.status()
    assert (status.reconnects, status.error) == (1, None)


def rebooted(line: Line) -> None:
    """The power fails for a moment, in the middle of a frame amid others; the port stays."""
    for _ in range(2):
        line.sees(50)
        line.reader.reboot(line.tag())
        line.flows()
    assert line.status().reconnects == 0


def silent(line: Line) -> None:
    """The reader neither hears nor speaks any more until the agent gives it up, where it can know."""
    line.see(50)
    line.reader.mute = True
    if line.family.obeys_commands:
        line.state("failed")
        assert "check" in (line.status().error or "")
        line.wait(lambda: line.reader.alone, "the port is closed")
    line.reader.mute = False
    line.flows()
    assert line.status().error is None


def throttled(line: Line) -> None:
    """The reader gets too hot, rests longer than any other silence would be borne, and reads on when it is cool."""
    model = line.reader.model
    if not hasattr(model, "temperature_c"):
        line.flows()
        return
    model.temperature_c = HOT_C
    if isinstance(model, MercuryReader):
        line.reader.say(model.fault(Status.TEMPERATURE_EXCEEDS_LIMITS))
        session = line.family.host(settings_for(line.family))
        assert isinstance(session, Session)
        line.reader.mute = True
        pause(session.silence_s + 1)
        line.reader.mute = False
    line.wait(lambda: "hot" in (line.status().error or "") or "temperature" in (line.status().error or ""), "the fault")
    assert line.status().state == "streaming"
    line.wait(lambda: line.status().temperature_c == HOT_C, "its temperature")
    model.temperature_c = COOL_C
    line.flows()
    assert line.status().reconnects == 0


STORIES = {story.__name__: story for story in (nothing, unplugged, rebooted, silent, throttled)}


def pause(seconds: float) -> None:
    """For what is a length of time by nature."""
    threading.Event().wait(seconds)


# -- the shops


class Shop:
    """The readers of one family, and their agent."""

    def __init__(self, protocol: str, folder: Path, pool: ThreadPoolExecutor) -> None:
        folder.mkdir()
        family = load_family(protocol)
        self._store = STORE_FILE
        for story in STORIES:
            self._store += READER.format(id=story, protocol=protocol)
            self._store += 'region = "eu"\n' if family.obeys_commands else ""
            self._store += "".join(ANTENNA.format(port=port, power=dbm) for port, dbm in powers_for(family).items())
        self._settings = EdgeSettings(
            ports=str(folder / "{reader}"), mqtt="mqtt://127.0.0.1:1", spool=str(folder / "spool"), window_s=0.0
        )
        self.lines = {story: Line(protocol, story, folder / story) for story in STORIES}
        self._ready, self._stop = threading.Event(), threading.Event()
        self._agent = pool.submit(self._run)
        self.stories = {story: pool.submit(self._live, line) for story, line in self.lines.items()}
        self.end = pool.submit(self._end)

    def _run(self) -> None:
        agent = Agent(self._settings, parse_store(self._store))
        for task in agent._tasks:
            self.lines[task.reader].status = task.status
        self._ready.set()
        agent.run(self._stop)

    def _live(self, line: Line) -> None:
        assert self._ready.wait(LIMIT_S)
        line.flows()
        STORIES[line.story](line)
        line.flows()

    def _end(self) -> None:
        """Stop the agent while its readers read; those that cannot be stopped have just nothing to tell."""
        for story in self.stories.values():
            story.exception()
        for line in self.lines.values():
            if line.family.obeys_commands:
                line.sees(1000)
        self._stop.set()
        self._agent.result()

    def spooled(self) -> Counter[tuple[str, str, int, float | None]]:
        spool = Spool(Path(self._settings.spool), store="riverside", agent=self._settings.agent)
        batches = [decode_batch(batch.payload) for batch in spool.pending(0, 1 << 20)]
        spool.close()
        reads = [read for batch in batches for read in unpack_reads(batch)]
        assert {read.count for read in reads} == {1}
        return Counter((read.reader, read.epc, read.antenna, read.rssi_dbm) for read in reads)

    def told(self) -> Counter[tuple[str, str, int, float | None]]:
        return Counter(
            (story, seen.epc, seen.antenna or 1, seen.rssi_dbm if line.family.tells_rssi_dbm else None)
            for story, line in self.lines.items()
            for seen in line.told
        )

    def close(self) -> None:
        self._stop.set()
        for line in self.lines.values():
            line.reader.close()


class Records(logging.Handler):
    """All that the agents log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture(scope="module")
def log() -> Iterator[list[str]]:
    handler = Records()
    logger = logging.getLogger("tagtrail.edge")
    logger.addHandler(handler)
    yield handler.lines
    logger.removeHandler(handler)


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory, log: list[str]) -> Iterator[dict[str, Shop]]:
    folder = tmp_path_factory.mktemp("ports")
    made: dict[str, Shop] = {}
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(len(FAMILIES) * (len(STORIES) + 2)) as pool:
        patch.setattr(invelion_host, "TEMPERATURE_S", 1.0)
        for name in FAMILIES:
            made[name] = Shop(name, folder / name, pool)
        yield made
        for shop in made.values():
            shop.close()


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("name", FAMILIES)
def test_reads_flow_again_by_themselves(shops: dict[str, Shop], name: str, story: str) -> None:
    shops[name].stories[story].result()


@pytest.mark.parametrize("name", FAMILIES)
def test_a_stop_ends_reading_and_nothing_was_lost_or_doubled(shops: dict[str, Shop], name: str) -> None:
    shop = shops[name]
    shop.end.result()
    for line in shop.lines.values():
        assert line.status().state == "closed"
        assert line.status().rejected_by.keys() <= {"unexpected-reply"}  # late, after a reboot
        line.reader.close()
        for _ in range(3):
            line.reader.model.idle(0)
        assert line.reader.model.streaming is not line.family.obeys_commands
    told = shop.told()
    assert len(told) > 5 * 60
    assert shop.spooled() == told


def test_the_log_is_calm(shops: dict[str, Shop], log: list[str]) -> None:
    for shop in shops.values():
        shop.end.result()
    assert not [line for line in log if "unexpected error" in line or "did not confirm its stop" in line]
    assert max(Counter(line for line in log if "reports" in line).values()) <= len(FAMILIES)
