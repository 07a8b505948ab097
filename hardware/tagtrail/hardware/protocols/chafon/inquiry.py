"""What a reader can be asked about its set-up.

Source: UHF RFID Reader UR-SERIES User Manual v1.14, 8.4 (reader information, measure return loss).
"""

from tagtrail.hardware.protocols.chafon.frame import command
from tagtrail.hardware.protocols.chafon.tables import (
    BANDS,
    COMMAND_NAMES,
    REGIONS,
    STATUS_NAMES,
    Command,
    Layout,
    Status,
)
from tagtrail.hardware.protocols.chafon.tags import PORT_MAX
from tagtrail.hardware.protocols.inquiry import Details, Inquiry, details, number, value


def inquire() -> Inquiry:
    """Region, and the return loss of each port, from which follows where an antenna is.

    The antennas that a reader tells unasked are those that are switched on. UHFReader18 and its kin measure nothing.
    """
    told = yield command(Command.GET_READER_INFO)
    name = COMMAND_NAMES[Command.GET_READER_INFO]
    code, channel = number(told, name, "band"), number(told, name, "min_channel")
    band = BANDS.get(-1 if code is None else code)
    region = next((known.lower() for known, each in REGIONS.items() if each == band), None)
    if band is None or channel is None or value(told, name, "layout") != Layout.WITH_ANTENNA.value:
        return Details(region)
    frequency_khz = band.start_khz + channel * band.step_khz
    loss_db: dict[int, float] = {}
    for antenna in range(PORT_MAX):
        told = yield command(Command.RETURN_LOSS, frequency_khz.to_bytes(4, "big") + bytes((antenna,)))
        loss = number(told, COMMAND_NAMES[Command.RETURN_LOSS], "return_loss_db")
        if loss is not None:
            loss_db[antenna + 1] = loss
        elif value(told, COMMAND_NAMES[Command.RETURN_LOSS], "status_name") != STATUS_NAMES[Status.ANTENNA_ERROR]:
            break  # it has no more ports, or cannot measure
    return details(region, loss_db)
