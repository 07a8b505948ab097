"""The field of shadows."""

import math

import numpy as np
import pytest

from tagtrail.simulator.radio.draws import word
from tagtrail.simulator.radio.model import RadioModel
from tagtrail.simulator.radio.shadowing import CELL_M, Grid, correlated


@pytest.mark.parametrize("lag", [1, 5, 10, 20])
def test_shadows_correlate_as_gudmundson_says(lag: int) -> None:
    fields = [correlated(np.random.default_rng(seed), (120, 150), 10.0) for seed in range(40)]
    products = [np.mean(field[:, lag:] * field[:, :-lag]) for field in fields]
    assert np.mean(products) == pytest.approx(math.exp(-lag / 10.0), abs=0.06)
    assert np.mean([np.mean(field**2) for field in fields]) == pytest.approx(1.0, abs=0.06)


def test_a_key_is_a_field_and_another_is_another() -> None:
    grid, model = Grid(20.0, 10.0), RadioModel()
    one, same, other = (grid.field_db(model, word(key)) for key in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.5
    assert one.std() == pytest.approx(model.shadowing_sd_db, rel=0.5)


def test_between_nodes_the_field_is_interpolated_and_at_the_edge_it_ends() -> None:
    grid = Grid(4.0, 3.0)
    rows, columns = grid.shape
    y, x = np.divmod(np.arange(rows * columns, dtype=np.float32), np.float32(columns))
    slope = (x * CELL_M + 10.0 * y * CELL_M).astype(np.float32)
    at = np.array([[0.0, 0.0], [1.3, 0.77], [3.99, 2.99], [-5.0, 9.0]], dtype=np.float32)
    values = grid.interpolated(slope, grid.spots(at[:, 0], at[:, 1]))
    np.testing.assert_allclose(values, [0.0, 1.3 + 7.7, 3.99 + 29.9, 30.0], atol=0.01)


def test_the_most_around_a_spot_bounds_the_field_there() -> None:
    grid = Grid(6.0, 5.0)
    field = grid.field_db(RadioModel(), word(3))
    rng = np.random.default_rng(1)
    spots = grid.spots(*(rng.uniform(0.0, (6.0, 5.0), (1000, 2)).astype(np.float32).T))
    assert (grid.interpolated(field, spots) <= grid.most_around(field)[spots.node] + 1e-4).all()
