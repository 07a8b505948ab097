"""What a person can set about analytics, offline and live."""

import re
from datetime import date
from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta, Struct

from tagtrail.analytics.presence import PresenceParameters
from tagtrail.hardware.clock import parse_clock
from tagtrail.hardware.errors import GiveUp

if TYPE_CHECKING:
    from tagtrail.analytics.place.place import PlaceParameters

PLACE: Final = "place"
PRESENCE: Final = "presence"
FIRST_DAY: Final = date(2000, 1, 1)
_DASK: Final = re.compile(r"local(:[1-9]\d{0,2})?|(tcp|tls)://\S+:\d+")
_DEFAULT = PresenceParameters()


class AnalyzeSettings(Struct, frozen=True, kw_only=True):
    """Visits and trips from reads: from a file with ``reads``, else from the database with ``dsn``.

    There it keeps up with the reads all the time, or, with ``from``, analyses days again and writes files.
    """

    reads: Annotated[str | None, Meta(description="File of reads, .parquet or .csv; needs store and out.")] = None
    store: Annotated[str | None, Meta(description="Store file that the reads belong to (with reads).")] = None
    out: Annotated[str | None, Meta(description="Folder for the results (with reads or from); made where missing.")] = (
        None
    )
    from_: Annotated[
        str | None,
        Meta(description="First day, YYYY-MM-DD, to analyse again by the reads in the database; needs out and dsn."),
    ] = None
    to: Annotated[str | None, Meta(description="Last day to analyse again; none given: the first one.")] = None
    again: Annotated[
        bool, Meta(description="Also days that are in the folder and whose reads have not changed (with from).")
    ] = False
    dask: Annotated[
        str | None,
        Meta(
            description="Who analyses the days: a Dask scheduler, tcp://HOST:PORT, or local:N, N processes on this "
            "machine (local: one per core); none given: this process."
        ),
    ] = None
    estimator: Annotated[
        str,
        Meta(description="How visits are found offline: 'place', by a model of place over time, or 'presence'."),
    ] = PLACE
    calibration: Annotated[
        str | None,
        Meta(description="File of where tags were (epc, time, floor, x_m, y_m), to learn the radio map from."),
    ] = None
    tags: Annotated[
        str | None,
        Meta(
            description="File of known tags, .csv (epc,kind), that wins over what their reads look like (with reads)."
        ),
    ] = None
    dsn: Annotated[
        str | None, Meta(description="Database to work on (without reads), as libpq takes it.", extra={"secret": True})
    ] = None
    stores: Annotated[
        list[str], Meta(description="Ids of the stores to analyse in the database; none given: all.")
    ] = []
    poll_s: Annotated[float, Meta(description="Real time between two looks into the database.")] = 1.0
    quiet_s: Annotated[
        float, Meta(description="Real time without new reads after which silence is believed and visits are closed.")
    ] = 30.0
    clock: Annotated[str, Meta(description="'real', or 'ANCHOR_US,ORIGIN_US,RATE' of a simulated store's clock.")] = (
        "real"
    )
    step_s: Annotated[float, Meta(description="Length of a time step of the presence rule.")] = _DEFAULT.step_s
    smooth_s: Annotated[float, Meta(description="A read counts for the steps less than this far from its own.")] = (
        _DEFAULT.smooth_s
    )
    visit_min_s: Annotated[
        float, Meta(description="Shortest time between first and last read by a zone that makes a visit.")
    ] = _DEFAULT.visit_min_s
    lead: Annotated[
        float, Meta(description="Times as much evidence as for any other zone that puts a stay beyond doubt.")
    ] = _DEFAULT.lead
    visit_gap_s: Annotated[float, Meta(description="Silence that ends a visit.")] = _DEFAULT.visit_gap_s
    trip_gap_s: Annotated[float, Meta(description="Silence that ends a trip.")] = _DEFAULT.trip_gap_s

    def presence(self) -> PresenceParameters:
        """The numbers of the presence rule."""
        return PresenceParameters(
            step_s=self.step_s,
            smooth_s=self.smooth_s,
            visit_min_s=self.visit_min_s,
            lead=self.lead,
            visit_gap_s=self.visit_gap_s,
            trip_gap_s=self.trip_gap_s,
        )

    def place(self) -> "PlaceParameters":
        """The numbers of the estimator of place."""
        from tagtrail.analytics.place.place import PlaceParameters

        return PlaceParameters(
            visit_min_s=round(self.visit_min_s), visit_gap_s=self.visit_gap_s, trip_gap_s=self.trip_gap_s
        )

    def faults(self) -> list[str]:
        """What is wrong with these settings, one sentence each; no I/O."""
        found = []
        if self.reads is not None:
            found += [f"{name}: needed together with reads" for name in ("store", "out") if getattr(self, name) is None]
        if self.from_ is not None:
            found += self._faults_of_days()
        elif self.to is not None or self.again or self.dask is not None:
            found.append("to, again, dask: work together with from only; set from, the first day to analyse again")
        if self.reads is None and self.from_ is None:
            # A store may come from settings that all services share; live, the layout is that of the database.
            if self.out is not None:
                found.append("out: works together with reads or from only; set one of them, or leave it out")
            if self.dsn is None:
                found.append("set reads, store and out to analyse a file, or dsn to work on a database")
        if self.estimator not in (PLACE, PRESENCE):
            found.append(f"estimator {self.estimator!r}: expected {PLACE!r} or {PRESENCE!r}")
        if self.calibration is not None and (self.reads is None or self.estimator != PLACE):
            found.append("calibration: works together with reads and the estimator of place only")
        if self.tags is not None and self.reads is None:
            found.append("tags: works together with reads only")
        limits = (
            ("poll_s", 0.01, 3600), ("quiet_s", 0.01, 86_400), ("step_s", 0.1, 60), ("smooth_s", 0.1, 600),
            ("visit_min_s", 0, 3600), ("lead", 1, 100), ("visit_gap_s", 1, 3600), ("trip_gap_s", 1, 86_400),
        )  # fmt: skip
        for name, low, high in limits:
            value = getattr(self, name)
            if not low <= value <= high:
                found.append(f"{name} {value:g}: {low:g} to {high:g} allowed")
        if self.smooth_s < self.step_s:
            found.append(f"smooth_s {self.smooth_s:g} is less than step_s {self.step_s:g}")
        if self.trip_gap_s < self.visit_gap_s:
            found.append(f"trip_gap_s {self.trip_gap_s:g} is less than visit_gap_s {self.visit_gap_s:g}")
        try:
            parse_clock(self.clock)
        except GiveUp as error:
            found.append(str(error))
        return found

    def days(self) -> tuple[date, date]:
        """First and last day to analyse again; settings without faults."""
        first = date.fromisoformat(self.from_ or "")
        return first, first if self.to is None else date.fromisoformat(self.to)

    def _faults_of_days(self) -> list[str]:
        found = []
        if self.reads is not None:
            found.append("reads, from: one of them only; days are analysed by the reads in the database")
        if self.out is None:
            found.append("out: needed together with from")
        if self.dsn is None:
            found.append("dsn: needed together with from; set TAGTRAIL_DSN in the environment")
        wrong = [
            f"{name} {value!r}: expected a day, YYYY-MM-DD, from {FIRST_DAY} on"
            for name, value in (("from", self.from_), ("to", self.to))
            if value is not None and not _is_day(value)
        ]
        if not wrong and self.days()[1] < self.days()[0]:
            wrong.append(f"to {self.to} is before from {self.from_}")
        if self.dask is not None and not _DASK.fullmatch(self.dask):
            wrong.append(f"dask {self.dask!r}: expected tcp://HOST:PORT, tls://HOST:PORT, local or local:N")
        return found + wrong


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text and date.fromisoformat(text) >= FIRST_DAY
    except ValueError:
        return False
