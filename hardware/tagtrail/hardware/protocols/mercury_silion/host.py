"""The host's side of a line to a Silion module: as a ThingMagic module, but for starting, reading and stopping."""

from struct import pack
from typing import Final

import msgspec

from tagtrail.hardware.protocols.interface import ReaderSettings
from tagtrail.hardware.protocols.mercury.frame import command
from tagtrail.hardware.protocols.mercury.host import MERCURY, SILION, MercuryHost
from tagtrail.hardware.protocols.mercury.setup import (
    METADATA,
    NIBBLE_PORT_MAX,
    NOT_KNOWN,
    power_of_both,
    powers_cdbm,
    radio_steps,
    region_step,
    search_list,
)
from tagtrail.hardware.protocols.mercury.tables import Op, Status
from tagtrail.hardware.protocols.mercury.tags import tag_seen
from tagtrail.hardware.protocols.mercury_silion.extension import (
    HEARTBEAT,
    MARKER,
    PHASE_STEPS,
    REGIONS,
    Start,
    Sub,
    extended,
    parse_acknowledgement,
    parse_command,
    parse_tag,
)
from tagtrail.hardware.protocols.session import Step

DWELL_MS: Final = 500
"""Time per antenna. The module's own 4 s would miss who walks by the second of two antennas."""

_START: Final = Step("start reading", (Start(METADATA).frame(),), "check region and antennas")


class SilionHost(MercuryHost):
    """Host session of one Silion module.

    How often a module gives a sign of life is not published, so its silence is borne for long.

    Raises:
        FaultsError: The settings cannot be obeyed by any module.
    """

    protocol = SILION
    ports_max = NIBBLE_PORT_MAX
    regions = REGIONS
    reads_in_rounds = False
    stop_command = extended(Sub.STOP)
    silence_s = 15.0

    def setup(self) -> list[Step]:
        """From the region up to the start."""
        return _steps(self.settings)

    def start_steps(self) -> tuple[Step, ...]:
        """What starts reading; there is no form with rests."""
        return (_START,)

    def hear(self, frame: bytes) -> None:
        """One good frame came."""
        opcode, status, data = frame[2], frame[3] << 8 | frame[4], frame[5:-2]
        report = opcode == Op.SILION_EXTENDED and status != Status.FIRMWARE_ASSERT and not data.startswith(MARKER)
        if opcode == Op.READ_TAG_MULTIPLE:
            self._belongs_to(MERCURY, "a ThingMagic module that reads")
        elif report and not self._answers(opcode, status, data):
            self._notification(status, data)
        else:
            super().hear(frame)

    def _answers(self, opcode: int, status: int, data: bytes) -> bool:
        """Whether a reply is to the outstanding command; a refusal may come without saying what it refuses."""
        awaited = self.outstanding
        if not awaited or opcode != awaited[2]:
            return False
        if opcode != Op.SILION_EXTENDED:
            return True
        answer = parse_acknowledgement(data)
        if answer is None:
            return status in NOT_KNOWN or (self.begins and status != Status.OK)
        return answer.code == parse_command(awaited[3:-2]).code

    def _content(self, data: bytes) -> None:
        if data.startswith(HEARTBEAT):
            self.alive()
            return
        _, record = parse_tag(data)
        seen = tag_seen(record, plain_antenna=None)
        if seen.phase_deg is not None:
            phase_deg = record.fields["phase_raw"] % PHASE_STEPS * 360 / PHASE_STEPS
            seen = msgspec.structs.replace(seen, phase_deg=phase_deg)
        self.seen(seen)


def _steps(settings: ReaderSettings) -> list[Step]:
    powers = powers_cdbm(settings)
    with_settling = b"\x04" + b"".join(pack(">BhhH", port, power, power, 0) for port, power in powers)
    dwell = command(Op.SET_HOP_TABLE, b"\x02" + DWELL_MS.to_bytes(4, "big"))
    return [
        region_step(settings, REGIONS),
        *radio_steps(
            settings, search_list(settings), [power_of_both(powers), command(Op.SET_ANTENNA_PORT, with_settling)]
        ),
        Step("set the time per antenna", (dwell,), optional=True),
    ]
