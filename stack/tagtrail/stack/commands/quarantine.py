"""`tagtrail ingest quarantine list|show|retry|drop`: messages that could not be read, and why."""

import argparse
import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import psycopg

from tagtrail.hardware.errors import GiveUp
from tagtrail.ingest import quarantine
from tagtrail.ingest.database.connection import Connection, connect, explain
from tagtrail.ingest.database.migrate import check_schema
from tagtrail.ingest.quarantine import Choice, Entry
from tagtrail.stack import tables
from tagtrail.stack.commands.store import database_address, moment

HEX_MAX: Final = 4096
"""Bytes of a payload that is no text which are shown."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Four subcommands."""
    parser.description = "Messages that ingest could not read, with the reason. They block nothing and are not lost."
    parser.epilog = "Only by environment: TAGTRAIL_DSN: address of the database"
    actions = parser.add_subparsers(dest="quarantine_action", metavar="list|show|retry|drop", required=True)
    listing = actions.add_parser("list", help="how many per reason, and the latest of them")
    listing.add_argument("--limit", type=int, default=20, metavar="N", help="most messages to list (default: 20)")
    show = actions.add_parser("show", help="all about a message, and the message")
    show.add_argument("id", type=int, metavar="ID")
    show.add_argument("--raw", action="store_true", help="only the payload, byte for byte, to standard output")
    retry = actions.add_parser("retry", help="read messages again, after an upgrade or after what was wrong was mended")
    retry.description = (
        "Reads messages again. What can be read by now goes to the database and leaves the quarantine, in one "
        "transaction; reads that are in the database already are not added twice. The rest stays, with its reason."
    )
    drop = actions.add_parser("drop", help="delete messages for good")
    drop.add_argument("--yes", action="store_true", help="really")
    for action in (retry, drop):
        action.add_argument("ids", type=int, nargs="*", metavar="ID", help="numbers of messages")
        action.add_argument("--all", action="store_true", help="all messages")
    for action in (listing, retry, drop):
        action.add_argument("--reason", help="only of this reason, e.g. version")
        action.add_argument("--store", dest="of_store", metavar="STORE", help="only of this store")
        action.add_argument("--since", metavar="TIME", help="only what came since, e.g. 2026-03-01T09:00:00+08:00")


def run(options: argparse.Namespace) -> int:
    """0; 1 where messages stay that were to leave."""
    dsn = database_address()
    check_schema(dsn)
    act = {"list": _list, "show": _show, "retry": _retry, "drop": _drop}[options.quarantine_action]
    try:
        with connect(dsn, application="tagtrail ingest quarantine", autocommit=True) as connection:
            return act(connection, options)
    except psycopg.Error as error:
        raise explain(error) from error


def _list(connection: Connection, options: argparse.Namespace) -> int:
    choice = _choice(options)
    tallies = quarantine.tallies(connection, choice)
    if not tallies:
        print("no messages")
        return 0
    rows = [(tally.reason, tally.messages, tally.times, _time(tally.last), tally.size) for tally in tallies]
    print(tables.render("By reason", ["reason", "messages", "came", "last (UTC)", "bytes"], rows))
    found = quarantine.entries(connection, choice, max(0, options.limit))
    listed = [
        (entry.id, entry.reason, _plain(entry.topic), entry.times, _time(entry.first), _time(entry.last), entry.size)
        for entry in found
    ]
    if listed:
        columns = ["id", "reason", "topic", "came", "first (UTC)", "last (UTC)", "bytes"]
        more = sum(tally.messages for tally in tallies) - len(listed)
        print(tables.render("\nThe latest" + (f", and {more} older ones" if more else ""), columns, listed))
    return 0


def _show(connection: Connection, options: argparse.Namespace) -> int:
    found = quarantine.entries(connection, Choice([options.id]))
    if not found:
        raise GiveUp(_none([options.id]))
    entry, payload = found[0], quarantine.payload(connection, options.id)
    if options.raw:
        sys.stdout.buffer.write(payload)
        return 0
    size = f"{entry.size} bytes" + ("" if entry.whole else f", of which the first {entry.kept} were kept")
    for name, value in (
        ("message", str(entry.id)),
        ("reason", entry.reason),
        ("", _plain(entry.explanation)),
        ("topic", _plain(entry.topic)),
        ("came", f"{entry.times} times, first {_time(entry.first)}, last {_time(entry.last)} UTC"),
        ("store time", f"{_time(entry.heard)} UTC"),
        ("payload", size),
    ):
        print(f"{name:<12}{value}")
    print()
    print("\n".join(_shown(payload)))
    return 0


def _retry(connection: Connection, options: argparse.Namespace) -> int:
    from tagtrail.ingest.retry import retry

    taken = reads = 0
    ids = [entry.id for entry in _chosen(connection, options)]
    for result in retry(connection, ids):
        entry = result.entry
        what = "taken" if result.gone else "stays"
        added = f" ({result.reads} reads added)" if result.reads and not result.gone else ""
        print(f"{entry.id}  {what}  {_plain(entry.topic)}  {_plain(result.words)}{added}", flush=True)
        taken += result.gone
        reads += result.reads
    print(f"{taken} of {len(ids)} messages taken, {reads} reads added")
    return 0 if taken == len(ids) else 1


def _drop(connection: Connection, options: argparse.Namespace) -> int:
    chosen = _chosen(connection, options)
    if chosen and not options.yes:
        raise GiveUp(f"this would delete {len(chosen)} messages for good, nothing is deleted yet; if so, add --yes")
    dropped = sum(quarantine.drop(connection, entry.id) for entry in chosen)
    print(f"{dropped} messages deleted")
    return 0


def _chosen(connection: Connection, options: argparse.Namespace) -> list[Entry]:
    """The entries that ids and options name, in the order in which they came."""
    choice = _choice(options)
    if not options.ids and not options.all and choice == Choice():
        raise GiveUp("name messages by their ID, by --reason, --store or --since, or say --all")
    if options.ids:
        choice = choice._replace(ids=options.ids)
    found = sorted(quarantine.entries(connection, choice), key=lambda entry: entry.id)
    if missing := set(options.ids) - {entry.id for entry in found}:
        raise GiveUp(_none(sorted(missing)))
    return found


def _choice(options: argparse.Namespace) -> Choice:
    since = None if options.since is None else moment("--since", options.since)
    return Choice(reason=options.reason, store=options.of_store, since=since)


def _none(ids: Iterable[int]) -> str:
    return (
        f"there is no message {', '.join(map(str, ids))} in the quarantine; 'tagtrail ingest quarantine list' has them"
    )


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _shown(payload: bytes) -> list[str]:
    """A payload for a terminal, which obeys control characters: so there are none."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return _hex(payload)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        lines = text.split("\n")
        return lines if all(line.rstrip("\r").replace("\t", "").isprintable() for line in lines) else _hex(payload)
    if isinstance(document, dict):
        return ["{", *(f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in document.items()), "}"]
    return json.dumps(document, indent=2).split("\n")


def _hex(payload: bytes) -> list[str]:
    lines = [
        f"{start:08x}  {payload[start : start + 16].hex(' '):<47}  "
        + "".join(chr(byte) if 32 <= byte < 127 else "." for byte in payload[start : min(start + 16, HEX_MAX)])
        for start in range(0, min(len(payload), HEX_MAX), 16)
    ]
    return [*lines, f"… {len(payload) - HEX_MAX} bytes more: --raw"] if len(payload) > HEX_MAX else lines


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
