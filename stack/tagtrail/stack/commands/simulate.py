"""`tagtrail simulate run|replay`: a store that does not exist, and recordings of others, as bytes of readers."""

import argparse

from tagtrail.simulator.settings import ReplaySettings, SimulateSettings
from tagtrail.stack.commands import service


def configure(parser: argparse.ArgumentParser) -> None:
    """Two subcommands, options are their settings."""
    parser.description = "A simulated department store, or a recording, as bytes of readers on pseudo-terminals."
    kinds = parser.add_subparsers(dest="kind", metavar="run|replay", required=True)
    service.configure(
        kinds.add_parser("run", help="shoppers who enter, walk, stop at counters and leave"), SimulateSettings
    )
    service.configure(kinds.add_parser("replay", help="play a recording of somebody else"), ReplaySettings)


def run(options: argparse.Namespace) -> int:
    """Run until told to stop, or until all is written."""
    from tagtrail.simulator.service import run_replay, run_simulate

    if options.kind == "replay":
        return run_replay(service.load(ReplaySettings, "replay", options))
    return run_simulate(service.load(SimulateSettings, "simulate", options))
