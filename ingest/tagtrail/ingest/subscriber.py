"""The connection to the MQTT broker: a thread that keeps it, takes messages, and says which are done with.

Each connection gets a client of its own. A message id counts within one connection, so what came over an old one is
never acknowledged over a new one: the broker sends it again, and the ledger knows it.
"""

import logging
import random
import threading
import time
from collections.abc import Iterable
from typing import Final, cast

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tagtrail.hardware.clock import parse_clock
from tagtrail.hardware.mqtt_address import MqttAddress, parse_mqtt_address, tls_context
from tagtrail.hardware.wire import Committed, committed_topic, encode, reads_topic, status_topic
from tagtrail.ingest.clocks import time_answer
from tagtrail.ingest.inbox import Inbox
from tagtrail.ingest.intake import Delivery, Message
from tagtrail.ingest.settings import IngestSettings
from tagtrail.ingest.tap import TappedClient
from tagtrail.ingest.vendor import vendor_topic

log = logging.getLogger("tagtrail.ingest")

KEEPALIVE_S: Final = 60
"""While the inbox is full nothing is read from the broker and no ping sent: after 1.5 times this the broker ends the
connection (MQTT 3.1.1, 3.1.2.10). The next one begins with everything that was not acknowledged."""
RETRY_FIRST_S: Final = 0.25
RETRY_LIMIT_S: Final = 10.0
SETTLED_S: Final = 10.0
"""A connection that lasted this long worked; one that broke sooner is retried ever more slowly."""
PUT_S: Final = 0.2
PAUSE_S: Final = 0.004
"""After messages came, so that the next ones come several at a time: each look at the socket costs like a message."""


class Subscriber:
    """Puts what the broker sends into an inbox, not yet acknowledged.

    A full inbox stops the reading, and so the broker: by its window of unacknowledged messages (Mosquitto's
    ``max_inflight_messages``), else by TCP.

    Args:
        settings: Where the broker is, and what to subscribe to.
        received: Where the messages go; its size bounds what is in memory.

    Raises:
        GiveUp: See `tls_context`.

    Attributes:
        renewed: Set whenever a new connection has been made; whoever acts on it clears it.
    """

    def __init__(self, settings: IngestSettings, received: Inbox) -> None:
        self._settings = settings
        self._address = parse_mqtt_address(settings.mqtt)
        self._tls = tls_context(settings.mqtt_ca) if self._address.tls else None
        self._clock = parse_clock(settings.clock)
        self._received = received
        self._messages: list[Message] = []
        self._client: TappedClient | None = None
        self._connection = 0
        self._closed = threading.Event()
        self._stopping = threading.Event()
        self._situation = ""
        self._refused: str | None = None
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)
        self.renewed = threading.Event()

    @property
    def connected(self) -> bool:
        """Whether the connection stands."""
        return self._client is not None

    def start(self) -> None:
        """Start connecting, for ever."""
        self._thread.start()

    def close(self) -> None:
        """Take no further message; acknowledging goes on."""
        self._closed.set()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Disconnect after all acknowledgements have been sent."""
        self._closed.set()
        self._stopping.set()
        client = self._client
        if client is not None:
            client.disconnect()
        self._thread.join(timeout_s)

    def acknowledge(self, deliveries: Iterable[Delivery]) -> None:
        """The database has them: the broker may forget them."""
        client, connection = self._client, self._connection
        if client is None:
            return
        client.acknowledge([delivery.mid for delivery in deliveries if delivery.connection == connection])

    def tell(self, messages: Iterable[tuple[str, str, Committed]]) -> None:
        """Tell agents (store, agent, message) what the database has; nobody hears it while there is no connection."""
        client = self._client
        if client is None:
            return
        for store, agent, committed in messages:
            client.publish(committed_topic(store, agent), encode(committed), qos=1, retain=True)

    def _run(self) -> None:
        address = self._address
        delay_s = RETRY_FIRST_S
        while not self._stopping.is_set():
            since_s = time.monotonic()
            try:
                why = self._connect(address)
            except Exception as error:  # noqa: BLE001 - whatever it is: without this thread ingest would be deaf
                why = f"failed ({error!r})"
            self._tell(f"broker {address.host}:{address.port} {why}; trying again until it answers")
            if time.monotonic() - since_s > SETTLED_S:
                delay_s = RETRY_FIRST_S
            self._stopping.wait(delay_s * random.uniform(0.8, 1.2))  # noqa: S311 - spreads reconnects
            delay_s = min(RETRY_LIMIT_S, delay_s * 2)

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
            # Not paho's own thread: a connection that ended, however it did, cannot go unnoticed this way.
            while client.loop(0.5) == MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._hand_over()
                if self._stopping.is_set():
                    client.disconnect()
        finally:
            self._client = None

    def _hand_over(self) -> None:
        if not self._messages:
            return
        while not self._closed.is_set() and not self._received.put(self._messages, PUT_S):
            pass
        self._messages = []
        self._stopping.wait(PAUSE_S)

    def _new_client(self) -> TappedClient:
        settings = self._settings
        client = TappedClient(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            # The broker keeps what comes while we are away, and what we have not acknowledged. Not for one of a group:
            # it would go on dealing messages to a process that is gone, while the others could take them.
            clean_session=settings.share is not None,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        if settings.mqtt_user is not None:
            client.username_pw_set(settings.mqtt_user, settings.mqtt_password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        client.max_inflight_messages_set(0)  # no limit: each agent has one retained message
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        # Nothing of the client's may hold the client: its sockets would stay open until Python looks for cycles.
        client.take = self._on_published
        # Here, not when the broker has answered: its answer and what it kept for us may come in one piece.
        self._connection += 1
        # Where this is set, `ack` and `publish` in another thread leave the socket to the thread that runs the loop.
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
        self._client = cast("TappedClient", client)  # we make no other
        prefix = "" if self._settings.share is None else f"$share/{self._settings.share}/"
        stores = self._settings.stores
        topics = [topic(store, "+") for store in stores for topic in (reads_topic, status_topic)]
        topics += [vendor_topic("+", store, "+") for store in stores]
        client.subscribe([(prefix + topic, 1) for topic in topics])

    def _on_subscribe(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._tell("the broker refuses a subscription: let this user read tagtrail/#")
        else:
            self._tell("connected to the broker", logging.INFO)
        self.renewed.set()

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic.encode()
        except UnicodeDecodeError:
            topic = b"\xff"
        self._on_published(topic, bytes(message.payload), message.mid if message.qos else None)

    def _on_published(self, name: bytes, payload: bytes, mid: int | None) -> None:
        try:
            topic = name.decode()
        except UnicodeDecodeError:
            topic = "(not UTF-8)"
        now_us = self._clock.now_us()
        delivery = None if mid is None else Delivery(self._connection, mid)
        client = self._client
        if client is not None and (answer := time_answer(topic, payload, now_us)) is not None:
            client.publish(*answer)
        self._messages.append(Message(topic, payload, delivery, now_us))

    def _tell(self, situation: str, level: int = logging.WARNING) -> None:
        """Log a situation once, until it changes."""
        if situation != self._situation and not self._stopping.is_set():
            self._situation = situation
            log.log(level, "%s", situation)
