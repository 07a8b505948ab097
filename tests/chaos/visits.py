"""Visits and trips in the database against those that its reads make, all at once and by a fresh process."""

from collections import Counter
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Final

import numpy as np
import pandas as pd

from rollups import assert_visits_are_rolled_up
from tagtrail.analytics.columns import validate_reads
from tagtrail.analytics.database import load_layouts, load_stores
from tagtrail.analytics.presence import Presence
from tagtrail.analytics.trips import make_trips
from tagtrail.ingest.database.connection import Connection

Row = tuple[object, ...]

TAGS_AT_ONCE: Final = 20_000
_READS: Final = """
COPY (SELECT time, reader, antenna, epc, rssi_dbm, count FROM read WHERE store = %s AND epc = ANY (%s))
TO STDOUT WITH (FORMAT csv, HEADER)
"""
_VISITS: Final = """
SELECT epc, trip, zone, enter, exit, confidence FROM visit JOIN tag USING (tag_id) WHERE epc = ANY (%s)
"""
_TRIPS: Final = """
SELECT epc, trip, start, "end", zones FROM trip JOIN tag USING (tag_id) WHERE epc = ANY (%s)
"""


def are_analysed(connection: Connection) -> bool:
    """Whether analytics has taken in all batches."""
    return not connection.execute(
        "SELECT FROM batch LEFT JOIN analysis_cursor c USING (store_id) WHERE (batch.xid >= c.xid) IS NOT FALSE LIMIT 1"
    ).rowcount


def visit_faults(connection: Connection, store: str) -> list[str]:
    """What is wrong with the visits and trips of the only store, whose layout never changed; one sentence each.

    Whether one is still open depends on the clock, and is not looked at.
    """
    layouts = load_layouts(connection, load_stores(connection)[store])
    presence = Presence(list(layouts.values()))
    epcs = [epc for (epc,) in connection.execute("SELECT epc FROM tag ORDER BY epc").fetchall()]
    wanted, found = Counter[str](), Counter[str]()
    lost, strange = Counter[str](), Counter[str]()
    for begin in range(0, len(epcs), TAGS_AT_ONCE):
        part = epcs[begin : begin + TAGS_AT_ONCE]
        visits = presence.estimate(_reads(connection, store, part)).visits
        for what, query, expected in (
            ("visits", _VISITS, _visit_rows(visits)),
            ("trips", _TRIPS, _rows(make_trips(visits))),
        ):
            there = Counter(map(_plain, connection.execute(query, [part]).fetchall()))
            should = Counter(map(_plain, expected))
            wanted[what] += should.total()
            found[what] += there.total()
            lost[what] += (should - there).total()
            strange[what] += (there - should).total()
    faults = [
        f"{found[what]:,} {what} where the reads make {wanted[what]:,}: {lost[what]:,} of these lack, "
        f"{strange[what]:,} are double or wrong"
        for what in wanted
        if lost[what] or strange[what]
    ]
    if not wanted["visits"]:
        faults.append("the reads make no visit, so that nothing was compared")
    try:
        assert_visits_are_rolled_up(connection)
    except AssertionError as error:
        faults.append(f"the rollups are not those of the visits: {error}")
    return faults


def _reads(connection: Connection, store: str, epcs: Sequence[str]) -> pd.DataFrame:
    text = BytesIO()
    with connection.cursor() as cursor, cursor.copy(_READS, [store, list(epcs)]) as copy:
        for block in copy:
            text.write(block)
    text.seek(0)
    types = {"reader": "str", "antenna": "int64", "epc": "str", "rssi_dbm": "float32", "count": "int64"}
    rows = pd.read_csv(text, dtype=types)
    rows["time"] = pd.to_datetime(rows["time"], utc=True, format="ISO8601").dt.as_unit("us")
    return validate_reads(rows)


def _rows(table: pd.DataFrame) -> Iterator[Row]:
    return table.itertuples(index=False, name=None)


def _visit_rows(visits: pd.DataFrame) -> Iterator[Row]:
    for epc, zone, enter, exit_, confidence, trip in _rows(visits):
        yield epc, trip, zone, enter, exit_, confidence


def _plain(row: Row) -> Row:
    """Comparable: as the database keeps it."""
    return tuple(
        value.to_pydatetime()
        if isinstance(value, pd.Timestamp)
        else float(np.float32(value))
        if isinstance(value, float)
        else tuple(value)
        if isinstance(value, list)
        else value
        for value in row
    )
