"""Which antenna reads whom."""

import math
from collections.abc import Sequence
from dataclasses import replace as changed

import numpy as np
import pytest
from msgspec.structs import replace

from tagtrail.hardware.protocols import FAMILIES, load_family
from tagtrail.hardware.store import Antenna, Reader, Store
from tagtrail.simulator.geometry import Floats, Ints
from tagtrail.simulator.presence import CYCLE_US, Body, Presence, Reads, Tag
from tagtrail.simulator.radio.model import RadioModel
from tagtrail.simulator.radio.radio import RSSI_RANGE_DBM, Radio

STEADY = RadioModel(
    shadowing_sd_db=0.0, multipath_k_db=40.0, posture_sd_db=0.0, fading_k_db=40.0, tilt_sd_deg=0.0, axial_ratio_db=0.0,
    stray_share=0.0, answer_share=1.0,
)  # fmt: skip
"""No chance but that of slots."""


@pytest.fixture
def single(store: Store) -> Store:
    """One antenna at (2, 2), 3 m above the floor."""
    reader = Reader("r01", "mercury", (Antenna(1, "1F", (2.0, 2.0, 3.0)),))
    return Store(store=store.store, floor=store.floor, zone=store.zone, reader=(reader,))


def standing(
    x_m: Sequence[float], *, cycles: int = 1, facing: float = math.pi, floor: int = 0, y_m: float = 2.0,
    tags: Sequence[tuple[Tag, ...]] | None = None,
) -> Presence:  # fmt: skip
    """People who stand in a row; they face the antenna."""
    people = len(x_m)
    bodies = {
        number: Body(number, "shopper", tags[number] if tags else (Tag(number, f"{number:024X}"),), number)
        for number in range(people)
    }
    return Presence(
        cycle=np.repeat(np.arange(cycles), people),
        body=np.tile(np.arange(people), cycles),
        floor=np.full(people * cycles, floor),
        x_m=np.tile(np.asarray(x_m, dtype=np.float64), cycles),
        y_m=np.full(people * cycles, y_m),
        facing_rad=np.full(people * cycles, facing),
        zone=np.zeros(people * cycles, dtype=np.int64),
        bodies=bodies,
    )


def part(presence: Presence, first: int, end: int) -> Presence:
    """Some cycles of a presence."""
    mine = (presence.cycle >= first) & (presence.cycle < end)
    columns = ("cycle", "body", "floor", "x_m", "y_m", "facing_rad", "zone")
    return changed(presence, **{name: getattr(presence, name)[mine] for name in columns})


def columns(reads: Reads) -> list[Ints | Floats]:
    return [reads.time_us, reads.antenna, reads.tag, reads.rssi_dbm]


def test_the_link_budget_of_one_tag_by_hand(single: Store) -> None:
    # Straight below: 1.8 m, 31.676 + 5.105 = 36.78 dB path; 6 dBi + 2 dBi - 3 dB polarisation - 1 dB worn; at the
    # edge of the beam and across the tag nothing is lost. One way -32.78 dB, both ways -65.56, less 5 dB, from 30 dBm.
    radio = Radio(single, STEADY, seed=1)
    reads = radio.reads(standing([2.0], cycles=20), radio.store_powers_dbm)
    assert len(reads.tag) == 20 * STEADY.reports
    assert set(reads.rssi_dbm.tolist()) <= {-40.0, -41.0}
    # 28 dBm less a way of 32.78 dB is just enough for a tag of -4.8 dBm, not for one of -4.5.
    powers = np.array([28.0])
    dull, duller = (Radio(single, replace(STEADY, tag_sensitivity_dbm=dbm), seed=1) for dbm in (-5.0, -4.5))
    assert len(dull.reads(standing([2.0], cycles=50), powers).tag) > 0
    assert len(duller.reads(standing([2.0], cycles=50), powers).tag) == 0


def test_reads_fall_with_distance(single: Store) -> None:
    radio = Radio(single, RadioModel(answer_share=1.0), seed=3)
    reads = radio.reads(standing([2.0, 5.0, 8.5, 14.0], cycles=2000), radio.store_powers_dbm)
    counts = np.bincount(reads.tag, minlength=4)
    assert counts[0] > 0.9 * 2000 * 2
    assert (np.diff(counts) <= 0).all()
    assert counts[3] < 0.1 * counts[0]


