"""Scenarios into files: what is in them, that they agree with each other, and that a seed says everything."""

import dataclasses
import resource
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.reads import EPC_PATTERN
from tagtrail.hardware.store import Store, load_store
from tagtrail.simulator.files import simulate_to_files
from tagtrail.simulator.layouts import store_toml
from tagtrail.simulator.scenario import Scenario, load_scenario, scenario_path, shipped
from tagtrail.simulator.truth import (
    PEOPLE_SCHEMA,
    PURCHASES_SCHEMA,
    READS_SCHEMA,
    TRUTH_SCHEMA,
    VISITS_SCHEMA,
    Summary,
    begin,
)  # fmt: skip

MINUTES = 6.0
FILES = {
    "reads": READS_SCHEMA,
    "truth": TRUTH_SCHEMA,
    "visits_truth": VISITS_SCHEMA,
    "people": PEOPLE_SCHEMA,
    "purchases": PURCHASES_SCHEMA,
}


def scenario_of(store: Store, folder: Path, **overrides: Any) -> Scenario:
    """A busy hour in a small store."""
    path = folder / "corner-shop.toml"
    path.write_text(store_toml(store), encoding="utf-8")
    usual = {"store": str(path), "minutes": MINUTES, "seed": 4, "shoppers_per_hour": 200.0}
    return load_scenario(scenario_path("everyday"), usual | overrides)


