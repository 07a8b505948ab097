"""The reader's side of a line to a Silion module, for the simulator."""

from struct import unpack_from
from typing import Final

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols.interface import TagSeen
from tagtrail.hardware.protocols.mercury.reader import MercuryReader, Refusal, expect
from tagtrail.hardware.protocols.mercury.streaming import Plan
from tagtrail.hardware.protocols.mercury.tables import Op, Status
from tagtrail.hardware.protocols.mercury_silion.extension import (
    MARKER,
    PHASE_STEPS,
    REGION_NAMES,
    Sub,
    heartbeat,
    parse_command,
    parse_start,
)

DWELL_MIN_MS, DWELL_MAX_MS = 20, 60_000
_IDENTITY: Final = bytes.fromhex("20180101 A1000201 20240415 24041500")


class SilionReader(MercuryReader):
    """An SLR1200 on the other end of the line.

    Attributes:
        dwell_ms: Time per antenna.
    """

    identity = _IDENTITY
    region_names = REGION_NAMES
    control = Op.SILION_EXTENDED
    report = Op.SILION_EXTENDED
    short_length = True

    def _forget(self) -> None:
        super()._forget()
        self.dwell_ms = 4000

    def idle(self, reader_time_ms: int) -> bytes:  # noqa: ARG002 - part of the interface
        """The sign of life."""
        return heartbeat(self._plan.search_flags) if self.streaming else b""

    def _values(self, seen: TagSeen) -> dict[str, int]:
        values = super()._values(seen)
        if seen.phase_deg is not None:
            values["phase_raw"] = round(seen.phase_deg * PHASE_STEPS / 360) % PHASE_STEPS
        return values

    def _answer(self, opcode: int, data: bytes) -> bytes:
        if not self._in_bootloader:
            if opcode == Op.SILION_EXTENDED:
                return self._extended(data)
            if opcode == Op.MULTI_PROTOCOL_TAG_OP:
                raise Refusal(Status.UNIMPLEMENTED_OPCODE)
            if opcode == Op.SET_HOP_TABLE:
                return self._set_dwell(data)
            if opcode == Op.SET_ANTENNA_PORT and data[:1] == b"\x04":
                return self._set_powers(data)
        return super()._answer(opcode, data)

    def _set_dwell(self, data: bytes) -> bytes:
        expect(len(data) == 5 and data[0] == 0x02)
        dwell_ms = int.from_bytes(data[1:], "big")
        expect(DWELL_MIN_MS <= dwell_ms <= DWELL_MAX_MS)
        self.dwell_ms = dwell_ms
        return b""

    def _set_powers(self, data: bytes) -> bytes:
        expect(len(data) > 1 and len(data) % 7 == 1, Status.WRONG_DATA_LENGTH)
        powers = [unpack_from(">Bhh", data, at) for at in range(1, len(data), 7)]
        self._set_port_powers(
            {("read", port): read for port, read, _ in powers} | {("write", port): write for port, _, write in powers}
        )
        return b""

    def _extended(self, data: bytes) -> bytes:
        try:
            asked = parse_command(data)
            expect(asked.whole)
            if asked.code == Sub.START:
                self._start(asked.data)
            else:
                expect(asked.code == Sub.STOP, Status.UNIMPLEMENTED_FEATURE)
                self.streaming = False
        except BadData:
            raise Refusal(Status.INVALID_PARAMETER) from None
        return MARKER + asked.code.to_bytes(2, "big")

    def _start(self, data: bytes) -> None:
        expect(not self.streaming, Status.UNIMPLEMENTED_FEATURE)
        start = parse_start(data)
        expect(start.option == 0)
        self._must_be_set_up()
        self._plan = Plan(search_flags=start.search_flags, metadata_flags=start.metadata_flags)
        self._head = start.metadata_flags.to_bytes(2, "big")
        self.streaming = True
