"""Reader protocols: one file per family, both directions, no I/O. To add one: write the file, add a line below."""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from tagtrail.hardware.errors import GiveUp

if TYPE_CHECKING:
    from tagtrail.hardware.protocols.interface import ReaderFamily

FAMILIES: Final = {
    "mercury": "tagtrail.hardware.protocols.mercury",
}
"""Protocol name of the store file → module that holds it. Each module has a function ``family() -> ReaderFamily``."""


def load_family(protocol: str) -> "ReaderFamily":
    """The reader family that speaks ``protocol``; its module is imported only now.

    Raises:
        GiveUp: No such protocol.
    """
    if protocol not in FAMILIES:
        raise GiveUp(f"protocol {protocol!r} is unknown; known are {', '.join(sorted(FAMILIES))}")
    factory = cast("Callable[[], ReaderFamily]", import_module(FAMILIES[protocol]).family)
    return factory()
