"""A small store for tests of the API, and a clock that shows a chosen time."""

import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tagtrail.hardware.clock import ScaledClock
from tagtrail.ingest.database import layouts
from tagtrail.ingest.database.connection import connect

CORNER = """
[store]
id = "corner"
name = "Corner Shop"
timezone = "Asia/Shanghai"
[[floor]]
id = "1F"
width_m = 20.0
depth_m = 10.0
[[zone]]
id = "door"
floor = "1F"
kind = "entrance"
polygon = [[0, 0], [4, 0], [4, 10], [0, 10]]
[[zone]]
id = "aisle"
floor = "1F"
kind = "aisle"
polygon = [[4, 0], [6, 0], [6, 10], [4, 10]]
[[zone]]
id = "perfume"
name = "Perfume"
floor = "1F"
kind = "counter"
polygon = [[6, 0], [20, 0], [20, 5], [6, 5]]
[[zone]]
id = "shoes"
floor = "1F"
kind = "counter"
polygon = [[6, 5], [20, 5], [20, 10], [6, 10]]
[[wall]]
floor = "1F"
line = [[6, 5], [12, 5]]
[[reader]]
id = "r01"
protocol = "mercury"
[[reader.antenna]]
port = 1
floor = "1F"
position_m = [2, 5, 3]
[[reader]]
id = "r02"
protocol = "mercury"
[[reader.antenna]]
port = 1
floor = "1F"
position_m = [10, 5, 3]
"""

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 3, 14, 12, tzinfo=SHANGHAI)
LONG_AGO = NOON - timedelta(days=100)


def clock_at(moment: datetime, rate: float = 0.001) -> str:
    """Setting of a clock that shows ``moment``, and almost stands still."""
    return ScaledClock(time.time_ns() // 1000, int(moment.timestamp() * 1e6), rate).text()


def zoned(document: str, timezone: str) -> str:
    """The store elsewhere on earth."""
    return document.replace("Asia/Shanghai", timezone)


def add_layout(dsn: str, document: str, valid_from: datetime = LONG_AGO) -> None:
    """Make a store known."""
    with connect(dsn) as connection:
        layouts.add_layout(connection, document, valid_from)
