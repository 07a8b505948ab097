"""What ``tagtrail simulate compare`` runs."""

import logging
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.store import load_store
from tagtrail.simulator.compare.fit import ROOMS, as_recorded, fit
from tagtrail.simulator.compare.measures import measure
from tagtrail.simulator.compare.model_plot import draw_model
from tagtrail.simulator.compare.plots import draw, need_matplotlib
from tagtrail.simulator.compare.report import Comparison, differences, markdown
from tagtrail.simulator.compare.trials import recorded_trials
from tagtrail.simulator.compare.wearing import simulated_trials
from tagtrail.simulator.radio.model import RadioModel
from tagtrail.simulator.recordings import uci_rfid_wearable

STORES: Final = Path(__file__).parent.parent / "stores"
WARD: Final = STORES / "ward.toml"
"""The rooms of the recording, as far as they are known."""

log = logging.getLogger("tagtrail.simulate")


class CompareSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Set simulated reads of worn tags beside recorded ones, in a report with pictures."""

    recording: Annotated[str, Meta(description="folder of the recording UCI 427, uci-rfid-wearable")]
    out: Annotated[str, Meta(description="folder for report.md and its pictures")]
    fit: Annotated[bool, Meta(description="fit the constants anew to every other trial; takes minutes")] = False
    seed: Annotated[int, Meta(description="of the simulated wearers; the same seed gives the same report")] = 1

    def faults(self) -> list[str]:
        """What is wrong with the settings, one sentence each; looks at no file."""
        return [] if self.seed >= 0 else [f"seed {self.seed}: must not be negative"]


def run(settings: CompareSettings) -> int:
    """Write the report on the trials that nothing was fitted to, and say where it is.

    Raises:
        GiveUp: The settings or the recording have faults, matplotlib is missing, or the report cannot be written.
    """
    if faults := settings.faults():
        raise FaultsError("compare settings", faults)
    need_matplotlib()
    store = load_store(WARD)
    trials = recorded_trials(uci_rfid_wearable.load(Path(settings.recording)))
    train, held_out = trials[::2], trials[1::2]
    if not held_out:
        raise FaultsError(settings.recording, ["a single trial; at least two are needed, one to set the level by"])
    model = as_recorded(RadioModel(), train, store.reader[0].antenna[0].power_dbm)
    if settings.fit:
        log.info("fitting to %d trials", len(train))
        model = fit(train, store, model, settings.seed)
    simulated = simulated_trials(held_out, store, model, settings.seed + ROOMS)  # a room that nothing was fitted in
    comparison = Comparison(
        recording=Path(settings.recording).name,
        model=model,
        fitted_on=[trial.name for trial in train] if settings.fit else [],
        shown=[trial.name for trial in held_out],
        recorded=measure(held_out),
        simulated=measure(simulated),
    )
    out = Path(settings.out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        draw(out, comparison.recorded, comparison.simulated, (held_out, simulated))
        draw_model(out, load_store(STORES / "riverside.toml"), RadioModel(), settings.seed)
        (out / "report.md").write_text(markdown(comparison), encoding="utf-8")
    except OSError as error:
        raise FaultsError(str(out), [f"cannot be written: {error.strerror or error}"]) from None
    log.info("%s: %s", out / "report.md", differences(comparison.recorded, comparison.simulated)[-1])
    return 0
