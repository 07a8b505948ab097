"""A picture of the scores on simulated stores. Needs matplotlib."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np

from scores.store_score import StoreScore
from scores.tables.stores import KINDS, LEARNED, PLACE, World

SHOWN: Final = (("accuracy", "zone accuracy", 0), ("f1", "visit F1", 1), ("path", "path similarity", 3))
COLOUR: Final = {PLACE: "#d9822b", LEARNED: "#b8651b"}
OTHER: Final = "#3b5b92"


def draw(found: Mapping[World, Mapping[str, StoreScore]], path: Path) -> None:
    """Bars of three scores (columns) by world (rows); a line at what is wanted."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(
        len(found), len(SHOWN), figsize=(9.0, 2.1 * len(found)), sharex=True, squeeze=False, layout="constrained"
    )
    for row, ((kind, radio), by_name) in enumerate(found.items()):
        at = np.arange(len(by_name))
        for column, (field, name, wanted) in enumerate(SHOWN):
            panel = panels[row, column]
            values = [getattr(score, field) for score in by_name.values()]
            panel.barh(at, values, color=[COLOUR.get(one, OTHER) for one in by_name])
            panel.axvline(KINDS[kind].wanted[wanted], color="black", linewidth=0.8, linestyle="--")
            panel.set(xlim=(0, 1), yticks=at, yticklabels=by_name if column == 0 else [])
            panel.tick_params(labelsize=7)
            panel.invert_yaxis()
            panel.set_title(f"{kind}, {radio}\n{name}" if column == 0 else name, fontsize=8)
    figure.savefig(path, dpi=90, metadata={"Software": None})
    plt.close(figure)
