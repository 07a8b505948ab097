"""One local day of a store in numbers."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from http import HTTPStatus
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from psycopg.rows import class_row, scalar_row

from tagtrail.api import models
from tagtrail.api.live import Horizon, present_tags
from tagtrail.api.refusal import Refusal
from tagtrail.api.stores import Version
from tagtrail.ingest.database.connection import Connection

SLOT_S: Final = 300
FIRST_DAY: Final = date(2000, 1, 3)
LAST_DAY: Final = date(2099, 12, 30)
STOPPING_KINDS: Final = ("counter", "checkout", "fitting")
PASSAGES: Final = ("aisle", "lift")
"""Kinds that steps pass over, for they lead everywhere."""

INSIDE_NOW: Final = "Tags seen in the store within the last {presence_s:g} s."
VISITORS: Final = "Different tags whose stay in the store began today."
ENTRIES: Final = "Stays in the store that began today; who comes back counts again."
STAY: Final = (
    "Median time from first to last read of a stay in the store, ended stays of today only: "
    "early in the day these are the short ones."
)
PEAK: Final = "Most tags in the store at once, looked at every 5 minutes and now."
BUSIEST: Final = "Counter, checkout or fitting room with the most visitors today; aisles and entrances do not compete."


class Window(NamedTuple):
    """A local day and the part of it that has happened.

    ``start`` and ``end`` are midnights, ``until`` is the end or now.
    """

    day: date
    start: datetime
    end: datetime
    until: datetime


def day_window(day: date | None, now: datetime, zone: ZoneInfo) -> Window:
    """The day ``day``, or today.

    Raises:
        Refusal: ``bad-time``: the day lies in the future, or before all data.
    """
    today = now.astimezone(zone).date()
    day = day or today
    if not FIRST_DAY <= day <= min(today, LAST_DAY):
        raise Refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY, "bad-time", f"day {day}: {FIRST_DAY} to today, {today}, can be asked for"
        )
    start, end = (datetime.combine(day + timedelta(days=n), time(), zone) for n in (0, 1))
    return Window(day, start, end, min(end, now.astimezone(zone)))


def zones_since(version: Version, window: Window) -> datetime:
    """From when on zones of this day mean what the layout says: a new layout within the day starts its zones anew."""
    return max(window.start, version.valid_from) if version.valid_from < window.until else window.start


def day_of(
    connection: Connection, version: Version, window: Window, horizon: Horizon, *, presence_s: float, flows_max: int
) -> models.Day:
    """Everything about one day.

    Args:
        connection: Database.
        version: Layout at the end of the window.
        window: The day.
        horizon: What is known just now.
        presence_s: See `tagtrail.api.settings`.
        flows_max: Most flows to list.
    """
    since = zones_since(version, window)
    zones = _zones(connection, version, since, window)
    flows = _flows(connection, version, since, window)
    known_to = _known_to(window, horizon)
    series = _series(connection, version, window, known_to, presence_s)
    numbers = _numbers(connection, version, window, horizon, presence_s, zones, series)
    return models.Day(
        day=window.day,
        start=window.start,
        end=window.end,
        until=window.until,
        layout_id=version.layout_id,
        layout_since=since.astimezone(version.zone) if since > window.start else None,
        numbers=numbers,
        zones=zones,
        flows=flows[:flows_max],
        flows_left_out=sum(flow.steps for flow in flows[flows_max:]),
        series=series,
    )


class _Trips(NamedTuple):
    visitors: int
    entries: int
    ended: int
    stay_s: float | None


# Only what had ended by then: a week ago, too, the long stays of this hour were still going on.
_TRIPS = """
    SELECT count(DISTINCT tag_id) AS visitors, count(*) AS entries,
           count(*) FILTER (WHERE NOT open AND "end" <= %(until)s) AS ended,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM "end" - start)::float8)
               FILTER (WHERE NOT open AND "end" <= %(until)s) AS stay_s
    FROM trip WHERE store_id = %(store_id)s AND start >= %(start)s AND start < %(until)s
