"""A person is where the antenna hangs that read the tag strongest in the last seconds."""

import numpy as np

from scores.baselines.steps import NOWHERE, Baseline, Ints, Stretch, hold, window_sum
from tagtrail.hardware.store import Store


class Strongest(Baseline):
    """Zone of the antenna with the highest mean strength over a window; the last answer is held through silence.

    Args:
        store: The layout.
        before_s: Seconds of the window before each second.
        after_s: Seconds after it: 0 for what can be said at once.
        hold_s: Longest silence that is bridged.
    """

    def __init__(self, store: Store, before_s: int = 2, after_s: int = 2, hold_s: int = 60) -> None:
        super().__init__(store)
        self._before_s, self._after_s, self._hold_s = before_s, after_s, hold_s

    def label(self, stretch: Stretch) -> Ints:
        """Zone of each second."""
        antennas = len(self.antennas.zone)
        count = window_sum(stretch.counts(antennas), self._before_s, self._after_s)
        total = window_sum(stretch.sums_dbm(antennas), self._before_s, self._after_s)
        usable = (count > 0) & (self.antennas.zone != NOWHERE)
        mean = np.where(usable, total / np.maximum(count, 1), -np.inf)
        label = np.where(usable.any(axis=1), self.antennas.zone[mean.argmax(axis=1)], NOWHERE)
        return hold(label, self._hold_s)
