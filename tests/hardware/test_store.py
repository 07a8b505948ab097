"""The store file: every fault is found, with its line; nothing that a person can write brings down the program."""

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tagtrail.hardware.errors import FaultsError, GiveUp
from tagtrail.hardware.protocols import FAMILIES, load_family
from tagtrail.hardware.protocols.interface import AntennaSettings, ReaderFamily, ReaderSettings
from tagtrail.hardware.store import REGIONS, Store, StoreFileError, antenna_zone, load_store, parse_store, zone_at

REPOSITORY = Path(__file__).resolve().parents[2]

GOOD = """\
[store]
id = "hillside"
name = "Hillside"
timezone = "Europe/Berlin"

[[floor]]
id = "1F"
width_m = 40.0
depth_m = 25

[[floor]]
id = "2F"
width_m = 20.0
depth_m = 20.0

[[zone]]  # a comment with [[zone]] in it
id = "perfume"
name = \"\"\"
[[zone]]
id = "in a text"\"\"\"
floor = "1F"
kind = "counter"
polygon = [
  [0.0, 7.0], [6.0, 7.0],  # a comment ] in between
  [6.0, 12.5], [0.0, 12.5],
]

[[zone]]
id = "aisle"
floor = "1F"
kind = "aisle"
polygon = [[6, 7], [10, 7], [10, 12.5], [6, 12.5]]

[[zone]]
id = "lift-2"
floor = "2F"
kind = "lift"
polygon = [[0, 0], [5, 0], [5, 5]]

[[wall]]
floor = "1F"
line = [[0.0, 18.0], [18.0, 18.0]]

[[link]]
from = "aisle"
to = "lift-2"
seconds = 25.0

[[reader]]
id = "r01"
protocol = "mercury"
port = "/dev/ttyUSB0"
baud = 115200
region = "eu"

[[reader.antenna]]
port = 1
floor = "1F"
position_m = [3.0, 9.5, 3.0]
power_dbm = 27.0
gain_dbi = 6
beamwidth_deg = 65.0

[[reader.antenna]]
port = 2
floor = "1F"
position_m = [8.0, 9.5, 3.0]

[[reader]]
id = "r02"
protocol = "mercury"

[[reader.antenna]]
port = 1
floor = "2F"
position_m = [2.0, 7.0, 3.0]
"""

LAST_ANTENNA = GOOD[GOOD.rindex("[[reader.antenna]]") :]

