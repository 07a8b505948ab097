"""How many of the tags in view a reader gets in an antenna's turn: framed slotted ALOHA (EPC Gen2, ISO 18000-63). Pure.

The reader opens a round with a frame of L = 2^Q slots; each woken tag takes one at random. A slot with one tag is a
read. A tag is alone with probability (1 - 1/L)^(n - 1) (Schoute 1983). The reader follows the number of tags with Q, so
L is the power of two next above n, and a round grows with n. Rounds follow each other until the turn is over.
"""

import numpy as np
from numpy.typing import NDArray

from tagtrail.simulator.geometry import Floats, Ints
from tagtrail.simulator.radio.model import RadioModel


def frame_slots(tags: NDArray[np.integer], shortest: int) -> Ints:
    """Slots of the frame for so many tags: the next power of two, at least that of the shortest frame."""
    exponents = np.ceil(np.log2(np.maximum(tags, max(shortest, 1))))
    return np.asarray(2.0**exponents, dtype=np.int64)


def alone(tags: NDArray[np.integer], slots: NDArray[np.integer]) -> Floats:
    """Probability that a given one of the tags has its slot for itself; 1 for no or one tag."""
    return np.asarray((1.0 - 1.0 / np.maximum(slots, 1)) ** np.maximum(tags - 1, 0))


def round_ms(tags: NDArray[np.integer], slots: NDArray[np.integer], model: RadioModel) -> Floats:
    """Mean length of a round: its slots are empty, with one tag, or with several."""
    single = tags * alone(tags, slots)
    empty = slots * (1.0 - 1.0 / np.maximum(slots, 1)) ** tags
    several = slots - single - empty
    return np.asarray(
        model.round_overhead_ms
        + empty * model.slot_empty_ms
        + single * model.slot_single_ms
        + several * model.slot_collision_ms
    )


def read_chances(tags_max: int, turn_ms: float, model: RadioModel) -> Floats:
    """Chance that a woken tag is read in one report of a turn, by the number of tags from 0 to ``tags_max``.

    A turn has the model's number of reports, each with time for m rounds: a tag is read unless it collides in all of
    them, 1 - (1 - p)^m. If there is not even time for one, the reader gets through that share of it: m p.
    """
    tags = np.arange(tags_max + 1)
    slots = frame_slots(tags, model.frame_slots_min)
    rounds = turn_ms / model.reports / round_ms(tags, slots, model)
    once = alone(tags, slots)
    return np.where(rounds < 1.0, rounds * once, 1.0 - (1.0 - once) ** np.maximum(rounds, 1.0))
