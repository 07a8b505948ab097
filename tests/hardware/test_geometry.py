"""Plane geometry: figures whose answers are known by other means, and laws that hold for all."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tagtrail.hardware import geometry
from tagtrail.hardware.geometry import Point

SQUARE: list[Point] = [(0, 0), (4, 0), (4, 4), (0, 4)]
L_SHAPE: list[Point] = [(0, 0), (6, 0), (6, 2), (2, 2), (2, 6), (0, 6)]
TRIANGLE: list[Point] = [(0, 0), (4, 0), (0, 3)]

coordinates = st.integers(-20, 20).map(lambda tenths: tenths / 10)
points = st.tuples(coordinates, coordinates)


@st.composite
def star_shapes(draw: st.DrawFn) -> list[Point]:
    """Simple polygons of any shape that a point in the middle can see all of, convex or not."""
    middle = draw(points)
    count = draw(st.integers(3, 9))
    radii = draw(st.lists(st.floats(0.2, 3), min_size=count, max_size=count))
    return [
        (middle[0] + r * math.cos(2 * math.pi * i / count), middle[1] + r * math.sin(2 * math.pi * i / count))
        for i, r in enumerate(radii)
    ]


def moved(polygon: list[Point], dx: float, dy: float) -> list[Point]:
    return [(x + dx, y + dy) for x, y in polygon]


@pytest.mark.parametrize(("polygon", "expected"), [(SQUARE, 16), (L_SHAPE, 20), (TRIANGLE, 6), (TRIANGLE[::-1], 6)])
def test_area(polygon: list[Point], expected: float) -> None:
    assert geometry.area(polygon) == expected


@pytest.mark.parametrize(
    ("polygon", "contact"),
    [
        (SQUARE, None),
        (L_SHAPE, None),
        (TRIANGLE, None),
        ([(0, 0), (2, 0), (4, 0), (4, 4), (0, 4)], None),  # a corner on a straight side
        ([(0, 0), (2, 2), (2, 0), (0, 2)], (1, 1)),  # bow tie
        ([(0, 0), (1, 0), (2, 0)], (2, 0)),  # all on a line
        ([(0, 0), (4, 0), (4, 0), (0, 4)], (4, 0)),  # a corner twice in a row
        ([(0, 0), (4, 0), (4, 4), (0, 4), (0, 0)], (0, 0)),  # closed by hand
        ([(0, 0), (4, 0), (4, 4), (2, 0), (0, 4)], (2, 0)),  # a corner that touches a side
        ([(0, 0), (6, 0), (6, 2), (4, 2), (4, 0), (2, 0), (2, 2), (0, 2)], (4, 0)),  # sides upon each other
    ],
)
def test_self_contact(polygon: list[Point], contact: Point | None) -> None:
    assert geometry.self_contact(polygon) == contact


@pytest.mark.parametrize(
    ("segments", "contact"),
    [
        ([(0, 0), (4, 4), (0, 4), (4, 0)], (2, 2)),
        ([(0, 0), (4, 0), (2, 0), (2, 3)], (2, 0)),
        ([(0, 0), (4, 0), (3, 0), (9, 0)], (3, 0)),
        ([(0, 0), (4, 0), (5, 0), (9, 0)], None),
        ([(0, 0), (4, 0), (0, 1), (4, 1)], None),
        ([(0, 0), (4, 0), (5, -1), (5, 1)], None),
    ],
)
def test_segment_contact(segments: list[Point], contact: Point | None) -> None:
    a, b, c, d = segments
    assert geometry.segment_contact(a, b, c, d) == contact
    assert (geometry.segment_contact(c, d, a, b) is None) == (contact is None)


@pytest.mark.parametrize(
    ("point", "inside", "distance"),
    [
        ((1, 1), True, 0),
        ((1, 5), True, 0),
        ((0, 0), True, 0),  # corner
        ((6, 1), True, 0),  # side
        ((2, 2), True, 0),  # inner corner
        ((1, 2), True, 0),  # level with a side
        ((-1, 2), False, 1),
        ((3, 3), False, 1),  # in the nook
        ((9, 6), False, 5),
        ((7, 0), False, 1),  # level with the lowest side
    ],
)
def test_point_and_polygon(point: Point, inside: bool, distance: float) -> None:
    assert geometry.contains(L_SHAPE, point) is inside
    assert geometry.distance(point, L_SHAPE) == distance


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (SQUARE, moved(SQUARE, 4, 0), 0),  # a common side
        (SQUARE, moved(SQUARE, 4, 4), 0),  # a common corner
        (SQUARE, moved(SQUARE, 9, 0), 0),
        (SQUARE, moved(SQUARE, 3, 2), 2),
        (SQUARE, SQUARE[::-1], 16),
        (SQUARE, [(1, 1), (2, 1), (2, 2), (1, 2)], 1),  # one within the other
        (L_SHAPE, [(2, 2), (6, 2), (6, 6), (2, 6)], 0),  # the square that fills its nook
        (L_SHAPE, SQUARE, 12),
        (L_SHAPE, [(0, 6), (6, 0), (6, 6)], 4),  # two separate pieces
        (SQUARE, [(-2, 2), (2, -2), (6, 2), (2, 6)], 16),  # a diamond through its corners
    ],
)
def test_overlap_area(first: list[Point], second: list[Point], expected: float) -> None:
    assert geometry.overlap_area(first, second) == pytest.approx(expected, abs=1e-12)


@given(star_shapes(), star_shapes())
def test_overlap_is_symmetric_and_no_larger_than_either(first: list[Point], second: list[Point]) -> None:
    overlap = geometry.overlap_area(first, second)
    assert overlap == pytest.approx(geometry.overlap_area(second, first), abs=1e-6)
    assert overlap <= min(geometry.area(first), geometry.area(second)) + 1e-6


@given(star_shapes())
def test_a_polygon_overlaps_itself_with_its_area(polygon: list[Point]) -> None:
    assert geometry.self_contact(polygon) is None
    assert geometry.overlap_area(polygon, polygon) == pytest.approx(geometry.area(polygon), abs=1e-6)


@given(star_shapes(), st.floats(-3, 3))
def test_two_halves_of_a_polygon_share_no_area(polygon: list[Point], height: float) -> None:
    below: list[Point] = [(-9, -9), (9, -9), (9, height), (-9, height)]
    above: list[Point] = [(-9, height), (9, height), (9, 9), (-9, 9)]
    halves = geometry.overlap_area(polygon, below) + geometry.overlap_area(polygon, above)
    assert halves == pytest.approx(geometry.area(polygon), abs=1e-6)


@given(star_shapes(), points)
def test_only_points_outside_are_away(polygon: list[Point], point: Point) -> None:
    away = geometry.distance(point, polygon)
    assert (away == 0) == geometry.contains(polygon, point)
    assume(away > 0.01)
    tiny = [(point[0] + dx, point[1] + dy) for dx, dy in ((-0.005, -0.005), (0.005, -0.005), (0, 0.005))]
    assert geometry.overlap_area(polygon, tiny) == 0
