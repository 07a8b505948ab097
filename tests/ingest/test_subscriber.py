"""The thread that keeps the connection to the broker ends only when it is told to."""

import logging
import threading

import pytest

from fixture_ingest import wait_until
from tagtrail.hardware.mqtt_address import MqttAddress
from tagtrail.ingest import subscriber
from tagtrail.ingest.inbox import Inbox
from tagtrail.ingest.settings import IngestSettings


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
