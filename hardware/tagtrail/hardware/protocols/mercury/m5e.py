"""An M5e, for the simulator: it knows no continuous reading, so it is read in rounds; see `rounds`."""

from typing import Final

from tagtrail.hardware.protocols.interface import TagSeen
from tagtrail.hardware.protocols.mercury.frame import reply
from tagtrail.hardware.protocols.mercury.reader import MercuryReader, Refusal, expect
from tagtrail.hardware.protocols.mercury.rounds import AGAIN, HEAD, NEXT
from tagtrail.hardware.protocols.mercury.tables import Op, Status
from tagtrail.hardware.protocols.mercury.tags import epc_block, pack_fields

_DATA_MAX: Final = 248


class M5eReader(MercuryReader):
    """A module that wakes in its bootloader, without a word, and tells tags when it is asked for them.

    While it looks for tags it hears nothing; the commands that come meanwhile are obeyed afterwards.
    """

    identity = bytes.fromhex("07091700 01000001 20071012 09051200")
    hears_while_reading = True

    def _forget(self) -> None:
        super()._forget()
        self._in_bootloader = True
        self._found: list[TagSeen] = []
        self._read = self._last_read = 0
        self._looks = self._asked = False
        self._queue: list[tuple[int, bytes]] = []

    def tag(self, seen: TagSeen) -> bytes:
        """A tag ends the search that runs; it is told when the host reads the tag buffer."""
        return self.tags([seen])

    def tags(self, seen: list[TagSeen]) -> bytes:
        """The same for several tags at once.

        Raises:
            RuntimeError: The reader is not streaming.
            ValueError: An EPC is not whole words of hex, or a record cannot tell the antenna.
        """
        self._must_stream()
        if not self._looks:
            return b""
        for each in seen:
            self._record(each, 0)
        self._found += seen
        return self._end(Status.OK, bytes((len(seen),)))

    def idle(self, reader_time_ms: int) -> bytes:  # noqa: ARG002 - part of the interface
        """The end of a search without tags."""
        if self._looks:
            return self._end(Status.NO_TAGS_FOUND)
        self.streaming = self.streaming and self._asked
        self._asked = False
        return b""

    def reboot(self) -> bytes:
        """Forget everything that the host has set; it wakes without a word."""
        super().reboot()
        return b""

    def _end(self, status: Status, data: bytes = b"") -> bytes:
        self._looks = False
        queue, self._queue = self._queue, []
        return reply(Op.READ_TAG_MULTIPLE, status, data) + b"".join(self._obey(*each) for each in queue)

    def _obey(self, opcode: int, data: bytes) -> bytes:
        self._asked = True
        if self._looks:
            self._queue.append((opcode, data))
            return b""
        answer = super()._obey(opcode, data)
        return self._unless_it_looks(answer)

    def _unless_it_looks(self, answer: bytes) -> bytes:
        """A search answers at its end."""
        return b"" if self._looks else answer

    def _answer(self, opcode: int, data: bytes) -> bytes:
        if not self._in_bootloader:
            if opcode == Op.MULTI_PROTOCOL_TAG_OP:
                raise Refusal(Status.INVALID_OPCODE)
            if opcode == Op.READ_TAG_MULTIPLE:
                return self._look(data)
            if opcode == Op.GET_TAG_BUFFER:
                return self._tell(data)
            if opcode == Op.CLEAR_TAG_BUFFER:
                self._found, self._read, self._last_read = [], 0, 0
        return super()._answer(opcode, data)

    def _look(self, data: bytes) -> bytes:
        expect(len(data) in (4, 5), Status.WRONG_DATA_LENGTH)
        self._must_be_set_up()
        self.streaming = self._looks = True
        return b""

    def _tell(self, data: bytes) -> bytes:
        if not data:
            return self._read.to_bytes(2, "big") + len(self._found).to_bytes(2, "big")
        expect(len(data) == 3, Status.WRONG_DATA_LENGTH)
        expect(data[2] in (NEXT, AGAIN))
        flags = int.from_bytes(data[:2], "big")
        if data[2] == AGAIN:
            self._read = self._last_read
        self._last_read = self._read
        told = b""
        for seen in self._found[self._read :]:
            record = self._record(seen, flags)
            if HEAD.size + len(told) + len(record) > _DATA_MAX:
                break
            told += record
            self._read += 1
        return HEAD.pack(flags, 0, self._read - self._last_read) + told

    def _record(self, seen: TagSeen, flags: int) -> bytes:
        return pack_fields(flags, self._values(seen)) + epc_block(seen.epc)
