"""The proxy that plays the network, against a server that sends everything back."""

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from chaos.proxy import HOST, Proxy, Weather


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(OSError):
            while data := self.request.recv(65_536):
                self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Server((HOST, 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        proxy = Proxy(server.server_address[1], slow_bytes_per_s=2_000.0)
        yield proxy
        proxy.close()
        server.shutdown()


def dial(proxy: Proxy) -> socket.socket:
    return socket.create_connection((HOST, proxy.port), 10.0)


def ask(line: socket.socket, data: bytes) -> bytes:
    """Send, and take as many bytes back; fewer where the connection ends."""
    line.sendall(data)
    answer = b""
    while len(answer) < len(data) and (part := line.recv(65_536)):
        answer += part
    return answer


def test_it_passes_and_breaks_and_passes(proxy: Proxy) -> None:
    with dial(proxy) as line:
        assert ask(line, b"x" * 300_000) == b"x" * 300_000
        proxy.set(Weather.CUT)
        with pytest.raises(ConnectionResetError):
            line.recv(1)
    with dial(proxy) as line, pytest.raises(ConnectionError):
        raise ConnectionError(ask(line, b"refused"))  # a reset or an end, as it comes
    proxy.set(Weather.PASS)
    with dial(proxy) as line:
        assert ask(line, b"again") == b"again"
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            line.recv(1)
    assert proxy.connections == 3


def test_a_half_open_connection_takes_all_and_says_nothing(proxy: Proxy) -> None:
    with dial(proxy) as old:
        assert ask(old, b"before") == b"before"
        proxy.set(Weather.STALL)
        with dial(proxy) as new:
            for line in (old, new):
                line.sendall(b"y" * 100_000)
                line.settimeout(0.1)
                with pytest.raises(TimeoutError):
                    line.recv(1)
            proxy.set(Weather.PASS)
            for line in (old, new):
                line.settimeout(10.0)
                with pytest.raises(ConnectionResetError):
                    line.recv(1)
    assert proxy.swallowed == 200_000


def test_a_slow_connection_delivers_all_in_its_time(proxy: Proxy) -> None:
    proxy.set(Weather.SLOW)
    with dial(proxy) as line:
        begun_s = time.monotonic()
        assert ask(line, bytes(range(200))) == bytes(range(200))
        assert time.monotonic() - begun_s >= 0.1
