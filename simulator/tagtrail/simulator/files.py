"""A scenario into files, as fast as it goes: what the readers see, and what really happened."""

import logging
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from tagtrail.simulator.disk import Room, writing
from tagtrail.simulator.layouts import store_toml
from tagtrail.simulator.live.course import Course, Sightings
from tagtrail.simulator.progress import Pace
from tagtrail.simulator.scenario import Scenario, Shop
from tagtrail.simulator.truth import (
    READS_SCHEMA,
    TEXT,
    Column,
    ReaderCount,
    Summary,
    Table,
    Truth,
    begin,
    iso,
    texts,
    times,
)

BLOCK_CYCLES: Final = 240
"""Two minutes at once: large enough for columns to pay, small enough for the memory of a crowded store."""

log = logging.getLogger("tagtrail.simulate")


def simulate_to_files(
    scenario: Scenario, out: Path, stop: Callable[[], bool] = lambda: False, room: Room | None = None
) -> list[Summary]:
    """Write every store of a scenario: into ``out``, a chain into ``out/STORE_ID`` each.

    ``stop`` is asked at every block; a stopped simulation is complete up to there, and the stores of a chain that it
    did not get to have no files. ``room`` is for what is to be finished when the disk is full.

    Raises:
        FaultsError: A folder or file cannot be written.
    """
    chain = len(scenario.shops) > 1
    folders = [out / shop.store.id if chain else out for shop in scenario.shops]
    for folder in folders:
        begin(folder)
    return [
        _simulate_shop(scenario.name, shop, folder, stop, room)
        for shop, folder in zip(scenario.shops, folders, strict=True)
        if not stop()
    ]


def _simulate_shop(name: str, shop: Shop, out: Path, stop: Callable[[], bool], room: Room | None) -> Summary:
    """Write all files of one store, the summary last."""
    with writing(out):
        _write_layouts(shop, out)
    counts: Counter[str] = Counter({reader.id: 0 for layout in shop.layouts for reader in layout.store.reader})
    pace = Pace()
    with ExitStack() as files:
        if room:
            files.enter_context(room)
        truth = files.enter_context(Truth(out, room))
        table = files.enter_context(Table(out / "reads.parquet", READS_SCHEMA, room))
        course = Course(shop, truth)
        course.begin(shop.start_us)
        while not course.over and not stop():
            seen = course.block(BLOCK_CYCLES)
            table.append(*_columns(seen))
            _count(seen, counts)
            if pace.due():
                _tell(course, table.rows)
        course.end()
    summary = course.summary(name, {reader: ReaderCount(count) for reader, count in counts.items()})
    summary.write(out)
    return summary


def _columns(seen: Sightings) -> list[Column]:
    """The columns of ``reads.parquet``."""
    ports = np.array([port for _, port in seen.antennas], dtype=np.int16)
    return [
        times(seen.time_us),
        texts([reader for reader, _ in seen.antennas], seen.antenna),
        pa.array(ports[seen.antenna]),
        pa.array(seen.epc, TEXT),
        pa.array(seen.rssi_dbm.astype(np.float32)),
    ]


def _count(seen: Sightings, counts: Counter[str]) -> None:
    reads = np.bincount(seen.antenna, minlength=len(seen.antennas)).tolist()
    for (reader, _), number in zip(seen.antennas, reads, strict=True):
        counts[reader] += number


def _tell(course: Course, reads: int) -> None:
    shop = course.shop
    done = (course.time_us - shop.start_us) / (shop.end_us - shop.start_us)
    log.info(
        "%s: %s, %.0f %%: %d inside, %d reads", shop.store.id, iso(course.time_us), 100 * done, course.inside, reads
    )


def _write_layouts(shop: Shop, out: Path) -> None:
    """The store files that a run used, each named by the local time from which it holds."""
    folder = out / "layouts"
    folder.mkdir(exist_ok=True)
    for earlier in folder.glob("*.toml"):
        earlier.unlink()
    for layout in shop.layouts:
        text = f"# valid from {layout.valid_from.isoformat()}\n\n{store_toml(layout.store)}"
        (folder / f"{layout.valid_from:%Y-%m-%dT%H%M%S}.toml").write_text(text, encoding="utf-8")
