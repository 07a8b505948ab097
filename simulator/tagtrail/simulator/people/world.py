"""The people in a store: who is there, where, and which way they face, block by block. Pure; no clock, no files."""

from datetime import date, datetime, timedelta
from typing import Final

import numpy as np

from tagtrail.hardware.store import Store
from tagtrail.simulator.people.agenda import SECOND_US, Agenda, Process
from tagtrail.simulator.people.calendar import seconds_at
from tagtrail.simulator.people.choice import Offer
from tagtrail.simulator.people.model import Habits
from tagtrail.simulator.people.party import BEHIND_S, Party
from tagtrail.simulator.people.places import places_of
from tagtrail.simulator.people.purchases import Event
from tagtrail.simulator.people.shopper import Shop, Visit, draw_traits
from tagtrail.simulator.people.staff import Duty, duties, serve
from tagtrail.simulator.people.tags import Wardrobe
from tagtrail.simulator.people.tracks import SWAY_PERIOD_S, Track, look
from tagtrail.simulator.people.walkways import walkways_of
from tagtrail.simulator.presence import CYCLE_US, Body, Presence

WARM_UP_S: Final = 7200.0
"""Those who came so long before time 0 are in the store then, if they have not left."""
SPEED_RANGE_M_S: Final = (0.4, 1.6)
_ARRIVALS, _GROUP, _BODY, _MOVES, _CHOICES, _STAFF, _STOCK = range(7)
"""Random streams of the seed. Those of shoppers go on with the day and the number in the day: the same people come
whatever the layout, and whenever the watching begins."""


