"""What a simulated Saturday costs on one core, and whether a month of a chain costs thirty times a day.

The Saturday: 5,000 shoppers within 12 hours in the store of the demo, to files, in a process of its own that has one
core. Seconds are those of the processor, since a core that is shared is not one core; its peak memory is that of the
whole process. The month: the shipped chain, day by day, so that the growth can be
seen before the month is over; ``SIMULATE_DAYS`` in the environment is how many days (default 2; the month has 30).
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from row import Row

SATURDAY_LIMIT_S = 120.0
SATURDAY_LIMIT_GB = 2.0
DAYS = int(os.environ.get("SIMULATE_DAYS", "2"))
DAY_MINUTES = 24 * 60.0


def measure() -> list[Row]:
    """Run each in a process of its own."""
    saturday = _alone("saturday-sale", 720.0)
    print(
        f"  a Saturday: {saturday['shoppers']:,} shoppers, {saturday['reads']:,} reads in {saturday['seconds']:.1f} s "
        f"({saturday['wall_s']:.1f} s on the wall), "
        f"{saturday['peak_gb']:.2f} GB at most, {saturday['bytes'] / 1e6:.0f} MB of files",
        file=sys.stderr,
    )
    rows = [
        Row("simulate_saturday_s", saturday["seconds"], "s", fault=_beyond(saturday["seconds"], SATURDAY_LIMIT_S, "s")),
        Row(
            "simulate_saturday_peak_gb", saturday["peak_gb"], "GB",
            fault=_beyond(saturday["peak_gb"], SATURDAY_LIMIT_GB, "GB"),
        ),
        Row("simulate_saturday_reads_per_s", saturday["reads"] / saturday["seconds"], "reads/s"),
    ]  # fmt: skip
    return rows + _growth()


def _growth() -> list[Row]:
    """A chain for 1, 2, 4 … days: seconds and memory per store and day."""
    days = [1]
    while days[-1] * 2 <= DAYS:
        days.append(days[-1] * 2)
    if days[-1] != DAYS:
        days.append(DAYS)
    print(f"  {'days':>6}{'seconds':>10}{'s/day':>8}{'reads':>14}{'s/M reads':>11}{'peak GB':>9}", file=sys.stderr)
    costs: list[float] = []
    for count in days:
        run = _alone("chain-month", count * DAY_MINUTES)
        costs.append(run["seconds"] / (run["reads"] / 1e6))
        print(
            f"  {count:>6}{run['seconds']:>10.1f}{run['seconds'] / count:>8.1f}{run['reads']:>14,}"
            f"{costs[-1]:>11.2f}{run['peak_gb']:>9.2f}",
            file=sys.stderr,
        )
    return [
        Row(
            "simulate_chain_s_per_million_reads", costs[-1], "s", f"{days[-1]} days beside 1 day", costs[-1] / costs[0]
        ),
        Row("simulate_chain_peak_gb", run["peak_gb"], "GB"),
    ]


def _beyond(value: float, limit: float, unit: str) -> str:
    return f"{value:.3g} {unit} is more than {limit:g} {unit}" if value > limit else ""


def _alone(scenario: str, minutes: float) -> dict[str, Any]:
    """What a run costs in a process that has one core."""
    with tempfile.TemporaryDirectory(prefix="tagtrail-bench-") as folder:
        done = subprocess.run(
            [sys.executable, __file__, scenario, str(minutes), folder],
            stdout=subprocess.PIPE, check=True, env={**os.environ, **dict.fromkeys(_THREADS, "1")},
        )  # fmt: skip
    result: dict[str, Any] = json.loads(done.stdout)
    return result


_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_IO_THREADS")


def _run(name: str, minutes: float, out: Path) -> None:
    """The process of one run."""
    from tagtrail.simulator.files import simulate_to_files
    from tagtrail.simulator.scenario import load_scenario, scenario_path

    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    scenario = load_scenario(scenario_path(name), {"minutes": minutes})
    begun_s = time.perf_counter()
    summaries = simulate_to_files(scenario, out)
    result = {
        "seconds": time.process_time(),
        "wall_s": time.perf_counter() - begun_s,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "reads": sum(summary.reads_sent for summary in summaries),
        "shoppers": sum(summary.shoppers or 0 for summary in summaries),
        "bytes": sum(file.stat().st_size for file in out.rglob("*.parquet")),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    _run(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]))
