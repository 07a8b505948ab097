"""All antennas of a store: which of them reads which tag, when, and how strong. Formulas: docs/radio-model.md."""

import math
import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.store import Antenna, Store
from tagtrail.simulator.geometry import Bools, Floats, Ints
from tagtrail.simulator.presence import CYCLE_S, CYCLE_US, Presence, Reads
from tagtrail.simulator.radio import gen2, link
from tagtrail.simulator.radio.draws import Singles, mixed, quarter, rician_db, share, word
from tagtrail.simulator.radio.model import RadioModel
from tagtrail.simulator.radio.shadowing import Grid
from tagtrail.simulator.radio.wearers import POSTURE_MAX_SD, Indices, Rows, Wearers

RSSI_RANGE_DBM: Final = (-85.0, -31.0)
"""What every family that tells dBm can tell; in whole ones. Weaker and stronger ones are told as the ends."""
HEIGHTS_M: Final = tuple(np.arange(0.0, 2.01, 0.25).tolist())
"""At which tags are looked for, when it is asked what an antenna can reach at best."""
_MARGIN_DB: Final = 1.5
"""For what a place within a cell, or a height between the above, has over the best that was looked at."""
_OFFSET_STEP_DB: Final = 2.0
_FIELD, _REPORT = 100, 101
"""What a draw is for, as far as it is not of the wearers."""


@dataclass(frozen=True)
class _Aerial:
    """An antenna, ready to compute with."""

    floor: int
    x_m: float
    y_m: float
    height_m: float
    gain_dbi: float
    beamwidth_rad: float
    axis: tuple[float, float]
    """Cosine and sine of twice the angle of its polarisation ellipse."""
    key: np.uint64
    field_db: Singles
    place: int
    """Among the antennas of its floor."""
    turn_s: float
    turn_length_s: float


@dataclass(frozen=True)
class _Seen:
    """Reads of one antenna, in no order."""

    time_us: Ints
    tag: Ints
    rssi_dbm: Singles


