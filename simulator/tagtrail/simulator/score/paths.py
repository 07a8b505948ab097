"""How alike two paths are: sequences of zones, and the cost of making one from the other."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from tagtrail.simulator.geometry import Bools, Floats, Ints
from tagtrail.simulator.score.stays import Segments

WRONG: Final = 2.0
PARTLY: Final = 1.0
"""Costs of IR-MHMM: any insertion, deletion or substitution of another zone; a substitution of {i, j} by i."""
_CELLS: Final = 4_000_000
"""Numbers held at once."""


def blocks(segments: Segments, people: int) -> list[Ints]:
    """The block sequence of each person: labels in the order of time, neighbours that are the same merged.

    Time in no zone is left out, so a zone that was left and entered again without another one between stands once.
    """
    new = np.ones(len(segments.who), dtype=np.bool_)
    new[1:] = (segments.who[1:] != segments.who[:-1]) | (segments.label[1:] != segments.label[:-1])
    who, label = segments.who[new], segments.label[new]
    bounds = np.searchsorted(who, np.arange(people + 1))
    return [label[first:after] for first, after in pairwise(bounds.tolist())]


def steps(segments: Segments, start_us: Ints, end_us: Ints, step_us: int) -> list[Ints]:
    """The time sequence of each person: the label every ``step_us`` from its start to its end, -1 for none.

    The first moment lies half a step after the start; a shorter presence has one in its middle.
    """
    often = np.maximum((end_us - start_us) // step_us, 1)
    first = start_us + np.minimum(step_us, end_us - start_us) // 2
    who = np.repeat(np.arange(len(often)), often)
    ends = np.cumsum(often)
    index = np.arange(len(who)) - np.repeat(ends - often, often)
    labels = segments.label_at(who, first[who] + index * step_us)
    return np.split(labels, ends[:-1]) if len(often) else []


def equal_costs(true_labels: int, labels: Sequence[tuple[int, ...]]) -> Floats:
    """Costs of Levenshtein 1966: 1 for a label that is another one. The last row and column are those of "none"."""
    costs = np.ones((true_labels + 1, len(labels) + 1))
    shared = min(true_labels, len(labels))
    costs[range(shared), range(shared)] = 0
    costs[-1, -1] = 0
    return costs


def weighted_costs(true_labels: int, labels: Sequence[tuple[int, ...]]) -> Floats:
    """Costs of the weighted edit distance of IR-MHMM (Baba, Jaeger, Lu, Pedersen, Ku, Xie, SIGMOD 2016).

    Two zones at once of which one is right cost 1, another zone 2; inserting or deleting costs 2. So where an estimate
    names one zone at a time, it is twice the edit distance.
    """
    costs: Floats = WRONG * equal_costs(true_labels, labels)
    for column, zones in enumerate(labels):
        if len(zones) > 1:
            costs[list(zones), column] = PARTLY
    return costs


def edit_distances(left: Sequence[Ints], right: Sequence[Ints], costs: Floats, gap: float) -> Floats:
    """The least cost of making each left sequence from its right one (Wagner, Fischer 1974).

    Many pairs are worked at once, row by row. Within a row, a gap that follows a gap is a running minimum.

    Args:
        left: Labels, row of ``costs``.
        right: Labels, column of ``costs``; as many sequences.
        costs: What it costs to put one label for another.
        gap: What it costs to insert or to delete one.
    """
    lengths = np.array([[len(one), len(other)] for one, other in zip(left, right, strict=True)]).reshape(-1, 2)
    result: Floats = gap * lengths.sum(axis=1, dtype=np.float64)
    waiting = np.flatnonzero(lengths.min(axis=1, initial=np.iinfo(np.int64).max) > 0)
    waiting = waiting[np.lexsort((lengths[waiting, 1], lengths[waiting, 0]))]
    while waiting.size:
        wide = np.maximum.accumulate(lengths[waiting, 1]) + 1
        many = max(int(np.searchsorted(wide * np.arange(1, len(wide) + 1), _CELLS)), 1)
        some, waiting = waiting[:many], waiting[many:]
        result[some] = _distances([left[i] for i in some], [right[i] for i in some], costs, gap)
    return result


def _distances(left: Sequence[Ints], right: Sequence[Ints], costs: Floats, gap: float) -> Floats:
    (rows, height), (columns, width) = _padded(left), _padded(right)
    gaps = gap * np.arange(columns.shape[1] + 1)
    line = np.tile(gaps, (len(rows), 1))
    result = np.zeros(len(rows))
    for index in range(rows.shape[1]):
        going = index < height
        if not going.all():  # the shorter ones stand first
            rows, columns, line = rows[going], columns[going], line[going]
            width, height = width[going], height[going]
        best = np.empty_like(line)
        best[:, 0] = gap * (index + 1)
        np.minimum(line[:, :-1] + costs[rows[:, index, None], columns], line[:, 1:] + gap, out=best[:, 1:])
        line = np.minimum.accumulate(best - gaps, axis=1) + gaps
        ready = height == index + 1
        at = len(result) - len(rows) + np.flatnonzero(ready)
        result[at] = line[ready, width[ready]]
    return result


def _padded(sequences: Sequence[Ints]) -> tuple[Ints, Ints]:
    lengths = np.array([len(one) for one in sequences])
    inside: Bools = np.arange(lengths.max()) < lengths[:, None]
    table = np.zeros(inside.shape, dtype=np.int64)
    table[inside] = np.concatenate(sequences)
    return table, lengths


def similarity(distances: Floats, left: Sequence[Ints], right: Sequence[Ints], gap: float) -> Floats:
    """1 for the same sequences, 0 for nothing in common: the distance over that of the longer one to nothing.

    NaN where both are empty.
    """
    longer = np.array([max(len(one), len(other)) for one, other in zip(left, right, strict=True)], dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(1 - distances / (gap * longer))
