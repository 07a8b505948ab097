"""What holds in every world, whoever comes."""

from datetime import timedelta

import numpy as np
import pytest
from msgspec.structs import replace

from people_day import TUESDAY, Day, Run, watch
from tagtrail.hardware.store import Store
from tagtrail.simulator.geometry import Floats, segments_cross, segments_of
from tagtrail.simulator.people.calendar import Calendar
from tagtrail.simulator.people.model import Checkout, Counter, FittingRooms, Habits, Shift, Shoppers, Staff, Tags
from tagtrail.simulator.people.purchases import Purchase, Wait
from tagtrail.simulator.people.world import World
from tagtrail.simulator.presence import CYCLE_S, CYCLES_PER_SECOND


@pytest.fixture(scope="module", params=[1, 2])
def day(request: pytest.FixtureRequest, run: Run) -> Day:
    shoppers = Shoppers(group_sizes=(0.5, 0.3, 0.2), minutes_median=8.0)
    return run(1.0, seed=request.param, per_day=2500, shoppers=shoppers)


def walls(store: Store, floor: str) -> Floats:
    lines = [segments_of(wall.line) for wall in store.wall if wall.floor == floor]
    staff = [segments_of(z.polygon, closed=True) for z in store.zone if z.floor == floor and z.kind == "staff"]
    return np.concatenate([*lines, *staff])


def test_nobody_walks_through_walls_or_stands_outside(store: Store, day: Day) -> None:
    for index, floor in enumerate(store.floor):
        steps = []
        for rows in day.tracks().values():
            rows = rows[day.floor[rows] == index]
            apart = np.diff(day.cycle[rows]) == 1
            places = np.stack([day.x_m[rows], day.y_m[rows]], axis=1)
            steps.append(np.stack([places[:-1][apart], places[1:][apart]], axis=1))
        moved = np.concatenate(steps)[:, :, None]
        assert len(moved) > 10_000
        solid = walls(store, floor.id)[None]
        assert not segments_cross(moved[:, 0], moved[:, 1], solid[:, :, 0], solid[:, :, 1]).any()
        here = day.floor == index
        assert 0 < day.x_m[here].min() < day.x_m[here].max() < floor.width_m
        assert 0 < day.y_m[here].min() < day.y_m[here].max() < floor.depth_m


def test_speeds_are_human_and_floors_change_by_lift(store: Store, day: Day) -> None:
    lifts = {index for index, zone in enumerate(store.zone) if zone.kind == "lift"}
    rides = 0
    for rows in day.tracks().values():
        assert (np.diff(day.cycle[rows]) == 1).all()  # nobody vanishes in between
        level = np.diff(day.floor[rows]) == 0
        steps_m = np.hypot(np.diff(day.x_m[rows]), np.diff(day.y_m[rows]))
        assert steps_m[level].max(initial=0.0) <= 1.75 * CYCLE_S
        rode = np.flatnonzero(~level)
        rides += len(rode)
        assert set(day.zone[rows][rode].tolist()) | set(day.zone[rows][rode + 1].tolist()) <= lifts
    assert rides > 20


def test_everybody_comes_and_goes_by_an_entrance(store: Store, day: Day) -> None:
    doors = {index for index, zone in enumerate(store.zone) if zone.kind == "entrance"}
    came, went = set(), set()
    for number, rows in day.tracks().items():
        if day.bodies[number].kind != "thing":
            if day.cycle[rows[0]] > 0:
                came.add(int(day.zone[rows[0]]))
            if number not in day.world.bodies:
                went.add(int(day.zone[rows[-1]]))
    assert came == went == doors


def test_all_that_a_store_offers_is_used(store: Store, day: Day) -> None:
    used = {store.zone[index].id for index in np.unique(day.zone[day.zone >= 0])}
    assert used == {zone.id for zone in store.zone if zone.kind != "staff"}


def test_groups_stay_together(day: Day) -> None:
    tracks = day.tracks()
    groups: dict[int, list[int]] = {}
    for number in day.of_kind("shopper"):
        groups.setdefault(day.bodies[number].group, []).append(number)
    pairs = [members for members in groups.values() if len(members) > 1]
    assert len(pairs) > 20
    for first, *others in pairs:
        for other in others:
            a, b = tracks[first], tracks[other]
            both = np.intersect1d(day.cycle[a], day.cycle[b])
            a, b = a[np.isin(day.cycle[a], both)], b[np.isin(day.cycle[b], both)]
            level = day.floor[a] == day.floor[b]
            apart_m = np.hypot(day.x_m[a] - day.x_m[b], day.y_m[a] - day.y_m[b])[level]
            assert apart_m.max(initial=0.0) < 6.0
            assert np.median(apart_m) < 2.5 if len(apart_m) else True


