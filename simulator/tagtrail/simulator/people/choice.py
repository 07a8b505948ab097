"""Which counter next: a multinomial logit over attraction, sight, distance and crowd; see `Shoppers` for the form."""

from datetime import datetime

import numpy as np

from tagtrail.simulator.geometry import Floats
from tagtrail.simulator.people.model import Counter, Habits, Promotion
from tagtrail.simulator.people.places import Places
from tagtrail.simulator.people.walkways import Spot

_PER_M2 = 10.0


class Offer:
    """What the counters offer, and how much they draw.

    Attributes:
        counters: The values of each counter of ``places.counters``.
        people: How many people stand at each counter now.
    """

    def __init__(self, places: Places, habits: Habits, start: datetime) -> None:
        self.places = places
        self.counters = [habits.counter.get(zone, Counter()) for zone in places.counters]
        self.people: Floats = np.zeros(len(self.counters))
        self._shoppers = habits.shoppers
        self._base = np.array([counter.attraction for counter in self.counters])
        self._promotions = [
            (places.index[one.counter], _seconds(one.begins, start), _seconds(one.ends, start), one)
            for one in habits.promotion
            if one.counter in places.index
        ]

    def promotions(self, index: int, time_s: float) -> list[Promotion]:
        """What is promoted at a counter at a time."""
        return [one for at, begins_s, ends_s, one in self._promotions if at == index and begins_s <= time_s < ends_s]

    def attraction(self, time_s: float) -> Floats:
        """How much each counter draws at a time."""
        drawn = self._base
        for at, begins_s, ends_s, one in self._promotions:
            if begins_s <= time_s < ends_s:
                drawn = drawn.copy()
                drawn[at] *= one.attraction
        return drawn

    def utility(self, spot: Spot, time_s: float) -> Floats:
        """Of each counter, for a browser at a spot; -inf where nobody is drawn."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.attraction(time_s)) + self.ease(spot))

    def ease(self, spot: Spot) -> Floats:
        """The utility without the attraction: sight, distance, crowd."""
        who = self._shoppers
        density = self.people / self.places.area_m2 * _PER_M2
        seen = who.sight * self.places.sight(spot)
        return np.asarray(seen - who.distance_per_m * self.places.metres(spot) - who.crowd * density)

    def leaving(self, minutes: float, minutes_wanted: float) -> float:
        """Utility of going to the till and home."""
        return self._shoppers.checkout_pull_per_minute * (minutes - minutes_wanted)

    def impulse(self, index: int, time_s: float) -> float:
        """Chance that who meets a counter on the way stops there: as if each unit of attraction had a try."""
        return float(1.0 - (1.0 - self._shoppers.impulse) ** self.attraction(time_s)[index])


def _seconds(moment: datetime, start: datetime) -> float:
    """A time of the scenario, local where it has no zone, since the world's time 0."""
    local = moment if moment.tzinfo else moment.replace(tzinfo=start.tzinfo)
    return local.timestamp() - start.timestamp()
