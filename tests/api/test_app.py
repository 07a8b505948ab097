"""Every question that can be asked wrongly, and what does not depend on the numbers."""

import gzip

import psycopg

from api_store import CORNER, LONG_AGO, NOON, add_layout, clock_at, zoned
from fixture_api import StartApi
from tagtrail.api.settings import ApiSettings
from tagtrail.ingest.database import migrate


def test_an_empty_database_has_no_stores(migrated: str, start_api: StartApi) -> None:
    client = start_api(ApiSettings(dsn=migrated))
    assert client.get("/api/stores").json() == {"default": None, "stores": []}
    assert client.get("/api/health").json()["status"] == "ok"
    assert client.get("/").status_code == 200


def test_a_database_without_tables_says_what_to_run(database: str, start_api: StartApi) -> None:
    answer = start_api(ApiSettings(dsn=database)).get("/api/stores")
    assert (answer.status_code, answer.json()["reason"]) == (503, "database-not-ready")
    assert "tagtrail db" in answer.json()["message"]


def test_of_two_stores_the_chosen_one_opens(corner: str, start_api: StartApi) -> None:
    add_layout(corner, CORNER.replace("corner", "annex").replace("Corner", "Annex"))
    stores = start_api(ApiSettings(dsn=corner)).get("/api/stores").json()
    assert [store["id"] for store in stores["stores"]] == ["annex", "corner"]
    assert stores["default"] == "annex"
    for wanted, opened in (("corner", "corner"), ("gone", "annex")):
        settings = ApiSettings(dsn=corner, default_store=wanted)
        assert start_api(settings).get("/api/stores").json()["default"] == opened


WRONG_QUESTIONS = (
    ("/api/store/nowhere/layout", 404, "unknown-store"),
    ("/api/store/nowhere/live", 404, "unknown-store"),
    ("/api/store/nowhere/today", 404, "unknown-store"),
    ("/api/store/corner/zone/nowhere", 404, "unknown-zone"),
    ("/api/store/bare/live", 404, "no-layout"),
    ("/api/store/corner/today?day=yesterday", 422, "bad-parameter"),
    ("/api/store/corner/today?day=2026-02-30", 422, "bad-parameter"),
    ("/api/store/corner/today?day=2026-03-15", 422, "bad-time"),
    ("/api/store/corner/today?day=0001-01-01", 422, "bad-time"),
    ("/api/store/corner/today?flows=0", 422, "bad-parameter"),
    ("/api/store/corner/today?flows=many", 422, "bad-parameter"),
    ("/api/store/corner/layout?at=noon", 422, "bad-parameter"),
    ("/api/store/corner/layout?at=2026-03-14T12:00:00", 422, "bad-time"),
    ("/api/store/corner/layout?at=0001-01-01T00:00:00%2B14:00", 422, "bad-time"),
    ("/api/store/corner/layout?at=9999-12-31T23:59:59-14:00", 422, "bad-time"),
    ("/api/store/corner%00/live", 422, "bad-parameter"),
    ("/api/store/CORNER/live", 422, "bad-parameter"),
    ("/api/store/corner'%20OR%20'1'='1/live", 422, "bad-parameter"),
    ("/api/store/corner/zone/x'%3B%20DROP%20TABLE%20visit%3B--", 422, "bad-parameter"),
    ("/api/store/corner/today?day=2026-03-14'%20OR%201=1--", 422, "bad-parameter"),
    ("/api/nothing", 404, "not-found"),
    ("/static/../settings.py", 404, "not-found"),
    ("/static/%2e%2e/settings.py", 404, "not-found"),
)


def test_a_wrong_question_gets_one_clear_message(writer: psycopg.Connection, corner: str, start_api: StartApi) -> None:
    writer.execute("INSERT INTO store (store) VALUES ('bare')")
    writer.commit()
    client = start_api(ApiSettings(dsn=corner, clock=clock_at(NOON)))
    for path, status, reason in WRONG_QUESTIONS:
        answer = client.get(path)
        fault = answer.json()
        assert (answer.status_code, fault["reason"], set(fault)) == (status, reason, {"reason", "message"}), path
        assert fault["message"], path
        assert "\n" not in fault["message"], path
    assert writer.execute("SELECT count(*) FROM visit").fetchone() == (0,)


