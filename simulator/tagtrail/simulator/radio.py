"""Which antenna reads which tag: a link budget with fading, a body in the way, and chance.

The tag answers when the power that reaches it exceeds its sensitivity; the reader hears the answer when that exceeds
its own. Free-space loss (Friis) counts once on the way out and once on the way back. Beams are parabolas in dB, as in
3GPP TR 36.814, table A.2.1.1-2. The constants are typical for UHF tags worn on a body, not fitted to a store.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tagtrail.hardware.store import Antenna, Store
from tagtrail.simulator.geometry import Bools, Floats, Ints
from tagtrail.simulator.world import Crowd

CYCLE_S: Final = 0.5
"""A reader gives each of its antennas one turn per cycle."""
ROUNDS: Final = 2
"""Inventory rounds in a turn, each with fading of its own: one antenna reads a tag at most four times a second."""

FREQUENCY_MHZ: Final = 915.0
TAG_HEIGHT_M: Final = 1.2
TAG_GAIN_DBI: Final = 2.0
TAG_SENSITIVITY_DBM: Final = -18.0
POLARISATION_LOSS_DB: Final = 3.0
"""Circular antenna, linear tag."""
MODULATION_LOSS_DB: Final = 5.0
"""What the tag takes for itself before it scatters the rest back."""
READER_SENSITIVITY_DBM: Final = -80.0
SIDE_LOBES_DB: Final = 10.0
"""A tag never gets less than this against the main direction: what the beam spares, floor and shelves scatter."""
BODY_LOSS_DB: Final = 8.0
"""Through the body, for a wave that comes level from behind; nothing from ahead or from straight above."""
FADING_SD_DB: Final = 4.0
REFLECTION_SHARE: Final = 0.01
"""Share of rounds in which a shelf or a trolley happens to send the wave the tag's way."""
REFLECTION_GAIN_DB: Final = 10.0
RSSI_RANGE_DBM: Final = (-90.0, -20.0)


@dataclass(frozen=True)
class Reads:
    """The reads of one cycle, by time. The columns have one entry per read.

    Attributes:
        offset_s: Seconds after the start of the cycle.
        antenna: Index into `Radio.antennas`.
        number: Running number of the shopper.
        rssi_dbm: Whole dBm, as readers report it.
    """

    offset_s: Floats
    antenna: Ints
    number: Ints
    rssi_dbm: Floats


class Radio:
    """All antennas of a store.

    Args:
        store: The checked store file.
        rng: Source of chance; not that of the shoppers, whom the radio must not disturb.
        reads_per_s_max: What the serial line of each reader carries.

    Attributes:
        antennas: Reader index and antenna, in the order of the store file.
        crowded_out: Reads that did not happen because a reader was already at what its line can carry.
    """

    def __init__(self, store: Store, rng: np.random.Generator, reads_per_s_max: Sequence[float]) -> None:
        self._rng = rng
        floors = {floor.id: index for index, floor in enumerate(store.floor)}
        self.antennas: list[tuple[int, Antenna]] = [
            (index, antenna) for index, reader in enumerate(store.reader) for antenna in reader.antenna
        ]
        self.crowded_out = 0
        self.store_powers_dbm: Floats = np.array([antenna.power_dbm for _, antenna in self.antennas])
        self._reader: Ints = np.array([reader for reader, _ in self.antennas], dtype=np.int64)
        self._floor = np.array([floors[antenna.floor] for _, antenna in self.antennas], dtype=np.int64)
        self._position = np.array([antenna.position_m for _, antenna in self.antennas]).reshape(-1, 3)
        self._gain_dbi = np.array([antenna.gain_dbi for _, antenna in self.antennas])
        self._beamwidth = np.radians([antenna.beamwidth_deg for _, antenna in self.antennas])
        self._most = np.array([max(1, int(most * CYCLE_S)) for most in reads_per_s_max])
        turns = np.concatenate([np.arange(len(reader.antenna)) / len(reader.antenna) for reader in store.reader])
        self._turn_s = turns * CYCLE_S
        self._turn_length_s = CYCLE_S / np.bincount(self._reader)[self._reader]

    def path_gain_db(self, crowd: Crowd) -> Floats:
        """Mean gain from reader output to tag chip, one way; shape (people, antennas), -inf from floor to floor."""
        dx = self._position[:, 0] - crowd.x_m[:, None]
        dy = self._position[:, 1] - crowd.y_m[:, None]
        level_m = np.hypot(dx, dy)
        distance_m = np.hypot(level_m, self._position[:, 2] - TAG_HEIGHT_M)
        distance_m = np.maximum(distance_m, 0.1)
        off_axis = np.arctan2(level_m, self._position[:, 2] - TAG_HEIGHT_M)  # antennas look straight down
        beam_db = -np.minimum(12.0 * (off_axis / self._beamwidth) ** 2, SIDE_LOBES_DB)
        turned_away = (1.0 - np.cos(np.arctan2(dy, dx) - crowd.facing[:, None])) / 2.0
        body_db = -BODY_LOSS_DB * turned_away * level_m / distance_m
        gain = self._gain_dbi + beam_db + body_db + TAG_GAIN_DBI - POLARISATION_LOSS_DB
        gain -= free_space_loss_db(distance_m)
        return np.where(crowd.floor[:, None] == self._floor, gain, -np.inf)

    def cycle(self, crowd: Crowd, powers_dbm: Floats) -> Reads:
        """One turn of every antenna.

        Args:
            crowd: Who is where.
            powers_dbm: Transmit power per antenna; -inf for those that are off.
        """
        shape = (ROUNDS, len(crowd.number), len(self.antennas))
        gain = self.path_gain_db(crowd) + self._rng.normal(0.0, FADING_SD_DB, shape)
        gain[self._rng.random(shape) < REFLECTION_SHARE] += REFLECTION_GAIN_DB
        at_tag_dbm = powers_dbm + gain
        rssi_dbm = at_tag_dbm + gain - MODULATION_LOSS_DB
        read = np.nonzero((at_tag_dbm >= TAG_SENSITIVITY_DBM) & (rssi_dbm >= READER_SENSITIVITY_DBM))
        rssi = np.clip(np.rint(rssi_dbm[read]), *RSSI_RANGE_DBM)
        turn, person, antenna = read
        within = (turn + self._rng.random(len(turn))) / ROUNDS
        offset_s = self._turn_s[antenna] + self._turn_length_s[antenna] * within
        order = np.argsort(offset_s, kind="stable")
        order = order[self._fits_the_line(self._reader[antenna[order]])]
        return Reads(offset_s[order], antenna[order], crowd.number[person[order]], rssi[order])

    def _fits_the_line(self, reader: Ints) -> Bools:
        """Which reads, in order of time, the serial lines carry: the first so many of each reader."""
        counts = np.bincount(reader, minlength=len(self._most))
        fits = np.ones(len(reader), dtype=bool)
        for busy in np.flatnonzero(counts > self._most):
            late = np.flatnonzero(reader == busy)[self._most[busy] :]
            fits[late] = False
            self.crowded_out += len(late)
        return fits


def free_space_loss_db(distance_m: Floats) -> Floats:
    """Friis: 20 log10(d) + 20 log10(f) - 27.55, d in metres, f in MHz."""
    return np.asarray(20.0 * np.log10(distance_m) + 20.0 * np.log10(FREQUENCY_MHZ) - 27.55)
