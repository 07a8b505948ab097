"""Small worlds of people, with all that was seen in columns."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime

import numpy as np

from tagtrail.hardware.store import Store
from tagtrail.simulator.geometry import Ints
from tagtrail.simulator.people.purchases import Event
from tagtrail.simulator.people.world import World
from tagtrail.simulator.presence import CYCLES_PER_SECOND, Body, Presence

TUESDAY = datetime(2026, 3, 10, 10, tzinfo=UTC)


@dataclass(frozen=True)
class Day(Presence):
    """What happened in a world."""

    world: World
    events: list[Event]

    def tracks(self) -> dict[int, Ints]:
        """Rows of each body, by time."""
        order = np.argsort(self.body, kind="stable")
        numbers, first = np.unique(self.body[order], return_index=True)
        return dict(zip(numbers.tolist(), np.split(order, first[1:]), strict=True))

    def of_kind(self, kind: str) -> set[int]:
        return {number for number, body in self.bodies.items() if body.kind == kind}

    def seconds_in(self, store: Store, zone: str) -> float:
        """Person-seconds of shoppers."""
        index = list(store.zone_by_id).index(zone)
        shoppers = np.isin(self.body, sorted(self.of_kind("shopper")))
        return float(np.count_nonzero(shoppers & (self.zone == index))) / CYCLES_PER_SECOND


def watch(world: World, hours: float, block: int = 240) -> Day:
    """Run a world and keep everything."""
    blocks: list[Presence] = []
    bodies: dict[int, Body] = {}
    events: list[Event] = []
    end = world.now_cycle + round(hours * 3600 * CYCLES_PER_SECOND)
    while world.now_cycle < end:
        blocks.append(world.block(min(block, end - world.now_cycle)))
        bodies |= world.bodies
        events += world.take_events()

    columns = {
        field.name: np.concatenate([getattr(block, field.name) for block in blocks])
        for field in fields(Presence)
        if field.name != "bodies"
    }
    return Day(**columns, bodies=bodies, world=world, events=events)


Run = Callable[..., Day]
