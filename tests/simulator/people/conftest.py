"""Runs of the corner shop."""

from datetime import datetime

import pytest
from msgspec.structs import replace

from people_day import TUESDAY, Day, Run, watch
from tagtrail.hardware.store import Store
from tagtrail.simulator.people.calendar import Calendar
from tagtrail.simulator.people.model import Habits
from tagtrail.simulator.people.world import World


@pytest.fixture(scope="session")
def run(store: Store) -> Run:
    """Runs the corner shop; sections of the habits are given by name."""

    def running(
        hours: float = 1.0,
        *,
        seed: int = 1,
        in_store: Store | None = None,
        start: datetime = TUESDAY,
        block: int = 240,
        per_day: float = 1500.0,
        habits: Habits | None = None,
        **sections: object,
    ) -> Day:
        usual = {"calendar": Calendar(shoppers_per_day=per_day, by_weekday=(1.0,) * 7)}
        chosen = replace(habits or Habits(), **(usual | sections))
        chosen_store = in_store or store
        assert chosen.faults(chosen_store) == []
        return watch(World(chosen_store, chosen, seed=seed, start=start), hours, block)

    return running
