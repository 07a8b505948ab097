"""Disks that are full, at the edge and at the database."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from chaos.proxy import Weather
from chaos.size import full_run
from chaos.world import World

Disk = Callable[[str, str], Path]


@pytest.fixture
def disk(server_path: Path) -> Iterator[Disk]:
    """Makes a small disk of its own; only root may."""
    with ExitStack() as mounted:

        def mount(name: str, size: str) -> Path:
            path = server_path / name
            path.mkdir()
            argv = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(path)]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                pytest.skip(f"no disk can be made here: {done.stderr.strip()}")
            mounted.callback(subprocess.run, ["umount", "--lazy", str(path)], check=True)
            return path

        yield mount


def fill(disk: Path) -> Path:
    """A file that takes all the space that is left."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return ballast


@full_run
@pytest.mark.parametrize("edge", [{"spool_max_mb": "1"}, {"spool_free_mb": "14"}], ids=["spool_max", "disk"])
def test_a_spool_is_full_until_ingest_is_back(server_path: Path, disk: Disk, edge: dict[str, str]) -> None:
    """Nobody frees space but the spool itself, once its batches are committed."""
    settings = {"spool": str(disk("edge", "16m") / "spool.sqlite"), "spool_free_mb": "8", "batch_s": "0.1"}
    with World(server_path, server=os.environ.get("TAGTRAIL_TEST_DSN"), edge={**settings, **edge}) as world:
        world.wait(lambda: world.committed() > 0, "first reads")
        world.ingest_network.set(Weather.CUT)
        agent = world.edges["edge-1"]
        world.wait(lambda: "free some space" in agent.said, "the disk is full")
        before = world.committed()
        agent.kill(0.2)
        world.wait(lambda: "free some space" in agent.said, "the disk is still full after a kill")
        world.ingest_network.set(Weather.PASS)
        world.wait(lambda: world.committed() > before, "ingest is back")
        world.wait(lambda: "the spool takes reads again" in agent.said, "the spool frees its own space")
        wanted = world.accepted()
        world.wait(lambda: world.committed() > wanted, "reads flow again")
        verdict = world.settle()
        assert verdict.right, verdict.table()


@full_run
def test_the_disk_of_an_edge_is_filled_by_others(server_path: Path, disk: Disk) -> None:
    folder = disk("edge", "8m")
    settings = {"spool": str(folder / "spool.sqlite"), "spool_free_mb": "0", "batch_s": "0.1"}
    with World(server_path, server=os.environ.get("TAGTRAIL_TEST_DSN"), edge=settings) as world:
        agent = world.edges["edge-1"]
        for _ in range(2):
            before = world.committed()
            world.wait(lambda: world.committed() > before, "reads arrive")  # noqa: B023
            ballast = fill(folder)
            world.ingest_network.set(Weather.CUT)
            world.wait(lambda: "free some space" in agent.said, "the disk is full")
            world.ingest_network.set(Weather.PASS)
            agent.kill(0.1)
            world.wait(lambda: "connected to the broker" in agent.said, "the agent runs with a full disk")
            ballast.unlink()
        wanted = world.accepted()
        world.wait(lambda: world.committed() > wanted, "reads after space was freed")
        verdict = world.settle()
        assert verdict.right, verdict.table()


@full_run
def test_the_disk_of_the_database_is_full_for_a_while(server_path: Path, disk: Disk) -> None:
    folder = disk("database", "160m")
    with World(server_path, database_folder=folder, reads_per_s=1000.0) as world:
        world.wait(lambda: world.committed() > 0, "first reads")
        for _ in range(2):
            ballast = fill(folder)
            said = world.ingest.said.count("nothing is lost")
            world.wait(lambda: world.ingest.said.count("nothing is lost") > said, "ingest waits")  # noqa: B023
            assert "o space left" in world.ingest.said.rpartition("nothing is lost")[0].splitlines()[-1]
            before = world.accepted()
            world.wait(lambda: world.accepted() > before + 2000, "the spool goes on")  # noqa: B023
            world.ingest.kill(0.1)
            ballast.unlink()
            wanted = world.accepted()
            world.wait(lambda: world.committed() > wanted, "reads after space was freed")  # noqa: B023
        verdict = world.settle()
        assert verdict.right, verdict.table()
