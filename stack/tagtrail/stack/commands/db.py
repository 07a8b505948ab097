"""`tagtrail db migrate|status`: the database's schema."""

import argparse

from tagtrail.ingest.database import connection, migrate
from tagtrail.stack.commands.store import database_address


def configure(parser: argparse.ArgumentParser) -> None:
    """Two subcommands."""
    actions = parser.add_subparsers(dest="action", metavar="migrate|status", required=True)
    actions.add_parser("migrate", help="bring the schema up to date; run again, it changes nothing")
    actions.add_parser("status", help="which migrations the database has, which it lacks")
    parser.epilog = "Only by environment: TAGTRAIL_DSN: address of the database"


def run(options: argparse.Namespace) -> int:
    """Migrate, or tell."""
    dsn = database_address()
    print(connection.server_version(dsn))
    if options.action == "migrate":
        applied = migrate.migrate(dsn)
        print("\n".join(f"applied  {name}" for name in applied) or "up to date, nothing to apply")
        return 0
    status = migrate.status(dsn)
    for name in status.applied:
        print(f"applied  {name}")
    for name in status.pending:
        print(f"pending  {name}")
    return 1 if status.pending else 0
