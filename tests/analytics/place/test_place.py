"""What the estimator of place promises, on walks whose truth is known."""

from collections.abc import Sequence
from random import Random

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from tagtrail.analytics.columns import CENSORED, DWELL_HIGH_S, DWELL_LOW_S, empty_reads, validate_reads
from tagtrail.analytics.place.place import TOO_SHORT, Place
from tagtrail.analytics.placement import Layout
from walks import ROOMS, START, START_US, Sighting, epc_of, frame, frame_of, random_reads, row_store, stay

TAG = epc_of(1)


def place() -> Place:
    return Place([Layout(0, row_store())])


def walk(*sightings: Sequence[Sighting]) -> list[tuple[str, float, float]]:
    """Zone, enter and exit in seconds after the start."""
    visits = place().estimate(frame([one for some in sightings for one in some])).visits
    return [
        (zone, (enter - START).total_seconds(), (exit_ - START).total_seconds())
        for zone, enter, exit_ in zip(visits["zone"], visits["enter"], visits["exit"], strict=True)
    ]


def long_visits(*sightings: Sequence[Sighting], least_s: float = 12.0) -> list[str]:
    return [zone for zone, enter, exit_ in walk(*sightings) if exit_ - enter >= least_s]


def test_the_last_stay_before_leaving_counts() -> None:
    visits = walk(stay(TAG, "door", 0, 10), stay(TAG, "bags", 12, 42), stay(TAG, "shoes", 46, 66))
    zone, enter_s, exit_s = visits[-1]
    assert zone == "shoes"
    assert enter_s == pytest.approx(45, abs=4)
    assert exit_s >= 66


def test_consecutive_stays_are_all_found_and_keep_every_read() -> None:
    sightings = [one for i, room in enumerate(ROOMS) for one in stay(TAG, room, 40.0 * i, 40.0 * i + 36)]
    estimate = place().estimate(frame(sightings))
    assert list(estimate.visits["zone"]) == list(ROOMS)
    assert not estimate.unused


@pytest.mark.parametrize("dbm", [-80.0, -55.0, -20.0])
@pytest.mark.parametrize("second", [10.5, 20.5, 30.4])
def test_one_stray_read_never_moves_a_shopper(second: float, dbm: float) -> None:
    assert {zone for zone, _, _ in walk(stay(TAG, "bags", 0, 40), [(second, TAG, "till", dbm)])} <= {"bags", "door"}


def test_no_stay_shorter_than_the_threshold_is_returned() -> None:
    visits = place().estimate(frame_of(random_reads(3, 40))).visits
    assert len(visits) > 100
    assert (visits["exit"] - visits["enter"]).min() >= pd.Timedelta(seconds=2)


def test_a_still_tag_does_not_change_zone() -> None:
    rng = np.random.default_rng(5)
    sightings = [
        (second, TAG, "bags" if rng.random() < 0.8 else str(rng.choice(["door", "shoes"])), float(rng.normal(-58, 5)))
        for second in np.cumsum(rng.exponential(0.8, 1500)).tolist()
    ]
    assert long_visits(sightings) == ["bags"]


def test_a_single_read_is_no_visit_and_is_counted() -> None:
    visits, unused = place().estimate(frame([(0, TAG, "bags", -50)]))
    assert visits.empty
    assert unused == {TOO_SHORT: 1}


def test_no_reads_give_no_visits() -> None:
    estimate = place().estimate(empty_reads())
    assert estimate.visits.empty
    assert not estimate.unused


def test_a_short_silence_does_not_part_a_stay() -> None:
    assert long_visits(stay(TAG, "till", 0, 30), stay(TAG, "till", 42, 72)) == ["till"]


def test_a_stay_that_ends_in_silence_away_from_the_door_is_marked_as_cut_off() -> None:
    reads = [*stay(TAG, "till", 0, 30), *stay(epc_of(2), "door", 0, 30)]
    visits = place().estimate(frame(reads)).visits
    last = visits.groupby("epc").last()[CENSORED]
    assert list(last) == [True, False]


def test_intervals_hold_the_dwell() -> None:
    visits = place().estimate(frame_of(random_reads(4, 20))).visits
    dwell_s = (visits["exit"] - visits["enter"]).dt.total_seconds()
    assert ((visits[DWELL_LOW_S] <= dwell_s) & (dwell_s <= visits[DWELL_HIGH_S])).all()
    assert visits["confidence"].between(0, 1.0001).all()


def test_reads_of_strange_antennas_are_counted_and_named() -> None:
    reads = frame(stay(TAG, "bags", 0, 20))
    strange = reads.assign(antenna=77)
    visits, unused = place().estimate(pd.concat([reads, strange], ignore_index=True).pipe(validate_reads))
    assert set(visits["zone"]) == {"bags"}
    assert unused == {"reader r01, antenna 77 is not in the store file": 21}


def test_order_and_doubles_change_nothing_bit_by_bit() -> None:
    reads = random_reads(1, 30)
    mixed = [*reads, *reads[::7]]
    Random(2).shuffle(mixed)
    tables = []
    for some in (reads, mixed):
        estimator = place()
        estimator.learn(frame_of(some))
        tables.append(estimator.estimate(frame_of(some)).visits)
    assert_frame_equal(tables[0], tables[1], check_exact=True)


def test_a_tag_alone_has_the_visits_it_has_among_others() -> None:
    reads = random_reads(6, 12)
    together = place().estimate(frame_of(reads)).visits
    alone = pd.concat(
        [
            place().estimate(frame_of([read for read in reads if read.epc == epc])).visits
            for epc in together["epc"].unique()
        ],
        ignore_index=True,
    )
    assert_frame_equal(together, alone, check_exact=True)


def test_a_new_layout_parts_the_reads() -> None:
    swapped = row_store(("door", "shoes", "bags", "till"))
    changed_us = START_US + 60_000_000
    estimator = Place([Layout(0, row_store()), Layout(changed_us, swapped)])
    visits = estimator.estimate(frame(stay(TAG, "bags", 0, 119))).visits
    assert list(visits["zone"].drop_duplicates()) == ["bags", "shoes"]
