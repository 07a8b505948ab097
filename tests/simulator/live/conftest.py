"""Scenarios made in code."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

import pytest

from tagtrail.hardware.clock import ScaledClock
from tagtrail.hardware.store import Store
from tagtrail.simulator.live.faults import Fault
from tagtrail.simulator.people.model import Habits
from tagtrail.simulator.radio.model import RadioModel
from tagtrail.simulator.scenario import Layout, Scenario, Shop, round_the_clock

START = datetime(2026, 3, 14, 10, tzinfo=UTC)
ORIGIN_US = 1_773_453_600_000_000


class MakeScenario(Protocol):
    def __call__(
        self,
        store: Store,
        *,
        minutes: float,
        faults: Sequence[Fault] = (),
        layouts: Sequence[Layout] = (),
        seed: int = 3,
    ) -> Scenario: ...


@pytest.fixture
def make_scenario() -> MakeScenario:
    def make(
        store: Store,
        *,
        minutes: float,
        faults: Sequence[Fault] = (),
        layouts: Sequence[Layout] = (),
        seed: int = 3,
    ) -> Scenario:
        shop = Shop(
            layouts=(Layout(store, START), *layouts),
            habits=Habits(calendar=round_the_clock(240.0)),
            radio=RadioModel(),
            faults=tuple(faults),
            start=START,
            minutes=minutes,
            seed=seed,
        )
        return Scenario("Test", "", (shop,))

    return make


def scaled(rate: float, origin_us: int = ORIGIN_US) -> ScaledClock:
    return ScaledClock(time.time_ns() // 1000, origin_us, rate)


@pytest.fixture(name="scaled")
def scaled_fixture() -> object:
    """A clock that shows `ORIGIN_US` now and goes so fast."""
    return scaled
