"""From a file of reads to files of visits and trips on one core, as ``tagtrail analyze`` does it, learning included.

One crowd of shoppers with 2.5 reads a second is simulated in a store of 30 zones (`scores.crude`). More reads are the
same crowd coming again with the same tags, more tags are the same crowd under other tags, so each can grow alone. All
runs are in processes of their own with one core, and seconds are those of the processor, since a core that is shared is
not one core. Of some rounds the quickest counts: compiling is done once for a machine. Beside it, in turns, a loop over
the reads of the same file in Python, with the simplest rule there is: the zone of the last antenna.

``ANALYZE_READS`` in the environment is how many reads there are for the peak of memory (default 1,000,000; the limit is
for 10,000,000).
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from row import Row
from scores.crude import Air, Plan, Run, simulate, store_text
from tagtrail.analytics.columns import times_of_us, us_of_times
from tagtrail.analytics.files import read_reads
from tagtrail.analytics.offline import analyze
from tagtrail.analytics.settings import AnalyzeSettings
from tagtrail.hardware.store import Store, antenna_zone, load_store

PLAN: Final = Plan(6, 4)
"""Makes 30 zones: 24 departments, 4 aisles, door and till."""
SHOPPERS: Final = 150
ROUNDS: Final = 3
READS: Final = int(os.environ.get("ANALYZE_READS", "1000000"))
LIMIT_GB: Final = 2.0
BESIDE: Final = "a loop over the reads in Python, last antenna"
DAY_US: Final = 86_400_000_000
GAP_US: Final = 600_000_000
"""Silence that ends a visit for the loop."""
ONE_THREAD: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "ARROW_IO_THREADS",
    "NUMBA_NUM_THREADS",
)


class Size(NamedTuple):
    """How often the crowd comes, and how many such crowds there are."""

    times: int
    crowds: int


SIZES: Final = {"1x": Size(1, 4), "4x reads": Size(4, 4), "4x tags": Size(1, 16)}
"""The smallest is about 1.1 million reads: more than are learned from, which is a constant part."""


def measure() -> list[Row]:
    """Run each size in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="tagtrail-bench-") as name:
        folder = Path(name)
        run = _crowd(folder / "store.toml")
        print(f"  {'':<10}{'reads':>11}{'tags':>7}{'seconds':>9}{'reads/s':>10}{'beside 1x':>11}", file=sys.stderr)
        found: dict[str, dict[str, Any]] = {}
        rates: dict[str, float] = {}
        for label, size in SIZES.items():
            _write_reads(run, size, folder / "reads.parquet")
            one = found[label] = _alone("speed", folder)
            rate = rates[label] = one["reads"] / one["seconds"]
            print(
                f"  {label:<10}{one['reads']:>11,}{SHOPPERS * size.crowds:>7,}{one['seconds']:>9.2f}{rate:>10,.0f}"
                f"{rate / rates['1x']:>11.2f}",
                file=sys.stderr,
            )
        _write_reads(run, Size(1, -(-READS // len(run.reads))), folder / "reads.parquet")
        most = _alone("memory", folder)
        print(f"  {most['reads']:,} reads: {most['peak_gb']:.2f} GB at most", file=sys.stderr)
    biggest = found["4x tags"]
    too_much = f"more than {LIMIT_GB:g} GB with {most['reads']:,} reads" if most["peak_gb"] > LIMIT_GB else ""
    return [
        Row("analytics_reads_per_s", rates["4x tags"], "reads/s", BESIDE, biggest["loop_s"] / biggest["seconds"]),
        *(
            Row(f"analytics_reads_per_s_{name}", rates[f"4x {name}"], "reads/s", f"a quarter of the {name}", ratio)
            for name in ("reads", "tags")
            if (ratio := rates[f"4x {name}"] / rates["1x"])
        ),
        Row("analytics_peak_gb", most["peak_gb"], "GB", fault=too_much),
    ]


def _crowd(file: Path) -> Run:
    """One crowd; its store file is written, too."""
    rng = np.random.default_rng(1)
    file.write_text(store_text(PLAN, rng), encoding="utf-8")
    return simulate(load_store(file), shoppers=SHOPPERS, rng=rng, air=Air(shadow_db=3.0, body_db=4.0))


def _write_reads(run: Run, size: Size, file: Path) -> None:
    """The reads in order of time; crowds come at the same time, the same crowd comes again the next day.

    No copy is like another one: times are moved by up to half a second, strengths by up to 1 dB.
    """
    rng = np.random.default_rng(2)
    row = np.tile(np.arange(len(run.reads)), size.crowds)
    names, tag = run.reads["epc"].cat.categories, run.reads["epc"].cat.codes.to_numpy()
    epcs = np.array([f"{crowd:04X}{name[4:]}" for crowd in range(size.crowds) for name in names], dtype=object)
    epc = np.repeat(np.arange(size.crowds), len(run.reads)) * len(names) + tag[row]
    with pq.ParquetWriter(file, _SCHEMA, compression="zstd") as writer:
        for day in range(size.times):
            time_us = us_of_times(run.reads["time"])[row] + rng.integers(0, 500_000, len(row)) + day * DAY_US
            order = np.argsort(time_us, kind="stable")
            reads = run.reads[["reader", "antenna", "rssi_dbm"]].iloc[row[order]]
            table = reads.assign(
                time=times_of_us(time_us[order]),
                epc=pd.Categorical.from_codes(epc[order].tolist(), categories=pd.Index(epcs)),
                rssi_dbm=reads["rssi_dbm"] + rng.integers(-1, 2, len(row)),
            )
            writer.write_table(pa.Table.from_pandas(table[_SCHEMA.names], preserve_index=False).cast(_SCHEMA))


_TYPES: Final[dict[str, pa.DataType]] = {
    "time": pa.timestamp("us", tz="UTC"),
    "reader": pa.string(),
    "antenna": pa.int16(),
    "epc": pa.string(),
    "rssi_dbm": pa.float32(),
}
_SCHEMA: Final = pa.schema(list(_TYPES.items()))


def last_antenna(store: Store, file: Path) -> list[tuple[str, str, int, int]]:
    """Visits (tag, zone, enter, exit) by the last antenna that read a tag, one read after the other."""
    reads = read_reads(file)
    zone_of = {
        (reader.id, antenna.port): over.id
        for reader in store.reader
        for antenna in reader.antenna
        if (over := antenna_zone(store, antenna))
    }
    visits = []
    here: dict[str, tuple[str, int, int]] = {}
    columns = (us_of_times(reads["time"]), reads["reader"], reads["antenna"], reads["epc"])
    for time_us, reader, antenna, epc in zip(*(pd.Series(column).tolist() for column in columns), strict=True):
        zone = zone_of.get((reader, antenna))
        if zone is None:
            continue
        known = here.get(epc)
        if known is None:
            here[epc] = (zone, time_us, time_us)
            continue
        stays, enter_us, last_us = known
        if zone == stays and time_us - last_us <= GAP_US:
            here[epc] = (zone, enter_us, time_us)
        else:
            visits.append((epc, stays, enter_us, last_us))
            here[epc] = (zone, time_us, time_us)
    return visits + [(epc, *stay) for epc, stay in here.items()]


def _alone(what: str, folder: Path) -> dict[str, Any]:
    """What a run says that has one core and a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, what, str(folder)],
        stdout=subprocess.PIPE, check=True, env={**os.environ, **dict.fromkeys(ONE_THREAD, "1")},
    )  # fmt: skip
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _run(what: str, folder: Path) -> None:
    """The process of one run."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    file, layout = folder / "reads.parquet", folder / "store.toml"
    settings = AnalyzeSettings(reads=str(file), store=str(layout), out=str(folder / "out"))
    if what == "memory":
        result: dict[str, float] = {"reads": analyze(settings).reads}
    else:
        store = load_store(layout)
        seconds, loop_s = [], []
        for _ in range(ROUNDS):
            begun_s = time.process_time()
            reads = analyze(settings).reads
            seconds.append(time.process_time() - begun_s)
            begun_s = time.process_time()
            last_antenna(store, file)
            loop_s.append(time.process_time() - begun_s)
        # Whatever else the machine does can only slow it down.
        result = {"reads": reads, "seconds": min(seconds), "loop_s": min(loop_s)}
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({**result, "peak_gb": peak_gb}))


if __name__ == "__main__":
    _run(sys.argv[1], Path(sys.argv[2]))
