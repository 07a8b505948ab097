"""What a person can set."""

from pathlib import Path

import pytest

from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.store import load_store
from tagtrail.simulator.service import run_simulate
from tagtrail.simulator.settings import ReplaySettings, SimulateSettings, store_path


def test_bundled_stores_are_found_by_name_and_are_sound() -> None:
    assert load_store(store_path("ward")).id == "ward"
    assert load_store(store_path("riverside")).id == "riverside"
    assert store_path("./ward") == Path("ward")
    assert store_path("my/store.toml") == Path("my/store.toml")


def test_all_faults_are_told_at_once() -> None:
    settings = SimulateSettings(ports_dir="p", seed=-1, minutes=float("nan"), start="noon", clock="slow")
    assert [fault.split()[0] for fault in settings.faults()] == ["clock", "seed", "minutes", "start"]
    with pytest.raises(FaultsError, match="4 faults"):
        run_simulate(settings)


def test_files_need_a_folder_and_an_end() -> None:
    assert "set out and minutes" in SimulateSettings(out="x").faults()[0]
    assert SimulateSettings(out="x", minutes=1).faults() == []
    assert SimulateSettings(ports_dir="x").faults() == []
    assert "time zone" in SimulateSettings(ports_dir="x", start="2026-03-14T10:00:00").faults()[0]


def test_replay_knows_its_formats() -> None:
    assert ReplaySettings(recording="r", ports_dir="p").faults() == []
    assert "uci-rfid-wearable" in ReplaySettings(recording="r", ports_dir="p", format="csv").faults()[0]
