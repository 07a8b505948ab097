"""What fixed readers publish by themselves: the JSON events of Impinj's and Zebra's readers. Pure.

Sources as for the decoders in `tagtrail.hardware.protocols`: Impinj Reader REST API, "Event stream"; Zebra RFID IoT
Connector documentation, "Tag data events".
"""

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import msgspec

from tagtrail.simulator.geometry import Ints
from tagtrail.simulator.live.course import Sightings

Maker = Literal["impinj", "zebra"]
EVENTS_MAX: Final = 200
"""Events in one message, as readers collect them."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def vendor_topic(maker: Maker, store: str, reader: str) -> str:
    """Where a reader of this maker publishes."""
    return f"tagtrail/vendor/{maker}/{store}/{reader}"


def vendor_messages(maker: Maker, seen: Sightings, rows: Ints, error_us: int) -> list[bytes]:
    """What one reader publishes about these rows, which are its own.

    Args:
        maker: Who built it.
        seen: What the readers have seen.
        rows: Those of this reader, in order of time.
        error_us: What its clock shows too much.
    """
    events = [
        _EVENT[maker](
            _EPOCH + timedelta(microseconds=time_us + error_us), seen.epc[row], seen.antennas[antenna][1], rssi_dbm
        )
        for row, time_us, antenna, rssi_dbm in zip(
            rows.tolist(),
            seen.time_us[rows].tolist(),
            seen.antenna[rows].tolist(),
            seen.rssi_dbm[rows].tolist(),
            strict=True,
        )
    ]
    parts = (events[first : first + EVENTS_MAX] for first in range(0, len(events), EVENTS_MAX))
    return [msgspec.json.encode(part) for part in parts]


def _impinj(time: datetime, epc: str, port: int, rssi_dbm: float) -> dict[str, object]:
    """A tag inventory event of an R700; RSSI in hundredths of a dBm, nanoseconds."""
    return {
        "timestamp": f"{time:%Y-%m-%dT%H:%M:%S.%f}000Z",
        "eventType": "tagInventory",
        "tagInventoryEvent": {
            "epc": b64encode(bytes.fromhex(epc)).decode(),
            "antennaPort": port,
            "peakRssiCdbm": round(rssi_dbm * 100),
        },
    }


def _zebra(time: datetime, epc: str, port: int, rssi_dbm: float) -> dict[str, object]:
    """A tag data event of an FX9600; RSSI in whole dBm, milliseconds."""
    return {
        "type": "SIMPLE",
        "timestamp": f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03}+0000",
        "data": {"idHex": epc.lower(), "antenna": port, "peakRssi": round(rssi_dbm), "format": "epc", "reads": 1},
    }


_EVENT: Final[dict[Maker, Callable[[datetime, str, int, float], dict[str, object]]]] = {
    "impinj": _impinj,
    "zebra": _zebra,
}
