"""How well a radio map foretells which antenna reads a tag, by reads that are held back."""

import math
from typing import Final

from tagtrail.analytics.place.compiled import compiled
from tagtrail.analytics.place.evidence import Tables
from tagtrail.analytics.place.hearing import LEVELS, Floats, Ints
from tagtrail.analytics.place.smoother import smooth
from tagtrail.analytics.place.walking import Walking

HELD_S: Final = 3
"""Reads are held back by whole stretches of so many seconds, as those of one second share a body and a fade."""
EVERY: Final = 4
"""One stretch of so many is held back."""


@compiled
def foretell(
    chosen: Ints, step_ptr: Ints, first: Ints, kind: Ints, tables: Tables, walking: Walking, share: Floats, stray: float
) -> tuple[float, int]:
    """Mean log chance of the antenna of each held-back read, nats, given the other reads; and how many these are.

    Args:
        chosen: Which stretches are looked at.
        step_ptr: First step of each stretch, and one more.
        first: First read of each step, and one more.
        kind: Row of the table of reads, of each read.
        tables: Likelihoods.
        walking: Chances of a step.
        share: Of an antenna in the reads of a tag in a cell, (antennas, cells).
        stray: Share of reads that may come from anywhere.
    """
    total, count = 0.0, 0
    nowhere = 1.0 / len(share)
    for stretch in chosen:
        low, high = step_ptr[stretch], step_ptr[stretch + 1]
        kept_first, kept = first[low : high + 1].copy(), kind[first[low] : first[high]].copy()
        n = 0
        for t in range(high - low):
            kept_first[t] = n
            if t // HELD_S % EVERY:
                for r in range(first[low + t], first[low + t + 1]):
                    kept[n] = kind[r]
                    n += 1
        kept_first[high - low] = n
        ptr, cell, stand, walk, outside = smooth(kept_first, kept, tables, walking)
        for t in range(high - low):
            if t // HELD_S % EVERY:
                continue
            for r in range(first[low + t], first[low + t + 1]):
                antenna = kind[r] // (LEVELS + 1)
                chance = outside[t] * nowhere
                for i in range(ptr[t], ptr[t + 1]):
                    chance += (stand[i] + walk[i]) * share[antenna, cell[i]]
                total += math.log((1 - stray) * chance + stray * nowhere)
                count += 1
    return total / max(count, 1), count
