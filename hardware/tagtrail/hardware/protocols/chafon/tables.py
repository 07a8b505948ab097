"""Numbers of the Chafon protocol and their names: commands, statuses, reader types, frequency bands.

Source: UHFReader18 User's Manual V2.0, 4 and 5; UHF RFID Reader UR-SERIES User Manual v1.14, 8 (bands: 8.4.2).
"""

from enum import Enum, IntEnum
from typing import Final, NamedTuple


class Layout(Enum):
    """How a reader lays out the tags of an inventory; its type decides, see `Info.layout`."""

    WITHOUT_ANTENNA = "18"
    """UHFReader18 and its kin: neither antenna nor signal strength."""
    WITH_ANTENNA = "288"
    """UHFReader288 and its kin."""

    @property
    def types(self) -> frozenset[int]:
        """Reader types that are known to have it, whatever else they tell."""
        return _TYPES[self]


_TYPES: Final = {
    Layout.WITHOUT_ANTENNA: frozenset({0x03, 0x08, 0x09}),
    Layout.WITH_ANTENNA: frozenset({0x0C, 0x0F, 0x10, 0x16, 0x20, 0x8B}),
}


class Command(IntEnum):
    """Commands that the code acts on; `COMMAND_NAMES` has all."""

    UNKNOWN = 0x00
    """The reader answers a command that it cannot read."""
    INVENTORY = 0x01
    SINGLE_INVENTORY = 0x0F
    GET_READER_INFO = 0x21
    SET_FREQUENCY = 0x22
    SET_ADDRESS = 0x24
    SET_SCAN_TIME = 0x25
    SET_BAUD = 0x28
    SET_POWER = 0x2F
    SET_WORK_MODE_18 = 0x35
    GET_WORK_MODE_18 = 0x36
    SET_ANTENNAS = 0x3F
    SET_BUZZER = 0x40
    GET_SERIAL_NO = 0x4C
    SET_ANTENNA_CHECK = 0x66
    GET_BUFFER = 0x72
    GET_BUFFER_COUNT = 0x74
    SET_WORK_MODE = 0x76
    GET_WORK_MODE = 0x77
    HEARTBEAT_INTERVAL = 0x78
    RETURN_LOSS = 0x91
    GET_TEMPERATURE = 0x92
    STOP_INVENTORY = 0x93
    AUTO_REPORT = 0xEE


_OTHER_COMMAND_NAMES: Final = {
    0x02: "read_data",
    0x03: "write_data",
    0x04: "write_epc",
    0x05: "kill_tag",
    0x06: "lock_tag",
    0x07: "erase_block",
    0x08: "protect_epc",
    0x09: "protect_any",
    0x0A: "unprotect",
    0x0B: "check_protection",
    0x0C: "set_eas",
    0x0D: "detect_eas",
    0x0E: "lock_user_block",
    0x10: "write_block",
    0x11: "get_qt",
    0x12: "set_qt",
    0x15: "read_data_extended",
    0x16: "write_data_extended",
    0x18: "inventory_to_buffer",
    0x19: "mix_inventory",
    0x1A: "inventory_by_epc",
    0x1B: "qt_inventory",
    0x33: "led_beep",
    0x34: "set_wiegand",
    0x37: "set_eas_accuracy",
    0x38: "set_syris_offset",
    0x3A: "set_tag_type",
    0x3B: "set_trigger_offset",
    0x46: "set_gpio",
    0x47: "get_gpio",
    0x50: "inventory_6b",
    0x51: "inventory_6b_or_vendor",
    0x52: "read_6b",
    0x53: "write_6b",
    0x54: "check_lock_6b",
    0x55: "lock_6b",
    0x6E: "return_loss_threshold",
    0x70: "set_max_epc_length",
    0x71: "get_max_epc_length",
    0x73: "clear_buffer",
    0x75: "set_real_time_parameters",
    0x79: "set_write_power",
    0x7A: "get_write_power",
    0x7B: "write_retries",
    0x7D: "set_tag_password",
    0x7E: "get_tag_password",
    0x7F: "profile",
    0x90: "drm",
}

COMMAND_NAMES: Final = {
    int(code): code.name.lower() for code in Command if code is not Command.UNKNOWN
} | _OTHER_COMMAND_NAMES


