"""`tagtrail analyze`: run analytics."""

import argparse

from tagtrail.analytics.settings import AnalyzeSettings
from tagtrail.stack.commands import service


def configure(parser: argparse.ArgumentParser) -> None:
    """Options are the service's settings."""
    service.configure(parser, AnalyzeSettings)


def run(options: argparse.Namespace) -> int:
    """Run until told to stop."""
    settings = service.load(AnalyzeSettings, "analyze", options)
    from tagtrail.analytics.service import run as run_service

    return run_service(settings)
