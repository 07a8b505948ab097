"""Everything is killed at random while reads flow: none is lost, none is there twice.

``make chaos SECONDS=1800`` runs this for half an hour with all of it larger; ``make test`` has a short one.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from chaos.proxy import Proxy, Weather
from chaos.size import LONG, SECONDS, SEED, full_run
from chaos.worker import Worker
from chaos.world import World
from tagtrail.stack.broker import Kind

KILL_EVERY_S: Final = 5.0 if LONG else 1.0
WEATHER_EVERY_S: Final = 25.0 if LONG else 6.0
DOWN_S: Final = 2.0 if LONG else 0.5
PROGRESS_S: Final = 10.0


class Chaos:
    """Kills and bad weather, drawn at random from a seed."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self.done: Counter[str] = Counter()
        self._kill_s = self._weather_s = time.monotonic()
        self._fair: dict[Proxy, float] = {}
        self._plan_kill()
        self._plan_weather()

    def step(self) -> None:
        """Do what is due."""
        now_s = time.monotonic()
        if now_s >= self._kill_s:
            self._kill()
            self._plan_kill()
        if now_s >= self._weather_s:
            self._change_weather(now_s)
            self._plan_weather()
        for network in [network for network, until_s in self._fair.items() if now_s >= until_s]:
            network.set(Weather.PASS)
            del self._fair[network]

    def end(self) -> None:
        """Fair weather."""
        for network in self._fair:
            network.set(Weather.PASS)

    def _plan_kill(self) -> None:
        self._kill_s += self._rng.expovariate(1 / KILL_EVERY_S)

    def _plan_weather(self) -> None:
        self._weather_s += self._rng.expovariate(1 / WEATHER_EVERY_S)

    def _kill(self) -> None:
        world, pause_s = self._world, self._rng.uniform(0.0, DOWN_S)
        kinds = kills(world, self._rng.choice(list(world.edges.values())))
        kind = self._rng.choice(list(kinds))
        kinds[kind](pause_s)
        self.done[f"kill {kind}"] += 1

    def _change_weather(self, now_s: float) -> None:
        world = self._world
        networks = {
            "edge - broker": world.edge_network,
            "ingest - broker": world.ingest_network,
            "ingest - database": world.database_network,
        }
        where = self._rng.choice(list(networks))
        weather = self._rng.choice([Weather.CUT, Weather.STALL, Weather.SLOW])
        networks[where].set(weather)
        self._fair[networks[where]] = now_s + self._rng.uniform(0.5, 2 * DOWN_S + 1)
        self.done[f"{weather.name.lower()} {where}"] += 1


@pytest.mark.slow
@pytest.mark.timeout(300 + 3 * SECONDS)
def test_whatever_is_killed_each_read_is_stored_once(server_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def tell(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}", end="", flush=True)

    with everything(server_path) as world:
        world.wait(lambda: all(world.committed(agent) > 0 for agent in world.edges), "first reads of all agents")
        chaos = Chaos(world, random.Random(SEED))
        begun_s = told_s = time.monotonic()
        while (passed_s := time.monotonic() - begun_s) < SECONDS:
            chaos.step()
            world.pass_time(0.05)
            if time.monotonic() - told_s >= PROGRESS_S:
                told_s = time.monotonic()
                tell(f"{passed_s:6.0f} s  {progress(world, chaos.done)}")
        chaos.end()
        kills = sum(count for what, count in chaos.done.items() if what.startswith("kill"))
        tell(f"{SECONDS:.0f} s, seed {SEED}: {told(chaos.done)}\n{kills} kills, one in {SECONDS / kills:.1f} s")
        verdict = world.settle(limit_s=120 + SECONDS / 2, tell=tell)
        tell(f"{verdict.table()}\n")
        assert verdict.right
        assert sum(line.reads for line in verdict.lines) > 100 * SECONDS


@full_run
@pytest.mark.parametrize("broker", ["mosquitto", "amqtt"])
def test_each_service_is_killed_alone(server_path: Path, broker: Kind) -> None:
    server = os.environ.get("TAGTRAIL_TEST_DSN")
    with World(server_path, broker=broker, server=server, analytics=True, edge={"batch_s": "0.1"}) as world:
        for kind, kill in kills(world, world.edges["edge-1"]).items():
            before = world.committed()
            world.wait(lambda: world.committed() > before, f"reads before the kill of {kind}")  # noqa: B023
            kill(0.2)
            at_kill = world.accepted()
            world.wait(lambda: world.committed() > at_kill, f"reads after the kill of {kind}")  # noqa: B023
        verdict = world.settle()
        assert verdict.right, verdict.table()


def everything(folder: Path) -> World:
    """All services; a large shop for a long run."""
    server = os.environ.get("TAGTRAIL_TEST_DSN")
    if LONG:
        return World(folder, server=server, analytics=True, hurry=False, agents=4, readers=2, reads_per_s=850.0)
    return World(folder, server=server, analytics=True, agents=2, reads_per_s=600.0, edge={"batch_s": "0.1"})


def kills(world: World, edge: Worker) -> dict[str, Callable[[float], None]]:
    """What can be killed, and started again after some seconds."""
    found: dict[str, Callable[[float], None]] = {
        "edge": edge.kill,
        "broker": world.broker.kill,
        "broker emptied": world.empty_broker,
        "ingest": world.ingest.kill,
        "database": world.database.kill,
    }
    return found if world.analytics is None else {**found, "analytics": world.analytics.kill}


def progress(world: World, done: Counter[str]) -> str:
    kills = Counter({what.removeprefix("kill "): count for what, count in done.items() if what.startswith("kill")})
    committed = world.committed()
    there = "database away" if committed < 0 else f"{committed:,} committed"
    return f"{world.accepted():>12,} reads spooled, {there}; {kills.total()} kills: {told(kills)}"


def told(counts: Counter[str]) -> str:
    return ", ".join(f"{count} x {what}" for what, count in sorted(counts.items()))
