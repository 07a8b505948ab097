"""Frames of readers that are framed well, checksum and all, and hold anything: what random bytes never come to."""

from collections.abc import Callable
from random import Random
from typing import Final

from tagtrail.hardware.protocols import _template, card125khz
from tagtrail.hardware.protocols.chafon import frame as chafon
from tagtrail.hardware.protocols.chafon import tables as chafon_tables
from tagtrail.hardware.protocols.invelion_a0 import frame as invelion
from tagtrail.hardware.protocols.invelion_a0 import tables as invelion_tables
from tagtrail.hardware.protocols.magicrf_bb import frame as magicrf
from tagtrail.hardware.protocols.magicrf_bb import tables as magicrf_tables
from tagtrail.hardware.protocols.mercury import frame as mercury
from tagtrail.hardware.protocols.mercury import tables as mercury_tables

SIZE_MAX: Final = 40


def well_framed(name: str, asked: bytes, chance: Random) -> bytes:
    """A frame of a reader of this family: half of them answer what the host has asked last."""
    return _MAKERS[name](asked, chance, chance.randbytes(chance.randrange(chance.choice((2, 6, SIZE_MAX)))))


def _code(asked: bytes, at: int, known: list[int], chance: Random) -> int:
    if len(asked) > at and chance.random() < 0.5:
        return asked[at]
    return chance.choice(known) if chance.random() < 0.8 else chance.randrange(256)


def _mercury(asked: bytes, chance: Random, data: bytes) -> bytes:
    code = _code(asked, 2, [int(opcode) for opcode in mercury_tables.OPCODE_NAMES], chance)
    status = chance.choice([0, 0, *mercury_tables.STATUS_NAMES, chance.randrange(0x10000)])
    return mercury.reply(code, status, data)


def _chafon(asked: bytes, chance: Random, data: bytes) -> bytes:
    code = _code(asked, 2, list(chafon_tables.COMMAND_NAMES), chance)
    status = chance.choice([0, 0, *chafon_tables.STATUS_NAMES, chance.randrange(256)])
    return chafon.reply(code, status, data)


def _invelion(asked: bytes, chance: Random, data: bytes) -> bytes:
    return invelion.frame(_code(asked, 3, list(invelion_tables.COMMAND_NAMES), chance), data, address=1)


def _magicrf(asked: bytes, chance: Random, data: bytes) -> bytes:
    code = _code(asked, 2, list(magicrf_tables.COMMAND_NAMES), chance)
    kind = chance.choice((magicrf.ANSWER, magicrf.NOTICE))
    return magicrf.frame(code, data, kind=kind, variant=chance.choice(list(magicrf.Variant)))


def _card(_asked: bytes, chance: Random, _data: bytes) -> bytes:
    return card125khz.card_frame(chance.randbytes(5).hex(), new_line=chance.random() < 0.5)


def _example(_asked: bytes, chance: Random, data: bytes) -> bytes:
    return _template.frame(chr(chance.randrange(32, 127)), data.hex().encode() if chance.random() < 0.5 else data)


_MAKERS: Final[dict[str, Callable[[bytes, Random, bytes], bytes]]] = {
    "mercury": _mercury,
    "mercury-silion": _mercury,
    "chafon": _chafon,
    "invelion-a0": _invelion,
    "magicrf-bb": _magicrf,
    "rdm6300": _card,
    "id12la": _card,
    "template": _example,
}