"""


def _trips(connection: Connection, store_id: int, start: datetime, until: datetime) -> _Trips:
    parameters = {"store_id": store_id, "start": start, "until": until}
    row = connection.cursor(row_factory=class_row(_Trips)).execute(_TRIPS, parameters).fetchone()
    assert row is not None
    return row


def _numbers(
    connection: Connection,
    version: Version,
    window: Window,
    horizon: Horizon,
    presence_s: float,
    zones: dict[str, models.ZoneDay],
    series: Sequence[models.Slot],
) -> models.Numbers:
    week = timedelta(days=7)  # taken off local wall times, so that 14:00 is compared with 14:00
    trips = _trips(connection, version.store_id, window.start, window.until)
    before = _trips(connection, version.store_id, window.start - week, window.until - week)
    inside = None
    if horizon.seen_to is not None and window.until < window.end:
        inside = sum(present_tags(connection, version.store_id, horizon.seen_to, presence_s).values())
    peak = max(series, key=lambda slot: slot.inside, default=None)
    stops = [zone.id for zone in version.store.zone if zone.kind in STOPPING_KINDS and zones[zone.id].visitors]
    busiest = max(stops, key=lambda zone: zones[zone].visitors, default=None)
    return models.Numbers(
        inside_now=models.Number(value=inside, definition=INSIDE_NOW.format(presence_s=presence_s)),
        visitors=models.Number(value=trips.visitors, definition=VISITORS, week_before=before.visitors or None),
        entries=models.Number(value=trips.entries, definition=ENTRIES, week_before=before.entries or None),
        stay_s=models.Number(value=trips.stay_s, definition=STAY, sample=trips.ended, week_before=before.stay_s),
        peak_inside=models.Number(
            value=peak.inside if peak else None,
            definition=PEAK,
            at=min(window.until, peak.time + timedelta(seconds=SLOT_S)) if peak and peak.inside else None,
        ),
        busiest_zone=models.BusiestZone(
            zone=busiest, visitors=zones[busiest].visitors if busiest else 0, definition=BUSIEST
        ),
    )


class _Zone(NamedTuple):
    zone: str
    visits: int
    visitors: int
    dwell_s: float | None
    dwell_sample: int


# Tags are counted in two steps and the median apart from them: sorting a big day by zone and tag takes 4 times as long.
_ZONES = """
    WITH stay AS (
        SELECT zone, tag_id, open, extract(epoch FROM exit - enter)::float8 AS dwell_s
        FROM visit WHERE store_id = %(store_id)s AND enter >= %(since)s AND enter < %(until)s
    ), tag AS (
        SELECT zone, tag_id, count(*) AS visits, count(*) FILTER (WHERE NOT open) AS ended FROM stay GROUP BY 1, 2
    ), ended AS (
        SELECT zone, percentile_cont(0.5) WITHIN GROUP (ORDER BY dwell_s) AS dwell_s
        FROM stay WHERE NOT open GROUP BY 1
    )
    SELECT zone, sum(visits)::int AS visits, count(*) AS visitors, min(ended.dwell_s) AS dwell_s,
           sum(tag.ended)::int AS dwell_sample
    FROM tag LEFT JOIN ended USING (zone) GROUP BY zone
