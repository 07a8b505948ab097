"""Both brokers carry a message and a retained one."""

import queue
import signal
import subprocess
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tagtrail.hardware.errors import GiveUp
from tagtrail.stack import broker as brokers
from tagtrail.stack import process
from tagtrail.stack.broker import Kind, find_mosquitto, prepare_broker
from tagtrail.stack.postgres import free_port


@pytest.mark.parametrize("kind", ["mosquitto", "amqtt"])
def test_a_message_and_a_retained_one_arrive(kind: Kind, tmp_path: Path) -> None:
    if kind == "mosquitto" and find_mosquitto() is None:
        pytest.skip("Mosquitto is not installed")
    broker = prepare_broker(tmp_path / "with a space", free_port(), kind)
    child = process.start(broker.argv, stdout=subprocess.DEVNULL)
    try:
        broker.wait_ready()
        arrived: queue.Queue[tuple[str, bytes]] = queue.Queue()
        publisher = mqtt.Client(CallbackAPIVersion.VERSION2)
        publisher.connect("127.0.0.1", broker.port)
        publisher.loop_start()
        publisher.publish("test/kept", b"kept", qos=1, retain=True).wait_for_publish(10)
        subscriber = mqtt.Client(CallbackAPIVersion.VERSION2)
        subscriber.on_message = lambda _client, _data, message: arrived.put((message.topic, bytes(message.payload)))
        subscriber.connect("127.0.0.1", broker.port)
        subscriber.subscribe("test/#", qos=1)
        subscriber.loop_start()
        assert arrived.get(timeout=10) == ("test/kept", b"kept")
        publisher.publish("test/live", b"live", qos=1)
        assert arrived.get(timeout=10) == ("test/live", b"live")
        for client in (publisher, subscriber):
            client.disconnect()
            client.loop_stop()
    finally:
        process.stop(child, signal.SIGTERM)


def test_without_mosquitto_amqtt_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(brokers, "find_mosquitto", lambda: None)
    assert prepare_broker(tmp_path, 1).kind == "amqtt"
    with pytest.raises(GiveUp, match="Mosquitto is not installed"):
        prepare_broker(tmp_path, 1, "mosquitto")
