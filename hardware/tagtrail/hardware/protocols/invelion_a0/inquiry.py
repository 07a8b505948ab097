"""What a reader can be asked about its set-up.

Source: "UHF RFID Reader Serial Interface Protocol" V3.7, section 2.1: cmd_get_frequency_region, cmd_set_work_antenna,
cmd_get_ant_connection_detector, cmd_get_rf_port_return_loss.
"""

from tagtrail.hardware.protocols.inquiry import OPEN_PORT_DB, Details, Inquiry, details, number, value
from tagtrail.hardware.protocols.invelion_a0.frame import frame
from tagtrail.hardware.protocols.invelion_a0.tables import COMMAND_NAMES, PORTS_MAX, REGIONS, Code, Command, code_name
from tagtrail.hardware.protocols.session import ATTEMPTS


def inquire() -> Inquiry:
    """Region, and the return loss of each port, from which follows where an antenna is.

    A reader measures on its work antenna only, so that is changed, and put back at the end. Its own detector, where it
    is on, decides how good an antenna must be to be one.
    """
    told = yield frame(Command.GET_FREQUENCY_REGION)
    name = COMMAND_NAMES[Command.GET_FREQUENCY_REGION]
    code, first, last = (number(told, name, key) for key in ("region", "start_index", "end_index"))
    region = next((known.lower() for known, setting in REGIONS.items() if setting[0] == code), None)
    told = yield frame(Command.GET_WORK_ANTENNA)
    before = number(told, COMMAND_NAMES[Command.GET_WORK_ANTENNA], "antenna")
    if first is None or last is None or before is None:
        return Details(region)
    told = yield frame(Command.GET_ANT_CONNECTION_DETECTOR)
    enough_db = number(told, COMMAND_NAMES[Command.GET_ANT_CONNECTION_DETECTOR], "return_loss_db") or OPEN_PORT_DB
    loss_db: dict[int, float] = {}
    for antenna in range(PORTS_MAX):
        told = yield _choose(antenna)
        if _answer(told) == code_name(Code.ANTENNA_ID_OUT_OF_RANGE):
            break
        if _answer(told) == code_name(Code.SUCCESS):
            told = yield frame(Command.GET_RF_PORT_RETURN_LOSS, bytes(((first + last) // 2,)))
            loss = number(told, COMMAND_NAMES[Command.GET_RF_PORT_RETURN_LOSS], "return_loss_db")
            if loss is not None:
                loss_db[antenna + 1] = loss
    for _ in range(ATTEMPTS):
        told = yield _choose(before)
        if _answer(told) == code_name(Code.SUCCESS):
            break
    return details(region, loss_db, enough_db)


def _choose(antenna: int) -> bytes:
    return frame(Command.SET_WORK_ANTENNA, bytes((antenna,)))


def _answer(told: list[dict[str, object]]) -> object:
    return value(told, COMMAND_NAMES[Command.SET_WORK_ANTENNA], "code_name")
