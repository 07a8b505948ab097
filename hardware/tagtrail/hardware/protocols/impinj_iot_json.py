"""Impinj R700 and its kin: the events of the IoT device interface, over MQTT, HTTP stream, webhook or Kafka.

Each field of an event can be switched off in the reader. Bytes are base64 (``epc``, ``tid``, ``pc``), with a ``…Hex``
twin only where that is switched on; signal strength and power are hundredths of a dBm, frequencies kHz, fractions of
a second have 0 to 9 digits. Source: Impinj Reader REST API, "Event stream", schemas of the R700 (firmware 7 and later).
"""

from collections.abc import Mapping

from tagtrail.hardware.protocols.json_documents import (
    JsonFormat,
    Meaning,
    binary,
    number,
    port,
    present,
    snake_case,
    upper_hex,
    utc,
)


def describe(event: Mapping[str, object]) -> Meaning:
    """What one event says; its kind is that of the reader, or ``tag_read``, or ``status`` of an inventory."""
    key = next((name for name, value in event.items() if name.endswith("Event") and isinstance(value, dict)), None)
    told = event.get("eventType")
    name = told if isinstance(told, str) and told else (key or "").removesuffix("Event")
    content = event.get(f"{name}Event")
    content = content if isinstance(content, dict) else {}
    common = present(timestamp_utc=utc(event.get("timestamp")), hostname=event.get("hostname"))
    if not name:
        return {"kind": "unknown", "fault": "unknown-event"} | common
    if name == "tagInventory":
        return {"kind": "tag_read"} | _tag(content, common)
    kind = "status" if name == "inventoryStatus" else snake_case(name)
    return {"kind": kind, "tags": []} | common | {snake_case(key): value for key, value in content.items()}


def _tag(content: Mapping[str, object], common: Meaning) -> Meaning:
    pc = upper_hex(content.get("pcHex")) or binary(content.get("pc"), 2)
    words = int(pc, 16) >> 11 if pc is not None and len(pc) == 4 else None
    epc = upper_hex(content.get("epcHex")) or binary(content.get("epc"), words and 2 * words)
    rssi_cdbm, power_cdbm = number(content.get("peakRssiCdbm")), number(content.get("transmitPowerCdbm"))
    if epc is None:
        return common | {"fault": "no-epc", "tags": []}
    tag: Meaning = {
        "epc": epc,
        "antenna": port(content.get("antennaPort")),
        "rssi_dbm": None if rssi_cdbm is None else rssi_cdbm / 100,
    }
    tag |= present(
        pc=pc,
        xpc=upper_hex(content.get("xpcHex")) or binary(content.get("xpc")),
        tid=upper_hex(content.get("tidHex")) or binary(content.get("tid"), 12),
        antenna_name=content.get("antennaName"),
        frequency_khz=number(content.get("frequency")),
        tx_power_dbm=None if power_cdbm is None else power_cdbm / 100,
        phase_deg=number(content.get("phaseAngle")),
        last_seen_utc=utc(content.get("lastSeenTime")),
        memory=content.get("tagMemoryData"),
        authentication=content.get("tagAuthenticationResponse"),
        access=content.get("tagAccessResponses"),
    )
    return {"tags": [common | tag]}


def json_format() -> JsonFormat:
    """The format that this module reads."""
    return JsonFormat("impinj-iot-json", "impinj", describe)
