"""What is published goes one way, all other packets the other, wherever the network cuts the stream."""

import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixture_tls import make_certificates
from tagtrail.ingest.tap import Tap

Published = tuple[bytes, bytes, int | None]


def packet(header: int, body: bytes) -> bytes:
    length, rest = b"", len(body)
    while True:
        rest, digit = divmod(rest, 128)
        length += bytes([digit | (0x80 if rest else 0)])
        if not rest:
            return bytes([header]) + length + body


def publish(topic: bytes, payload: bytes, mid: int | None) -> bytes:
    body = len(topic).to_bytes(2) + topic + (b"" if mid is None else mid.to_bytes(2)) + payload
    return packet(0x30 if mid is None else 0x32, body)


published = st.tuples(st.binary(max_size=5), st.binary(max_size=400), st.none() | st.integers(1, 65_535))
other = st.tuples(st.sampled_from([0x20, 0x40, 0x90, 0xD0, 0x34]), st.binary(max_size=200))


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def drain(tap: Tap, size: int) -> bytes:
    data = b""
    while True:
        try:
            part = tap.recv(size)
        except BlockingIOError:
            return data
        assert part, "the connection has ended"
        data += part


@given(packets=st.lists(published | other, max_size=8), cuts=st.lists(st.integers(1, 300)), size=st.integers(1, 100))
def test_each_packet_goes_its_way(packets: list[tuple[Any, ...]], cuts: list[int], size: int) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0)
        taken: list[Published] = []
        tap = Tap(ours, lambda *published: taken.append(published))
        stream = b"".join(publish(*part) if len(part) == 3 else packet(*part) for part in packets)
        rest = b""
        for cut in [*cuts, len(stream)]:
            theirs.sendall(stream[:cut])
            stream = stream[cut:]
            rest += drain(tap, size)
        assert taken == [part for part in packets if len(part) == 3]
        assert rest == b"".join(packet(*part) for part in packets if len(part) == 2)


def test_the_end_of_the_connection_is_told(pair: tuple[socket.socket, socket.socket]) -> None:
    tap = Tap(pair[0], lambda *_: None)
    pair[1].close()
    assert tap.recv(1) == b""


@pytest.mark.parametrize("garbage", [b"\x30\xff\xff\xff\xff\x01abc", b"\x32\x03\x00\x05a", b"\x32\x01\x00"])
def test_garbage_is_left_to_paho(pair: tuple[socket.socket, socket.socket], garbage: bytes) -> None:
    tap = Tap(pair[0], lambda *_: pytest.fail("taken"))
    pair[1].sendall(garbage)
    assert tap.recv(100) == garbage


def test_many_records_of_tls_come_at_one_call(tmp_path: Path) -> None:
    make_certificates(tmp_path)
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    outside = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    ours, theirs = socket.socketpair()
    with ThreadPoolExecutor(1) as executor:
        shaken = executor.submit(inside.wrap_socket, theirs, server_side=True)
        with outside.wrap_socket(ours, server_hostname="127.0.0.1") as client, shaken.result(10) as server:
            for number in range(1, 51):
                server.sendall(publish(b"topic", b"payload", number))  # a record each
            client.settimeout(0)
            taken: list[Published] = []
            with pytest.raises(BlockingIOError):
                Tap(client, lambda *published: taken.append(published)).recv(1)
            assert [mid for _, _, mid in taken] == list(range(1, 51))
