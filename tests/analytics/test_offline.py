"""`tagtrail analyze` on files: settings, results, accuracy on a simulated store."""

from pathlib import Path

import pandas as pd
import pytest

from tagtrail.analytics.files import read_reads, write_table
from tagtrail.analytics.measures import compute_dwell, compute_floor_traffic
from tagtrail.analytics.service import run
from tagtrail.analytics.settings import AnalyzeSettings
from tagtrail.hardware.errors import FaultsError
from tagtrail.simulator.files import simulate_to_files
from tagtrail.simulator.scenario import load_scenario, scenario_path, store_path
from walks import epc_of, frame_of, random_reads, store_text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (AnalyzeSettings(), ["set reads, store and out to analyse a file, or dsn to work on a database"]),
        (AnalyzeSettings(reads="r.csv"), ["store: needed together with reads", "out: needed together with reads"]),
        (
            AnalyzeSettings(dsn="x", out="o"),
            ["out: works together with reads or from only; set one of them, or leave it out"],
        ),
        (AnalyzeSettings(dsn="x", tags="t.csv"), ["tags: works together with reads only"]),
        (AnalyzeSettings(dsn="x", poll_s=0), ["poll_s 0: 0.01 to 3600 allowed"]),
        (AnalyzeSettings(dsn="x", visit_gap_s=float("nan")), ["visit_gap_s nan: 1 to 3600 allowed"]),
        (AnalyzeSettings(dsn="x", trip_gap_s=30), ["trip_gap_s 30 is less than visit_gap_s 60"]),
        (AnalyzeSettings(dsn="x", clock="noon"), ["clock 'noon': expected 'real' or 'ANCHOR_US,ORIGIN_US,RATE'"]),
        (AnalyzeSettings(dsn="x"), []),
        (AnalyzeSettings(reads="r.csv", store="s.toml", out="o"), []),
        (AnalyzeSettings(dsn="x", estimator="guess"), ["estimator 'guess': expected 'place' or 'presence'"]),
        (
            AnalyzeSettings(dsn="x", calibration="p.csv"),
            ["calibration: works together with reads and the estimator of place only"],
        ),
    ],
)
def test_settings_say_what_is_wrong(settings: AnalyzeSettings, words: list[str]) -> None:
    assert settings.faults() == words


def test_files_in_files_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "store.toml").write_text(store_text())
    reads = frame_of(random_reads(1, tags=5))
    reads.loc[0, "antenna"] = 8
    write_table(reads, tmp_path / "reads.parquet")
    settings = AnalyzeSettings(
        store=str(tmp_path / "store.toml"), reads=str(tmp_path / "reads.parquet"), out=str(tmp_path / "out")
    )
    assert run(settings) == 0
    printed = capsys.readouterr()
    assert "not used: 1 reads, reader r01, antenna 8 is not in the store file" in printed.out
    assert f"looking for visits in {len(reads)} reads" in printed.err
    visits = pd.read_parquet(tmp_path / "out" / "visits.parquet")
    assert pd.read_csv(tmp_path / "out" / "traffic.csv")["visits"].sum() == len(visits)
    assert pd.read_csv(tmp_path / "out" / "dwell.csv")["visits"].sum() == len(visits)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "visits.parquet", "trips.parquet", "tags.parquet", "traffic.csv", "flows.csv", "dwell.csv",
    }  # fmt: skip


