"""The page that plays a run, in a real browser; what it is made of, by hand."""

import logging
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Page, expect

from fixture_browser import opened_alone
from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.store import load_store
from tagtrail.simulator import truth
from tagtrail.simulator.watch import recording
from tagtrail.simulator.watch.command import WatchSettings, run_watch
from tagtrail.simulator.watch.page import render
from tagtrail.simulator.watch.recording import NOBODY, load_recording

STORES = Path(__file__).parents[3] / "simulator" / "tagtrail" / "simulator" / "stores"
START = datetime(2026, 3, 14, 2, 0, tzinfo=UTC)  # 10:00 in the store
SECONDS = 300
WAIT_MS = 30_000
ANNA, BEN, EVE, BOX = range(4)
NASTY = "</script><img src=x onerror=alert(1)>"


def write(path: Path, schema: pa.Schema, rows: Sequence[Sequence[object]]) -> None:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(list(column), field.type) for column, field in zip(columns, schema, strict=True)]
    pq.write_table(pa.table(arrays, schema=schema), path)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Anna walks through the shoes, takes the lift and stands at home; Ben, of her group, comes late; Eve stands."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "layouts").mkdir()
    text = (STORES / "riverside.toml").read_text(encoding="utf-8").replace('name = "Perfume"', f'name = "{NASTY}"')
    (folder / "layouts" / "2026-03-14T100000.toml").write_text(text, encoding="utf-8")
    people = [
        (ANNA, "shopper", "browse", 7, None, ["AAAA0011"], at(0), at(SECONDS)),
        (BEN, "shopper", "errands", 7, None, [], at(100), at(SECONDS)),
        (EVE, "staff", "", 8, None, ["EEEE0022"], at(0), at(SECONDS)),
        (BOX, "thing", "", 9, None, ["FFFF0033"], at(0), at(SECONDS)),
    ]
    write(folder / "people.parquet", truth.PEOPLE_SCHEMA, people)
    rows: list[tuple[object, ...]] = []
    for second in range(SECONDS):
        if second < 200:
            rows.append((at(second), ANNA, "AAAA0011", "1F", 1.0 + 0.04 * second, 12.0 + 0.01 * second, "shoes"))
        elif second >= 220:
            rows.append((at(second), ANNA, "AAAA0011", "2F", 15.0, 5.0, "home"))
        if second >= 100:
            rows.append((at(second), BEN, None, "1F", 2.0, 20.0, "shoes"))
        rows.append((at(second), EVE, "EEEE0022", "1F", 29.0, 15.0, None if second % 2 else "perfume"))
    write(folder / "truth.parquet", truth.TRUTH_SCHEMA, rows)
    store = load_store(folder / "layouts" / "2026-03-14T100000.toml")
    (one, first), (other, second_antenna) = [
        (reader.id, antenna.port) for reader in store.reader for antenna in reader.antenna
    ][:2]
    reads = [
        *[(at(second + 0.5), one, first, "AAAA0011", -60.0) for second in range(60)],
        *[(at(second + 0.7), other, second_antenna, "AAAA0011", -50.0) for second in range(30, 60)],  # the better one
        *[(at(second), one, first, "0022", -60.0) for second in (0, 2, 4, 60)],  # a reader of short numbers
        (at(5), one, first, "FFFF0033", -60.0),
        (at(5), "r99", 1, "AAAA0011", -60.0),
    ]
    write(folder / "reads.parquet", truth.READS_SCHEMA, reads)
    return folder


def test_tracks_are_pieces_without_a_pause(run: Path) -> None:
    tracks = load_recording(run, None, 60).tracks
    pieces = zip(tracks.person, tracks.floor, tracks.start_s, tracks.length, strict=True)
    assert [tuple(map(int, piece)) for piece in pieces] == [
        (0, 0, 0, 200),
        (0, 1, 220, 80),
        (1, 0, 100, 200),
        (2, 0, 0, 300),
    ]
    assert tracks.x_m[10] == pytest.approx(1.4)
    assert tracks.x_m[200] == 15.0


