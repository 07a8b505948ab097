"""`tagtrail ingest`: run the ingest service."""

import argparse

from tagtrail.ingest.settings import IngestSettings
from tagtrail.stack.commands import service


def configure(parser: argparse.ArgumentParser) -> None:
    """Options are the service's settings."""
    service.configure(parser, IngestSettings)


def run(options: argparse.Namespace) -> int:
    """Run until told to stop."""
    settings = service.load(IngestSettings, "ingest", options)
    from tagtrail.ingest.service import run as run_service

    return run_service(settings)
