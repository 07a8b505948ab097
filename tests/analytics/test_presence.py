"""What the presence rule promises, on walks whose truth is known."""

from collections.abc import Sequence
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from tagtrail.analytics.columns import empty_reads
from tagtrail.analytics.placement import Layout
from tagtrail.analytics.presence import UNSUPPORTED, Presence, PresenceParameters
from tagtrail.analytics.trips import make_trips
from walks import ROOMS, START, START_US, Sighting, epc_of, frame, presence, random_reads, row_store, stay

TAG = epc_of(1)


def found(visits: pd.DataFrame) -> list[tuple[str, float, float]]:
    """Zone, enter and exit in seconds after the start."""
    return [
        (zone, (enter - START).total_seconds(), (exit_ - START).total_seconds())
        for zone, enter, exit_ in zip(visits["zone"], visits["enter"], visits["exit"], strict=True)
    ]


def walk(*sightings: Sequence[Sighting]) -> list[tuple[str, float, float]]:
    return found(presence().estimate(frame([one for some in sightings for one in some])).visits)


def test_a_stay_lasts_from_its_first_to_its_last_read() -> None:
    assert walk(stay(TAG, "bags", 3.25, 63.25)) == [("bags", 3.25, 63.25)]


def test_the_last_stay_before_leaving_counts() -> None:
    assert walk(stay(TAG, "bags", 0, 30), stay(TAG, "till", 31, 40)) == [("bags", 0, 30.5), ("till", 30.5, 40)]


def test_consecutive_stays_keep_every_read_and_meet_in_the_middle() -> None:
    rooms = ("door", "bags", "shoes", "till")
    visits = walk(*(stay(TAG, room, 40.0 * i, 40.0 * i + 36) for i, room in enumerate(rooms)))
    assert visits == [("door", 0, 38), ("bags", 38, 78), ("shoes", 78, 118), ("till", 118, 156)]


@pytest.mark.parametrize("dbm", [-80.0, -55.0, -20.0])
@pytest.mark.parametrize("second", [0.5, 20.5, 39.9, 40.4])
def test_one_stray_read_never_moves_a_shopper(second: float, dbm: float) -> None:
    visits = walk(stay(TAG, "bags", 0, 40), [(second, TAG, "till", dbm)])
    assert [zone for zone, _, _ in visits] == ["bags"]


def test_a_stray_burst_shorter_than_the_minimum_never_moves_a_shopper() -> None:
    burst = stay(TAG, "till", 20, 21.9, every_s=0.1, dbm=-30)
    assert [zone for zone, _, _ in walk(stay(TAG, "bags", 0, 40), burst)] == ["bags"]


def test_a_single_read_is_no_visit_and_is_counted() -> None:
    visits, unused = presence().estimate(frame([(0, TAG, "bags", -50)]))
    assert visits.empty
    assert unused == {UNSUPPORTED: 1}


def test_a_read_gap_ends_the_visit_at_its_last_read() -> None:
    gap = PresenceParameters().visit_gap_s
    assert walk(stay(TAG, "bags", 0, 30), stay(TAG, "bags", 30 + gap, 150)) == [("bags", 0, 150)]
    assert walk(stay(TAG, "bags", 0, 30), stay(TAG, "bags", 31 + gap, 150)) == [
        ("bags", 0, 30),
        ("bags", 31 + gap, 150),
    ]
    assert walk(stay(TAG, "bags", 0, 30), stay(TAG, "till", 31 + gap, 150)) == [
        ("bags", 0, 30),
        ("till", 31 + gap, 150),
    ]


def test_a_tag_that_flickers_between_two_zones_is_in_the_stronger_one() -> None:
    flicker = [(0.5 * i, TAG, ("bags", "shoes")[i % 2], (-50.0, -52.0)[i % 2]) for i in range(120)]
    assert walk(flicker) == [("bags", 0, 59.5)]


def test_a_still_tag_does_not_change_zone() -> None:
    """Half way between two antennas that fade by 4 dB each, one of them a little nearer (3 dB)."""
    rng = np.random.default_rng(5)
    sightings: list[Sighting] = []
    for tag in range(50):
        for second in range(600):
            sightings += [
                (second + float(offset), epc_of(tag), room, float(rng.normal(mean, 4)))
                for offset, room, mean in ((0.2, "bags", -55.0), (0.7, "shoes", -58.0))
                if rng.random() < 0.6
            ]
    visits = presence().estimate(frame(sightings)).visits
    changes_per_minute = (len(visits) - 50) / (50 * 10)
    assert changes_per_minute < 0.5  # the strongest reader of 3 s changes 7 times a minute on a real floor
    assert set(visits["zone"]) <= {"bags", "shoes"}


