"""What a person can set."""

import re
import signal
import tomllib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from tagtrail.hardware.clock import ScaledClock, WallClock
from tagtrail.hardware.errors import FaultsError, GiveUp
from tagtrail.hardware.store import load_store
from tagtrail.simulator import service
from tagtrail.simulator.scenario import ScenarioFile, load_scenario, scenario_path, store_path
from tagtrail.simulator.service import run_scenarios, run_simulate
from tagtrail.simulator.settings import RecordSettings, ReplaySettings, ScenariosSettings, SimulateSettings, clock_of


def test_bundled_stores_are_found_by_name_and_are_sound() -> None:
    for name in ("ward", "riverside", "corner"):
        assert load_store(store_path(name)).id == name
    assert store_path("./ward") == Path("ward")
    assert store_path("my/store.toml") == Path("my/store.toml")


def test_all_faults_are_told_at_once() -> None:
    settings = SimulateSettings(ports_dir="p", tcp="q", seed=-1, minutes=float("nan"), start="noon", clock="slow")
    words = [fault.split()[0].rstrip(",") for fault in settings.faults()]
    assert words == ["clock", "tcp", "seed", "minutes", "ports_dir", "start"]
    with pytest.raises(FaultsError, match="6 faults"):
        run_simulate(settings)


def test_files_need_a_folder_and_an_end() -> None:
    assert "set out, and minutes over 0" in SimulateSettings().faults()[0]
    assert "set out, and minutes over 0" in SimulateSettings(out="x", minutes=0).faults()[0]
    assert SimulateSettings(out="x").faults() == []
    assert SimulateSettings(ports_dir="x", minutes=0).faults() == []
    assert SimulateSettings(tcp="127.0.0.1:7000", minutes=0).faults() == []
    assert SimulateSettings(publish="mqtt://127.0.0.1", minutes=0).faults() == []


def test_what_goes_to_a_broker() -> None:
    assert "known are impinj and zebra" in SimulateSettings(publish="mqtt://x", maker="acme").faults()[0]
    assert "must be 1 or more" in SimulateSettings(publish="mqtt://x", agents=0).faults()[0]


def test_an_unknown_scenario_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(GiveUp, match="no such file; those that come along are .*saturday-sale"):
        run_simulate(SimulateSettings(scenario="saturday", out=str(tmp_path)))


def test_the_scenarios_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_scenarios(ScenariosSettings()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 9
    assert {load_scenario(scenario_path(line.split()[0])).about for line in lines} == {
        line.split(maxsplit=1)[1] for line in lines
    }


def test_all_keys_are_listed_with_their_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    run_scenarios(ScenariosSettings(keys=True))
    text = capsys.readouterr().out.partition("\n")[2]
    assert "  # \n" not in text, "every key says what it means"
    blocks = text.split("\n\n")  # arrays and names are the file's to choose
    single = "\n".join(block for block in blocks if not block.startswith(("[[", "[counter.ZONE]")))
    given = re.sub(r"^# (\w+ = \S.*)", r"\1", single, flags=re.MULTILINE)
    given = re.sub(r"^(name|store) = .*", r'\1 = "riverside"', given, flags=re.MULTILINE)
    given = re.sub(r"^start = .*", "start = 2026-03-10T10:00:00", given, flags=re.MULTILINE)
    start = datetime(2026, 3, 10, 10)  # noqa: DTZ001 - a local time
    plain = ScenarioFile(name="riverside", store="riverside", start=start)
    assert msgspec.convert(tomllib.loads(given), ScenarioFile) == plain
    assert {match[1] for match in re.finditer(r"^\[+([\w.]+)\]+", text, flags=re.MULTILINE)} == {
        "calendar", "shoppers", "counter.ZONE", "checkout", "fitting", "staff", "staff.shift", "tags", "promotion",
        "radio", "fault", "layout", "branch",
    }  # fmt: skip


def test_only_what_is_set_overrides_the_scenario() -> None:
    assert SimulateSettings().overrides() == {}
    given = SimulateSettings(minutes=3, seed=0, shoppers_per_hour=0.0, store="ward", start="2026-01-02T10:00:00")
    assert {key: str(value) for key, value in given.overrides().items()} == {
        "minutes": "3", "seed": "0", "shoppers_per_hour": "0.0", "store": "ward", "start": "2026-01-02 10:00:00",
    }  # fmt: skip
    assert "minutes" not in SimulateSettings(minutes=0).overrides()


def test_a_run_has_the_clock_of_all_or_a_faster_one() -> None:
    assert clock_of("real", 1.0) == WallClock()
    assert clock_of("5,6,7", 1.0) == ScaledClock(5, 6, 7.0)
    faster = clock_of("real", 20.0)
    assert isinstance(faster, ScaledClock)
    assert (faster.rate, faster.anchor_us) == (20.0, faster.origin_us)
    assert "has a rate already" in SimulateSettings(ports_dir="p", clock="5,6,7", speed=2).faults()[0]
    assert "more than 0" in SimulateSettings(ports_dir="p", speed=0).faults()[0]


def test_replay_knows_its_formats_and_needs_a_place() -> None:
    assert ReplaySettings(recording="r", ports_dir="p").faults() == []
    assert ReplaySettings(recording="r", tcp="127.0.0.1:7000").faults() == []
    assert "uci-rfid-wearable" in ReplaySettings(recording="r", ports_dir="p", format="csv").faults()[0]
    assert "set ports_dir or tcp" in ReplaySettings(recording="r").faults()[0]


def test_recording_lasts_as_long_as_is_said() -> None:
    assert RecordSettings(store="s", out="o").faults() == []
    assert "must be a number from 0" in RecordSettings(store="s", out="o", minutes=-1).faults()[0]


def test_a_year_that_no_store_has_is_a_fault_of_the_option() -> None:
    assert SimulateSettings(out="x", start="0026-03-14").faults() == [
        "start '0026-03-14': the year 26 is not from 1970 to 2199"
    ]


def test_a_run_while_the_store_is_closed_says_so_and_how_to_mend_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, keep_signals: None
) -> None:
    assert run_simulate(SimulateSettings(scenario="counter-move", minutes=2, out=str(tmp_path))) == 0
    assert "no shopper comes in the 2 minutes from 2026-03-09 00:00" in caplog.text
    assert "open from 10:00 to 22:00; try --start 2026-03-09T10:00:00" in caplog.text
    caplog.clear()
    settings = SimulateSettings(scenario="hard-store", minutes=2, start="2026-03-11T20:30", out=str(tmp_path))
    assert run_simulate(settings) == 0
    assert "try --start 2026-03-12T10:00:00" in caplog.text


def test_a_run_in_opening_hours_needs_no_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, keep_signals: None
) -> None:
    assert run_simulate(SimulateSettings(scenario="hard-store", minutes=2, out=str(tmp_path))) == 0
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_who_stops_a_run_is_told_how_far_it_came(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, keep_signals: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([False] * 4)
    monkeypatch.setattr(service, "_stop_on_signal", lambda: lambda: next(answers, True))
    assert run_simulate(SimulateSettings(scenario="hard-store", out=str(tmp_path))) == 0
    assert re.search(r"stopped: corner after \d\.0 of 600 minutes; what is in .* is complete up to there", caplog.text)


@pytest.fixture
def keep_signals() -> Iterator[None]:
    """A run takes the signals of its process."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)
