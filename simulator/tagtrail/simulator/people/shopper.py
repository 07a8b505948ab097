"""What shoppers do, decision by decision, each with what they find at that moment: crowd, lines, promotions."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

import numpy as np

from tagtrail.simulator.geometry import Floats
from tagtrail.simulator.people.agenda import SECOND_US, Agenda, Process, Task
from tagtrail.simulator.people.choice import Offer
from tagtrail.simulator.people.line import Line
from tagtrail.simulator.people.model import Counter, Habits
from tagtrail.simulator.people.party import Party
from tagtrail.simulator.people.places import Places
from tagtrail.simulator.people.purchases import Event, Purchase, Wait
from tagtrail.simulator.people.tracks import KNOT, Track
from tagtrail.simulator.people.walkways import Leg, Spot, Walkways

STAY_RANGE_S: Final = (3.0, 3600.0)
DOOR_S: Final = 1.0
"""The moment that everybody takes at the door, coming and going."""
CLOSING_S: Final = 300.0
"""So long before the store closes, people are asked to come to an end."""
LEFT_S: Final = 900.0
"""So long after the store has closed, what was left behind is swept up."""
ERRANDS: Final = ("errands", "browse", "pass")


class Shop:
    """What all people of a world share."""

    def __init__(self, walkways: Walkways, habits: Habits, offer: Offer, agenda: Agenda) -> None:
        self.walkways, self.habits, self.offer, self.agenda = walkways, habits, offer, agenda
        self.places: Places = offer.places
        self.doors = [door for door in walkways.of_kind("entrance") if habits.shoppers.doors.get(door, 1.0)]
        weights = np.array([habits.shoppers.doors.get(door, 1.0) for door in self.doors])
        self._doors = np.cumsum(weights / weights.sum())
        self.tills = {
            zone: Line(agenda, habits.checkout.tills_at.get(zone, habits.checkout.tills))
            for zone in walkways.of_kind("checkout")
        }
        self.cabins = {zone: Line(agenda, habits.fitting.cabins) for zone in walkways.of_kind("fitting")}
        self.events: list[Event] = []

    def door(self, luck: float) -> str:
        """An entrance, from a uniform number."""
        return self.doors[min(int(np.searchsorted(self._doors, luck, side="right")), len(self.doors) - 1)]

    def spot(self, zone: str, luck: float) -> Spot:
        """A place in a zone, from a uniform number."""
        spots = self.walkways.spots[zone]
        return spots[int(luck * len(spots))]


@dataclass(frozen=True)
class Traits:
    """What a group brings along: the same in every layout, whatever it meets there.

    Attributes:
        errand: One of `ERRANDS`.
        wanted: The counters on the list (indices).
        minutes: How long a browser wants to stay.
        stay: Standard normal, per counter: long or short stays there.
        buys: Uniform, per counter: below the chance, something is bought.
        fits: Uniform, per counter: below the chance, something is tried on.
        price: Standard normal, per counter.
        door: Uniform.
        leaves: Two uniforms: by the same door, else by which.
        drops_at: After so many stops the tag is lost; -1 never.
    """

    errand: str
    wanted: tuple[int, ...]
    minutes: float
    stay: Floats
    buys: Floats
    fits: Floats
    price: Floats
    door: float
    leaves: tuple[float, float]
    drops_at: int


def draw_traits(habits: Habits, attraction: Floats, rng: np.random.Generator) -> Traits:
    """What the next group is like; lists are drawn by attraction, without replacement."""
    who = habits.shoppers
    counters = len(attraction)
    weights = np.array([who.errands, who.browse, who.pass_through])
    errand = ERRANDS[int(np.searchsorted(np.cumsum(weights / weights.sum()), rng.random(), side="right"))]
    length = 1 + int(rng.poisson(who.errands_mean - 1.0))
    with np.errstate(divide="ignore"):
        keys = np.log(attraction) + rng.gumbel(size=counters)  # the largest keys: drawing without replacement
    length = min(length, int(np.isfinite(keys).sum())) if errand == "errands" else 0
    drops = rng.random() < habits.tags.left_behind
    return Traits(
        errand=errand,
        wanted=tuple(np.argsort(-keys)[:length].tolist()),
        minutes=who.minutes_median * float(np.exp(who.minutes_sigma * rng.normal())),
        stay=rng.normal(size=counters),
        buys=rng.random(counters),
        fits=rng.random(counters),
        price=rng.normal(size=counters),
        door=float(rng.random()),
        leaves=(float(rng.random()), float(rng.random())),
        drops_at=int(rng.integers(1, 4)) if drops else -1,
    )


class Visit:
    """One visit of one group, as a process of the agenda.

    Attributes:
        task: Set by who starts it.
    """

    task: Task

    def __init__(
        self, shop: Shop, party: Party, traits: Traits, choices: np.random.Generator, closes_s: float, tag: Track | None
    ) -> None:
        self._shop, self._party, self._traits, self._choices = shop, party, traits, choices
        self._agenda, self._offer = shop.agenda, shop.offer
        self._closes_s = closes_s
        self._came_s = shop.agenda.now_s
        self._been: set[int] = set()
        self._bag: list[tuple[int, float]] = []
        self._stops = 0
        self._tag = tag  # the thing that will be left behind, as long as it is carried

    def process(self) -> Process:
        """From one door to the other."""
        shop, traits = self._shop, self._traits
        door = shop.door(traits.door)
        entrance = shop.spot(door, self._luck())
        self._party.enter(entrance, self._agenda.now_us)
        if self._tag:
            self._tag.knots = self._party.tracks[0].knots  # it goes where its bearer goes
        yield self._party.stay(DOOR_S)
        todo = list(traits.wanted)
        while (counter := self._next(todo)) is not None:
            todo = [other for other in todo if other != counter]
            yield from self._go(shop.spot(shop.places.counters[counter], self._luck()))
            yield from self._look_at(counter)
        other = traits.leaves[0] >= shop.habits.shoppers.same_door or traits.errand == "pass"
        exit_spot = self._other_door(door) if other else entrance
        if exit_spot.zone == self._party.here.zone:  # they have seen nothing yet
            yield from self._go(self._anywhere())
        while self._party.here != exit_spot:
            if self._bag:
                yield from self._pay()
            yield from self._go(exit_spot, leaving=True)
        yield self._party.stay(DOOR_S)
        self._party.leave()
        if self._tag:
            self._tag.leaves_us = self._party.tracks[0].leaves_us

    def _next(self, todo: list[int]) -> int | None:
        """The counter to go to, or None: to the till and home."""
        now_s = self._agenda.now_s
        if self._traits.errand == "pass" or now_s >= self._closes_s - CLOSING_S:
            return None
        here = self._party.here
        luck = self._choices.gumbel(size=len(self._offer.counters) + 1)
        if self._traits.errand == "errands":
            left = [counter for counter in todo if counter not in self._been]
            utility = self._offer.ease(here)
            return max(left, key=lambda counter: float(utility[counter] + luck[counter])) if left else None
        utility = self._offer.utility(here, now_s) + luck[:-1]
        utility[list(self._been)] = -np.inf
        leaving = self._offer.leaving((now_s - self._came_s) / 60.0, self._traits.minutes) + float(luck[-1])
        best = int(utility.argmax()) if len(utility) else -1
        return best if best >= 0 and utility[best] > leaving else None

    def _go(self, goal: Spot, *, leaving: bool = False) -> Process:
        """Walk to a spot, with stops at what catches the eye on the way; who is leaving turns to the till after it."""
        party = self._party
        while party.here != goal:
            legs = self._shop.walkways.route(party.here, goal, self._party.rng)[1]
            caught = self._caught(legs, goal)
            if caught is None:
                yield party.walk(legs, goal)
                return
            spot = self._nearest_spot(caught)
            yield party.walk(self._shop.walkways.route(party.here, spot, self._party.rng)[1], spot)
            yield from self._look_at(caught)
            if leaving and self._bag:
                return

    def _caught(self, legs: list[Leg], goal: Spot) -> int | None:
        """The first counter on the way that draws the group to a stop of no plan."""
        if self._agenda.now_s >= self._closes_s - CLOSING_S:
            return None
        own = {self._shop.places.index.get(zone) for zone in (self._party.here.zone, goal.zone)}
        for leg in legs:
            if leg.seconds:
                return None  # what lies beyond a ride is seen after it
            for counter in self._shop.places.met(leg):
                if counter in own or counter in self._been:
                    continue
                if self._luck() < self._offer.impulse(counter, self._agenda.now_s):
                    return counter
        return None

    def _nearest_spot(self, counter: int) -> Spot:
        spots = self._shop.walkways.spots[self._shop.places.counters[counter]]
        return min(spots, key=lambda spot: self._shop.walkways.cost(self._party.here, spot))

    def _look_at(self, index: int) -> Process:
        """Stop at a counter; perhaps take something along, perhaps try it on."""
        counter, traits, heads = self._offer.counters[index], self._traits, self._heads
        self._been.add(index)
        self._offer.people[index] += heads
        yield self._party.stay(self._stay_s(counter.dwell_median_s, counter.dwell_sigma, float(traits.stay[index])))
        self._offer.people[index] -= heads
        self._stops += 1
        if self._tag and self._stops == traits.drops_at:
            self._leave_tag()
        if self._shop.cabins and traits.fits[index] < counter.fitting and self._agenda.now_s < self._closes_s:
            yield from self._try_on()
        self._decide(index, counter)

    def _luck(self) -> float:
        """Uniform; not from the stream of the choices, which is to go on alike in every layout."""
        return float(self._party.rng.random())

    @property
    def _heads(self) -> int:
        return len(self._party.tracks)

    def _decide(self, index: int, counter: Counter) -> None:
        promotions = self._offer.promotions(index, self._agenda.now_s)
        chance, price = counter.buy_chance, counter.price
        for promotion in promotions:
            chance, price = chance * promotion.buy_chance, price * promotion.price
        if self._traits.buys[index] < chance:
            amount = price * float(np.exp(counter.price_sigma * self._traits.price[index]))
            self._bag.append((index, round(max(amount, 0.01), 2)))

    def _stay_s(self, median_s: float, sigma: float, luck: float) -> float:
        seconds = min(max(median_s * float(np.exp(sigma * luck)), STAY_RANGE_S[0]), STAY_RANGE_S[1])
        return max(STAY_RANGE_S[0], min(seconds, self._closes_s - CLOSING_S / 2 - self._agenda.now_s))

    def _try_on(self) -> Process:
        rooms = self._shop.habits.fitting
        zone = min(self._shop.cabins, key=lambda zone: self._shop.places.metres_to(self._party.here, zone))
        yield from self._go(self._shop.spot(zone, self._luck()))
        stay_s = self._stay_s(rooms.stay_median_s, rooms.stay_sigma, float(self._party.rng.normal()))
        line = self._shop.cabins[zone]
        if (yield from self._wait(line, zone, rooms.patience_mean_s)):
            yield self._party.stay(stay_s)
            line.done()

    def _pay(self) -> Process:
        """To the till with the shortest way and wait; without any, at the counters themselves. The bag is empty then.

        Who gives up in the line leaves the articles there.
        """
        if self._shop.tills:
            yield from self._queue_up()
        else:
            self._pay_for(None)
        self._bag.clear()

    def _queue_up(self) -> Process:
        checkout = self._shop.habits.checkout
        zone = min(self._shop.tills, key=self._effort)
        yield from self._go(self._shop.spot(zone, self._luck()))
        line = self._shop.tills[zone]
        luck = float(self._party.rng.normal())
        if (yield from self._wait(line, zone, checkout.patience_mean_s)):
            seconds = checkout.service_median_s * float(np.exp(checkout.service_sigma * luck))
            yield self._party.stay(seconds + checkout.per_article_s * (len(self._bag) - 1))
            line.done()
            self._pay_for(zone)

    def _effort(self, zone: str) -> float:
        """Seconds until it is one's turn at a till."""
        line = self._shop.tills[zone]
        wait_s = (len(line) + (line.free == 0)) * self._shop.habits.checkout.service_median_s / line.servers
        return self._shop.places.metres_to(self._party.here, zone) / self._party.speed_m_s + wait_s

    def _pay_for(self, till: str | None) -> None:
        body = self._party.tracks[0].body
        for index, amount in self._bag:
            counter = self._offer.places.counters[index]
            self._shop.events.append(Purchase(self._agenda.now_s, body, counter, till or counter, amount))

    def _wait(self, line: Line, zone: str, patience_mean_s: float) -> Generator[int, None, bool]:
        """Stand in a line; returns whether it came to one's turn before patience was over."""
        patience_us = round(float(self._party.rng.exponential(patience_mean_s)) * SECOND_US)
        joined_us = self._agenda.now_us
        ticket = line.join(self.task)
        if ticket.served:
            return True
        self._party.settle()
        yield joined_us + patience_us
        if not ticket.served:
            line.give_up(ticket)
        self._party.wake(self._agenda.now_us)
        body = self._party.tracks[0].body
        self._shop.events.append(Wait(self._agenda.now_s, body, zone, joined_us / SECOND_US, ticket.served))
        return ticket.served

    def _leave_tag(self) -> None:
        """From now on the tag lies where the first of the group stands, until the store is swept."""
        assert self._tag
        self._tag.knots = self._tag.knots[:]
        self._tag.knots.extend((*self._tag.knots[-KNOT:-1], float("nan")))
        self._tag.leaves_us = round((self._closes_s + LEFT_S) * SECOND_US)
        self._tag = None

    def _anywhere(self) -> Spot:
        zones = [zone for zone in self._shop.walkways.spots if zone not in self._shop.doors]
        return self._shop.spot(zones[int(self._luck() * len(zones))], self._luck())

    def _other_door(self, door: str) -> Spot:
        """By any door, by the weights; who passes through, by another one than that of the entry."""
        luck = self._traits.leaves[1]
        chosen = self._shop.door(luck)
        if chosen == door and self._traits.errand == "pass":
            others = [other for other in self._shop.doors if other != door]
            chosen = others[int(luck * len(others))] if others else door
        return self._shop.spot(chosen, self._luck())
