"""Who is where now, and whether that can be known.

Nobody seen is not the same as nothing known. A number is only given while reads arrive, or while running readers and an
analysis without backlog prove that there is nobody to see; else it is null.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec
from psycopg.rows import class_row

from tagtrail.api import models
from tagtrail.api.stores import Version
from tagtrail.hardware.wire import AgentStatus, ReaderStatus
from tagtrail.ingest.database.connection import Connection

READING_STATES: Final = ("streaming", "draining")
"""States of a reader's session in which tags are read."""
UNREPORTED: Final = "unreported"


@dataclass(frozen=True)
class Horizon:
    """What is known, and up to when.

    Attributes:
        now: The store's time.
        seen_to: Presence is judged at this time; None where nothing can be said.
        freshness: The same for people.
        readers: Health of every reader of the layout.
    """

    now: datetime
    seen_to: datetime | None
    freshness: models.Freshness
    readers: list[models.ReaderHealth]


class _Progress(NamedTuple):
    reads_to: datetime | None
    behind: bool


class _Agent(NamedTuple):
    agent: str
    state: str
    status: str
    age_s: float


class _Count(NamedTuple):
    zone: str
    tags: int


# The database's own clock measures the age of a batch: it is real time, also when the store's time is simulated.
_PROGRESS = """
    SELECT reads_to, EXISTS (
        SELECT FROM batch
        WHERE store_id = %(store_id)s AND xid >= c.xid AND committed_at < now() - make_interval(secs => %(stale_s)s)
    ) AS behind
    FROM analysis_cursor c WHERE store_id = %(store_id)s
"""
_AGENTS = """
    SELECT agent, state, status::text AS status, extract(epoch FROM now() - received_at)::float8 AS age_s
    FROM agent_status WHERE store_id = %(store_id)s ORDER BY agent
"""
_PRESENT = """
    SELECT zone, count(*) AS tags
    FROM (
        SELECT DISTINCT ON (tag_id) zone
        FROM visit WHERE store_id = %(store_id)s AND open AND exit > %(since)s
        ORDER BY tag_id, enter DESC
    ) latest
    GROUP BY zone
"""


def find_horizon(connection: Connection, version: Version, now: datetime, rate: float, stale_s: float) -> Horizon:
    """Judge how far the data reach.

    Args:
        connection: Database.
        version: The store and its layout.
        now: The store's time.
        rate: Store seconds per real second.
        stale_s: Real seconds after which news are old.
    """
    parameters = {"store_id": version.store_id, "stale_s": stale_s}
    progress = connection.cursor(row_factory=class_row(_Progress)).execute(_PROGRESS, parameters).fetchone()
    agents = connection.cursor(row_factory=class_row(_Agent)).execute(_AGENTS, parameters).fetchall()
    readers = _health(version, agents, stale_s)
    online, total = sum(reader.online for reader in readers), len(readers)
    reads_to = progress.reads_to if progress else None
    lag_s = None if reads_to is None else max(0.0, (now - reads_to).total_seconds())
    seen_to: datetime | None
    state: models.DataState
    if reads_to is None or lag_s is None:
        state, reason, seen_to = "none", "No tag has been read yet.", None
    elif lag_s / rate <= stale_s:
        state, reason, seen_to = "live", "Reads arrive.", min(reads_to, now)
    elif progress is not None and progress.behind:
        state, reason, seen_to = "stale", "The analysis does not keep up, or is not running.", None
    elif online == 0:
        state, reason, seen_to = "stale", "No reader is online.", None
    else:
        state, reason, seen_to = "quiet", "Readers are on and see nobody.", now
    freshness = models.Freshness(
        state=state,
        reason=reason,
        reads_to=None if reads_to is None else reads_to.astimezone(version.zone),
        lag_s=lag_s,
        readers_online=online,
        readers_total=total,
    )
    return Horizon(now, seen_to, freshness, readers)


def present_tags(connection: Connection, store_id: int, seen_to: datetime, presence_s: float) -> dict[str, int]:
    """How many tags were in each zone at ``seen_to``; zones without any are left out."""
    parameters = {"store_id": store_id, "since": seen_to - timedelta(seconds=presence_s)}
    rows = connection.cursor(row_factory=class_row(_Count)).execute(_PRESENT, parameters)
    return {row.zone: row.tags for row in rows}


def floor_now(
    connection: Connection, version: Version, horizon: Horizon, rate: float, presence_s: float
) -> models.Live:
    """The floor as it is now."""
    store = version.store
    counts: dict[str, int] | None = None
    if horizon.seen_to is not None:
        counts = present_tags(connection, version.store_id, horizon.seen_to, presence_s)

    def total(zones: Iterable[str]) -> int | None:
        return None if counts is None else sum(counts.get(zone, 0) for zone in zones)

    return models.Live(
        now=horizon.now.astimezone(version.zone),
        clock_rate=rate,
        layout_id=version.layout_id,
        presence_s=presence_s,
        data=horizon.freshness,
        inside=None if counts is None else sum(counts.values()),
        floors={floor.id: total(zone.id for zone in store.zone if zone.floor == floor.id) for floor in store.floor},
        zones={zone.id: total([zone.id]) for zone in store.zone},
        elsewhere=None if counts is None else total(counts.keys() - store.zone_by_id.keys()),
        readers=horizon.readers,
    )


def _health(version: Version, agents: list[_Agent], stale_s: float) -> list[models.ReaderHealth]:
    """An online report of one agent beats what others say about the same reader."""
    reported: dict[str, models.ReaderHealth] = {}
    for agent in agents:
        alive = agent.state == "online" and agent.age_s <= stale_s
        for reader in _readers(agent.status):
            online = alive and reader.state in READING_STATES
            state = (
                reader.state if alive else f"agent {agent.agent} {'silent' if agent.state == 'online' else agent.state}"
            )
            if online or reader.reader not in reported:
                reported[reader.reader] = models.ReaderHealth(
                    id=reader.reader, online=online, state=state, error=reader.error
                )
    return [
        reported.get(reader.id) or models.ReaderHealth(id=reader.id, online=False, state=UNREPORTED)
        for reader in version.store.reader
    ]


def _readers(status: str) -> list[ReaderStatus]:
    try:
        return msgspec.json.decode(status, type=AgentStatus).readers
    except msgspec.MsgspecError:
        return []  # written by another version; its readers show as unreported
