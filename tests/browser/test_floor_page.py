"""The floor page in a real browser, before a real API and a real database."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from api_store import NOON, add_layout
from crowd import Trip, add_trips, epc_of, set_agent, set_progress, shopping_day
from fixture_api import running_api
from fixture_database import new_database
from tagtrail.api.settings import ApiSettings
from tagtrail.hardware.clock import ScaledClock
from tagtrail.hardware.store import Store, parse_store
from tagtrail.ingest.database import migrate

pytestmark = pytest.mark.browser

STORE_FILE = Path(__file__).parents[2] / "simulator" / "tagtrail" / "simulator" / "stores" / "riverside.toml"
NOW = NOON.replace(hour=15, minute=42)
DESK = (1366, 768)
TABLET = (1024, 768)
WAIT_MS = 30_000

expect.set_options(timeout=WAIT_MS)


class Shop:
    """A store on an afternoon: its database, its page, and what happens in it."""

    def __init__(self, connection: psycopg.Connection, store: Store, address: str, clock: ScaledClock) -> None:
        self.connection = connection
        self.store = store
        self.address = address
        self.clock = clock
        for table in ("visit", "trip"):
            connection.execute(f"CREATE TABLE {table}_before AS TABLE {table}".encode())

    def restart(self) -> None:
        """Everything as it was when the store was opened."""
        for table in ("visit", "trip"):
            self.connection.execute(f"TRUNCATE {table}".encode())
            self.connection.execute(f"INSERT INTO {table} TABLE {table}_before".encode())
        self.tick()

    def tick(self) -> None:
        """Reads up to now are analysed: who is there was just seen."""
        now = datetime.fromtimestamp(self.clock.now_us() / 1e6, UTC)
        self.connection.execute("UPDATE visit SET exit = %s WHERE open", [now])
        self.connection.execute('UPDATE trip SET "end" = %s WHERE open', [now])
        set_progress(self.connection, self.store.id, now)
        set_agent(self.connection, self.store.id, {reader.id: "streaming" for reader in self.store.reader})

    def gather(self, zone: str) -> int:
        """Everybody in the store goes to one zone; how many that are."""
        self.connection.execute("UPDATE visit SET zone = %s WHERE open", [zone])
        self.tick()
        row = self.connection.execute("SELECT count(*) FROM visit WHERE open").fetchone()
        assert row is not None
        return int(row[0])

    def occupancy(self, page: Page) -> dict[str, str]:
        """What the page says about each zone."""
        zones = page.locator("g.zone")
        pairs = zones.evaluate_all("zones => zones.map(zone => [zone.dataset.zone, zone.dataset.occupancy])")
        return dict(pairs)


@contextmanager
def open_shop(dsn: str, document: str, per_hour: float) -> Iterator[Shop]:
    """A store that has been open since ten, and a week before too."""
    migrate.migrate(dsn)
    store = parse_store(document)
    week = timedelta(days=7)
    add_layout(dsn, document, NOW - 5 * week)
    opening, closing = NOW.replace(hour=10, minute=0), NOW.replace(hour=20, minute=0)
    clock = ScaledClock(time.time_ns() // 1000, int(NOW.timestamp() * 1e6), 1.0)
    with psycopg.connect(dsn) as connection:
        before = shopping_day(store, opening - week, closing - week, per_hour * 0.85, seed=2)
        add_trips(connection, store.id, [trip for trip in before if not trip.open])
        add_trips(connection, store.id, shopping_day(store, opening, NOW, per_hour))
        with running_api(ApiSettings(dsn=dsn, clock=clock.text())) as address:
            shop = Shop(connection, store, address, clock)
            shop.tick()
            yield shop


@pytest.fixture(scope="module")
def riverside(postgres_server: str) -> Iterator[Shop]:
    """The store of the demo."""
    document = STORE_FILE.read_text(encoding="utf-8")
    with new_database(postgres_server) as dsn, open_shop(dsn, document, per_hour=160) as opened:
        yield opened


@pytest.fixture
def shop(riverside: Shop) -> Shop:
    """The store of the demo, as if just opened."""
    riverside.restart()
    return riverside


@pytest.fixture(scope="module")
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """One cache for all pages, as a person's browser has."""
    with chromium.new_context(reduced_motion="reduce") as opened:
        yield opened


OpenPage = Callable[[str, tuple[int, int]], Page]


@pytest.fixture
def open_page(context: BrowserContext) -> Iterator[OpenPage]:
    """Open pages that must ask nobody else for anything, and have nothing to complain about."""
    complaints: list[str] = []
    pages: list[Page] = []

    def open_it(address: str, size: tuple[int, int]) -> Page:
        page = context.new_page()
        pages.append(page)
        page.set_viewport_size({"width": size[0], "height": size[1]})

        def check(request: Request) -> None:
            if not request.url.startswith((host, "data:", "blob:")):
                complaints.append(request.url)

        host = "/".join(address.split("/")[:3])
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("request", check)
        page.goto(address)
        page.wait_for_selector("body[data-ready]", timeout=WAIT_MS)
        return page

    yield open_it
    for page in pages:
        page.close()
    assert complaints == []