class Radio:
    """All antennas of a store.

    Args:
        store: The checked store file.
        model: Radio constants.
        seed: The same seed gives the same fields and draws.

    Attributes:
        antennas: Reader index and antenna, in the order of the store file.
        store_powers_dbm: Transmit power per antenna as in the store file, or the nominal one of a reader that obeys no
            commands.
        crowded_out: Reads that did not happen because the reader was already at what its line can carry.
    """

    def __init__(self, store: Store, model: RadioModel, *, seed: int) -> None:
        self.model, self._seed = model, seed
        self.antennas: list[tuple[int, Antenna]] = [
            (index, antenna) for index, reader in enumerate(store.reader) for antenna in reader.antenna
        ]
        families = [load_family(reader.protocol) for reader in store.reader]
        self.store_powers_dbm: Floats = np.array(
            [
                antenna.power_dbm
                if families[reader].obeys_commands
                else families[reader].reader().powers_dbm[antenna.port]
                for reader, antenna in self.antennas
            ]
        )
        self.crowded_out = 0
        self._reader: Ints = np.array([reader for reader, _ in self.antennas], dtype=np.int64)
        self._most: Ints = np.array([max(1, int(family.reads_per_s_max * CYCLE_S)) for family in families])
        self._grids = [Grid(floor.width_m, floor.depth_m) for floor in store.floor]
        self._aerials = self._make_aerials(store)
        self._on_floor = np.bincount([aerial.floor for aerial in self._aerials], minlength=len(store.floor))
        self._reached: dict[tuple[int, float, float], Bools] = {}
        self._chances: dict[float, Singles] = {}

    def _make_aerials(self, store: Store) -> list[_Aerial]:
        floors = {floor.id: index for index, floor in enumerate(store.floor)}
        used = [0] * len(floors)
        aerials = []
        for reader in store.reader:
            for turn, antenna in enumerate(reader.antenna):
                key = word(self._seed, zlib.crc32(f"{reader.id}/{antenna.port}".encode()))
                floor = floors[antenna.floor]
                x_m, y_m, height_m = antenna.position_m
                axis = 2.0 * math.pi * float(key) / 2.0**64
                aerials.append(
                    _Aerial(
                        floor=floor,
                        x_m=x_m,
                        y_m=y_m,
                        height_m=height_m,
                        gain_dbi=antenna.gain_dbi,
                        beamwidth_rad=math.radians(antenna.beamwidth_deg),
                        axis=(math.cos(axis), math.sin(axis)),
                        key=key,
                        field_db=self._grids[floor].field_db(self.model, word(int(key), _FIELD)),
                        place=used[floor],
                        turn_s=turn / len(reader.antenna) * CYCLE_S,
                        turn_length_s=CYCLE_S / len(reader.antenna),
                    )
                )
                used[floor] += 1
        return aerials

    def reads(self, presence: Presence, powers_dbm: Floats) -> Reads:
        """What the readers see in a block of cycles.

        Args:
            presence: Who is where.
            powers_dbm: Transmit power per antenna; -inf for those that are off.
        """
        wearers = Wearers(presence.bodies, self.model, self._seed)
        rows = wearers.rows(presence)
        seen: list[tuple[int, _Seen]] = []
        for floor in np.flatnonzero(self._on_floor).tolist():
            here = np.flatnonzero(rows.floor == floor)
            if len(here):
                seen += self._floor_reads(floor, wearers, rows, here, powers_dbm)
        return self._ordered(seen, rows)

    def _floor_reads(
        self, floor: int, wearers: Wearers, rows: Rows, here: Indices, powers_dbm: Floats
    ) -> list[tuple[int, _Seen]]:
        grid = self._grids[floor]
        spots = grid.spots(rows.x_m[here], rows.y_m[here])
        favoured = self._strays(wearers, rows, here, int(self._on_floor[floor]))
        best_db = _OFFSET_STEP_DB * math.floor(float(wearers.offset_db.min()) / _OFFSET_STEP_DB)
        seen = []
        for index, (aerial, power_dbm) in enumerate(zip(self._aerials, powers_dbm.tolist(), strict=True)):
            if aerial.floor != floor or power_dbm == -math.inf:
                continue
            stray = favoured == aerial.place
            near = np.flatnonzero(self._reach(index, power_dbm, best_db)[spots.node] | stray)
            if not len(near):
                continue
            gain_db = (
                grid.interpolated(aerial.field_db, spots[near]) + np.float32(self.model.stray_gain_db) * stray[near]
            )
            at = here[near]
            gain_db += self.gain_db(aerial, wearers, rows, at)
            seen.append((index, self._reports(aerial, power_dbm, gain_db, wearers, rows, at)))
        return seen

    def _strays(self, wearers: Wearers, rows: Rows, here: Indices, antennas: int) -> NDArray[np.int16]:
        """Which antenna of the floor is favoured by a reflection, by row."""
        window = ((rows.cycle[here] + rows.first_cycle) * (CYCLE_S / self.model.stray_s)).astype(np.int64)
        windows = range(int(window.min()), int(window.max()) + 1)
        return np.asarray(wearers.strays(windows, antennas)[rows.tag[here], window - windows.start])

    def gain_db(self, aerial: _Aerial, wearers: Wearers, rows: Rows, at: Indices) -> Singles:
        """Gain from the reader's output to the tag's chip, of some rows, without what depends on place and chance."""
        model = self.model
        tag = rows.tag[at]
        dx, dy = aerial.x_m - rows.x_m[at], aerial.y_m - rows.y_m[at]
        dz = np.float32(aerial.height_m) - wearers.height_m[tag]
        cos, sin = rows.facing[0][at], rows.facing[1][at]
        level2 = dx * dx + dy * dy
        level_m = np.sqrt(level2)
        distance2 = level2 + dz * dz
        distance_m = np.sqrt(distance2)
        gain = -link.path_loss_db(distance2, model.frequency_mhz, model.path_exponent)
        gain += np.float32(aerial.gain_dbi + model.tag_gain_dbi - model.polarisation_loss_db)
        gain -= link.beam_loss_db(np.arctan2(level_m, dz), aerial.beamwidth_rad, model.side_lobes_db)
        worn = rows.worn[at]
        away = (level_m - wearers.ahead[tag] * (cos * dx + sin * dy)) / (2.0 * distance_m)
        gain -= worn * (link.body_loss_db(away, model.body_loss_db) + np.float32(model.worn_loss_db))
        level, upright = wearers.tilt[0][tag], wearers.tilt[1][tag]
        along = (level * (sin * dx - cos * dy) + upright * dz) / distance_m
        gain -= link.dipole_loss_db(along, model.orientation_loss_max_db)
        # Twice the angle between the tag, which lies across the heading, and the polarisation ellipse of the antenna.
        doubled = (sin * sin - cos * cos) * np.float32(aerial.axis[0]) - 2.0 * sin * cos * np.float32(aerial.axis[1])
        gain += np.float32(model.axial_ratio_db / 2.0) * doubled
        drawn = wearers.postures_db(aerial.key, rows.periods).ravel()
        period = rows.posture.at[at]
        gain += rows.posture.now[at] * drawn[period] + rows.posture.next[at] * drawn[period + 1]
        return np.asarray(gain, dtype=np.float32)

    def _reports(
        self, aerial: _Aerial, power_dbm: float, gain_db: Singles, wearers: Wearers, rows: Rows, at: Indices
    ) -> _Seen:
        """What an antenna's turns give, in all cycles of the block."""
        model = self.model
        fades_db = rician_db(model.fading_k_db)
        margin_db = gain_db - wearers.offset_db[rows.tag[at]] + np.float32(power_dbm - model.tag_sensitivity_dbm)
        likely = np.flatnonzero(margin_db >= -fades_db[-1])
        at, gain_db, margin_db = at[likely], gain_db[likely], margin_db[likely]
        keys, cycle = rows.key[at], rows.cycle[at]
        parts = []
        for number in range(model.reports):
            drawn = mixed(keys ^ word(int(aerial.key), _REPORT, number))
            fade_db = fades_db[quarter(drawn, 0)]
            woken = np.flatnonzero(margin_db + fade_db >= 0.0)
            drawn, fade_db, of_cycle = drawn[woken], fade_db[woken], cycle[woken]
            tags = np.bincount(of_cycle, minlength=rows.cycles)
            rssi_dbm = 2.0 * (gain_db[woken] + fade_db) + np.float32(power_dbm - model.modulation_loss_db)
            chance = self._chance(aerial.turn_length_s, int(tags.max(initial=0)))[tags[of_cycle]]
            read = np.flatnonzero((share(drawn, 1) < chance) & (rssi_dbm >= model.reader_sensitivity_dbm))
            row = at[woken[read]]
            within = (number + share(drawn[read], 2).astype(np.float64)) / model.reports
            offset_us = (aerial.turn_s + aerial.turn_length_s * within) * 1e6
            time_us = (rows.first_cycle + rows.cycle[row]) * CYCLE_US + offset_us.astype(np.int64)
            rssi_dbm = np.clip(np.rint(rssi_dbm[read]), *RSSI_RANGE_DBM)
            parts.append((time_us, wearers.number[rows.tag[row]], rssi_dbm))
        return _Seen(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _chance(self, turn_s: float, tags: int) -> Singles:
        """Chance of a woken tag to be told in a report, by the number of woken tags."""
        known = self._chances.get(turn_s)
        if known is None or len(known) <= tags:
            chances = gen2.read_chances(max(63, 2 * tags), turn_s * 1000.0, self.model)
            known = self._chances[turn_s] = (self.model.answer_share * chances).astype(np.float32)
        return known

    def _reach(self, index: int, power_dbm: float, offset_db: float) -> Bools:
        """In which cells an antenna can wake a tag, at best: well turned, at the best height, with luck."""
        key = (index, power_dbm, offset_db)
        if key not in self._reached:
            model, aerial = self.model, self._aerials[index]
            grid = self._grids[aerial.floor]
            x_m, y_m = grid.middles()
            level2 = (x_m - aerial.x_m) ** 2 + (y_m - aerial.y_m) ** 2
            level_m = np.sqrt(level2)
            best = np.full(len(level_m), -np.inf, dtype=np.float32)
            for height_m in HEIGHTS_M:
                dz = np.float32(aerial.height_m - height_m)
                loss = link.path_loss_db(level2 + dz * dz, model.frequency_mhz, model.path_exponent)
                loss += link.beam_loss_db(np.arctan2(level_m, dz), aerial.beamwidth_rad, model.side_lobes_db)
                best = np.maximum(best, -loss)
            luck_db = math.sqrt(2.0) * POSTURE_MAX_SD * model.posture_sd_db + float(rician_db(model.fading_k_db)[-1])
            gain_db = aerial.gain_dbi + model.tag_gain_dbi - model.polarisation_loss_db + model.axial_ratio_db / 2.0
            margin_db = (
                best + grid.most_around(aerial.field_db) + np.float32(power_dbm + gain_db + luck_db + _MARGIN_DB)
            )
            self._reached[key] = margin_db >= model.tag_sensitivity_dbm + offset_db
        return self._reached[key]

    def _ordered(self, seen: list[tuple[int, _Seen]], rows: Rows) -> Reads:
        """Reads by time, antenna and tag, without those that the readers' lines cannot carry."""
        time_us = np.concatenate([np.zeros(0, dtype=np.int64), *(part.time_us for _, part in seen)])
        antenna = np.repeat([index for index, _ in seen], [len(part.tag) for _, part in seen]).astype(np.int64)
        tag = np.concatenate([np.zeros(0, dtype=np.int64), *(part.tag for _, part in seen)])
        rssi_dbm = np.concatenate([np.zeros(0, dtype=np.float32), *(part.rssi_dbm for _, part in seen)])
        by_time = time_us * len(self.antennas) + antenna
        order = np.argsort(by_time, kind="stable")
        sorted_ = by_time[order]
        if (sorted_[1:] == sorted_[:-1]).any():
            order = np.lexsort((tag, by_time))
        group = (time_us[order] // CYCLE_US - rows.first_cycle) * len(self._most) + self._reader[antenna[order]]
        order = order[self._fits_the_line(group, rows.cycles)]
        return Reads(time_us[order], antenna[order], tag[order], rssi_dbm[order].astype(np.float64))

    def _fits_the_line(self, group: Ints, cycles: int) -> Bools:
        """Which reads, in order of time, the lines carry: the first so many of each reader and cycle."""
        counts = np.bincount(group, minlength=cycles * len(self._most))
        most = np.tile(self._most, cycles)
        fits = np.ones(len(group), dtype=bool)
        crowded = np.flatnonzero((counts > most)[group])
        if len(crowded):
            by_group = crowded[np.argsort(group[crowded], kind="stable")]
            groups = group[by_group]
            first = np.searchsorted(groups, groups, side="left")
            fits[by_group] = np.arange(len(groups)) - first < most[groups]
            self.crowded_out += int(np.count_nonzero(~fits))
        return fits
