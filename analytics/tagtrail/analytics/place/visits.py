"""From where a tag probably was to its visits: one zone at a time, changes only where they gain something."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tagtrail.analytics.place.compiled import compiled
from tagtrail.analytics.place.evidence import Tables
from tagtrail.analytics.place.smoother import Posterior, smooth
from tagtrail.analytics.place.walking import Walking

Floats32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


class Runs(NamedTuple):
    """Stays in one place, one array per column; times are steps since the first of all stretches.

    Attributes:
        stretch: Of which stretch.
        zone: Index; the number of zones for a place in none.
        enter: First step.
        exit: Step after the last.
        confidence: Mean posterior of the zone.
        doubt_s: Sum of ``p (1 - p)`` about both changes, ``p`` the posterior of the zone: the scale of a logistic
            distribution of the dwell.
    """

    stretch: Ints
    zone: Ints
    enter: Ints
    exit: Ints
    confidence: Floats32
    doubt_s: Floats32


@compiled
def find_runs(
    step_ptr: Ints, first: Ints, kind: Ints, tables: Tables, walking: Walking, zone: Ints, zones: int,
    change_s: float, least_s: int,
) -> Runs:  # fmt: skip
    """Runs of all stretches.

    Args:
        step_ptr: First step of each stretch, and one more.
        first: First read of each step, and one more.
        kind: Row of the table of reads, of each read.
        tables: Likelihoods.
        walking: Chances of a step.
        zone: Zone of each cell, negative for none.
        zones: How many there are.
        change_s: Seconds that a change must gain.
        least_s: Shorter runs go to a neighbour.
    """
    room = step_ptr[-1]
    runs = Runs(
        np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64),
        np.empty(room, dtype=np.int64), np.empty(room, dtype=np.float32), np.empty(room, dtype=np.float32),
    )  # fmt: skip
    n = 0
    for stretch in range(len(step_ptr) - 1):
        low, high = step_ptr[stretch], step_ptr[stretch + 1]
        shares = zone_shares(smooth(first[low : high + 1], kind, tables, walking), zone, zones)
        label = choose(shares, np.float32(change_s))
        settle(label, shares, least_s)
        begin = 0
        before = 0
        for t in range(1, len(label) + 1):
            if t < len(label) and label[t] == label[begin]:
                continue
            z = label[begin]
            after = t
            while after < len(label) and label[after] == label[t] and after - t < 30:
                after += 1
            if z <= zones:
                own = _sum(shares, z, begin, t)
                runs.stretch[n], runs.zone[n], runs.enter[n], runs.exit[n] = stretch, z, low + begin, low + t
                runs.confidence[n] = own / np.float32(t - begin)
                runs.doubt_s[n] = _doubt(shares, z, max(before, begin - 30), after)
                n += 1
            before, begin = begin, t
    return Runs(
        runs.stretch[:n].copy(), runs.zone[:n].copy(), runs.enter[:n].copy(), runs.exit[:n].copy(),
        runs.confidence[:n].copy(), runs.doubt_s[:n].copy(),
    )  # fmt: skip


@compiled
def zone_shares(posterior: Posterior, zone: Ints, zones: int) -> Floats32:
    """Posterior of each zone, of no zone (``zones``) and of being outside (``zones + 1``), shape (steps, zones + 2)."""
    ptr, cell, stand, walk, outside = posterior
    shares = np.zeros((len(outside), zones + 2), dtype=np.float32)
    for t in range(len(outside)):
        for i in range(ptr[t], ptr[t + 1]):
            z = zone[cell[i]]
            shares[t, z if z >= 0 else zones] += stand[i] + walk[i]
        shares[t, zones + 1] = outside[t]
    return shares


@compiled
def choose(shares: Floats32, change_s: np.float32) -> Ints:
    """The sequence with the most expected right seconds, less ``change_s`` for each change (Viterbi)."""
    steps, states = shares.shape
    came = np.empty((steps, states), dtype=np.int16)
    value = shares[0].copy()
    for t in range(1, steps):
        best = 0
        for z in range(1, states):
            if value[z] > value[best]:
                best = z
        top = value[best]
        most = top - change_s
        for z in range(states):
            stays = value[z] >= most
            came[t, z] = z if stays else best
            value[z] = (value[z] if stays else most) - top + shares[t, z]
    label = np.empty(steps, dtype=np.int64)
    label[steps - 1] = np.argmax(value)
    for t in range(steps - 1, 0, -1):
        label[t - 1] = came[t, label[t]]
    return label


@compiled
def settle(label: Ints, shares: Floats32, least_s: int) -> None:
    """Give runs that are too short to the neighbour that is likelier during them, in place."""
    begin = 0
    while begin < len(label):
        end = begin + 1
        while end < len(label) and label[end] == label[begin]:
            end += 1
        if end - begin >= least_s or end - begin == len(label):
            begin = end
            continue
        early, late = np.float32(-1.0), np.float32(-1.0)
        if begin > 0:
            early = _sum(shares, label[begin - 1], begin, end)
        if end < len(label):
            late = _sum(shares, label[end], begin, end)
        if early >= late:
            label[begin:end] = label[begin - 1]
            begin = end
        else:
            label[begin:end] = label[end]


@compiled
def _sum(shares: Floats32, z: int, low: int, high: int) -> np.float32:
    total = np.float32(0.0)
    for t in range(low, high):
        total += shares[t, z]
    return total


@compiled
def _doubt(shares: Floats32, z: int, low: int, high: int) -> np.float32:
    total = np.float32(0.0)
    for t in range(low, high):
        total += shares[t, z] * (np.float32(1.0) - shares[t, z])
    return total