def test_every_zone_is_drawn_with_its_name_and_number(shop: Shop, open_page: OpenPage) -> None:
    page = open_page(shop.address, DESK)
    expect(page.locator("g.zone")).to_have_count(len(shop.store.zone))
    expect(page.locator("g.antenna")).to_have_count(sum(len(reader.antenna) for reader in shop.store.reader))
    expect(page.locator("path.wall")).to_have_count(len(shop.store.wall))
    expect(page.get_by_role("heading", name=shop.store.store.name)).to_be_visible()
    for zone in shop.store.zone:
        drawn = page.locator(f'g.zone[data-zone="{zone.id}"]')
        label = drawn.get_attribute("aria-label") or ""
        assert label.startswith(f"{zone.name}, ")
        assert (drawn.locator(".value").text_content() or "").isdigit()
    cards = page.locator("#cards dl")
    expect(cards).to_have_count(6)
    assert all(cards.nth(i).get_attribute("title") for i in range(6))
    assert page.locator("#chart .main-svg").count() > 0
    assert page.locator("#flows tbody tr").count() >= 5


def test_it_moves_while_one_looks(shop: Shop, open_page: OpenPage) -> None:
    page = open_page(shop.address, DESK)
    for target, other in (("perfume", "shoes"), ("shoes", "perfume")):
        everybody = shop.gather(target)
        assert everybody > 10
        zone = page.locator(f'g.zone[data-zone="{target}"]')
        expect(zone).to_have_attribute("data-occupancy", str(everybody))
        expect(zone.locator(".value")).to_have_text(str(everybody))
        expect(page.locator(f'g.zone[data-zone="{other}"]')).to_have_attribute("data-occupancy", "0")
        fill = zone.locator(".shape").evaluate("shape => getComputedStyle(shape).fill")
        assert fill not in ("rgb(255, 255, 255)", "none")
    assert sum(map(int, shop.occupancy(page).values())) == everybody


def test_the_most_at_once_is_never_less_than_who_is_there(shop: Shop, open_page: OpenPage) -> None:
    page = open_page(shop.address, DESK)
    now = datetime.fromtimestamp(shop.clock.now_us() / 1e6, UTC)
    crowd = [Trip(epc_of(10**9 + i), [("gifts", now, now)], open=True) for i in range(500)]
    seen = page.evaluate_handle(
        """() => {
            const number = (card) => Number(card.querySelector("dd").textContent.replace(",", ""));
            const seen = [];
            const look = () => {
                const [inside, , , , most] = [...document.querySelectorAll("#cards dl")];
                seen.push([number(inside), number(most)]);
            };
            new MutationObserver(look).observe(document.getElementById("cards"), { childList: true });
            return seen;
        }"""
    )
    add_trips(shop.connection, shop.store.id, crowd)
    shop.tick()
    expect(page.locator("#cards dl", has_text="Inside now").locator("dd")).to_have_text(re.compile("5.."))
    pairs = seen.json_value()
    assert pairs
    assert all(inside <= most for inside, most in pairs)


def test_somebody_who_comes_in_is_counted(shop: Shop, open_page: OpenPage) -> None:
    page = open_page(shop.address, DESK)
    visitors = page.locator("#cards dl", has_text="Visitors today").locator("dd")
    before = int((visitors.text_content() or "").replace(",", ""))
    now = datetime.fromtimestamp(shop.clock.now_us() / 1e6, UTC) - timedelta(seconds=1)
    shop.connection.execute("UPDATE visit SET open = false")
    add_trips(shop.connection, shop.store.id, [Trip(epc_of(10**9), [("gifts", now, now)], open=True)])
    shop.tick()
    expect(page.locator('g.zone[data-zone="gifts"]')).to_have_attribute("data-occupancy", "1")
    expect(visitors).to_have_text(f"{before + 1:,}")


def test_a_click_on_a_zone_opens_its_panel(shop: Shop, open_page: OpenPage) -> None:
    page = open_page(shop.address, DESK)
    zone = page.locator('g.zone[data-zone="perfume"]')
    zone.hover()
    expect(page.locator("#tip")).to_contain_text("Perfume")
    zone.click()
    panel = page.locator("#panel")
    expect(panel.get_by_role("heading", name="Perfume")).to_be_visible()
    for words in ("Visitors today", "Visits today", "Median stay", "Where people go next", "Where they come from"):
        expect(panel).to_contain_text(words)
    expect(panel.locator(".steps.after li")).to_have_count(5)
    # Every zone in the list has an arrow, or says on which floor it is.
    zones_listed = panel.locator(".steps.after li").filter(has=page.locator("button"))
    hints = zones_listed.locator(".away")
    expect(page.locator("path.route")).to_have_count(zones_listed.count() - hints.count())
    assert set(hints.all_text_contents()) <= {"on Upper floor"}
    assert "zone=perfume" in page.url
    next_zone = panel.locator(".steps.after button").first
    name = next_zone.text_content() or ""
    next_zone.click()
    expect(panel.get_by_role("heading", name=name.split(" (")[0])).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(page.locator("#overview")).to_be_visible()
    zone.focus()
    page.keyboard.press("Enter")
    expect(panel.get_by_role("heading", name="Perfume")).to_be_visible()


