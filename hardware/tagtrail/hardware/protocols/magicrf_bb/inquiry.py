"""What a module can be asked about its set-up: nothing tells whether there is an antenna on its only port."""

from tagtrail.hardware.protocols.inquiry import Details, Inquiry, number
from tagtrail.hardware.protocols.magicrf_bb.frame import in_any_variant
from tagtrail.hardware.protocols.magicrf_bb.tables import COMMAND_NAMES, REGIONS, Command


def inquire() -> Inquiry:
    """The region ("R200 user protocol" V2.3.3, section 4, get region)."""
    told = yield in_any_variant(Command.GET_REGION)
    code = number(told, COMMAND_NAMES[Command.GET_REGION], "region")
    return Details(region=next((region.lower() for region, known in REGIONS.items() if known == code), None))
