"""Forward-backward over the cells of one stretch of a tag.

Most cells are out of the question at any step, so only those that are not are held: the candidates of a step are the
cells that were possible the step before and their neighbours, and all cells while the tag may be outside.
"""

from typing import Final, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from tagtrail.analytics.place.compiled import compiled
from tagtrail.analytics.place.evidence import CROWDS, Tables
from tagtrail.analytics.place.walking import Walking

Floats32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]

T = TypeVar("T", np.int32, np.float32)

LEAST: Final = np.float32(1e-3)
"""Cells with a smaller share than this of being inside, as far as is known at their step, are let go."""
OPEN_LEAST: Final = np.float32(1e-2)
"""While being outside is likelier than this, tags may come in anywhere."""
FAINT: Final = np.float32(1e-9)
"""Nothing that is heard in one second is stronger evidence than this; it keeps floats normal, too."""
TINY: Final = np.float32(1e-30)
STAYS: Final = np.float32(1e-4)
"""What being inside is worth at the end of a stretch, since a long silence follows: the tag has most likely left."""
_0: Final = np.float32(0.0)
_1: Final = np.float32(1.0)


class Posterior(NamedTuple):
    """Where a tag was at each step; what is not named is impossible.

    Attributes:
        ptr: Step ``t`` has the entries from ``ptr[t]`` to ``ptr[t + 1]``.
        cell: Of each entry.
        stand: Posterior of standing there.
        walk: Posterior of walking there.
        outside: Posterior of being outside, by step.
    """

    ptr: Ints
    cell: Ints32
    stand: Floats32
    walk: Floats32
    outside: Floats32


class Forward(NamedTuple):
    """What is known from the past; entries as in `Posterior`, and the likelihood of what was heard at each."""

    ptr: Ints
    cell: Ints32
    stand: Floats32
    walk: Floats32
    outside: Floats32
    heard: Floats32
    heard_outside: Floats32


@compiled
def smooth(first: Ints, kind: Ints, tables: Tables, walking: Walking) -> Posterior:
    """Posterior of a stretch.

    Args:
        first: Index of the first read of each step, and one more.
        kind: Row of the table of reads, of each read.
        tables: Likelihoods.
        walking: Chances of a step.
    """
    forward = look_ahead(first, kind, tables, walking)
    look_back(forward, walking, STAYS)
    return Posterior(forward.ptr, forward.cell, forward.stand, forward.walk, forward.outside)


@compiled
def look_ahead(first: Ints, kind: Ints, tables: Tables, walking: Walking) -> Forward:
    """The filter: where a tag is at each step, as far as is known then. A tag begins outside."""
    silence, read, read_outside = tables
    start, stop, leave, enter, to_ptr, to_cell, to_chance = walking
    steps, cells = len(first) - 1, silence.shape[1]
    stays_out = _1
    for c in range(cells):
        stays_out -= enter[c]
    size = 40 * steps + 2 * cells
    cell: Ints32 = np.empty(size, dtype=np.int32)
    heard: Floats32 = np.empty(size, dtype=np.float32)
    stand: Floats32 = np.empty(size, dtype=np.float32)
    walk: Floats32 = np.empty(size, dtype=np.float32)
    ptr = np.zeros(steps + 1, dtype=np.int64)
    outside, heard_outside = np.empty(steps, dtype=np.float32), np.empty(steps, dtype=np.float32)
    to_stand, to_walk = np.zeros(cells, dtype=np.float32), np.zeros(cells, dtype=np.float32)
    mark = np.full(cells, -1, dtype=np.int64)
    o = _1
    age = 0
    kinds = len(read) // len(CROWDS)
    for t in range(steps):
        age = 0 if first[t + 1] > first[t] else min(age + 1, len(silence) - 1)
        low = n = ptr[t]
        if n + cells > size:
            size = 2 * size + cells
            cell, heard = larger(cell, size), larger(heard, size)
            stand, walk = larger(stand, size), larger(walk, size)
        if o > OPEN_LEAST:
            for c in range(cells):
                cell[n] = c
                mark[c] = t
                to_stand[c] = _0
                to_walk[c] = o * enter[c]
                n += 1
        out = o * stays_out
        if t > 0:
            for i in range(ptr[t - 1], low):
                c = cell[i]
                s, w = stand[i], walk[i]
                for k in range(to_ptr[c], to_ptr[c + 1]):
                    j = to_cell[k]
                    if mark[j] != t:
                        mark[j] = t
                        cell[n] = j
                        n += 1
                        to_stand[j] = _0
                        to_walk[j] = _0
                    to_walk[j] += w * to_chance[k]
                to_stand[c] += s * (_1 - start[c]) + w * stop[c]
                to_walk[c] += s * start[c]
                out += w * leave[c]
        loud, most = _1, _1
        for i in range(low, n):
            heard[i] = silence[age, cell[i]]
        crowd = -kinds
        for least in CROWDS:
            if first[t + 1] - first[t] >= least:
                crowd += kinds
        for r in range(first[t], first[t + 1]):
            row = kind[r] + crowd
            most = loud = loud * read_outside[row]
            for i in range(low, n):
                heard[i] *= read[row, cell[i]]
                most = max(most, heard[i])
            if most < FAINT:  # many reads in a second
                for i in range(low, n):
                    heard[i] /= most
                loud /= most
                most = _1
        if first[t] == first[t + 1]:
            most = _1
        loud = max(loud / most, FAINT)
        total = _0
        for i in range(low, n):
            c = cell[i]
            heard[i] = max(heard[i] / most, FAINT)
            to_stand[c] *= heard[i]
            to_walk[c] *= heard[i]
            total += to_stand[c] + to_walk[c]
        fewest = LEAST * total
        total += out * loud
        scale = _1 / max(total, TINY)
        kept = low
        for i in range(low, n):
            c = cell[i]
            s, w = to_stand[c], to_walk[c]
            if s + w > fewest:
                cell[kept], stand[kept], walk[kept], heard[kept] = c, s * scale, w * scale, heard[i]
                kept += 1
        o = max(out * loud * scale, TINY)
        outside[t], heard_outside[t] = o, loud
        ptr[t + 1] = kept
    return Forward(ptr, cell, stand, walk, outside, heard, heard_outside)