class Status(IntEnum):
    """Statuses that the code acts on; `STATUS_NAMES` has all."""

    OK = 0x00
    INVENTORY_DONE = 0x01
    INVENTORY_TIMEOUT = 0x02
    MORE_FRAMES = 0x03
    MEMORY_FULL = 0x04
    STATISTICS = 0x26
    HEARTBEAT = 0x28
    ANTENNA_ERROR = 0xF8
    NO_TAG = 0xFB
    WRONG_LENGTH = 0xFD
    ILLEGAL_COMMAND = 0xFE
    WRONG_PARAMETER = 0xFF


STATUS_NAMES: Final = {int(status): status.name.lower() for status in Status} | {
    0x05: "access_password_error",
    0x09: "kill_password_error",
    0x0A: "kill_password_zero",
    0x0B: "command_not_supported_by_tag",
    0x0C: "access_password_zero",
    0x0D: "protected_already",
    0x0E: "not_protected",
    0x10: "locked_bytes_6b",
    0x11: "lock_failed_6b",
    0x12: "locked_already_6b",
    0x13: "save_failed",
    0x14: "power_not_adjustable",
    0x15: "inventory_done_6b",
    0x16: "inventory_timeout_6b",
    0x17: "more_frames_6b",
    0x18: "memory_full_6b",
    0x19: "eas_failed",
    0xF9: "execution_error",
    0xFA: "poor_communication",
    0xFC: "tag_error",
}

NOT_FAULTS: Final = frozenset(
    {
        Status.OK,
        Status.INVENTORY_DONE,
        Status.INVENTORY_TIMEOUT,
        Status.MORE_FRAMES,
        Status.STATISTICS,
        Status.HEARTBEAT,
        Status.NO_TAG,
        0x15,
        0x16,
        0x17,
    }
)
"""Statuses that tell how far a command came; all others tell what went wrong."""

ADVICE: Final = {
    Status.MEMORY_FULL: "shorten the scan time",
    0x05: "clear the access password that was given",
    0x13: "power-cycle the reader; if it comes again, its memory is worn out",
    0x14: "leave the power to the reader",
    Status.ANTENNA_ERROR: "check antenna, cable and plug of this port",
    0xF9: "power-cycle the reader",
    0xFA: "bring the tags nearer or raise power_dbm",
    Status.WRONG_LENGTH: "this firmware takes another form of the command; update it",
    Status.ILLEGAL_COMMAND: "check cable and baud rate; else this firmware lacks the command, update it",
    Status.WRONG_PARAMETER: "the reader cannot do what the store file asks; change it",
}
"""What a person can do, by status."""

TYPE_NAMES: Final = {
    0x03: "RRU9803M",
    0x08: "RRU9803M",
    0x09: "UHFReader18",
    0x0C: "UHFReader288M",
    0x0F: "UHFReader86",
    0x10: "UHFReader86",
    0x16: "RRU9883M",
    0x20: "UHFReader288MP",
    0x86: "UHFReader86",
    0x89: "UHFReader188",
    0x8B: "UHFReader288",
}


class Band(NamedTuple):
    """A frequency band: channel N lies at ``start_khz`` + N × ``step_khz``, up to N = ``channel_max``."""

    code: int
    name: str
    start_khz: int
    step_khz: int
    channel_max: int

    def setting(self) -> bytes:
        """All channels of the band, as `Command.SET_FREQUENCY` takes them: highest and lowest channel."""
        return bytes((self.code >> 2 << 6 | self.channel_max, (self.code & 3) << 6))


BANDS: Final = {
    band.code: band
    for band in (
        Band(0x1, "China2", 920_125, 250, 19),
        Band(0x2, "US", 902_750, 500, 49),
        Band(0x3, "Korea", 917_100, 200, 31),
        Band(0x4, "EU", 865_100, 200, 14),
        Band(0x6, "Ukraine", 868_000, 100, 6),
        Band(0x7, "Peru", 916_200, 900, 11),
        Band(0x8, "China1", 840_125, 250, 19),
        Band(0x9, "EU3", 865_700, 600, 3),
        Band(0xA, "Taiwan", 922_250, 500, 11),
        Band(0xC, "US3", 902_000, 500, 52),
    )
}

REGIONS: Final = {
    "EU": BANDS[0x4],
    "EU3": BANDS[0x9],
    "NA": BANDS[0x2],
    "PRC": BANDS[0x1],
    "PRC2": BANDS[0x8],
    "KR": BANDS[0x3],
    "TW": BANDS[0xA],
}
"""Region of the store file → band of the reader. The law of the place decides which one is right."""
