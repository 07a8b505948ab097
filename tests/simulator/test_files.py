"""A simulation into files: what is in them, and that they agree with each other."""

from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from tagtrail.hardware.reads import EPC_PATTERN
from tagtrail.hardware.store import Store
from tagtrail.simulator.simulate import simulate_to_files
from tagtrail.simulator.truth import READS_SCHEMA, Summary

START_US = 1_773_453_600_000_000
MINUTES = 6.0


@pytest.fixture(scope="module")
def made(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made")
    simulate_to_files(store, seed=4, minutes=MINUTES, out=out, start_us=START_US, warm_up_minutes=10)
    return out


def rows(path: Path) -> list[dict[str, object]]:
    table = pq.read_table(path)
    for name in ("time", "enter", "exit"):
        if name in table.column_names:
            at = table.column_names.index(name)
            table = table.set_column(at, name, table[name].cast("int64"))
    return table.to_pylist()  # type: ignore[no-any-return, unused-ignore]


def test_reads_are_what_a_store_of_these_readers_would_say(made: Path, store: Store) -> None:
    assert pq.read_schema(made / "reads.parquet").equals(READS_SCHEMA)
    reads = rows(made / "reads.parquet")
    antennas = {(reader.id, antenna.port) for reader in store.reader for antenna in reader.antenna}
    assert {(read["reader"], read["antenna"]) for read in reads} <= antennas
    assert all(EPC_PATTERN.fullmatch(str(read["epc"])) and len(str(read["epc"])) == 24 for read in reads)
    times = [int(str(read["time"])) for read in reads]
    assert times == sorted(times)
    assert times[0] >= START_US
    assert times[-1] < START_US + MINUTES * 60e6
    known = {row["epc"] for row in rows(made / "truth.parquet")}
    assert {read["epc"] for read in reads} <= known


def test_a_card_reader_reads_the_card_of_who_carries_the_tag(store: Store, tmp_path: Path) -> None:
    door = store.reader[0]
    cards = replace(door, protocol="rdm6300", antenna=door.antenna[:1], region=None)
    shop = replace(store, reader=(cards, *store.reader[1:]))
    simulate_to_files(shop, seed=4, minutes=MINUTES, out=tmp_path, start_us=START_US, shoppers_per_hour=400)
    known = {str(row["epc"])[-10:] for row in rows(tmp_path / "truth.parquet")}
    read = {str(row["epc"]) for row in rows(tmp_path / "reads.parquet") if row["reader"] == cards.id}
    assert read
    assert read <= known


def test_summary_counts_the_reads(made: Path, store: Store) -> None:
    summary = msgspec.json.decode((made / "summary.json").read_bytes(), type=Summary)
    assert summary.reads_sent == len(rows(made / "reads.parquet")) > 500
    assert sum(reader.reads_sent for reader in summary.readers.values()) == summary.reads_sent
    assert (summary.store, summary.seed) == (store.id, 4)
    assert summary.start == "2026-03-14T02:00:00+00:00"
    assert summary.end == "2026-03-14T02:06:00+00:00"
    assert not list(made.glob("*.part"))


def test_visits_are_the_runs_of_seconds_in_one_zone(made: Path) -> None:
    seconds = {(row["epc"], row["time"]): row["zone"] for row in rows(made / "truth.parquet")}
    visits = rows(made / "visits_truth.parquet")
    covered = {}
    for visit in visits:
        enter, leave = int(str(visit["enter"])), int(str(visit["exit"]))
        assert enter < leave
        for time_us in range(enter, leave, 1_000_000):
            assert (visit["epc"], time_us) not in covered
            covered[visit["epc"], time_us] = visit["zone"]
        assert seconds.get((visit["epc"], leave)) != visit["zone"]  # else the visit would have gone on
    assert covered == {key: zone for key, zone in seconds.items() if zone is not None}


def test_the_same_seed_gives_the_same_files(made: Path, store: Store, tmp_path: Path) -> None:
    simulate_to_files(store, seed=4, minutes=MINUTES, out=tmp_path, start_us=START_US, warm_up_minutes=10)
    for name in ("truth.parquet", "visits_truth.parquet", "reads.parquet"):
        assert pq.read_table(tmp_path / name).equals(pq.read_table(made / name))