FAULTS = [
    # store
    ('id = "hillside"', 'id = "Hill side"', "2: [store]: id = 'Hill side' is not an id of a-z, 0-9 and '-'"),
    ('id = "hillside"', 'id = "hillside\\n"', "2: [store]: id = 'hillside\\n' is not an id of a-z, 0-9 and '-'"),
    ('name = "Hillside"\n', "", "1: [store]: key 'name' is missing: a text"),
    ('name = "Hillside"', "name = 3", "3: [store]: name = 3 is not a text"),
    ("/Berlin", "/Berln", "4: [store]: timezone = 'Europe/Berln' is unknown; did you mean 'Europe/Berlin'?"),
    ("Europe/Berlin", "../etc", "4: [store]: timezone = '../etc' is unknown, expected e.g. Europe/Berlin"),
    ("Europe/Berlin", "", "4: [store]: timezone = '' is unknown, expected e.g. Europe/Berlin"),
    ("[store]", "[stores]", "1: unknown key 'stores'; did you mean 'store'?"),
    ("[store]", "[[store]]", "1: store = [{'id': 'hillside', … must be written as [store] with keys below"),
    # floors
    ("width_m = 40.0", "width_m = 0", "8: [[floor]] '1F': width_m = 0 is not a length over 0 and up to 1000 metres"),
    ("width_m = 40.0", "width_m = true", "8: [[floor]] '1F': width_m = true is not a length"),
    ("width_m = 40.0", "width_m = inf", "8: [[floor]] '1F': width_m = inf is not a length"),
    ("width_m = 40.0", "width_m = nan", "8: [[floor]] '1F': width_m = nan is not a length"),
    ("width_m = 40.0", 'width_m = "40"', "8: [[floor]] '1F': width_m = '40' is not a length"),
    ("width_m = 40.0", "widht_m = 40.0", "8: [[floor]] '1F': unknown key 'widht_m'; did you mean 'width_m'?"),
    ('id = "2F"', 'id = "1F"', "12: [[floor]] '1F': id = '1F' is already taken in line 7\n36: \n75: "),
    ('id = "2F"', 'id = "2_F"', "12: [[floor]] '2_F': id = '2_F' is not a floor id of A-Z, a-z, 0-9 …\n36: \n75: "),
    # zones
    ('id = "aisle"', 'id = "Aisle"', "29: [[zone]] 'Aisle': id = 'Aisle' is not an id of a-z, 0-9 and '-'\n45: "),
    ('id = "aisle"', 'id = "perfume"', "29: [[zone]] 'perfume': id = 'perfume' is already taken in line 17\n45: "),
    ('"counter"', '"countr"', "22: [[zone]] 'perfume': kind = 'countr' is not one of … staff; did you mean 'counter'?"),
    ('"counter"\n', '"counter"\ncolour = 1\n', "23: [[zone]] 'perfume': unknown key 'colour'"),
    ('floor = "2F"\nkind', 'floor = "3F"\nkind', "36: [[zone]] 'lift-2': floor = '3F' is no [[floor]]"),
    ('kind = "lift"\n', "", "34: [[zone]] 'lift-2': key 'kind' is missing: one of entrance, aisle, counter,"),
    ("[5, 0], [5, 5]", "[5, 0]", "38: [[zone]] 'lift-2': polygon = [[0, 0], [5, 0]] is not a list of 3 or more"),
    ("[5, 0], [5, 5]", "[5, 0, 1], [5, 5]", "38: [[zone]] 'lift-2': polygon = [[0, 0], [5, 0, 1], [5, 5]] is not a"),
    ("[5, 0], [5, 5]", "[nan, 0], [5, 5]", "38: [[zone]] 'lift-2': polygon = [[0, 0], [nan, 0], [5, 5]] is not a"),
    ("[5, 0], [5, 5]", "[5, 5], [5, 0], [0, 5]", "38: [[zone]] 'lift-2': the outline crosses … itself at (2.50, 2.50)"),
    ("[5, 0], [5, 5]", "[5, 0], [2, 0]", "38: [[zone]] 'lift-2': the outline crosses … itself at (5.00, 0.00)"),
    ("[5, 0], [5, 5]", "[0.01, 0], [0, 0.01]", "38: [[zone]] 'lift-2': has an area of 0.0001 m²"),
    ("[6.0, 7.0]", "[46.0, 7.0]", "23: [[zone]] 'perfume': corner (46.0, 7.0) lies … '1F' (40.0 x 25.0 m)\n32: "),
    ("[5, 0], [5, 5]", "[5, -1], [5, 5]", "38: [[zone]] 'lift-2': corner (5.0, -1.0) lies outside floor '2F' (20.0 x"),
    ("[[6, 7], [10", "[[5, 7], [10", "32: [[zone]] 'aisle': overlaps [[zone]] 'perfume' in line 23 by about 2.8 m²"),
    # walls and links
    ("[[0.0, 18.0], [18.0, 18.0]]", "[[0.0, 18.0]]", "42: [[wall]] number 1: line = [[0.0, 18.0]] is not a list of 2"),
    ("[18.0, 18.0]]", "[18.0, 28.0]]", "42: [[wall]] number 1: point (18.0, 28.0) lies outside floor '1F'"),
    ('from = "aisle"', 'from = "aisel"', "45: [[link]] number 1: from = 'aisel' is no [[zone]]; did you mean 'aisle'?"),
    ('to = "lift-2"', 'to = "escalator"', "46: [[link]] number 1: to = 'escalator' is no [[zone]]"),
    ('to = "lift-2"', 'to = "aisle"', "46: [[link]] number 1: leads from zone 'aisle' to itself"),
    ("seconds = 25.0", "seconds = -1", "47: [[link]] number 1: seconds = -1 is not a time over 0 and up to 3600"),
    # readers
    ('id = "r02"', 'id = "r01"', "70: [[reader]] 'r01': id = 'r01' is already taken in line 50"),
    ('"r02"\n', '"r02"\nport = "/dev/ttyUSB0"\n', "71: [[reader]] 'r02': port = '/dev/ttyUSB0' is … taken in line 52"),
    ('mercury"\nport', 'mercuri"\nport', "51: [[reader]] 'r01': protocol = 'mercuri' is unknown; did you mean"),
    ('mercury"\nport', 'telepathy"\nport', "51: [[reader]] 'r01': protocol = 'telepathy' is unknown; known are "),
    ('"/dev/ttyUSB0"\nbaud', '"usb:"\nbaud', "52: [[reader]] 'r01': port = 'usb:' is not a serial port, usb:SERIAL"),
    ("baud = 115200", "baud = 0", "53: [[reader]] 'r01': baud = 0 is not a whole number of bits per second over 0"),
    ("baud = 115200", "baud = 9600.5", "53: [[reader]] 'r01': baud = 9600.5 is not a whole number of bits per"),
    ('region = "eu"', 'region = "EU"', "54: [[reader]] 'r01': region = 'EU' is not one of na, "),
    (LAST_ANTENNA, "", "69: [[reader]] 'r02': [[reader.antenna]] is missing, at least one is needed"),
    # antennas
    ("port = 2", "port = 1", "65: … port 1 of [[reader]] 'r01': port = 1 is already taken in line 57"),
    ("port = 2", "port = 0", "65: … port 0 of [[reader]] 'r01': port = 0 is not a whole number from 1 to 255"),
    ("port = 2", "port = 256", "65: [[reader.antenna]] port 256 of [[reader]] 'r01': port = 256 is not"),
    ("port = 2", "port = true", "65: [[reader.antenna]] port true of [[reader]] 'r01': port = true is not"),
    ("port = 2\n", "", "64: [[reader.antenna]] number 2 of [[reader]] 'r01': key 'port' is missing: a whole number"),
    ('floor = "2F"\nposition', 'floor = "2f"\nposition', "75: … 'r02': floor = '2f' is no [[floor]]"),
    ("[8.0, 9.5, 3.0]", "[48.0, 9.5, 3.0]", "67: … 'r01': position (48.0, 9.5) lies outside floor '1F'"),
    ("[8.0, 9.5, 3.0]", "[8.0, 9.5, 0]", "67: … 'r01': position_m = [8.0, 9.5, 0] is not [x, y, height]"),
    ("[8.0, 9.5, 3.0]", "[8.0, 9.5]", "67: … 'r01': position_m = [8.0, 9.5] is not [x, y, height]"),
    ("power_dbm = 27.0", "power_dbm = 36.5", "60: … 'r01': power_dbm = 36.5 is not a power from 0 to 36 dBm"),
    ("gain_dbi = 6", "gain_dbi = -11", "61: … 'r01': gain_dbi = -11 is not a gain from -10 to 20 dBi"),
    ("beamwidth_deg = 65.0", "beamwidth_deg = 0", "62: … 'r01': beamwidth_deg = 0 is not an angle"),
    # not TOML
    ("seconds = 25.0", "seconds 25.0", "47: not TOML: Expected '=' after a key in a key/value pair (column 9)"),
    ("[2.0, 7.0, 3.0]\n", "[2.0, 7.0", "76: not TOML: Unclosed array (end of document)"),
    ("seconds = 25.0", f"seconds = {'9' * 5000}", " not TOML that can be read: Exceeds the limit"),
    ("seconds = 25.0", f"seconds = 0x{'f' * 5000}", "47: [[link]] number 1: seconds = that number is not a time"),
    ("seconds = 25.0", f"seconds = {'[' * 3000}", " not TOML that can be read: "),
]  # fmt: skip


