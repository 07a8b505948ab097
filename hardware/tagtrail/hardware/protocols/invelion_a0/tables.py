"""Numbers of the A0 protocol and their names: commands, error codes, regions.

Source: "UHF RFID Reader Serial Interface Protocol" V2.2 (Invelion) and V3.7, sections 2 (commands), 3 (error codes) and
4 (frequencies).
"""

from enum import IntEnum
from typing import Final


class Command(IntEnum):
    """Command codes (section 2)."""

    READ_GPIO_VALUE = 0x60
    WRITE_GPIO_VALUE = 0x61
    SET_ANT_CONNECTION_DETECTOR = 0x62
    GET_ANT_CONNECTION_DETECTOR = 0x63
    SET_TEMPORARY_OUTPUT_POWER = 0x66
    SET_READER_IDENTIFIER = 0x67
    GET_READER_IDENTIFIER = 0x68
    SET_RF_LINK_PROFILE = 0x69
    GET_RF_LINK_PROFILE = 0x6A
    RESET = 0x70
    SET_UART_BAUDRATE = 0x71
    GET_FIRMWARE_VERSION = 0x72
    SET_READER_ADDRESS = 0x73
    SET_WORK_ANTENNA = 0x74
    GET_WORK_ANTENNA = 0x75
    SET_OUTPUT_POWER = 0x76
    GET_OUTPUT_POWER = 0x77
    SET_FREQUENCY_REGION = 0x78
    GET_FREQUENCY_REGION = 0x79
    SET_BEEPER_MODE = 0x7A
    GET_READER_TEMPERATURE = 0x7B
    SET_DRM_MODE = 0x7C
    GET_DRM_MODE = 0x7D
    GET_RF_PORT_RETURN_LOSS = 0x7E
    INVENTORY_TO_BUFFER = 0x80
    READ = 0x81
    WRITE = 0x82
    LOCK = 0x83
    KILL = 0x84
    SET_ACCESS_EPC_MATCH = 0x85
    GET_ACCESS_EPC_MATCH = 0x86
    REAL_TIME_INVENTORY = 0x89
    FAST_SWITCH_ANT_INVENTORY = 0x8A
    CUSTOMIZED_SESSION_TARGET_INVENTORY = 0x8B
    SET_IMPINJ_FAST_TID = 0x8C
    SET_AND_SAVE_IMPINJ_FAST_TID = 0x8D
    GET_IMPINJ_FAST_TID = 0x8E
    GET_BUFFER = 0x90
    GET_AND_RESET_BUFFER = 0x91
    GET_BUFFER_TAG_COUNT = 0x92
    RESET_BUFFER = 0x93
    BLOCK_WRITE = 0x94
    GET_OUTPUT_POWER_8_PORTS = 0x97
    TAG_SELECT = 0x98
    ISO18000_6B_INVENTORY = 0xB0
    ISO18000_6B_READ = 0xB1
    ISO18000_6B_WRITE = 0xB2
    ISO18000_6B_LOCK = 0xB3
    ISO18000_6B_QUERY_LOCK = 0xB4


COMMAND_NAMES: Final = {int(command): command.name.lower() for command in Command}
ROUNDS: Final = frozenset(
    {
        int(Command.REAL_TIME_INVENTORY),
        int(Command.FAST_SWITCH_ANT_INVENTORY),
        int(Command.CUSTOMIZED_SESSION_TARGET_INVENTORY),
    }
)
"""Commands that make one round of inventories and report each tag as it is found."""


class Code(IntEnum):
    """Error codes that the code acts on; `CODE_NAMES` has all (section 3)."""

    SUCCESS = 0x10
    FAIL = 0x11
    ANTENNA_MISSING = 0x22
    PARAMETER_INVALID = 0x41
    ANTENNA_ID_OUT_OF_RANGE = 0x47
    OUTPUT_POWER_OUT_OF_RANGE = 0x48
    FREQUENCY_REGION_OUT_OF_RANGE = 0x49
    INVALID_FREQUENCY_RANGE = 0x4F
    FAIL_TO_GET_RETURN_LOSS = 0xEE


_OTHER_CODE_NAMES: Final = {
    0x20: "mcu_reset",
    0x21: "cw_on",
    0x23: "write_flash",
    0x24: "read_flash",
    0x25: "set_output_power",
    0x31: "tag_inventory",
    0x32: "tag_read",
    0x33: "tag_write",
    0x34: "tag_lock",
    0x35: "tag_kill",
    0x36: "no_tag",
    0x37: "inventory_ok_but_access_fail",
    0x38: "buffer_is_empty",
    0x3C: "nxp_custom_command_fail",
    0x40: "access_or_password",
    0x42: "word_count_too_long",
    0x43: "memory_bank_out_of_range",
    0x44: "lock_region_out_of_range",
    0x45: "lock_action_out_of_range",
    0x46: "reader_address_invalid",
    0x4A: "baudrate_out_of_range",
    0x4B: "beeper_mode_out_of_range",
    0x4C: "epc_match_len_too_long",
    0x4D: "epc_match_len_error",
    0x4E: "epc_match_mode_invalid",
    0x50: "fail_to_get_rn16_from_tag",
    0x51: "drm_mode_invalid",
    0x52: "pll_lock_fail",
    0x53: "rf_chip_fail_to_response",
    0x54: "fail_to_achieve_desired_output_power",
    0x55: "copyright_authentication_fail",
    0x56: "spectrum_regulation",
    0x57: "output_power_too_low",
}
CODE_NAMES: Final = {int(code): code.name.lower() for code in Code} | _OTHER_CODE_NAMES

POWER_MAX_DBM: Final = 33
"""Whole dBm (section 2.1, cmd_set_output_power: 0 to 33)."""
PORTS_MAX: Final = 8

FCC, ETSI, CHN, USER = 1, 2, 3, 4
REGION_NAMES: Final = {FCC: "FCC", ETSI: "ETSI", CHN: "CHN", USER: "user"}
REGIONS: Final = {
    "NA": bytes((FCC, 7, 59)),
    "FCC": bytes((FCC, 7, 59)),
    "EU": bytes((ETSI, 0, 6)),
    "EU3": bytes((ETSI, 0, 6)),
    "ETSI": bytes((ETSI, 0, 6)),
    "PRC": bytes((CHN, 43, 53)),
    "CHN": bytes((CHN, 43, 53)),
}
"""Region name → regulation with its first and last frequency index (cmd_set_frequency_region; section 4)."""


def _frequencies_khz() -> tuple[int | None, ...]:
    """Frequency per index: 865 MHz and 902 MHz upwards in steps of half a MHz (section 4)."""
    table: list[int | None] = [865_000 + 500 * index for index in range(7)]
    table += [902_000 + 500 * index for index in range(53)]
    return (*table, *[None] * (64 - len(table)))


FREQUENCIES_KHZ: Final = _frequencies_khz()
"""By the six bits of a tag frame; the last four are of no regulation."""

RSSI_DBM: Final = tuple(raw - 129 if raw >= 90 else raw - 130 for raw in range(128))
"""By the RSSI byte (section 5; the table skips −40 dBm between 89 and 90)."""


def code_name(code: int) -> str:
    """Name of an error code, or ``unknown``."""
    return CODE_NAMES.get(code, "unknown")
