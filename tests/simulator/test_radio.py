"""Which antenna reads whom."""

import numpy as np
import pytest

from tagtrail.hardware.store import Antenna, Reader, Store
from tagtrail.simulator.radio import CYCLE_S, ROUNDS, TAG_SENSITIVITY_DBM, Radio, free_space_loss_db
from tagtrail.simulator.world import Crowd


def crowd(x_m: list[float], y_m: float = 2.0, floor: int = 0, facing: float = 0.0) -> Crowd:
    count = len(x_m)
    return Crowd(
        number=np.arange(count),
        floor=np.full(count, floor),
        x_m=np.array(x_m),
        y_m=np.full(count, y_m),
        facing=np.full(count, facing),
        zone=np.zeros(count, dtype=np.int64),
    )


@pytest.fixture
def single(store: Store) -> Store:
    """One antenna at (2, 2)."""
    reader = Reader("r01", "mercury", (Antenna(1, "1F", (2.0, 2.0, 3.0)),))
    return Store(store=store.store, floor=store.floor, zone=store.zone, reader=(reader,))


def radio(store: Store, most: float = 1000.0) -> Radio:
    return Radio(store, np.random.default_rng(7), [most] * len(store.reader))


def test_gain_falls_with_distance(single: Store) -> None:
    gains = radio(single).path_gain_db(crowd([2.0, 3.0, 4.0, 6.0, 9.0, 14.0], facing=np.pi))[:, 0]
    assert (np.diff(gains) < 0).all()


def test_reads_fall_with_distance_and_come_in_time(single: Store) -> None:
    people = crowd([2.0, 4.5, 7.0, 10.0], facing=np.pi)
    mine = radio(single)
    counts = np.zeros(4)
    strengths: list[list[float]] = [[], [], [], []]
    for _ in range(400):
        reads = mine.cycle(people, mine.store_powers_dbm)
        assert (np.diff(reads.offset_s) >= 0).all()
        assert ((reads.offset_s >= 0) & (reads.offset_s < CYCLE_S)).all()
        assert (reads.rssi_dbm == np.rint(reads.rssi_dbm)).all()
        np.add.at(counts, reads.number, 1)
        for number, rssi in zip(reads.number.tolist(), reads.rssi_dbm.tolist(), strict=True):
            strengths[number].append(rssi)
    rates = counts / (400 * ROUNDS)
    assert (np.diff(rates) < 0).all()
    assert rates[0] > 0.9
    assert 0 < rates[2] < 0.5  # a neighbour's antenna now and then
    assert np.mean(strengths[0]) > np.mean(strengths[1]) > np.mean(strengths[2])


def test_a_body_is_in_the_way(single: Store) -> None:
    towards, away = (radio(single).path_gain_db(crowd([5.0], facing=facing))[0, 0] for facing in (np.pi, 0.0))
    assert towards > away + 5


def test_no_reads_on_another_floor_nor_without_power(single: Store) -> None:
    mine = radio(single)
    assert len(mine.cycle(crowd([2.0], floor=1), mine.store_powers_dbm).number) == 0
    assert len(mine.cycle(crowd([2.0]), np.array([-np.inf])).number) == 0
    assert len(mine.cycle(crowd([2.0]), np.array([TAG_SENSITIVITY_DBM])).number) == 0


def test_a_reader_never_reports_more_than_its_line_carries(single: Store) -> None:
    mine = radio(single, most=40.0)
    reads = mine.cycle(crowd([2.0] * 100), mine.store_powers_dbm)
    assert len(reads.number) == 40 * CYCLE_S
    assert mine.crowded_out > 100


def test_antennas_of_a_reader_take_turns(store: Store) -> None:
    mine = radio(store)
    people = crowd([7.5, 2.5, 7.5], y_m=8.0)
    for _ in range(50):
        reads = mine.cycle(people, mine.store_powers_dbm)
        of_first = reads.antenna < 3  # r01 has three
        turns = np.floor(reads.offset_s[of_first] / CYCLE_S * 3 + 1e-9)
        np.testing.assert_array_equal(turns, reads.antenna[of_first])


def test_free_space_loss_of_a_metre_at_915_mhz() -> None:
    assert free_space_loss_db(np.array([1.0]))[0] == pytest.approx(31.68, abs=0.01)
