"""All numbers that say how well visits were estimated."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from tagtrail.simulator.geometry import Floats, Ints
from tagtrail.simulator.score import counts, paths
from tagtrail.simulator.score.case import Case
from tagtrail.simulator.score.matching import (
    Coverage,
    Error,
    Found,
    Pairs,
    coverage,
    dwell_error,
    error,
    found,
    match,
    total_dwell_error,
)
from tagtrail.simulator.score.stays import HOUR_US, MINUTE_US, SECOND_US, Segments, Stays, cut
from tagtrail.simulator.tables import iso

IOU_MIN: Final = 0.5
TRIP_GAP_S: Final = 600.0
"""Silence that ends a trip, where the visits do not say which trip they are of."""
TIME_STEP_S: Final = 10
"""Step of the time sequences of paths."""


@dataclass(frozen=True)
class Accuracy:
    """Shares of person-seconds. Every second that a person is in the store counts the same.

    Attributes:
        seconds: Person-seconds in the store.
        right: Share at which the estimate names the true zone, or none outside all zones: the accuracy over time of
            activity recognition (Ward, Lukowicz, Gellersen, ACM TIST 2(1) 2011), and of room-level tracking (Onofri,
            Corbetta 2022).
        recall: Of the seconds within a zone, the share at which the estimate names it.
        precision: Of the seconds for which the estimate names a zone, the share at which it is right.
        covered: Of the seconds within a zone, the share for which the estimate names any.
        balanced: Mean of the recall over the zones, so that each counts the same (Brodersen et al., ICPR 2010).
    """

    seconds: int
    right: float
    recall: float
    precision: float
    covered: float
    balanced: float


@dataclass(frozen=True)
class PathScore:
    """Means over people of how alike their true and estimated paths are.

    Attributes:
        people: People with a zone on either side.
        same: Share whose block sequence is exactly the true one.
        similarity: 1 - edit distance / length of the longer one, of block sequences (Levenshtein 1966).
        block_distance: Weighted edit distance of IR-MHMM on block sequences, as published: smaller is better.
        block_similarity: 1 - that over the cost of inserting the longer one.
        time_distance: Weighted edit distance on time sequences of `TIME_STEP_S`, from the first to the last second of
            a person in the store.
        time_similarity: As above.
    """

    people: int
    same: float
    similarity: float
    block_distance: float
    block_similarity: float
    time_distance: float
    time_similarity: float


@dataclass(frozen=True)
class Occupancy:
    """People per zone, mean over each minute; all zones and minutes of the run count the same.

    Attributes:
        cells: Zones times minutes.
        people: Mean of the true ones.
        mae: Mean absolute error, people.
        bias: Mean error, people.
        wape: Sum of the absolute errors over the sum of the true numbers.
    """

    cells: int
    people: float
    mae: float
    bias: float
    wape: float


@dataclass(frozen=True)
class Flow:
    """Steps between zones within trips.

    Attributes:
        true: How many there were.
        estimated: How many were found.
        cpc: Common part of commuters.
    """

    true: int
    estimated: int
    cpc: float


@dataclass(frozen=True)
class VisitScore:
    """What is said of visits, of all or of the longer ones.

    Attributes:
        found: Precision, recall and F1 at a temporal IoU of `IOU_MIN`.
        dwell_s: Error of the dwell of matched visits.
        total_dwell_s: Error of the time per person and zone.
        visits_by_hour: Visits that began, per zone and hour.
        visitors_by_hour: Different people, per zone and hour.
        flow: Steps between zones.
    """

    found: Found
    dwell_s: Error
    total_dwell_s: Error
    visits_by_hour: counts.Wape
    visitors_by_hour: counts.Wape
    flow: Flow


@dataclass(frozen=True)
class ZoneScore:
    """One zone; the same measures as of the whole store."""

    zone: str
    recall: float
    found: Found
    dwell_s: Error
    true_median_s: float
    estimated_median_s: float
    visits_by_hour: counts.Wape
    occupancy: Error


@dataclass(frozen=True)
class Hour:
    """Share of right person-seconds in an hour."""

    start: str
    seconds: int
    right: float


@dataclass(frozen=True)
class Score:
    """How well visits were estimated.

    Attributes:
        start: Of the run, ISO 8601 in UTC.
        end: Of the run.
        people: Who is scored.
        missed: Of these, people without any estimated visit.
        apart: People who are not scored, by the reason why: without a readable tag nobody can be found.
        ghost_visits: Estimated visits of tags that no person carries (forgotten ones, stock, unknown ones). They count
            as wrong.
        left_out_visits: Estimated visits of people who are not scored. They count for nothing.
        duplicate_visits: Rows of the table of visits that say what an earlier one says; they were dropped.
        accuracy: Over time.
        hours: Accuracy by hour of the clock (of UTC).
        visits: All visits.
        stops: Visits of ``stop_s`` or more on either side.
        stop_s: Seconds.
        paths: Similarity of paths.
        occupancy: Per minute and zone.
        intervals: Coverage of the intervals that the visits carry.
        trips: Presences in the store, matched as visits of one zone; None without a table of trips.
        zones: Each zone.
    """

    start: str
    end: str
    people: int
    missed: int
    apart: dict[str, int]
    ghost_visits: int
    left_out_visits: int
    duplicate_visits: int
    accuracy: Accuracy
    hours: list[Hour]
    visits: VisitScore
    stops: VisitScore
    stop_s: float
    paths: PathScore
    occupancy: Occupancy
    intervals: list[Coverage]
    trips: Found | None
    zones: list[ZoneScore]


def score(case: Case, stop_s: float) -> Score:
    """Compare; ``stop_s`` is the least dwell of a stop, seconds."""
    zones, people = len(case.zones), len(case.people.number)
    estimated = cut(case.estimated, zones)
    hits, hours = _confusion(case, estimated)
    pairs = match(case.true, case.estimated, IOU_MIN)
    trips = case.trips
    true_occupancy, occupancy = (_occupancy(case, stays) for stays in (case.true, case.by_tag))
    return Score(
        start=iso(case.start_us),
        end=iso(case.end_us),
        people=people,
        missed=people - len(np.unique(case.estimated.who[case.estimated.who < people])),
        apart=case.apart,
        ghost_visits=case.ghosts,
        left_out_visits=case.left_out,
        duplicate_visits=case.duplicates,
        accuracy=accuracy(hits),
        hours=[
            Hour(iso(case.first_hour_us + hour * HOUR_US), int(seconds), float(right / seconds))
            for hour, (right, seconds) in enumerate(hours.tolist())
            if seconds
        ],
        visits=_visits(case, 0.0, pairs),
        stops=_visits(case, stop_s),
        stop_s=stop_s,
        paths=_paths(case, cut(case.true, zones), estimated),
        occupancy=Occupancy(
            cells=true_occupancy.size,
            people=float(true_occupancy.mean()),
            mae=float(np.abs(occupancy - true_occupancy).mean()),
            bias=float((occupancy - true_occupancy).mean()),
            wape=counts.wape(occupancy, true_occupancy).wape,
        ),
        intervals=_intervals(case, pairs),
        trips=None if trips is None else _found(case.true_trips, trips, match(case.true_trips, trips, IOU_MIN)),
        zones=_zones(case, hits, pairs, true_occupancy, occupancy),
    )


def accuracy(hits: Ints) -> Accuracy:
    """From person-seconds by true (row) and estimated zone (column); the last of either is "none"."""
    right, total = int(np.trace(hits)), int(hits.sum())
    inside, named = hits[:-1].sum(), hits[:, :-1].sum()
    right_inside = np.trace(hits[:-1, :-1])
    recalls = _recalls(hits)
    seen = ~np.isnan(recalls)
    return Accuracy(
        seconds=total,
        right=_share(right, total),
        recall=_share(right_inside, inside),
        precision=_share(right_inside, named),
        covered=_share(hits[:-1, :-1].sum(), inside),
        balanced=float(recalls[seen].mean()) if seen.any() else np.nan,
    )


def _recalls(hits: Ints) -> Floats:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.diag(hits)[:-1] / hits[:-1].sum(axis=1))


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else np.nan


def _hours(case: Case) -> int:
    return int(-((case.first_hour_us - case.end_us) // HOUR_US))


def _confusion(case: Case, estimated: Segments) -> tuple[Ints, Ints]:
    """Person-seconds by true and estimated zone; right ones and all by hour of the run."""
    zones, hours = len(case.zones), _hours(case)
    hits = np.zeros((zones + 1) ** 2, dtype=np.int64)
    by_hour = np.zeros((hours, 2), dtype=np.int64)
    for who, time_us, zone in case.seconds():
        says = estimated.zone_at(who, time_us)
        hits += np.bincount((zone % (zones + 1)) * (zones + 1) + says % (zones + 1), minlength=hits.size)
        hour = np.clip((time_us - case.first_hour_us) // HOUR_US, 0, hours - 1)
        by_hour[:, 0] += np.bincount(hour[says == zone], minlength=hours)
        by_hour[:, 1] += np.bincount(hour, minlength=hours)
    return hits.reshape(zones + 1, zones + 1), by_hour


def _found(true: Stays, estimated: Stays, pairs: Pairs) -> Found:
    return found(len(true), len(estimated), len(pairs.true))


def _visits(case: Case, least_s: float, pairs: Pairs | None = None) -> VisitScore:
    zones, hours = len(case.zones), _hours(case)
    true, estimated = (stays.take(stays.dwell_s >= least_s) for stays in (case.true, case.estimated))
    long = case.by_tag.dwell_s >= least_s
    by_tag = case.by_tag.take(long)
    trip = counts.split_by_gap(by_tag, round(TRIP_GAP_S * SECOND_US)) if case.trip is None else case.trip[long]
    pairs = pairs or match(true, estimated, IOU_MIN)
    true_flow = counts.flows(true, np.zeros(len(true), np.int64), zones)
    flow = counts.flows(by_tag, trip, zones)
    return VisitScore(
        found=_found(true, estimated, pairs),
        dwell_s=dwell_error(true, estimated, pairs),
        total_dwell_s=total_dwell_error(true, estimated),
        visits_by_hour=counts.wape(
            *(counts.visits_by_hour(stays, zones, case.first_hour_us, hours) for stays in (by_tag, true))
        ),
        visitors_by_hour=counts.wape(
            *(counts.visitors_by_hour(stays, zones, case.first_hour_us, hours) for stays in (by_tag, true))
        ),
        flow=Flow(int(true_flow.sum()), int(flow.sum()), counts.common_part(flow, true_flow)),
    )


def _paths(case: Case, true: Segments, estimated: Segments) -> PathScore:
    people = case.people
    left, right = (paths.blocks(segments, len(people.number)) for segments in (true, estimated))
    some = [row for row, (one, other) in enumerate(zip(left, right, strict=True)) if len(one) or len(other)]
    if not some:
        return PathScore(0, *[np.nan] * 6)
    left, right = [left[row] for row in some], [right[row] for row in some]
    equal = paths.equal_costs(len(case.zones), estimated.labels)
    weighted = paths.weighted_costs(len(case.zones), estimated.labels)
    plain = paths.edit_distances(left, right, equal, 1.0)
    block = paths.edit_distances(left, right, weighted, paths.WRONG)
    step_us = TIME_STEP_S * SECOND_US
    left_steps, right_steps = (
        paths.steps(segments, people.enter_us, people.exit_us, step_us) for segments in (true, estimated)
    )
    timed = paths.edit_distances(left_steps, right_steps, weighted, paths.WRONG)
    return PathScore(
        people=len(some),
        same=float((plain == 0).mean()),
        similarity=float(paths.similarity(plain, left, right, 1.0).mean()),
        block_distance=float(block.mean()),
        block_similarity=float(paths.similarity(block, left, right, paths.WRONG).mean()),
        time_distance=float(timed.mean()),
        time_similarity=float(paths.similarity(timed, left_steps, right_steps, paths.WRONG).mean()),
    )


def _occupancy(case: Case, stays: Stays) -> Floats:
    start_us = case.start_us // MINUTE_US * MINUTE_US
    minutes = -((start_us - case.end_us) // MINUTE_US)
    return counts.occupancy(stays, len(case.zones), start_us, minutes)


def _intervals(case: Case, pairs: Pairs) -> list[Coverage]:
    row = case.estimated.row[pairs.found]
    own = row >= 0  # of a visit that was joined from several, no interval is known
    true, row = case.true.take(pairs.true[own]), row[own]
    values = {"enter": true.enter_us / SECOND_US, "exit": true.exit_us / SECOND_US, "dwell": true.dwell_s}
    return [coverage(of, low[row], high[row], values[of]) for of, (low, high) in case.intervals.items()]


def _zones(
    case: Case, hits: Ints, pairs: Pairs, true_occupancy: Floats, estimated_occupancy: Floats
) -> list[ZoneScore]:
    hours, recalls = _hours(case), _recalls(hits).tolist()
    true_visits, visits = (
        counts.visits_by_hour(stays, len(case.zones), case.first_hour_us, hours) for stays in (case.true, case.by_tag)
    )
    scores = []
    for index, zone in enumerate(case.zones):
        true, estimated = case.true.zone == index, case.estimated.zone == index
        here = true[pairs.true]
        medians = [float(np.median(dwell_s)) if len(dwell_s) else np.nan for dwell_s in (
            case.true.dwell_s[true], case.estimated.dwell_s[estimated]
        )]  # fmt: skip
        scores.append(
            ZoneScore(
                zone=zone,
                recall=recalls[index],
                found=found(int(true.sum()), int(estimated.sum()), int(here.sum())),
                dwell_s=dwell_error(case.true, case.estimated, Pairs(pairs.true[here], pairs.found[here])),
                true_median_s=medians[0],
                estimated_median_s=medians[1],
                visits_by_hour=counts.wape(visits[index], true_visits[index]),
                occupancy=error(estimated_occupancy[index], true_occupancy[index]),
            )
        )
    return scores
