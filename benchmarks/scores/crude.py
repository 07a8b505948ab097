"""Stores, shoppers and reads of a second, cruder model than the simulator's, so that nothing is fitted to one of them.

Departments stand in rows between aisles. Shoppers walk from stop to stop along the aisles and stay a while. A read
comes by a log-distance path loss with slow and fast fading and a body in the way, through a logistic curve; the curve
is placed so that a shopper is read so many times a second. A few reads are of an antenna anywhere.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.signal import lfilter
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from tagtrail.analytics.columns import validate_reads
from tagtrail.hardware.store import Store, parse_store, zone_at

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

GRID_M = 1.0
START_US = 1_773_453_600_000_000


@dataclass(frozen=True)
class Run:
    """A store, what its readers read, and where everybody was each second (zone -1: in none)."""

    store: Store
    reads: pd.DataFrame
    truth: pd.DataFrame


@dataclass(frozen=True)
class Plan:
    """What a store looks like: rows of departments on each floor, their size, and the share without antenna."""

    columns: int
    rows: int
    floors: int = 1
    bare: float = 0.0
    aisles_are_zones: bool = True
    width_m: tuple[float, float] = (5.5, 9.0)
    depth_m: tuple[float, float] = (5.0, 8.0)


def make_store(plan: Plan, rng: np.random.Generator) -> Store:
    """A store, drawn at random."""
    return parse_store(store_text(plan, rng))


def store_text(plan: Plan, rng: np.random.Generator) -> str:
    """Text of a store file."""
    width, depth, aisle = rng.uniform(*plan.width_m), rng.uniform(*plan.depth_m), rng.uniform(2.5, 3.5)
    across, back = plan.columns * width, plan.rows * (depth + aisle) + 4.0
    lines = ['[store]\nid = "crude"\nname = "Crude"\ntimezone = "UTC"\n']
    antennas: list[str] = []
    for level in range(plan.floors):
        floor = f"{level + 1}F"
        lines.append(f'[[floor]]\nid = "{floor}"\nwidth_m = {across:.2f}\ndepth_m = {back:.2f}\n')
        boxes: list[tuple[str, str, float, float, float, float]] = []
        door = 4.0
        if level == 0:
            boxes.append(("door", "entrance", 0.0, 0.0, across * 0.4, door))
            boxes.append(("till", "checkout", across * 0.4, 0.0, across, door))
        else:
            boxes.append((f"cafe-{floor}", "counter", 0.0, 0.0, across, door))
        for row in range(plan.rows):
            low = door + row * (depth + aisle)
            boxes.append((f"aisle-{floor}-{row}", "aisle", 0.0, low, across, low + aisle))
            for column in range(plan.columns):
                kind = "counter"
                name = f"dept-{floor}-{row}-{column}"
                if plan.floors > 1 and row == plan.rows - 1 and column == plan.columns // 2:
                    kind, name = "lift", f"lift-{floor}"
                boxes.append((name, kind, column * width, low + aisle, (column + 1) * width, low + aisle + depth))
            for column in range(1, plan.columns):
                if rng.random() < 0.6:
                    x = column * width
                    lines.append(
                        f'[[wall]]\nfloor = "{floor}"\nline = [[{x:.2f}, {low + aisle + 1.5:.2f}], '
                        f"[{x:.2f}, {low + aisle + depth:.2f}]]\n"
                    )
            y = low + aisle + depth
            for column in range(plan.columns):  # the back of each department is shut
                x0 = column * width
                if row < plan.rows - 1 and rng.random() < 0.7:
                    lines.append(
                        f'[[wall]]\nfloor = "{floor}"\nline = [[{x0:.2f}, {y:.2f}], [{x0 + width:.2f}, {y:.2f}]]\n'
                    )
        for name, kind, x0, y0, x1, y1 in boxes:
            if kind == "aisle" and not plan.aisles_are_zones:
                continue
            lines.append(
                f'[[zone]]\nid = "{name.lower()}"\nfloor = "{floor}"\nkind = "{kind}"\n'
                f"polygon = [[{x0:.2f}, {y0:.2f}], [{x1:.2f}, {y0:.2f}], [{x1:.2f}, {y1:.2f}], [{x0:.2f}, {y1:.2f}]]\n"
            )
            if kind not in ("entrance", "lift") and rng.random() < plan.bare:
                continue
            pieces = max(1, round((x1 - x0) / 14.0))
            for piece in range(pieces):
                x = x0 + (piece + 0.5) * (x1 - x0) / pieces + rng.uniform(-0.5, 0.5)
                y = (y0 + y1) / 2 + rng.uniform(-0.5, 0.5)
                antennas.append(f'floor = "{floor}"\nposition_m = [{x:.2f}, {y:.2f}, {rng.uniform(2.6, 3.2):.2f}]\n')
    if plan.floors > 1:
        lines.append('[[link]]\nfrom = "lift-1f"\nto = "lift-2f"\nseconds = 20.0\n')
    for index, text in enumerate(antennas):
        if index % 4 == 0:
            lines.append(f'[[reader]]\nid = "r{index // 4:02d}"\nprotocol = "mercury"\n')
        lines.append(f"[[reader.antenna]]\nport = {index % 4 + 1}\n{text}")
    return "\n".join(lines)


class Walks:
    """Ways over a grid of 1 m, per floor, with walls; floors are joined at the links."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.points: list[tuple[int, float, float]] = []
        index: dict[tuple[int, int, int], int] = {}
        for number, floor in enumerate(store.floor):
            for i in range(int(floor.width_m / GRID_M)):
                for j in range(int(floor.depth_m / GRID_M)):
                    index[number, i, j] = len(self.points)
                    self.points.append((number, (i + 0.5) * GRID_M, (j + 0.5) * GRID_M))
        walls = [
            (next(n for n, floor in enumerate(store.floor) if floor.id == wall.floor), a, b)
            for wall in store.wall
            for a, b in zip(wall.line, wall.line[1:], strict=False)
        ]
        edges = []
        for (floor_number, i, j), here in index.items():
            for di, dj in ((1, 0), (0, 1), (1, 1), (1, -1)):
                there = index.get((floor_number, i + di, j + dj))
                if there is None:
                    continue
                p, q = self.points[here][1:], self.points[there][1:]
                if not any(n == floor_number and _cross(p, q, a, b) for n, a, b in walls):
                    edges.append((here, there, float(np.hypot(di, dj)) * GRID_M))
        self.zone = np.array([self._zone(point) for point in self.points])
        for link in store.link:
            names = [zone.id for zone in store.zone]
            one = np.flatnonzero(self.zone == names.index(link.from_zone))
            other = np.flatnonzero(self.zone == names.index(link.to_zone))
            edges.append((int(one[len(one) // 2]), int(other[len(other) // 2]), link.seconds))
        a, b, length = (np.array(column) for column in zip(*edges, strict=True))
        n = len(self.points)
        self.graph = csr_matrix((np.r_[length, length], (np.r_[a, b], np.r_[b, a])), shape=(n, n))
        self._before: dict[int, Ints] = {}

    def _zone(self, point: tuple[int, float, float]) -> int:
        zone = zone_at(self.store, self.store.floor[point[0]].id, point[1], point[2])
        return -1 if zone is None else [z.id for z in self.store.zone].index(zone.id)

    def way(self, start: int, goal: int) -> list[int]:
        """Grid points from start to goal, both included."""
        if goal not in self._before:
            _, before = dijkstra(self.graph, indices=goal, return_predecessors=True)
            self._before[goal] = before
        before = self._before[goal]
        way = [start]
        while way[-1] != goal:
            way.append(int(before[way[-1]]))
            if way[-1] < 0:
                raise ValueError("no way")
        return way


def _cross(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float], d: tuple[float, float]) -> bool:
    def side(p: tuple[float, float], q: tuple[float, float], r: tuple[float, float]) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) * side(a, b, d) <= 0 and side(c, d, a) * side(c, d, b) <= 0


@dataclass(frozen=True)
class Air:
    """The radio's numbers.

    Attributes:
        exponent: Of the path loss.
        shadow_db: Standard deviation of slow fading, by tag and antenna.
        memory_s: How long slow fading lasts.
        body_db: Loss through the body.
        rounds: Chances to be read in half a second, by each antenna.
        reads_per_s: Of a shopper, by all antennas.
    """

    exponent: float = 2.5
    shadow_db: float = 5.0
    memory_s: float = 1.0
    body_db: float = 6.0
    rounds: int = 2
    reads_per_s: float = 2.5

    @staticmethod
    def drawn(rng: np.random.Generator) -> "Air":
        """One radio of many."""
        return Air(
            rng.uniform(2.2, 3.0),
            rng.uniform(4.0, 6.0),
            rng.uniform(0.3, 3.0),
            rng.uniform(4.0, 8.0),
            2,
            rng.uniform(2.0, 3.0),
        )


def simulate(store: Store, *, shoppers: int, rng: np.random.Generator, air: Air) -> Run:
    """Shoppers one after the other; each carries one tag."""
    walks = Walks(store)
    kinds = [zone.kind for zone in store.zone]
    stops_in = {z: np.flatnonzero(walks.zone == z) for z in range(len(kinds)) if kinds[z] in ("counter", "fitting")}
    reachable = np.isfinite(
        dijkstra(walks.graph, indices=int(np.flatnonzero(walks.zone == kinds.index("entrance"))[0]))
    )
    stops_in = {z: points[reachable[points]] for z, points in stops_in.items() if reachable[points].any()}
    doors = np.flatnonzero((walks.zone == kinds.index("entrance")) & reachable)
    doors = doors[np.array([walks.points[d][2] < 1.0 for d in doors])]
    tills = np.flatnonzero(np.isin(walks.zone, [z for z, kind in enumerate(kinds) if kind == "checkout"]))
    liking = rng.lognormal(0, 0.6, len(stops_in))
    liking /= liking.sum()
    dwell_median = rng.uniform(15.0, 70.0)
    stops = list(stops_in.values())
    rows = [_trip(person, walks, stops, liking, doors, tills, dwell_median, rng) for person in range(shoppers)]
    truth = pd.concat(rows, ignore_index=True)
    reads = _reads(store, truth, rng, air)
    seconds = truth[truth["t"] % 1 == 0].reset_index(drop=True)
    return Run(store, reads, seconds)


def _trip(
    person: int,
    walks: Walks,
    stops: list[Ints],
    liking: Floats,
    doors: Ints,
    tills: Ints,
    dwell_median: float,
    rng: np.random.Generator,
) -> pd.DataFrame:
    at = int(rng.choice(doors))
    plan = []
    for _ in range(1 + rng.poisson(3.0)):
        points = stops[rng.choice(len(stops), p=liking)]
        plan.append((int(rng.choice(points)), dwell_median * rng.lognormal(0, 0.8)))
        while rng.random() < 0.35:  # steps to another spot of the same department
            plan.append((int(rng.choice(points)), dwell_median * 0.5 * rng.lognormal(0, 0.8)))
    if len(tills) and rng.random() < 0.6:
        plan.append((int(rng.choice(tills)), 40 * rng.lognormal(0, 0.5)))
    plan.append((int(rng.choice(doors)), 0.5))
    speed = float(np.clip(rng.normal(1.05, 0.2), 0.6, 1.5))
    knots = [(0.0, at)]
    now = 0.0
    for goal, stay in plan:
        way = walks.way(at, goal)
        for a, b in pairwise(way):
            now += walks.graph[a, b] / (speed if walks.points[a][0] == walks.points[b][0] else 1.0)
            knots.append((now, b))
        now += min(max(stay, 0.5), 900.0)
        knots.append((now, goal))
        at = goal
    time = np.arange(0.0, now, 0.5)
    knot_t = np.array([t for t, _ in knots])
    place = np.array([walks.points[p] for _, p in knots])
    x, y = np.interp(time, knot_t, place[:, 1]), np.interp(time, knot_t, place[:, 2])
    where = np.clip(np.searchsorted(knot_t, time, side="right") - 1, 0, len(knots) - 1)
    floor = place[where, 0].astype(int)
    dx, dy = np.gradient(x), np.gradient(y)
    facing = np.arctan2(dy, dx)
    still = np.hypot(dx, dy) < 0.05
    turns = rng.random(len(time)) < 0.5 / 25.0
    turns |= np.diff(still, prepend=~still[:1])
    turned = rng.uniform(-np.pi, np.pi, len(time))[np.maximum.accumulate(np.where(turns, np.arange(len(time)), 0))]
    facing = np.where(still, turned, facing)
    x = x + 0.05 * np.sin(time / 1.7 + person)
    y = y + 0.05 * np.cos(time / 2.3 + person)
    zone = _zones(walks.store, floor, x, y)
    start = rng.uniform(0, 7200)
    start = np.floor(start)
    return pd.DataFrame(
        {"person": person, "t": start + time, "floor": floor, "x": x, "y": y, "facing": facing, "zone": zone}
    )


def _zones(store: Store, floor: Ints, x: Floats, y: Floats) -> Ints:
    zone = np.full(len(x), -1)
    for index, one in enumerate(store.zone):
        (x0, y0), (x1, y1) = np.min(one.polygon, axis=0), np.max(one.polygon, axis=0)
        number = [f.id for f in store.floor].index(one.floor)
        zone[(floor == number) & (x >= x0) & (x < x1) & (y >= y0) & (y < y1)] = index
    return zone


def _reads(store: Store, truth: pd.DataFrame, rng: np.random.Generator, air: Air) -> pd.DataFrame:
    antennas = [(reader.id, antenna) for reader in store.reader for antenna in reader.antenna]
    fast, at_1m = 2.0, rng.uniform(-50, -40)
    gains = rng.normal(0, 1.5, len(antennas))
    person = truth["person"].to_numpy()
    n = len(truth)
    mean = np.empty((len(antennas), n))
    floors = [f.id for f in store.floor]
    for a, (_, antenna) in enumerate(antennas):
        x, y, z = antenna.position_m
        dx, dy = x - truth["x"].to_numpy(), y - truth["y"].to_numpy()
        level = np.hypot(dx, dy)
        d = np.hypot(level, z - 1.1)
        turned = (1 - np.cos(np.arctan2(dy, dx) - truth["facing"].to_numpy())) / 2
        mean[a] = at_1m + gains[a] - 10 * air.exponent * np.log10(d) - air.body_db * turned * level / d
        mean[a] -= np.where(truth["floor"].to_numpy() == floors.index(antenna.floor), 0.0, 25.0)
        mean[a] += _slow(person, air.shadow_db, air.memory_s, rng)
    mean += rng.normal(0, fast, mean.shape)
    low, high = -120.0, 0.0
    for _ in range(40):
        middle = (low + high) / 2
        share = (1 / (1 + np.exp(-(mean - middle) / 1.5))).sum() / n * 2 * air.rounds
        low, high = (middle, high) if share > air.reads_per_s else (low, middle)
    hits = rng.binomial(air.rounds, 1 / (1 + np.exp(-(mean - low) / 1.5)))
    antenna_index, row = np.nonzero(hits)
    often = hits[antenna_index, row]
    antenna_index, row = np.repeat(antenna_index, often), np.repeat(row, often)
    rssi = mean[antenna_index, row] + rng.normal(0, 1.0, len(row))
    stray = rng.random(len(row)) < 0.01
    antenna_index = np.where(stray, rng.integers(0, len(antennas), len(row)), antenna_index)
    rssi = np.where(stray, low + rng.exponential(4.0, len(row)), rssi)
    order = np.lexsort((row, truth["t"].to_numpy()[row]))
    row, antenna_index, rssi = row[order], antenna_index[order], rssi[order]
    time_us = START_US + np.rint((truth["t"].to_numpy()[row] + rng.random(len(row)) * 0.5) * 1e6).astype(np.int64)
    ids = np.array([reader for reader, _ in antennas], dtype=object)
    ports = np.array([antenna.port for _, antenna in antennas])
    return validate_reads(
        pd.DataFrame(
            {
                "time": pd.DatetimeIndex(time_us.astype("datetime64[us]")).tz_localize("UTC"),
                "reader": ids[antenna_index],
                "antenna": ports[antenna_index],
                "epc": np.array([epc_of(p) for p in range(int(person.max()) + 1)], dtype=object)[person[row]],
                "rssi_dbm": np.rint(rssi),
            }
        )
    )


def epc_of(person: int) -> str:
    """The tag of a person."""
    return f"E280{person:020X}"


def _slow(person: Ints, sd: float, memory_s: float, rng: np.random.Generator) -> Floats:
    """Autocorrelated noise, started anew per person."""
    keep = float(np.exp(-0.5 / memory_s))
    drive = rng.normal(0, sd * np.sqrt(1 - keep**2), len(person))
    first = np.flatnonzero(np.diff(person, prepend=-1))
    drive[first] = rng.normal(0, sd, len(first))
    out = np.empty(len(person))
    for a, b in zip(first, [*first[1:], len(person)], strict=True):
        out[a:b] = lfilter([1.0], [1.0, -keep], drive[a:b])
    return out
