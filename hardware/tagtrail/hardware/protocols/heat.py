"""When a reader that tells its temperature rests, so that it need not protect itself, or break."""

from typing import Final

HOT_C: Final = 65.0
"""Above this the host lets it rest (operating limit of R2000 readers; those of other chips name 60 to 70)."""
COOL_C: Final = 60.0
"""It reads again from here."""
BELIEVED_MAX_C: Final = 125.0
"""No chip of a reader works above this, so it is the thermometer that is broken; the reader shall read on."""
TOO_HOT: Final = f"too_hot: it rests until it has {COOL_C:g} °C; give it air, or lower power_dbm"
"""The name of the fault."""


class Heat:
    """Whether a reader is too hot to read.

    Attributes:
        rests: From `HOT_C` on, until it is below `COOL_C`.
    """

    def __init__(self) -> None:
        self.rests = False

    def measured(self, temperature_c: float) -> bool:
        """Whether the reader rests from now on."""
        self.rests = (COOL_C if self.rests else HOT_C) <= temperature_c <= BELIEVED_MAX_C
        return self.rests
