"""Pictures of recorded and simulated reads side by side. Needs the extra ``plots`` (matplotlib)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from tagtrail.hardware.errors import GiveUp
from tagtrail.simulator.compare.measures import Measures
from tagtrail.simulator.compare.trials import Trial
from tagtrail.simulator.geometry import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RECORDED: Final = "#3b5b92"
SIMULATED: Final = "#d9822b"
RATES, GAPS, STRENGTHS = "read-rate.png", "gaps.png", "rssi.png"
GAP_SHOWN_S: Final = (0.05, 30.0)


def need_matplotlib() -> None:
    """See that pictures can be drawn.

    Raises:
        GiveUp: Matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        raise GiveUp("pictures need matplotlib: pip install 'tagtrail[simulator,plots]'") from None
    mpl.use("Agg")


def draw(out: Path, recorded: Measures, simulated: Measures, trials: tuple[Sequence[Trial], Sequence[Trial]]) -> None:
    """Write the pictures into a folder."""
    save(_rates(recorded, simulated), out / RATES)
    save(_gaps(recorded, simulated), out / GAPS)
    save(_strengths(recorded, trials), out / STRENGTHS)


def save(figure: "Figure", path: Path) -> None:
    """Write a picture, the same bytes for the same content, and forget it."""
    from matplotlib import pyplot as plt

    figure.savefig(path, dpi=90, metadata={"Software": None})
    plt.close(figure)


def panels(
    count: int, *, across: int, height: float, ratios: Sequence[float] | None = None
) -> tuple["Figure", list["Axes"]]:
    """A figure with some panels in rows of so many; widths by ``ratios``."""
    from matplotlib import pyplot as plt

    down = -(-count // across)
    figure, axes = plt.subplots(
        down, across, figsize=(9.0, height * down), squeeze=False, layout="constrained", width_ratios=ratios
    )
    return figure, list(axes.ravel()[:count])


def _rates(recorded: Measures, simulated: Measures) -> "Figure":
    """Bars of reads per second by place and antenna."""
    keys = sorted(set(recorded.antenna_rate) | set(simulated.antenna_rate))
    figure, (panel,) = panels(1, across=1, height=3.6)
    at = np.arange(len(keys))
    for shift, measures, colour, name in (
        (-0.2, recorded, RECORDED, "recorded"),
        (0.2, simulated, SIMULATED, "simulated"),
    ):
        panel.bar(at + shift, [measures.antenna_rate.get(key, 0.0) for key in keys], 0.4, color=colour, label=name)
    panel.set_xticks(at, [f"{place}\nant. {port}" for place, port in keys], rotation=90, fontsize=8)
    panel.set_ylabel("reads per second")
    panel.set_title("Read rate by place and antenna")
    panel.legend(frameon=False)
    return figure


def _gaps(recorded: Measures, simulated: Measures) -> "Figure":
    """Share of gaps longer than a time, by place."""
    figure, of_places = panels(len(recorded.gaps_s), across=3, height=2.6)
    for panel, place in zip(of_places, recorded.gaps_s, strict=True):
        for measures, colour, name in ((recorded, RECORDED, "recorded"), (simulated, SIMULATED, "simulated")):
            gaps = np.sort(measures.gaps_s.get(place, np.zeros(0)))
            panel.step(gaps, 1.0 - np.arange(len(gaps)) / max(len(gaps), 1), color=colour, label=f"{name}, {len(gaps)}")
        panel.set(xscale="log", yscale="log", xlim=GAP_SHOWN_S, ylim=(1e-3, 1.2), title=place)
        panel.legend(frameon=False, fontsize=8)
        panel.grid(alpha=0.3)
    figure.supxlabel("gap between reads, seconds")
    figure.supylabel("share of gaps that are longer")
    return figure


def _strengths(recorded: Measures, trials: tuple[Sequence[Trial], Sequence[Trial]]) -> "Figure":
    """Boxes of RSSI by place and antenna, where there is a number of reads."""
    keys = [key for key, strength in sorted(recorded.strength.items()) if strength.reads >= 20]
    figure, (panel,) = panels(1, across=1, height=3.8)
    for shift, of_kind, colour in zip((-0.2, 0.2), trials, (RECORDED, SIMULATED), strict=True):
        values = [_rssi(of_kind, key) for key in keys]
        parts = panel.boxplot(
            values,
            positions=np.arange(len(keys)) + shift,
            widths=0.32,
            showfliers=False,
            whis=(5, 95),
            patch_artist=True,
            medianprops={"color": "black"},
        )
        for box in parts["boxes"]:
            box.set_facecolor(colour)
    panel.set_xticks(np.arange(len(keys)), [f"{place}\nant. {port}" for place, port in keys], rotation=90, fontsize=8)
    panel.set_ylabel("RSSI, dBm")
    panel.set_title("Signal strength, 5 to 95 %: recorded blue, simulated orange")
    return figure


def _rssi(trials: Sequence[Trial], key: tuple[str, int]) -> Floats:
    place, port = key
    parts = [np.zeros(0)]
    for trial in trials:
        at_place = np.array([stay.place == place for stay in trial.stays])[trial.stay]
        parts.append(trial.rssi_dbm[at_place & (trial.port == port)])
    return np.concatenate(parts)
