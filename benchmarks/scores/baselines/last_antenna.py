"""A person is where the last antenna that read the tag hangs."""

import numpy as np

from scores.baselines.steps import NOWHERE, Baseline, Ints, Stretch, hold
from tagtrail.hardware.store import Store


class LastAntenna(Baseline):
    """Zone of the last read, held through silence for ``hold_s``."""

    def __init__(self, store: Store, hold_s: int = 60) -> None:
        super().__init__(store)
        self._hold_s = hold_s

    def label(self, stretch: Stretch) -> Ints:
        """Zone of the last read of each second."""
        label = np.full(stretch.steps, NOWHERE)
        zone = self.antennas.zone[stretch.antenna]
        known = zone != NOWHERE
        label[stretch.time_s[known].astype(np.int64)] = zone[known]
        return hold(label, self._hold_s)
