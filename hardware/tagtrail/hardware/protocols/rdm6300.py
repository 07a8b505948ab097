"""RDM6300 and RDM630: 125 kHz card readers that repeat a card while it is in the field; see `card125khz`."""

from tagtrail.hardware.protocols.card125khz import CardFamily


def family() -> CardFamily:
    """The family that this module is."""
    return CardFamily("rdm6300", new_line=False)
