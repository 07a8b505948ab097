"""BLE-PAD: a tag carried through a furnished floor of 20.7 x 17.6 m with 12 receivers, and where it was each moment.

Danis, Naskali, Cemgil, Ersoy: An indoor localization dataset and data collection framework with high precision position
annotation. Pervasive and Mobile Computing 81, 2022. github.com/philotuxo/Position-Annotated-BLE-RSSI-Dataset, CC0.

The zones are a grid of 4 x 4. Two things are scored: the walks (zone of each whole second), and a tag that lies still
at each surveyed point (changes of zone per minute). What lies still also serves as calibration: reference tags at known
points. Where the still tags themselves are scored, the points are taken in turn, and no point is scored with a
calibration that holds it.
"""

import ast
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tagtrail.analytics.columns import TIME_TYPE, us_of_times, validate_reads
from tagtrail.hardware.store import Store, parse_store

SIDES: Final = 4
START_US: Final = 1_581_249_600_000_000
"""All recordings are moved to begin near this whole second."""
_TOML: Final = """
[store]
id = "tetam"
name = "Open floor of a recording"
timezone = "Europe/Istanbul"

[[floor]]
id = "1F"
width_m = {width}
depth_m = {depth}
"""


class Walk(NamedTuple):
    """Checked reads, and ``epc, time, zone, x_m, y_m`` of each whole second."""

    name: str
    reads: pd.DataFrame
    truth: pd.DataFrame


def _devices(folder: Path) -> dict[str, tuple[int, tuple[float, float, float]]]:
    """Port and position of each receiver, by its address and its alias."""
    line = (folder / "cnf" / "tetam.dev").read_text("utf-8").splitlines()[0]
    found = ast.literal_eval(line.partition(":")[2])
    devices = {}
    for port, (address, (position, _, alias)) in enumerate(found.items(), start=1):
        devices[address] = devices[alias] = (port, tuple(position))
    return devices


def limits_m(folder: Path) -> tuple[float, float]:
    """Width and depth of the floor."""
    parameters = ast.literal_eval((folder / "cnf" / "tetam.par").read_text("utf-8").strip())
    return float(parameters["limits"][2]), float(parameters["limits"][3])


def zone_of(x_m: float, y_m: float, width_m: float, depth_m: float) -> str:
    """Id of the zone that holds a point; points beyond the floor belong to the nearest zone."""
    column = min(max(int(x_m / width_m * SIDES), 0), SIDES - 1)
    row = min(max(int(y_m / depth_m * SIDES), 0), SIDES - 1)
    return f"z{row}{column}"


def store_of(folder: Path) -> Store:
    """The layout that a merchandiser writes: 16 zones in a grid, a receiver at each measured place."""
    width, depth = limits_m(folder)
    width, depth = round(width + 0.005, 2), round(depth + 0.005, 2)
    lines = [_TOML.format(width=width, depth=depth)]
    for row in range(SIDES):
        for column in range(SIDES):
            x0, x1 = (round(width * side / SIDES, 3) for side in (column, column + 1))
            y0, y1 = (round(depth * side / SIDES, 3) for side in (row, row + 1))
            corners = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
            lines.append(f'[[zone]]\nid = "z{row}{column}"\nfloor = "1F"\nkind = "aisle"\npolygon = {corners}\n')
    lines.append('[[reader]]\nid = "ble"\nprotocol = "mercury"\n')
    for port, (x, y, height) in sorted(set(_devices(folder).values())):
        place = [min(max(x, 0.0), width), min(max(y, 0.0), depth), height]
        lines.append(f'[[reader.antenna]]\nport = {port}\nfloor = "1F"\nposition_m = {place}\nbeamwidth_deg = 360.0\n')
    return parse_store("\n".join(lines), "tetam.toml")


def epc_of(name: str) -> str:
    """A tag's number from a name."""
    return name.encode("ascii").hex().upper()[:128]


def _reads(
    time_us: "np.ndarray[tuple[int], np.dtype[np.int64]]", port: object, epc: object, rssi: object
) -> pd.DataFrame:
    times = pd.Series(pd.DatetimeIndex(time_us.astype("datetime64[us]")).tz_localize("UTC").astype(TIME_TYPE))
    return validate_reads(pd.DataFrame({"time": times, "reader": "ble", "antenna": port, "epc": epc, "rssi_dbm": rssi}))


