"""The page that explains a tag, in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from fixture_browser import opened_alone
from tagtrail.analytics.explain.page import render
from tagtrail.analytics.explain.words import Case, make_case, places
from tagtrail.analytics.place.explain import explain
from tagtrail.analytics.place.place import Place
from tagtrail.analytics.placement import Layout
from walks import epc_of, frame, row_store, stay

TAG = epc_of(1)
WAIT_MS = 30_000
PAD_S = 15  # the page begins before the first read

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def case() -> Case:
    """In by the door, a minute at the bags with a silence, over to the shoes; much later at the till."""
    reads = [
        *stay(TAG, "door", 0, 10), *stay(TAG, "bags", 12, 40, dbm=-50.0), *stay(TAG, "bags", 60, 72),
        *stay(TAG, "shoes", 76, 120), *stay(TAG, "till", 1000, 1030),
    ]  # fmt: skip
    store = row_store()
    return make_case(explain(Place([Layout(0, store)]), frame(reads), TAG), store, "from a test", 0, 2**62)


@pytest.fixture(scope="module")
def opened(case: Case, chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page asks nobody for anything and has nothing to complain about."""
    out = tmp_path_factory.mktemp("page") / "tag.html"
    out.write_text(render(case, Place([Layout(0, case.store)]).grounds[0].cells), encoding="utf-8")
    with (
        chromium.new_context(viewport={"width": 1366, "height": 800}, color_scheme="light") as context,
        opened_alone(context, out, WAIT_MS) as page,
    ):
        yield page


@pytest.fixture
def page(opened: Page) -> Page:
    """At the first second, all of the time in sight."""
    opened.mouse.move(0, 0)
    press(opened, "0", "Home")
    at(opened, 0)
    return opened


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.locator("body").press(key)


def at(page: Page, second: int) -> None:
    expect(page.locator("body")).to_have_attribute("data-second", str(second))


def test_text_and_cells_follow_the_keys(page: Page, case: Case) -> None:
    names, passage = places(case.store), case.explanation.passages[0]
    ptr, cell, stand, walk, _ = passage.posterior
    pictures = []
    second = 0
    for keys, moved in (
        (["PageDown"], 60),
        (["ArrowLeft"], -1),
        (["Shift+ArrowLeft"], -10),
        (["Shift+ArrowRight"] * 5, 50),
        (["ArrowRight"], 1),
    ):
        press(page, *keys)
        second += moved
        at(page, second)
        best = int(passage.shares[second].argmax())
        likely = page.locator("#likely li").first
        expect(likely.locator("span").first).to_have_text(names[best])
        shown = float(str(likely.locator("span").last.text_content()).removesuffix(" %"))
        assert shown == pytest.approx(100 * passage.shares[second, best], abs=0.8)
        here = slice(ptr[second], ptr[second + 1])
        likeliest = cell[here][np.argmax((stand + walk)[here])]
        expect(page.locator("body")).to_have_attribute("data-cell", str(likeliest))
        pictures.append(page.locator(".floor").screenshot())
    assert pictures[0] != pictures[3]
    assert names[int(passage.shares[60].argmax())] == "bags"
    assert names[int(passage.shares[100].argmax())] == "shoes"


def test_the_cells_are_shaded_where_the_tag_was(page: Page, case: Case) -> None:
    cells = Place([Layout(0, case.store)]).grounds[0]
    passage = case.explanation.passages[0]
    press(page, "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight")
    at(page, 30)
    ptr, cell, stand, walk, _ = passage.posterior
    here = slice(ptr[30], ptr[31])
    x_m, y_m = cells.middles_m()[cell[here][np.argmax((stand + walk)[here])]]
    colour = """([x, y]) => {
        const canvas = document.querySelector('.floor canvas');
        const box = canvas.getBoundingClientRect();
        const scale = Math.min((box.width - 8) / 60, (box.height - 8) / 60);
        const left = (box.width - 60 * scale) / 2 + x * scale, top = (box.height + 60 * scale) / 2 - y * scale;
        const copy = new OffscreenCanvas(1, 1).getContext('2d');
        copy.drawImage(canvas, -Math.round(left * devicePixelRatio), -Math.round(top * devicePixelRatio));
        return [...copy.getImageData(0, 0, 1, 1).data];
    }"""
    there = page.evaluate(colour, [x_m, y_m])
    press(page, "PageDown")
    at(page, 90)
    assert there[3] > 100
    assert page.evaluate(colour, [x_m, y_m]) != there


