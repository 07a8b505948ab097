"""`tagtrail doctor`: what this machine has, and what is missing for which command."""

import argparse
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tagtrail.hardware.errors import TagtrailError
from tagtrail.stack.broker import find_mosquitto

PACKAGES: Final = {
    "edge": ("serial", "paho.mqtt"),
    "ingest": ("paho.mqtt", "psycopg", "numpy"),
    "analyze": ("psycopg", "numpy", "pandas", "pyarrow"),
    "api": ("psycopg", "fastapi", "uvicorn", "plotly"),
    "simulate": ("serial", "numpy", "pyarrow"),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """A store file makes it look at the readers' ports too."""
    parser.add_argument("--store", type=Path, metavar="FILE", help="also check this store file and its readers' ports")


def run(options: argparse.Namespace) -> int:
    """Print a line per finding; 1 if something is missing that a command needs."""
    missing = False
    for good, subject, finding in findings(options.store):
        missing |= not good
        print(f"  {'✓' if good else '✗'}  {subject:<12}{finding}")
    return 1 if missing else 0


def findings(store_file: Path | None) -> Iterator[tuple[bool, str, str]]:
    """(in order, subject, what was found)."""
    yield sys.version_info >= (3, 11), "python", f"{platform.python_version()} on {platform.platform(terse=True)}"
    for command, packages in PACKAGES.items():
        lacking = [name for name in packages if not _installed(name)]
        yield not lacking, command, f"lacks {', '.join(lacking)}" if lacking else "has its packages"
    yield _database()
    mosquitto = find_mosquitto()
    yield True, "broker", mosquitto or "Mosquitto is not installed; amqtt is used, enough for a desk, not for a store"
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    yield free_gb > 1, "disk", f"{free_gb:.0f} GB free here"
    if store_file is not None:
        yield from _store(store_file)


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _database() -> tuple[bool, str, str]:
    if not _installed("psycopg"):
        return False, "database", "psycopg is not installed"
    try:
        if dsn := os.environ.get("TAGTRAIL_DSN"):
            from tagtrail.ingest.database import connection

            return True, "database", f"{connection.server_version(dsn)} at TAGTRAIL_DSN"
        from tagtrail.stack.postgres import find_binaries

        return True, "database", f"embedded, from {find_binaries()}"
    except TagtrailError as error:
        return False, "database", str(error)


def _store(store_file: Path) -> Iterator[tuple[bool, str, str]]:
    from tagtrail.hardware.store import load_store

    try:
        store = load_store(store_file)
    except TagtrailError as error:
        yield False, "store", str(error)
        return
    yield True, "store", f"{store.store.name}: no faults"
    for reader in store.reader:
        if reader.port is None:
            yield False, reader.id, "has no port in the store file"
        elif "://" in reader.port:
            yield True, reader.id, f"{reader.port} (not tried)"
        elif not Path(reader.port).exists():
            yield False, reader.id, f"{reader.port} does not exist; is the reader plugged in?"
        elif not os.access(reader.port, os.R_OK | os.W_OK):
            yield False, reader.id, f"{reader.port} may not be opened; add yourself to its group (often dialout)"
        else:
            yield True, reader.id, reader.port
