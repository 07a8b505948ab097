"""Runs the benchmarks, prints a table, and writes results.json beside this file.

Each `bench_<name>.py` has a function `measure() -> list[Row]`. ``ONLY=name`` in the environment runs one of them.
Machines differ: the ratios are what to look at, since both sides of each were measured in turns in the same run.
"""

import importlib
import json
import os
import sys
import time
from pathlib import Path

from row import Row

HERE = Path(__file__).parent


def main() -> int:
    """Run; 1 if there is no such benchmark, or a figure must not be as it is."""
    names = sorted(file.stem.removeprefix("bench_") for file in HERE.glob("bench_*.py"))
    if only := os.environ.get("ONLY"):
        if only not in names:
            print(f"no benchmark {only!r}; there are {', '.join(names)}", file=sys.stderr)
            return 1
        names = [only]
    rows: list[Row] = []
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        begun_s = time.monotonic()
        rows += importlib.import_module(f"bench_{name}").measure()
        print(f"{name}: {time.monotonic() - begun_s:.0f} s", file=sys.stderr, flush=True)
    print(table(rows))
    (HERE / "results.json").write_text(json.dumps([row._asdict() for row in rows], indent=1) + "\n")
    faults = [f"FAILED {row.name}: {row.fault}" for row in rows if row.fault]
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


def table(rows: list[Row]) -> str:
    """The rows in columns."""
    cells = [("name", "value", "unit", "ratio", "compared with")]
    for row in rows:
        value = f"{row.value:,.4g}" if row.value < 1000 else f"{row.value:,.0f}"
        cells.append((row.name, value, row.unit, "" if row.ratio is None else f"{row.ratio:.2f}", row.compared_with))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(_align, line, widths, (False, True, False, True, False))).rstrip() for line in cells)


def _align(cell: str, width: int, right: bool) -> str:
    return cell.rjust(width) if right else cell.ljust(width)


if __name__ == "__main__":
    sys.exit(main())
