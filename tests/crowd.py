"""A believable crowd as visits and trips, straight into the tables: for what reads them (api, dashboards)."""

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import psycopg

from tagtrail.hardware.store import Store
from tagtrail.hardware.wire import AgentStatus, ReaderStatus

Stay = tuple[str, datetime, datetime]
"""Zone, enter, exit."""

_PULL = {"counter": 1.0, "fitting": 0.4, "checkout": 0.5, "lift": 0.3, "entrance": 0.0, "aisle": 0.0, "staff": 0.0}
_STAY_S = {"counter": 150, "fitting": 240, "checkout": 110, "lift": 20, "entrance": 12, "aisle": 20, "staff": 60}


@dataclass(frozen=True)
class Trip:
    """What one tag did between coming and leaving; ``open`` when it has not left."""

    epc: str
    stays: Sequence[Stay]
    open: bool = False


def epc_of(number: int) -> str:
    """A 96 bit EPC."""
    return f"E2801160{number:016X}"


def add_trips(connection: psycopg.Connection, store: str, trips: Iterable[Trip]) -> None:
    """Write trips with their visits; the last stay of an open trip is open."""
    trips = list(trips)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO store (store) VALUES (%s) ON CONFLICT DO NOTHING", [store])
        cursor.executemany(
            "INSERT INTO tag (epc) VALUES (%s) ON CONFLICT DO NOTHING", [[epc] for epc in {trip.epc for trip in trips}]
        )
        tags: dict[str, int] = dict(cursor.execute("SELECT epc, tag_id FROM tag").fetchall())
        found = cursor.execute("SELECT store_id FROM store WHERE store = %s", [store]).fetchone()
        assert found is not None
        store_id = found[0]
        with cursor.copy('COPY trip (store_id, tag_id, trip, start, "end", zones, open) FROM STDIN') as copy:
            for trip in trips:
                start, end = trip.stays[0][1], max(stay[2] for stay in trip.stays)
                zones = [stay[0] for stay in trip.stays]
                copy.write_row((store_id, tags[trip.epc], _number(start), start, end, zones, trip.open))
        with cursor.copy("COPY visit (store_id, tag_id, trip, zone, enter, exit, confidence, open) FROM STDIN") as copy:
            for trip in trips:
                for i, (zone, enter, leave) in enumerate(trip.stays, 1):
                    is_open = trip.open and i == len(trip.stays)
                    number = _number(trip.stays[0][1])
                    copy.write_row((store_id, tags[trip.epc], number, zone, enter, leave, 0.9, is_open))
    connection.commit()


def set_progress(connection: psycopg.Connection, store: str, reads_to: datetime) -> None:
    """Analytics has read everything up to ``reads_to``."""
    connection.execute(
        "INSERT INTO analysis_cursor (store_id, xid, reads_to) "
        "SELECT store_id, pg_current_xact_id(), %s FROM store WHERE store = %s "
        "ON CONFLICT (store_id) DO UPDATE SET reads_to = excluded.reads_to, xid = excluded.xid, updated_at = now()",
        [reads_to, store],
    )
    connection.commit()


def set_agent(
    connection: psycopg.Connection,
    store: str,
    readers: dict[str, str],
    *,
    agent: str = "edge-1",
    state: str = "online",
    age_s: float = 0.0,
) -> None:
    """An agent reported the states of its readers ``age_s`` ago."""
    status = AgentStatus(
        v=1,
        agent=agent,
        state=state,
        time_us=0,
        readers=[ReaderStatus(reader=id_, state=s) for id_, s in readers.items()],
    )
    connection.execute(
        "INSERT INTO agent_status (store_id, agent, received_at, time, state, status) "
        "SELECT store_id, %s, now() - make_interval(secs => %s), now(), %s, %s FROM store WHERE store = %s "
        "ON CONFLICT (store_id, agent) DO UPDATE "
        "SET received_at = excluded.received_at, state = excluded.state, status = excluded.status",
        [agent, age_s, state, msgspec.json.encode(status).decode(), store],
    )
    connection.commit()


def shopping_day(store: Store, opening: datetime, now: datetime, per_hour: float, seed: int = 1) -> Iterator[Trip]:
    """Shoppers who come between ``opening`` and ``now``, as seen at ``now``: more later on, some still inside."""
    dice = random.Random(seed)
    entrances = [zone.id for zone in store.zone if zone.kind == "entrance"]
    goals = {zone.id: _PULL[zone.kind] * dice.uniform(0.25, 1.6) for zone in store.zone if _PULL[zone.kind]}
    taste = {zone.id: _STAY_S[zone.kind] * dice.uniform(0.5, 1.7) for zone in store.zone}
    aisles = {
        floor.id: [z.id for z in store.zone if z.floor == floor.id and z.kind == "aisle"] for floor in store.floor
    }
    lifts = {floor.id: [z.id for z in store.zone if z.floor == floor.id and z.kind == "lift"] for floor in store.floor}
    moment = opening
    for number in itertools.count():
        hours = (moment - opening).total_seconds() / 3600
        busy = 0.35 + 0.65 * max(0.0, 1 - abs(hours - 5) / 5) + 0.25 * max(0.0, 1 - abs(hours - 8.5) / 1.5)
        moment += timedelta(seconds=dice.expovariate(per_hour * busy / 3600))
        if moment >= now:
            return
        stays = []
        time = moment
        for zone in _route(store, dice, entrances, goals, aisles, lifts):
            length = timedelta(seconds=4 + dice.lognormvariate(0, 0.7) * taste[zone])
            stays.append((zone, time, time + length))
            time += length + timedelta(seconds=dice.uniform(1, 4))
        yield _as_seen(Trip(epc_of(number), stays), now)


def _as_seen(trip: Trip, now: datetime) -> Trip:
    begun = [stay for stay in trip.stays if stay[1] < now]
    if begun[-1][2] < now - timedelta(seconds=3) and len(begun) == len(trip.stays):
        return trip
    zone, enter, leave = begun[-1]
    return Trip(trip.epc, [*begun[:-1], (zone, enter, max(enter, min(leave, now)))], open=True)


def _route(
    store: Store,
    dice: random.Random,
    entrances: list[str],
    goals: dict[str, float],
    aisles: dict[str, list[str]],
    lifts: dict[str, list[str]],
) -> Iterator[str]:
    door = dice.choice(entrances)
    floor = store.zone_by_id[door].floor
    yield door
    for _ in range(1 + min(12, int(dice.expovariate(0.3)))):
        if lifts[floor] and dice.random() < 0.14 and len(store.floor) > 1:
            yield dice.choice(lifts[floor])
            floor = dice.choice([other.id for other in store.floor if other.id != floor])
            if lifts[floor]:
                yield dice.choice(lifts[floor])
        if aisles[floor]:
            yield dice.choice(aisles[floor])
        here = {zone: pull for zone, pull in goals.items() if store.zone_by_id[zone].floor == floor}
        yield dice.choices(list(here), list(here.values()))[0]
    if floor != store.zone_by_id[door].floor and lifts[floor]:
        yield dice.choice(lifts[floor])
    yield dice.choice(entrances)


def _number(start: datetime) -> int:
    return round(start.timestamp() * 1_000_000)
