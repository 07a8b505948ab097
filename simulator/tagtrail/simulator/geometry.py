"""Plane geometry on arrays: points in polygons, distances to segments. Lengths are metres."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tagtrail.hardware.store import Point

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_TINY_M2: Final = 1e-12
"""Stands for the length of a segment of no length."""


def segments_of(line: Sequence[Point], *, closed: bool = False) -> Floats:
    """The segments of a line of corners, shape (n, 2, 2): segment, end, coordinate."""
    corners = np.asarray(line, dtype=np.float64)
    ends = np.roll(corners, -1, axis=0) if closed else corners[1:]
    return np.stack([corners[: len(ends)], ends], axis=1)


def distance_to_segment(points: Floats, start: Floats, end: Floats) -> Floats:
    """Distance of each point (…, 2) from the segment; the three broadcast against each other."""
    along, offset = end - start, points - start
    along_x, along_y, offset_x, offset_y = along[..., 0], along[..., 1], offset[..., 0], offset[..., 1]
    length2 = along_x * along_x + along_y * along_y
    share = (offset_x * along_x + offset_y * along_y) / np.maximum(length2, _TINY_M2)
    share = np.minimum(np.maximum(share, 0.0), 1.0)
    return np.asarray(np.hypot(offset_x - share * along_x, offset_y - share * along_y))


def distance_between_segments(a: Floats, b: Floats, c: Floats, d: Floats) -> Floats:
    """Distance between segments a-b and c-d; 0 where they cross. The four (…, 2) broadcast."""
    apart = np.minimum(
        np.minimum(distance_to_segment(a, c, d), distance_to_segment(b, c, d)),
        np.minimum(distance_to_segment(c, a, b), distance_to_segment(d, a, b)),
    )
    return np.where(segments_cross(a, b, c, d), 0.0, apart)


def segments_cross(a: Floats, b: Floats, c: Floats, d: Floats) -> Bools:
    """Whether segments a-b and c-d cross properly (touching ends do not count)."""
    return np.asarray((_side(a, b, c) * _side(a, b, d) < 0) & (_side(c, d, a) * _side(c, d, b) < 0))


def _side(a: Floats, b: Floats, p: Floats) -> Floats:
    return np.asarray(
        (b[..., 0] - a[..., 0]) * (p[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (p[..., 0] - a[..., 0])
    )


class Polygons:
    """Many polygons, asked at once which of them hold which points (even-odd rule)."""

    def __init__(self, polygons: Sequence[Sequence[Point]]) -> None:
        edges = [segments_of(polygon, closed=True) for polygon in polygons]
        most = max((len(edge) for edge in edges), default=1)
        # A short polygon is filled up with edges of no length, which no ray can cross.
        self._edges = np.zeros((len(edges), most, 2, 2))
        for padded, edge in zip(self._edges, edges, strict=True):
            padded[: len(edge)] = edge

    def holding(self, x_m: Floats, y_m: Floats) -> Bools:
        """Shape (points, polygons)."""
        x, y = x_m[:, None, None], y_m[:, None, None]
        (x0, y0), (x1, y1) = self._edges[:, :, 0].transpose(2, 0, 1), self._edges[:, :, 1].transpose(2, 0, 1)
        straddles = (y0 > y) != (y1 > y)
        rise = np.where(y1 == y0, 1.0, y1 - y0)
        left_of_edge = x < x0 + (y - y0) / rise * (x1 - x0)
        return np.asarray(np.count_nonzero(straddles & left_of_edge, axis=2) % 2 == 1)
