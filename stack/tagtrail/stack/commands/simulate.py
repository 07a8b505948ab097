"""`tagtrail simulate`: a store that does not exist, live or in files; recordings; scores beside the truth."""

import argparse
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from tagtrail.simulator import service as simulator
from tagtrail.simulator.compare.command import CompareSettings
from tagtrail.simulator.compare.command import run as run_compare
from tagtrail.simulator.score.command import ScoreSettings, run_score
from tagtrail.simulator.settings import RecordSettings, ReplaySettings, ScenariosSettings, SimulateSettings
from tagtrail.simulator.watch.command import WatchSettings, run_watch
from tagtrail.stack.commands import service


class Kind(NamedTuple):
    """A subcommand.

    Attributes:
        summary: One line.
        settings: Its options.
        section: Where its settings stand in the settings file and in names of the environment.
        run: What it runs, given its settings.
        examples: Whole command lines.
    """

    summary: str
    settings: type[msgspec.Struct]
    section: str
    run: Callable[..., int]
    examples: tuple[str, ...]


KINDS: Final = {
    "scenarios": Kind(
        "list the scenarios that come along",
        ScenariosSettings,
        "scenarios",
        simulator.run_scenarios,
        ("scenarios --keys > mine.toml",),
    ),
    "run": Kind(
        "simulate a scenario: into files, or live",
        SimulateSettings,
        "simulate",
        simulator.run_simulate,
        (
            "run --scenario saturday-sale --minutes 60 --out day           into files, as fast as it goes",
            "run --scenario mine.toml --ports-dir ports --out truth        on pseudo-terminals; an edge opens them",
            "run --scenario quiet-tuesday --tcp 127.0.0.1:7000 --minutes 0 on TCP ports, without end",
            "run --scenario saturday-sale --mqtt mqtt://127.0.0.1:1883     to a broker, without an edge",
        ),
    ),
    "watch": Kind(
        "make a page that plays a run: the people, and what the readers see",
        WatchSettings,
        "watch",
        run_watch,
        ("watch --truth day --minutes 20 --out day.html",),
    ),
    "score": Kind(
        "say how well visits were estimated, beside the truth",
        ScoreSettings,
        "score",
        run_score,
        ("score --truth day --visits day/visits.parquet",),
    ),
    "compare": Kind(
        "set simulated reads beside recorded ones, in a report",
        CompareSettings,
        "compare",
        run_compare,
        ("compare --recording uci-rfid-wearable --out report",),
    ),
    "record": Kind(
        "record real ports into captures",
        RecordSettings,
        "record",
        simulator.run_record,
        ("record --store store.toml --out captures --minutes 10",),
    ),
    "replay": Kind(
        "play a recording: captures, files of reads, recordings of others",
        ReplaySettings,
        "replay",
        simulator.run_replay,
        (
            "replay --format capture --recording captures/r01.capture --ports-dir ports --speed 10",
            "replay --format reads --recording day --store riverside --ports-dir ports",
            "replay --recording uci-rfid-wearable --ports-dir ports --out labels",
        ),
    ),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """A subcommand per kind; options are its settings."""
    parser.description = (
        "A department store that does not exist: its shoppers, its readers, and what really happened. Begin with "
        "'tagtrail simulate scenarios'."
    )
    kinds = parser.add_subparsers(dest="kind", metavar="|".join(KINDS), required=True)
    for name, kind in KINDS.items():
        subparser = kinds.add_parser(name, help=kind.summary, formatter_class=_Formatter)
        service.configure(subparser, kind.settings)
        if kind.settings is SimulateSettings:
            # Not by a setting of this name: that is the broker of all services, which nobody means by mistake.
            subparser.add_argument("--mqtt", dest="publish", metavar="URL", help="the same as --publish")
        examples = "\n".join(f"  tagtrail simulate {example}" for example in kind.examples)
        subparser.epilog = "\n\n".join(filter(None, [f"Examples:\n{examples}", subparser.epilog]))


def run(options: argparse.Namespace) -> int:
    """Run until told to stop, or until all is written."""
    kind = KINDS[options.kind]
    return kind.run(service.load(kind.settings, kind.section, options))


class _Formatter(argparse.HelpFormatter):
    """Keeps the lines of the examples."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        wrap = super()._fill_text
        pieces = text.split("\n\n")
        return "\n\n".join(piece if piece.startswith("Examples:") else wrap(piece, width, indent) for piece in pieces)
