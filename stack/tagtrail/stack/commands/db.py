"""`tagtrail db migrate|status|backup|restore`: the database's schema, and all of it as a file."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tagtrail.ingest.database import backup, connection, migrate
from tagtrail.stack.commands.store import database_address
from tagtrail.stack.progress import Progress


def configure(parser: argparse.ArgumentParser) -> None:
    """Four subcommands."""
    actions = parser.add_subparsers(dest="action", metavar="migrate|status|backup|restore", required=True)
    actions.add_parser("migrate", help="bring the schema up to date; run again, it changes nothing")
    actions.add_parser("status", help="which migrations the database has, which it lacks")
    save = actions.add_parser("backup", help="write all of it to a file, while everything goes on")
    save.add_argument("file", type=Path, help="new file")
    load = actions.add_parser(
        "restore", help="make a database from a backup, also on another server, also of an older tagtrail"
    )
    load.add_argument("file", type=Path, help="what 'tagtrail db backup' wrote")
    load.add_argument("--replace", action="store_true", help="drop what the database has of tagtrail now")
    parser.epilog = "Only by environment: TAGTRAIL_DSN: address of the database"


def run(options: argparse.Namespace) -> int:
    """Do it, or tell."""
    dsn = database_address()
    print(connection.server_version(dsn))
    if options.action == "migrate":
        applied = migrate.migrate(dsn)
        print("\n".join(f"applied  {name}" for name in applied) or "up to date, nothing to apply")
        return 0
    if options.action == "backup":
        with _telling("backup") as tell:
            manifest = backup.backup(dsn, options.file, tell)
        _sum_up(manifest, f"{options.file}, {options.file.stat().st_size / 1e6:,.1f} MB")
        return 0
    if options.action == "restore":
        with _telling("restore") as tell:
            manifest = backup.restore(dsn, options.file, tell, replace=options.replace)
        _sum_up(manifest, f"restored from {options.file}, made at {manifest.made_at:%Y-%m-%d %H:%M} UTC")
        return 0
    status = migrate.status(dsn)
    for name in status.applied:
        print(f"applied  {name}")
    for name in status.pending:
        print(f"pending  {name}")
    return 1 if status.pending else 0


@contextmanager
def _telling(name: str) -> Iterator[Callable[[str, int, int], None]]:
    with Progress().step(name) as step:
        yield lambda table, done, total: step.update(f"{done / max(1, total):4.0%} {table}")


def _sum_up(manifest: backup.Manifest, what: str) -> None:
    rows: dict[str, int] = {}
    for member in manifest.members.values():
        rows[member.table] = rows.get(member.table, 0) + member.rows
    for table, number in rows.items():
        print(f"{number:>15,}  {table}")
    print(what)