def test_trips_end_with_a_long_silence_and_are_named_by_their_start() -> None:
    gap = PresenceParameters().trip_gap_s
    sightings = stay(TAG, "door", 0, 30) + stay(TAG, "till", 31, 60)
    near, far = (sightings + stay(TAG, "door", 60 + gap + more, 800) for more in (0, 1))
    assert presence().estimate(frame(near)).visits["trip"].tolist() == [START_US] * 3
    trips = make_trips(presence().estimate(frame(far)).visits)
    assert trips["trip"].tolist() == [START_US, START_US + 661_000_000]
    assert trips["zones"].tolist() == [["door", "till"], ["door"]]
    assert [(end - START).total_seconds() for end in trips["end"]] == [60, 800]


def test_confidence_is_the_zones_share_of_the_evidence() -> None:
    both = stay(TAG, "bags", 0, 40, dbm=-50) + stay(TAG, "shoes", 0, 40, dbm=-70)
    alone = presence().estimate(frame(stay(TAG, "bags", 0, 40))).visits
    assert alone["confidence"].tolist() == [1.0]
    shared = presence().estimate(frame(both)).visits
    assert shared["confidence"].tolist() == pytest.approx([10 ** (40 / 20) / (10 ** (40 / 20) + 10 ** (20 / 20))])


def test_unknown_antennas_are_named_and_counted() -> None:
    reads = frame(stay(TAG, "bags", 0, 9))
    reads["antenna"] = reads["antenna"].mask(reads.index == 3, 7).mask(reads.index == 4, 9).astype("int32")
    visits, unused = presence().estimate(reads)
    assert found(visits) == [("bags", 0, 9)]
    assert unused == {
        "reader r01, antenna 7 is not in the store file": 1,
        "reader r01, antenna 9 is over no zone": 1,
    }


def test_no_reads_no_visits() -> None:
    visits, unused = presence().estimate(empty_reads())
    assert visits.empty
    assert not unused
    assert make_trips(visits).empty


def test_a_new_layout_cuts_the_visit_and_names_the_zones_of_its_time() -> None:
    renamed = row_store(("door", "hats", "shoes", "till"))
    estimator = Presence([Layout(START_US + 20_500_000, renamed), Layout(START_US + 7, row_store())])
    visits = estimator.estimate(frame(stay(TAG, "bags", 0, 40))).visits
    assert found(visits) == [("bags", 0, 20), ("hats", 21, 40)]
    assert set(visits["trip"]) == {START_US}


def test_a_large_input_in_pieces_gives_what_small_inputs_give(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = frame(
        [
            ((read.time_us - START_US) / 1e6, read.epc, ROOMS[read.antenna - 1], read.rssi_dbm or -60.0)
            for read in random_reads(1, 20)
        ]
    )
    whole = presence().estimate(reads).visits
    monkeypatch.setattr("tagtrail.analytics.presence.CHUNK_CELLS", 1000)
    assert_frame_equal(presence().estimate(reads).visits, whole)
    alone = [presence().estimate(mine).visits for _, mine in reads.groupby("epc", observed=True)]
    assert_frame_equal(pd.concat(alone, ignore_index=True), whole)


sightings_of_tags = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 60).map(float), st.floats(0, 2000, allow_nan=False)),
        st.sampled_from([epc_of(1), epc_of(2)]),
        st.sampled_from(ROOMS),
        st.floats(-90, -20, width=32),
    ),
    max_size=80,
)


@settings(max_examples=60, deadline=None)
@given(sightings_of_tags, st.randoms(use_true_random=False), st.sampled_from([0.0, 2.0, 10.0]))
def test_the_rule_keeps_its_promises_on_any_reads(sightings: list[Sighting], random: Random, least_s: float) -> None:
    estimator = presence(PresenceParameters(visit_min_s=least_s))
    reads = frame(sightings)
    before = reads.copy(deep=True)
    visits, unused = estimator.estimate(reads)
    assert_frame_equal(reads, before)

    shuffled = sightings + random.choices(sightings, k=20) if sightings else []
    random.shuffle(shuffled)
    again = estimator.estimate(frame(shuffled)).visits
    assert_frame_equal(again, visits)

    in_visits = 0
    for epc, mine in visits.groupby("epc"):
        heard = reads[reads["epc"] == epc]
        times = heard["time"]
        assert (mine["exit"].to_numpy()[:-1] <= mine["enter"].to_numpy()[1:]).all()
        assert mine["confidence"].between(0, 1, inclusive="right").all()
        for zone, enter, exit_ in zip(mine["zone"], mine["enter"], mine["exit"], strict=True):
            assert (exit_ - enter).total_seconds() >= least_s
            assert ROOMS.index(zone) + 1 in set(heard.loc[times.between(enter, exit_), "antenna"])
        enters, exits = mine["enter"].to_numpy(), mine["exit"].to_numpy()
        moments = times.drop_duplicates().to_numpy()
        in_visits += int(((moments[:, None] >= enters) & (moments[:, None] <= exits)).any(axis=1).sum())
    if not unused:
        assert in_visits == len(reads[["time", "epc"]].drop_duplicates())