def test_measures_count_shoppers_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "store.toml").write_text(store_text())
    write_table(frame_of(random_reads(1, tags=5)), tmp_path / "reads.parquet")
    (tmp_path / "tags.csv").write_text(f"epc,kind,note\n{epc_of(2)},staff,Ms Li\n")
    settings = AnalyzeSettings(
        store=str(tmp_path / "store.toml"),
        reads=str(tmp_path / "reads.parquet"),
        out=str(tmp_path / "out"),
        estimator="presence",
        tags=str(tmp_path / "tags.csv"),
    )
    assert run(settings) == 0
    why = "is in the list of known tags: Ms Li"
    assert f"not counted: 1 tags, staff; such as {epc_of(2)}: {why}" in capsys.readouterr().out
    visits, trips, tags = (
        pd.read_parquet(tmp_path / "out" / f"{name}.parquet") for name in ("visits", "trips", "tags")
    )
    assert tags[tags["kind"] != "shopper"][["epc", "kind", "reason"]].to_numpy().tolist() == [[epc_of(2), "staff", why]]
    assert epc_of(2) in set(trips["epc"])
    shoppers = visits[visits["epc"] != epc_of(2)]
    assert len(shoppers) < len(visits)
    for name, expected in (
        ("traffic", compute_floor_traffic(visits=shoppers)),
        ("dwell", compute_dwell(visits=shoppers)),
    ):
        assert pd.read_csv(tmp_path / "out" / f"{name}.csv")["visits"].sum() == expected["visits"].sum()
    (tmp_path / "tags.csv").write_text("epc,kind\nE280,clerk\n")
    with pytest.raises(FaultsError, match="line 2: kind 'clerk'"):
        run(settings)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_radio_map_is_learned_from_known_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    (tmp_path / "store.toml").write_text(store_text())
    reads = frame_of(random_reads(1, tags=5))
    write_table(reads, tmp_path / "reads.parquet")
    epc = reads["epc"].iloc[0]
    points = reads[reads["epc"] == epc][["epc", "time"]].assign(epc=epc, floor="1F", x_m=3.0, y_m=3.0)
    settings = AnalyzeSettings(
        store=str(tmp_path / "store.toml"),
        reads=str(tmp_path / "reads.parquet"),
        out=str(tmp_path / "out"),
        calibration=str(tmp_path / f"points{ending}"),
    )
    write_table(points, tmp_path / f"points{ending}")
    assert run(settings) == 0
    assert "from the known places" in capsys.readouterr().err
    for wrong, words in (
        ({"floor": "9F"}, "row 1: there is no floor '9F'"),
        ({"x_m": -1.0}, "lies outside floor '1F'"),
    ):
        write_table(points.assign(**wrong), tmp_path / f"points{ending}")
        with pytest.raises(FaultsError, match=words):
            run(settings)


def test_a_missing_file_is_one_clear_fault(tmp_path: Path) -> None:
    (tmp_path / "store.toml").write_text(store_text())
    settings = AnalyzeSettings(store=str(tmp_path / "store.toml"), reads="none.csv", out=str(tmp_path))
    with pytest.raises(FaultsError, match=r"none\.csv: there is no such file"):
        run(settings)


def test_estimates_are_near_the_truth_of_a_simulated_store(tmp_path: Path) -> None:
    """Bounds well beyond what the rule reaches (docs/analytics.md), so that only something broken passes them."""
    simulate_to_files(load_scenario(scenario_path("everyday"), {"minutes": 30.0, "seed": 3}), tmp_path)
    settings = AnalyzeSettings(
        store=str(store_path("riverside")), reads=str(tmp_path / "reads.parquet"), out=str(tmp_path)
    )
    run(settings)
    truth, visits = (pd.read_parquet(tmp_path / name) for name in ("visits_truth.parquet", "visits.parquet"))
    read = set(read_reads(tmp_path / "reads.parquet")["epc"])
    assert set(visits["epc"]) <= read
    assert truth["epc"].nunique() * 0.9 <= visits["epc"].nunique() <= truth["epc"].nunique()
    for measure, of in (("visits", compute_floor_traffic), ("total_s", compute_dwell)):
        true, estimated = (of(visits=table).set_index("zone")[measure] for table in (truth, visits))
        error = estimated.reindex(true.index, fill_value=0).sub(true).abs().sum() / true.sum()
        assert error < 0.4, f"{measure}: {error:.2f}"
