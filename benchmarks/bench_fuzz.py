"""Hostile bytes for everything that takes bytes: host session, reader model and decoder of every reader family.

``FUZZ_INPUTS`` is the number of inputs per family, ``FUZZ_FAMILIES`` names the families (all of them; separated by
commas). An input is a frame that the family's reader has sent, damaged in one of several ways, or noise, or a frame
that is framed well and holds anything; it goes to all three, and time passes. The JSON of fixed readers goes through
its decoder and through ingest. Whatever comes, nothing may raise, memory must not grow, and behind noise the first good
frame is found (but for the luck of short checksums).
"""

import os
import random
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import psutil

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from null_modem import FAMILY_NAMES, FamilyWire, family_of, settings_for
from row import Row
from tagtrail.hardware.decoding import Decoder, decode_stream
from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols import JSON_FORMATS, load_json_format
from tagtrail.hardware.protocols.interface import Counters, ReaderFamily, State
from tagtrail.hardware.protocols.json_documents import JsonFormat
from tagtrail.ingest.vendor import read_vendor, vendor_topic
from vendor_documents import document, hurt_document
from well_framed import well_framed

INPUTS = 20_000
STREAM = 100
"""Inputs in one stream of `decode`."""
STEP_S = 0.02
WELL_FRAMED_EVERY: Final = 5
"""Of so many inputs one is framed well and holds anything."""
RECEIVED_US = 1_773_489_600_000_000
PROGRESS_S = 30
SHOWN = 16_384
"""Bytes of the stream that raised something."""
GROWTH_MAX_MIB: Final = 8
"""Memory comes and goes in arenas; a leak is more than this in a long run."""
FOUND_MIN: Final = 0.95
"""Noise begins a frame of some families now and then, and its length swallows the good one."""
HURT = Callable[[bytes, random.Random], bytes]


class Victim(Protocol):
    """What hostile bytes are fed to.

    Attributes:
        name: Of the family.
    """

    name: str

    def take(self, stream: list[bytes]) -> None:
        """Take a stream; nothing may be raised."""
        ...

    def recover(self) -> None:
        """Begin anew, after something was raised."""
        ...


