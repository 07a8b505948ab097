"""The broker's configuration that we ship, in a real Mosquitto: who may do what, and the whole way over TLS."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from fixture_agent import FakeAgent
from fixture_edge import Shop, wait_for
from fixture_ingest import IngestProcess
from fixture_tls import SecureBroker, make_certificates
from tagtrail.hardware.errors import GiveUp
from tagtrail.hardware.mqtt_address import tls_context
from tagtrail.hardware.wire import committed_topic, reads_topic, status_topic
from tagtrail.ingest.database.connection import connect

AGENT = FakeAgent()


class Client:
    """Somebody with an account."""

    def __init__(self, broker: SecureBroker, user: str, password: str | None = None) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.refused = ""
        self._known = threading.Event()
        self._confirmed: set[int] = set()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"test {user}")
        self._client.username_pw_set(user, broker.passwords.get(user) if password is None else password)
        self._client.tls_set_context(tls_context(broker.ca))
        self._client.on_connect = self._on_connect
        self._client.on_message = lambda _c, _u, message: self.heard.append((message.topic, bytes(message.payload)))
        self._client.on_subscribe = lambda *_: self._known.set()
        self._client.on_publish = lambda _c, _u, mid, *_: self._confirmed.add(mid)
        self._client.connect("127.0.0.1", broker.tls_port)
        self._client.loop_start()
        assert self._known.wait(10)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish, and wait until the broker has done with it, be it taken or dropped."""
        mid = self._client.publish(topic, payload, qos=1, retain=retain).mid
        wait_for(lambda: mid in self._confirmed, "the broker's confirmation")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: mqtt.Client, _u: object, _f: object, reason: object, _p: object) -> None:
        if getattr(reason, "is_failure", False):
            self.refused = str(reason)
            self._known.set()
        else:
            client.subscribe("#", 1)


@pytest.fixture
def client(secure_broker: SecureBroker) -> Iterator[Callable[..., Client]]:
    clients: list[Client] = []

    def make(user: str, password: str | None = None) -> Client:
        clients.append(Client(secure_broker, user, password))
        return clients[-1]

    yield make
    for each in clients:
        each.close()


def test_each_account_reaches_its_own_topics_alone(client: Callable[..., Client]) -> None:
    ingest, one, two, reader = map(client, ("ingest", "riverside/edge-1", "riverside/edge-2", "impinj/riverside/r09"))
    topics = [make("riverside", agent) for agent in ("edge-1", "edge-2") for make in (reads_topic, status_topic)]
    topics += ["tagtrail/vendor/impinj/riverside/r09", "tagtrail/vendor/impinj/riverside/r10", "elsewhere"]
    for name, publisher in (("one", one), ("two", two), ("reader", reader)):
        for topic in topics:
            publisher.publish(topic, name.encode())
    own = [(topics[0], b"one"), (topics[1], b"one"), (topics[2], b"two"), (topics[3], b"two"), (topics[4], b"reader")]

    answers = [make("riverside", agent) for agent in ("edge-1", "edge-2") for make in (committed_topic,)]
    for topic in answers:
        one.publish(topic, b"forged", retain=True)
        ingest.publish(topic, b"true", retain=True)
    wait_for(lambda: one.heard and two.heard and len(ingest.heard) >= len(own), "what is said")
    assert ingest.heard == own
    assert one.heard == [(answers[0], b"true")]
    assert two.heard == [(answers[1], b"true")]
    assert reader.heard == []


def test_without_the_right_password_there_is_no_way_in(client: Callable[..., Client]) -> None:
    assert client("riverside/edge-1", "first").refused == ""
    assert client("riverside/edge-1", "second").refused == "Not authorized"
    assert client("nobody", "x").refused == "Not authorized"


def test_a_read_goes_the_whole_way_over_tls(
    shop: Shop, secure_broker: SecureBroker, ingest: IngestProcess, schema: str
) -> None:
    ingest.start(dsn=schema, **secure_broker.account("ingest"))
    ingest.wait_connected()
    shop.start(**secure_broker.account("riverside/edge-1"))
    shop.readers["r01"].see(["E28011606000020000000001"])

    def arrived() -> bool:
        with connect(schema) as connection:
            return connection.execute("SELECT epc FROM read").fetchall() == [("E28011606000020000000001",)]

    wait_for(arrived, "the read in the database")
    assert shop.stop() == 0
    assert "the spool holds 0 batches" in shop.log(), "the agent was told of the commit"
    assert ingest.terminate() == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mqtt_password": "wrong"}, "it refuses us (Not authorized); check mqtt_user and mqtt_password"),
        ({"mqtt_ca": None}, "CERTIFICATE_VERIFY_FAILED"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    shop: Shop,
    secure_broker: SecureBroker,
    ingest: IngestProcess,
    schema: str,
    change: dict[str, object],
    words: str,
) -> None:
    ingest.start(dsn=schema, **{**secure_broker.account("ingest"), **change})
    shop.start(**{**secure_broker.account("riverside/edge-1"), **change})
    wait_for(lambda: words in ingest.log and words in shop.log(), "a word of both")
    for log in (ingest.log, shop.log()):
        assert len([line for line in log.splitlines() if "broker 127.0.0.1" in line]) == 1
        assert "Traceback" not in log


def test_an_authority_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(GiveUp, match="mqtt_ca /nowhere: No such file or directory; name the file"):
        tls_context("/nowhere")
    (tmp_path / "empty").touch()
    with pytest.raises(GiveUp, match="there is no certificate in it"):
        tls_context(str(tmp_path / "empty"))


def test_a_second_certificate_is_of_the_same_authority(secure_broker: SecureBroker) -> None:
    secrets = secure_broker.folder / "secrets"
    before = (secrets / "ca.crt").read_bytes(), (secrets / "server.crt").read_bytes()
    make_certificates(secrets, "broker.example")
    assert (secrets / "ca.crt").read_bytes() == before[0]
    assert (secrets / "server.crt").read_bytes() != before[1]
    done = subprocess.run(
        ["openssl", "verify", "-CAfile", "ca.crt", "-verify_hostname", "broker.example", "server.crt"],
        cwd=secrets, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "server.crt: OK\n", done.stderr
