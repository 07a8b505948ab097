"""Reader protocols: one file per family, both directions, no I/O. To add one: write the file, add a line below."""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from tagtrail.hardware.errors import GiveUp

if TYPE_CHECKING:
    from tagtrail.hardware.protocols.interface import ReaderFamily
    from tagtrail.hardware.protocols.json_documents import JsonFormat

FAMILIES: Final = {
    "chafon": "tagtrail.hardware.protocols.chafon",
    "id12la": "tagtrail.hardware.protocols.id12la",
    "invelion-a0": "tagtrail.hardware.protocols.invelion_a0",
    "magicrf-bb": "tagtrail.hardware.protocols.magicrf_bb",
    "mercury": "tagtrail.hardware.protocols.mercury",
    "mercury-silion": "tagtrail.hardware.protocols.mercury_silion",
    "rdm6300": "tagtrail.hardware.protocols.rdm6300",
}
"""Protocol name of the store file → module that holds it. Each module has a function ``family() -> ReaderFamily``."""

JSON_FORMATS: Final = {
    "impinj-iot-json": "tagtrail.hardware.protocols.impinj_iot_json",
    "zebra-iotc-json": "tagtrail.hardware.protocols.zebra_iotc_json",
}
"""JSON that fixed readers publish by themselves: decoded and taken in like the others, but there is no session to hold
and no serial line. Name → module, each with a function ``json_format() -> JsonFormat``."""


def load_family(protocol: str) -> "ReaderFamily":
    """The reader family that speaks ``protocol``; its module is imported only now.

    Raises:
        GiveUp: No such protocol.
    """
    if protocol not in FAMILIES:
        raise GiveUp(f"protocol {protocol!r} is unknown; known are {', '.join(sorted(FAMILIES))}")
    factory = cast("Callable[[], ReaderFamily]", import_module(FAMILIES[protocol]).family)
    return factory()


def load_json_format(name: str) -> "JsonFormat":
    """The JSON format of that name, one of `JSON_FORMATS`."""
    return cast("Callable[[], JsonFormat]", import_module(JSON_FORMATS[name]).json_format)()
