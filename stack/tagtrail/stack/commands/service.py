"""What the commands of all services share: options from the settings struct, then its ``run``."""

import argparse
import os
from collections.abc import Collection
from pathlib import Path
from typing import TypeVar

import msgspec

from tagtrail.stack.settings import add_options, load_settings

S = TypeVar("S", bound=msgspec.Struct)


def configure(
    parser: argparse.ArgumentParser, struct: type[msgspec.Struct], names: Collection[str] | None = None
) -> None:
    """Options of a service: one per setting, or only for those that are named, and the settings file."""
    parser.description = (struct.__doc__ or "").strip().split("\n\n")[0]
    parser.add_argument(
        "--settings",
        type=Path,
        default=os.environ.get("TAGTRAIL_SETTINGS"),
        metavar="FILE",
        help="TOML file with settings (default: TAGTRAIL_SETTINGS)",
    )
    add_options(parser, struct, names)


def load(struct: type[S], section: str, options: argparse.Namespace) -> S:
    """Settings from file, environment and command line.

    Raises:
        FaultsError: All that is wrong with them.
    """
    file = options.settings
    return load_settings(
        struct,
        section,
        file=None if file is None else Path(file),
        environment=os.environ,
        options=vars(options),
    )