def test_floors_and_measures_can_be_chosen_and_sent_as_a_link(shop: Shop, open_page: OpenPage) -> None:
    page = open_page(shop.address, DESK)
    ground, upper = page.locator('.floor[data-floor="1F"]'), page.locator('.floor[data-floor="2F"]')
    expect(ground).to_be_visible()
    page.get_by_role("tab", name="Upper floor").click()
    expect(upper).to_be_visible()
    expect(ground).to_be_hidden()
    page.get_by_role("button", name="Visitors today", exact=True).click()
    expect(page.locator("#legend")).to_contain_text("visitors today")
    linked = open_page(page.url, DESK)
    expect(linked.locator('.floor[data-floor="2F"]')).to_be_visible()
    expect(linked.get_by_role("button", name="Visitors today", exact=True)).to_have_attribute("aria-pressed", "true")
    shown = linked.locator('g.zone[data-zone="escalator-2"] .value').text_content()
    assert int((shown or "").replace(",", "")) > 50


def test_no_data_does_not_look_like_nobody(shop: Shop, open_page: OpenPage) -> None:
    page = open_page(shop.address, DESK)
    zone = page.locator('g.zone[data-zone="lift-1"]')
    shop.connection.execute("UPDATE visit SET open = false")
    shop.tick()
    expect(zone).to_have_attribute("data-occupancy", "0")
    expect(zone.locator(".value")).to_have_text("0")
    shop.connection.execute("UPDATE analysis_cursor SET reads_to = reads_to - interval '1 hour'")
    shop.connection.commit()
    expect(page.locator("body")).to_have_attribute("data-state", "quiet")
    expect(zone).to_have_attribute("data-occupancy", "0")
    set_agent(shop.connection, shop.store.id, {reader.id: "failed" for reader in shop.store.reader})
    expect(page.locator("body")).to_have_attribute("data-state", "stale")
    expect(zone).to_have_attribute("data-occupancy", "")
    expect(zone.locator(".value")).to_have_text("–")
    expect(page.locator("#notice")).to_contain_text("No reader is online")
    expect(page.locator("g.antenna.offline")).to_have_count(page.locator("g.antenna").count())


def test_it_says_that_the_server_is_away_and_goes_on_when_it_is_back(
    shop: Shop, chromium: Browser, artefacts: Path
) -> None:
    with chromium.new_context(viewport={"width": DESK[0], "height": DESK[1]}) as context:
        page = context.new_page()
        page.goto(shop.address)
        page.wait_for_selector("body[data-ready]", timeout=WAIT_MS)
        context.set_offline(True)
        expect(page.locator("body")).to_have_attribute("data-state", "away")
        expect(page.locator("#notice")).to_contain_text("No connection to Tagtrail")
        page.screenshot(path=artefacts / "floor-away.png")
        context.set_offline(False)
        shop.tick()
        expect(page.locator("body")).to_have_attribute("data-state", "live")
        expect(page.locator("#notice")).to_be_hidden()


def test_a_name_from_the_store_file_is_text_and_nothing_else(database: str, open_page: OpenPage) -> None:
    nasty = "<img src=x onerror=alert(1)>"
    document = STORE_FILE.read_text(encoding="utf-8").replace('name = "Perfume"', f'name = "{nasty}"')
    with open_shop(database, document, per_hour=20) as shop:
        page = open_page(f"{shop.address}/?zone=perfume", DESK)
        expect(page.locator("#panel").get_by_role("heading", name=nasty)).to_be_visible()
        assert page.locator('img[src="x"]').count() == 0


@pytest.mark.parametrize(("name", "size"), [("desk", DESK), ("tablet", TABLET), ("portrait", (768, 1024))])
def test_it_fits_the_screen(shop: Shop, open_page: OpenPage, artefacts: Path, name: str, size: tuple[int, int]) -> None:
    page = open_page(shop.address, size)
    for step in ("", "-panel"):
        if step:
            page.locator('g.zone[data-zone="perfume"]').click()
            expect(page.locator("#panel .steps.after li").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        page.screenshot(path=artefacts / f"floor-{name}{step}.png")


def test_it_prints_both_floors(shop: Shop, open_page: OpenPage, artefacts: Path) -> None:
    page = open_page(shop.address, DESK)
    page.emulate_media(media="print")
    expect(page.locator('.floor[data-floor="1F"]')).to_be_visible()
    expect(page.locator('.floor[data-floor="2F"]')).to_be_visible()
    ground, upper, legend = (
        page.locator(where).bounding_box()
        for where in ('.floor[data-floor="1F"]', '.floor[data-floor="2F"]', "#legend")
    )
    assert ground
    assert upper
    assert legend
    assert ground["y"] + ground["height"] <= upper["y"]  # nothing covers anything
    assert upper["y"] + upper["height"] <= legend["y"]
    page.screenshot(path=artefacts / "floor-print.png", full_page=True)