def edited(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def faults_of(text: str) -> tuple[str, ...]:
    with pytest.raises(StoreFileError) as caught:
        parse_store(text, "store.toml")
    assert isinstance(caught.value, GiveUp)
    return caught.value.faults


def test_a_good_file() -> None:
    store = parse_store(GOOD)
    assert (store.id, store.store.timezone) == ("hillside", "Europe/Berlin")
    assert store.floor_by_id["1F"].depth_m == 25.0
    assert store.zone_by_id["perfume"].polygon == ((0.0, 7.0), (6.0, 7.0), (6.0, 12.5), (0.0, 12.5))
    assert store.zone_by_id["perfume"].name == '[[zone]]\nid = "in a text"'
    assert store.link[0].from_zone == "aisle"
    assert [antenna.power_dbm for antenna in store.reader[0].antenna] == [27.0, 30.0]
    assert (store.reader[0].region, store.reader[1].region) == ("eu", None)


@pytest.mark.parametrize(("old", "new", "expected"), FAULTS)
def test_a_fault(old: str, new: str, expected: str) -> None:
    """``expected`` has the start of each fault in a line; … stands for anything."""
    faults = faults_of(edited(old, new))
    for fault, start in zip(faults, expected.split("\n"), strict=True):
        assert re.match(re.escape(f"store.toml:{start}").replace("…", ".*"), fault)


def test_all_faults_come_at_once_in_the_order_of_lines() -> None:
    text = GOOD
    mistakes = [
        row for row in FAULTS if row[2].startswith(("8: [[floor]] '1F': width_m = 0", "22:", "47: [[link]]", "60:"))
    ]
    for old, new, _ in mistakes:
        text = text.replace(old, new, 1)
    faults = faults_of(text)
    assert [int(fault.split(":")[1]) for fault in faults] == [8, 22, 47, 60]
    with pytest.raises(StoreFileError, match=re.escape("store.toml: 4 faults\n  - store.toml:8: [[floor]] '1F'")):
        parse_store(text)


def test_a_single_fault_reads_as_one_line() -> None:
    with pytest.raises(StoreFileError) as caught:
        parse_store(edited("seconds = 25.0", "seconds = 0"), "shop.toml")
    assert str(caught.value) == (
        "shop.toml:47: [[link]] number 1: seconds = 0 is not a time over 0 and up to 3600 seconds"
    )


def test_an_empty_file_lacks_everything() -> None:
    needs = [f"store.toml: [[{name}]] is missing, at least one is needed" for name in ("floor", "zone", "reader")]
    assert faults_of("") == ("store.toml: [store] is missing", *needs)


def test_tables_can_be_written_inline() -> None:
    inline = 'link = [{ from = "aisle", to = "aisle", seconds = 1 }]\n'
    text = inline + re.sub(r"\[\[link\]\].*?\n\n", "", GOOD, flags=re.DOTALL)
    assert faults_of(text) == ("store.toml:1: [[link]] number 1: leads from zone 'aisle' to itself",)
    assert len(parse_store(text.replace('to = "aisle"', 'to = "lift-2"')).link) == 1


def test_a_mistake_in_a_floor_is_not_repeated_by_its_zones() -> None:
    assert len(faults_of(edited("width_m = 40.0", "width_m = -1"))) == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, ": there is no such file"),
        (b"# caf\xe9\n", ":1: not UTF-8 (byte 0xe9); save the file as UTF-8"),
        (b"[store]\n# \xff", ":2: not UTF-8"),
        (b"[store\n", ":1: not TOML: "),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes | None, expected: str) -> None:
    path = tmp_path / "store.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StoreFileError, match=re.escape(f"{path}{expected}")):
        load_store(path)


