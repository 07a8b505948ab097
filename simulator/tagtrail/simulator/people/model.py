"""How people behave in a store: the sections of a scenario that tell it, with defaults of an everyday store."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.store import Store
from tagtrail.simulator.people.calendar import Calendar, TimeOfDay, Weight, hour_of
from tagtrail.simulator.people.walkways import walkways_of

Share = Annotated[float, Meta(ge=0, le=1)]


class Shoppers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[shoppers]`` of a scenario: who comes, and how they choose where to go next.

    At each stop a browser takes the alternative with the largest utility, a multinomial logit in the form of Hui,
    Bradlow and Fader (2009, Journal of Consumer Research 36)::

        U(counter) = ln(attraction) + sight * share in view - distance_per_m * metres - crowd * people per 10 m2 + G
        U(leave)   = checkout_pull_per_minute * (minutes inside - minutes that the shopper has) + G

    with independent Gumbel G. Who has a list goes to what is on it in an order of the same form, without attraction:
    the list itself is drawn by attraction, and does not change when counters move.
    """

    errands: Annotated[float, Meta(ge=0, description="weight of groups with a list of counters")] = 0.40
    browse: Annotated[float, Meta(ge=0, description="weight of groups who look around")] = 0.45
    pass_through: Annotated[float, Meta(ge=0, description="weight of groups on their way to another door")] = 0.15
    group_sizes: Annotated[
        tuple[Weight, ...],
        Meta(min_length=1, max_length=6, description="weights of groups of 1, 2, 3… people"),
    ] = (0.68, 0.24, 0.06, 0.02)
    errands_mean: Annotated[float, Meta(ge=1, le=50, description="mean number of counters on a list")] = 3.5
    minutes_median: Annotated[float, Meta(gt=0, le=720, description="median time that a browser has")] = 18.0
    minutes_sigma: Annotated[float, Meta(ge=0, le=2, description="spread of its logarithm")] = 0.5
    speed_m_s: Annotated[float, Meta(ge=0.3, le=1.6, description="mean walking speed")] = 1.0
    speed_sd_m_s: Annotated[float, Meta(ge=0, le=0.5, description="spread of the walking speed")] = 0.2
    distance_per_m: Annotated[
        float, Meta(ge=0, le=1, description="utility lost per metre of aisle to the next counter")
    ] = 0.03
    sight: Annotated[float, Meta(ge=0, le=5, description="utility gained by a counter in plain view")] = 0.6
    sight_m: Annotated[float, Meta(gt=0, le=200, description="how far a counter draws the eye")] = 20.0
    crowd: Annotated[float, Meta(ge=0, le=10, description="utility lost per person on 10 m² of the counter")] = 0.15
    checkout_pull_per_minute: Annotated[
        float, Meta(gt=0, le=10, description="utility of leaving gained per minute inside")
    ] = 0.25
    impulse: Annotated[
        float, Meta(ge=0, lt=1, description="chance to stop at a counter of attraction 1 that comes into view close by")
    ] = 0.03
    impulse_m: Annotated[float, Meta(gt=0, le=50, description="how close that is")] = 4.0
    same_door: Annotated[Share, Meta(description="share of groups that leave where they came in")] = 0.7
    doors: Annotated[
        dict[str, Weight],
        Meta(description="weights of the entrances; one that is not named has 1"),
    ] = {}


