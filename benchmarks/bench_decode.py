"""Tag frames per second on one core, from bytes to `TagSeen`, for every reader family.

The bytes are what the family's reader model says to a streaming host session; they are then fed to that session in
chunks of 4 KiB, as an edge that has fallen behind would. Beside it, in turns, a straightforward decoder that looks at
one byte at a time (`byte_at_a_time.py`). Both must find the same EPCs.

Fixed readers have no session: their JSON is decoded from a stream of events, a line each (``decode_…``), and taken in
as ingest does it, from messages to rows (``ingest_…``), with as many events in a message as a reader gathers.
"""

import statistics
import sys
import time
from pathlib import Path
from typing import cast

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from byte_at_a_time import DECODERS
from null_modem import FAMILY_NAMES, FamilyWire, family_of
from row import Row
from tagtrail.hardware.protocols import JSON_FORMATS, load_json_format
from tagtrail.hardware.protocols.interface import Counters, TagSeen
from tagtrail.ingest.vendor import read_vendor, vendor_topic
from vendor_documents import document, epc_of

TAGS = 20_000
POPULATION = 500
"""Different tags; a reader sees the same ones again and again."""
CHUNK = 4096
ROUNDS = 7
EVENTS = 50
"""Events in one message."""
RECEIVED_US = 1_773_489_600_000_000
"""2026-03-14T12:00Z, near the times in the documents."""
BESIDE = "a straightforward decoder, byte at a time"


def measure() -> list[Row]:
    """A row per family, two per JSON format."""
    return [row_of(name) for name in FAMILY_NAMES] + [row for name in JSON_FORMATS for row in json_rows_of(name)]


def json_rows_of(name: str) -> list[Row]:
    """The rates of one JSON format."""
    json_format = load_json_format(name)
    wanted = [epc_of(number).hex().upper() for number in range(TAGS)]
    documents = [document(json_format, number) for number in range(TAGS)]
    data = b"\n".join(documents)
    chunks = [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]
    messages = [b"[" + b",".join(documents[at : at + EVENTS]) + b"]" for at in range(0, TAGS, EVENTS)]
    topic = vendor_topic(json_format.vendor, "riverside", "r01")

    def decoded() -> list[object]:
        meanings = json_format.decode(chunks, Counters())
        return [tag["epc"] for meaning in meanings for tag in cast("list[dict[str, object]]", meaning["tags"])]

    def taken_in() -> list[object]:
        return [read.epc for message in messages for read in read_vendor(topic, message, RECEIVED_US).reads]

    rates: dict[str, list[float]] = {"decode": [], "ingest": []}
    for _ in range(ROUNDS):
        for what, find in (("decode", decoded), ("ingest", taken_in)):
            begun_s = time.process_time()
            epcs = find()
            rates[what].append(TAGS / (time.process_time() - begun_s))
            if epcs != wanted:
                raise AssertionError(f"{what} {name}: found {len(epcs)} tags of {TAGS}, or others")
    return [Row(f"{what}_{name}", max(each), "reads/s") for what, each in rates.items()]


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
