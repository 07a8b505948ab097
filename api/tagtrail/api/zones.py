"""One zone of a store over a day: when people come, how long they stay, where they come from and go."""

from datetime import datetime
from http import HTTPStatus
from typing import NamedTuple

from psycopg.rows import class_row

from tagtrail.api import models
from tagtrail.api.days import PASSAGES, Window, zones_since
from tagtrail.api.refusal import Refusal
from tagtrail.api.stores import Version
from tagtrail.ingest.database.connection import Connection


class _Totals(NamedTuple):
    visits: int
    visitors: int
    store_visitors: int
    quartiles: list[float] | None
    sample: int


class _Hour(NamedTuple):
    time: datetime
    visits: int


class _Step(NamedTuple):
    zone: str | None
    forward: bool
    ended: bool
    steps: int


_TOTALS = """
    SELECT count(*) AS visits, count(DISTINCT tag_id) AS visitors, count(*) FILTER (WHERE NOT open) AS sample,
           percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY extract(epoch FROM exit - enter)::float8)
               FILTER (WHERE NOT open) AS quartiles,
           (SELECT count(*) FROM (
               SELECT FROM visit
               WHERE store_id = %(store_id)s AND enter >= %(since)s AND enter < %(until)s GROUP BY tag_id
           ) tag) AS store_visitors
    FROM visit WHERE store_id = %(store_id)s AND enter >= %(since)s AND enter < %(until)s AND zone = %(zone)s
"""
_HOURS = """
    SELECT date_trunc('hour', enter, %(timezone)s) AS time, count(*) AS visits
    FROM visit WHERE store_id = %(store_id)s AND enter >= %(since)s AND enter < %(until)s AND zone = %(zone)s
    GROUP BY 1 ORDER BY 1
"""
# Neighbours in a trip, with passages passed over. A visit back to the same zone is no step; after the last stay of an
# ended trip the tag has left.
_STEPS = """
    WITH day AS (
        SELECT tag_id, trip, zone, enter FROM visit
        WHERE store_id = %(store_id)s AND enter >= %(since)s AND enter < %(until)s
    ), chain AS (
        SELECT tag_id, trip, zone, lag(zone) OVER trip AS before, lead(zone) OVER trip AS after
        FROM day
        WHERE (tag_id, trip) IN (SELECT tag_id, trip FROM day WHERE zone = %(zone)s)
          AND (zone = %(zone)s OR zone = ANY(%(goals)s))
        WINDOW trip AS (PARTITION BY tag_id, trip ORDER BY enter)
    ), here AS (
        SELECT before, after, NOT open AS ended FROM chain JOIN trip USING (tag_id, trip)
        WHERE zone = %(zone)s AND store_id = %(store_id)s
    )
    SELECT after AS zone, true AS forward, ended, count(*) AS steps
    FROM here WHERE after IS DISTINCT FROM %(zone)s GROUP BY 1, 3
    UNION ALL
    SELECT before, false, true, count(*) FROM here WHERE before <> %(zone)s GROUP BY 1
    ORDER BY steps DESC, zone
"""


def zone_detail(connection: Connection, version: Version, window: Window, zone: str) -> models.ZoneDetail:
    """A zone in depth.

    Raises:
        Refusal: ``unknown-zone``.
    """
    if zone not in version.store.zone_by_id:
        raise Refusal(
            HTTPStatus.NOT_FOUND,
            "unknown-zone",
            f"store {version.store.id!r} has no zone {zone!r}; /api/store/{version.store.id}/layout lists them",
        )
    parameters = {
        "store_id": version.store_id,
        "zone": zone,
        "goals": [other.id for other in version.store.zone if other.kind not in PASSAGES],
        "since": zones_since(version, window),
        "until": window.until,
        "timezone": version.store.store.timezone,
    }
    totals = connection.cursor(row_factory=class_row(_Totals)).execute(_TOTALS, parameters).fetchone()
    assert totals is not None
    hours = connection.cursor(row_factory=class_row(_Hour)).execute(_HOURS, parameters).fetchall()
    steps = connection.cursor(row_factory=class_row(_Step)).execute(_STEPS, parameters).fetchall()
    onward: dict[str, int] = {}
    for step in steps:
        if step.forward and step.zone is not None:
            onward[step.zone] = onward.get(step.zone, 0) + step.steps
    left = sum(step.steps for step in steps if step.forward and step.zone is None and step.ended)
    answered = left + sum(onward.values())
    quartiles = totals.quartiles
    return models.ZoneDetail(
        zone=zone,
        day=window.day,
        visits=totals.visits,
        visitors=totals.visitors,
        share_of_visitors=totals.visitors / totals.store_visitors if totals.store_visitors else None,
        dwell_quartiles_s=(quartiles[0], quartiles[1], quartiles[2]) if quartiles else None,
        dwell_sample=totals.sample,
        hours=[models.HourVisits(time=row.time.astimezone(version.zone), visits=row.visits) for row in hours],
        previous=_shares({step.zone: step.steps for step in steps if not step.forward and step.zone is not None}),
        next=_shares(onward, left),
        left_share=left / answered if answered else None,
    )


def _shares(steps: dict[str, int], others: int = 0) -> list[models.Step]:
    total = sum(steps.values()) + others
    ranked = sorted(steps.items(), key=lambda item: (-item[1], item[0]))
    return [models.Step(zone=zone, steps=count, share=count / total) for zone, count in ranked]
