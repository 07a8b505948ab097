"""Random draws that follow from what they are for, not from how many were made before: counter-based.

A key (seed, cycle, antenna, tag, ...) is mixed into 64 bits that look random (the finaliser of SplitMix64, Steele, Lea
and Flood 2014). So the same person has the same luck whoever else is there, and however the time is cut into blocks.
The bits are taken as four numbers of 16, each an index into a table of quantiles.
"""

from collections.abc import Callable
from functools import cache
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Singles = NDArray[np.float32]

LEVELS: Final = 1 << 16
"""Size of a table of quantiles: the n-th is that of (n + 1/2) / LEVELS."""
_MASK: Final = (1 << 64) - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15
_MULTIPLIERS: Final = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_SHIFTS: Final = (np.uint64(30), np.uint64(27), np.uint64(31))


def mixed(words: Words) -> Words:
    """The words mixed in place, one to one."""
    shifted = np.empty_like(words)
    for shift, multiplier in zip(_SHIFTS, (*_MULTIPLIERS, 0), strict=True):
        np.right_shift(words, shift, out=shifted)
        np.bitwise_xor(words, shifted, out=words)
        if multiplier:
            np.multiply(words, np.uint64(multiplier), out=words)
    return words


def word(*parts: int) -> np.uint64:
    """One word for a key of whole numbers; order matters."""
    state = 0
    for part in parts:
        state = (state + part * _GOLDEN + _GOLDEN) & _MASK
        for shift, multiplier in zip((30, 27), _MULTIPLIERS, strict=True):
            state = ((state ^ (state >> shift)) * multiplier) & _MASK
        state ^= state >> 31
    return np.uint64(state)


def words(first: np.uint64, numbers: NDArray[np.int64]) -> Words:
    """A word for each number, under a key made by `word`."""
    return mixed(numbers.astype(np.uint64) * np.uint64(_GOLDEN) + first)


def quarter(words: Words, index: int) -> NDArray[np.uint16]:
    """The index-th 16 bits (0 to 3) of each word, each quarter independent of the others."""
    return words.view(np.uint16).reshape(-1, 4)[:, index]


def share(words: Words, index: int) -> Singles:
    """A quarter as a number from 0 to less than 1."""
    return quarter(words, index) * np.float32(1 / LEVELS)


def _middles() -> NDArray[np.float64]:
    return np.asarray((np.arange(LEVELS) + 0.5) / LEVELS)


@cache
def normals() -> Singles:
    """Quantiles of the standard normal distribution; they end at ±4.3."""
    quantile: Callable[[float], float] = NormalDist().inv_cdf
    return np.array([quantile(middle) for middle in _middles().tolist()], dtype=np.float32)


@cache
def rician_db(k_db: float) -> Singles:
    """Quantiles of the power of a Rician channel in dB against its mean.

    Args:
        k_db: Power of the steady part against that of the scattered part (Rician K factor).

    With r the amplitude over that of the steady part and K the factor as a ratio, the density is
    2 K r exp(-K (r - 1)²) e^(-2Kr) I0(2Kr): I0 is taken scaled, so that it does not overflow.
    """
    k = 10.0 ** (k_db / 10.0)
    amplitude = np.linspace(1e-4, 1.0 + 7.0 / np.sqrt(2.0 * k), 20_001)
    density = amplitude * np.exp(-k * (amplitude - 1.0) ** 2) * _scaled_i0(2.0 * k * amplitude)
    below = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2.0)])
    quantiles = np.interp(_middles(), below / below[-1], amplitude)
    mean = 1.0 + 1.0 / k  # of the power, the steady part being 1
    return np.asarray(10.0 * np.log10(quantiles**2 / mean), dtype=np.float32)


def _scaled_i0(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """exp(-x) I0(x): the modified Bessel function, for large x by its asymptotic series (Abramowitz, Stegun 9.7.1)."""
    small = np.minimum(x, 50.0)
    large = np.maximum(x, 50.0)
    series = (1.0 + 1.0 / (8.0 * large) + 9.0 / (128.0 * large**2)) / np.sqrt(2.0 * np.pi * large)
    return np.where(x <= 50.0, np.exp(-small) * np.i0(small), series)
