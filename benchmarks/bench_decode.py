"""Tag frames per second on one core, from bytes to `TagSeen`, for every reader family.

The bytes are what the family's reader model says to a streaming host session; they are then fed to that session in
chunks of 4 KiB, as an edge that has fallen behind would. Beside it, in turns, a straightforward decoder that looks at
one byte at a time (`byte_at_a_time.py`). Both must find the same EPCs.
"""

import statistics
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from byte_at_a_time import DECODERS
from null_modem import FAMILY_NAMES, FamilyWire, family_of
from row import Row
from tagtrail.hardware.protocols.interface import TagSeen

TAGS = 20_000
POPULATION = 500
"""Different tags; a reader sees the same ones again and again."""
CHUNK = 4096
ROUNDS = 7
BESIDE = "a straightforward decoder, byte at a time"


def measure() -> list[Row]:
    """A row per family."""
    return [row_of(name) for name in FAMILY_NAMES]


def row_of(name: str) -> Row:
    """The rate of one family."""
    wire = FamilyWire(family_of(name))
    wire.open()
    wire.until_reading(20)
    raw = bytearray()

    def record(data: bytes) -> bytes:
        raw.extend(data)
        return data

    wire.noise = record
    for number in range(TAGS):
        wire.report(number % POPULATION)
    data = bytes(raw)
    wanted = [tag.epc for tag in wire.tags]
    rates, ratios = [], []
    for _ in range(ROUNDS):
        begun_s = time.process_time()
        tags = fed(wire, data)
        took_s = time.process_time() - begun_s
        if [tag.epc for tag in tags] != wanted:
            raise AssertionError(f"{name}: found {len(tags)} tags of {len(wanted)}")
        rates.append(len(tags) / took_s)
        if name in DECODERS:
            begun_s = time.process_time()
            tags = DECODERS[name](data)
            beside_s = time.process_time() - begun_s
            if [tag.epc for tag in tags] != wanted:
                raise AssertionError(f"{name}, byte at a time: found {len(tags)} tags of {len(wanted)}")
            ratios.append(beside_s / took_s)
    rate = max(rates)  # whatever else the machine does can only slow it down
    if not ratios:
        return Row(f"decode_{name}", rate, "tag frames/s")
    return Row(f"decode_{name}", rate, "tag frames/s", BESIDE, statistics.median(ratios))


def fed(wire: FamilyWire, data: bytes) -> list[TagSeen]:
    """What the session makes of the bytes."""
    tags: list[TagSeen] = []
    host, now_s = wire.host, wire.now_s
    for at in range(0, len(data), CHUNK):
        events, _ = host.feed(data[at : at + CHUNK], now_s)
        tags += [event for event in events if type(event) is TagSeen]
    return tags
