"""A picture of the radio model itself: where a store is read, how far an antenna reads, how many tags it copes with."""

import math
from pathlib import Path
from typing import Final

import numpy as np
from msgspec.structs import replace

from tagtrail.hardware.store import Antenna, Reader, Store
from tagtrail.simulator.compare.plots import RECORDED, SIMULATED, panels, save
from tagtrail.simulator.geometry import Floats
from tagtrail.simulator.presence import CYCLE_US, CYCLES_PER_SECOND, Body, Presence, Tag
from tagtrail.simulator.radio.gen2 import read_chances
from tagtrail.simulator.radio.model import RadioModel
from tagtrail.simulator.radio.radio import Radio

MODEL: Final = "model.png"
CYCLES: Final = 40
"""At each place: ten headings, for two seconds each."""
TURNS: Final = 10
TAGS_MAX: Final = 150


def draw_model(out: Path, store: Store, model: RadioModel, seed: int) -> None:
    """Write the picture into a folder; the map is that of the store's first floor."""
    figure, (place, distance, tags) = panels(3, across=3, height=3.0, ratios=(1.8, 1.1, 1.1))
    floor = store.floor[0]
    x_m, y_m = np.meshgrid(np.arange(0.5, floor.width_m), np.arange(0.5, floor.depth_m))
    rates = _rates(Radio(store, model, seed=seed), x_m.ravel(), y_m.ravel(), None).reshape(x_m.shape)
    image = place.imshow(rates, origin="lower", extent=(0, floor.width_m, 0, floor.depth_m), cmap="viridis", vmin=0.0)
    here = [antenna for reader in store.reader for antenna in reader.antenna if antenna.floor == floor.id]
    at = np.array([antenna.position_m[:2] for antenna in here]).reshape(-1, 2)
    place.scatter(at[:, 0], at[:, 1], s=18, color="white", marker="^")
    figure.colorbar(image, ax=place, label="reads per second", shrink=0.75)
    place.set(title=f"{store.store.name}, {floor.id}", xlabel="m", ylabel="m")
    away_m = np.arange(0.0, 12.1, 0.5)
    for facing, colour, name in ((math.pi, RECORDED, "facing it"), (0.0, SIMULATED, "turned away")):
        rates = np.mean(
            [_rates(_single(store, model, each), away_m, away_m * 0.0, facing) for each in range(20)], axis=0
        )
        distance.plot(away_m, rates, color=colour, label=name)
    distance.set(title="one antenna, 30 dBm", xlabel="m on the floor", ylabel="reads per second", ylim=(0, None))
    distance.legend(frameon=False, fontsize=8)
    for turn_ms, colour in ((500.0, RECORDED), (125.0, SIMULATED)):
        chances = read_chances(TAGS_MAX, turn_ms, model)[1:]
        tags.plot(np.arange(1, TAGS_MAX + 1), chances, color=colour, label=f"turn of {turn_ms:g} ms")
    tags.set(title="chance to be told", xlabel="tags in view", ylim=(0, 1.05))
    tags.legend(frameon=False, fontsize=8)
    save(figure, out / MODEL)


def _single(store: Store, model: RadioModel, seed: int) -> Radio:
    reader = Reader("r", "mercury", (Antenna(1, store.floor[0].id, (12.0, 12.0, 3.0)),))
    return Radio(replace(store, reader=(reader,)), model, seed=seed)


def _rates(radio: Radio, x_m: Floats, y_m: Floats, facing_rad: float | None) -> Floats:
    """Reads per second at places, one person at a time: of all antennas, at headings all round if none is given."""
    if facing_rad is not None:  # places count from the only antenna
        x_m, y_m = x_m + 12.0, y_m + 12.0
    cycles = len(x_m) * CYCLES
    around: Floats = np.multiply(np.arange(cycles) % CYCLES * TURNS // CYCLES, 2.0 * math.pi / TURNS)
    still = np.zeros(cycles, dtype=np.int64)
    presence = Presence(
        cycle=np.arange(cycles),
        body=still,
        floor=still,
        x_m=np.repeat(x_m, CYCLES),
        y_m=np.repeat(y_m, CYCLES),
        facing_rad=around if facing_rad is None else np.full(cycles, facing_rad),
        zone=still,
        bodies={0: Body(0, "shopper", (Tag(0, "0" * 24),), 0)},
    )
    reads = radio.reads(presence, radio.store_powers_dbm)
    counts = np.bincount(reads.time_us // (CYCLES * CYCLE_US), minlength=len(x_m))
    return np.asarray(counts / (CYCLES / CYCLES_PER_SECOND))
