"""`tagtrail simulate …` as a person calls it."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tagtrail.simulator.service import run_simulate
from tagtrail.simulator.settings import SimulateSettings
from tagtrail.stack.cli import main
from tagtrail.stack.commands import simulate

GUIDE = Path(__file__).parents[2] / "docs" / "simulator.md"


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """A run catches signals for the rest of its process, which here is that of all tests."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("kind", simulate.KINDS)
def test_every_kind_explains_itself_with_an_example(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["simulate", kind, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert f"Examples:\n  tagtrail simulate {kind} " in text


def test_a_scenario_goes_into_files(tmp_path: Path) -> None:
    arguments = ["--scenario", "hard-store", "--minutes", "2", "--seed", "3", "--out", str(tmp_path / "day")]
    assert main(["simulate", "run", *arguments]) == 0
    names = {"reads", "truth", "visits_truth", "people", "purchases"}
    assert {file.stem for file in (tmp_path / "day").glob("*.parquet")} == names


def test_a_broker_is_named_on_purpose_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker of all services, in the environment, is not one to publish invented reads to."""
    seen: list[SimulateSettings] = []

    def remember(settings: SimulateSettings) -> int:
        seen.append(settings)
        return 0

    monkeypatch.setenv("TAGTRAIL_MQTT", "mqtt://shop.example")
    monkeypatch.setitem(simulate.KINDS, "run", simulate.KINDS["run"]._replace(run=remember))
    main(["simulate", "run", "--out", "x"])
    main(["simulate", "run", "--mqtt", "mqtt://127.0.0.1"])
    assert [settings.publish for settings in seen] == [None, "mqtt://127.0.0.1"]


def test_the_scenario_of_the_guide_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    example = next(block for block in re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL) if "like" in block)
    file = tmp_path / "rainy.toml"
    file.write_text(example, encoding="utf-8")
    settings = SimulateSettings(scenario=str(file), minutes=2, out=str(tmp_path / "out"))
    assert run_simulate(settings) == 0
    main(["simulate", "scenarios"])
    assert capsys.readouterr().out in text


def test_what_the_guide_says_of_faults_is_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    example = next(block for block in re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL) if "like" in block)
    broken = example.replace("= 700", "= -700").replace("pass_through", "pass_trough")
    file = tmp_path / "rainy.toml"
    file.write_text(broken.replace("attraction = 4.0", "buy_chance = 1.5"), encoding="utf-8")
    assert main(["simulate", "run", "--scenario", str(file), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.replace(f"{tmp_path}/", "") in text
