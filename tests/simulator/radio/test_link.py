"""Gains and losses, against cases computed by hand."""

import math

import numpy as np
import pytest

from tagtrail.simulator.radio import link
from tagtrail.simulator.radio.draws import Singles


def singles(*values: float) -> Singles:
    return np.array(values, dtype=np.float32)


def test_friis_at_one_metre_and_ten() -> None:
    # 4 pi * 1 m / (299.792458 / 915 m) = 38.354; 20 log10 of it is 31.676 dB
    assert link.free_space_loss_db(1.0, 915.0) == pytest.approx(31.676, abs=0.001)
    assert link.free_space_loss_db(10.0, 915.0) == pytest.approx(51.676, abs=0.001)


def test_path_loss_follows_the_exponent_beyond_a_metre() -> None:
    squares = singles(0.25, 1.0, 100.0)
    free = link.path_loss_db(squares, 915.0, 2.0)
    np.testing.assert_allclose(free, [31.676 - 6.021, 31.676, 51.676], atol=0.002)
    among_shelves = link.path_loss_db(squares, 915.0, 3.0)
    np.testing.assert_allclose(among_shelves, [31.676 - 6.021, 31.676, 61.676], atol=0.002)


def test_nothing_is_nearer_than_the_near_field() -> None:
    same = link.path_loss_db(singles(0.0, 0.01, float(link.NEAREST_M) ** 2), 915.0, 2.0)
    np.testing.assert_allclose(same, same[0], atol=1e-4)


def test_a_beam_loses_three_db_at_half_its_width_and_never_more_than_its_side_lobes() -> None:
    loss = link.beam_loss_db(singles(0.0, math.radians(35.0), math.radians(90.0), math.pi), math.radians(70.0), 10.0)
    np.testing.assert_allclose(loss, [0.0, 3.0, 10.0, 10.0], atol=1e-4)


def test_a_dipole_is_loudest_across_and_silent_along_its_axis() -> None:
    loss = link.dipole_loss_db(singles(0.0, math.cos(math.radians(45.0)), 1.0), 12.0)
    np.testing.assert_allclose(loss, [0.0, 3.01, 12.0], atol=0.01)
