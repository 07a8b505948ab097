"""The kernel of the presence rule on plain arrays: evidence per step and zone to stays.

All sums are sums of whole numbers below 2**53, exact in floating point, so no order of summation changes a result.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_FAR_US: Final = 2**62
"""Later than every time; twice as much still fits."""


class Evidence(NamedTuple):
    """Reads that have a zone, sorted by segment and time; one array per column.

    Attributes:
        tag: Which tag.
        segment: A number per tag and stretch without silence, ascending.
        step: Number of the step of time.
        time_us: When, microseconds since 1970 UTC.
        zone: Zone code of the antenna.
        weight: Evidence for that zone, a whole number.
    """

    tag: Ints
    segment: Ints
    step: Ints
    time_us: Ints
    zone: Ints
    weight: Floats


class Stays(NamedTuple):
    """Stays, one array per column, in the order of their segments and times.

    Attributes:
        tag: Which tag.
        zone: Zone code.
        enter_us: First read; after another zone of the segment the middle between its last read and this one.
        exit_us: Last read; before another zone of the segment the middle as well.
        own: Smoothed evidence for the zone, summed over the stay's steps.
        total: The same for all zones.
    """

    tag: Ints
    zone: Ints
    enter_us: Ints
    exit_us: Ints
    own: Floats
    total: Floats


class _Steps(NamedTuple):
    """The steps in which a tag was read: smoothed evidence, and where the step's reads begin."""

    segment: Ints
    first_read: Ints
    of_read: Ints
    evidence: Floats


def find_stays(reads: Evidence, *, zones: int, half_width: int, minimum_us: int, lead: float) -> tuple[Stays, int]:
    """Stays of all segments, and how many reads are in none.

    Args:
        reads: At least one.
        zones: Number of zone codes.
        half_width: A read counts for the steps less than this far from its own.
        minimum_us: Time between a stay's first and last read by its own zone.
        lead: How many times as much as of any other zone must be heard of a zone to be beyond doubt.
    """
    steps = _steps(reads, zones, half_width)
    strongest = steps.evidence.argmax(axis=1)
    run_start = starts_of_equal(steps.segment, strongest)
    strong = _supported(reads, steps, run_start, strongest[run_start], minimum_us)
    strong &= _leads(np.add.reduceat(steps.evidence, run_start, axis=0), lead)

    # Neighbouring runs in doubt are one group: where a tag flickers between zones it still is in one of them.
    run_segment = steps.segment[run_start]
    is_start = strong | np.concatenate([[True], strong[:-1]]) | np.concatenate([[True], np.diff(run_segment) != 0])
    group_start = run_start[is_start]
    heard = np.add.reduceat(steps.evidence, group_start, axis=0)
    zone = np.where(strong[is_start], strongest[group_start], heard.argmax(axis=1))
    supported = _supported(reads, steps, group_start, zone, minimum_us)
    zone, kept = _give_away(heard, zone, supported, run_segment[is_start])

    group = np.repeat(np.arange(len(group_start)), np.diff(group_start, append=len(steps.segment)))
    unused = int((~kept[group])[steps.of_read].sum())
    return _collect(reads, steps, zone[group], kept[group]), unused


def _steps(reads: Evidence, zones: int, half_width: int) -> _Steps:
    """Spread the reads over a grid of steps x zones, smooth it, and keep the steps that have reads."""
    segment_start = starts_of_equal(reads.segment)
    segment = np.repeat(np.arange(len(segment_start)), np.diff(segment_start, append=len(reads.segment)))
    first_step = reads.step[segment_start]
    last_step = reads.step[np.append(segment_start[1:], len(reads.step)) - 1]
    rows = last_step - first_step + half_width  # the spare rows keep segments from smoothing into each other
    row = (np.cumsum(rows) - rows - first_step)[segment] + reads.step
    grid = np.bincount(row * zones + reads.zone, weights=reads.weight, minlength=int(rows.sum()) * zones)
    first_read = starts_of_equal(row)
    return _Steps(
        segment=reads.segment[first_read],
        first_read=first_read,
        of_read=np.repeat(np.arange(len(first_read)), np.diff(first_read, append=len(row))),
        evidence=smooth(grid.astype(np.float64, copy=False).reshape(-1, zones), half_width)[row[first_read]],
    )