def test_writing_is_not_possible(corner: str, start_api: StartApi) -> None:
    client = start_api(ApiSettings(dsn=corner))
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = client.request(method, "/api/stores")
        assert (answer.status_code, answer.json()["reason"]) == (405, "method-not-allowed")


def test_the_document_describes_every_route(corner: str, start_api: StartApi) -> None:
    paths = start_api(ApiSettings(dsn=corner)).get("/api/openapi.json").json()["paths"]
    assert set(paths) == {
        "/api/health",
        "/api/stores",
        "/api/store/{store}/layout",
        "/api/store/{store}/live",
        "/api/store/{store}/today",
        "/api/store/{store}/zone/{zone}",
    }
    for path in paths.values():
        for status, answer in path["get"]["responses"].items():
            model = answer["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            assert (model == "Fault") == (status != "200")


def test_the_layout_is_that_of_the_store_file(corner: str, start_api: StartApi) -> None:
    layout = start_api(ApiSettings(dsn=corner, clock=clock_at(NOON))).get("/api/store/corner/layout").json()
    assert layout["floors"] == [{"id": "1F", "name": "1F", "width_m": 20.0, "depth_m": 10.0}]
    assert [zone["id"] for zone in layout["zones"]] == ["door", "aisle", "perfume", "shoes"]
    assert layout["zones"][2] == {
        "id": "perfume",
        "name": "Perfume",
        "floor": "1F",
        "kind": "counter",
        "polygon": [[6, 0], [20, 0], [20, 5], [6, 5]],
    }
    assert layout["walls"] == [{"floor": "1F", "line": [[6, 5], [12, 5]]}]
    assert layout["antennas"][1] == {"reader": "r02", "port": 1, "floor": "1F", "position_m": [10, 5, 3]}


def test_each_time_has_its_layout(corner: str, start_api: StartApi) -> None:
    add_layout(corner, CORNER.replace('"shoes"', '"hats"'), NOON)
    client = start_api(ApiSettings(dsn=corner, clock=clock_at(NOON)))

    def last_zone(at: str) -> str:
        zones = client.get("/api/store/corner/layout", params={"at": at}).json()["zones"]
        return str(zones[-1]["id"])

    assert last_zone(NOON.isoformat()) == "hats"
    assert last_zone("2026-03-14T03:59:59Z") == "shoes"
    assert last_zone((LONG_AGO.replace(year=2020)).isoformat()) == "shoes"  # before the first: what it will be


def test_the_page_needs_nothing_from_elsewhere(corner: str, start_api: StartApi) -> None:
    client = start_api(ApiSettings(dsn=corner))
    page = client.get("/")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "http" not in page.text.replace("http-equiv", "")
    assert "{{" not in page.text
    for path in ("/static/base.css", "/static/js/main.js", "/favicon.ico"):
        assert client.get(path).status_code == 200
    first = client.get("/static/js/main.js")
    again = client.get("/static/js/main.js", headers={"If-None-Match": first.headers["etag"]})
    assert (first.headers["cache-control"], again.status_code) == ("no-cache", 304)


def test_plotly_is_small_on_the_wire_and_kept_for_ever(corner: str, start_api: StartApi) -> None:
    client = start_api(ApiSettings(dsn=corner))
    path = client.get("/").text.partition('data-plotly="')[2].partition('"')[0]
    with client.stream("GET", path) as answer:
        packed = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(packed) == plain.content


def test_a_store_elsewhere_has_its_own_time(database: str, start_api: StartApi) -> None:
    migrate.migrate(database)
    add_layout(database, zoned(CORNER, "America/New_York"))
    live = start_api(ApiSettings(dsn=database, clock=clock_at(NOON))).get("/api/store/corner/live").json()
    assert live["now"].startswith("2026-03-14T00:00:0")
    assert live["now"].endswith("-04:00")