def load_walks(folder: Path) -> list[Walk]:
    """All walks that are there, by name; each begins at `START_US`."""
    devices, (width, depth) = _devices(folder), limits_m(folder)
    walks = []
    for path in sorted((folder / "trk").glob("*_all_sensors.mbd")):
        frame = pd.read_csv(
            path, header=None, usecols=[0, 1, 3, 4, 5], names=list("abcdefghijklmnop"), dtype={1: str, "b": str}
        )
        frame.columns = ["time_s", "mac", "rssi", "x", "y"]
        name = path.name.removesuffix("_all_sensors.mbd")
        since = frame["time_s"].to_numpy() - np.floor(frame["time_s"].iloc[0])
        reads = _reads(
            START_US + np.rint(since * 1e6).astype(np.int64),
            frame["mac"].map(lambda mac: devices[mac][0]).to_numpy(),
            epc_of(name),
            frame["rssi"].to_numpy(dtype=float),
        )
        seconds = np.arange(int(np.ceil(since[0])), int(since[-1]) + 1)
        middle = seconds + 0.5
        x, y = (np.interp(middle, since, frame[axis]) for axis in ("x", "y"))
        zones = [zone_of(a, b, width, depth) for a, b in zip(x, y, strict=True)]
        times = pd.DatetimeIndex((START_US + seconds * 1_000_000).astype("datetime64[us]")).tz_localize("UTC")
        truth = pd.DataFrame({"epc": epc_of(name), "time": times, "zone": zones, "x_m": x, "y_m": y})
        walks.append(Walk(name, reads, truth))
    return walks


def load_still(folder: Path, data_set: int = 1) -> Walk:
    """Two minutes of a tag at each surveyed point, each with an EPC of its own, all beginning at `START_US`."""
    devices, (width, depth) = _devices(folder), limits_m(folder)
    frame = pd.read_csv(folder / f"static_set_{data_set}_first120s.csv.gz")
    epc = [
        f"{epc_of('P')}{round(x * 100):04X}{round(y * 100):04X}".replace("-", "F")
        for x, y in zip(frame["pos_x"], frame["pos_y"], strict=True)
    ]
    reads = _reads(
        START_US + frame["t_ms"].to_numpy(dtype=np.int64) * 1000,
        frame["sensor"].map(lambda name: devices[name][0]).to_numpy(),
        np.array(epc, dtype=object),
        frame["rssi"].to_numpy(dtype=float),
    )
    points = pd.DataFrame({"epc": epc, "x_m": frame["pos_x"], "y_m": frame["pos_y"], "s": frame["t_ms"] // 1000})
    points = points.drop_duplicates(["epc", "s"]).sort_values(["epc", "s"], ignore_index=True)
    points["zone"] = [zone_of(x, y, width, depth) for x, y in zip(points["x_m"], points["y_m"], strict=True)]
    times = pd.DatetimeIndex((START_US + points.pop("s").to_numpy(dtype=np.int64) * 1_000_000).astype("datetime64[us]"))
    return Walk("still", reads, points.assign(time=times.tz_localize("UTC")))


def labels(visits: pd.DataFrame, truth: pd.DataFrame) -> npt.NDArray[np.object_]:
    """Zone that one tag's visits give to the middle of each second of its truth; empty for none."""
    time_us = us_of_times(truth["time"]) + 500_000
    found = np.full(len(time_us), "", dtype=object)
    enter_us, exit_us = us_of_times(visits["enter"]), us_of_times(visits["exit"])
    for zone, low, high in zip(visits["zone"], enter_us, exit_us, strict=True):
        found[(time_us >= low) & (time_us < high)] = zone
    return found


def score(visits: pd.DataFrame, truth: pd.DataFrame) -> tuple[float, float]:
    """Share of seconds in the right zone, and changes of zone per minute, over all tags of the truth."""
    by_tag = dict(iter(visits.groupby("epc", observed=True)))
    right = changes = 0
    for epc, rows in truth.groupby("epc"):
        says = labels(by_tag.get(epc, visits.iloc[:0]), rows)
        right += int((says == rows["zone"].to_numpy()).sum())
        changes += int((says[1:] != says[:-1]).sum())
    return right / len(truth), 60 * changes / len(truth)
