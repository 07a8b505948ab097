"""The `tagtrail` command. A subcommand's module is imported only when it is called: the edge starts without numpy."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Final, Protocol

from tagtrail.hardware.errors import TagtrailError
from tagtrail.stack import logs


class Command(Protocol):
    """What a module in `commands` holds."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add options and a description."""
        ...

    def run(self, options: argparse.Namespace) -> int:
        """Do it; returns the exit code."""
        ...


COMMANDS: Final = {
    "demo": ("everything on this machine with a simulated store", "tagtrail.stack.commands.demo"),
    "up": ("the same stack for a real store on one machine", "tagtrail.stack.commands.up"),
    "edge": ("read the readers, publish batches of reads", "tagtrail.stack.commands.edge"),
    "ingest": ("write batches of reads to the database", "tagtrail.stack.commands.ingest"),
    "analyze": ("reads to visits, trips and measures: live, or from files", "tagtrail.stack.commands.analyze"),
    "api": ("HTTP and the floor page", "tagtrail.stack.commands.api"),
    "simulate": ("a store that does not exist; replay of recordings", "tagtrail.stack.commands.simulate"),
    "decode": ("raw bytes of a reader to JSON lines", "tagtrail.stack.commands.decode"),
    "store": ("check a store file, or put it into the database", "tagtrail.stack.commands.store"),
    "db": ("the database: schema, backup, restore", "tagtrail.stack.commands.db"),
    "doctor": ("what this machine has, and what is missing", "tagtrail.stack.commands.doctor"),
}

QUIET: Final = ("demo", "up", "db", "store", "decode", "doctor")
"""Commands that a person watches: they tell their progress themselves, the log is for what goes wrong."""

LOG_LEVELS: Final = ("debug", "info", "warning", "error")
EXIT_GAVE_UP: Final = 2
"""A person must change something first; a supervisor does not restart what ended so."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; what a person can mend is one message, never a traceback."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="tagtrail",
        description="In-store tracking with RFID: from a reader's bytes to the floor map.",
        epilog="Every command explains itself: tagtrail COMMAND --help. Start with: tagtrail demo",
    )
    parser.add_argument("--version", action="version", version=f"tagtrail {version('tagtrail')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    for name, (summary, module) in COMMANDS.items():
        subparser = commands.add_parser(name, help=summary)
        if name == chosen:
            try:
                command: Command = import_module(module)
                command.configure(subparser)
            except ModuleNotFoundError as error:
                return _missing_package(name, error)
            subparser.description = subparser.description or summary[0].upper() + summary[1:] + "."
            usual = "warning" if name in QUIET else "info"
            subparser.add_argument(
                "--log-level",
                default=os.environ.get("TAGTRAIL_LOG_LEVEL", usual),
                choices=LOG_LEVELS,
                help=f"how much to log to standard error (default: {usual}, or TAGTRAIL_LOG_LEVEL)",
            )
            subparser.set_defaults(run=command.run)
    options = parser.parse_args(arguments)
    if options.log_level not in LOG_LEVELS:  # argparse takes a default from the environment unchecked
        parser.error(f"TAGTRAIL_LOG_LEVEL={options.log_level!r}: choose from {', '.join(LOG_LEVELS)}")
    logs.set_up(options.log_level)
    try:
        return int(options.run(options))
    except TagtrailError as error:
        logging.getLogger("tagtrail").debug("where it happened", exc_info=True)
        print(f"tagtrail {options.command}: {error}", file=sys.stderr)
        return EXIT_GAVE_UP
    except ModuleNotFoundError as error:
        return _missing_package(options.command, error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output went away: `tagtrail … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _missing_package(command: str, error: ModuleNotFoundError) -> int:
    if error.name is None or error.name.startswith("tagtrail"):
        raise error
    extra = {"analyze": "analytics", "simulate": "simulator", "db": "ingest"}.get(command, command)
    extra = extra if extra in ("edge", "ingest", "analytics", "api", "simulator") else "stack"
    print(
        f"tagtrail {command} needs the package {error.name!r}, which is not installed: pip install 'tagtrail[{extra}]'",
        file=sys.stderr,
    )
    return EXIT_GAVE_UP
