"""A connection to the MQTT broker that is made again and again; what came over it waits to be fetched."""

import logging
import queue
from dataclasses import dataclass
from typing import Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tagtrail.hardware.mqtt_address import parse_mqtt_address, tls_context

KEEPALIVE_S: Final = 30
RETRY_S: Final = (1, 30)

log = logging.getLogger("tagtrail.simulate")


@dataclass(frozen=True, kw_only=True)
class MqttTarget:
    """Which broker, and how to get in.

    Attributes:
        url: ``mqtt://HOST:PORT`` or ``mqtts://HOST:PORT``.
        ca: As for `tls_context`.
    """

    url: str
    user: str | None = None
    password: str | None = None
    ca: str | None = None


class Connection:
    """One client of a broker.

    Args:
        target: The broker.
        client_id: Who we are there.
        topics: What to listen to.
        will: Topic and payload of the retained last will.

    Attributes:
        ready: Connected, and the broker has taken the subscription.
        made: How often that has been so.

    Raises:
        GiveUp: The file of the authority cannot be used.
    """

    def __init__(
        self, target: MqttTarget, client_id: str, topics: list[str], will: tuple[str, bytes] | None = None
    ) -> None:
        address = parse_mqtt_address(target.url)
        self.ready, self.made = False, 0
        self._where = f"broker {address.host}:{address.port}"
        self._topics = topics
        self._given = self._acknowledged = 0
        self._told = ""
        self._inbox: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._client = client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=True)
        if target.user is not None:
            client.username_pw_set(target.user, target.password)
        if address.tls:
            client.tls_set_context(tls_context(target.ca))
        if will:
            client.will_set(*will, qos=1, retain=True)
        client.max_inflight_messages_set(0)
        client.reconnect_delay_set(*RETRY_S)
        client.on_connect = self._on_connect
        client.on_connect_fail = lambda *_: self._tell("cannot be reached")
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = lambda _client, _data, message: self._inbox.put((message.topic, bytes(message.payload)))
        client.connect_async(address.host, address.port, KEEPALIVE_S)
        client.loop_start()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Hand over a message (QoS 1), which is kept until the broker has it; False where there is no connection."""
        if not self.ready:
            return False
        self._given += 1
        self._client.publish(topic, payload, 1, retain)
        return True

    def inbox(self) -> list[tuple[str, bytes]]:
        """Topics and payloads that came since this was asked last."""
        return [self._inbox.get() for _ in range(self._inbox.qsize())]

    @property
    def unacknowledged(self) -> int:
        """Messages that the broker has not confirmed."""
        return self._given - self._acknowledged

    def close(self) -> None:
        """Disconnect in order, so that the last will is not sent."""
        self.ready = False
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(
        self, client: mqtt.Client, _data: object, _flags: mqtt.ConnectFlags, reason: ReasonCode, _p: Properties | None
    ) -> None:
        if reason.is_failure:
            self._tell(f"refuses us ({reason}); check mqtt_user and mqtt_password")
        elif self._topics:
            client.subscribe([(topic, 1) for topic in self._topics])
        else:
            self._begin()

    def _on_subscribe(self, *_: object) -> None:
        self._begin()

    def _on_publish(self, *_: object) -> None:
        self._acknowledged += 1

    def _begin(self) -> None:
        self._told = ""
        self.made += 1
        self.ready = True

    def _on_disconnect(self, *_: object) -> None:
        if self.ready:
            self._tell("is gone")
        self.ready = False

    def _tell(self, what: str) -> None:
        """Once, until it changes."""
        if what != self._told:
            self._told = what
            log.warning("%s %s; trying again for ever", self._where, what)
