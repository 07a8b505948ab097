"""A simulated store in steps of one reader cycle, and the mode that writes everything into files at once."""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import numpy as np

from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.store import Store
from tagtrail.simulator.geometry import Floats
from tagtrail.simulator.progress import Pace
from tagtrail.simulator.radio import CYCLE_S, Radio, Reads
from tagtrail.simulator.truth import READS_SCHEMA, ReaderCount, Summary, Table, Truth, begin, iso
from tagtrail.simulator.world import Crowd, World

CYCLE_US: Final = round(CYCLE_S * 1e6)
CYCLES_PER_SECOND: Final = 1_000_000 // CYCLE_US
_RADIO: Final = 2
"""Random stream of the radio; 0 and 1 are those of `tagtrail.simulator.world`."""

log = logging.getLogger("tagtrail.simulate")


class Simulation:
    """A world and its radio, stepped together.

    Attributes:
        time_us: Store time of the next step.
        inside: Shoppers in the store at the last step.
    """

    def __init__(
        self,
        store: Store,
        *,
        seed: int,
        shoppers_per_hour: float,
        warm_up_minutes: float,
        start_us: int = 0,
        truth: Truth | None = None,
    ) -> None:
        self.start_us = self.time_us = start_us
        self.inside = 0
        self.world = World(store, seed, shoppers_per_hour=shoppers_per_hour, warm_up_s=warm_up_minutes * 60)
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_RADIO,)))
        families = [load_family(reader.protocol) for reader in store.reader]
        self.radio = Radio(store, rng, [family.reads_per_s_max for family in families])
        self._digits = [2 * families[reader].epc_bytes for reader, _ in self.radio.antennas]
        for index, (reader, antenna) in enumerate(self.radio.antennas):
            if not families[reader].obeys_commands:  # whatever the store file says
                self.radio.store_powers_dbm[index] = families[reader].reader().powers_dbm[antenna.port]
        self._cycles = 0
        self._truth = truth

    def start(self, start_us: int) -> None:
        """Set the store time of the first step; it takes a while to get a store going, and the clock does not wait."""
        self.start_us = self.time_us = start_us

    def step(self, powers_dbm: Floats) -> tuple[Reads, list[str]]:
        """One cycle of all readers, with the transmit power per antenna; returns its reads and their EPCs.

        A 125 kHz reader reads the shopper's card, whose number is the last digits of the EPC.
        """
        crowd = self.world.at(self._cycles * CYCLE_S)
        if self._truth and self._cycles % CYCLES_PER_SECOND == 0:
            self._truth.second(self.time_us, crowd, self._epcs(crowd))
        reads = self.radio.cycle(crowd, powers_dbm)
        columns = zip(reads.number.tolist(), reads.antenna.tolist(), strict=True)
        epcs = [self.world.visits[number].epc[-self._digits[antenna] :] for number, antenna in columns]
        self.inside = len(crowd.number)
        self._cycles += 1
        self.time_us = self.start_us + self._cycles * CYCLE_US
        return reads, epcs

    def _epcs(self, crowd: Crowd) -> list[str]:
        return [self.world.visits[number].epc for number in crowd.number.tolist()]


def simulate_to_files(
    store: Store,
    *,
    seed: int,
    minutes: float,
    out: Path,
    start_us: int,
    shoppers_per_hour: float = 90.0,
    warm_up_minutes: float = 20.0,
    stop: Callable[[], bool] = lambda: False,
) -> Summary:
    """Write ``reads.parquet``, ``truth.parquet``, ``visits_truth.parquet`` and ``summary.json`` into ``out``.

    All antennas are on with the power of the store file. ``stop`` is asked at every step; a stopped simulation is
    complete up to there.
    """
    begin(out)
    end_us = start_us + round(minutes * 60e6)
    counts = dict.fromkeys((reader.id for reader in store.reader), 0)
    with ExitStack() as files:
        truth = files.enter_context(Truth(out, store))
        simulation = Simulation(
            store,
            seed=seed,
            start_us=start_us,
            shoppers_per_hour=shoppers_per_hour,
            warm_up_minutes=warm_up_minutes,
            truth=truth,
        )
        table = files.enter_context(Table(out / "reads.parquet", READS_SCHEMA))
        radio = simulation.radio
        ids = [store.reader[reader].id for reader, _ in radio.antennas]
        ports = [antenna.port for _, antenna in radio.antennas]
        pace = Pace()
        while simulation.time_us < end_us and not stop():
            cycle_us = simulation.time_us
            reads, epcs = simulation.step(radio.store_powers_dbm)
            antennas = reads.antenna.tolist()
            readers = [ids[antenna] for antenna in antennas]
            times_us = cycle_us + np.rint(reads.offset_s * 1e6).astype(np.int64)
            table.append(
                times_us.tolist(), readers, [ports[antenna] for antenna in antennas], epcs, reads.rssi_dbm.tolist()
            )
            for reader in readers:
                counts[reader] += 1
            if pace.due():
                log.info("%s: %d shoppers inside, %d reads", iso(cycle_us), simulation.inside, table.rows)
        truth.end(simulation.time_us)
    summary = Summary(
        store=store.id,
        start=iso(start_us),
        end=iso(simulation.time_us),
        reads_sent=sum(counts.values()),
        reads_crowded_out=radio.crowded_out,
        readers={reader: ReaderCount(count) for reader, count in counts.items()},
        seed=seed,
        shoppers=simulation.world.arrived,
    )
    summary.write(out)
    return summary
