"""`tagtrail store check|add`: is a store file right, and make it the layout that counts from a given time."""

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

from tagtrail.hardware.errors import GiveUp
from tagtrail.hardware.store import load_store


def configure(parser: argparse.ArgumentParser) -> None:
    """Two subcommands."""
    actions = parser.add_subparsers(dest="action", metavar="check|add", required=True)
    check = actions.add_parser("check", help="name all faults of a store file, with line and key")
    check.add_argument("file", type=Path)
    add = actions.add_parser("add", help="put a store file into the database as a new version of the layout")
    add.add_argument("file", type=Path)
    add.add_argument(
        "--valid-from",
        default=None,
        metavar="TIME",
        help="since when the floor looks like this, e.g. 2026-03-01T09:00:00+08:00 (default: now)",
    )
    add.epilog = "Only by environment: TAGTRAIL_DSN: address of the database"


def run(options: argparse.Namespace) -> int:
    """Check, and add if asked to."""
    store = load_store(options.file)
    antennas = sum(len(reader.antenna) for reader in store.reader)
    print(
        f"{options.file}: {store.store.name}, {len(store.floor)} floors, {len(store.zone)} zones, "
        f"{len(store.reader)} readers with {antennas} antennas: no faults"
    )
    if options.action == "add":
        from tagtrail.ingest.database import connection, layouts

        valid_from = datetime.now(UTC) if options.valid_from is None else moment("--valid-from", options.valid_from)
        with connection.connect(database_address()) as database:
            layouts.add_layout(database, options.file.read_text(encoding="utf-8"), valid_from)
        print(f"layout of {store.id!r} valid from {valid_from.isoformat()}")
    return 0


def database_address() -> str:
    """TAGTRAIL_DSN.

    Raises:
        GiveUp: It is not set.
    """
    dsn = os.environ.get("TAGTRAIL_DSN")
    if not dsn:
        raise GiveUp(
            "set TAGTRAIL_DSN to the database's address, e.g. postgresql://tagtrail:PASSWORD@localhost/tagtrail"
        )
    return dsn


def moment(option: str, text: str) -> datetime:
    """A time as an option gives it.

    Raises:
        GiveUp: It is none, or has no time zone.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise GiveUp(f"{option} {text!r} is not a time such as 2026-03-01T09:00:00+08:00") from None
    if moment.tzinfo is None:
        raise GiveUp(f"{option} {text!r} has no time zone; write e.g. {text}+08:00")
    return moment
