"""What is said of a tag, and what its page holds."""

import json
import re
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tagtrail.analytics.explain.page import rectangles, render
from tagtrail.analytics.explain.words import Case, duration, make_case, places, render_text, tell_visits
from tagtrail.analytics.place.cells import Cells, make_cells
from tagtrail.analytics.place.explain import explain
from tagtrail.analytics.place.place import Place
from tagtrail.analytics.placement import Layout
from tagtrail.hardware.store import load_store, parse_store
from tagtrail.simulator.scenario import store_path
from walks import START_US, epc_of, frame, row_store, stay, store_text

TAG = epc_of(1)
ALWAYS = (0, 2**62)


@cache
def place() -> Place:
    return Place([Layout(0, row_store())])


def cells() -> Cells:
    return place().grounds[0].cells


def case(reads: pd.DataFrame, from_us: int = 0, to_us: int = 2**62) -> Case:
    return make_case(explain(place(), reads, TAG), row_store(), "from a test", from_us, to_us)


def walk() -> pd.DataFrame:
    return frame([*stay(TAG, "door", 0, 10), *stay(TAG, "bags", 12, 60), *stay(TAG, "till", 1000, 1030)])


def about(page: str) -> dict[str, Any]:
    found = re.search(r'id="about">(.*?)</script>', page, flags=re.DOTALL)
    assert found
    answer: dict[str, Any] = json.loads(found[1])
    return answer


def test_a_visit_says_what_speaks_for_it() -> None:
    bags = next(visit for visit in case(walk()).told if visit.zone == "bags")
    assert bags.reads == 49
    assert bags.antenna == "r01/2 bags 100%"
    assert bags.confidence > 0.8


def test_the_text_has_visits_antennas_and_what_was_not_told() -> None:
    reads = walk()
    strange = reads.iloc[:3].assign(antenna=77)
    lines = render_text(case(pd.concat([reads, strange]))).splitlines()
    assert lines[0] == f"Tag {TAG} in Row, local time (Europe/Berlin)"
    assert lines[2].startswith("94 reads by 4 antennas from 2026-03-14 03:00:00 to 03:17:10, 17 min 10 s.")
    assert "Silent once for 10 s or more: 15 min 40 s from 03:01:00." in lines[2]
    assert "Not told (of all reads of the tag): 3 reads, reader r01, antenna 77 is not in the store file." in lines
    assert any(re.match(r"till +03:16:\d\d  03:17:\d\d  .* yes ", line) for line in lines)
    assert any(re.match(r"r01/2 bags +49 +-55\.0 +-55\.0  03:00:12  03:01:00$", line) for line in lines)
    assert any(re.match(r"r01/77 not in the store file +3 ", line) for line in lines)


def test_a_tag_without_visits_is_told_too() -> None:
    text = render_text(case(frame([(0, TAG, "bags", float("nan"))])))
    assert "No visit told." in text
    assert "1 read, tag seen for less than visit_min_s" in text
    assert re.search(r"r01/2 bags +1 +- +- ", text)


def test_a_part_of_the_time_says_of_a_visit_what_the_whole_says() -> None:
    whole = case(walk())
    part = case(walk(), START_US + 20_000_000, START_US + 30_000_000)
    assert part.told == [visit for visit in whole.told if visit.zone == "bags"]
    assert about(render(part, cells()))["seconds"] == 10


def test_zones_of_one_name_are_told_with_their_floor() -> None:
    names = places(load_store(store_path("riverside")))
    assert len(set(names)) == len(names)
    assert {"Escalator 1F", "Escalator 2F", "Gifts"} <= set(names)


def test_rectangles_cover_each_cell_once() -> None:
    for made in (cells(), make_cells(load_store(store_path("riverside")))):
        boxes = rectangles(made)
        areas = [sum(wide * deep for _, _, wide, deep in some) for some in boxes]
        assert areas == pytest.approx(made.area_m2, rel=0.02)
        for cell in range(len(made)):
            for x, y in made.point_m[made.point_cell == cell]:
                assert (
                    sum(left < x < left + wide and low < y < low + deep for left, low, wide, deep in boxes[cell]) == 1
                )


def test_a_page_holds_all_shares_of_a_second() -> None:
    one = case(walk())
    page = about(render(one, cells()))
    columns = {name: length for name, (_, _, length) in page["columns"].items()}
    steps = sum(len(passage.label) for passage in one.explanation.passages)
    assert len(page["passages"]) == 2
    assert columns["shares"] == steps * len(page["bands"])
    assert columns["label"] == columns["cells_of_second"] == steps
    assert columns["read_ms"] == len(one.explanation.reads)
    assert {page["places"][band] for band in page["bands"]} >= {"door", "bags", "till", "outside"}
    assert page["heard"] == [0, 1, 3]
    assert render(one, cells()) == render(case(walk()), cells())


def test_local_time_when_clocks_change() -> None:
    night = walk()
    night["time"] += pd.Timestamp("2026-03-29T00:50Z") - night["time"].iloc[0]
    page = about(render(case(night), cells()))
    (first, second) = page["offsets"]
    assert first == [0, 3600]
    assert second[1] == 7200
    assert page["start_ms"] / 1000 + second[0] == pd.Timestamp("2026-03-29T01:00Z").timestamp()


def test_reads_of_strange_antennas_alone_make_a_page() -> None:
    page = about(render(case(walk().assign(antenna=77)), cells()))
    assert page["passages"] == page["bands"] == page["visits"] == page["heard"] == []


def test_names_cannot_end_the_script() -> None:
    nasty = "</script><img src=x>"
    store = parse_store(store_text().replace('id = "bags"', f'id = "bags"\nname = "{nasty}"'))
    explanation = explain(Place([Layout(0, store)]), walk(), TAG)
    page = render(make_case(explanation, store, "x", *ALWAYS), cells())
    assert nasty not in page
    assert nasty in about(page)["places"]
    assert np.char.count(page, "<!--") == 0
    assert any(visit.zone == nasty for visit in tell_visits(explanation, store))


@pytest.mark.parametrize(
    ("seconds", "words"), [(59.4, "59 s"), (60, "1 min"), (150, "2 min 30 s"), (3600, "1 h"), (7269, "2 h 1 min")]
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
