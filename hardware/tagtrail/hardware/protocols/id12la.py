"""ID-12LA and ID-20LA: 125 kHz card readers that report each presentation of a card once; see `card125khz`."""

from tagtrail.hardware.protocols.card125khz import CardFamily


def family() -> CardFamily:
    """The family that this module is."""
    return CardFamily("id12la", new_line=True)
