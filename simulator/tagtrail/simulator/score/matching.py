"""Which estimated visit is which true one; precision, recall and F1; what is wrong with the dwell times."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tagtrail.simulator.geometry import Floats, Ints
from tagtrail.simulator.score.stays import Order, Stays


class Pairs(NamedTuple):
    """Visits that belong together: rows of the true ones and of the estimated ones."""

    true: Ints
    found: Ints


def match(true: Stays, found: Stays, iou_min: float = 0.5) -> Pairs:
    """Pairs of visits of one person in one zone whose temporal IoU is at least ``iou_min``, each visit once.

    IoU is the time that both share over the time that either covers, as in temporal action detection (Caba Heilbron
    et al., ActivityNet, CVPR 2015; there detections are ranked by their confidence, here all count). The pair of the
    largest IoU is taken first, of equals the earliest. Visits of one person in one zone do not overlap on either side,
    so at 0.5 and above only visits that lie within one and the same other one can compete (compare Kirillov et al.,
    Panoptic Segmentation, CVPR 2019): the pairs taken are as many as there can be.

    Args:
        true: Does not overlap by person and zone (`Stays.whole`).
        found: The same.
        iou_min: Over 0 and up to 1.
    """
    if not len(true) or not len(found):
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64))
    zones = int(max(true.zone.max(), found.zone.max())) + 1
    true_key, found_key = true.who * zones + true.zone, found.who * zones + found.zone
    order = np.lexsort((found.exit_us, found.enter_us, found_key))
    key = found_key[order]
    first = Order(key, found.exit_us[order]).until(true_key, true.enter_us)
    after = Order(key, found.enter_us[order]).before(true_key, true.exit_us)
    often = np.maximum(after - first, 0)
    left = np.repeat(np.arange(len(true)), often)
    right = order[np.repeat(first - np.cumsum(often) + often, often) + np.arange(often.sum())]
    shared = np.minimum(true.exit_us[left], found.exit_us[right]) - np.maximum(
        true.enter_us[left], found.enter_us[right]
    )
    either = (true.exit_us - true.enter_us)[left] + (found.exit_us - found.enter_us)[right] - shared
    enough = shared >= iou_min * either
    left, right, iou = left[enough], right[enough], shared[enough] / either[enough]
    best = np.lexsort((found.enter_us[right], true.enter_us[left], true.who[left], -iou))
    left, right = left[best], right[best]
    while True:  # one round, save where visits compete for one
        taken = _first_of_each(left) & _first_of_each(right)
        if taken.all():
            return Pairs(left, right)
        done = np.isin(left, left[taken]) | np.isin(right, right[taken])
        keep = taken | ~done
        left, right = left[keep], right[keep]


def _first_of_each(values: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    first = np.zeros(len(values), dtype=np.bool_)
    first[np.unique(values, return_index=True)[1]] = True
    return first


@dataclass(frozen=True)
class Found:
    """How many were found.

    Attributes:
        precision: Share of the estimated that have a true partner.
        recall: Share of the true that have an estimated partner.
        f1: ``2 matched / (true + estimated)``, the harmonic mean of both (van Rijsbergen 1979).
    """

    true: int
    estimated: int
    matched: int
    precision: float
    recall: float
    f1: float


def found(true: int, estimated: int, matched: int) -> Found:
    """Precision, recall and F1; NaN where there is nothing to divide by."""
    return Found(
        true,
        estimated,
        matched,
        matched / estimated if estimated else np.nan,
        matched / true if true else np.nan,
        2 * matched / (true + estimated) if true + estimated else np.nan,
    )


@dataclass(frozen=True)
class Error:
    """Estimate minus truth of some numbers.

    Attributes:
        count: How many numbers.
        mae: Mean absolute error.
        median: Median of the absolute error.
        bias: Mean error; over 0 where the estimate is too large.
    """

    count: int
    mae: float
    median: float
    bias: float


def error(estimate: Floats, truth: Floats) -> Error:
    """Errors of estimates; NaN where there is none."""
    if not len(truth):
        return Error(0, np.nan, np.nan, np.nan)
    wrong = estimate - truth
    return Error(len(wrong), float(np.abs(wrong).mean()), float(np.median(np.abs(wrong))), float(wrong.mean()))


def dwell_error(true: Stays, estimated: Stays, pairs: Pairs) -> Error:
    """Dwell of matched visits, seconds. A visit without a partner has no dwell error; it is in precision or recall."""
    return error(estimated.dwell_s[pairs.found], true.dwell_s[pairs.true])


def total_dwell_error(true: Stays, estimated: Stays) -> Error:
    """Time that a person spent in a zone over all visits, seconds.

    Each person and zone counts once if there is a visit on either side; so what was missed, invented or cut in two is
    in it too. No pairs are needed.
    """
    zones = int(max(true.zone.max(initial=0), estimated.zone.max(initial=0))) + 1
    keys = np.concatenate([true.who * zones + true.zone, estimated.who * zones + estimated.zone])
    cells, cell = np.unique(keys, return_inverse=True)
    estimate_s = np.bincount(cell[len(true) :], estimated.dwell_s, minlength=len(cells))
    truth_s = np.bincount(cell[: len(true)], true.dwell_s, minlength=len(cells))
    return error(estimate_s.astype(np.float64), truth_s.astype(np.float64))


@dataclass(frozen=True)
class Coverage:
    """Intervals beside the true values.

    Attributes:
        of: ``enter``, ``exit`` or ``dwell``.
        count: Matched visits with an interval.
        share: Share of them whose interval holds the true value, its bounds included; a calibrated 90 % interval has
            0.90 (Gneiting, Balabdaoui, Raftery 2007).
        width_s: Mean width. Of two that cover the same, the narrower is the better.
    """

    of: str
    count: int
    share: float
    width_s: float


def coverage(of: str, low: Floats, high: Floats, truth: Floats) -> Coverage:
    """Share of the intervals that hold the truth; NaN bounds are no interval. Seconds."""
    given = ~np.isnan(low) & ~np.isnan(high)
    low, high, truth = low[given], high[given], truth[given]
    if not len(low):
        return Coverage(of, 0, np.nan, np.nan)
    inside = (low <= truth) & (truth <= high)
    return Coverage(of, len(low), float(inside.mean()), float((high - low).mean()))