def measure() -> list[Row]:
    """Rows per family: speed, exceptions, growth of memory, frames found behind noise."""
    inputs = int(os.environ.get("FUZZ_INPUTS", INPUTS))
    known = [*FAMILY_NAMES, *JSON_FORMATS]
    names = [name for name in os.environ.get("FUZZ_FAMILIES", "").split(",") if name] or known
    if unknown := set(names) - set(known):
        sys.exit(f"FUZZ_FAMILIES: no family {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return [row for name in names for row in rows_of(name, inputs)]


def rows_of(name: str, inputs: int) -> list[Row]:
    """The rows of one family."""
    chance = random.Random(name)
    if name in JSON_FORMATS:
        json_format = load_json_format(name)
        good = [document(json_format, number) for number in range(50)]
        return fuzzed(Publisher(json_format), json_format, good, hurt_document, chance, inputs)
    family = family_of(name)
    return fuzzed(Conversation(family), family, frames_of(family), hurt, chance, inputs)


def fuzzed(
    victim: Victim, decoder: Decoder, good: list[bytes], hurt: HURT, chance: random.Random, inputs: int
) -> list[Row]:
    """Feed a victim, and what came of it."""
    name = victim.name
    warm = feed(victim, good, hurt, chance, max(inputs // 10, 1000))  # caches fill, arenas grow
    before = memory_mib()
    begun_s = time.perf_counter()
    exceptions = warm + feed(victim, good, hurt, chance, inputs)
    took_s = time.perf_counter() - begun_s
    grown_mib = max(0.0, memory_mib() - before)
    found = found_behind_noise(decoder, good[0], chance)
    faults = (
        f"{exceptions} exceptions; the first is told above" if exceptions else "",
        f"memory grew by {grown_mib:.0f} MiB, at most {GROWTH_MAX_MIB} allowed" if grown_mib > GROWTH_MAX_MIB else "",
        f"{found:.1%} found, at least {FOUND_MIN:.0%} wanted" if found < FOUND_MIN else "",
    )
    return [
        Row(f"fuzz_{name}", inputs / took_s, "inputs/s"),
        Row(f"fuzz_{name}_exceptions", exceptions, f"of {inputs} inputs", fault=faults[0]),
        Row(f"fuzz_{name}_memory_growth", grown_mib, "MiB", fault=faults[1]),
        Row(f"fuzz_{name}_first_frame_found", found, "of 1", fault=faults[2]),
    ]


def feed(victim: Victim, good: list[bytes], hurt: HURT, chance: random.Random, inputs: int) -> int:
    """Feed so many inputs; returns how many streams raised something. A long run tells how far it is."""
    exceptions = 0
    told_s = time.monotonic()
    for fed in range(0, inputs, STREAM):
        stream = [hurt(chance.choice(good), chance) for _ in range(STREAM)]
        try:
            victim.take(stream)
        except Exception as error:  # noqa: BLE001 - this is what is counted
            exceptions += 1
            if exceptions == 1:
                print(f"{victim.name}: {error!r} on {b''.join(stream)[:SHOWN].hex()}", file=sys.stderr)
            victim.recover()
        if time.monotonic() - told_s >= PROGRESS_S:
            told_s = time.monotonic()
            print(
                f"fuzz {victim.name}: {fed + STREAM:,} of {inputs:,} inputs, {exceptions} exceptions, "
                f"{memory_mib():.0f} MiB",
                file=sys.stderr,
                flush=True,
            )
    return exceptions


def memory_mib() -> float:
    """What this process has in memory."""
    return float(psutil.Process().memory_info().rss) / 2**20


def frames_of(family: ReaderFamily) -> list[bytes]:
    """What a reader says for some tags."""
    wire = FamilyWire(family)
    wire.open()
    wire.until_reading(20)
    said: list[bytes] = []

    def record(data: bytes) -> bytes:
        said.append(data)
        return data

    wire.noise = record
    for number in range(50):
        wire.report(number)
    return [data for data in said if data]


class Conversation:
    """Host, reader and decoder of one family."""

    def __init__(self, family: ReaderFamily) -> None:
        self.name = family.name
        self.family = family
        self.host = family.host(settings_for(family))
        self.reader = family.reader()
        self._now_s = 0.0
        self._asked = b""
        self._chance = random.Random(f"{family.name}, well framed")

    def take(self, stream: list[bytes]) -> None:
        """See `Victim`."""
        for at in range(0, len(stream), WELL_FRAMED_EVERY):
            stream[at] = well_framed(self.name, self._asked, self._chance)
            for data in stream[at : at + WELL_FRAMED_EVERY]:
                self._converse(data)
        for from_reader in (True, False):
            for _ in self.family.decode(stream, Counters(), from_reader=from_reader):
                pass

    def recover(self) -> None:
        """See `Victim`."""
        self.host = self.family.host(settings_for(self.family))

    def _converse(self, data: bytes) -> None:
        """The reader hears the damaged bytes too, and its answers come back: so the session leaves its first states."""
        self._now_s += STEP_S
        if self.host.state in (State.CLOSED, State.FAILED):
            self.reader.feed(self.host.open(self._now_s))
        _, out = self.host.feed(data, self._now_s)
        self._asked = out or self._asked
        answers = self.reader.feed(out + data)
        if answers:
            _, out = self.host.feed(answers, self._now_s)
            self.reader.feed(out)
        _, out = self.host.tick(self._now_s)
        if out:
            self._asked = out
            self.host.feed(self.reader.feed(out), self._now_s)


class Publisher:
    """Decoder and ingest of one maker's JSON; documents come alone, and glued to one another."""

    def __init__(self, json_format: JsonFormat) -> None:
        self.name = json_format.name
        self._format = json_format
        self._topic = vendor_topic(json_format.vendor, "riverside", "r01")

    def take(self, stream: list[bytes]) -> None:
        """See `Victim`."""
        for _ in decode_stream(self._format, stream, Counters()):
            pass
        for payload in (*stream, b"".join(stream[:10])):
            with suppress(BadData):  # a reason by name: that is an answer
                read_vendor(self._topic, payload, RECEIVED_US)

    def recover(self) -> None:
        """See `Victim`."""


def hurt(data: bytes, chance: random.Random) -> bytes:
    """A frame, damaged; or noise."""
    kind = chance.randrange(8)
    at = chance.randrange(len(data))
    match kind:
        case 0:
            return chance.randbytes(chance.randrange(40))
        case 1:
            return data[:at]
        case 2:
            return data[at:]
        case 3:
            return data[:at] + chance.randbytes(1) + data[at + 1 :]
        case 4:
            return data[:at] + data[at + 1 :]
        case 5:
            return data[:at] + chance.randbytes(chance.randint(1, 4)) + data[at:]
        case 6:
            return data[:1] * chance.randint(1, 60)
        case _:
            return data


def found_behind_noise(decoder: Decoder, frame: bytes, chance: random.Random) -> float:
    """Share of good frames that are found right behind noise."""
    (wanted,) = (meaning for meaning in decoder.decode([frame], Counters()))
    tries = 1000
    found = 0
    for _ in range(tries):
        noise = chance.randbytes(chance.randrange(200))
        found += wanted in decoder.decode([noise + frame], Counters())
    return found / tries