def test_blocks_of_any_size_give_the_same_rows(run: Run) -> None:
    whole, pieces = (run(0.5, block=block, tags=Tags(left_behind=0.3)) for block in (3600, 17))
    for column in ("cycle", "body", "floor", "x_m", "y_m", "facing_rad", "zone"):
        np.testing.assert_array_equal(getattr(whole, column), getattr(pieces, column))
    assert whole.bodies == pieces.bodies
    assert whole.events == pieces.events


def test_rows_are_ordered_and_whole(day: Day) -> None:
    assert np.lexsort((day.body, day.cycle)).tolist() == list(range(len(day.cycle)))
    assert set(np.unique(day.body).tolist()) == set(day.bodies)
    tags = [tag.number for body in day.bodies.values() for tag in body.tags]
    assert len(tags) == len(set(tags))


def test_another_seed_is_another_day(run: Run) -> None:
    tags = Tags(members=0.0, two=0.0)
    epcs = [{t.epc for b in run(0.3, seed=seed, tags=tags, staff=Staff(tagged=False)).bodies.values() for t in b.tags}
            for seed in (1, 2)]  # fmt: skip
    assert epcs[0]
    assert not epcs[0] & epcs[1]


def test_the_same_people_come_whenever_the_watching_begins(run: Run) -> None:
    early = run(0.8, tags=Tags(members=0.0))
    late = run(0.3, start=TUESDAY + timedelta(minutes=30), tags=Tags(members=0.0))
    half = 1800 * CYCLES_PER_SECOND
    seen = {tag.epc for number in np.unique(early.body[early.cycle >= half]) for tag in early.bodies[int(number)].tags}
    assert {tag.epc for body in late.bodies.values() for tag in body.tags} == seen


def test_a_store_that_nobody_comes_to_stays_empty(run: Run) -> None:
    day = run(1.0, per_day=0.0, staff=Staff(per_counter=0, per_checkout=0))
    assert len(day.cycle) == 0
    assert day.world.arrived == 0


def test_all_have_gone_after_closing_and_few_are_sent_away_from_the_till(run: Run) -> None:
    calendar = Calendar(opens="10:00", closes="11:00", shoppers_per_day=300, by_weekday=(1.0,) * 7)
    day = run(2.5, calendar=calendar)
    shoppers = np.isin(day.body, sorted(day.of_kind("shopper")))
    last_s = day.cycle[shoppers].max() / CYCLES_PER_SECOND
    assert 3600 - 600 < last_s < 3600 + 1200
    assert not day.world.bodies