@compiled
def look_back(forward: Forward, walking: Walking, stays: np.float32) -> None:
    """Multiply what is known from the past by what follows, and make shares of it, in place.

    Args:
        forward: What is known from the past.
        walking: Chances of a step.
        stays: What being inside after the last step is worth beside being outside.
    """
    ptr, cell, stand, walk, outside, heard, heard_outside = forward
    start, stop, leave, enter, to_ptr, to_cell, to_chance = walking
    steps, cells = len(outside), len(start)
    stays_out = _1
    for c in range(cells):
        stays_out -= enter[c]
    next_stand, next_walk = np.zeros(cells, dtype=np.float32), np.zeros(cells, dtype=np.float32)
    this_stand, this_walk = np.zeros(cells, dtype=np.float32), np.zeros(cells, dtype=np.float32)
    total = outside[steps - 1]
    for i in range(ptr[steps - 1], ptr[steps]):
        next_stand[cell[i]] = next_walk[cell[i]] = heard[i] * stays
        total += (stand[i] + walk[i]) * stays
    for i in range(ptr[steps - 1], ptr[steps]):
        stand[i] *= stays / total
        walk[i] *= stays / total
    outside[steps - 1] /= total
    next_out = heard_outside[steps - 1]
    for t in range(steps - 2, -1, -1):
        low, high = ptr[t], ptr[t + 1]
        out = next_out * stays_out
        for i in range(high, ptr[t + 2]):
            out += next_walk[cell[i]] * enter[cell[i]]
        most = out
        for i in range(low, high):
            c = cell[i]
            moved = _0
            for k in range(to_ptr[c], to_ptr[c + 1]):
                moved += next_walk[to_cell[k]] * to_chance[k]
            s = next_stand[c] * (_1 - start[c]) + next_walk[c] * start[c]
            w = next_stand[c] * stop[c] + moved + next_out * leave[c]
            this_stand[c], this_walk[c] = s, w
            most = max(most, s, w)
        for i in range(high, ptr[t + 2]):
            next_stand[cell[i]] = next_walk[cell[i]] = _0
        scale = _1 / max(most, TINY)
        out *= scale
        outside[t] *= out
        total = outside[t]
        for i in range(low, high):
            c = cell[i]
            s, w = this_stand[c] * scale, this_walk[c] * scale
            stand[i] *= s
            walk[i] *= w
            total += stand[i] + walk[i]
            this_stand[c], this_walk[c] = max(s * heard[i], TINY), max(w * heard[i], TINY)
        scale = _1 / max(total, TINY)
        for i in range(low, high):
            stand[i] *= scale
            walk[i] *= scale
        outside[t] *= scale
        next_stand, this_stand = this_stand, next_stand
        next_walk, this_walk = this_walk, next_walk
        next_out = out * heard_outside[t]


@compiled
def lag(forward: Forward, walking: Walking, lag_s: int) -> Posterior:
    """Where a tag was at each step, by what is known ``lag_s`` steps later."""
    ptr, cell = forward.ptr, forward.cell
    stand, walk, outside = forward.stand.copy(), forward.walk.copy(), forward.outside.copy()
    steps = len(outside)
    for t in range(steps):
        end = min(t + lag_s + 1, steps)
        low, high = ptr[t], ptr[end]
        later = Forward(
            ptr[t : end + 1] - low, cell[low:high], forward.stand[low:high].copy(), forward.walk[low:high].copy(),
            forward.outside[t:end].copy(), forward.heard[low:high], forward.heard_outside[t:end],
        )  # fmt: skip
        look_back(later, walking, _1)
        own = ptr[t + 1] - low
        stand[low : low + own] = later.stand[:own]
        walk[low : low + own] = later.walk[:own]
        outside[t] = later.outside[0]
    return Posterior(ptr, cell, stand, walk, outside)


@compiled
def larger(array: npt.NDArray[T], size: int) -> npt.NDArray[T]:
    """A copy with room behind."""
    grown = np.empty(size, dtype=array.dtype)
    grown[: len(array)] = array
    return grown
