"""What a second says of where a tag is: its reads, their strength, and its silence."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tagtrail.analytics.place.hearing import LEVEL_MIN_DBM, LEVELS, Bools, Floats, Hearing

Floats32 = npt.NDArray[np.float32]

AGES: Final = 120
"""Seconds of a silence that are told apart."""
CROWDS: Final = (1, 2, 3, 5, 9, 17)
"""Reads in a second from which on each of them is trusted less."""
HEARD: Final = 0.1
"""Chance of a read in a second from which on a cell counts as heard."""


@dataclass(frozen=True, kw_only=True)
class Trust:
    """How far evidence is believed; the same for all stores.

    Attributes:
        alike: How much less each of several reads in a second says than one alone: they share body and fade.
        steadiness: Shape of the negative binomial counts per second; large for Poisson.
        stray: Share of reads that may come from anywhere.
        quiet: Power of silence when it is asked in which cell a tag is: one second's is much like the next one's.
        hide_rate: How soon a tag that is heard is hidden by a body, per second.
        show_rate: How soon a hidden tag shows again.
        left_hide_rate: As ``hide_rate``, where it is asked whether a tag at a door has left.
        left_show_rate: As ``show_rate``, for the same.
    """

    alike: float = 0.5
    steadiness: float = 5.0
    stray: float = 0.02
    quiet: float = 0.35
    hide_rate: float = 0.05
    show_rate: float = 0.01
    left_hide_rate: float = 0.02
    left_show_rate: float = 0.3


class Tables(NamedTuple):
    """Likelihoods ready to be multiplied.

    Attributes:
        silence: Of a second without reads in each cell, by the seconds without reads so far (1 to `AGES`), this one
            included; row 0 is of a second with reads, apart from these.
        read: Factor of one read, shape (crowds * antennas * levels, cells); at most 1.
        read_outside: The same for a tag that is outside.
    """

    silence: Floats32
    read: Floats32
    read_outside: Floats32


def make_tables(hearing: Hearing, trust: Trust, is_door: Bools) -> Tables:
    """Likelihoods of what is heard in a second.

    Bodies hide tags for a while, so counts spread more than those of Poisson: they are negative binomial with mean
    ``R``, the sum of the antennas' rates, and shape ``k``. Its factors are ``(k / (k + R))^k`` for the second and
    ``rate / (k + R)`` for each read of an antenna, apart from constants. Strengths are of Student's t with 5 degrees of
    freedom: a fade of three standard deviations is nothing special.

    Args:
        hearing: The radio map.
        trust: See there.
        is_door: Whether one can leave the store from each cell.
    """
    level = LEVEL_MIN_DBM + np.arange(LEVELS)
    off = (level[None, :, None] - hearing.mean_dbm[:, None, :]) / hearing.sd_db[:, None, None]
    antennas, cells = hearing.rate.shape
    density = np.concatenate([(1 + off**2 / 5) ** -3, np.ones((antennas, 1, cells))], axis=1)
    share = hearing.rate / (hearing.rate.sum(axis=0) + trust.steadiness)
    heard = share[:, None, :] * density
    anywhere = np.maximum(share.mean(axis=1), 1e-6)[:, None, None]
    strays = trust.stray * anywhere * np.concatenate([np.full(LEVELS, 0.3), [1.0]])[None, :, None]
    most = (heard + strays).max(axis=2, keepdims=True)
    inside, outside = ((heard + strays) / most).reshape(-1, cells), (strays / most).reshape(-1)
    powers = [1 / (1 + trust.alike * (crowd - 1)) for crowd in CROWDS]
    return Tables(
        silence=_silence(hearing, trust, is_door).astype(np.float32),
        read=np.concatenate([inside**power for power in powers]).astype(np.float32),
        read_outside=np.concatenate([outside**power for power in powers]).astype(np.float32),
    )


def awake(hearing: Hearing, trust: Trust) -> Floats:
    """Share of the tags in each cell that are not hidden, by the seconds they have been silent: (ages + 1, cells)."""
    quiet, shown = quiet_share(hearing, trust), _shown(trust.left_hide_rate, trust.left_show_rate)[:, None]
    return np.concatenate([np.ones((1, len(quiet))), shown * quiet / (1 - shown * (1 - quiet))])


def quiet_share(hearing: Hearing, trust: Trust) -> Floats:
    """Chance of a second without reads of a tag that is not hidden, by cell."""
    return np.asarray((trust.steadiness / (trust.steadiness + hearing.rate.sum(axis=0))) ** trust.steadiness)


def _silence(hearing: Hearing, trust: Trust, is_door: Bools) -> Floats:
    """Likelihood of silence, by its age and cell.

    A silent tag may be hidden, the more likely the longer it is silent, so each further second says less of the cell.
    Of whether a tag has left by the door it says more, as it is: a tag that is there shows again soon.
    """
    quiet = quiet_share(hearing, trust)
    shown = _shown(trust.hide_rate, trust.show_rate)
    silence = np.concatenate([quiet[None], 1 - shown[:, None] * (1 - quiet)]) ** trust.quiet
    usual = float(np.median(quiet[quiet < quiet.max()])) if (quiet < quiet.max()).any() else float(quiet.mean())
    stays = (1 - _shown(trust.left_hide_rate, trust.left_show_rate) * (1 - usual)) / (
        1 - shown * (1 - usual)
    ) ** trust.quiet
    # Where no antenna hears a tag, silence says nothing of its leaving.
    silence[1:] *= stays[:, None] ** np.where(is_door, np.clip((1 - quiet) / HEARD, 0.0, 1.0), 0.0)
    return np.asarray(silence)


def _shown(hide_rate: float, show_rate: float, silence: float = 0.4) -> Floats:
    """Share of tags not hidden in each second of a silence: a chain of two states that begins shown.

    Args:
        hide_rate: Chance per second to be hidden.
        show_rate: Chance per second to show again.
        silence: Chance that a tag which is not hidden is not read in a second.
    """
    shown, hidden = [], hide_rate
    for _ in range(AGES + 1):
        shown.append(1 - hidden)
        after = hidden / (hidden + (1 - hidden) * silence)
        hidden = after * (1 - show_rate) + (1 - after) * hide_rate
    return np.array(shown)
