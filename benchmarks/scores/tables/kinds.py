"""Which tags are taken for shoppers, staff and things, beside what they are, on simulated days."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pandas as pd

from scores.tables.markdown import STORE_FILE, Goal, Section, Table
from tagtrail.analytics.files import read_reads
from tagtrail.analytics.kinds import find_kinds
from tagtrail.analytics.known_tags import KINDS
from tagtrail.analytics.placement import Layout
from tagtrail.analytics.presence import Presence
from tagtrail.simulator.files import simulate_to_files
from tagtrail.simulator.people.model import Tags
from tagtrail.simulator.scenario import load_scenario, scenario_path

THINGS: Final = Tags(left_behind=0.03, stock_per_counter=1, two=0.05)
"""So many that there is something to count: one in 33 loses the tag, and an article lies at each counter."""
DAYS: Final = (
    ("quiet-tuesday, 12 h", "quiet-tuesday", 720.0, THINGS),
    ("saturday-sale, its first 5 h", "saturday-sale", 300.0, THINGS),
    ("hard-store, 10 h", "hard-store", 600.0, THINGS),
    ("staff-morning, 2 h 20 min", "staff-morning", 140.0, None),
    ("everyday, 40 min", "everyday", 40.0, None),
)
"""Title, scenario, minutes, and tags other than the scenario's."""
LOST, LYING, STAFF, SHOPPER = "lost in the last hour, or not yet", "things that lie", "staff", "shopper"
TRUE: Final = (SHOPPER, STAFF, LYING, LOST)
LYING_S: Final = 3600
WHOLE_DAY_MIN: Final = 300.0
"""There are goals from here on."""


def measure(seeds: Sequence[int]) -> Section:
    """A table of what tags are by what they are taken for, for each day, and the goals for whole days."""
    rows, goals = [], []
    for title, scenario, minutes, tags in DAYS:
        tables = [_tags_of_day(scenario, minutes, tags, seed) for seed in seeds]
        told = confusion(pd.concat(tables, ignore_index=True))
        counts = told.drop(columns="found")
        rows += [[title, true, *(str(n) for n in counts.loc[true]), f"{told.loc[true, 'found']:.1%}"]
                 for true in told.index]  # fmt: skip
        if minutes >= WHOLE_DAY_MIN:
            others = counts.reindex([STAFF, LYING]).dropna()
            found = 1 - others[SHOPPER].to_numpy().sum() / max(1, others.to_numpy().sum())
            goals += [
                Goal(f"{title}: share of staff and things that lie found", 0.95, {STORE_FILE: float(found)}),
                Goal(
                    f"{title}: share of shoppers left out",
                    0.005,
                    {STORE_FILE: float(1 - told["found"].to_numpy()[0])},
                    at_least=False,
                ),
            ]
    columns = ["day", "what they are", *(f"taken for {kind}" for kind in KINDS), "right: in or out"]
    return Section([Table(f"Kinds of tags, seeds {', '.join(map(str, seeds))}", columns, rows)], goals)


def confusion(tags: pd.DataFrame) -> pd.DataFrame:
    """Number of tags by what they are (rows) and are taken for, and the share that is rightly counted or left out."""
    table = pd.crosstab(tags["true"], tags["kind"])
    table = table.reindex(index=[true for true in TRUE if true in table.index], columns=list(KINDS), fill_value=0)
    shoppers = table[SHOPPER] / table.sum(axis=1)
    return table.assign(found=shoppers.where(table.index == SHOPPER, 1 - shoppers))


def _tags_of_day(scenario: str, minutes: float, tags: Tags | None, seed: int) -> pd.DataFrame:
    """What each tag of a simulated day is, and is taken for."""
    changed = {"minutes": minutes, "seed": seed} | ({} if tags is None else {"tags": tags})
    scene = load_scenario(scenario_path(scenario), changed)
    store = scene.shops[0].store
    with tempfile.TemporaryDirectory(prefix="tagtrail-scores-") as name:
        folder = Path(name)
        simulate_to_files(scene, folder)
        reads = read_reads(folder / "reads.parquet")
        people = pd.read_parquet(folder / "people.parquet")
    visits, _ = Presence([Layout(0, store)]).estimate(reads)
    kinds = find_kinds(reads, visits, store)
    return kinds.assign(true=kinds["epc"].map(true_kinds(people)))


def true_kinds(people: pd.DataFrame) -> "pd.Series[str]":
    """What each tag is, by EPC; things by how long they lay."""
    tags = people.explode("epcs").dropna(subset="epcs").rename(columns={"epcs": "epc"})
    things = tags[tags["kind"] == "thing"].set_index("epc")
    # Who has lost a tag is still there for a while, so the thing has lain for longer than since that person left.
    left = tags[tags["kind"] != "thing"].groupby("epc")["exit"].max().reindex(things.index)
    lay_s = (things["exit"] - left.fillna(things["enter"])).dt.total_seconds()
    kinds = tags[tags["kind"] != "thing"].groupby("epc")["kind"].first()
    of_things = pd.Series([LYING if seconds >= LYING_S else LOST for seconds in lay_s], index=things.index, dtype="str")
    return pd.concat([kinds[~kinds.index.isin(of_things.index)].astype("str"), of_things])
