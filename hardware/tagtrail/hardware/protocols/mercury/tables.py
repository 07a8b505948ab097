"""Numbers of the Mercury protocol and their names: opcodes, status codes, regions, models.

Source: Mercury API, ``serial_reader_imp.h`` (opcodes, models), ``tmr_status.h`` (status), ``tmr_region.h`` (regions).
"""

from enum import IntEnum
from typing import Final


class Op(IntEnum):
    """Opcodes (serial_reader_imp.h, TMR_SR_OPCODE)."""

    VERSION = 0x03
    BOOT_FIRMWARE = 0x04
    SET_BAUD_RATE = 0x06
    BOOT_BOOTLOADER = 0x09
    GET_CURRENT_PROGRAM = 0x0C
    HW_VERSION = 0x10
    READ_TAG_SINGLE = 0x21
    READ_TAG_MULTIPLE = 0x22
    WRITE_TAG_EPC = 0x23
    WRITE_TAG_DATA = 0x24
    LOCK_TAG = 0x25
    KILL_TAG = 0x26
    READ_TAG_DATA = 0x28
    GET_TAG_BUFFER = 0x29
    CLEAR_TAG_BUFFER = 0x2A
    MULTI_PROTOCOL_TAG_OP = 0x2F
    GET_ANTENNA_PORT = 0x61
    GET_READ_POWER = 0x62
    GET_PROTOCOL = 0x63
    GET_WRITE_POWER = 0x64
    GET_HOP_TABLE = 0x65
    GET_GPIO_INPUTS = 0x66
    GET_REGION = 0x67
    GET_POWER_MODE = 0x68
    GET_USER_MODE = 0x69
    GET_READER_CONFIG = 0x6A
    GET_PROTOCOL_CONFIG = 0x6B
    GET_STATISTICS = 0x6C
    GET_USER_PROFILE = 0x6D
    GET_AVAILABLE_PROTOCOLS = 0x70
    GET_AVAILABLE_REGIONS = 0x71
    GET_TEMPERATURE = 0x72
    SET_ANTENNA_PORT = 0x91
    SET_READ_POWER = 0x92
    SET_PROTOCOL = 0x93
    SET_WRITE_POWER = 0x94
    SET_HOP_TABLE = 0x95
    SET_GPIO_OUTPUTS = 0x96
    SET_REGION = 0x97
    SET_POWER_MODE = 0x98
    SET_USER_MODE = 0x99
    SET_READER_CONFIG = 0x9A
    SET_PROTOCOL_CONFIG = 0x9B
    SET_USER_PROFILE = 0x9D
    SET_PROTOCOL_LICENSE = 0x9E
    SILION_EXTENDED = 0xAA


class Status(IntEnum):
    """Status codes that the code acts on (tmr_status.h); `STATUS_NAMES` has all."""

    OK = 0x0000
    WRONG_DATA_LENGTH = 0x0100
    INVALID_OPCODE = 0x0101
    UNIMPLEMENTED_OPCODE = 0x0102
    POWER_TOO_HIGH = 0x0103
    INVALID_PARAMETER = 0x0105
    POWER_TOO_LOW = 0x0106
    UNIMPLEMENTED_FEATURE = 0x0109
    INVALID_REGION = 0x010B
    NO_TAGS_FOUND = 0x0400
    NO_PROTOCOL_DEFINED = 0x0401
    INVALID_PROTOCOL = 0x0402
    CHANNEL_OCCUPIED = 0x0501
    ANTENNA_NOT_CONNECTED = 0x0503
    TEMPERATURE_EXCEEDS_LIMITS = 0x0504
    HIGH_RETURN_LOSS = 0x0505
    INVALID_ANTENNA_CONFIG = 0x0507
    INPUT_VOLTAGE_EXCEEDS_LIMITS = 0x0509
    TEMPERATURE_RISING = 0x050A
    TAG_BUFFER_NOT_ENOUGH_TAGS = 0x0600
    TAG_BUFFER_FULL = 0x0601
    FIRMWARE_ASSERT = 0x7F01


_OTHER_STATUS_NAMES: Final = {
    0x0104: "invalid_frequency",
    0x010A: "invalid_baud_rate",
    0x010C: "invalid_license_key",
    0x0200: "bootloader_invalid_image_crc",
    0x0201: "bootloader_invalid_end_address",
    0x0300: "flash_bad_erase_password",
    0x0301: "flash_bad_write_password",
    0x0302: "flash_undefined_sector",
    0x0303: "flash_illegal_sector",
    0x0304: "flash_write_to_non_erased_area",
    0x0305: "flash_write_to_illegal_sector",
    0x0306: "flash_verify_failed",
    0x0307: "flash_upgrade_bad_crc",
    0x0403: "write_passed_lock_failed",
    0x0404: "protocol_no_data_read",
    0x0405: "analog_front_end_not_on",
    0x0406: "protocol_write_failed",
    0x0407: "not_implemented_for_this_protocol",
    0x0408: "protocol_invalid_write_data",
    0x0409: "protocol_invalid_address",
    0x040A: "general_tag_error",
    0x040B: "data_too_large",
    0x040C: "protocol_invalid_kill_password",
    0x040E: "protocol_kill_failed",
    0x040F: "protocol_bit_decoding_failed",
    0x0410: "protocol_invalid_epc",
    0x0411: "protocol_invalid_number_of_data",
    0x0413: "protocol_invalid_tag_op",
    0x0420: "gen2_other_error",
    0x0423: "gen2_memory_overrun_bad_pc",
    0x0424: "gen2_memory_locked",
    0x0425: "gen2_authentication_failed",
    0x0426: "gen2_untrace_failed",
    0x042B: "gen2_insufficient_power",
    0x042F: "gen2_non_specific_error",
    0x0430: "gen2_unknown_error",
    0x04A7: "protocol_authentication_failed",
    0x0500: "invalid_frequency_hardware",
    0x0502: "transmitter_already_on",
    0x0602: "tag_buffer_repeated_tag",
    0x0603: "tag_buffer_too_many_tags",
    0x0604: "tag_buffer_authentication_request",
    0x7F00: "unknown_system_error",
}

