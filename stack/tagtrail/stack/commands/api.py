"""`tagtrail api`: run the API and the floor page."""

import argparse

from tagtrail.api.settings import ApiSettings
from tagtrail.stack.commands import service


def configure(parser: argparse.ArgumentParser) -> None:
    """Options are the service's settings."""
    service.configure(parser, ApiSettings)


def run(options: argparse.Namespace) -> int:
    """Run until told to stop."""
    settings = service.load(ApiSettings, "api", options)
    from tagtrail.api.service import run as run_service

    return run_service(settings)
