"""What a module can be asked about its set-up.

Source: Mercury API, ``serial_reader_l3.c``, TMR_SR_cmdGetRegion, TMR_SR_cmdAntennaDetect, TMR_SR_cmdGetReturnLoss.
"""

from collections.abc import Iterable, Mapping

from tagtrail.hardware.protocols.inquiry import Details, Inquiry, value
from tagtrail.hardware.protocols.mercury.frame import command
from tagtrail.hardware.protocols.mercury.replies import CONNECTED, RETURN_LOSS
from tagtrail.hardware.protocols.mercury.tables import Op


def inquire() -> Inquiry:
    """Region, connected antennas, and the return loss of these."""
    told = yield command(Op.GET_REGION)
    name = value(told, "get_region", "region_name")
    region = str(name).lower() if name is not None else None
    told = yield command(Op.GET_ANTENNA_PORT, bytes((CONNECTED,)))
    ports = _by_port(told, "connected")
    antennas = tuple(port for port, connected in ports.items() if connected)
    loss_db = {}
    if region not in (None, "none") and antennas:  # the module transmits for this, which it may do in its region only
        told = yield command(Op.GET_ANTENNA_PORT, bytes((RETURN_LOSS,)))
        loss_db = {port: float(loss) for port, loss in _by_port(told, "return_loss_db").items() if port in antennas}
    return Details(None if region == "none" else region, antennas if ports else None, loss_db)


def _by_port(told: Iterable[Mapping[str, object]], key: str) -> dict[int, int]:
    """Port and value of each port."""
    pairs = value(told, "get_antenna_port", key)
    return dict(pairs) if isinstance(pairs, list) else {}
