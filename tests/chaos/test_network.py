"""The network between the services is cut, half-open, or slow."""

import os
from pathlib import Path

import pytest

from chaos.proxy import Proxy, Weather
from chaos.size import full_run
from chaos.world import World
from tagtrail.stack.broker import Kind

LINKS = ("edge - broker", "ingest - broker", "ingest - database")


def network(world: World, link: str) -> Proxy:
    networks = (world.edge_network, world.ingest_network, world.database_network)
    return dict(zip(LINKS, networks, strict=True))[link]


def start(folder: Path, broker: Kind = "mosquitto") -> World:
    return World(folder, broker=broker, server=os.environ.get("TAGTRAIL_TEST_DSN"), edge={"batch_s": "0.1"})


def flows(world: World, what: str) -> None:
    """New reads arrive, and those that waited."""
    wanted = world.accepted()
    world.wait(lambda: world.committed() > wanted, what)


@pytest.mark.slow
def test_half_an_hour_without_any_network(server_path: Path) -> None:
    """A keep-alive is 2 s here, where it is 30 or 60 in a shop, and the longest back-off 1 s instead of 30."""
    with start(server_path) as world:
        flows(world, "reads at first")
        for weather in (Weather.CUT, Weather.STALL):
            for link in LINKS:
                network(world, link).set(weather)
            before = world.accepted()
            world.wait(lambda: world.accepted() > before + 1500, "the spool goes on")  # noqa: B023
            world.wait(lambda: "fell silent" in world.edges["edge-1"].said, "the agent notices")
            for link in LINKS:
                network(world, link).set(Weather.PASS)
            flows(world, f"reads after {weather.name}")
        verdict = world.settle()
        assert verdict.right, verdict.table()


@full_run
@pytest.mark.parametrize("broker", ["mosquitto", "amqtt"])
@pytest.mark.parametrize("link", LINKS)
def test_one_link_fails_in_every_way(server_path: Path, link: str, broker: Kind) -> None:
    with start(server_path, broker) as world:
        flows(world, "reads at first")
        proxy = network(world, link)
        for weather in (Weather.CUT, Weather.STALL, Weather.SLOW):
            before, taken = world.accepted(), proxy.swallowed
            proxy.set(weather)
            world.wait(lambda: world.accepted() > before + 500, f"the spool goes on, {weather.name}")  # noqa: B023
            assert weather is not Weather.STALL or proxy.swallowed > taken
            proxy.set(Weather.PASS)
            flows(world, f"reads after {weather.name}")
        for _ in range(5):
            proxy.reset()
            flows(world, "reads after a reset")
        verdict = world.settle()
        assert verdict.right, verdict.table()


@full_run
@pytest.mark.parametrize("link", LINKS)
def test_a_half_open_connection_is_given_up_while_it_lasts(server_path: Path, link: str) -> None:
    with start(server_path) as world:
        flows(world, "reads at first")
        proxy, worker = network(world, link), world.edges["edge-1"] if link == LINKS[0] else world.ingest
        proxy.set(Weather.STALL)
        seen = proxy.connections
        world.wait(lambda: proxy.connections > seen + 1, f"{worker.name} tries a new connection, and one more")
        world.wait(lambda: "fell silent" in worker.said, f"{worker.name} says why")
        proxy.set(Weather.PASS)
        flows(world, "reads afterwards")
        verdict = world.settle()
        assert verdict.right, verdict.table()