OPCODE_NAMES: Final = {int(op): op.name.lower() for op in Op}
STATUS_NAMES: Final = {int(status): status.name.lower() for status in Status} | _OTHER_STATUS_NAMES

ADVICE: Final[dict[int, str]] = {
    Status.INVALID_REGION: "set the region of this reader in the store file, one that the module is built for",
    Status.NO_PROTOCOL_DEFINED: "power-cycle the reader: it has lost its settings",
    Status.CHANNEL_OCCUPIED: "another transmitter is on the channel; move readers apart, or read with fewer at a time",
    Status.ANTENNA_NOT_CONNECTED: "connect the antenna, or take its port out of the store file",
    Status.TEMPERATURE_EXCEEDS_LIMITS: "it does not read until it has cooled; give it air, or lower power_dbm",
    Status.HIGH_RETURN_LOSS: "check antenna and cable for damage and for metal close by, or lower power_dbm",
    Status.INVALID_ANTENNA_CONFIG: "give only antenna ports that the reader has",
    Status.INPUT_VOLTAGE_EXCEEDS_LIMITS: "check its power supply and the length of its cable",
    Status.TEMPERATURE_RISING: "give it air, or lower power_dbm",
}
"""What a person can do about what goes wrong while reading."""

_COUNTED_REGIONS: Final = (
    *("NA", "EU", "KR", "IN", "JP", "PRC", "EU2", "EU3", "KR2", "PRC2", "AU", "NZ", "NA2", "NA3", "IS", "MY", "ID"),
    *("PH", "TW", "MO", "RU", "SG", "JP2", "JP3", "VN", "TH", "AR", "HK", "BD", "EU4", "UNIVERSAL", "IS2", "NA4"),
)
REGIONS: Final = {name: code for code, name in enumerate(_COUNTED_REGIONS, start=1)} | {
    "OPEN_EXTENDED": 0xFE,
    "OPEN": 0xFF,
}
"""Region name → code (tmr_region.h). The law of the place decides which one is right."""
REGION_NAMES: Final = {code: name for name, code in REGIONS.items()} | {0: "NONE"}

GEN2: Final = 5
"""Number of the EPC Gen2 protocol (tmr_tag_protocol.h)."""

M6E: Final = 0x18
M7E: Final = 0x38
WITH_MULTIPLEXER: Final = frozenset({M6E, 0x19})
"""Models that have ports above 16, told apart by GPIO lines; the smaller ones lack the lines."""
_MODELS: Final = {M6E: "M6e", 0x19: "M6e-i", 0x20: "M6e-Micro", 0x30: "M6e-Nano", M7E: "M7e", 0x80: "M3e"}
_SILION_MODELS: Final = {0xA1: "SLR1200", 0xA4: "SQM5000", 0xA8: "SLR5800"}
_M7E_KINDS: Final = ("Pico", "Deka", "Hecto", "Mega", "Tera")


def model_name(hardware: bytes) -> str:
    """The model that the four hardware bytes of a version reply name (serial_reader_imp.h, TMR_SR_MODEL).

    >>> model_name(bytes.fromhex("38000002"))
    'M7e-Hecto'
    """
    if hardware[0] == M7E and hardware[3] < len(_M7E_KINDS):
        return f"M7e-{_M7E_KINDS[hardware[3]]}"
    if hardware[0] < M6E:
        return "M5e or older"
    if is_silion(hardware):
        return f"Silion {_SILION_MODELS.get(hardware[0], f'module of hardware {hardware.hex().upper()}')}"
    return _MODELS.get(hardware[0], f"module of unknown hardware {hardware.hex().upper()}")


def is_silion(hardware: bytes) -> bool:
    """Whether the module is a Silion one: same frames, other regions, other commands to stream."""
    return 0xA0 <= hardware[0] <= 0xAC or hardware[0] == 0xC0


def status_name(status: int) -> str:
    """Name of a status code, or ``unknown``."""
    return STATUS_NAMES.get(status, "unknown")


def fault_line(status: int, where: str = "") -> str:
    """Name of a status code, where it happened, and what to do about it.

    >>> fault_line(Status.TEMPERATURE_RISING)
    'temperature_rising: give it air, or lower power_dbm'
    """
    advice = ADVICE.get(status)
    return status_name(status) + where + (f": {advice}" if advice else "")