@pytest.mark.parametrize("name", [".", "\0", "x" * 5000])
def test_paths_that_are_no_files(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreFileError, match="name the store file in it|cannot be read: "):
        load_store(tmp_path / name)


@pytest.mark.parametrize(
    "encode", [lambda text: b"\xef\xbb\xbf" + text.encode(), lambda text: text.replace("\n", "\r\n").encode()]
)
def test_files_from_windows_are_fine(tmp_path: Path, encode: Callable[[str], bytes]) -> None:
    path = tmp_path / "store.toml"
    path.write_bytes(encode(GOOD))
    assert load_store(path).zone == parse_store(GOOD).zone
    path.write_bytes(encode(edited("seconds = 25.0", "seconds = 0")))
    with pytest.raises(StoreFileError, match=re.escape(f"{path}:47: ")):
        load_store(path)


def test_zones_of_places_and_antennas() -> None:
    store = parse_store(GOOD)
    assert zone_at(store, "1F", 3.0, 9.0) is store.zone_by_id["perfume"]
    assert zone_at(store, "1F", 6.0, 9.0) is store.zone_by_id["perfume"], "the first of two that share the border"
    assert zone_at(store, "2F", 3.0, 9.0) is None
    assert zone_at(store, "9F", 3.0, 9.0) is None
    over, _ = store.reader[0].antenna
    (beside,) = store.reader[1].antenna  # 2.0, 7.0: 3.5 m from the lift's long side
    assert antenna_zone(store, over) is store.zone_by_id["perfume"]
    assert antenna_zone(store, beside) is None
    assert (
        antenna_zone(store, msgspec.structs.replace(beside, position_m=(2.0, 6.0, 3.0))) is store.zone_by_id["lift-2"]
    )