def test_a_body_is_in_the_way_unless_the_tag_is_on_that_side(single: Store) -> None:
    radio = Radio(single, STEADY, seed=1)
    means = []
    for ahead, facing in ((1.0, math.pi), (1.0, 0.0), (-1.0, 0.0), (0.0, 0.0)):
        presence = standing([4.0], cycles=10, facing=facing, tags=[(Tag(0, "AA", ahead=ahead),)])
        means.append(radio.reads(presence, radio.store_powers_dbm).rssi_dbm.mean())
    facing_it, turned_away, on_the_back, at_the_side = means
    # 2 m level and 1.8 m up: the share of the body that is in the way is 2 / 2.69, twice, as it counts both ways.
    assert facing_it - turned_away == pytest.approx(2 * 8.0 * 2.0 / math.hypot(2.0, 1.8), abs=1.0)
    assert on_the_back == pytest.approx(facing_it, abs=0.5)
    assert turned_away < at_the_side < facing_it


def test_a_thing_has_no_body(single: Store) -> None:
    radio = Radio(single, STEADY, seed=1)
    thing = changed(standing([4.0], cycles=10), facing_rad=np.full(10, np.nan))
    assert len(radio.reads(thing, radio.store_powers_dbm).tag) > 0


def test_no_reads_on_another_floor_without_power_or_by_dead_tags(single: Store) -> None:
    radio = Radio(single, RadioModel(), seed=1)
    powers = radio.store_powers_dbm
    assert len(radio.reads(standing([2.0], cycles=50, floor=1), powers).tag) == 0
    assert len(radio.reads(standing([2.0], cycles=50), np.array([-np.inf])).tag) == 0
    dead = [(Tag(0, "AA", sensitivity_offset_db=math.inf),)]
    assert len(radio.reads(standing([2.0], cycles=50, tags=dead), powers).tag) == 0
    assert len(radio.reads(standing([2.0], cycles=50, tags=[()]), powers).tag) == 0
    assert len(radio.reads(part(standing([2.0]), 1, 1), powers).tag) == 0


def test_two_tags_on_one_person_are_both_read(single: Store) -> None:
    radio = Radio(single, STEADY, seed=1)
    presence = standing([2.0, 2.5], cycles=10, tags=[(Tag(0, "AA"), Tag(1, "BB")), (Tag(2, "CC"),)])
    assert set(radio.reads(presence, radio.store_powers_dbm).tag.tolist()) == {0, 1, 2}


def test_same_seed_same_reads_whatever_the_blocks(store: Store) -> None:
    rng = np.random.default_rng(2)
    presence = standing(rng.uniform(0.0, 16.0, 30).tolist(), cycles=150, y_m=5.0)
    model = RadioModel(posture_s=7.0)
    whole = Radio(store, model, seed=5)
    expected = columns(whole.reads(presence, whole.store_powers_dbm))
    assert len(expected[0]) > 1000
    for size in (1, 7, 150):
        radio = Radio(store, model, seed=5)
        blocks = [
            columns(radio.reads(part(presence, first, first + size), radio.store_powers_dbm))
            for first in range(0, 150, size)
        ]
        for one, other in zip(expected, zip(*blocks, strict=True), strict=True):
            np.testing.assert_array_equal(one, np.concatenate(other))
    other_seed = Radio(store, model, seed=6)
    assert len(other_seed.reads(presence, other_seed.store_powers_dbm).tag) != len(expected[0])


def test_nobody_changes_the_luck_of_others_but_by_crowding_them_out(single: Store) -> None:
    alone = Radio(single, RadioModel(slot_single_ms=1.0), seed=5)
    presence = standing([3.0, 3.5], cycles=200)
    both = alone.reads(presence, alone.store_powers_dbm)
    first = alone.reads(part_of(presence, body=0), alone.store_powers_dbm)
    kept = np.isin(first.time_us, both.time_us[both.tag == 0])
    assert kept.mean() > 0.95
    assert np.isin(both.time_us[both.tag == 0], first.time_us).all()


