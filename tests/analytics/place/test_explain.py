"""What is explained is what was told."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from tagtrail.analytics.columns import us_of_times
from tagtrail.analytics.place.explain import Explanation, explain, silences_us
from tagtrail.analytics.place.place import TOO_SHORT, Place
from tagtrail.analytics.place.stretches import SECOND_US
from tagtrail.analytics.placement import Layout
from walks import ROOMS, START_US, epc_of, frame, frame_of, random_reads, row_store, stay

TAGS = 4
NO_ZONE, OUTSIDE = len(ROOMS), len(ROOMS) + 1


@cache
def taught() -> tuple[Place, pd.DataFrame]:
    reads = frame_of(random_reads(2, TAGS))
    place = Place([Layout(0, row_store())])
    place.learn(reads)
    return place, reads


def explained(tag: int) -> Explanation:
    return explain(*taught(), epc_of(tag))


def test_visits_are_those_of_the_estimate_of_all_tags_bit_by_bit() -> None:
    place, reads = taught()
    visits = place.estimate(reads).visits
    for tag in range(TAGS):
        own = visits[visits["epc"] == epc_of(tag)].reset_index(drop=True)
        assert len(own)
        assert_frame_equal(explained(tag).estimate.visits, own, check_exact=True)


def test_every_second_of_a_visit_was_given_to_its_zone() -> None:
    for tag in range(TAGS):
        one = explained(tag)
        visits = one.estimate.visits
        columns = us_of_times(visits["enter"]), us_of_times(visits["exit"]), visits["zone"], visits["confidence"]
        for enter_us, exit_us, zone, confidence in zip(*columns, strict=True):
            (part,) = [cut for passage in one.passages if len((cut := passage.between(enter_us, exit_us)).label)]
            assert set(part.label) == {ROOMS.index(zone)}
            assert part.shares[:, ROOMS.index(zone)].mean() == pytest.approx(confidence, abs=1e-5)


def test_shares_are_sums_over_cells_and_make_one() -> None:
    place, _ = taught()
    zone = place.grounds[0].cells.zone
    for passage in explained(0).passages:
        assert passage.shares.sum(axis=1) == pytest.approx(1.0, abs=1e-4)
        ptr, cell, stand, walk, outside = passage.posterior
        middle = len(passage.label) // 2
        here = slice(ptr[middle], ptr[middle + 1])
        sums = np.bincount(np.where(zone < 0, NO_ZONE, zone)[cell[here]], (stand + walk)[here], OUTSIDE + 1)
        sums[OUTSIDE] = outside[middle]
        assert sums == pytest.approx(passage.shares[middle], abs=1e-5)


def test_a_part_is_cut_out_of_the_whole() -> None:
    whole = explained(0)
    passage = whole.passages[0]
    from_us, to_us = passage.start_us + 20 * SECOND_US + 1, passage.start_us + 50 * SECOND_US
    part = whole.between(from_us, to_us)
    (cut,) = part.passages
    assert cut.start_us == passage.start_us + 20 * SECOND_US
    assert cut.end_us == to_us
    assert np.array_equal(cut.shares, passage.shares[20:50])
    ptr, cell, *_ = passage.posterior
    assert np.array_equal(cut.posterior.cell, cell[ptr[20] : ptr[50]])
    assert cut.posterior.ptr[0] == 0
    assert len(cut.posterior.ptr) == 31
    assert 0 < len(part.reads) < len(whole.reads)
    assert len(part.antenna) == len(part.reads)
    assert not whole.between(0, 1).passages
    assert_frame_equal(whole.between(0, 2**62).reads, whole.reads)


def test_reads_that_could_not_be_used_are_there_and_counted() -> None:
    tag = epc_of(1)
    reads = frame(stay(tag, "bags", 0, 20))
    strange = explain(Place([Layout(0, row_store())]), pd.concat([reads, reads, reads.assign(antenna=77)]), tag)
    assert len(strange.reads) == 42
    assert (strange.antenna == -1).sum() == 21
    assert strange.estimate.unused == {"reader r01, antenna 77 is not in the store file": 21}
    short = explain(Place([Layout(0, row_store())]), frame([(0, tag, "bags", -50)]), tag)
    assert short.estimate.visits.empty
    assert short.estimate.unused == {TOO_SHORT: 1}


def test_silences() -> None:
    tag = epc_of(1)
    one = explain(Place([Layout(0, row_store())]), frame([*stay(tag, "bags", 0, 20), *stay(tag, "bags", 45, 50)]), tag)
    assert silences_us(one, 10) == [(START_US + 20 * SECOND_US, START_US + 45 * SECOND_US)]
    assert not silences_us(one, 26)
