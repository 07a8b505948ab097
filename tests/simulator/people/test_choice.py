"""Flows follow the parameters and the layout: what was set is found again in what people did."""

from datetime import timedelta

import numpy as np
import pytest
from msgspec.structs import replace

from people_day import TUESDAY, Day, Run
from tagtrail.hardware.store import Store
from tagtrail.simulator.geometry import Floats
from tagtrail.simulator.layouts import swapped
from tagtrail.simulator.people.calendar import Calendar
from tagtrail.simulator.people.choice import Offer
from tagtrail.simulator.people.model import Counter, Habits, Promotion, Shoppers, Staff
from tagtrail.simulator.people.places import Places
from tagtrail.simulator.people.walkways import Walkways
from tagtrail.simulator.presence import CYCLES_PER_SECOND

COUNTERS = ["shoes", "bags", "hats", "coats"]
STAY_S = 240.0
ONE_CHOICE = Habits(
    calendar=Calendar(shoppers_per_day=12_000, by_hour=(1.0,) * 24, by_weekday=(1.0,) * 7),
    # Nobody leaves before the first stop, everybody after it: each visit is one draw of the logit.
    shoppers=Shoppers(
        errands=0, pass_through=0, group_sizes=(1.0,), minutes_median=3.0, minutes_sigma=0.0, impulse=0.0, crowd=0.0,
        checkout_pull_per_minute=10.0, distance_per_m=0.08, sight=0.8,
    ),
    counter={zone: Counter(dwell_median_s=STAY_S, dwell_sigma=0.0, buy_chance=0.0, fitting=0.0) for zone in COUNTERS},
    staff=Staff(per_counter=0, per_checkout=0),
)  # fmt: skip


def choose(run: Run, habits: Habits, store: Store | None = None, hours: float = 1.0) -> Day:
    return run(hours, habits=habits, in_store=store, calendar=habits.calendar)


def choices(day: Day) -> dict[int, int]:
    """Where each person stopped, by truth (index into `COUNTERS`)."""
    zones = [list(day.world.store.zone_by_id).index(zone) for zone in COUNTERS]
    found = {}
    for number, rows in day.tracks().items():
        stays = np.bincount(day.zone[rows] + 1, minlength=len(day.world.store.zone) + 1)[1:][zones]
        if stays.max() > 0.5 * STAY_S * CYCLES_PER_SECOND:
            found[number] = int(stays.argmax())
    return found


def chosen(day: Day, since_s: float = 0.0, until_s: float = np.inf) -> Floats:
    """How many people stopped at each counter, of those who came within a time."""
    tracks, counts = day.tracks(), np.zeros(len(COUNTERS))
    for number, counter in choices(day).items():
        if since_s <= day.cycle[tracks[number][0]] / CYCLES_PER_SECOND < until_s:
            counts[counter] += 1
    return counts


def expected(store: Store, habits: Habits) -> Floats:
    """Shares by the formula in the docstring of `Shoppers`, over all places at the doors."""
    who = habits.shoppers
    walkways = Walkways(store)
    places = Places(walkways, sight_m=who.sight_m, impulse_m=who.impulse_m)
    shares = []
    for door in walkways.of_kind("entrance"):
        for spot in walkways.spots[door]:
            metres = np.array([places.metres_to(spot, zone) for zone in COUNTERS])
            sight = places.sight(spot)[[places.index[zone] for zone in COUNTERS]]
            drawn = np.array([habits.counter[zone].attraction for zone in COUNTERS])
            weight = drawn * np.exp(who.sight * sight - who.distance_per_m * metres)
            shares.append(weight / weight.sum() / len(walkways.spots[door]))
    return np.asarray(np.sum(shares, axis=0)) / len(walkways.of_kind("entrance"))


def log_odds(counts: Floats, zone: str, other: str) -> tuple[float, float]:
    """ln(n_zone / n_other) and its standard error."""
    a, b = counts[COUNTERS.index(zone)], counts[COUNTERS.index(other)]
    return float(np.log(a / b)), float(np.sqrt(1 / a + 1 / b))


@pytest.fixture(scope="module")
def day(run: Run) -> Day:
    return choose(run, ONE_CHOICE)


@pytest.fixture(scope="module")
def before(day: Day) -> Floats:
    return chosen(day)


