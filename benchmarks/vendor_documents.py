"""What fixed readers publish, for benchmarks: whole events with the fields that a shop switches on."""

import copy
import json
import math
import random
from base64 import b64encode
from collections.abc import Callable
from typing import Final

from tagtrail.hardware.protocols.json_documents import JsonFormat


def epc_of(number: int) -> bytes:
    """The EPC of a tag by number."""
    return bytes.fromhex("E280116060000205") + number.to_bytes(4, "big")


def _stamp(number: int) -> str:
    return f"2026-03-14T12:{number // 30_000 % 60:02}:{number // 500 % 60:02}.{number % 1000:03}"


def impinj(number: int) -> dict[str, object]:
    """A tag, reported by an R700."""
    return {
        "timestamp": _stamp(number) + "456789Z",
        "hostname": "impinj-14-46-36",
        "eventType": "tagInventory",
        "tagInventoryEvent": {
            "epc": b64encode(epc_of(number)).decode(),
            "epcHex": epc_of(number).hex().upper(),
            "antennaPort": 1 + number % 4,
            "peakRssiCdbm": -6000 - number % 1300,
            "frequency": 866300,
            "transmitPowerCdbm": 3000,
        },
    }


def zebra(number: int) -> dict[str, object]:
    """A tag, reported by an FX9600."""
    return {
        "type": "SIMPLE",
        "timestamp": _stamp(number) + "+0000",
        "data": {
            "eventNum": number,
            "format": "epc",
            "idHex": epc_of(number).hex(),
            "antenna": 1 + number % 4,
            "peakRssi": -60 - number % 13,
            "channel": 866.3,
        },
    }


_EVENTS: dict[str, Callable[[int], dict[str, object]]] = {"impinj": impinj, "zebra": zebra}


def document(json_format: JsonFormat, number: int) -> bytes:
    """One event as the maker's readers put it on the wire."""
    return json.dumps(_EVENTS[json_format.vendor](number), separators=(",", ":")).encode()


HOSTILE: Final[tuple[object, ...]] = (
    None, True, 0, -1, 2**63, 10**400, 1e308, -0.0, math.nan, math.inf, -math.inf, "", "\x00", "\ud800", "9" * 400,
    "1e999", "NaN", "[" * 3000, "=" * 8, "E280", "E28", "AAAA AAAA", "é" * 50, "x" * 5000,
    [], {}, [[[[]]]], {"a": {"a": {}}},
    [None] * 300, {"idHex": 5}, {"tagData": {}}, "0000-00-00T00:00:00Z", "9999-12-31T23:59:60Z",
    "0001-01-01T00:00:00+2359",
    "2026-03-14T12:00:00.123456789-99:99", "２０26-03-14T12:00:00Z",
)  # fmt: skip
"""What no field of an event should hold, or only some."""


def hurt_document(data: bytes, chance: random.Random) -> bytes:
    """A document of `document` as no reader should send it: cut, glued, of wrong types, nested, or not even text."""
    at = chance.randrange(len(data))
    match chance.randrange(10):
        case 0:
            return data[:at]
        case 1:
            return data[at:]
        case 2:
            return data + data[:at] + data
        case 3:
            return data[:at] + chance.randbytes(chance.randint(1, 3)) + data[at + 1 :]
        case 4:
            return chance.randbytes(chance.randrange(80))
        case 5:
            return chance.choice((b"[", b"{", b'{"a":', b"[{", b'["', b"}", b"\\")) * chance.randrange(50)
        case 6:
            deep = chance.randint(1, 40)
            return b"[" * deep + data + b"]" * chance.randint(0, deep)
        case 7:
            return data.replace(b":", chance.choice((b":-", b":1e9999", b":00", b"::", b":NaN,", b":\xff")), 1)
        case 8:
            return data
        case _:
            event = json.loads(data)
            for _ in range(chance.randint(1, 3)):
                _plant(event, chance)
            return json.dumps(event).encode()


def _plant(event: dict[str, object], chance: random.Random) -> None:
    """Put something hostile in the place of a field, or leave it out."""
    inner = [value for value in event.values() if isinstance(value, dict)]
    fields = chance.choice([event, *inner])
    key = chance.choice([*fields, "data", "tid", "pc", "peakRssi"])
    if chance.random() < 0.2:
        fields.pop(key, None)
    else:
        fields[key] = copy.deepcopy(chance.choice(HOSTILE))  # the next one may be planted inside
