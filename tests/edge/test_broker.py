"""The thread that keeps the connection to the broker ends only when it is told to."""

import logging
import random
import threading

import pytest

from fixture_ingest import wait_until
from tagtrail.edge.backoff import Backoff
from tagtrail.edge.broker import Broker, BrokerSettings


def test_a_host_that_no_resolver_takes_is_told_and_tried_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING)
    tries = []

    def next_s(_: Backoff) -> float:
        tries.append(1)
        return 0.01

    monkeypatch.setattr(Backoff, "next_s", next_s)
    settings = BrokerSettings(
        url="mqtt://a..b:1883", user=None, password=None, client_id="x", subscribe_to=("t",), will_topic="w"
    )
    broker = Broker(settings, will=lambda: b"", emit=lambda _: None, rng=random.Random(1))
    broker.start()
    wait_until(lambda: len(tries) > 2, "it is tried again", 10)
    assert "broker" in {thread.name for thread in threading.enumerate()}
    broker.stop(10)
    assert len(caplog.messages) == 1
    assert "a..b:1883" in caplog.text