def test_reads_and_silence_of_a_second(page: Page) -> None:
    for _ in range(3):
        press(page, "Shift+ArrowRight")
    at(page, 30)
    expect(page.locator("#reads")).to_have_text("r01/2 bags: -50 dBm, .000")
    expect(page.locator("body")).to_have_attribute("data-rings", "1")
    expect(page.locator("#time")).to_have_text("2026-03-14 03:00:15")
    expect(page.locator("#told")).to_contain_text("Told: bags, 03:00:1")
    press(page, "PageDown", "Shift+ArrowLeft", "Shift+ArrowLeft")
    at(page, 70)
    expect(page.locator("#reads")).to_have_text("No read: last read 16 s ago, next in 5 s")
    expect(page.locator("body")).to_have_attribute("data-rings", "0")


def test_a_long_silence_says_nothing_of_where(page: Page) -> None:
    press(page, *["PageDown"] * 8)
    at(page, 480)
    expect(page.locator("#told")).to_contain_text("Not heard for so long")
    expect(page.locator("#likely li")).to_have_count(0)
    expect(page.locator("body")).to_have_attribute("data-cells", "0")


def test_from_visit_to_visit(page: Page, case: Case) -> None:
    for number, visit in enumerate(case.told):
        press(page, "n")
        expect(page.locator("#visits button").nth(number)).to_have_attribute("aria-current", "true")
        expect(page.locator("#told")).to_contain_text(f"Told: {visit.zone}")
    press(page, "p")
    expect(page.locator("#visits button").nth(len(case.told) - 2)).to_have_attribute("aria-current", "true")
    page.locator("#visits button").first.click()
    expect(page.locator("#told")).to_contain_text(f"Told: {case.told[0].zone}")


def test_pointing_shows_a_moment_and_pressing_keeps_it(page: Page) -> None:
    box = page.locator("#shares").bounding_box()
    assert box
    body, middle = page.locator("body"), box["x"] + (box["width"] + 150 - 14) / 2
    page.mouse.move(middle, box["y"] + 60)
    expect(body).not_to_have_attribute("data-second", "0")
    looked = int(str(body.get_attribute("data-second")))
    assert looked == pytest.approx((PAD_S + 1030 + PAD_S) / 2, abs=5)
    page.mouse.move(0, 0)
    at(page, 0)
    page.mouse.move(middle, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(middle + 100, box["y"] + 60)
    page.mouse.up()
    page.mouse.move(0, 0)
    expect(body).not_to_have_attribute("data-second", "0")
    assert int(str(body.get_attribute("data-second"))) > looked + 50
    strip = page.get_by_role("slider", name="Moment")
    assert strip.get_attribute("aria-valuenow") == body.get_attribute("data-second")


def test_a_closer_look_keeps_the_moment_in_sight(page: Page) -> None:
    whole = page.locator("#shares").screenshot()
    press(page, "+", "+", "End")
    expect(page.locator("#cursor")).to_be_visible()
    assert page.locator("#shares").screenshot() != whole
    press(page, "0", "Home")
    at(page, 0)
    assert page.locator("#shares").screenshot() == whole


def test_dark_and_light(page: Page, artefacts: Path) -> None:
    colour = "() => getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(colour)
    press(page, "PageDown")
    at(page, 60)
    page.screenshot(path=artefacts / "explain-light.png")
    page.get_by_role("button", name="Dark or light").click()
    assert page.evaluate(colour) != light
    page.screenshot(path=artefacts / "explain-dark.png")
    press(page, "d")
    assert page.evaluate(colour) == light
