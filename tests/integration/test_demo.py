"""One command: from a reader's bytes to the floor map, and nothing left behind."""

import re
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fixture_demo import Demo
from tagtrail.stack.broker import find_mosquitto

StartDemo = Callable[..., Demo]


def get(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=10) as response:
        return msgspec.json.decode(response.read())


@pytest.mark.slow
@pytest.mark.parametrize("broker", ["mosquitto", "amqtt"])
def test_a_simulated_hour_is_printed_beside_the_truth(demo: StartDemo, broker: str) -> None:
    if broker == "mosquitto" and find_mosquitto() is None:
        pytest.skip("Mosquitto is not installed")
    run = demo("--once", "--minutes", "12", "--speed", "40", "--seed", "3", "--broker", broker)
    run.wait_for_line("readers streaming")
    run.children()
    assert run.end() == 0, run.output
    told = run.output
    sent = re.search(r"([\d,]+) reads sent", told)
    stored = re.search(r"Reads in the database: ([\d,]+), all of them", told)
    assert sent, told
    assert stored, told
    assert sent[1] == stored[1]
    assert int(stored[1].replace(",", "")) > 1000
    for title in ("Floor traffic", "Most walked paths", "Dwell per counter"):
        assert title in told
    assert "truth" in told


@pytest.mark.slow
def test_the_live_demo_serves_a_page_whose_occupancy_changes_and_ends_with_ctrl_c(demo: StartDemo) -> None:
    run = demo("--speed", "20", "--shoppers-per-hour", "200")
    page = run.wait_for_line(r"Floor page: (\S+)").split()[-1]
    store = get(page + "api/stores")["stores"][0]["id"]
    pictures: set[str] = set()

    def moved() -> bool:
        live = get(f"{page}api/store/{store}/live")
        pictures.add(str(live["zones"]))
        return len(pictures) >= 3

    run.wait_for(moved)
    assert run.interrupt() == 0, run.output
    assert "Traceback" not in run.output


@pytest.mark.slow
def test_a_data_directory_can_be_used_again(demo: StartDemo, server_path: Path) -> None:
    for _ in range(2):
        run = demo("--once", "--minutes", "2", "--speed", "30", "--data-dir", str(server_path / "kept"))
        run.wait_for_line("readers streaming")
        assert run.end() == 0, run.output
    assert (server_path / "kept" / "log" / "tagtrail.log").exists()


def test_a_busy_port_is_one_clear_line(demo: StartDemo) -> None:
    import socket

    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        run = demo("--port", str(port))
        assert run.end() == 2
    assert f"port {port} for the floor page is taken; choose another with --port" in run.output
    assert "Traceback" not in run.output
