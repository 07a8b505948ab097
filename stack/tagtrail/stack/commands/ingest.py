"""`tagtrail ingest`: run the ingest service, or look after what it could not read."""

import argparse

from tagtrail.ingest.settings import IngestSettings
from tagtrail.stack.commands import quarantine, service


def configure(parser: argparse.ArgumentParser) -> None:
    """Options are the service's settings; one subcommand."""
    service.configure(parser, IngestSettings)
    actions = parser.add_subparsers(dest="action", metavar="quarantine", title="instead of running the service")
    quarantine.configure(
        actions.add_parser("quarantine", help="messages that could not be read: see, retry, drop them")
    )


def run(options: argparse.Namespace) -> int:
    """Run until told to stop, or look after the quarantine."""
    if options.action == "quarantine":
        return quarantine.run(options)
    settings = service.load(IngestSettings, "ingest", options)
    from tagtrail.ingest.service import run as run_service

    return run_service(settings)
