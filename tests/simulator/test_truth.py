"""What the truth says of people whose every step is known."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagtrail.hardware.store import Store
from tagtrail.simulator.presence import CYCLES_PER_SECOND, Body, Presence, Tag
from tagtrail.simulator.truth import PEOPLE_SCHEMA, TRUTH_SCHEMA, VISITS_SCHEMA, Truth

START_US = 1_773_453_600_000_000
SHOES, BAGS, NOWHERE = 3, 4, -1
ANNA = Body(0, "shopper", (Tag(0, "AA"), Tag(1, "AB")), group=0, member="m1", errand="browse")
THING = Body(1, "thing", (Tag(2, "CC"),), group=1)
BEN = Body(2, "staff", (), group=2)

WAYS: dict[int, dict[int, int]] = {
    0: {second: SHOES if second < 4 else NOWHERE if second < 6 else BAGS for second in range(2, 9)},
    1: dict.fromkeys(range(12), SHOES),
    2: {second: SHOES for second in range(12) if second not in (5, 6)},
}
"""Body → second → zone: Anna is there from 2 to 9, Ben is away from 5 to 7."""
SECONDS = 12


def presence(first: int, until: int) -> Presence:
    rows = [
        (cycle, number, WAYS[number][cycle // CYCLES_PER_SECOND])
        for cycle in range(first, until)
        for number in sorted(WAYS)
        if cycle // CYCLES_PER_SECOND in WAYS[number]
    ]
    cycle, body, zone = (np.array([row[column] for row in rows], dtype=np.int64) for column in range(3))
    bodies = {body.number: body for body in (ANNA, THING, BEN) if body.number in {row[1] for row in rows}}
    zeros = np.zeros(len(rows))
    return Presence(cycle, body, np.zeros(len(rows), dtype=np.int64), zeros + 1.23456, zeros, zeros, zone, bodies)


def write(out: Path, store: Store, block: int) -> None:
    out.mkdir(exist_ok=True)
    with Truth(out) as truth:
        truth.begin(store, START_US)
        for first in range(0, SECONDS * CYCLES_PER_SECOND, block):
            until = min(first + block, SECONDS * CYCLES_PER_SECOND)
            truth.add(presence(first, until), until)
        truth.end()


def rows(path: Path) -> list[tuple[Any, ...]]:
    """Times as seconds since the start."""
    table = pq.read_table(path)
    columns: list[list[Any]] = []
    for field in table.schema:
        column = table[field.name]
        if field.name in ("time", "enter", "exit"):
            columns.append(((column.cast(pa.int64()).to_numpy() - START_US) // 1_000_000).tolist())
        else:
            columns.append(column.to_pylist())
    return list(zip(*columns, strict=True))


@pytest.mark.parametrize("block", [24, 7, 2, 1])
def test_stays_are_the_same_in_blocks_of_any_size(block: int, store: Store, tmp_path: Path) -> None:
    write(tmp_path, store, block)
    assert sorted(rows(tmp_path / "visits_truth.parquet"), key=str) == [
        (0, "AA", "shopper", "bags", 6, 9),
        (0, "AA", "shopper", "shoes", 2, 4),
        (2, None, "staff", "shoes", 0, 5),
        (2, None, "staff", "shoes", 7, 12),
    ]
    people = rows(tmp_path / "people.parquet")
    assert (0, "shopper", "browse", 0, "m1", ["AA", "AB"], 2, 9) in people
    assert [row[-2:] for row in people if row[0] == 2] == [(0, 5), (7, 12)], "who comes back has two rows"
    assert (1, "thing", "", 1, None, ["CC"], 0, 12) in people


def test_there_is_a_row_per_person_and_second(store: Store, tmp_path: Path) -> None:
    write(tmp_path, store, 5)
    seconds = rows(tmp_path / "truth.parquet")
    assert {(row[1], row[0]) for row in seconds} == {(number, second) for number in (0, 2) for second in WAYS[number]}
    assert len(seconds) == len(WAYS[0]) + len(WAYS[2])
    assert seconds[0] == (0, 2, None, "1F", pytest.approx(1.235), 0.0, "shoes")
    for name, schema in (
        ("truth", TRUTH_SCHEMA), ("visits_truth", VISITS_SCHEMA), ("people", PEOPLE_SCHEMA)
    ):  # fmt: skip
        assert pq.read_schema(tmp_path / f"{name}.parquet").equals(schema)


def test_persons_of_a_second_world_have_other_numbers(store: Store, tmp_path: Path) -> None:
    with Truth(tmp_path) as truth:
        for start_us in (START_US, START_US + 60_000_000):
            truth.begin(store, start_us)
            truth.add(presence(0, 24), 24)
            truth.end()
    assert [row[0] for row in rows(tmp_path / "people.parquet")] == [2, 0, 1, 2, 5, 3, 4, 5]


def test_an_empty_store_has_empty_files(store: Store, tmp_path: Path) -> None:
    with Truth(tmp_path) as truth:
        truth.begin(store, START_US)
        truth.add(presence(0, 0), 4)
        truth.end()
    assert rows(tmp_path / "truth.parquet") == rows(tmp_path / "people.parquet") == []
