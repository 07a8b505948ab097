"""Plane geometry of floor plans: simple polygons, given as lists of corners, and the segments between them.

A polygon closes itself: its last corner is joined to its first. Either direction of turning is fine.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

Point = tuple[float, float]
Polygon = Sequence[Point]

BORDER_M: Final = 1e-9
"""A point this near to a border lies on it: what rounding does to coordinates of a few hundred metres."""


def edges(polygon: Polygon) -> Iterator[tuple[Point, Point]]:
    """The sides of a polygon, the closing one last."""
    yield from pairwise([*polygon, polygon[0]])


def area(polygon: Polygon) -> float:
    """Area in square metres by the shoelace formula; meaningless where the outline crosses itself."""
    return abs(math.fsum(_cross(a, b) for a, b in edges(polygon))) / 2


def self_contact(polygon: Polygon) -> Point | None:
    """A point where the outline crosses or touches itself, or None for a simple polygon.

    A corner given twice in a row and a spike that runs back along itself are contacts too.
    """
    sides = list(edges(polygon))
    for i, (a, b) in enumerate(sides):
        next_corner = sides[(i + 1) % len(sides)][1]
        ahead, back = _minus(b, a), _minus(next_corner, b)
        if a == b or (_cross(ahead, back) == 0 and _dot(ahead, back) < 0):
            return b
        # Neighbours share a corner by right; the first and the last side are neighbours as well.
        for c, d in sides[i + 2 : len(sides) - (i == 0)]:
            if contact := segment_contact(a, b, c, d):
                return contact
    return None


def segment_contact(a: Point, b: Point, c: Point, d: Point) -> Point | None:
    """A point that the segments ``a``-``b`` and ``c``-``d`` share, ends included, or None."""
    along, across, offset = _minus(b, a), _minus(d, c), _minus(c, a)
    turn = _cross(along, across)
    if turn != 0:
        t, u = _cross(offset, across) / turn, _cross(offset, along) / turn
        return (a[0] + t * along[0], a[1] + t * along[1]) if 0 <= t <= 1 and 0 <= u <= 1 else None
    # Parallel: they can only share a point that is an end of one of them.
    for point, start, end in ((c, a, b), (d, a, b), (a, c, d), (b, c, d)):
        if segment_distance(point, start, end) == 0:
            return point
    return None


def contains(polygon: Polygon, point: Point) -> bool:
    """Whether a point lies in a polygon or on its border."""
    left = sum(x < point[0] for x in _crossings(polygon, point[1]))
    return left % 2 == 1 or any(segment_distance(point, a, b) <= BORDER_M for a, b in edges(polygon))


def distance(point: Point, polygon: Polygon) -> float:
    """Metres from a point to the nearest point of a polygon; 0 inside."""
    if contains(polygon, point):
        return 0.0
    return min(segment_distance(point, a, b) for a, b in edges(polygon))


def segment_distance(point: Point, a: Point, b: Point) -> float:
    """Metres from a point to the nearest point of the segment ``a``-``b``."""
    along, offset = _minus(b, a), _minus(point, a)
    length_squared = _dot(along, along)
    t = min(1.0, max(0.0, _dot(offset, along) / length_squared)) if length_squared else 0.0
    return math.hypot(offset[0] - t * along[0], offset[1] - t * along[1])


def overlap_area(first: Polygon, second: Polygon) -> float:
    """Square metres that two simple polygons have in common; 0 where they only share borders.

    The plane is cut into horizontal slabs at every corner and every crossing of the outlines. Within a slab no sides
    cross, so the common width is linear in y: its value at middle height times the height is exact.
    """
    if not _boxes_overlap(first, second):
        return 0.0
    heights = {y for _, y in (*first, *second)}
    for a, b in edges(first):
        for c, d in edges(second):
            if contact := segment_contact(a, b, c, d):
                heights.add(contact[1])
    return math.fsum(
        (high - low) * _common_width(_crossings(first, (low + high) / 2), _crossings(second, (low + high) / 2))
        for low, high in pairwise(sorted(heights))
    )


def _boxes_overlap(first: Polygon, second: Polygon) -> bool:
    return all(
        min(p[axis] for p in first) < max(p[axis] for p in second)
        and min(p[axis] for p in second) < max(p[axis] for p in first)
        for axis in (0, 1)
    )


def _crossings(polygon: Polygon, y: float) -> list[float]:
    """Where the outline crosses height ``y``, from left to right: an even number of x."""
    return sorted(
        a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]) for a, b in edges(polygon) if (a[1] > y) != (b[1] > y)
    )


def _common_width(first: list[float], second: list[float]) -> float:
    return sum(
        max(0.0, min(right, other_right) - max(left, other_left))
        for left, right in zip(first[::2], first[1::2], strict=True)
        for other_left, other_right in zip(second[::2], second[1::2], strict=True)
    )


def _minus(a: Point, b: Point) -> Point:
    return a[0] - b[0], a[1] - b[1]


def _cross(a: Point, b: Point) -> float:
    return a[0] * b[1] - a[1] * b[0]


def _dot(a: Point, b: Point) -> float:
    return a[0] * b[0] + a[1] * b[1]
