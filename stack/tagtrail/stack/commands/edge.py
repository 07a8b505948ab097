"""`tagtrail edge`: run the edge agent, or find out which reader is on a port."""

import argparse
import sys

from tagtrail.edge.settings import EdgeSettings
from tagtrail.hardware.errors import GiveUp, Retry
from tagtrail.hardware.protocols import FAMILIES
from tagtrail.stack.commands import service


def configure(parser: argparse.ArgumentParser) -> None:
    """Options are the service's settings; one subcommand."""
    service.configure(parser, EdgeSettings)
    actions = parser.add_subparsers(dest="action", metavar="probe", title="instead of running the agent")
    probe = actions.add_parser("probe", help="which reader is on a serial port, and its lines for the store file")
    probe.description = (
        "Asks each family of readers in turn, at its usual baud rate and then at others, whether it is on PORT. Takes "
        "up to two minutes where no reader answers. Stop the agent first; a reader that reads is stopped. Readers of "
        "125 kHz cards take no questions: hold a card to one and decode what comes."
    )
    probe.add_argument("port", metavar="PORT", nargs="?", help="path or pyserial URL; without it, list the ports")
    probe.add_argument("--protocol", choices=sorted(FAMILIES), help="ask this family only")
    probe.add_argument("--baud", type=int, help="ask at this rate only")


def run(options: argparse.Namespace) -> int:
    """Run until told to stop, or probe."""
    if options.action == "probe":
        return _probe(options)
    settings = service.load(EdgeSettings, "edge", options)
    from tagtrail.edge.service import run as run_service

    return run_service(settings)


def _probe(options: argparse.Namespace) -> int:
    """0 where a reader, or a port, was found; else 1."""
    from tagtrail.edge import probe

    if options.port is None:
        lines = list(probe.ports())
        print("\n".join(lines) if lines else "no serial port on this machine: check cable and driver")
        return 0 if lines else 1
    if options.baud is not None and not 0 < options.baud <= 10_000_000:
        raise GiveUp(f"--baud {options.baud}: 1 to 10000000 allowed")
    answers = {}
    for family, baud in probe.tries([options.protocol] if options.protocol else list(FAMILIES), options.baud):
        print(f"asking {family.name} at {baud} baud", file=sys.stderr)
        try:
            found = probe.probe(options.port, family, baud)
        except Retry as error:
            raise GiveUp(str(error)) from None
        if isinstance(found, probe.Found):
            print("\n".join(probe.report(found)))
            return 0
        if found.why is not None:
            answers[family.name] = found.why
    for name, why in answers.items():
        print(f"{options.port}: {name}: {why}")
    if not answers:
        print(f"{options.port}: no reader answers: check power and cable, and that TX and RX are not swapped")
    return 1
