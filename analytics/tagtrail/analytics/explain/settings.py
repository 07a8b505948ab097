"""What a person can set about ``tagtrail analyze explain``; it shares the settings of ``analyze``."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from tagtrail.analytics.settings import PLACE, AnalyzeSettings
from tagtrail.hardware.reads import EPC_PATTERN


class ExplainSettings(AnalyzeSettings, frozen=True, kw_only=True):
    """Show why these visits were told of one tag: where it probably was, second by second, and the reads under it."""

    reads: Annotated[str, Meta(description="File of reads, .parquet or .csv, as it was analysed.")]
    store: Annotated[str, Meta(description="Store file that the reads belong to.")]
    epc: Annotated[str, Meta(description="The tag: hex digits; the last ones do where no other tag ends so.")]
    first: Annotated[
        str | None, Meta(description="Show what comes since: local time of the store, HH:MM[:SS] or ISO 8601.")
    ] = None
    last: Annotated[str | None, Meta(description="Show what comes before, in the same form.")] = None
    page: Annotated[str | None, Meta(description="The HTML file to write; without it, text is printed.")] = None

    def faults(self) -> list[str]:
        """What is wrong with these settings, one sentence each; no I/O."""
        # Here it is a page that comes out, or text, and no folder.
        found = [fault for fault in super().faults() if not fault.startswith("out:")]
        if self.estimator != PLACE:
            found.append(f"estimator {self.estimator!r}: only {PLACE!r} can be explained")
        if not EPC_PATTERN.fullmatch(self.epc.strip().upper()):
            found.append(f"epc {self.epc!r}: 4 to 128 hex digits expected")
        if self.page is not None and Path(self.page).suffix not in (".html", ".htm"):
            found.append(f"out {self.page!r}: a file that ends in .html expected")
        return found
