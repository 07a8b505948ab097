"""Any of the baselines with a minimum stay: the cheapest cure for flicker."""

import numpy as np

from scores.baselines.steps import Baseline, Ints, Stretch


class Settled(Baseline):
    """What another baseline says, but a zone counts only where it is named for ``stay_s`` on end.

    Args:
        other: The baseline.
        stay_s: Shorter runs of seconds belong to the zone before them.
    """

    def __init__(self, other: Baseline, stay_s: int = 6) -> None:
        super().__init__(other.store, other.trip_gap_s)
        self._other = other
        self._stay_s = stay_s

    def label(self, stretch: Stretch) -> Ints:
        """Zone of each second."""
        return settled(self._other.label(stretch), self._stay_s)


def settled(label: Ints, stay_s: int) -> Ints:
    """Labels in which each run of less than ``stay_s`` has the label before it; the first run stays."""
    begin = np.flatnonzero(np.diff(label, prepend=label[:1] - 1))
    lasts = np.diff(np.append(begin, len(label))) >= stay_s
    lasts[:1] = True
    kept = begin[lasts]
    return np.repeat(label[kept], np.diff(np.append(kept, len(label))))
