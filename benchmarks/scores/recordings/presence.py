"""One tag at one reader, with a read rate that nobody has told: when was it there?

A simulated experiment: each second the reader asks the tag 5 times; a tag that is there, and not hidden in this second,
answers each time with chance ``answer``; a tag that is not there is read all the same in a share ``cross`` of seconds.
Stays and absences have exponential lengths with means of 40 and 80 s. A hidden Markov chain hides the tag for 30 % of
its time, 1.7 s at a time: with this a chance of 0.3 gives the known share of seconds with reads (0.58), the known
errors of fixed windows, and those of a hidden Markov model that knows the rates (error 0.02, F1 0.87).

The error is the share of seconds in which presence is wrong; F1 is that of stays at an intersection over union of 0.5.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tagtrail.analytics.columns import EPC, TIME_TYPE, us_of_times, validate_reads
from tagtrail.hardware.store import Store, parse_store

Bools = npt.NDArray[np.bool_]
START_US: Final = 1_400_000_000_000_000
ASKED: Final = 5
STAY_S: Final = 40.0
AWAY_S: Final = 80.0
HIDDEN_SHARE: Final = 0.3
HIDDEN_S: Final = 1.7
IOU_MIN: Final = 0.5
_TOML: Final = """
[store]
id = "presence"
name = "One reader"
timezone = "UTC"

[[floor]]
id = "1F"
width_m = 4.0
depth_m = 4.0

[[zone]]
id = "here"
floor = "1F"
kind = "entrance"
polygon = [[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]]

[[reader]]
id = "r"
protocol = "mercury"

[[reader.antenna]]
port = 1
floor = "1F"
position_m = [2.0, 2.0, 2.5]
"""


class Presences(NamedTuple):
    """Checked reads, and whether each tag was there in each second since `START_US`."""

    reads: pd.DataFrame
    here: dict[str, Bools]


class Score(NamedTuple):
    """Share of wrong seconds, and F1 of stays."""

    error: float
    f1: float


def store_of() -> Store:
    """An entrance of 4 x 4 m with an antenna over its middle: who is not there is outside."""
    return parse_store(_TOML, "presence.toml")


def make(rng: np.random.Generator, *, tags: int, seconds: int, answer: float = 0.3, cross: float = 0.01) -> Presences:
    """Tags that come and go."""
    here: dict[str, Bools] = {}
    rows: list[tuple[str, npt.NDArray[np.int64]]] = []
    for number in range(tags):
        epc = f"{0xE2000000 + number:08X}"
        there = _switching(rng, seconds, 1 / AWAY_S, 1 / STAY_S)
        hidden = _switching(rng, seconds, HIDDEN_SHARE / (1 - HIDDEN_SHARE) / HIDDEN_S, 1 / HIDDEN_S)
        answers = np.where(there & ~hidden, rng.binomial(ASKED, answer, seconds), 0)
        answers = np.where(~there & (rng.random(seconds) < cross), 1, answers)
        second = np.repeat(np.arange(seconds), answers)
        nth = np.arange(len(second)) - np.searchsorted(second, second)
        rows.append((epc, second * 1_000_000 + nth * (1_000_000 // ASKED) + 50_000))
        here[epc] = there
    times = pd.DatetimeIndex((START_US + np.concatenate([time for _, time in rows])).astype("datetime64[us]"))
    epcs = np.repeat(np.array([epc for epc, _ in rows], dtype=object), [len(time) for _, time in rows])
    frame = pd.DataFrame({"time": pd.Series(times.tz_localize("UTC").astype(TIME_TYPE)), "reader": "r", "antenna": 1})
    return Presences(validate_reads(frame.assign(epc=epcs, rssi_dbm=np.nan)), here)


def _switching(rng: np.random.Generator, seconds: int, on: float, off: float) -> Bools:
    """A chain of two states, with the chances of its changes per second."""
    state = np.zeros(seconds, dtype=np.bool_)
    now = bool(rng.random() < on / (on + off))
    for second, chance in enumerate(rng.random(seconds).tolist()):
        state[second] = now
        now = chance >= off if now else chance < on
    return state


def score(visits: pd.DataFrame, here: dict[str, Bools]) -> Score:
    """How well visits to the zone say when the tags were there."""
    wrong = total = hits = stays = 0
    for epc, there in here.items():
        says = np.zeros(len(there), dtype=np.bool_)
        mine = visits[visits[EPC] == epc]
        enter, exit_ = ((us_of_times(mine[side]) - START_US) / 1e6 for side in ("enter", "exit"))
        for low, high in zip(np.rint(enter).astype(int), np.rint(exit_).astype(int), strict=True):
            says[max(low, 0) : max(high, 0)] = True
        wrong += int((says != there).sum())
        total += len(there)
        true, told = _runs(there), _runs(says)
        both = np.minimum(true[:, None, 1], told[:, 1]) - np.maximum(true[:, None, 0], told[:, 0])
        either = np.maximum(true[:, None, 1], told[:, 1]) - np.minimum(true[:, None, 0], told[:, 0])
        match = both >= IOU_MIN * either
        hits += min(int(match.any(axis=1).sum()), int(match.any(axis=0).sum()))
        stays += len(true) + len(told)
    return Score(wrong / total, 2 * hits / max(stays, 1))


def _runs(state: Bools) -> npt.NDArray[np.int64]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], state.astype(np.int64), [0]])))
    return edges.reshape(-1, 2)
