"""Scores of the estimator of place beside the baselines, as Markdown: ``python benchmarks/scores/run.py``.

The recordings are in the folder that ``TAGTRAIL_DATA`` names, by default ``../shared/data`` beside the repository.
docs/scores.md says how the data were made and what the figures mean.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from scores.data import DATA
from scores.tables import ble_pad, kinds, presence, stores, uci
from scores.tables.markdown import Goal, Section, of_goals, to_text

RECORDED = {"uci": "uci-rfid-wearable", "ble-pad": "ble-pad"}


def main() -> int:
    """Print the tables; 1 if a recording that was asked for is not there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["stores", "uci", "ble-pad", "presence", "kinds"], help="one kind of data")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2], help="of what is simulated; 0 was chosen by")
    parser.add_argument("--shoppers", type=int, default=40, help="in each simulated store")
    parser.add_argument("--picture", type=Path, help="file for a picture of the stores' scores; needs matplotlib")
    options = parser.parse_args()

    def of_stores() -> Section:
        found = stores.measure(options.seeds, options.shoppers)
        if options.picture:
            from scores.picture import draw

            draw(found, options.picture)
        return stores.section(found)

    sections: dict[str, Callable[[], Section]] = {
        "stores": of_stores,
        "uci": uci.measure,
        "ble-pad": ble_pad.measure,
        "presence": lambda: presence.measure(options.seeds),
        "kinds": lambda: kinds.measure(options.seeds),
    }
    goals: list[Goal] = []
    for name in [options.only] if options.only else list(sections):
        if name in RECORDED and not (DATA / RECORDED[name]).is_dir():
            print(f"{name}: no folder {DATA / RECORDED[name]}; set TAGTRAIL_DATA", file=sys.stderr)
            if options.only:
                return 1
            continue
        section = sections[name]()
        print("\n\n".join(to_text(table) for table in section.tables), end="\n\n", flush=True)
        goals += section.goals
    print(to_text(of_goals(goals)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
