"""Sets of whole numbers that come mostly in runs, such as the batches that are on the way. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator


class Ranges:
    """A set of whole numbers, kept as its runs: a million numbers in a row take as little memory as one."""

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []

    def __len__(self) -> int:
        return self.count_above(0)

    def __contains__(self, number: int) -> bool:
        index = bisect_right(self._firsts, number) - 1
        return index >= 0 and number <= self._lasts[index]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The runs, as first and last number."""
        return iter(list(zip(self._firsts, self._lasts, strict=True)))

    def copy(self) -> "Ranges":
        """A set of its own with the same numbers."""
        other = Ranges()
        other._firsts, other._lasts = self._firsts.copy(), self._lasts.copy()
        return other

    def add(self, first: int, last: int) -> None:
        """Add all numbers from ``first`` to ``last``."""
        if last < first:
            return
        # The runs that touch the new one become one with it.
        begin = bisect_left(self._lasts, first - 1)
        end = bisect_right(self._firsts, last + 1)
        if begin < end:
            first, last = min(first, self._firsts[begin]), max(last, self._lasts[end - 1])
        self._firsts[begin:end] = [first]
        self._lasts[begin:end] = [last]

    def drop_upto(self, number: int) -> None:
        """Forget all numbers up to and including ``number``."""
        gone = bisect_right(self._lasts, number)
        del self._firsts[:gone], self._lasts[:gone]
        if self._firsts and self._firsts[0] <= number:
            self._firsts[0] = number + 1

    @property
    def last(self) -> int:
        """Its greatest number; 0 if it is empty."""
        return self._lasts[-1] if self._lasts else 0

    def count_above(self, number: int) -> int:
        """How many of its numbers are greater than ``number``."""
        begin = bisect_right(self._lasts, number)
        pairs = zip(self._firsts[begin:], self._lasts[begin:], strict=True)
        return sum(last - max(first, number + 1) + 1 for first, last in pairs)

    def common(self, first: int, last: int) -> list[tuple[int, int]]:
        """Its runs within ``first`` to ``last``."""
        begin, end = bisect_left(self._lasts, first), bisect_right(self._firsts, last)
        pairs = zip(self._firsts[begin:end], self._lasts[begin:end], strict=True)
        return [(max(first, low), min(last, high)) for low, high in pairs]

    def gap(self, after: int, upto: int) -> tuple[int, int] | None:
        """First and last of the lowest run of numbers above ``after`` and up to ``upto`` that are not in the set."""
        first, index = after + 1, bisect_left(self._lasts, after + 1)
        if index < len(self._firsts) and self._firsts[index] <= first:
            first, index = self._lasts[index] + 1, index + 1
        last = min(upto, self._firsts[index] - 1) if index < len(self._firsts) else upto
        return (first, last) if first <= last else None
