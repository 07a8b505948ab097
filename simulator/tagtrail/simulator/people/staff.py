"""What staff do: they stand at their post all shift, with errands to other places now and then."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Final, NamedTuple

from tagtrail.simulator.people.agenda import SECOND_US, Process
from tagtrail.simulator.people.calendar import DAY_S, Opening, hour_of, seconds_at
from tagtrail.simulator.people.model import Staff
from tagtrail.simulator.people.party import Party
from tagtrail.simulator.people.shopper import DOOR_S, Shop

EARLY_S: Final = 1200.0
"""Without shifts of the scenario, staff come so long before the store opens, and go so long after it has closed."""
ERRAND_MEAN_S: Final = 120.0
ERRAND_MIN_S: Final = 10.0


class Duty(NamedTuple):
    """A post and its hours."""

    zone: str
    place: int
    begins_s: float
    ends_s: float


def duties(staff: Staff, shop: Shop, opening: Opening, start: datetime) -> Iterator[Duty]:
    """All that is to be manned on a day."""
    early_s = min(EARLY_S, (DAY_S - opening.closes_s + opening.opens_s) / 2)  # open around the clock: no overlap
    hours = [(opening.opens_s - early_s, opening.closes_s + early_s, 1.0)] if not staff.shift else [
        (*_between(opening.day, shift.begins, shift.ends, start), shift.share) for shift in staff.shift
    ]  # fmt: skip
    usual = {"counter": staff.per_counter, "checkout": staff.per_checkout}
    for zone in shop.walkways.spots:
        heads = staff.at.get(zone, usual.get(shop.walkways.zones[zone].kind, 0))
        first = 0
        for begins_s, ends_s, share in hours:
            count = round(heads * share)
            for place in range(first, first + count):
                yield Duty(zone, place, begins_s, ends_s)
            first += count


def _between(day: date, begins: str, ends: str, start: datetime) -> tuple[float, float]:
    return seconds_at(day, hour_of(begins), start), seconds_at(day, hour_of(ends), start)


def serve(shop: Shop, party: Party, duty: Duty, round_mean_s: float) -> Process:
    """One shift of one person, as a process of the agenda."""
    rng, agenda, places = party.rng, shop.agenda, shop.places
    door = min(shop.doors, key=lambda door: places.metres_to(shop.walkways.spots[door][0], duty.zone))
    entrance = shop.spot(door, float(rng.random()))
    posts = shop.walkways.spots[duty.zone]
    post = posts[duty.place % len(posts)]
    others = [zone for zone in shop.walkways.spots if shop.walkways.zones[zone].kind not in {"entrance", "lift"}]
    party.enter(entrance, agenda.now_us)
    yield party.stay(DOOR_S)
    yield party.walk(shop.walkways.route(entrance, post, rng)[1], post)
    ends_us = round(duty.ends_s * SECOND_US)
    while agenda.now_us < ends_us:
        left_s = (ends_us - agenda.now_us) / SECOND_US
        yield party.stay(min(left_s, max(ERRAND_MIN_S, float(rng.exponential(round_mean_s)))))
        if agenda.now_us < ends_us:
            goal = shop.spot(others[int(rng.random() * len(others))], float(rng.random()))
            yield party.walk(shop.walkways.route(post, goal, rng)[1], goal)
            yield party.stay(max(ERRAND_MIN_S, float(rng.exponential(ERRAND_MEAN_S))))
            yield party.walk(shop.walkways.route(goal, post, rng)[1], post)
    yield party.walk(shop.walkways.route(party.here, entrance, rng)[1], entrance)
    yield party.stay(DOOR_S)
    party.leave()
