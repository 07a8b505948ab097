"""A wire without a machine between the host's session and the model of a Mercury module."""

import null_modem
from tagtrail.hardware.protocols.interface import AntennaSettings, ReaderSettings, TagSeen
from tagtrail.hardware.protocols.mercury.host import MercuryHost
from tagtrail.hardware.protocols.mercury.reader import MercuryReader

EPC_BLOCK = bytes.fromhex("00803000000000000000000000001545E94A")
"""Of a tag with the EPC 000000000000000000001545."""
SETTINGS = ReaderSettings(region="EU3", antennas=(AntennaSettings(1, 30.0), AntennaSettings(4, 27.5)))


class Wire(null_modem.Wire[MercuryHost, MercuryReader]):
    def __init__(
        self,
        reader: MercuryReader | None = None,
        settings: ReaderSettings = SETTINGS,
        *,
        host: MercuryHost | None = None,
        piece: int = 4096,
    ) -> None:
        super().__init__(host or MercuryHost(settings), reader or MercuryReader(), piece=piece)


def tag(number: int, antenna: int = 1) -> TagSeen:
    return TagSeen(epc=f"E2801160600002{number:010X}", antenna=antenna, rssi_dbm=-60, count=2, reader_time_ms=number)
