"""Gains and losses between an antenna and a tag. Pure; dB, one way, float32 in and out."""

import math
from typing import Final

import numpy as np

from tagtrail.simulator.radio.draws import Singles

NEAREST_M: Final = np.float32(0.3)
"""Nearer than this the far field does not hold: counts as this."""
_DB: Final = np.float32(10.0 / math.log(10.0))
"""Decibels per natural logarithm of a power."""


def free_space_loss_db(distance_m: float, frequency_mhz: float) -> float:
    """Friis: 20 log10(4 pi d f / c)."""
    return 20.0 * math.log10(4.0 * math.pi * distance_m * frequency_mhz * 1e6 / 299_792_458.0)


def path_loss_db(distance2_m2: Singles, frequency_mhz: float, exponent: float) -> Singles:
    """Friis up to a metre, from there on 10 n log10(d) (log-distance model); from squared distances."""
    squared = np.maximum(distance2_m2, NEAREST_M**2)
    near = np.float32(free_space_loss_db(1.0, frequency_mhz))
    loss = _DB * np.log(squared)
    return np.asarray(near + (loss if exponent == 2.0 else np.where(loss < 0, loss, np.float32(exponent / 2.0) * loss)))


def beam_loss_db(off_axis_rad: Singles, beamwidth_rad: float, side_lobes_db: float) -> Singles:
    """12 (angle / width)² dB up to the side lobes: 3 dB at half the width (3GPP TR 36.814, table A.2.1.1-2)."""
    scaled = off_axis_rad * np.float32(math.sqrt(12.0) / beamwidth_rad)
    return np.asarray(np.minimum(scaled * scaled, np.float32(side_lobes_db)))


def body_loss_db(away: Singles, loss_db: float) -> Singles:
    """Of the wearer's body; ``away`` is 0 for an antenna ahead or overhead, 1 for one level behind."""
    return away * np.float32(loss_db)


def dipole_loss_db(along: Singles, loss_max_db: float) -> Singles:
    """Of a short dipole; ``along`` is the cosine between its axis and the direction. Pattern: sin² of the angle."""
    floor = np.float32(10.0 ** (-loss_max_db / 10.0))
    return np.asarray(-_DB * np.log(np.maximum(np.float32(1.0) - along * along, floor)))