def test_sightings_are_runs_at_the_antenna_that_reads_best(run: Path) -> None:
    made = load_recording(run, None, 60)
    sightings = made.sightings
    assert sightings
    runs = zip(sightings.tag, sightings.antenna, sightings.first_s, sightings.last_s, strict=True)
    assert [tuple(map(int, one)) for one in runs] == [
        (0, 0, 0, 29), (0, 1, 30, 59), (1, 0, 0, 4), (1, 0, 60, 60), (2, 0, 5, 5)
    ]  # fmt: skip
    assert sightings.owner == [0, 2, NOBODY]
    assert sightings.reads.sum() == 95
    assert sightings.reads[:, 5].tolist()[:3] == [2, 0, 0]
    assert sightings.unknown == 1


def test_a_part_of_a_run(run: Path) -> None:
    part = load_recording(run, "10:02", 1)
    assert part.window.start == at(120)
    assert part.window.seconds == 60
    assert part.tracks.length.tolist() == [60, 60, 60]
    assert load_recording(run, "2026-03-14T02:04:30+00:00", 60).window.seconds == 30
    assert render(part) == render(load_recording(run, "2026-03-14T10:02:00", 1))


def test_a_run_whose_reads_went_elsewhere(run: Path, tmp_path: Path) -> None:
    for name in ("truth.parquet", "people.parquet", "layouts"):
        (tmp_path / name).symlink_to(run / name)
    assert load_recording(tmp_path, None, 1).sightings is None


def test_what_cannot_be_watched(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FaultsError, match=r"minutes 0: must be a number over 0"):
        run_watch(WatchSettings(truth=str(run), minutes=0))
    with pytest.raises(FaultsError, match=r"nobody is there at 2026-03-14T09:00:00\+08:00; the run is .*10:00:00"):
        load_recording(run, "09:00", 60)
    with pytest.raises(FaultsError, match=r"start 'noon': expected HH:MM or ISO 8601"):
        load_recording(run, "noon", 60)
    with pytest.raises(FaultsError, match="no layouts in it; expected a folder that"):
        load_recording(tmp_path, None, 60)
    (tmp_path / "north").mkdir()
    (tmp_path / "north" / "layouts").symlink_to(run / "layouts")
    with pytest.raises(FaultsError, match="holds a chain; watch one store of it at a time: north"):
        load_recording(tmp_path, None, 60)
    with pytest.raises(FaultsError, match=r"none/w.html: cannot be written"):
        run_watch(WatchSettings(truth=str(run), out=str(tmp_path / "none" / "w.html")))
    monkeypatch.setattr(recording, "ROWS_MAX", 500)
    with pytest.raises(FaultsError, match=r"5 minutes of 3 people on average are 780 person-seconds; .* ask for 3 min"):
        load_recording(run, None, 60)