def smooth(evidence: Floats, half_width: int) -> Floats:
    """Sum neighbouring rows with the weights of a triangle: ``half_width - |k|`` for the row at distance ``k``."""
    smoothed = evidence * half_width
    for k in range(1, min(half_width, len(evidence))):
        smoothed[k:] += (half_width - k) * evidence[:-k]
        smoothed[:-k] += (half_width - k) * evidence[k:]
    return smoothed


def _supported(reads: Evidence, steps: _Steps, start: Ints, zone: Ints, minimum_us: int) -> Bools:
    """Whether the stretches of steps from ``start`` on have reads of their ``zone`` that far apart."""
    first_read = steps.first_read[start]
    own = reads.zone == np.repeat(zone, np.diff(first_read, append=len(reads.zone)))
    first_us = np.minimum.reduceat(np.where(own, reads.time_us, _FAR_US), first_read)
    last_us = np.maximum.reduceat(np.where(own, reads.time_us, -_FAR_US), first_read)
    supported: Bools = last_us - first_us >= minimum_us
    return supported


def _leads(heard: Floats, lead: float) -> Bools:
    """Whether the most evidence of a row is at least ``lead`` times the second most."""
    if heard.shape[1] == 1:
        return np.ones(len(heard), dtype=np.bool_)
    second, first = np.partition(heard, -2, axis=1)[:, -2:].T
    return np.asarray(first >= lead * second, dtype=np.bool_)


def _give_away(heard: Floats, zone: Ints, supported: Bools, segment: Ints) -> tuple[Ints, Bools]:
    """Give each unsupported group to the neighbour that was heard more during it; keep it if there is one."""
    follows = np.diff(segment) == 0
    group = np.arange(len(zone))
    before = np.where(np.concatenate([[False], follows]), group - 1, -1)
    after = np.where(np.concatenate([follows, [False]]), group + 1, -1)
    for_before = np.where(before >= 0, heard[group, zone[before]], -1.0)
    for_after = np.where(after >= 0, heard[group, zone[after]], -1.0)
    neighbour = np.where(for_before >= for_after, before, after)
    return np.where(supported, zone, zone[neighbour]), supported | (neighbour >= 0)


def _collect(reads: Evidence, steps: _Steps, zone: Ints, kept: Bools) -> Stays:
    """Join neighbouring steps of one segment and zone."""
    start = starts_of_equal(steps.segment, zone)
    end = np.append(start[1:], len(zone))
    own = np.add.reduceat(steps.evidence[np.arange(len(zone)), zone], start)
    total = np.add.reduceat(steps.evidence.sum(axis=1), start)
    first_read = steps.first_read[start]
    last_read = np.append(steps.first_read, len(reads.tag))[end] - 1
    enter_us, exit_us = reads.time_us[first_read], reads.time_us[last_read]
    # From zone to zone without a long silence, somebody changed over at an unknown moment: the middle is unbiased.
    passed = np.flatnonzero(np.diff(steps.segment[start]) == 0)
    enter_us[passed + 1] = exit_us[passed] = (exit_us[passed] + enter_us[passed + 1]) // 2
    keep = kept[start]  # a segment is kept as a whole or not at all
    columns = (reads.tag[first_read], zone[start], enter_us, exit_us, own, total)
    return Stays._make(column[keep] for column in columns)


def starts_of_equal(*keys: Ints) -> Ints:
    """Where stretches of equal rows begin."""
    changed = np.zeros(len(keys[0]), dtype=np.bool_)
    changed[:1] = True
    for key in keys:
        changed[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(changed)
