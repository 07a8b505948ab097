"""What ``tagtrail simulate score`` runs."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.whole_file import whole_file
from tagtrail.simulator.score.case import load_case
from tagtrail.simulator.score.report import to_json, to_text
from tagtrail.simulator.score.score import score

KINDS = ("shopper", "staff")


class ScoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Say how well visits were estimated, beside what really happened in a simulated store."""

    truth: Annotated[str, Meta(description="folder that a simulation wrote, with truth.parquet and its companions")]
    visits: Annotated[str, Meta(description="estimated visits: epc, zone, enter, exit; .parquet or .csv")]
    trips: Annotated[str | None, Meta(description="estimated trips: epc, start, end; .parquet or .csv")] = None
    store: Annotated[str | None, Meta(description="store file, instead of those in the simulation's folder")] = None
    out: Annotated[str | None, Meta(description="file for the score as JSON")] = None
    kinds: Annotated[list[str], Meta(description="who is scored")] = msgspec.field(default_factory=lambda: list(KINDS))
    stop_s: Annotated[float, Meta(description="least dwell of a stop, seconds")] = 5.0

    def faults(self) -> list[str]:
        """What is wrong with the settings, one sentence each; looks at no file."""
        faults = [f"kinds {kind!r}: known are {' and '.join(KINDS)}" for kind in self.kinds if kind not in KINDS]
        if not self.kinds:
            faults.append(f"kinds: name at least one of {' and '.join(KINDS)}")
        if not 0 <= self.stop_s <= 86_400:
            faults.append(f"stop_s {self.stop_s:g}: must be a number from 0 to 86400")
        return faults


def run_score(settings: ScoreSettings) -> int:
    """Print the score, and write it as JSON where that is asked for.

    Raises:
        FaultsError: The settings or the files have faults, or the result cannot be written.
    """
    if faults := settings.faults():
        raise FaultsError("score settings", faults)
    case = load_case(
        Path(settings.truth),
        Path(settings.visits),
        trips=Path(settings.trips) if settings.trips else None,
        store=Path(settings.store) if settings.store else None,
        kinds=settings.kinds,
    )
    result = score(case, settings.stop_s)
    print(to_text(result))
    if settings.out:
        with whole_file(Path(settings.out)) as part:
            part.write_bytes(to_json(result))
    return 0