"""


def _zones(connection: Connection, version: Version, since: datetime, window: Window) -> dict[str, models.ZoneDay]:
    parameters = {"store_id": version.store_id, "since": since, "until": window.until}
    found = {row.zone: row for row in connection.cursor(row_factory=class_row(_Zone)).execute(_ZONES, parameters)}
    nobody = _Zone("", 0, 0, None, 0)
    rows = {zone.id: found.get(zone.id, nobody) for zone in version.store.zone}
    return {
        zone: models.ZoneDay(
            visits=row.visits, visitors=row.visitors, dwell_s=row.dwell_s, dwell_sample=row.dwell_sample
        )
        for zone, row in rows.items()
    }


class _Flow(NamedTuple):
    from_zone: str
    to_zone: str
    steps: int


_FLOWS = """
    SELECT from_zone, to_zone, count(*) AS steps
    FROM (
        SELECT zone AS to_zone, lag(zone) OVER (PARTITION BY tag_id, trip ORDER BY enter) AS from_zone
        FROM visit
        WHERE store_id = %(store_id)s AND enter >= %(since)s AND enter < %(until)s AND zone = ANY(%(zones)s)
    ) step
    WHERE from_zone <> to_zone
    GROUP BY 1, 2
    ORDER BY steps DESC, 1, 2
"""


def _flows(connection: Connection, version: Version, since: datetime, window: Window) -> list[models.Flow]:
    goals = [zone.id for zone in version.store.zone if zone.kind not in PASSAGES]
    parameters = {"store_id": version.store_id, "since": since, "until": window.until, "zones": goals}
    rows = connection.cursor(row_factory=class_row(_Flow)).execute(_FLOWS, parameters)
    return [models.Flow(from_zone=row.from_zone, to_zone=row.to_zone, steps=row.steps) for row in rows]


class _Change(NamedTuple):
    slot: int
    entered: int
    left: int


# A trip that is open and was seen lately has not ended, it has only not been seen since.
_CHANGES = """
    SELECT floor(extract(epoch FROM moment - %(start)s) / %(slot_s)s)::int AS slot,
           count(*) FILTER (WHERE entering) AS entered, count(*) FILTER (WHERE NOT entering) AS left
    FROM (
        SELECT start AS moment, true AS entering FROM trip
        WHERE store_id = %(store_id)s AND start >= %(start)s AND start < %(until)s
        UNION ALL
        SELECT "end", false FROM trip
        WHERE store_id = %(store_id)s AND start >= %(reach)s AND start < %(until)s
          AND "end" >= %(start)s AND "end" < %(until)s AND NOT (open AND "end" > %(present_since)s)
    ) change
    GROUP BY 1
"""
_INSIDE_AT_START = """
    SELECT count(*) FROM trip
    WHERE store_id = %(store_id)s AND start >= %(reach)s AND start < %(start)s AND "end" >= %(start)s
"""


def _known_to(window: Window, horizon: Horizon) -> datetime:
    """The curve ends where the data do, except where it is known that nobody is there."""
    if horizon.freshness.state == "quiet" or window.until == window.end:
        return window.until
    reads_to = horizon.freshness.reads_to
    return min(window.until, max(window.start, reads_to)) if reads_to is not None else window.start


def _series(
    connection: Connection, version: Version, window: Window, known_to: datetime, presence_s: float
) -> list[models.Slot]:
    parameters = {
        "store_id": version.store_id,
        "start": window.start,
        "until": known_to,
        "slot_s": SLOT_S,
        "reach": window.start - timedelta(days=1),  # nobody stays in a store for longer
        "present_since": known_to - timedelta(seconds=presence_s),
    }
    inside = connection.cursor(row_factory=scalar_row).execute(_INSIDE_AT_START, parameters).fetchone()
    assert isinstance(inside, int)
    rows = connection.cursor(row_factory=class_row(_Change)).execute(_CHANGES, parameters)
    changes = {row.slot: row for row in rows}
    start_s, known_s = window.start.timestamp(), known_to.timestamp()
    series = []
    for slot in range(-int((start_s - known_s) // SLOT_S)):
        change = changes.get(slot, _Change(slot, 0, 0))
        inside += change.entered - change.left
        moment = datetime.fromtimestamp(start_s + slot * SLOT_S, version.zone)
        series.append(models.Slot(time=moment, inside=inside, entries=change.entered))
    return series
