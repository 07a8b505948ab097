"""`tagtrail analyze`: run analytics, or explain what it told of one tag."""

import argparse
from typing import Final

from tagtrail.analytics.explain.settings import ExplainSettings
from tagtrail.analytics.settings import AnalyzeSettings
from tagtrail.stack.commands import service

OPTIONS: Final = ("store", "reads", "epc", "calibration", "visit_min_s", "visit_gap_s", "trip_gap_s")
"""Settings of `analyze` that change what is told have the same options here."""

EXPLAIN: Final = """\
Show why these visits were told of one tag. The radio map is learned as 'tagtrail analyze' learns it, from the same
file, so what is explained is what was told. Give --store, --reads, --calibration and the numbers as they were given
there; from the settings file and the environment come those of [analyze] and TAGTRAIL_ANALYZE_*.

With --out a page for a browser is written, one file that needs no network. Above, time goes to the right: where the
tag probably was, the visits that were told, silences, and the reads of each antenna. Below are the floors at the
moment that is pointed at. Without --out a table is printed.

Examples:
  tagtrail analyze explain --store store.toml --reads reads.parquet --epc E28011606000020512345678 --out tag.html
  tagtrail analyze explain --store store.toml --reads reads.parquet --epc 5678     a table; the last digits will do
  tagtrail analyze explain --store store.toml --reads reads.parquet --epc 5678 --from 12:05 --to 12:20 --out tag.html
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Options are the service's settings; one subcommand."""
    service.configure(parser, AnalyzeSettings)
    actions = parser.add_subparsers(dest="action", metavar="explain", title="instead of running the service")
    explain = actions.add_parser(
        "explain", help="why these visits were told of one tag", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    service.configure(explain, ExplainSettings, OPTIONS)
    explain.description = EXPLAIN
    time = "store's local time, HH:MM[:SS] on the day of the tag's first read, or ISO 8601"
    explain.add_argument("--from", dest="first", metavar="T", help=f"show only what comes since then; {time}")
    explain.add_argument("--to", dest="last", metavar="T", help="show only what comes before, in the same form")
    explain.add_argument(
        "--out", dest="page", metavar="FILE.html", help="the page to write; without it, text is printed"
    )


def run(options: argparse.Namespace) -> int:
    """Run until told to stop, or explain."""
    if options.action == "explain":
        from tagtrail.analytics.explain.command import run_explain

        return run_explain(service.load(ExplainSettings, "analyze", options))
    settings = service.load(AnalyzeSettings, "analyze", options)
    from tagtrail.analytics.service import run as run_service

    return run_service(settings)
