"""Slotted ALOHA: against a simulation of slots, and in its limits."""

import numpy as np
import pytest
from msgspec.structs import replace

from tagtrail.simulator.radio.gen2 import alone, frame_slots, read_chances, round_ms
from tagtrail.simulator.radio.model import RadioModel

MODEL = RadioModel()


def test_frames_are_the_next_power_of_two() -> None:
    assert frame_slots(np.array([0, 1, 4, 5, 16, 17, 100]), 4).tolist() == [4, 4, 4, 8, 16, 32, 128]


@pytest.mark.parametrize(("tags", "slots"), [(2, 4), (8, 8), (50, 64)])
def test_formulas_hold_for_slots_drawn_one_by_one(tags: int, slots: int) -> None:
    rng = np.random.default_rng(4)
    frames = 20_000
    chosen = rng.integers(0, slots, (frames, tags))
    counts = np.apply_along_axis(np.bincount, 1, chosen, minlength=slots)
    singles, empties = (counts == 1).sum(axis=1).mean(), (counts == 0).sum(axis=1).mean()
    assert alone(np.array([tags]), np.array([slots]))[0] == pytest.approx(singles / tags, abs=0.01)
    expected_ms = (
        MODEL.round_overhead_ms
        + empties * MODEL.slot_empty_ms
        + singles * MODEL.slot_single_ms
        + (slots - singles - empties) * MODEL.slot_collision_ms
    )
    assert round_ms(np.array([tags]), np.array([slots]), MODEL)[0] == pytest.approx(expected_ms, rel=0.01)


def test_one_tag_is_always_read_and_many_share_the_time() -> None:
    chances = read_chances(400, 125.0, MODEL)
    assert chances[1] == 1.0
    assert chances[10] > chances[40] > chances[200]
    # Once there is no time for a whole round, the reader is busy: reads per second no longer grow with the tags.
    through_put = np.arange(401) * chances
    full = through_put[[64, 128, 256]]
    assert full.max() / full.min() < 1.1


def test_longer_turns_read_more() -> None:
    short, long = (read_chances(100, turn_ms, MODEL) for turn_ms in (60.0, 500.0))
    assert (long >= short).all()
    more = read_chances(100, 125.0, replace(MODEL, reports=4))
    assert (more <= read_chances(100, 125.0, MODEL)).all()
