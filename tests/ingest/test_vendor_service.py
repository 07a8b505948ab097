"""Fixed readers that publish by themselves, end to end: real broker, the service as it runs, real database."""

import json
import signal
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixture_ingest import Agents, IngestProcess, wait_until
from tagtrail.ingest.database.connection import connect
from tagtrail.ingest.vendor import vendor_topic
from tagtrail.stack import process
from tagtrail.stack.broker import Broker, Kind, find_mosquitto, prepare_broker
from tagtrail.stack.postgres import free_port

IMPINJ = vendor_topic("impinj", "riverside", "r700")
ZEBRA = vendor_topic("zebra", "riverside", "fx9600")
MINUTE_AGO = (datetime.now(UTC) - timedelta(minutes=1)).replace(microsecond=0)
Row = tuple[str, str, int, str, float | None, int, datetime]
"""store, reader, port, epc, rssi_dbm, count, time"""


@pytest.fixture(params=["mosquitto", "amqtt"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    kind: Kind = request.param
    if kind == "mosquitto" and find_mosquitto() is None:
        pytest.skip("Mosquitto is not installed")
    found = prepare_broker(tmp_path / "broker", free_port(), kind)
    child = process.start(found.argv, stdout=subprocess.DEVNULL)
    try:
        found.wait_ready()
        yield found
    finally:
        process.stop(child, signal.SIGTERM)


@pytest.fixture
def readers(broker: Broker) -> Iterator[Agents]:
    client = Agents("127.0.0.1", broker.port)
    yield client
    client.close()


def epc(number: int) -> str:
    return f"{0xE28011606000020500000000 + number:024X}"


def at(second: int) -> datetime:
    return MINUTE_AGO + timedelta(seconds=second)


def impinj(number: int, second: int, fraction: str = "", **fields: object) -> dict[str, object]:
    """As an R700 with its defaults says it: the EPC in base64 alone."""
    in_base64 = b64encode(bytes.fromhex(epc(number))).decode()
    stamp = f"{at(second):%Y-%m-%dT%H:%M:%S}{fraction}Z"
    event = {"epc": in_base64, "peakRssiCdbm": -5750, "antennaPort": 2} | fields
    told = {name: value for name, value in event.items() if value is not None}
    return {"timestamp": stamp, "hostname": "impinj-14", "eventType": "tagInventory", "tagInventoryEvent": told}


def zebra(number: int, second: int, **fields: object) -> dict[str, object]:
    """As an FX9600 says it: an offset without a colon, here that of another zone."""
    stamp = f"{at(second) + timedelta(hours=2):%Y-%m-%dT%H:%M:%S}.250+0200"
    data = {"idHex": epc(number).lower(), "antenna": 3, "peakRssi": -61, "eventNum": number, "reads": 2} | fields
    return {"type": "SIMPLE", "timestamp": stamp, "data": data}


def text(*documents: object, between: str = "") -> bytes:
    return between.join(map(json.dumps, documents)).encode()


MESSAGES = [
    (IMPINJ, text([impinj(1, 1, ".123456789"), impinj(2, 2)])),  # an array; nanoseconds, and no fraction
    (IMPINJ, text(impinj(3, 3), impinj(4, 4), between="\r\n\r\n")),  # lines with signs of life
    (IMPINJ, text(impinj(5, 5, antennaPort=None, peakRssiCdbm=None))),  # fields switched off
    (IMPINJ, text({"eventType": "inventoryStatus", "inventoryStatusEvent": {"inventoryStatus": "running"}})),
    (ZEBRA, text(zebra(6, 6), zebra(7, 7))),  # glued
    (ZEBRA, text({"type": "heartbeat", "timestamp": "2026-03-14T12:00:00.000+0000", "data": {}})),
    # Partly of use: the others of the message are taken.
    (ZEBRA, text(zebra(8, 8), zebra(9, 9, antenna=300))),
    (ZEBRA, text(zebra(10, 10), zebra(11, 11, idHex="E28"))),
    (IMPINJ, text(impinj(12, 12), impinj(13, 13, epc=None))),
    (IMPINJ, text(impinj(14, 14)) + b'{"timestamp":"2026-03-14T12:0'),  # cut off
    (ZEBRA, text(zebra(15, 15, peakRssi="loud"), zebra(16, 16, peakRssi="[" * 5000), zebra(17, 17, peakRssi=99))),
    (ZEBRA, text(zebra(18, -30 * 24 * 3600))),  # a clock that is not set
    # Of no use.
    (ZEBRA, b"\xff\xfe{{{"),
    (IMPINJ, text({"hello": 1})),
    ("tagtrail/vendor/impinj/Riverside/r700", text(impinj(19, 19))),
]

QUARANTINED = [
    (IMPINJ, "no-epc"),
    (IMPINJ, "not-json"),
    (IMPINJ, "unknown-event"),
    ("tagtrail/vendor/impinj/Riverside/r700", "topic"),
    (ZEBRA, "bad-antenna"),
    (ZEBRA, "bad-epc"),
    (ZEBRA, "bad-rssi"),
    (ZEBRA, "bad-time"),
    (ZEBRA, "not-json"),
]

QUARTER = timedelta(milliseconds=250)
ROWS: list[Row] = [
    ("riverside", "r700", 2, epc(1), -57.5, 1, at(1) + timedelta(microseconds=123_456)),
    *(("riverside", "r700", 2, epc(number), -57.5, 1, at(number)) for number in (2, 3, 4)),
    ("riverside", "r700", 1, epc(5), None, 1, at(5)),
    *(("riverside", "fx9600", 3, epc(number), -61.0, 2, at(number) + QUARTER) for number in (6, 7, 8, 10)),
    *(("riverside", "r700", 2, epc(number), -57.5, 1, at(number)) for number in (12, 14)),
    *(("riverside", "fx9600", 3, epc(number), None, 2, at(number) + QUARTER) for number in (15, 16, 17)),
]
BATCHES = 9


def rows(dsn: str) -> list[Row]:
    with connect(dsn) as connection:
        return connection.execute(
            "SELECT store, reader, port, epc, rssi_dbm, count, time FROM tag_read JOIN tag USING (tag_id) "
            "JOIN antenna AS a USING (antenna_id) JOIN store AS s ON s.store_id = a.store_id ORDER BY epc, time"
        ).fetchall()


def quarantined(dsn: str) -> list[tuple[str, str, int]]:
    with connect(dsn) as connection:
        return connection.execute("SELECT topic, reason, times FROM quarantine ORDER BY topic, reason").fetchall()


def seen_times(dsn: str, times: int) -> bool:
    """Whether the last message, which is in the quarantine, has come so often."""
    return (MESSAGES[-1][0], "topic", times) in quarantined(dsn)


def publish(readers: Agents) -> None:
    for topic, payload in MESSAGES:
        readers.publish(topic, payload)


def test_what_fixed_readers_publish_is_in_the_database_once(
    schema: str, broker: Broker, readers: Agents, ingest: IngestProcess
) -> None:
    ingest.start(dsn=schema, mqtt=broker.url)
    ingest.wait_connected()
    publish(readers)
    wait_until(lambda: seen_times(schema, 1), "all messages")
    assert rows(schema) == ROWS
    assert sorted(quarantined(schema)) == sorted((topic, reason, 1) for topic, reason in QUARANTINED)

    publish(readers)
    wait_until(lambda: seen_times(schema, 2), "all messages again")
    assert rows(schema) == ROWS
    assert ingest.terminate() == 0
    for told in (f"{len(ROWS)} reads in {BATCHES} batches", f"{BATCHES} duplicates", "2 bad-antenna", "4 not-json"):
        assert told in ingest.log

    ingest.start(dsn=schema, mqtt=broker.url)
    wait_until(lambda: ingest.log.count("connected to the broker") == 2, "the connection")
    publish(readers)
    wait_until(lambda: seen_times(schema, 3), "all messages a third time")
    assert rows(schema) == ROWS


def test_without_time_stamps_the_time_is_that_of_arrival(
    schema: str, broker: Broker, readers: Agents, ingest: IngestProcess
) -> None:
    ingest.start(dsn=schema, mqtt=broker.url)
    ingest.wait_connected()
    before = datetime.now(UTC)
    readers.publish(ZEBRA, text({"type": "SIMPLE", "data": {"idHex": epc(1)}}))
    wait_until(lambda: len(rows(schema)) == 1, "the read")
    (row,) = rows(schema)
    assert row[:-1] == ("riverside", "fx9600", 1, epc(1), None, 1)
    assert before <= row[-1] <= datetime.now(UTC)


@pytest.mark.parametrize("broker", ["mosquitto"], indirect=True)  # amqtt does not promise to hold anything
def test_what_the_broker_holds_while_ingest_is_killed_arrives_once(
    schema: str, broker: Broker, readers: Agents, ingest: IngestProcess
) -> None:
    settings = {"dsn": schema, "mqtt": broker.url, "client_id": "worker", "flush_reads": 2}
    ingest.start(**settings)
    ingest.wait_connected()
    publish(readers)
    wait_until(lambda: bool(rows(schema)), "the first commit")
    ingest.kill()
    ingest.start(**settings)
    publish(readers)
    wait_until(lambda: len(rows(schema)) >= len(ROWS) and seen_at_all(schema), "all messages")
    assert rows(schema) == ROWS


def seen_at_all(dsn: str) -> bool:
    return {(topic, reason) for topic, reason, _ in quarantined(dsn)} == set(QUARANTINED)