def test_shares_are_those_of_the_logit(store: Store, before: Floats) -> None:
    shares = expected(store, ONE_CHOICE)
    assert before.sum() > 700
    error = np.sqrt(shares * (1 - shares) / before.sum())
    assert (np.abs(before / before.sum() - shares) < 4 * error).all()
    assert shares.max() > 1.5 * shares.min()  # the store is not the same everywhere


def test_doubled_attraction_doubles_the_odds_and_moves_nobody_else(run: Run, day: Day, before: Floats) -> None:
    counter = ONE_CHOICE.counter | {"hats": replace(ONE_CHOICE.counter["hats"], attraction=2.0)}
    changed = choose(run, replace(ONE_CHOICE, counter=counter))
    after = chosen(changed)
    for other in ("shoes", "bags", "coats"):
        (was, error), (is_now, error_now) = (log_odds(counts, "hats", other) for counts in (before, after))
        assert is_now - was == pytest.approx(np.log(2.0), abs=3 * np.hypot(error, error_now))
    was_at, is_at = choices(day), choices(changed)  # the same people, with the same luck
    moved = {number for number in was_at if number in is_at and was_at[number] != is_at[number]}
    assert moved
    assert {COUNTERS[is_at[number]] for number in moved} == {"hats"}


def test_a_counter_that_moves_nearer_to_the_doors_gains_what_distance_and_sight_say(
    store: Store, run: Run, before: Floats
) -> None:
    moved = swapped(store, "shoes", "coats")  # from the upper floor to the ground floor
    after = chosen(choose(run, ONE_CHOICE, moved))
    shares_before, shares_after = expected(store, ONE_CHOICE), expected(moved, ONE_CHOICE)
    gain = log_odds(shares_after, "coats", "shoes")[0] - log_odds(shares_before, "coats", "shoes")[0]
    assert gain > 1.0
    (was, error), (is_now, error_now) = (log_odds(counts, "coats", "shoes") for counts in (before, after))
    assert is_now - was == pytest.approx(gain, abs=3 * np.hypot(error, error_now))
    shares = after / after.sum()
    assert (np.abs(shares - shares_after) < 4 * np.sqrt(shares_after * (1 - shares_after) / after.sum())).all()


def test_a_moved_counter_changes_traffic_and_dwell_of_an_everyday_store_too(store: Store, run: Run) -> None:
    habits = Habits(shoppers=Shoppers(errands=0.2, browse=0.7, pass_through=0.1, minutes_median=6.0))
    near, far = (
        run(1.5, habits=habits, in_store=layout, per_day=4000).seconds_in(layout, "coats")
        for layout in (swapped(store, "bags", "coats"), store)
    )
    assert near > 1.3 * far


def test_crowds_keep_people_away(run: Run) -> None:
    counter = ONE_CHOICE.counter | {"bags": replace(ONE_CHOICE.counter["bags"], attraction=10.0)}
    packed = replace(ONE_CHOICE, counter=counter)
    averse = replace(packed, shoppers=replace(packed.shoppers, crowd=1.0))
    packed_counts, averse_counts = (chosen(choose(run, habits, hours=0.8)) for habits in (packed, averse))
    share, share_averse = (counts[1] / counts.sum() for counts in (packed_counts, averse_counts))
    assert share > 0.7
    assert share_averse < share - 0.15


def test_crowd_distance_and_sight_enter_the_utility_as_stated(store: Store) -> None:
    habits = replace(ONE_CHOICE, shoppers=replace(ONE_CHOICE.shoppers, crowd=0.5))
    walkways = Walkways(store)
    places = Places(walkways, sight_m=20.0, impulse_m=4.0)
    offer = Offer(places, habits, TUESDAY)
    spot = walkways.spots["door"][0]
    empty = offer.utility(spot, 0.0)
    bags = places.index["bags"]
    offer.people[bags] = 6.0  # on 20 m2
    assert empty[bags] - offer.utility(spot, 0.0)[bags] == pytest.approx(0.5 * 3.0)
    assert places.metres_to(spot, "coats") > 25.0  # seconds in the lift count
    assert places.sight(spot)[places.index["coats"]] == 0.0  # on another floor
    assert places.sight(spot)[bags] == 1.0
    assert places.sight(walkways.spots["till"][0])[places.index["hats"]] < 1.0  # a wall is in between