class World:
    """The people of a store.

    Args:
        store: The checked store file.
        habits: How people behave; has no faults in this store.
        seed: Same seed, same people.
        start: Time 0 on the store's clock, zone-aware.

    Attributes:
        bodies: Those in the store, and those who left in the last block, by number.
        arrived: Shoppers since time 0, with those who were in the store then.

    Raises:
        FaultsError: Nobody can come in.
    """

    def __init__(self, store: Store, habits: Habits, *, seed: int, start: datetime) -> None:
        self.store, self._habits, self._seed, self._start = store, habits, seed, start
        walkways = walkways_of(store)
        who = habits.shoppers
        places = places_of(walkways, who.sight_m, who.impulse_m)
        self._agenda = Agenda(round(-WARM_UP_S * SECOND_US))
        self._shop = Shop(walkways, habits, Offer(places, habits, start), self._agenda)
        self._zones = walkways.zone_map
        self._wardrobe = Wardrobe(habits.tags)
        self._tracks: list[Track] = []
        self._members_inside: set[int] = set()
        self._groups = 0
        weights = np.array(who.group_sizes)
        self._sizes = np.cumsum(weights / weights.sum())
        self._mean_size = float(np.dot(weights / weights.sum(), np.arange(1, len(weights) + 1)))
        self._stock()
        self._agenda.start(self._days())
        self._cycle = 0
        self.arrived = 0
        self.bodies: dict[int, Body] = {}
        self._agenda.run(0)
        self.take_events()
        self._forget()
        self.arrived = sum(track.body.kind == "shopper" for track in self._tracks)

    @property
    def now_cycle(self) -> int:
        """The first cycle of the next block."""
        return self._cycle

    def block(self, cycles: int) -> Presence:
        """Where everybody is in the next so many cycles."""
        self._forget()
        end = self._cycle + cycles
        self._agenda.run(end * CYCLE_US)
        presence = look(self._tracks, self._zones, self._cycle, end)
        self._cycle = end
        self.bodies = dict(presence.bodies)
        return presence

    def take_events(self) -> list[Event]:
        """What was bought and waited for since this was asked last, by time."""
        events, self._shop.events = self._shop.events, []
        return events

    def _forget(self) -> None:
        """Nothing before the next cycle is asked for any more."""
        now_us = self._cycle * CYCLE_US
        self._tracks = [track for track in self._tracks if track.leaves_us > now_us]
        for track in self._tracks:
            track.forget(now_us)

    def _days(self) -> Process:
        """Each midnight, the day's staff and shoppers are called."""
        day = (self._start - timedelta(seconds=WARM_UP_S)).date() - timedelta(days=1)
        while True:
            if opening := self._habits.calendar.opening(day, self._start):
                for duty in duties(self._habits.staff, self._shop, opening, self._start):
                    if duty.ends_s > self._agenda.now_s:
                        self._agenda.start(self._on_duty(duty, day))
                self._agenda.start(self._arrivals(day))
            day += timedelta(days=1)
            yield max(self._agenda.now_us, round(seconds_at(day, 0.0, self._start) * SECOND_US))

    def _rng(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=stream))

    def _arrivals(self, day: date) -> Process:
        rng = self._rng(_ARRIVALS, day.toordinal())
        arrivals = self._habits.calendar.arrivals_s(day, self._start, self._mean_size, rng)
        closes_s = self._closes_s(day)
        for number, arrival_s in enumerate(arrivals):
            arrival_us = round(arrival_s * SECOND_US)
            if arrival_us >= self._agenda.now_us:
                yield arrival_us
                self._admit((day.toordinal(), number), closes_s)

    def _closes_s(self, day: date) -> float:
        """When the store closes that is open on a day; who is open around the clock does not close at midnight."""
        calendar = self._habits.calendar
        opening = calendar.opening(day, self._start)
        assert opening
        following = calendar.opening(day + timedelta(days=1), self._start)
        if following and following.opens_s <= opening.closes_s:
            return following.closes_s
        return opening.closes_s

    def _admit(self, who: tuple[int, int], closes_s: float) -> None:
        """A group comes in."""
        rng = self._rng(_GROUP, *who)
        shop, habits, now_us = self._shop, self._habits, self._agenda.now_us
        traits = draw_traits(habits, shop.offer.attraction(self._agenda.now_s), rng)
        size_luck, member_luck, which_member = rng.random(3).tolist()
        size = 1 + int(np.searchsorted(self._sizes, size_luck, side="right"))
        speed = habits.shoppers.speed_m_s + habits.shoppers.speed_sd_m_s * float(rng.normal())
        speed = min(max(speed, SPEED_RANGE_M_S[0]), SPEED_RANGE_M_S[1])
        member = self._wardrobe.member(which_member) if member_luck < habits.tags.members else None
        if member in self._members_inside:
            member = None  # nobody is here twice
        group, self._groups = self._groups, self._groups + 1
        loses_tag = traits.drops_at > 0
        tracks, left = [], None
        for place in range(size):
            own = self._rng(_BODY, *who, place)
            body = self._wardrobe.shopper(own, group, member if place == 0 else None, traits.errand)
            if loses_tag and place == 0 and body.tags:
                body, thing = self._wardrobe.parted(body)
                left = Track(thing, now_us)
            delay_us = round(place * BEHIND_S * SECOND_US)
            tracks.append(Track(body, now_us + delay_us, delay_us=delay_us, sway=_sway(own)))
        party = Party(tracks, shop.places, self._rng(_MOVES, *who), speed)
        visit = Visit(shop, party, traits, self._rng(_CHOICES, *who), closes_s, left)
        visit.task = self._agenda.start(self._visiting(visit, member))
        self.arrived += size
        self._tracks += [*tracks[:1], *([left] if left else []), *tracks[1:]]

    def _visiting(self, visit: Visit, member: int | None) -> Process:
        if member is not None:
            self._members_inside.add(member)
        yield from visit.process()
        self._members_inside.discard(member)

    def _on_duty(self, duty: Duty, day: date) -> Process:
        """A shift; who began before the watching is at work when it begins."""
        yield max(self._agenda.now_us, round(duty.begins_s * SECOND_US))
        rng = self._rng(_STAFF, day.toordinal(), *duty.zone.encode(), duty.place)
        body = self._wardrobe.staff(duty.zone, duty.place, self._groups, tagged=self._habits.staff.tagged)
        self._groups += 1
        track = Track(body, self._agenda.now_us, sway=_sway(rng))
        self._tracks.append(track)
        party = Party([track], self._shop.places, rng, self._habits.shoppers.speed_m_s)
        yield from serve(self._shop, party, duty, self._habits.staff.round_mean_minutes * 60.0)

    def _stock(self) -> None:
        """Tagged articles lie at the counters all the time."""
        rng = self._rng(_STOCK)
        for zone in self._shop.places.counters:
            for _ in range(self._habits.tags.stock_per_counter):
                track = Track(self._wardrobe.article(rng), self._agenda.now_us)
                spot = self._shop.spot(zone, float(rng.random()))
                track.knots.extend((self._agenda.now_us, spot.floor, *spot.point, float("nan")))
                self._tracks.append(track)


def _sway(rng: np.random.Generator) -> tuple[float, ...]:
    """Angular frequency and phase of the sway in x and in y."""
    periods, phases = rng.uniform(*SWAY_PERIOD_S, 2), rng.uniform(0.0, 2 * np.pi, 2)
    return tuple((2 * np.pi / periods[axis], phases[axis])[part] for axis in range(2) for part in range(2))
