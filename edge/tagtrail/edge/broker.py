"""The connection to the MQTT broker: a thread that keeps it, and events for the main loop.

Each connection gets a client of its own, so nothing that an old one had queued is sent behind our back: what is sent
again, and when, is decided from the spool alone.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tagtrail.edge.backoff import Backoff
from tagtrail.hardware.mqtt_address import MqttAddress, parse_mqtt_address, tls_context

log = logging.getLogger("tagtrail.edge")

KEEPALIVE_S: Final = 30
RETRY_FIRST_S: Final = 0.5
RETRY_LIMIT_S: Final = 30.0
SETTLED_S: Final = 10.0
"""A connection that lasted this long worked; one that broke sooner is retried ever more slowly."""


@dataclass(frozen=True)
class Subscribed:
    """Connected, and the broker has taken the subscription."""


@dataclass(frozen=True)
class Disconnected:
    """The connection is gone."""


@dataclass(frozen=True)
class Message:
    """A message came; a ``retained`` one is from before the subscription."""

    topic: str
    payload: bytes
    retained: bool = False


@dataclass(frozen=True)
class Acknowledged:
    """The broker says that it has the message ``mid``; it may still forget it."""

    mid: int


BrokerEvent = Subscribed | Disconnected | Message | Acknowledged


@dataclass(frozen=True)
class BrokerSettings:
    """Where the broker is and who we are there.

    Attributes:
        url: ``mqtt://HOST:PORT`` or ``mqtts://HOST:PORT``.
        client_id: Stable, so that a restarted agent takes its half-dead connection over at once, together with the last
            will of that: a will that came minutes later would call a living agent offline.
        subscribe_to: The topics to listen to.
        will_topic: Where the retained last will goes.
        ca: As for `tls_context`.
    """

    url: str
    user: str | None
    password: str | None
    client_id: str
    subscribe_to: tuple[str, ...]
    will_topic: str
    ca: str | None = None


class Broker:
    """Keeps one connection to a broker, for ever, with back-off.

    Args:
        settings: Whom to connect to, as whom.
        will: Makes the last will for a new connection.
        emit: Takes events; called in this object's thread, must not block.
        rng: For the jitter between two tries.

    Raises:
        GiveUp: See `tls_context`.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        will: Callable[[], bytes],
        emit: Callable[[BrokerEvent], None],
        rng: random.Random,
    ) -> None:
        self._settings = settings
        self._address = parse_mqtt_address(settings.url)
        self._tls = tls_context(settings.ca) if self._address.tls else None
        self._will = will
        self._emit = emit
        self._backoff = Backoff(RETRY_FIRST_S, RETRY_LIMIT_S, rng)
        self._client: mqtt.Client | None = None
        self._stopping = threading.Event()
        self._situation = ""
        self._refused: str | None = None
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)

    def start(self) -> None:
        """Start connecting."""
        self._thread.start()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int | None:
        """Hand a message (QoS 1) to the connection; returns its id, or None where there is no connection."""
        client = self._client
        if client is None:
            return None
        info = client.publish(topic, payload, qos=1, retain=retain)
        if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            return info.mid
        # Not taken, e.g. because the broker left all 65535 message ids unacknowledged: only a new connection helps.
        client.disconnect()
        return None

    def stop(self, timeout_s: float) -> None:
        """Disconnect in order, so that the last will is not sent."""
        self._stopping.set()
        client = self._client
        if client is not None:
            client.disconnect()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        address = self._address
        while not self._stopping.is_set():
            since_s = time.monotonic()
            try:
                why = self._connect(address)
            except Exception as error:  # noqa: BLE001 - whatever it is: without this thread the agent would be deaf
                why = f"failed ({error!r})"
            self._tell(f"broker {address.host}:{address.port} {why}; spooling, and trying again for ever")
            if time.monotonic() - since_s > SETTLED_S:
                self._backoff.reset()
            self._stopping.wait(self._backoff.next_s())

    def _connect(self, address: MqttAddress) -> str:
        """Make one connection and serve it; says why there is none any more."""
        client = self._new_client()
        try:
            client.connect(address.host, address.port, KEEPALIVE_S)
        except OSError as error:
            return f"cannot be reached ({error})"
        self._converse(client)
        return f"is gone: {self._refused or 'it closed the connection or fell silent'}"

    def _converse(self, client: mqtt.Client) -> None:
        """Serve one connection until it ends."""
        self._refused = None
        try:
            # Not paho's own thread: this way a connection that ended, however it did, cannot go unnoticed.
            while client.loop(1.0) == MQTTErrorCode.MQTT_ERR_SUCCESS:
                if self._stopping.is_set():
                    client.disconnect()
        finally:
            if self._client is client:
                self._client = None
                self._emit(Disconnected())

    def _new_client(self) -> mqtt.Client:
        settings = self._settings
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=settings.client_id, clean_session=True, reconnect_on_failure=False
        )
        if settings.user is not None:
            client.username_pw_set(settings.user, settings.password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        client.max_inflight_messages_set(0)  # no limit here: the publisher has its own
        client.will_set(settings.will_topic, self._will(), qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        # Where this is set, `publish` in another thread leaves the socket to the thread that runs the loop.
        client.on_socket_register_write = lambda _client, _userdata, _socket: None
        return client

    def _on_connect(
        self,
        client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _p: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._refused = f"it refuses us ({reason}); check mqtt_user and mqtt_password"
            return
        self._client = client
        client.subscribe([(topic, 1) for topic in self._settings.subscribe_to])

    def _on_subscribe(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            # Without commit messages nothing would ever be freed; say so instead of filling the disk in silence.
            self._tell(f"the broker refuses {' or '.join(self._settings.subscribe_to)}: let this user read both")
        else:
            self._tell("connected to the broker", logging.INFO)
        self._emit(Subscribed())

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        self._emit(Message(message.topic, bytes(message.payload), message.retain))

    def _on_publish(
        self, _client: mqtt.Client, _userdata: object, mid: int, _reason: ReasonCode, _properties: Properties
    ) -> None:
        self._emit(Acknowledged(mid))

    def _tell(self, situation: str, level: int = logging.WARNING) -> None:
        """Log a situation once, until it changes."""
        if situation != self._situation and not self._stopping.is_set():
            self._situation = situation
            log.log(level, "%s", situation)
