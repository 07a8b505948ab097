"""How people move from second to second: they stand or walk, come in and leave at the entrances.

Each cell has two states, standing and walking; one more state is being outside. Who walks crosses a cell in about its
side over the walking speed, and leaves over a border as likely as it is long; links between floors take their time.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tagtrail.analytics.place.cells import Cells
from tagtrail.hardware.store import Store

Floats32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Gait:
    """Numbers of walking; rates are per second.

    Attributes:
        speed_m_s: Walking speed.
        stand_s: Mean time of standing at one place.
        stop_rate: How soon walkers stop at a place of interest.
        stop_rate_aisle: How soon they stop elsewhere.
        stand_aisle_s: Mean time of standing there.
        enter_rate: How soon who is outside comes in.
        leave_rate: How soon walkers in an entrance leave.
        doorless_rate: How soon walkers leave where the store file names no entrance: the floor is a closed room.
        vanish_rate: How soon walkers leave anywhere, and how much less likely they come in there.
    """

    speed_m_s: float = 2.2
    stand_s: float = 25.0
    stop_rate: float = 0.05
    stop_rate_aisle: float = 0.001
    stand_aisle_s: float = 3.0
    enter_rate: float = 0.05
    leave_rate: float = 0.05
    vanish_rate: float = 1e-4
    doorless_rate: float = 1e-30


class Walking(NamedTuple):
    """Chances of one step of a second.

    Attributes:
        start: Standing to walking, of each cell.
        stop: Walking to standing.
        leave: Walking to outside.
        enter: Outside to walking; their sum is at most 1.
        to_ptr: From cell ``c`` one walks to ``to_cell[to_ptr[c]:to_ptr[c + 1]]``, itself included.
        to_cell: See above.
        to_chance: Chance of each.
    """

    start: Floats32
    stop: Floats32
    leave: Floats32
    enter: Floats32
    to_ptr: Ints
    to_cell: Ints
    to_chance: Floats32


def make_walking(store: Store, cells: Cells, gait: Gait) -> Walking:
    """Chances of a step in a store."""
    count = len(cells)
    kinds = np.array([zone.kind for zone in store.zone] + ["none"])[cells.zone]
    interesting = np.isin(kinds, ["counter", "checkout", "fitting", "staff"])
    stop = np.where(interesting, gait.stop_rate, gait.stop_rate_aisle)
    is_door = kinds == "entrance"
    if not is_door.any():
        is_door = np.ones(count, dtype=np.bool_)
        door_rate = gait.doorless_rate
    else:
        door_rate = gait.leave_rate
    leave = np.where(is_door, door_rate, gait.vanish_rate)
    weight = np.where(is_door, cells.area_m2, 0.0)
    enter = gait.enter_rate * (0.95 * weight / weight.sum() + 0.05 * cells.area_m2 / cells.area_m2.sum())

    one, other = cells.borders.T
    rows, columns = np.concatenate([one, other]), np.concatenate([other, one])
    border_m = np.concatenate([cells.border_m, cells.border_m])
    total_m = np.bincount(rows, border_m, minlength=count)
    rate = np.minimum(gait.speed_m_s / np.sqrt(cells.area_m2[rows]), 3.0) * border_m / np.maximum(total_m[rows], 1e-9)
    linked = [_link(store, cells, link.from_zone, link.to_zone, link.seconds) for link in store.link]
    rows = np.concatenate([rows, *(link[0] for link in linked)])
    columns = np.concatenate([columns, *(link[1] for link in linked)])
    rate = np.concatenate([rate, *(link[2] for link in linked)])
    total = np.bincount(rows, rate, minlength=count)
    moves = 1.0 - np.exp(-total)
    chance = rate / np.maximum(total[rows], 1e-9) * moves[rows] * (1.0 - stop - leave)[rows]
    stays = 1.0 - stop - leave - np.bincount(rows, chance, minlength=count)
    rows, columns = np.concatenate([rows, np.arange(count)]), np.concatenate([columns, np.arange(count)])
    chance = np.concatenate([chance, stays])
    return Walking(
        (1.0 / np.where(interesting, gait.stand_s, gait.stand_aisle_s)).astype(np.float32),
        stop.astype(np.float32),
        leave.astype(np.float32),
        enter.astype(np.float32),
        *_compressed(rows, columns, chance, count),
    )


def _link(store: Store, cells: Cells, one: str, other: str, seconds: float) -> tuple[Ints, Ints, Floats]:
    """From each cell of either zone to those of the other."""
    names = [zone.id for zone in store.zone]
    a, b = (np.flatnonzero(cells.zone == names.index(zone)) for zone in (one, other))
    rows = np.concatenate([np.repeat(a, len(b)), np.repeat(b, len(a))])
    columns = np.concatenate([np.tile(b, len(a)), np.tile(a, len(b))])
    share = np.concatenate([np.full(len(a) * len(b), 1 / max(len(b), 1)), np.full(len(a) * len(b), 1 / max(len(a), 1))])
    return rows, columns, share / seconds


def _compressed(rows: Ints, columns: Ints, chance: Floats, count: int) -> tuple[Ints, Ints, Floats32]:
    order = np.lexsort((columns, rows))
    pointers = np.searchsorted(rows[order], np.arange(count + 1))
    return pointers, columns[order], chance[order].astype(np.float32)
