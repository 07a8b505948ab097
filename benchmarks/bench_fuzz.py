"""Hostile bytes for everything that takes bytes: host session, reader model and decoder of every reader family.

``FUZZ_INPUTS`` is the number of inputs per family. An input is a frame that the family's reader has sent, damaged in
one of several ways, or noise; it goes to all three, and time passes. Whatever comes, nothing may raise, memory must not
grow, and behind noise the first good frame is found (but for the luck of short checksums).
"""

import os
import random
import sys
import time
from pathlib import Path

import psutil

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from null_modem import FAMILY_NAMES, FamilyWire, family_of, settings_for
from row import Row
from tagtrail.hardware.protocols.interface import Counters, ReaderFamily, State

INPUTS = 20_000
STREAM = 100
"""Inputs in one stream of `decode`."""
STEP_S = 0.02


def measure() -> list[Row]:
    """Rows per family: speed, exceptions, growth of memory, frames found behind noise."""
    inputs = int(os.environ.get("FUZZ_INPUTS", INPUTS))
    return [row for name in FAMILY_NAMES for row in rows_of(name, inputs)]


def rows_of(name: str, inputs: int) -> list[Row]:
    """The rows of one family."""
    family = family_of(name)
    chance = random.Random(name)
    good = frames_of(family)
    fuzzed = Fuzzed(family)
    fuzzed.run(good, chance, max(inputs // 10, 1000))  # caches fill, arenas grow
    process = psutil.Process()
    before = process.memory_info().rss
    begun_s = time.perf_counter()
    fuzzed.run(good, chance, inputs)
    took_s = time.perf_counter() - begun_s
    grown = process.memory_info().rss - before
    return [
        Row(f"fuzz_{name}", inputs / took_s, "inputs/s"),
        Row(f"fuzz_{name}_exceptions", fuzzed.exceptions, f"of {inputs} inputs"),
        Row(f"fuzz_{name}_memory_growth", max(0, grown) / 2**20, "MiB"),
        Row(f"fuzz_{name}_first_frame_found", found_behind_noise(family, good, chance), "of 1"),
    ]


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


class Fuzzed:
    """Host, reader and decoder of one family."""

    def __init__(self, family: ReaderFamily) -> None:
        self.family = family
        self.host = family.host(settings_for(family))
        self.reader = family.reader()
        self.exceptions = 0
        self._now_s = 0.0

    def run(self, good: list[bytes], chance: random.Random, inputs: int) -> None:
        """Feed so many inputs."""
        for _ in range(0, inputs, STREAM):
            stream = [hurt(chance.choice(good), chance) for _ in range(STREAM)]
            self._try(stream)

    def _try(self, stream: list[bytes]) -> None:
        try:
            for data in stream:
                self._converse(data)
            for from_reader in (True, False):
                for _ in self.family.decode(stream, Counters(), from_reader=from_reader):
                    pass
        except Exception as error:  # noqa: BLE001 - this is what is counted
            self.exceptions += 1
            if self.exceptions == 1:
                print(f"{self.family.name}: {error!r} on {b''.join(stream).hex()}", file=sys.stderr)
            self.host = self.family.host(settings_for(self.family))

    def _converse(self, data: bytes) -> None:
        """The reader hears the damaged bytes too, and its answers come back: so the session leaves its first states."""
        self._now_s += STEP_S
        if self.host.state in (State.CLOSED, State.FAILED):
            self.reader.feed(self.host.open(self._now_s))
        _, out = self.host.feed(data, self._now_s)
        answers = self.reader.feed(out + data)
        if answers:
            _, out = self.host.feed(answers, self._now_s)
            self.reader.feed(out)
        _, out = self.host.tick(self._now_s)
        if out:
            self.host.feed(self.reader.feed(out), self._now_s)


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


def found_behind_noise(family: ReaderFamily, good: list[bytes], chance: random.Random) -> float:
    """Share of good frames that are found right behind noise."""
    frame = good[0]
    (wanted,) = {str(meaning["hex"]) for meaning in family.decode([frame], Counters())}
    tries = 1000
    found = 0
    for _ in range(tries):
        noise = chance.randbytes(chance.randrange(200))
        found += wanted in {str(meaning["hex"]) for meaning in family.decode([noise + frame], Counters())}
    return found / tries
