"""Scenario files: those that come along, what they may say, and every way in which one cannot be."""

from datetime import timedelta
from pathlib import Path

import pytest

from tagtrail.hardware.store import Store, StoreFileError
from tagtrail.simulator.layouts import store_toml
from tagtrail.simulator.scenario import SCENARIOS, ScenarioFileError, load_scenario, scenario_path, shipped, store_path

HEAD = 'name = "Test"\nstore = "riverside"\nstart = 2026-03-10T10:00:00\n'


def write(tmp_path: Path, text: str, name: str = "test.toml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_every_scenario_that_comes_along_is_sound(path: Path) -> None:
    scenario = load_scenario(path)
    assert scenario.name
    assert scenario.about.endswith(".")
    for shop in scenario.shops:
        assert shop.minutes > 0
        assert shop.habits.calendar.shoppers_per_day > 0


def test_names_and_paths() -> None:
    assert scenario_path("saturday-sale") == SCENARIOS / "saturday-sale.toml"
    assert scenario_path("./saturday-sale") == Path("saturday-sale")
    assert store_path("ward").is_file()
    assert store_path("ward", Path("x")).is_file()
    assert store_path("mine.toml", Path("x")) == Path("x/mine.toml")


def test_years_that_no_store_has_are_refused(tmp_path: Path) -> None:
    text = (
        HEAD.replace("2026-", "0001-") + '[[layout]]\nvalid_from = 9999-12-31T23:59:00Z\nswap = ["perfume", "sports"]'
    )
    with pytest.raises(ScenarioFileError) as caught:
        load_scenario(write(tmp_path, text))
    assert "test.toml:3: start: the year 1 is not from 1970 to 2199" in str(caught.value)
    assert "test.toml:5: layout.0.valid_from: the year 9999 is not from 1970 to 2199" in str(caught.value)


def test_a_move_is_another_layout_from_a_night_on() -> None:
    shop = load_scenario(scenario_path("counter-move")).shops[0]
    before, after = shop.layouts
    assert after.valid_from - before.valid_from == timedelta(days=7, hours=3)
    zones = before.store.zone_by_id, after.store.zone_by_id
    assert zones[1]["perfume"].polygon == zones[0]["sports"].polygon
    assert zones[1]["perfume"].floor == zones[0]["sports"].floor == "2F"
    assert zones[1]["gifts"] == zones[0]["gifts"]


def test_a_chain_is_one_building_with_other_shoppers() -> None:
    shops = load_scenario(scenario_path("chain-month")).shops
    assert len({shop.store.id for shop in shops}) == len({shop.seed for shop in shops}) == 5
    assert len({shop.store.zone for shop in shops}) == 1
    busy, usual = shops[0].habits.calendar, shops[1].habits.calendar
    assert busy.shoppers_per_day == pytest.approx(1.4 * usual.shoppers_per_day)


def test_one_scenario_is_like_another_but_for_what_it_says(tmp_path: Path) -> None:
    write(tmp_path, HEAD + "[counter.gifts]\nattraction = 3.0\nprice = 5.0\n[counter.shoes]\nprice = 6.0", "base.toml")
    path = write(tmp_path, 'like = "base.toml"\nname = "Own"\n[counter.gifts]\nprice = 7.0')
    scenario = load_scenario(path)
    counters = scenario.shops[0].habits.counter
    assert scenario.name == "Own"
    assert (counters["gifts"].attraction, counters["gifts"].price, counters["shoes"].price) == (3.0, 7.0, 6.0)


def test_a_store_file_lies_beside_the_scenario(tmp_path: Path, store: Store) -> None:
    write(tmp_path, store_toml(store), "shop.toml")
    path = write(tmp_path, HEAD.replace("riverside", "shop.toml"))
    assert load_scenario(path).shops[0].store == store
    write(tmp_path, store_toml(store).replace('"aisle"', '"isle"'), "shop.toml")
    with pytest.raises(StoreFileError, match="did you mean 'aisle'"):
        load_scenario(path)


def test_times_are_those_of_the_store(tmp_path: Path) -> None:
    local = load_scenario(write(tmp_path, HEAD)).shops[0]
    assert local.start.isoformat() == "2026-03-10T10:00:00+08:00"
    elsewhere = HEAD.replace("10:00:00", "02:00:00Z")
    assert load_scenario(write(tmp_path, elsewhere)).shops[0].start_us == local.start_us


def test_a_person_can_set_things_beside_the_file(tmp_path: Path, store: Store) -> None:
    overrides = {
        "minutes": 3.0,
        "seed": 9,
        "shoppers_per_hour": 10.0,
        "store": str(write(tmp_path, store_toml(store), "s")),
    }
    shop = load_scenario(scenario_path("everyday"), overrides).shops[0]
    assert (shop.minutes, shop.seed, shop.store, shop.habits.calendar.shoppers_per_day) == (3.0, 9, store, 240.0)
    with pytest.raises(ScenarioFileError, match="has no zone 'cosmetics'"):
        load_scenario(scenario_path("quiet-tuesday"), overrides)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("minutes = -1", 4, "minutes = -1: expected float > 0"),
        ("seed = 1.5", 4, "seed = 1.5: expected int"),
        ("[[fault]]\nkind = 'antenna'\nloss_db = 'much'", 6, "loss_db = 'much': expected float, got str"),
        ("[[layout]]\nvalid_from = 2026-03-11", 5, "expected date and time such as 2026-03-14T10:00:00, got date"),
        ("sed = 1", 4, "unknown key 'sed'; did you mean 'seed'?"),
        ('like = "nowhere"', 4, "like: there is no file"),
        ("[calendar]\nshoppers_per_day = -5", 5, "[calendar]: shoppers_per_day = -5: expected float >= 0"),
        ('[calendar]\nopens = "25:00"', 5, "opens = '25:00': expected str matching"),
        ("[counter.perfum]", 4, "counter.perfum: store 'riverside' has no zone 'perfum'"),
        ("[counter.aisle-main]", 4, "is of kind aisle, not counter"),
        ("[counter.gifts]\nbuy_chance = 1.1", 5, "[counter.gifts]: buy_chance = 1.1: expected float <= 1.0"),
        ("[radio]\nnoise = 1", 5, "[radio]: unknown key 'noise'"),
        ("[[fault]]\nkind = 'weather'", 5, "[[fault]] number 1: kind = 'weather'"),
        ("[[layout]]\nvalid_from = 2026-03-11T03:00:00", 4, "layout.0: changes nothing"),
        (
            '[[layout]]\nvalid_from = 2026-03-09T03:00:00\nswap = ["gifts", "shoes"]', 5,
            "layout.0.valid_from: 2026-03-09 03:00 is not after",
        ),
        (
            '[[layout]]\nvalid_from = 2026-03-11T03:00:00\nswap = ["gifts", "shoe"]', 6,
            "layout.0.swap: 'shoe' is no zone of store 'riverside'; did you mean 'shoes'?",
        ),
        ('[[layout]]\nvalid_from = 2026-03-11T03:00:00\nswap = ["gifts"]', 6, "must be two different zones"),
        (
            "[[layout]]\nvalid_from = 2026-03-11T03:00:00\noutline.gifts = [[34, 0], [48, 0], [48, 6], [34, 6]]", 4,
            "makes a layout that cannot be: [[zone]] 'gifts'",
        ),
        ('[[layout]]\nvalid_from = 2026-03-11T03:00:00\nstore = "ward"', 6, "lies in Australia/Adelaide, not in"),
        ('[[branch]]\nid = "a"\n[[branch]]\nid = "a"', 7, "branch.1.id: 'a' is already taken"),
        ('[[branch]]\nid = "A B"', 5, "id = 'A B'"),
    ],
)  # fmt: skip
def test_a_scenario_that_cannot_be_is_refused_with_line_key_and_reason(
    text: str, line: int, words: str, tmp_path: Path
) -> None:
    path = write(tmp_path, HEAD + text + "\n")
    with pytest.raises(ScenarioFileError) as caught:
        load_scenario(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('kind = "entrance"', 'kind = "aisle"', "no shopper can come in"),
        (
            '[[link]]\nfrom = "lift-1"\nto = "lift-2"\nseconds = 25.0\n',
            "",
            "no path leads from an entrance to counter 'coats'",
        ),
        ("line = [[5.0, 6.0], [5.0, 10.0]]", "line = [[5.0, 10.0], [5.0, 6.0], [0.0, 6.0]]", "no path leads"),
    ],
)
def test_a_store_where_nobody_can_go_is_refused(old: str, new: str, words: str, store: Store, tmp_path: Path) -> None:
    text = store_toml(store)
    assert old in text
    write(tmp_path, text.replace(old, new), "shop.toml")
    with pytest.raises((ScenarioFileError, StoreFileError), match=words):
        load_scenario(write(tmp_path, HEAD.replace("riverside", "shop.toml")))


def test_a_circle_of_likes_is_no_scenario(tmp_path: Path) -> None:
    write(tmp_path, 'like = "b.toml"', "a.toml")
    with pytest.raises(ScenarioFileError, match="leads back"):
        load_scenario(write(tmp_path, 'like = "a.toml"', "b.toml"))


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ScenarioFileError, match="3 faults"):
        load_scenario(write(tmp_path, HEAD + "seed = -1\n[calendar]\nshoppers_per_day = -1\n[staff]\nper_counter = -1"))


def test_what_is_no_file(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none.toml", "no such file"), (tmp_path, "name the scenario file in it")):
        with pytest.raises(ScenarioFileError, match=words):
            load_scenario(path)
    with pytest.raises(ScenarioFileError, match="not TOML"):
        load_scenario(write(tmp_path, "name ="))