def test_staff_are_the_same_each_day_and_work_in_shifts(store: Store, run: Run) -> None:
    shifts = (Shift(begins="10:00", ends="11:00"), Shift(begins="10:45", ends="12:00", share=0.5))
    staff = Staff(per_counter=2, per_checkout=0, at={"door": 1}, shift=shifts)
    first, second = (
        run(2.2, per_day=0.0, staff=staff, start=TUESDAY + timedelta(days=days), seed=days) for days in (0, 1)
    )
    names = {body.member: body.tags[0].epc for body in first.bodies.values()}
    assert names == {body.member: body.tags[0].epc for body in second.bodies.values()}
    counters = sum(zone.kind == "counter" for zone in store.zone)
    assert len(names) == 2 * counters + 1 + counters
    cycles = [first.cycle[rows] // (600 * CYCLES_PER_SECOND) for rows in first.tracks().values()]
    hours = [(one[0], one[-1]) for one in cycles]  # in tens of minutes
    assert {begins for begins, _ in hours} == {0, 4}
    assert {ends for _, ends in hours} <= {6, 7, 12, 13}


def test_staff_stand_at_their_post_most_of_the_time(store: Store, run: Run) -> None:
    day = run(2.0, per_day=0.0)
    zones = list(store.zone_by_id)
    for number, rows in day.tracks().items():
        member = day.bodies[number].member
        assert member
        post = zones.index(member.removeprefix("S-").rpartition("-")[0])
        assert (day.zone[rows] == post).mean() > 0.6


def test_tags_are_worn_as_the_scenario_says(run: Run) -> None:
    tags = Tags(without=0.3, two=0.2, dead=0.1, left_behind=0.0, members=0.0, behind=0.25, sensitivity_sd_db=2.0)
    day = run(1.5, per_day=6000, tags=tags, staff=Staff(per_counter=0, per_checkout=0))
    worn = [body.tags for body in day.bodies.values()]
    all_tags = [tag for tags in worn for tag in tags]
    error = 4 / np.sqrt(len(worn))
    assert np.mean([len(tags) == 0 for tags in worn]) == pytest.approx(0.3, abs=error)
    assert np.mean([len(tags) == 2 for tags in worn if tags]) == pytest.approx(0.2, abs=error)
    assert np.mean([tag.sensitivity_offset_db == np.inf for tag in all_tags]) == pytest.approx(0.1, abs=error)
    assert np.mean([tag.ahead == -1.0 for tag in all_tags]) == pytest.approx(0.25, abs=error)
    finite = [tag.sensitivity_offset_db for tag in all_tags if np.isfinite(tag.sensitivity_offset_db)]
    assert np.std(finite) == pytest.approx(2.0, rel=0.15)
    assert len({tag.epc for tag in all_tags}) == len(all_tags)


def test_members_come_again_with_the_same_tag_and_are_never_here_twice(run: Run) -> None:
    tags = Tags(members=0.8, member_pool=60, dead=0.0, two=0.0)
    days = [run(1.0, tags=tags, seed=seed, start=TUESDAY + timedelta(days=seed)) for seed in (0, 1)]
    worn: list[dict[str, str]] = []
    for day in days:
        members = [day.bodies[number] for number in sorted(day.of_kind("shopper")) if day.bodies[number].member]
        worn.append({str(body.member): body.tags[0].epc for body in members})
        by_member: dict[str, list[np.ndarray]] = {}
        for body in members:
            by_member.setdefault(str(body.member), []).append(day.cycle[day.tracks()[body.number]])
        for visits in by_member.values():
            assert len(np.unique(np.concatenate(visits))) == sum(map(len, visits))
    again = worn[0].keys() & worn[1].keys()
    assert len(again) > 10
    assert all(worn[0][member] == worn[1][member] for member in again)


def test_a_tag_that_is_left_behind_goes_with_its_bearer_and_then_lies_where_it_fell(run: Run) -> None:
    day = run(1.0, tags=Tags(left_behind=1.0, dead=0.0, two=0.0), shoppers=Shoppers(pass_through=0.0))
    tracks = day.tracks()
    bearers = {day.bodies[number].tags[0].epc: number for number in day.of_kind("shopper")}
    lying = 0
    for number in day.of_kind("thing"):
        thing, rows = day.bodies[number], tracks[number]
        bearer = tracks[bearers[thing.tags[0].epc]]
        assert day.bodies[bearers[thing.tags[0].epc]].tags[0].sensitivity_offset_db == np.inf
        still = np.isnan(day.facing_rad[rows])
        lying += bool(still.any())
        assert len(np.unique(day.x_m[rows[still]])) <= 1
        carried, at = rows[~still], np.searchsorted(day.cycle[bearer], day.cycle[rows[~still]])
        assert np.hypot(day.x_m[carried] - day.x_m[bearer[at]], day.y_m[carried] - day.y_m[bearer[at]]).max() < 0.2
    assert lying > 20


def test_stock_lies_at_its_counter_all_the_time(store: Store, run: Run) -> None:
    day = run(0.1, per_day=0.0, tags=Tags(stock_per_counter=5), staff=Staff(per_counter=0, per_checkout=0))
    counters = [index for index, zone in enumerate(store.zone) if zone.kind == "counter"]
    assert np.bincount(day.zone[day.cycle == 0], minlength=len(store.zone))[counters].tolist() == [5] * len(counters)
    assert len(day.cycle) == 5 * len(counters) * 360 * CYCLES_PER_SECOND


def test_what_is_bought_was_looked_at_before_and_is_paid_at_a_till(store: Store, run: Run) -> None:
    counters = {"shoes": Counter(buy_chance=1.0, price=80.0, price_sigma=0.0), "bags": Counter(buy_chance=0.0)}
    day = run(2.0, counter=counters, tags=Tags(members=0.0))
    zones, tracks = list(store.zone_by_id), day.tracks()
    purchases = [event for event in day.events if isinstance(event, Purchase)]
    assert len(purchases) > 30
    assert {event.amount for event in purchases if event.counter == "shoes"} == {80.0}
    assert "bags" not in {event.counter for event in purchases}
    for event in purchases:
        rows = tracks[event.body.number]
        before = rows[day.cycle[rows] * CYCLE_S <= event.time_s]
        assert day.zone[before[-1]] == zones.index(event.till)
        if event.time_s > 1800:  # who came before the watching may have looked before it
            assert zones.index(event.counter) in day.zone[before]
    times = [event.time_s for event in day.events]
    assert times == sorted(times)


def test_without_a_checkout_people_pay_at_the_counter(store: Store, run: Run) -> None:
    bazaar = replace(store, zone=tuple(zone for zone in store.zone if zone.kind != "checkout"))
    purchases = [event for event in run(0.5, in_store=bazaar).events if isinstance(event, Purchase)]
    assert purchases
    assert all(event.till == event.counter for event in purchases)


def test_few_tills_make_lines_and_lines_make_people_give_up(run: Run) -> None:
    sections = {"counter": {"shoes": Counter(buy_chance=1.0, attraction=5.0)}, "fitting": FittingRooms(cabins=50)}
    scarce = run(2.0, **sections, checkout=Checkout(tills=1, service_median_s=240.0, patience_mean_s=400.0))
    plenty = run(2.0, **sections, checkout=Checkout(tills=20))
    waits = [event for event in scarce.events if isinstance(event, Wait)]
    assert sum(not wait.served for wait in waits) > 10
    assert not [event for event in plenty.events if isinstance(event, Wait)]
    turns = sorted((wait for wait in waits if wait.served), key=lambda wait: wait.time_s)
    joined = [wait.joined_s for wait in turns]
    assert joined == sorted(joined)  # first come, first served
    payers = [
        len({event.body.number for event in one.events if isinstance(event, Purchase)}) for one in (scarce, plenty)
    ]
    assert payers[0] <= 2 * 3600 / 120 < payers[1]


def test_no_more_groups_are_in_the_fitting_rooms_than_cabins_allow(store: Store, run: Run) -> None:
    counters = {zone.id: Counter(fitting=1.0) for zone in store.zone if zone.kind == "counter"}
    fitting = FittingRooms(cabins=2, stay_median_s=300.0, stay_sigma=0.0, patience_mean_s=200.0)
    day = run(2.0, counter=counters, fitting=fitting, shoppers=Shoppers(group_sizes=(1.0,)))
    waits = [event for event in day.events if isinstance(event, Wait) and event.zone == "cabins"]
    gave_up = sum(not wait.served for wait in waits)
    assert gave_up > 5
    most = 2 * 2 * 3600 / 300 + 2  # cabins, times the stays that fit into the time
    assert sum(wait.served for wait in waits) <= most


@pytest.mark.parametrize(
    ("habits", "fault"),
    [
        (Habits(counter={"shoe": Counter()}), "counter.shoe: store 'corner-shop' has no zone 'shoe'; it has shoes, "),
        (Habits(counter={"aisle": Counter()}), "counter.aisle: 'aisle' is of kind aisle, not counter"),
        (Habits(checkout=Checkout(tills_at={"shoes": 1})), "checkout.tills_at.shoes: "),
        (Habits(staff=Staff(at={"roof": 1})), "staff.at.roof: "),
        (Habits(staff=Staff(at={"office": 1})), "staff.at.office: "),
        (Habits(shoppers=Shoppers(doors={"door": 0.0, "side-door": 0.0})), "shoppers.doors: "),
        (Habits(shoppers=Shoppers(errands=0, browse=0, pass_through=0)), "shoppers.browse: "),
        (Habits(staff=Staff(shift=(Shift(begins="12:00", ends="10:00"),))), "staff.shift.0.ends: "),
    ],
)
def test_habits_that_cannot_be_in_a_store_are_told_with_their_key(store: Store, habits: Habits, fault: str) -> None:
    (told,) = habits.faults(store)
    assert told.startswith(fault)


def test_a_counter_that_no_path_reaches_and_a_store_without_a_way_in_are_told(store: Store) -> None:
    (_, cabins) = Habits().faults(replace(store, link=()))
    assert "no path leads from an entrance to fitting 'cabins'" in cabins
    (shut,) = Habits().faults(replace(store, zone=store.zone[2:]))
    assert "no shopper can come in" in shut


def test_a_world_goes_on_over_midnight(store: Store) -> None:
    calendar = Calendar(opens="00:00", closes="24:00", by_hour=(1.0,) * 24, shoppers_per_day=1200)
    world = World(store, Habits(calendar=calendar), seed=1, start=TUESDAY.replace(hour=23, minute=30))
    day = watch(world, 1.0)
    inside = np.bincount(day.cycle, minlength=7200)
    assert inside[3500:3700].min() > 10
    staff = [day.bodies[number].member for number in np.unique(day.body[day.cycle == 3700]).tolist()]
    assert len([name for name in staff if name and name.startswith("S-")]) >= 5
