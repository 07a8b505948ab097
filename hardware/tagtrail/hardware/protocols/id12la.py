"""ID-12LA and ID-20LA: 125 kHz card readers that report each presentation of a card once; see `card125khz`."""

from tagtrail.hardware.protocols.card125khz import card_family
from tagtrail.hardware.protocols.family import SerialFamily


def family() -> SerialFamily:
    """The family that this module is."""
    return card_family("id12la", new_line=True)
