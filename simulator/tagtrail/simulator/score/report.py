"""A score as a text for people, and as JSON for machines."""

import math
from collections.abc import Iterator, Sequence

import msgspec

from tagtrail.simulator.score.matching import Error
from tagtrail.simulator.score.score import IOU_MIN, TIME_STEP_S, Score, VisitScore


def to_json(score: Score) -> bytes:
    """Field names are those of `Score`; what is not a number is null."""
    return msgspec.json.format(msgspec.json.encode(score), indent=2) + b"\n"


def to_text(score: Score) -> str:
    """Some lines about the whole store, and a table of its zones."""
    return "\n".join([*_head(score), "", *_store(score), "", *_zones(score)])


def _head(score: Score) -> Iterator[str]:
    yield f"{score.start} to {score.end}: {score.people} people with a readable tag, {score.missed} of them never found"
    yield from (f"  apart: {count} people, {why}" for why, count in sorted(score.apart.items()))
    if score.ghost_visits:
        yield f"  {score.ghost_visits} visits of tags that nobody carries; they count as wrong"
    if score.duplicate_visits:
        yield f"  {score.duplicate_visits} visits stood in the table before; each is counted once"
    if score.left_out_visits:
        yield f"  {score.left_out_visits} visits of people who are not scored; they count for nothing"


def _store(score: Score) -> Iterator[str]:
    accuracy, paths, occupancy = score.accuracy, score.paths, score.occupancy
    yield (
        f"Zone over time   {_share(accuracy.right)} of {accuracy.seconds} person-seconds right "
        f"(in a zone {_share(accuracy.recall)}, where one is named {_share(accuracy.precision)}, "
        f"covered {_share(accuracy.covered)}, mean of zones {_share(accuracy.balanced)})"
    )
    yield from _visits("Visits", score.visits)
    yield from _visits(f"Stops {score.stop_s:g} s+", score.stops)
    yield (
        f"Paths            {_share(paths.similarity)} alike (edit distance of zones), {_share(paths.same)} the same; "
        f"weighted, blocks {_number(paths.block_distance)} ({_share(paths.block_similarity)}), "
        f"steps of {TIME_STEP_S} s {_number(paths.time_distance)} ({_share(paths.time_similarity)})"
    )
    yield (
        f"Occupancy        {_number(occupancy.mae, 3)} people MAE per zone and minute, bias "
        f"{occupancy.bias:+.3f}, of {_number(occupancy.people, 3)} on average (WAPE {_share(occupancy.wape)})"
    )
    if score.trips:
        yield (
            f"Trips            F1 {_number(score.trips.f1, 3)} "
            f"({score.trips.true} true, {score.trips.estimated} estimated, {score.trips.matched} matched)"
        )
    yield from (
        f"Interval {one.of:<7} holds the truth in {_share(one.share)} of {one.count} matched visits, "
        f"{_number(one.width_s)} s wide"
        for one in score.intervals
    )


def _visits(name: str, visits: VisitScore) -> Iterator[str]:
    found = visits.found
    yield (
        f"{name:<16} F1 {_number(found.f1, 3)} (precision {_number(found.precision, 3)}, recall "
        f"{_number(found.recall, 3)}; {found.true} true, {found.estimated} estimated, IoU {IOU_MIN:g})"
    )
    yield f"  dwell          {_error(visits.dwell_s)} per matched visit"
    yield f"                 {_error(visits.total_dwell_s)} per person and zone"
    yield (
        f"  per hour       visits WAPE {_share(visits.visits_by_hour.wape)}, "
        f"bias {_signed(visits.visits_by_hour.bias)}; "
        f"visitors WAPE {_share(visits.visitors_by_hour.wape)}, bias {_signed(visits.visitors_by_hour.bias)}"
    )
    yield (
        f"  flows          CPC {_number(visits.flow.cpc, 3)} "
        f"({visits.flow.true} true steps, {visits.flow.estimated} estimated)"
    )


def _zones(score: Score) -> list[str]:
    columns = [
        "zone", "time right", "visits", "true", "F1", "dwell MAE s", "bias s",
        "median s", "true", "visits/h WAPE", "occupancy MAE", "bias",
    ]  # fmt: skip
    rows = [
        [
            zone.zone, _share(zone.recall), str(zone.found.estimated), str(zone.found.true), _number(zone.found.f1, 3),
            _number(zone.dwell_s.mae), _number(zone.dwell_s.bias, sign=True), _number(zone.estimated_median_s),
            _number(zone.true_median_s), _share(zone.visits_by_hour.wape), _number(zone.occupancy.mae, 2),
            _number(zone.occupancy.bias, 2, sign=True),
        ]
        for zone in score.zones
    ]  # fmt: skip
    return list(_lines([columns, *rows]))


def _lines(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        first, *others = (
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join([first, *others])


def _error(error: Error) -> str:
    return f"MAE {_number(error.mae)} s, median {_number(error.median)} s, bias {_number(error.bias, sign=True)} s"


def _number(value: float, digits: int = 1, *, sign: bool = False) -> str:
    return "–" if math.isnan(value) else f"{value:{'+' if sign else ''}.{digits}f}"


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f} %"


def _signed(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:+.1f} %"
