"""In which line of a TOML text a key stands. ``tomllib`` does not tell, and a person with 60 zones needs to know."""

import re
from collections.abc import Iterator
from typing import Final

KeyPath = tuple[str | int, ...]
"""Where a value stands in the document: ``("reader", 1, "antenna", 0, "port")``."""

_TOKEN: Final = re.compile(
    r"""
      \"{3} (?: \\. | [^\\] )*? \"{3,5}     # strings first: they may hold anything below
    | '{3} .*? '{3,5}
    | " (?: \\. | [^"\\] )* "
    | ' [^']* '
    | \# [^\n]*
    | [^"'\#\[\]{}\n]+
    | .
    """,
    re.VERBOSE | re.DOTALL,
)
_KEY: Final = r"""(?: [A-Za-z0-9_-]+ | " (?: \\. | [^"\\] )* " | ' [^']* ' )"""
_DOTTED: Final = rf"\s* {_KEY} \s* (?: \. \s* {_KEY} \s* )*"
_HEADER: Final = re.compile(rf"\s* (\[\[?) ({_DOTTED}) \]\]? \s*", re.VERBOSE)
_ASSIGNMENT: Final = re.compile(rf"({_DOTTED}) =", re.VERBOSE)
_KEY_PART: Final = re.compile(_KEY, re.VERBOSE)


class TomlLines:
    """The lines of the headers and keys of a text that ``tomllib`` has accepted."""

    def __init__(self, text: str) -> None:
        self._lines: dict[KeyPath, int] = {}
        self._last: dict[KeyPath, int] = {}  # index of the latest table of each array of tables
        table: KeyPath = ()
        for line, statement in _statements(text):
            if header := _HEADER.fullmatch(statement):
                is_array = header[1] == "[["
                table = self._open(_key_parts(header[2]), is_array=is_array)
                self._lines.setdefault(table, line)
                if is_array:
                    self._lines.setdefault(table[:-1], line)  # the array stands where its first table does
            elif assignment := _ASSIGNMENT.match(statement):
                self._lines.setdefault((*table, *_key_parts(assignment[1])), line)

    def of(self, path: KeyPath) -> int | None:
        """Line (from 1) of the key, else of what holds it, else None."""
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return None

    def _open(self, keys: list[str], *, is_array: bool) -> KeyPath:
        """The full path of a header: ``reader.antenna`` belongs to the latest reader."""
        path: KeyPath = ()
        for key in keys[:-1]:
            path = (*path, key)
            if path in self._last:
                path = (*path, self._last[path])
        path = (*path, keys[-1])
        if not is_array:
            return path
        self._last[path] = self._last.get(path, -1) + 1
        return (*path, self._last[path])


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each header and each assignment, without comments, with the line on which it starts."""
    line, start, depth, parts = 1, 1, 0, [""]
    for match in _TOKEN.finditer(text + "\n"):
        piece = match[0]
        if piece == "\n" and depth == 0:
            yield start, "".join(parts)
            start, parts = line + 1, []
        elif not piece.startswith("#"):
            parts.append(piece)
            depth += (piece in "[{") - (piece in "]}")
        line += piece.count("\n")


def _key_parts(dotted: str) -> list[str]:
    return [part.strip("\"'") for part in _KEY_PART.findall(dotted)]
