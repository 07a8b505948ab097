"""Staff and things are told from shoppers, by what they do and by what somebody has said of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tagtrail.analytics.files import read_known_tags, read_reads
from tagtrail.analytics.kinds import find_kinds, only_shoppers, summarize_kinds
from tagtrail.analytics.known_tags import KnownTags, parse_known_tags
from tagtrail.analytics.placement import Layout
from tagtrail.analytics.presence import Presence
from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.store import parse_store
from tagtrail.simulator.files import simulate_to_files
from tagtrail.simulator.people.calendar import Calendar
from tagtrail.simulator.people.model import Tags
from tagtrail.simulator.scenario import load_scenario, scenario_path
from walks import ROOMS, Sighting, epc_of, frame, frame_of, random_reads, row_store, stay, store_text

H = 3600.0
DAY_S = 10 * H
EVERY_S = 15.0
ME = epc_of(999_999)


def heard(room: str, begin_s: float, end_s: float, *, carried: bool = False, seed: int = 0) -> list[Sighting]:
    """What is heard of a tag that stays: now by this room's antenna, now by the next one's; carried, it turns about."""
    rng = np.random.default_rng(seed)
    next_room = ROOMS[(ROOMS.index(room) + 1) % len(ROOMS)]
    sightings = []
    for second in np.arange(begin_s, end_s, EVERY_S).tolist():
        turn_db = 6.0 * np.sin(second / 200.0) if carried else 0.0
        where = room if rng.random() < 0.75 else next_room
        sightings.append((second, ME, where, round(-58.0 + turn_db + rng.normal(0, 3), 1)))
    return sightings


def walk(rooms: Sequence[str], begin_s: float, each_s: float = 360.0) -> list[Sighting]:
    """One room after the other."""
    return [
        one
        for i, room in enumerate(rooms)
        for one in stay(ME, room, begin_s + i * each_s, begin_s + (i + 1) * each_s, 5)
    ]


def at_work(post: str, begin_s: float, end_s: float, errand_every_s: float = 1800.0) -> list[Sighting]:
    """At a post, with an errand to the other end of the store now and then."""
    found = []
    for begin in np.arange(begin_s, end_s, errand_every_s).tolist():
        end = min(begin + errand_every_s, end_s)
        found += heard(post, begin, end - 400, carried=True)
        found += stay(ME, ROOMS[(ROOMS.index(post) + 2) % len(ROOMS)], end - 400, end - 5, 5)
    return found


def crowd() -> list[Sighting]:
    """Others, from the beginning of the day to its end."""
    others = [
        (read.time_us, read.epc, ROOMS[read.antenna - 1], read.rssi_dbm or -60.0)
        for read in random_reads(5, tags=25, hours=10)
    ]
    first = min(time_us for time_us, *_ in others)
    early = [((time_us - first) / 1e6, epc, room, dbm) for time_us, epc, room, dbm in others]
    return early + stay(epc_of(500), "door", DAY_S - 600, DAY_S - 1, 5)


CROWD = crowd()


def kinds_of(sightings: list[Sighting], known: KnownTags | None = None, staff_zone: str = "") -> pd.DataFrame:
    if not staff_zone:
        return find_kinds(frame(sightings), no_visits(), row_store(), known).set_index("epc")
    text = store_text().replace(
        f'id = "{staff_zone}"\nfloor = "1F"\nkind = "counter"', f'id = "{staff_zone}"\nfloor = "1F"\nkind = "staff"'
    )
    store, reads = parse_store(text), frame(sightings)
    visits, _ = Presence([Layout(0, store)]).estimate(reads)
    return find_kinds(reads, visits, store, known).set_index("epc")


@pytest.mark.parametrize(
    ("kind", "sightings"),
    [
        ("stock", heard("bags", 0, DAY_S)),
        ("stuck", heard("bags", 2 * H, 7 * H)),
        ("stuck", heard("bags", DAY_S - 1.2 * H, DAY_S)),
        ("forgotten", walk(["door", "till", "shoes"], H) + heard("bags", H + 1080, DAY_S)),
        ("forgotten", walk(["door", "till", "shoes"], 8.2 * H) + heard("bags", 8.6 * H, DAY_S)),  # 84 min, to the end
        ("forgotten", walk(["door", "till"], H) + heard("bags", 1.3 * H, 5 * H) + walk(["till", "door"], 5 * H)),
        ("staff", at_work("bags", 0, DAY_S)),
        ("staff", at_work("till", 2 * H, 6.5 * H)),
        ("staff", at_work("till", 2 * H, 4.4 * H)),  # came back to the till four times
        ("staff", heard("bags", 0, DAY_S - H, carried=True)),  # at one post all day, but somebody carries it
        ("shopper", walk(["door", "bags", "till", "door"], 4 * H)),
        ("shopper", walk(["door", "bags"], H) + heard("till", H + 720, H + 720 + 2400) + walk(["door"], 2 * H)),
        ("shopper", walk(["door", "bags"], 9.1 * H) + heard("till", DAY_S - 2400, DAY_S)),  # 40 min
        ("shopper", walk(["door"], H) + heard("till", H + 360, 3.4 * H, carried=True) + walk(["door"], 3.4 * H)),
        ("shopper", walk(["door", "bags", "door"], 0) + walk(["door", "till", "door"], 8 * H)),  # came twice
        ("shopper", stay(ME, "door", H, H + 60) + stay(ME, "door", 8 * H, 8 * H + 60)),  # only heard at the door
        ("shopper", stay(ME, "door", H, H)),
    ],
)  # fmt: skip
def test_tags_are_told_apart(kind: str, sightings: list[Sighting]) -> None:
    kinds = kinds_of(CROWD + sightings)
    assert kinds.loc[ME, "kind"] == kind, kinds.loc[ME].to_dict()
    assert set(kinds.drop(index=ME)["kind"]) == {"shopper"}


def test_the_reason_has_the_numbers() -> None:
    kinds = kinds_of(CROWD + heard("bags", 2 * H, 7 * H))
    assert kinds.loc[ME, "reason"] == (
        "lay 5.0 h in one place, within reach of antenna 2 of r01 (bags), antenna 3 of r01 (shoes) alone, "
        "and was never elsewhere"
    )
    assert kinds.loc[ME, "still_s"] == 5 * H
    (line,) = summarize_kinds(kinds.reset_index())
    assert line.startswith(f"not counted: 1 tags, stuck; such as {ME}: lay 5.0 h in one place")
    left = only_shoppers(pd.DataFrame({"epc": [ME, epc_of(1), "ABCD"]}), kinds.reset_index())
    assert left["epc"].tolist() == [epc_of(1), "ABCD"]


def test_an_antenna_that_fails_for_hours_moves_nothing() -> None:
    there = [one for one in heard("bags", 0, DAY_S) if not (one[2] == "bags" and 2 * H <= one[0] < 5 * H)]
    assert kinds_of(CROWD + there).loc[ME, "kind"] == "stock"


def test_a_tag_without_signal_strength_is_told_by_its_antennas() -> None:
    reads = frame(CROWD + heard("bags", 0, DAY_S)).assign(rssi_dbm=np.float32("nan"))
    assert find_kinds(reads, no_visits(), row_store()).set_index("epc").loc[ME, "kind"] == "stock"


def test_a_few_stray_reads_from_far_away_are_no_walk() -> None:
    strays = [(second, ME, "door", -75.0) for second in np.arange(0, DAY_S, 900).tolist()]
    assert kinds_of(CROWD + heard("shoes", 0, DAY_S) + strays).loc[ME, "kind"] == "stock"


def test_nothing_is_told_from_forty_minutes() -> None:
    sightings = heard("bags", 0, 2400) + [
        (second, epc_of(7), room, dbm) for second, _, room, dbm in at_work("till", 0, 2400, errand_every_s=600)
    ]
    assert set(kinds_of(sightings)["kind"]) == {"shopper"}


def test_who_is_in_a_staff_zone_for_ten_minutes_is_staff() -> None:
    sightings = walk(["door", "bags"], H) + stay(ME, "till", H + 720, H + 720 + 660, 5) + walk(["door"], 2 * H)
    kinds = kinds_of(CROWD + sightings, staff_zone="till")
    assert kinds.loc[ME, "kind"] == "staff"
    assert kinds.loc[ME, "reason"] == "11 min in zones that only staff enter"
    assert kinds_of(CROWD + sightings).loc[ME, "kind"] == "shopper"


def test_who_comes_for_hours_on_many_days_is_staff() -> None:
    days = [one for day in range(4) for one in walk(["door", "bags", "shoes", "till"] * 3, day * 24 * H, 600)]
    assert kinds_of(days).loc[ME, "kind"] == "staff"
    assert kinds_of(days).loc[ME, "reason"] == "heard for 2.0 h and more on each of 4 days"
    assert kinds_of([one for one in days if one[0] < 72 * H]).loc[ME, "kind"] == "shopper"


def test_any_order_of_reads_gives_the_same_table() -> None:
    reads = frame(CROWD + heard("bags", 2 * H, 7 * H))
    again = pd.concat([reads, reads.sample(frac=0.3, random_state=2)]).sample(frac=1, random_state=3)
    again = again.assign(
        reader=again["reader"].cat.set_categories(["x", "r01"]), epc=again["epc"].astype("str").astype("category")
    )
    first, second = (find_kinds(one, no_visits(), row_store()) for one in (reads, again.reset_index(drop=True)))
    pd.testing.assert_frame_equal(first, second)


def test_no_reads_give_no_tags() -> None:
    found = kinds_of([])
    assert found.empty
    assert summarize_kinds(found.reset_index()) == []


def test_the_list_of_known_tags_wins() -> None:
    known = parse_known_tags(
        f"epc,kind,note\n{ME.lower()},shopper,the manager's own\nE28011600000*,staff\ne2801160*, stock ,articles\n"
    )
    kinds = kinds_of(CROWD + heard("bags", 0, DAY_S), known)
    assert kinds.loc[ME, "kind"] == "shopper"
    assert kinds.loc[ME, "reason"] == "is in the list of known tags: the manager's own"
    assert kinds.loc[epc_of(1), "kind"] == "staff"  # the longer beginning
    assert kinds.loc[epc_of(1), "reason"] == "begins with E28011600000, which is in the list of known tags"
    assert known.of("E280116F") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["column 'epc' is missing (columns: none); write epc,kind", "column 'kind' is missing"]),
        ("epc,what\nE280,staff\n", ["column 'kind' is missing (columns: epc, what); write epc,kind"]),
        ("epc,kind\nE280,clerk\n", ["line 2: kind 'clerk': expected shopper, staff, stock, forgotten or stuck"]),
        ("epc,kind\nE280\n", ["line 2: kind '': expected shopper, staff"]),
        ("epc,kind\nE28X,staff\n*,stock\n", ["line 2: epc 'E28X' is not 4 to 128 hex digits", "line 3: epc '*'"]),
        ("epc,kind\nE280,staff\ne280,staff\nE280,stock\n", ["line 4: E280 is stock, but staff in line 2; keep one"]),
    ],
)
def test_a_bad_list_says_what_is_wrong(text: str, words: list[str]) -> None:
    with pytest.raises(FaultsError) as raised:
        parse_known_tags(text, "tags.csv")
    for word in words:
        assert word in str(raised.value)


def test_a_list_that_cannot_be_read_is_one_clear_fault(tmp_path: Path) -> None:
    (tmp_path / "tags.csv").write_bytes("\ufeffepc;note,kind\n".encode("utf-16"))
    for name, words in (("none.csv", "there is no such file"), (".", "cannot be read"), ("tags.csv", "is no text")):
        with pytest.raises(FaultsError, match=words):
            read_known_tags(tmp_path / name)
    (tmp_path / "tags.csv").write_text("epc,kind\nE280,staff\n", encoding="utf-8-sig")
    assert read_known_tags(tmp_path / "tags.csv").tags == {"E280": ("staff", "")}


def test_a_simulated_morning(tmp_path: Path) -> None:
    """Bounds well beyond what is reached (docs/analytics.md), so that only something broken passes them."""
    tags = Tags(stock_per_counter=1, left_behind=0.1)
    changed = {"minutes": 130.0, "seed": 4, "tags": tags, "calendar": Calendar(shoppers_per_day=60.0)}
    simulate_to_files(load_scenario(scenario_path("hard-store"), changed), tmp_path)
    people = pd.read_parquet(tmp_path / "people.parquet").explode("epcs")
    kinds = find_kinds(read_reads(tmp_path / "reads.parquet"), no_visits(), row_store()).set_index("epc")["kind"]
    lies = people[(people["kind"] == "thing") & (people["exit"] - people["enter"] > pd.Timedelta("2h"))]["epcs"]
    others = people[people["kind"] == "shopper"]["epcs"]
    others = others[~others.isin(people[people["kind"] == "thing"]["epcs"])]
    assert (kinds.reindex(lies).dropna() != "shopper").mean() >= 0.9
    assert (kinds.reindex(others).dropna() == "shopper").mean() >= 0.99


def no_visits() -> pd.DataFrame:
    return Presence([Layout(0, row_store())]).estimate(frame_of([])).visits
