"""The HTML file: styles, script and data in one, nothing comes from anywhere else."""

import base64
import gzip
import html
import json
from datetime import datetime
from importlib import resources
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from tagtrail.analytics.columns import COUNT, RSSI_DBM, TIME, us_of_times
from tagtrail.analytics.explain.words import SILENCE_S, Case, antenna_names, places, sentences
from tagtrail.analytics.place.cells import Cells
from tagtrail.analytics.place.explain import Explanation
from tagtrail.analytics.place.stretches import SECOND_US

MATTERS: Final = 0.1
"""A place that never has a larger share, and no visit, has no band of its own."""
PARTS: Final = 255
"""Shares are told in this many parts."""
SCRIPTS: Final = ("data.js", "strip.js", "plan.js", "moment.js")
"""One module, in this order."""
_TYPES: Final = {"u1": "Uint8Array", "u2": "Uint16Array", "u4": "Uint32Array"}

Columns = dict[str, tuple[str, npt.NDArray[Any]]]


def render(case: Case, cells: Cells) -> str:
    """The page of a tag; ``cells`` are those of its store."""
    about, columns = _about(case, cells)
    directory, data = _pack(columns)
    parts = {
        "title": html.escape(f"{case.explanation.epc}, {case.store.store.name}"),
        "style": _file("page.css"),
        "script": "\n".join(map(_file, SCRIPTS)),
        "about": json.dumps(about | {"columns": directory}, ensure_ascii=False).replace("<", "\\u003c"),
        "data": base64.b64encode(data).decode("ascii"),
    }
    page = _file("page.html")
    for name, text in parts.items():
        page = page.replace(f"<!--{name}-->", text, 1)
    return page


def rectangles(cells: Cells) -> list[list[list[float]]]:
    """What each cell covers: x, y, width and depth in metres of rectangles without overlap, by cell."""
    side_m = (cells.area_m2 / np.bincount(cells.point_cell, minlength=len(cells))) ** 0.5
    covered: list[list[list[float]]] = []
    order = np.argsort(cells.point_cell, kind="stable")
    for points, side in zip(
        np.split(order, np.cumsum(np.bincount(cells.point_cell))[:-1]), side_m.tolist(), strict=True
    ):
        grid = np.rint(cells.point_m[points] / side - 0.5).astype(np.int64)
        open_runs: dict[tuple[int, int], list[int]] = {}
        made: list[list[int]] = []
        for row in np.unique(grid[:, 1]).tolist():
            columns = np.sort(grid[grid[:, 1] == row, 0])
            cuts = np.flatnonzero(np.diff(columns) > 1) + 1
            runs = {(int(run[0]), int(run[-1]) + 1) for run in np.split(columns, cuts)}
            open_runs = {run: one for run, one in open_runs.items() if run in runs and one[3] == row}
            for run in sorted(runs):
                if run not in open_runs:
                    open_runs[run] = [*run, row, row]
                    made.append(open_runs[run])
                open_runs[run][3] = row + 1
        covered.append([[round(value * side, 3) for value in (x0, y0, x1 - x0, y1 - y0)] for x0, x1, y0, y1 in made])
    return covered