@pytest.fixture(scope="module")
def made(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made")
    simulate_to_files(scenario_of(store, tmp_path_factory.mktemp("scenario")), out)
    return out


@pytest.fixture(scope="module")
def tables(made: Path) -> dict[str, pd.DataFrame]:
    return {name: pd.read_parquet(made / f"{name}.parquet") for name in FILES}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_files_have_the_columns_that_are_promised(made: Path) -> None:
    for name, schema in FILES.items():
        assert pq.read_schema(made / f"{name}.parquet").equals(schema), name
    assert not list(made.rglob("*.part"))


def test_reads_are_what_a_store_of_these_readers_would_say(tables: dict[str, pd.DataFrame], store: Store) -> None:
    reads = tables["reads"]
    antennas = {(reader.id, antenna.port) for reader in store.reader for antenna in reader.antenna}
    assert set(zip(reads["reader"], reads["antenna"], strict=True)) <= antennas
    assert all(EPC_PATTERN.fullmatch(epc) and len(epc) == 24 for epc in reads["epc"].unique())
    assert reads["time"].is_monotonic_increasing
    start = pd.Timestamp("2026-03-14T10:00:00Z")
    assert start <= reads["time"].iloc[0]
    assert reads["time"].iloc[-1] < start + timedelta(minutes=MINUTES)
    assert set(reads["epc"]) <= {epc for epcs in tables["people"]["epcs"] for epc in epcs}


def test_summary_counts_what_the_files_hold(made: Path, tables: dict[str, pd.DataFrame], store: Store) -> None:
    summary = msgspec.json.decode((made / "summary.json").read_bytes(), type=Summary)
    assert summary.reads_sent == len(tables["reads"]) > 500
    counts = tables["reads"]["reader"].value_counts()
    assert {reader: count.reads_sent for reader, count in summary.readers.items()} == {
        reader.id: counts.get(reader.id, 0) for reader in store.reader
    }
    assert (summary.store, summary.scenario, summary.seed) == (store.id, "Everyday", 4)
    assert (summary.start, summary.end) == ("2026-03-14T10:00:00+00:00", "2026-03-14T10:06:00+00:00")
    assert summary.shoppers == (tables["people"]["kind"] == "shopper").sum()
    assert summary.purchases == len(tables["purchases"])


def test_there_is_a_row_per_person_and_second(tables: dict[str, pd.DataFrame], store: Store) -> None:
    seconds, people = tables["truth"], tables["people"].set_index("person")
    assert not seconds.duplicated(["person", "time"]).any()
    assert (seconds["time"].astype("int64") % 1_000_000 == 0).all()
    spans = seconds.groupby("person")["time"].agg(["min", "max", "size"])
    assert (spans["size"] == (spans["max"] - spans["min"]).dt.total_seconds() + 1).all()
    assert (people.loc[spans.index, "enter"] == spans["min"]).all()
    assert (people.loc[spans.index, "exit"] == spans["max"] + timedelta(seconds=1)).all()
    for floor in store.floor:
        here = seconds[seconds["floor"] == floor.id]
        assert here["x_m"].between(0, floor.width_m).all()
        assert here["y_m"].between(0, floor.depth_m).all()


def test_visits_are_the_runs_of_seconds_in_one_zone(tables: dict[str, pd.DataFrame]) -> None:
    visits = tables["visits_truth"]
    assert (visits["enter"] < visits["exit"]).all()
    ends = visits["exit"].dt.floor("s") - timedelta(seconds=1)
    spans = [pd.date_range(enter, end, freq="s") for enter, end in zip(visits["enter"], ends, strict=True)]
    lengths = [len(span) for span in spans]
    covered = pd.DataFrame(
        {
            "person": np.repeat(visits["person"], lengths),
            "zone": np.repeat(visits["zone"], lengths),
            "time": [time for span in spans for time in span],
        }
    )
    seconds = tables["truth"].dropna(subset="zone")
    merged = seconds.merge(covered, on=["person", "zone", "time"], how="outer", indicator=True)
    assert (merged["_merge"] == "both").all()
    follows = visits.sort_values(["person", "enter"])
    again = follows["person"].eq(follows["person"].shift()) & follows["zone"].eq(follows["zone"].shift())
    assert not (again & follows["enter"].eq(follows["exit"].shift())).any(), "a visit goes on; it is not cut"


def test_a_card_reader_reads_the_card_of_who_carries_the_tag(store: Store, tmp_path: Path) -> None:
    door = store.reader[0]
    cards = replace(door, protocol="rdm6300", antenna=door.antenna[:1], region=None)
    shop = replace(store, reader=(cards, *store.reader[1:]))
    simulate_to_files(scenario_of(shop, tmp_path, shoppers_per_hour=400.0), tmp_path)
    reads, people = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("reads", "people"))
    cards_read = set(reads.loc[reads["reader"] == cards.id, "epc"])
    assert cards_read
    assert cards_read <= {epc[-10:] for epcs in people["epcs"] for epc in epcs}
    assert (reads.loc[reads["reader"] != cards.id, "epc"].str.len() == 24).all()


def test_two_runs_of_one_seed_are_the_same_bytes(made: Path, store: Store, tmp_path: Path) -> None:
    again, other = tmp_path / "again", tmp_path / "other"
    simulate_to_files(scenario_of(store, tmp_path), again)
    assert contents(again) == contents(made)
    simulate_to_files(scenario_of(store, tmp_path, seed=5), other)
    assert contents(other)["truth.parquet"] != contents(made)["truth.parquet"]


def test_who_is_told_to_stop_leaves_whole_files(store: Store, tmp_path: Path) -> None:
    asked = iter([False, False, False, False])
    scenario = scenario_of(store, tmp_path, minutes=600.0)
    (summary,) = simulate_to_files(scenario, tmp_path / "out", stop=lambda: next(asked, True))
    assert summary.end < "2026-03-14T11"
    assert len(pd.read_parquet(tmp_path / "out" / "reads.parquet")) == summary.reads_sent > 0


def test_what_cannot_be_written_is_told_by_name(store: Store, tmp_path: Path) -> None:
    scenario = scenario_of(store, tmp_path, minutes=1.0)
    (tmp_path / "taken").touch()
    (tmp_path / "out" / "reads.parquet").mkdir(parents=True)
    for out in ("taken", "taken/below", "out"):
        with pytest.raises(FaultsError, match=f"{out}: cannot be written: "):
            simulate_to_files(scenario, tmp_path / out)


