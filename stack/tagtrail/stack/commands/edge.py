"""`tagtrail edge`: run the edge agent."""

import argparse

from tagtrail.edge.settings import EdgeSettings
from tagtrail.stack.commands import service


def configure(parser: argparse.ArgumentParser) -> None:
    """Options are the service's settings."""
    service.configure(parser, EdgeSettings)


def run(options: argparse.Namespace) -> int:
    """Run until told to stop."""
    settings = service.load(EdgeSettings, "edge", options)
    from tagtrail.edge.service import run as run_service

    return run_service(settings)