class Counter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A ``[counter.ZONE]`` of a scenario; counters without one have the values that stand here."""

    attraction: Annotated[float, Meta(ge=0, le=1000, description="weight beside the other counters")] = 1.0
    dwell_median_s: Annotated[float, Meta(gt=0, le=7200, description="median stay")] = 75.0
    dwell_sigma: Annotated[float, Meta(ge=0, le=2, description="spread of its logarithm")] = 0.8
    buy_chance: Annotated[Share, Meta(description="chance that a stop ends with something in the bag")] = 0.2
    price: Annotated[float, Meta(gt=0, le=1e9, description="median price of what is bought")] = 30.0
    price_sigma: Annotated[float, Meta(ge=0, le=2, description="spread of its logarithm")] = 0.5
    fitting: Annotated[Share, Meta(description="chance that a stop is followed by a fitting room")] = 0.05


class Checkout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[checkout]`` of a scenario: one line per checkout zone, first come first served."""

    tills: Annotated[int, Meta(ge=1, le=100, description="tills per checkout zone")] = 3
    tills_at: Annotated[dict[str, Annotated[int, Meta(ge=1, le=100)]], Meta(description="tills of single zones")] = {}
    service_median_s: Annotated[float, Meta(gt=0, le=3600, description="median time at the till")] = 60.0
    service_sigma: Annotated[float, Meta(ge=0, le=2, description="spread of its logarithm")] = 0.5
    per_article_s: Annotated[float, Meta(ge=0, le=600, description="time for each article more")] = 10.0
    patience_mean_s: Annotated[
        float, Meta(gt=0, le=1e6, description="mean wait after which a group leaves without its articles")
    ] = 900.0


class FittingRooms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[fitting]`` of a scenario: cabins, with a line where all are taken."""

    cabins: Annotated[int, Meta(ge=1, le=100, description="cabins per zone of fitting rooms")] = 6
    stay_median_s: Annotated[float, Meta(gt=0, le=7200, description="median time in a cabin")] = 240.0
    stay_sigma: Annotated[float, Meta(ge=0, le=2, description="spread of its logarithm")] = 0.5
    patience_mean_s: Annotated[float, Meta(gt=0, le=1e6, description="mean wait that is put up with")] = 300.0


class Shift(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A ``[[staff.shift]]``: from when until when."""

    begins: TimeOfDay
    ends: TimeOfDay
    share: Annotated[Share, Meta(description="how much of the staff it takes")] = 1.0


