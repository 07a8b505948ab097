"""What a module can be asked about its set-up.

Source: Mercury API, ``serial_reader_l3.c``, TMR_SR_cmdGetRegion, TMR_SR_cmdAntennaDetect, TMR_SR_cmdGetReturnLoss.
"""

from tagtrail.hardware.protocols.inquiry import Details, Inquiry
from tagtrail.hardware.protocols.mercury.describe import Meaning
from tagtrail.hardware.protocols.mercury.frame import command
from tagtrail.hardware.protocols.mercury.tables import Op

CONNECTED = 0x05
RETURN_LOSS = 0x06
"""Options of the command that tells about antenna ports."""


def inquire() -> Inquiry:
    """Region, connected antennas, and the return loss of these."""
    told = yield command(Op.GET_REGION)
    region = next((str(frame["region_name"]).lower() for frame in told if "region_name" in frame), None)
    told = yield command(Op.GET_ANTENNA_PORT, bytes((CONNECTED,)))
    ports = _pairs(told, CONNECTED)
    antennas = tuple(port for port, connected in ports.items() if connected)
    loss_db = {}
    if region not in (None, "none") and antennas:  # the module transmits for this, which it may do in its region only
        told = yield command(Op.GET_ANTENNA_PORT, bytes((RETURN_LOSS,)))
        loss_db = {port: float(loss) for port, loss in _pairs(told, RETURN_LOSS).items() if port in antennas}
    return Details(None if region == "none" else region, antennas if ports else None, loss_db)


def _pairs(frames: list[Meaning], option: int) -> dict[int, int]:
    """Port and value of each port, from the reply with this option."""
    for frame in frames:
        if frame.get("name") == "get_antenna_port" and frame.get("option") == option:
            data = bytes.fromhex(str(frame.get("data", "")))
            return dict(zip(data[::2], data[1::2], strict=False))
    return {}
