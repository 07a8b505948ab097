"""Takes what is published out of the stream before paho sees it.

paho asks the kernel four times and copies five times per message: 60 to 90 µs, a third of all that ingest does. Here
many messages come by one call and each is copied once. All other packets are paho's.

Format: MQTT 3.1.1, 2.2 (fixed header), 3.3 (PUBLISH).
"""

import socket
import ssl
import struct
from collections.abc import Callable, Sequence
from typing import Final, cast

import paho.mqtt.client as mqtt

Take = Callable[[bytes, bytes, int | None], None]
"""Topic, payload, message id (None at QoS 0)."""

RECEIVE_BYTES: Final = 1024 * 1024
LENGTH_BYTES: Final = 4
_PUBLISH: Final = 0x30
_PUBACK: Final = struct.Struct("!BBH")


class Tap:
    """A socket that keeps PUBLISH packets of QoS 0 and 1 to itself.

    Args:
        sock: Connected; without blocking, once paho has set it so.
        take: Gets what they hold.
    """

    def __init__(self, sock: socket.socket, take: Take) -> None:
        self._sock = sock
        self._take = take
        self._received = memoryview(bytearray(RECEIVE_BYTES))  # one for all: fresh memory costs more than to fill it
        self._unread = bytearray()
        self._rest = bytearray()

    def recv(self, buffer_size: int) -> bytes:
        """Some bytes of the other packets; none at the end of the connection.

        Raises:
            BlockingIOError: There are none yet.
            OSError: As the socket does.
        """
        if not self._rest:
            received = self._receive()
            if received == 0:
                return b""
            self._unread += self._received[:received]
            self._sort()
            if not self._rest:
                raise BlockingIOError
        data = bytes(self._rest[:buffer_size])
        del self._rest[:buffer_size]
        return data

    def _receive(self) -> int:
        """Fill the memory with what is there: TLS gives one record at a call, and brokers make one of each message."""
        received = self._sock.recv_into(self._received)
        while isinstance(self._sock, ssl.SSLSocket) and 0 < received < RECEIVE_BYTES:
            try:
                more = self._sock.recv_into(self._received[received:])
            except OSError:  # nothing more; where it is worse, the next call says so
                break
            if more == 0:
                break
            received += more
        return received

    def pending(self) -> int:
        """Bytes that no select tells of."""
        return len(self._rest) + (self._sock.pending() if isinstance(self._sock, ssl.SSLSocket) else 0)

    def send(self, buffer: bytes | bytearray) -> int:
        """As the socket does."""
        return self._sock.send(buffer)

    def fileno(self) -> int:
        """As the socket does."""
        return self._sock.fileno()

    def setblocking(self, flag: bool) -> None:
        """As the socket does."""
        self._sock.setblocking(flag)

    def close(self) -> None:
        """As the socket does."""
        self._sock.close()

    def _sort(self) -> None:
        """Give each whole packet to whom it belongs."""
        begin = 0
        unread = memoryview(self._unread)
        while (bounds := _bounds(unread, begin)) is not None:
            body, end = bounds
            if not self._publish(unread[begin], unread[body:end]):
                self._rest += unread[begin:end]
            begin = end
        unread.release()
        del self._unread[:begin]

    def _publish(self, header: int, body: memoryview) -> bool:
        qos = header >> 1 & 3
        if header & 0xF0 != _PUBLISH or qos > 1 or len(body) < 2:
            return False
        topic_end = 2 + int.from_bytes(body[:2])
        begin = topic_end + 2 * qos
        if begin > len(body):
            return False  # paho says what is wrong with it
        mid = int.from_bytes(body[topic_end:begin]) if qos else None
        self._take(bytes(body[2:topic_end]), bytes(body[begin:]), mid)
        return True


def _bounds(data: memoryview, begin: int) -> tuple[int, int] | None:
    """Where the packet's body begins and ends; None while it is not all there."""
    length = 0
    for index in range(LENGTH_BYTES):
        position = begin + 1 + index
        if position >= len(data):
            return None
        length |= (data[position] & 0x7F) << 7 * index
        if data[position] < 0x80:
            end = position + 1 + length
            return (position + 1, end) if end <= len(data) else None
    return len(data), len(data)  # no length at all: paho says so


class TappedClient(mqtt.Client):
    """paho's client with a tap; should paho's way of making sockets change, ``on_message`` gets what is published."""

    take: Take

    def acknowledge(self, mids: Sequence[int]) -> None:
        """Confirm messages of QoS 1 (MQTT 3.1.1, 3.4) as one packet of paho's, which sends each alone."""
        if mids:
            acks = b"".join(_PUBACK.pack(mqtt.PUBACK, _PUBACK.size - 2, mid) for mid in mids)
            self._packet_queue(mqtt.PUBACK, acks, mids[-1], 1)

    def _create_socket(self) -> Tap:
        return Tap(cast("socket.socket", super()._create_socket()), self.take)
