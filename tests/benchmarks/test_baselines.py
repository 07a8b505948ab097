"""The baselines do what their authors describe, on cases that can be reckoned by hand."""

from collections.abc import Callable

import numpy as np
import pytest

from scores.baselines.edgex import EdgeX
from scores.baselines.knn import Knn, fingerprints_of
from scores.baselines.last_antenna import LastAntenna
from scores.baselines.settled import settled
from scores.baselines.smurf import Smurf, smurf_presence, smurf_windows
from scores.baselines.steps import Baseline, hold
from scores.baselines.strongest import Strongest
from scores.baselines.zone_hmm import ZoneHmm
from tagtrail.hardware.store import Store
from walks import ROOMS, Sighting, epc_of, frame, row_store

TAG = epc_of(1)


def fingerprinted(store: Store) -> Knn:
    points = [
        (float(second), epc_of(100 + room), heard, -50.0 if heard == name else -75.0)
        for room, name in enumerate(ROOMS)
        for heard in ROOMS
        for second in range(5)
    ]
    return Knn(store, fingerprints_of(store, frame(points), {epc_of(100 + i): name for i, name in enumerate(ROOMS)}))


def zones(baseline: Baseline, sightings: list[Sighting]) -> list[tuple[str, float]]:
    """Zone and dwell of each visit of the tag."""
    visits = baseline.estimate(frame(sightings)).visits
    dwell_s = (visits["exit"] - visits["enter"]).dt.total_seconds()
    return list(zip(visits["zone"], dwell_s, strict=True))


@pytest.mark.parametrize(
    "make", [LastAntenna, Strongest, Smurf, EdgeX, ZoneHmm, fingerprinted], ids=lambda make: make.__name__
)
def test_two_long_stays_are_found_in_order(make: Callable[[Store], Baseline]) -> None:
    stays = [("bags", second) for second in range(40)] + [("shoes", second) for second in range(40, 80)]
    sightings = [(second + part, TAG, zone, -50.0) for zone, second in stays for part in (0.2, 0.7)]
    found = zones(make(row_store()), sightings)
    assert [zone for zone, _ in found] == ["bags", "shoes"]
    assert [dwell_s for _, dwell_s in found] == pytest.approx([40, 40], abs=3)


def test_strongest_weighs_strength_and_last_antenna_does_not() -> None:
    sightings = [(second + 0.1, TAG, "bags", -50.0) for second in range(20)]
    sightings += [(second + 0.6, TAG, "shoes", -70.0) for second in range(20)]
    assert zones(Strongest(row_store()), sightings) == [("bags", 20)]
    assert zones(LastAntenna(row_store()), sightings) == [("shoes", 20)]


def test_silence_is_bridged_for_so_long_and_no_longer() -> None:
    label = np.array([-1, 2, -1, -1, -1, 0, -1])
    assert hold(label, 2).tolist() == [-1, 2, 2, 2, -1, 0, 0]
    assert hold(label, 0).tolist() == label.tolist()


def test_smurf_grows_its_window_until_it_is_complete() -> None:
    # 3 answers to 5 questions: complete at ceil(ln(1 / 0.05) / 0.6) = 5 epochs, 2 more at a time.
    assert smurf_windows(np.full(6, 3.0), 5).tolist() == [3, 5, 5, 5, 5, 5]
    # Who always answers needs 3.
    assert smurf_windows(np.full(4, 5.0), 5).tolist() == [3, 3, 3, 3]


def test_smurf_shrinks_its_window_when_the_tag_has_left() -> None:
    windows = smurf_windows(np.array([3.0] * 10 + [0.0] * 6), 5)
    assert windows[9] == 5
    assert windows[-1] == 1


def test_smurf_fills_a_gap_and_ends_soon_after_the_last_answer() -> None:
    present = smurf_presence(np.array([0.0] * 6 + [3.0] * 8 + [0.0] + [3.0] * 8 + [0.0] * 8), 5)
    assert present[6:23].all()
    assert not present[:4].any()
    assert not present[-5:].any()


def edgex(*later: tuple[float, str, float]) -> list[str]:
    """Zones after three reads at the door of -60 dBm until second 1, and some others."""
    sightings: list[Sighting] = [(second, TAG, "door", -60.0) for second in (0.0, 0.5, 1.0)]
    sightings += [(second, TAG, zone, dbm) for second, zone, dbm in later]
    return [zone for zone, _ in zones(EdgeX(row_store()), sightings)]


def test_edgex_wants_two_reads_of_a_new_place() -> None:
    assert edgex((1.2, "bags", -40.0)) == ["door"]
    assert edgex((1.2, "bags", -40.0), (2.4, "bags", -40.0)) == ["door", "bags"]


def test_edgex_wants_6_db_more_at_first_and_less_as_the_old_place_falls_silent() -> None:
    # 0.4 s after the last read of the door, within the hold-off of 0.5 s, the margin is 6 dB.
    assert edgex((1.2, "bags", -55.0), (1.4, "bags", -55.0), (1.5, "door", -60.0), (2.1, "door", -60.0)) == ["door"]
    # After 2 s it is 6 - 0.008 * (2000 - 500) = -6 dB: 5 dB less is loud enough, 7 dB less is not.
    assert edgex((1.2, "bags", -65.0), (3.0, "bags", -65.0)) == ["door", "bags"]
    assert edgex((1.2, "bags", -67.0), (3.0, "bags", -67.0)) == ["door"]


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ([1, 1, 1, 2, 1, 1], [1, 1, 1, 1, 1, 1]),
        ([1, 2, 2, 2, 3, 3], [1, 2, 2, 2, 2, 2]),
        ([1, 1, 2, 3, 2, 3], [1, 1, 1, 1, 1, 1]),
        ([1, 1, 1, 2, 2, 2], [1, 1, 1, 2, 2, 2]),
        ([], []),
    ],
)
def test_a_minimum_stay_gives_short_runs_to_the_zone_before(label: list[int], expected: list[int]) -> None:
    assert settled(np.array(label, dtype=np.int64), 3).tolist() == expected
