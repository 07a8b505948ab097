"""The people of a recording once more, in the simulated radio: same rooms, same stays, same length. Pure.

A recording says at which place its wearer was, not where there nor facing whither. So each place gets a heading at
random, for beds and chairs stand still, and each stay a spot and heading somewhat off that: at a bed or chair around
its middle, swaying a little; on the floor walking to and fro.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from tagtrail.hardware.store import Store, Zone
from tagtrail.simulator.compare.trials import Stay, Trial
from tagtrail.simulator.geometry import Floats
from tagtrail.simulator.presence import CYCLE_S, Body, Presence, Tag
from tagtrail.simulator.radio.model import RadioModel
from tagtrail.simulator.radio.radio import Radio

WALK_M_PER_S: Final = 0.7
"""Older people in a small room (Bohannon 1997 gives 1.3 m/s for a free way of healthy ones)."""
SPOT_SD_M: Final = 0.25
HEADING_SD_RAD: Final = 0.4
"""How far people turn on a bed or chair."""
_PLACE: Final = 1
"""Random stream of what all trials share; 0 is that of the trials."""
SWAY_M: Final = 0.02
"""Of a person who sits: within a few centimetres."""
CHEST_M: Final = 1.1


def simulated_trials(trials: Sequence[Trial], store: Store, model: RadioModel, seed: int) -> list[Trial]:
    """What the radio makes of the stays of some trials; one after the other, as each had the room for itself."""
    radio = Radio(store, model, seed=seed)
    return [_simulated(trial, number, store, radio, seed) for number, trial in enumerate(trials)]


def _simulated(trial: Trial, number: int, store: Store, radio: Radio, seed: int) -> Trial:
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, number)))
    body = Body(number, "shopper", (Tag(number, f"{number:024X}", 0.0, CHEST_M, 1.0),), number)
    floors = {floor.id: index for index, floor in enumerate(store.floor)}
    headings = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_PLACE,))).uniform(
        0.0, 2.0 * math.pi, len(store.zone)
    )
    heading_of = dict(zip(store.zone_by_id, headings.tolist(), strict=True))
    columns = []
    for index, stay in enumerate(trial.stays):
        zone = store.zone_by_id[stay.place]
        cycle = np.arange(math.ceil(stay.start_s / CYCLE_S), math.ceil(stay.end_s / CYCLE_S))
        x_m, y_m, facing = _whereabouts(zone, np.multiply(cycle, CYCLE_S), heading_of[zone.id], rng)
        columns.append((cycle, np.full(len(cycle), floors[zone.floor]), x_m, y_m, facing, np.full(len(cycle), index)))
    cycle, floor, x_m, y_m, facing, stays = (np.concatenate(column) for column in zip(*columns, strict=True))
    of_cycle, first = np.unique(cycle, return_index=True)
    everywhere = np.zeros(len(first), dtype=np.int64)
    presence = Presence(
        cycle=of_cycle,
        body=everywhere + number,
        floor=floor[first].astype(np.int64),
        x_m=x_m[first],
        y_m=y_m[first],
        facing_rad=facing[first],
        zone=everywhere,
        bodies={number: body},
    )
    reads = radio.reads(presence, radio.store_powers_dbm)
    ports = np.array([antenna.port for _, antenna in radio.antennas])
    time_s = reads.time_us / 1e6
    at = np.searchsorted(of_cycle, reads.time_us // round(CYCLE_S * 1e6))
    return Trial(
        name=trial.name,
        reader=trial.reader,
        stays=trial.stays,
        time_s=time_s,
        port=ports[reads.antenna],
        rssi_dbm=reads.rssi_dbm,
        stay=stays[first][at],
    )


def _whereabouts(zone: Zone, time_s: Floats, heading: float, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Position and heading in a stay, by time."""
    corners = np.array(zone.polygon)
    x_m, y_m = corners.mean(axis=0) + rng.normal(0.0, SPOT_SD_M, 2)
    phase = rng.uniform(0.0, 2.0 * math.pi)
    heading += rng.normal(0.0, HEADING_SD_RAD)
    if zone.kind != "aisle":
        sway = SWAY_M * np.sin(time_s[:, None] * rng.uniform(0.2, 1.0, 2) + phase)
        return x_m + sway[:, 0], y_m + sway[:, 1], np.full(len(time_s), heading)
    (low_x, low_y), (high_x, high_y) = corners.min(axis=0), corners.max(axis=0)
    length_m = max(high_x - low_x, high_y - low_y) / 2.0
    way = (WALK_M_PER_S * time_s + phase * length_m) % (2.0 * length_m)  # there, and back
    there = way < length_m
    along = np.where(there, way, 2.0 * length_m - way) - length_m / 2.0
    facing = heading + np.where(there, 0.0, math.pi)
    return x_m + along * math.cos(heading), y_m + along * math.sin(heading), facing


def stay_seconds(stays: Sequence[Stay]) -> dict[str, float]:
    """Seconds by place."""
    seconds: dict[str, float] = {}
    for stay in stays:
        seconds[stay.place] = seconds.get(stay.place, 0.0) + stay.end_s - stay.start_s
    return seconds