def part_of(presence: Presence, body: int) -> Presence:
    mine = presence.body == body
    columns = ("cycle", "body", "floor", "x_m", "y_m", "facing_rad", "zone")
    return changed(presence, **{name: getattr(presence, name)[mine] for name in columns})


def test_reads_are_in_order_and_antennas_take_turns(store: Store) -> None:
    radio = Radio(store, RadioModel(), seed=1)
    presence = standing([7.5, 2.5, 7.5], cycles=100, y_m=8.0)
    reads = radio.reads(presence, radio.store_powers_dbm)
    keys = list(zip(reads.time_us.tolist(), reads.antenna.tolist(), reads.tag.tolist(), strict=True))
    assert keys == sorted(keys)
    of_first = reads.antenna < 3  # r01 has three
    turns = reads.time_us[of_first] % CYCLE_US * 3 // CYCLE_US
    np.testing.assert_array_equal(turns, reads.antenna[of_first])


def test_more_tags_in_view_are_each_read_less(single: Store) -> None:
    rates = []
    for people in (1, 20, 80, 200):
        radio = Radio(single, STEADY, seed=1)
        reads = radio.reads(standing([2.0] * people, cycles=100), radio.store_powers_dbm)
        rates.append((len(reads.tag) + radio.crowded_out) / people / 100)
    assert rates[0] == STEADY.reports
    assert rates[0] > rates[1] > rates[2] > rates[3]


def test_a_line_carries_only_so_much_and_the_rest_is_counted(single: Store) -> None:
    radio = Radio(single, replace(STEADY, slot_single_ms=0.1, slot_collision_ms=0.1, slot_empty_ms=0.1), seed=1)
    cycles = 10
    reads = radio.reads(standing([2.0] * 400, cycles=cycles), radio.store_powers_dbm)
    most = int(load_family("mercury").reads_per_s_max / 2)
    assert np.bincount(reads.time_us // CYCLE_US).tolist() == [most] * cycles
    assert radio.crowded_out > 0


def test_strays_reach_further_than_the_link(single: Store) -> None:
    far = standing([13.0], cycles=4000)
    without, with_strays = (
        Radio(single, replace(STEADY, stray_share=share, stray_gain_db=25.0), seed=1) for share in (0.0, 0.05)
    )
    assert len(without.reads(far, without.store_powers_dbm).tag) == 0
    reads = with_strays.reads(far, with_strays.store_powers_dbm)
    assert 0.03 < len(np.unique(reads.time_us // CYCLE_US)) / 4000 < 0.07


@pytest.mark.parametrize("protocol", sorted(FAMILIES))
def test_every_family_can_tell_the_strengths_and_has_a_power(store: Store, protocol: str) -> None:
    reader = Reader("r01", protocol, (Antenna(1, "1F", (2.0, 2.0, 3.0)),))
    radio = Radio(Store(store=store.store, floor=store.floor, zone=store.zone, reader=(reader,)), RadioModel(), seed=1)
    assert np.isfinite(radio.store_powers_dbm).all()
    reads = radio.reads(standing([2.0, 4.0, 6.0], cycles=100), np.array([36.0]))
    np.testing.assert_array_equal(reads.rssi_dbm, np.rint(reads.rssi_dbm))
    assert reads.rssi_dbm.min() >= RSSI_RANGE_DBM[0]
    assert reads.rssi_dbm.max() <= RSSI_RANGE_DBM[1]


def test_a_store_without_antennas_is_refused_and_reads_nothing(store: Store) -> None:
    blind = Store(store=store.store, floor=store.floor, zone=store.zone, reader=())
    assert RadioModel().faults(blind) == ["radio: the store has no antenna, nobody would be seen"]
    assert RadioModel().faults(store) == []
    assert RadioModel(slot_empty_ms=9.0).faults(store) == [
        "radio.slot_empty_ms: a slot without an answer lasts longer than one with an EPC"
    ]
    radio = Radio(blind, RadioModel(), seed=1)
    assert len(radio.reads(standing([2.0]), radio.store_powers_dbm).tag) == 0
