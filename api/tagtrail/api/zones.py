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
    SELECT count(*) FILTER (WHERE zone = %(zone)s) AS visits,
           count(DISTINCT tag_id) FILTER (WHERE zone = %(zone)s) AS visitors,
           count(DISTINCT tag_id) AS store_visitors,
           count(*) FILTER (WHERE zone = %(zone)s AND NOT open) AS sample,
           percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY extract(epoch FROM exit - enter))
               FILTER (WHERE zone = %(zone)s AND NOT open) AS quartiles
    FROM visit WHERE store_id = %(store_id)s AND enter >= %(since)s AND enter < %(until)s
"""
_HOURS = """
    SELECT date_trunc('hour', enter, %(timezone)s) AS time, count(*) AS visits
    FROM visit WHERE store_id = %(store_id)s AND enter >= %(since)s AND enter < %(until)s AND zone = %(zone)s
    GROUP BY 1 ORDER BY 1
"""
# Neighbours in a trip, with passages passed over. A visit back to the same zone is no step; after the last stay of an ended trip the tag has left.
_STEPS = """
    WITH chain AS (
        SELECT v.zone, t.open,
               lag(v.zone) OVER trip AS before, lead(v.zone) OVER trip AS after
        FROM visit v JOIN trip t USING (store_id, tag_id, trip)
        WHERE v.store_id = %(store_id)s AND v.enter >= %(since)s AND v.enter < %(until)s
          AND (v.zone = %(zone)s OR v.zone = ANY(%(goals)s))
        WINDOW trip AS (PARTITION BY v.tag_id, v.trip ORDER BY v.enter)
    )
    SELECT after AS zone, true AS forward, NOT open AS ended, count(*) AS steps
    FROM chain WHERE zone = %(zone)s AND after IS DISTINCT FROM zone GROUP BY 1, 3
    UNION ALL
    SELECT before, false, true, count(*)
    FROM chain WHERE zone = %(zone)s AND before <> zone GROUP BY 1
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
