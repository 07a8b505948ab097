"""The thread that keeps the connection to the broker ends only when it is told to."""

import contextlib
import gc
import logging
import socket
import threading
import weakref

import pytest

from fixture_ingest import wait_until
from tagtrail.hardware.mqtt_address import MqttAddress
from tagtrail.ingest import subscriber
from tagtrail.ingest.inbox import Inbox
from tagtrail.ingest.settings import IngestSettings
from tagtrail.ingest.tap import TappedClient


def test_a_host_that_no_resolver_takes_is_told_and_tried_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(subscriber, "RETRY_LIMIT_S", 0.01)
    monkeypatch.setattr(subscriber, "RETRY_FIRST_S", 0.01)
    listener = subscriber.Subscriber(IngestSettings(dsn="x", mqtt="mqtt://a..b:1883"), Inbox(1))
    tries = []
    connect = listener._connect

    def count(address: MqttAddress) -> str:
        tries.append(address)
        return connect(address)

    monkeypatch.setattr(listener, "_connect", count)
    listener.start()
    wait_until(lambda: len(tries) > 2, "it is tried again", 10)
    assert "broker" in {thread.name for thread in threading.enumerate()}
    listener.stop(10)
    assert len(caplog.messages) == 1
    assert "a..b:1883" in caplog.text


class Server:
    """A broker that sends each client the same bytes, and keeps what it hears."""

    def __init__(self, says: bytes, *, closes: bool) -> None:
        self.heard = b""
        self.clients = 0
        self._says = says
        self._closes = closes
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with client:
                    client.recv(1000)
                    client.sendall(self._says)
                    self.clients += 1
                    while not self._closes and (data := client.recv(1000)):
                        self.heard += data


def test_what_comes_together_with_the_answer_to_the_connection_is_acknowledged() -> None:
    topic = b"tagtrail/v1/riverside/edge-1/reads"
    body = len(topic).to_bytes(2) + topic + (7).to_bytes(2) + b"payload"
    server = Server(b"\x20\x02\x01\x00" + b"\x32" + bytes([len(body)]) + body, closes=False)
    inbox = Inbox(10)
    listener = subscriber.Subscriber(IngestSettings(dsn="x", mqtt=server.url), inbox)
    listener.start()
    try:
        (message,) = inbox.take(1, 10)
        assert message.delivery is not None
        listener.acknowledge([message.delivery])
        wait_until(lambda: b"\x40\x02\x00\x07" in server.heard, "the acknowledgement", 10)
    finally:
        listener.stop()
        server.close()


def test_a_connection_that_ended_leaves_nothing_to_be_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriber, "RETRY_LIMIT_S", 0.001)
    monkeypatch.setattr(subscriber, "RETRY_FIRST_S", 0.001)
    server = Server(b"\x20\x02\x00\x05", closes=True)  # not authorized
    listener = subscriber.Subscriber(IngestSettings(dsn="x", mqtt=server.url), Inbox(1))
    clients: list[weakref.ref[TappedClient]] = []
    make = listener._new_client

    def keep() -> TappedClient:
        client = make()
        clients.append(weakref.ref(client))
        return client

    monkeypatch.setattr(listener, "_new_client", keep)
    gc.disable()
    try:
        listener.start()
        wait_until(lambda: len(clients) > 5, "some connections", 10)
        assert [client() for client in clients[:4]] == [None] * 4  # and with them their sockets are closed
    finally:
        gc.enable()
        listener.stop()
        server.close()