@pytest.fixture(scope="module")
def page(run: Path, chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page, paused at its start; it asks nobody for anything and has nothing to complain about."""
    out = tmp_path_factory.mktemp("page") / "watch.html"
    assert run_watch(WatchSettings(truth=str(run), out=str(out))) == 0
    with (
        chromium.new_context(viewport={"width": 1366, "height": 768}, reduced_motion="reduce") as context,
        opened_alone(context, out, WAIT_MS) as opened,
    ):
        yield opened


@pytest.fixture
def start(page: Page) -> Page:
    """At the start, both views, ten times as fast as life."""
    page.locator("body").press("Home")
    page.locator("body").press("3")
    expect(page.locator("body")).to_have_attribute("data-time", "0")
    return page


def zone(page: Page, name: str) -> list[str]:
    return page.locator(f'tr[data-zone="{name}"] td').all_text_contents()[1:]


def picture(page: Page, floor: int) -> bytes:
    return page.locator(".floor").nth(floor).screenshot()


@pytest.mark.browser
def test_people_move_when_it_plays(start: Page) -> None:
    before = picture(start, 0)
    start.get_by_role("button", name="Play").click()
    expect(start.locator("body")).to_have_attribute("data-time", re.compile(r"^[1-9]\d"), timeout=WAIT_MS)
    start.get_by_role("button", name="Pause").click()
    stopped = start.locator("body").get_attribute("data-time")
    assert picture(start, 0) != before
    expect(start.locator("body")).to_have_attribute("data-time", str(stopped))


@pytest.mark.browser
def test_the_slider_and_the_keys_go_to_a_time(start: Page) -> None:
    start.get_by_label("Time").fill("230")
    expect(start.locator("body")).to_have_attribute("data-time", "230")
    expect(start.locator("#clock")).to_have_text("2026-03-14 10:03:50")
    assert start.locator(".floor h2 span").all_text_contents() == ["2 people", "1 person"]
    assert zone(start, "Shoes")[0] == "1"
    assert zone(start, "Home")[0] == "1"
    for key, time in (("ArrowLeft", 220), ("Shift+ArrowRight", 280), ("End", 299), ("ArrowRight", 299), ("Home", 0)):
        start.locator("body").press(key)
        expect(start.locator("body")).to_have_attribute("data-time", str(time))
    assert start.locator("body").get_attribute("data-people") == "2"
    start.locator("body").press("-")
    expect(start.get_by_label("Speed")).to_have_value("5")
    start.locator("body").press("+")
    expect(start.get_by_label("Speed")).to_have_value("10")


@pytest.mark.browser
def test_true_and_seen_are_different_pictures(start: Page) -> None:
    start.get_by_label("Time").fill("26")
    expect(start.locator("body")).to_have_attribute("data-tags", "2")  # Eve was read 21 s ago, the box 20 s
    pictures = []
    for view in ("True", "Seen", "Both"):
        button = start.get_by_role("button", name=view, exact=True)
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        start.mouse.move(0, 0)
        pictures.append(picture(start, 0))
    assert len(set(pictures)) == 3


@pytest.mark.browser
def test_a_person_is_told_under_the_pointer(start: Page) -> None:
    start.locator("body").press("1")
    start.get_by_label("Time").fill("230")
    expect(start.locator("body")).to_have_attribute("data-time", "230")
    box = start.locator(".floor canvas").nth(1).bounding_box()
    assert box
    scale = min((box["width"] - 8) / 48, (box["height"] - 8) / 30)
    left, bottom = box["x"] + (box["width"] - 48 * scale) / 2, box["y"] + (box["height"] + 30 * scale) / 2
    start.mouse.move(left + 15 * scale, bottom - 5 * scale)
    tip = start.locator("#tip")
    expect(tip).to_contain_text("Person 0: shopper who browses")
    expect(tip).to_contain_text("in a group of 2")
    expect(tip).to_contain_text("is in Home")
    expect(tip).to_contain_text("not read for 20 s")
    start.mouse.move(0, 0)
    expect(tip).to_be_hidden()


@pytest.mark.browser
def test_dark_and_light(start: Page, artefacts: Path) -> None:
    colour = "() => getComputedStyle(document.body.parentElement).backgroundColor"
    light = start.evaluate(colour)
    start.screenshot(path=artefacts / "watch-light.png")
    start.locator("body").press("d")
    assert start.evaluate(colour) != light
    start.screenshot(path=artefacts / "watch-dark.png")
    start.locator("body").press("d")
    assert start.evaluate(colour) == light


@pytest.mark.browser
def test_names_are_text_and_nothing_else(start: Page) -> None:
    assert start.locator("img").count() == 0
    assert zone(start, NASTY)
    assert NASTY in start.locator("#zones").inner_text()


def test_it_says_where_the_page_is(run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tagtrail.simulate")
    run_watch(WatchSettings(truth=str(run), out=str(tmp_path / "w.html")))
    assert f"{tmp_path}/w.html: 3 people, 2026-03-14 10:00 to 10:05" in caplog.text
    assert "1 reads of antennas that the layout does not have are left out" in caplog.text
    page = (tmp_path / "w.html").read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=\"http", page)
    assert np.char.count(page, "<!--") == 0
