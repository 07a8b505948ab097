"""Draws that follow from their keys."""

import numpy as np
import pytest

from tagtrail.simulator.radio.draws import LEVELS, mixed, normals, quarter, rician_db, share, word, words


def test_the_mix_is_that_of_splitmix64() -> None:
    # First outputs of SplitMix64 from state 0, as published with xoshiro: the mix of the first multiples of its step.
    step = 0x9E3779B97F4A7C15
    states = np.array([step, 2 * step % 2**64, 3 * step % 2**64], dtype=np.uint64)
    assert [hex(out) for out in mixed(states).tolist()] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0x6c45d188009454f",
    ]


def test_words_depend_on_every_part_and_on_their_order() -> None:
    assert len({int(word(1, 2)), int(word(2, 1)), int(word(1, 2, 0)), int(word(1)), int(word(0, 1, 2))}) == 5


def test_quarters_are_even_and_do_not_know_each_other() -> None:
    drawn = words(word(7), np.arange(200_000))
    shares = np.array([share(drawn, index) for index in range(4)])
    assert ((shares >= 0) & (shares < 1)).all()
    np.testing.assert_allclose(shares.mean(axis=1), 0.5, atol=0.003)
    np.testing.assert_allclose(np.corrcoef(shares), np.eye(4), atol=0.01)
    neighbours = np.corrcoef(shares[0, :-1], shares[0, 1:])[0, 1]
    assert abs(neighbours) < 0.01
    assert quarter(drawn, 3).max() < LEVELS


def test_normals_are_normal() -> None:
    assert normals().mean() == pytest.approx(0.0, abs=1e-4)
    assert normals().std() == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("k_db", [-10.0, 3.0, 9.0, 21.0])
def test_rician_power_has_mean_one_and_the_variance_of_its_factor(k_db: float) -> None:
    power = 10.0 ** (rician_db(k_db).astype(np.float64) / 10.0)
    k = 10.0 ** (k_db / 10.0)
    assert power.mean() == pytest.approx(1.0, abs=0.005)
    assert power.var() == pytest.approx((1.0 + 2.0 * k) / (1.0 + k) ** 2, rel=0.02)  # of a noncentral chi-squared