# Whatever a person, an editor or a broken disk makes of the file: one clear error, or a store.

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def toml_of(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(toml_of, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml_of(key)} = {toml_of(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(char):08x}" for char in value) + '"'
    return "1979-05-27" if value is None else str(value)


def assert_store_or_faults(read: Callable[[], Store], source: str) -> None:
    try:
        result: Store | StoreFileError = read()
    except StoreFileError as error:
        result = error
    if isinstance(result, Store):
        assert msgspec.convert(msgspec.to_builtins(result), Store) == result
    else:
        assert result.faults
        assert all(fault.startswith(f"{source}:") for fault in result.faults)


def assert_text(text: str) -> None:
    assert_store_or_faults(lambda: parse_store(text, "store.toml"), "store.toml")


@given(st.text() | st.text(alphabet="[]{}.=\"'#\n ab1"))
@example("[[zone]]\n[[zone]]\n")
@example("zone = [1]\n[store]\nid = []")
def test_any_text_is_a_store_or_a_fault(text: str) -> None:
    assert_text(text)


@given(st.binary() | st.tuples(st.integers(0, len(GOOD) - 1), st.binary(max_size=3)).map(
    lambda edit: GOOD.encode()[: edit[0]] + edit[1] + GOOD.encode()[edit[0] + len(edit[1]) :]
))  # fmt: skip
def test_any_bytes_are_a_store_or_a_fault(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.toml"
    path.write_bytes(data)
    assert_store_or_faults(lambda: load_store(path), str(path))


@given(st.sampled_from(re.findall(r"(?m)^\w+ = (?:[^\[\"].*|\"\w.*|\[\[?\d.*\])$", GOOD)), values)
def test_any_value_is_taken_or_a_fault(line: str, value: object) -> None:
    key = line.split(" = ")[0]
    assert_text(GOOD.replace(line, f"{key} = {toml_of(value)}", 1))


@given(st.permutations(re.split(r"(?m)^(?=\[)", GOOD)), st.lists(st.integers(0, GOOD.count("\n")), max_size=6))
def test_any_tables_and_lines_are_a_store_or_a_fault(tables: list[str], dropped: list[int]) -> None:
    lines = "\n".join(tables).splitlines()
    assert_text("\n".join(line for number, line in enumerate(lines) if number not in dropped))


@pytest.mark.parametrize("region", REGIONS)
def test_every_region_is_known_to_some_reader(region: str) -> None:
    def known(family: ReaderFamily) -> bool:
        try:
            family.host(ReaderSettings(region, (AntennaSettings(1, 26.0),)))
        except FaultsError:
            return False
        return True

    assert any(known(family) for family in map(load_family, FAMILIES) if family.obeys_commands)
