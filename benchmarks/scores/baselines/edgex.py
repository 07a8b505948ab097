"""The mobility profile of EdgeX Foundry's app-rfid-llrp-inventory: a new place must be louder by a margin.

https://github.com/edgexfoundry/app-rfid-llrp-inventory: each tag and antenna has the last 20 strengths; the tag moves
where an antenna with 2 reads or more is louder on average than the present one plus an offset that falls with time
since the present one was last heard. Its defaults are used.
"""

from collections import deque
from typing import Final

import numpy as np

from scores.baselines.steps import NOWHERE, Baseline, Ints, Stretch, hold

BUFFER: Final = 20
THRESHOLD_DB: Final = 6.0
HOLDOFF_MS: Final = 500.0
SLOPE_DB_PER_MS: Final = -0.008
DEPART_S: Final = 600


class EdgeX(Baseline):
    """See the module."""

    def label(self, stretch: Stretch) -> Ints:
        """Zone of each second, as known at its end."""
        label = np.full(stretch.steps, NOWHERE)
        recent: dict[int, deque[float]] = {}
        last_s: dict[int, float] = {}
        here = -1
        reads = zip(stretch.time_s.tolist(), stretch.antenna.tolist(), stretch.rssi_dbm.tolist(), strict=True)
        for time_s, antenna, rssi_dbm in reads:
            heard = recent.setdefault(antenna, deque(maxlen=BUFFER))
            heard.append(rssi_dbm)
            last_s[antenna] = time_s
            if here < 0:
                here = antenna
            elif antenna != here and len(heard) >= 2:
                silent_ms = 1000 * (time_s - last_s[here])
                offset = min(THRESHOLD_DB, SLOPE_DB_PER_MS * (silent_ms - HOLDOFF_MS) + THRESHOLD_DB)
                if np.mean(heard) > np.mean(recent[here]) + offset:
                    here = antenna
            label[int(time_s)] = self.antennas.zone[here]
        return hold(label, DEPART_S)
