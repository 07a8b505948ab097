"""Numbers of the M100 protocol and their names: commands, error codes, regions.

Source: "R200 user protocol" V2.3.3 (also printed for M100, QM100 and YRM100), sections 4 (commands) and 5 (errors).
"""

from enum import IntEnum
from typing import Final


class Command(IntEnum):
    """Command codes; answers carry them too."""

    GET_INFO = 0x03
    IDLE = 0x04
    SET_REGION = 0x07
    GET_REGION = 0x08
    GET_SELECT = 0x0B
    SET_SELECT = 0x0C
    GET_QUERY = 0x0D
    SET_QUERY = 0x0E
    SET_BAUD = 0x11
    SET_SELECT_MODE = 0x12
    SLEEP = 0x17
    SET_AUTO_SLEEP = 0x1D
    SINGLE_POLL = 0x22
    MULTI_POLL = 0x27
    STOP_MULTI_POLL = 0x28
    READ = 0x39
    WRITE = 0x49
    KILL = 0x65
    LOCK = 0x82
    INSERT_CHANNELS = 0xA9
    GET_CHANNEL = 0xAA
    SET_CHANNEL = 0xAB
    SET_FHSS = 0xAD
    SET_CW = 0xB0
    SET_POWER = 0xB6
    GET_POWER = 0xB7
    BLOCK_PERMALOCK = 0xD3
    BLOCK_PERMALOCK_STATUS = 0xD4
    NXP_CHANGE_CONFIG = 0xE0
    NXP_READ_PROTECT = 0xE1
    NXP_RESET_READ_PROTECT = 0xE2
    NXP_CHANGE_EAS = 0xE3
    NXP_EAS_ALARM = 0xE4
    QT = 0xE5
    QT_READ = 0xE6
    SET_DEMODULATOR = 0xF0
    GET_DEMODULATOR = 0xF1
    SCAN_JAMMER = 0xF2
    SCAN_RSSI = 0xF3
    ERROR = 0xFF


COMMAND_NAMES: Final = {int(command): command.name.lower() for command in Command}


class Error(IntEnum):
    """Codes of an error frame that the code acts on; `error_name` knows all."""

    INVENTORY_FAIL_NO_TAG = 0x15
    COMMAND_ERROR = 0x17
    FHSS_FAIL = 0x20


_OTHER_ERROR_NAMES: Final = {
    0x09: "read_fail",
    0x10: "write_fail",
    0x12: "kill_fail",
    0x13: "lock_fail",
    0x14: "block_permalock_fail",
    0x16: "access_fail",
    0x1A: "nxp_change_config_fail",
    0x1B: "nxp_change_eas_fail",
    0x1D: "nxp_change_eas_or_config_fail",
    0x2A: "nxp_read_protect_fail",
    0x2B: "nxp_reset_read_protect_fail",
    0x2E: "qt_fail",
}
ERROR_NAMES: Final = {int(error): error.name.lower() for error in Error} | _OTHER_ERROR_NAMES
_TAG_COMMANDS: Final = {0xA0: "read", 0xB0: "write", 0xC0: "lock", 0xD0: "kill", 0xE0: "block_permalock"}
_TAG_ERRORS: Final = {
    0x0: "other_error",
    0x3: "memory_overrun",
    0x4: "memory_locked",
    0xB: "insufficient_power",
    0xF: "non_specific_error",
}
"""What a tag answers to a command on its memory (GS1 EPC Gen2 v2, annex I), told in the low half of the code."""

REGIONS: Final = {"PRC": 0x01, "NA": 0x02, "EU": 0x03, "EU3": 0x03, "PRC2": 0x04, "KR": 0x06}
"""Region name → code; PRC is China at 920 MHz, PRC2 at 840 MHz."""
REGION_NAMES: Final = {0x01: "China900", 0x02: "US", 0x03: "EU", 0x04: "China800", 0x06: "Korea"}


def error_name(code: int) -> str:
    """Name of an error code, or ``unknown``."""
    if code in ERROR_NAMES:
        return ERROR_NAMES[code]
    command, error = _TAG_COMMANDS.get(code & 0xF0), _TAG_ERRORS.get(code & 0x0F)
    return f"{command}_{error}" if command and error else "unknown"
