"""Lines of TOML keys, checked against texts in which each key's value tells its line."""

import tomllib
from collections.abc import Iterator

import pytest

from tagtrail.hardware.toml_lines import KeyPath, TomlLines

TEXT = '''\
top = 1
dotted.key = 2
"quoted.key" = 3 # [[reader]]
multi = """ \\"""
[[reader]] """""
five = { a = 6, b = [
  "]" ] }
other = 8

[ plain ]
key = 11
[plain.'in ner']
key = 13
list = [[1, 2], # ]]]
  [3, 4],
]
after = 17
[[ reader ]]
key = 19
[[reader.antenna]]
key = 21
[[reader.antenna]]
key = 23
[[reader]]
[reader.table]
key = 26
[[reader.antenna]]
path = 'C:\\'   # a literal text ends here
lines = \'\'\'
key = "not a key\'\'\'
key = 31
'''


def numbered(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, int]]:
    """Paths of all values that are lines."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbered(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from numbered(inner, (*path, index))
    elif isinstance(value, int) and "list" not in path:
        yield path, value


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_key_is_found_in_its_line(newline: str) -> None:
    text = TEXT.replace("\n", newline)
    lines = TomlLines(text)
    found = {path: lines.of(path) for path, _ in numbered(tomllib.loads(text))}
    assert found == dict(numbered(tomllib.loads(text)))
    assert len(found) == 13


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("reader",), 18),
        (("reader", 1), 24),
        (("reader", 1, "antenna", 0), 27),
        (("reader", 1, "absent"), 24),
        (("plain", "in ner", "list", 1, 0), 14),
        (("absent",), None),
        ((), None),
    ],
)
def test_what_has_no_line_of_its_own_is_where_its_holder_is(path: KeyPath, line: int | None) -> None:
    assert TomlLines(TEXT).of(path) == line