def test_a_full_disk_is_one_clear_message(store: Store, tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(FaultsError, match="out: cannot be written: "):
            simulate_to_files(scenario_of(store, tmp_path), tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list((tmp_path / "out").glob("*.p*"))


def test_a_chain_that_is_stopped_leaves_nothing_of_an_earlier_run(tmp_path: Path) -> None:
    start = load_scenario(scenario_path("chain-month")).shops[0].start.replace(hour=10, minute=5)
    chain = load_scenario(scenario_path("chain-month"), {"minutes": 2.0, "start": start})
    chain = dataclasses.replace(chain, shops=chain.shops[:2])
    first, second = (tmp_path / shop.store.id for shop in chain.shops)
    for folder in (first, second):
        folder.mkdir()
        for name in ("summary.json", "truth.parquet", "reads.parquet.part"):
            (folder / name).write_text("old")
    asked = iter([False] * 2)
    assert len(simulate_to_files(chain, tmp_path, stop=lambda: next(asked, True))) == 1
    assert (first / "summary.json").exists()
    assert not [file for file in second.rglob("*") if file.is_file()]
    assert not list(tmp_path.rglob("*.part"))


def test_a_replay_leaves_the_recording_alone_that_lies_in_its_folder(tmp_path: Path) -> None:
    for name in ("reads.parquet", "labels.parquet"):
        (tmp_path / name).touch()
    begin(tmp_path, ["labels"])
    assert [file.name for file in tmp_path.iterdir()] == ["reads.parquet"]


def test_nothing_was_bought_before_the_run(tables: dict[str, pd.DataFrame]) -> None:
    purchases = tables["purchases"]
    assert len(purchases)
    assert purchases["time"].min() >= pd.Timestamp("2026-03-14T10:00:00Z")
    assert set(purchases["person"]) <= set(tables["people"]["person"])


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_every_scenario_that_comes_along_runs(path: Path, tmp_path: Path) -> None:
    scenario = load_scenario(path, {"minutes": 4.0})
    if scenario.shops[0].start.hour == 0:
        scenario = load_scenario(path, {"minutes": 4.0, "start": scenario.shops[0].start.replace(hour=10)})
    scenario = dataclasses.replace(scenario, shops=scenario.shops[:2])  # the others of a chain are like these
    summaries = simulate_to_files(scenario, tmp_path)
    assert [summary.store for summary in summaries] == [shop.store.id for shop in scenario.shops]
    for summary in summaries:
        out = tmp_path / summary.store if len(summaries) > 1 else tmp_path
        assert summary.reads_sent > 100
        assert len(pd.read_parquet(out / "truth.parquet")) > 100
        assert load_store(next((out / "layouts").iterdir())).id == summary.store


def test_a_layout_changes_at_night_and_the_people_go_on(tmp_path: Path) -> None:
    start = load_scenario(scenario_path("counter-move")).shops[0].layouts[1].valid_from - timedelta(minutes=20)
    scenario = load_scenario(
        scenario_path("counter-move"), {"start": start, "minutes": 40.0, "shoppers_per_hour": 40.0}
    )
    simulate_to_files(scenario, tmp_path)
    before, after = scenario.shops[0].layouts
    assert len(list((tmp_path / "layouts").iterdir())) == 2
    truth = pd.read_parquet(tmp_path / "truth.parquet")
    at_perfume = truth[truth["zone"] == "perfume"]
    moved = at_perfume["time"] >= pd.Timestamp(after.valid_from)
    assert set(at_perfume.loc[~moved, "floor"]) == {before.store.zone_by_id["perfume"].floor} == {"1F"}
    assert set(at_perfume.loc[moved, "floor"]) == {after.store.zone_by_id["perfume"].floor} == {"2F"}
    people = pd.read_parquet(tmp_path / "people.parquet")
    assert people["person"].is_unique
