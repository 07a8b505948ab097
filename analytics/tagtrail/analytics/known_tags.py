"""What somebody has said of tags: a list of EPCs and of how EPCs begin, each with a kind."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.reads import EPC_PATTERN

SHOPPER: Final = "shopper"
STAFF: Final = "staff"
STOCK: Final = "stock"
FORGOTTEN: Final = "forgotten"
STUCK: Final = "stuck"
KINDS: Final = (SHOPPER, STAFF, STOCK, FORGOTTEN, STUCK)

_PREFIX: Final = re.compile(r"([0-9A-F]{1,127})\*")


@dataclass(frozen=True)
class KnownTags:
    """Kind and note by EPC, and by how an EPC begins."""

    tags: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    prefixes: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def of(self, epc: str) -> tuple[str, str] | None:
        """Kind and reason of a tag that is listed, itself or by the longest beginning."""
        if found := self.tags.get(epc):
            return found[0], _reason("is in the list of known tags", found[1])
        lengths = range(len(epc), 0, -1) if self.prefixes else ()
        for start in (epc[:length] for length in lengths):
            if found := self.prefixes.get(start):
                return found[0], _reason(f"begins with {start}, which is in the list of known tags", found[1])
        return None


def parse_known_tags(text: str, source: str = "tags") -> KnownTags:
    """A list of known tags from CSV: ``epc,kind`` and optionally ``note``; other columns are left alone.

    ``epc`` is hex, or the first digits of many EPCs and ``*``: company prefixes of tagged articles, for example.

    Raises:
        FaultsError: Columns are missing, or a row has another kind, is no hex, or contradicts another; all of them,
            with their lines.
    """
    reader = csv.DictReader(text.splitlines(), skipinitialspace=True)
    names = [name.strip() for name in reader.fieldnames or []]
    reader.fieldnames = names
    if missing := [name for name in ("epc", "kind") if name not in names]:
        raise FaultsError(
            source,
            [f"column {name!r} is missing (columns: {', '.join(names) or 'none'}); write epc,kind" for name in missing],
        )
    found: dict[str, tuple[str, str]] = {}
    lines: dict[str, int] = {}
    faults = []
    for row in reader:
        line = reader.line_num
        epc, kind, note = ((row.get(name) or "").strip() for name in ("epc", "kind", "note"))
        epc, kind = epc.upper(), kind.lower()
        if not (EPC_PATTERN.fullmatch(epc) or _PREFIX.fullmatch(epc)):
            faults.append(f"line {line}: epc {epc!r} is not 4 to 128 hex digits, nor the first digits and *")
        elif kind not in KINDS:
            faults.append(f"line {line}: kind {kind!r}: expected {', '.join(KINDS[:-1])} or {KINDS[-1]}")
        elif epc in found and found[epc][0] != kind:
            faults.append(f"line {line}: {epc} is {kind}, but {found[epc][0]} in line {lines[epc]}; keep one of them")
        else:
            found.setdefault(epc, (kind, note))
            lines.setdefault(epc, line)
    if faults:
        raise FaultsError(source, faults)
    return KnownTags(
        {epc: what for epc, what in found.items() if not epc.endswith("*")},
        {epc[:-1]: what for epc, what in found.items() if epc.endswith("*")},
    )


def _reason(what: str, note: str) -> str:
    return f"{what}: {note}" if note else what
