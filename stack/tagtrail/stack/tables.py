"""Plain text tables for a terminal."""

from collections.abc import Sequence


def render(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table with a title; numbers to the right, floats with one decimal, None as a dash.

    >>> print(render("Dwell", ["counter", "s"], [["perfume", 61.25], ["shoes", None]]))
    Dwell
      counter     s
      perfume  61.2
      shoes       –
    """
    texts = [[_text(value) for value in row] for row in rows]
    widths = [max(map(len, cells)) for cells in zip(columns, *texts, strict=True)]
    right = [any(isinstance(row[i], int | float) for row in rows) for i in range(len(columns))]

    def line(cells: Sequence[str]) -> str:
        parts = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(cells, widths, right, strict=True)
        )
        return "  " + "  ".join(parts).rstrip()

    return "\n".join([title, line(columns), *map(line, texts)])


def _text(value: object) -> str:
    if value is None or value != value:  # NaN
        return "–"
    return f"{value:.1f}" if isinstance(value, float) else str(value)
