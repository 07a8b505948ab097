"""RDM6300 and RDM630: 125 kHz card readers that repeat a card while it is in the field; see `card125khz`."""

from tagtrail.hardware.protocols.card125khz import card_family
from tagtrail.hardware.protocols.family import SerialFamily


def family() -> SerialFamily:
    """The family that this module is."""
    return card_family("rdm6300", new_line=False)