def _file(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _about(case: Case, cells: Cells) -> tuple[dict[str, Any], Columns]:
    explanation, visits, store = case.explanation, case.told, case.store
    read_us = us_of_times(explanation.reads[TIME])
    starts_us, ends_us = [int(read_us[0])], [int(read_us[-1]) + SECOND_US]
    for passage in explanation.passages:
        starts_us.append(passage.start_us)
        ends_us.append(passage.end_us)
    start_us, end_us = min(starts_us) // SECOND_US * SECOND_US, max(ends_us)
    names = places(store)
    bands = _bands(explanation, [names.index(visit.zone) for visit in visits])
    band_of = np.full(len(names), len(bands))
    band_of[bands] = np.arange(len(bands))
    kept = explanation.antenna >= 0
    heard, antenna = np.unique(explanation.antenna[kept], return_inverse=True)
    floors = list(store.floor_by_id)
    about = {
        "epc": explanation.epc,
        "store": store.store.name,
        "words": sentences(case),
        "start_ms": start_us // 1000,
        "offsets": _offsets(start_us, end_us, case.zone),
        "timezone": store.store.timezone,
        "seconds": -((start_us - end_us) // SECOND_US),
        "silence_s": SILENCE_S,
        "parts": PARTS,
        "floors": [
            {
                "name": floor.name or floor.id,
                "width": floor.width_m,
                "depth": floor.depth_m,
                "walls": [wall.line for wall in store.wall if wall.floor == floor.id],
            }
            for floor in store.floor
        ],
        "places": names,
        "bands": bands,
        "zones": [{"floor": floors.index(zone.floor), "polygon": zone.polygon} for zone in store.zone],
        "antennas": [
            {"name": name, "floor": floors.index(antenna.floor), "x": antenna.position_m[0], "y": antenna.position_m[1]}
            for name, antenna in zip(
                antenna_names(store), (one for reader in store.reader for one in reader.antenna), strict=True
            )
        ],
        "heard": heard.tolist(),
        "cells": [
            {"floor": floor, "zone": zone, "boxes": boxes}
            for floor, zone, boxes in zip(cells.floor.tolist(), cells.zone.tolist(), rectangles(cells), strict=True)
        ],
        "visits": [
            {
                "place": names.index(visit.zone),
                "enter": (visit.enter_us - start_us) / SECOND_US,
                "exit": (visit.exit_us - start_us) / SECOND_US,
                **{name: getattr(visit, name) for name in ("low_s", "high_s", "confidence", "censored", "reads")},
                "antenna": visit.antenna,
                "rival": visit.rival,
            }
            for visit in visits
        ],
        "passages": [
            {"start": (passage.start_us - start_us) // SECOND_US, "seconds": len(passage.label)}
            for passage in explanation.passages
        ],
    }
    dbm = explanation.reads[RSSI_DBM].to_numpy()[kept]
    columns: Columns = {
        "read_ms": ("u4", (read_us[kept] - start_us) // 1000),
        "read_antenna": ("u2", antenna),
        "read_dbm": ("u1", np.where(np.isnan(dbm), 255, np.clip(np.rint(np.nan_to_num(dbm) + 150), 0, 254))),
        "read_count": ("u2", explanation.reads[COUNT].to_numpy()[kept]),
    }
    return about, columns | _passage_columns(explanation, bands, band_of)


def _bands(explanation: Explanation, visited: list[int]) -> list[int]:
    """Columns of the shares that have a band: those that were ever likely, in the order of their first time."""
    if not explanation.passages:
        return []
    shares = np.concatenate([passage.shares for passage in explanation.passages])
    matters = shares.max(axis=0) >= MATTERS
    matters[visited] = True
    first = (shares >= MATTERS).argmax(axis=0)
    zones = shares.shape[1] - 2
    found = sorted(np.flatnonzero(matters[:zones]).tolist(), key=lambda zone: (int(first[zone]), zone))
    return found + [place for place in (zones, zones + 1) if matters[place]]


def _passage_columns(explanation: Explanation, bands: list[int], band_of: npt.NDArray[np.int64]) -> Columns:
    """Of all seconds of all passages in a row: shares by band, what the second was given to, and cells."""
    shares, labels, sizes, cells, parts = [], [], [], [], []
    for passage in explanation.passages:
        ptr, cell, stand, walk, _ = passage.posterior
        shares.append(np.rint(passage.shares[:, bands] * PARTS))
        labels.append(band_of[passage.label])
        of_cell = np.rint((stand + walk) * PARTS)
        seen = of_cell > 0
        step = np.repeat(np.arange(len(passage.label)), np.diff(ptr))
        sizes.append(np.bincount(step[seen], minlength=len(passage.label)))
        cells.append(cell[seen])
        parts.append(of_cell[seen])
    return {
        "shares": ("u1", _joined(shares).clip(0, PARTS).ravel()),
        "label": ("u2", _joined(labels)),
        "cells_of_second": ("u2", _joined(sizes)),
        "cell": ("u2", _joined(cells)),
        "cell_share": ("u1", _joined(parts).clip(0, PARTS)),
    }


def _joined(pieces: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    return np.concatenate(pieces) if pieces else np.zeros(0)


def _offsets(start_us: int, end_us: int, zone: ZoneInfo) -> list[list[int]]:
    """From which second on the store's clock is how many seconds before UTC; clocks change on the quarter hour."""
    first_s, last_s = start_us // SECOND_US, end_us // SECOND_US
    seconds = np.append(first_s, np.arange(first_s // 900 + 1, last_s // 900 + 1) * 900)
    found: list[list[int]] = []
    for second in seconds.tolist():
        offset = datetime.fromtimestamp(second, zone).utcoffset()
        value = 0 if offset is None else round(offset.total_seconds())
        if not found or found[-1][1] != value:
            found.append([second - first_s, value])
    return found


def _pack(columns: Columns) -> tuple[dict[str, list[Any]], bytes]:
    """The columns one after the other, compressed, and where each begins: type, first byte, length."""
    directory: dict[str, list[Any]] = {}
    parts: list[bytes] = []
    at = 0
    for name, (kind, values) in columns.items():
        data = values.astype(f"<{kind}").tobytes()
        directory[name] = [_TYPES[kind], at, len(values)]
        data += bytes(-len(data) % 4)  # typed arrays begin at multiples of their size
        parts.append(data)
        at += len(data)
    return directory, gzip.compress(b"".join(parts), compresslevel=9, mtime=0)