class Staff(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[staff]`` of a scenario: people who stay all day, the same ones each day."""

    per_counter: Annotated[int, Meta(ge=0, le=50, description="people per counter")] = 1
    per_checkout: Annotated[int, Meta(ge=0, le=50, description="people per checkout zone")] = 2
    at: Annotated[
        dict[str, Annotated[int, Meta(ge=0, le=200)]],
        Meta(description="people in single zones, which shoppers can come to"),
    ] = {}
    shift: tuple[Shift, ...] = ()
    round_mean_minutes: Annotated[
        float, Meta(gt=0, le=1440, description="mean time between two errands to another place")
    ] = 25.0
    tagged: Annotated[bool, Meta(description="whether staff wear tags")] = True


class Tags(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[tags]`` of a scenario: who wears which tags."""

    without: Annotated[Share, Meta(description="share of shoppers without a tag")] = 0.0
    two: Annotated[Share, Meta(description="share of tagged shoppers with a second tag")] = 0.02
    dead: Annotated[Share, Meta(description="share of tags that never answer")] = 0.01
    left_behind: Annotated[Share, Meta(description="share of tagged shoppers who lose their tag on the way")] = 0.003
    members: Annotated[float, Meta(ge=0, le=1, description="share of groups with a member who comes again")] = 0.3
    member_pool: Annotated[int, Meta(ge=1, le=10_000_000, description="how many members there are")] = 5000
    sensitivity_sd_db: Annotated[float, Meta(ge=0, le=10, description="spread of the tags' sensitivity")] = 1.5
    behind: Annotated[Share, Meta(description="share of tags worn on the back")] = 0.2
    stock_per_counter: Annotated[int, Meta(ge=0, le=1000, description="tagged articles that lie at each counter")] = 0


class Promotion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A ``[[promotion]]`` of a scenario: a counter draws more for a while."""

    counter: Annotated[str, Meta(description="id of the counter")]
    begins: Annotated[datetime, Meta(description="local time from which it holds")]
    ends: Annotated[datetime, Meta(description="local time until which it holds")]
    attraction: Annotated[float, Meta(ge=0, le=100, description="factor on the counter's attraction")] = 2.0
    buy_chance: Annotated[float, Meta(ge=0, le=100, description="factor on the counter's chance to buy")] = 1.0
    price: Annotated[float, Meta(gt=0, le=100, description="factor on the counter's price")] = 1.0


class Habits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a scenario says of people."""

    calendar: Calendar = Calendar()
    shoppers: Shoppers = Shoppers()
    counter: dict[str, Counter] = {}
    checkout: Checkout = Checkout()
    fitting: FittingRooms = FittingRooms()
    staff: Staff = Staff()
    tags: Tags = Tags()
    promotion: tuple[Promotion, ...] = ()

    def faults(self, store: Store) -> list[str]:
        """What cannot be in this store, as ``key: reason``."""
        return [*self.calendar.faults(), *self._weight_faults(), *self._zone_faults(store), *_path_faults(store)]

    def _weight_faults(self) -> Iterator[str]:
        who = self.shoppers
        if not who.errands + who.browse + who.pass_through:
            yield "shoppers.browse: errands, browse and pass_through are all 0; one must be more"
        if not sum(who.group_sizes):
            yield "shoppers.group_sizes: all weights are 0; one must be more"
        for index, promotion in enumerate(self.promotion):
            if promotion.begins.replace(tzinfo=None) >= promotion.ends.replace(tzinfo=None):
                yield f"promotion.{index}.ends: it ends at {promotion.ends}, but begins only at {promotion.begins}"
        for index, shift in enumerate(self.staff.shift):
            if hour_of(shift.begins) >= hour_of(shift.ends):
                yield f"staff.shift.{index}.ends: it ends at {shift.ends}, but begins only at {shift.begins}"

    def _zone_faults(self, store: Store) -> Iterator[str]:
        places = [
            *((f"counter.{zone}", zone, "counter") for zone in self.counter),
            *((f"promotion.{index}.counter", one.counter, "counter") for index, one in enumerate(self.promotion)),
            *((f"checkout.tills_at.{zone}", zone, "checkout") for zone in self.checkout.tills_at),
            *((f"shoppers.doors.{zone}", zone, "entrance") for zone in self.shoppers.doors),
            *((f"staff.at.{zone}", zone, None) for zone in self.staff.at),
        ]
        for key, zone, kind in places:
            if zone not in store.zone_by_id:
                yield f"{key}: store {store.id!r} has no zone {zone!r}; it has {_listed(store, kind)}"
            elif kind and (is_kind := store.zone_by_id[zone].kind) != kind:
                yield f"{key}: {zone!r} is of kind {is_kind}, not {kind}"
            elif store.zone_by_id[zone].kind == "staff":
                yield f"{key}: {zone!r} is closed to all who are simulated; post them where shoppers can come"
        doors = [zone.id for zone in store.zone if zone.kind == "entrance"]
        if doors and not any(self.shoppers.doors.get(door, 1.0) for door in doors):
            yield "shoppers.doors: all entrances have weight 0, so nobody can come in"


_KINDS_TO_REACH: Final = ("counter", "checkout", "fitting", "entrance")


def _path_faults(store: Store) -> Iterable[str]:
    """What nobody can get to."""
    try:
        reached = walkways_of(store).spots
    except FaultsError as error:
        return [f"store: {fault}" for fault in error.faults]
    return [
        f"store: no path leads from an entrance to {zone.kind} {zone.id!r}; open a wall or link its floor"
        for zone in store.zone
        if zone.kind in _KINDS_TO_REACH and zone.id not in reached
    ]


def _listed(store: Store, kind: str | None) -> str:
    return ", ".join(zone.id for zone in store.zone if kind in {None, zone.kind}) or "none of that kind"