def test_a_promotion_draws_people_while_it_lasts(run: Run) -> None:
    ends = TUESDAY + timedelta(minutes=40)
    promotion = Promotion(counter="hats", begins=TUESDAY.replace(tzinfo=None), ends=ends, attraction=4.0)
    day = choose(run, replace(ONE_CHOICE, promotion=(promotion,)), hours=1.4)
    (during, error), (later, error_later) = (
        log_odds(chosen(day, *when), "hats", "shoes") for when in ((1.0, 2390.0), (2410.0, 4600.0))
    )
    assert during - later == pytest.approx(np.log(4.0), abs=3 * np.hypot(error, error_later))


def test_lists_do_not_change_when_counters_move_but_their_order_does(store: Store, run: Run) -> None:
    shoppers = replace(ONE_CHOICE.shoppers, errands=1, browse=0, errands_mean=2.0, distance_per_m=0.5)
    habits = replace(ONE_CHOICE, shoppers=shoppers)
    firsts, totals = [], []
    for layout in (store, swapped(store, "shoes", "coats")):
        day = choose(run, habits, layout, hours=0.7)
        zones = [list(layout.zone_by_id).index(zone) for zone in COUNTERS]
        first, total = np.zeros(4), np.zeros(4)
        for number, rows in day.tracks().items():
            if day.cycle[rows[0]] == 0 or number in day.world.bodies:
                continue  # not seen whole
            stays = np.bincount(day.zone[rows] + 1, minlength=len(layout.zone) + 1)[1:][zones]
            been = np.flatnonzero(stays > 0.5 * STAY_S * CYCLES_PER_SECOND)
            total[been] += 1
            middles = [np.median(np.flatnonzero(day.zone[rows] == zones[index])) for index in been]
            if middles:
                first[been[int(np.argmin(middles))]] += 1
        firsts.append(first / total)
        totals.append(total / total.sum())
    assert np.abs(totals[0] - totals[1]).max() < 0.05
    assert firsts[1][3] > firsts[0][3] + 0.2  # coats are near now, and come first
    assert firsts[1][0] < firsts[0][0] - 0.2


def test_eyes_are_caught_on_the_way_by_what_is_near_in_view_and_attractive(store: Store, run: Run) -> None:
    counter = {zone: replace(ONE_CHOICE.counter[zone], attraction=1.0 - (zone == "shoes")) for zone in COUNTERS}
    passing = replace(ONE_CHOICE.shoppers, browse=0, pass_through=1)
    stops = {
        impulse: chosen(
            choose(run, replace(ONE_CHOICE, counter=counter, shoppers=replace(passing, impulse=impulse)), hours=0.6)
        )
        for impulse in (0.0, 0.1, 0.3)
    }
    assert stops[0.0].sum() == 0
    assert stops[0.3][0] == 0  # nobody is drawn to the shoes
    assert stops[0.3][3] == 0  # nor by what is on another floor
    assert stops[0.3][1] > 30
    assert 1.5 < stops[0.3][1] / stops[0.1][1] < 5.0


def test_stays_at_counters_are_lognormal_with_the_median_of_the_counter(store: Store, run: Run) -> None:
    spread = {zone: replace(ONE_CHOICE.counter[zone], dwell_sigma=0.6) for zone in COUNTERS}
    day = choose(run, replace(ONE_CHOICE, counter=spread), hours=1.2)
    shoes = list(store.zone_by_id).index("shoes")
    stays_s = np.array(
        [
            np.count_nonzero(day.zone[rows] == shoes) / CYCLES_PER_SECOND
            for rows in day.tracks().values()
            if 0 < day.cycle[rows[0]] < 1800 * CYCLES_PER_SECOND
        ]
    )
    stays_s = stays_s[stays_s > 30.0]
    assert len(stays_s) > 80
    # Walking in and out adds some seconds.
    assert np.median(stays_s) == pytest.approx(STAY_S + 8.0, rel=4 * 1.2533 * 0.6 / np.sqrt(len(stays_s)))
    assert np.log(stays_s).std() == pytest.approx(0.6, rel=0.2)
