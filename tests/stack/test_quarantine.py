"""What a person sees of the quarantine, and does about it."""

import pytest

from fixture_agent import FakeAgent, stored
from tagtrail.ingest.database.connection import Connection
from tagtrail.ingest.intake import Message, read_message
from tagtrail.ingest.writer import Writer
from tagtrail.stack.cli import main

AGENT = FakeAgent()
LATER = AGENT.payload(1).replace(b'"v":1', b'"v":2')


@pytest.fixture(autouse=True)
def address(schema: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGTRAIL_DSN", schema)


def keep(connection: Connection, *payloads: bytes, topic: str = AGENT.topic) -> list[int]:
    for payload in payloads:  # one by one: within a transaction, numbers are not in their order
        Writer().write(connection, [read_message(Message(topic, payload, None, AGENT.start_us))])
    return [row[0] for row in connection.execute("SELECT quarantine_id FROM quarantine ORDER BY 1").fetchall()]


def call(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["ingest", "quarantine", *arguments])
    told = capfd.readouterr()
    return code, told.err or told.out


def test_list_counts_per_reason_and_names_the_latest(connection: Connection, capfd: pytest.CaptureFixture[str]) -> None:
    assert call(capfd, "list") == (0, "no messages\n")
    keep(connection, LATER, b"\xff", b"\xff", b"\xfe")
    code, told = call(capfd, "list", "--limit", "2")
    assert code == 0
    words = [line.split() for line in told.splitlines()]
    assert words[2][:3] == ["not-json", "2", "3"]
    assert words[3][:3] == ["version", "1", "1"]
    assert "The latest, and 1 older ones" in told
    assert len([line for line in words if AGENT.topic in line]) == 2
    assert "version" not in call(capfd, "list", "--reason", "not-json")[1]
    assert call(capfd, "list", "--store", "hillside") == (0, "no messages\n")
    assert call(capfd, "list", "--since", "2100-01-01T00:00:00Z") == (0, "no messages\n")
    assert call(capfd, "list", "--since", "yesterday")[0] == 2


def test_show_explains_and_cannot_harm_a_terminal(connection: Connection, capfd: pytest.CaptureFixture[str]) -> None:
    for payload in (LATER, b"\x1b[2Jmischief", b"two\nlines", b"\xff\x00", b"[1, {}]"):
        ids = keep(connection, payload)
    shown = [call(capfd, "show", str(number))[1] for number in ids]
    assert not any("\x1b" in text for text in shown)
    assert "batch of version 2, this ingest reads 1" in shown[0]
    assert '\n  "agent": "edge-1",\n' in shown[0]
    assert "00000000  1b 5b 32 4a" in shown[1]
    assert "two\nlines\n" in shown[2]
    assert "00000000  ff 00 " in shown[3]
    assert call(capfd, "show", str(ids[0]), "--raw") == (0, LATER.decode())
    code, told = call(capfd, "show", "999")
    assert (code, told.count("\n")) == (2, 1)


def test_a_long_payload_is_shown_in_part(connection: Connection, capfd: pytest.CaptureFixture[str]) -> None:
    (number,) = keep(connection, b"\xff" * 17_000_000)
    told = call(capfd, "show", str(number))[1]
    assert "17000000 bytes, of which the first 65536 were kept" in told
    assert told.endswith("… 61440 bytes more: --raw\n")


def test_retry_says_what_became_of_each(connection: Connection, capfd: pytest.CaptureFixture[str]) -> None:
    ids = keep(connection, LATER, b"\xff")
    code, told = call(capfd, "retry", "--all")
    assert code == 1
    assert f"{ids[0]}  stays  {AGENT.topic}  version: batch of version 2, this ingest reads 1\n" in told
    assert told.endswith("0 of 2 messages taken, 0 reads added\n")
    connection.execute("UPDATE quarantine SET payload = %s, size = %s WHERE reason = 'version'",
                       [AGENT.payload(1), len(AGENT.payload(1))])  # fmt: skip
    code, told = call(capfd, "retry", "--reason", "version")
    assert code == 0
    assert told.endswith("20 reads are in the database now\n1 of 1 messages taken, 20 reads added\n")
    assert stored(connection) == AGENT.expected([1])
    assert call(capfd, "retry", "--reason", "version") == (0, "0 of 0 messages taken, 0 reads added\n")
    assert "name messages by their ID" in call(capfd, "retry")[1]
    assert "there is no message 999 in the quarantine" in call(capfd, "retry", "999", str(ids[1]))[1]


def test_drop_asks_first(connection: Connection, capfd: pytest.CaptureFixture[str]) -> None:
    ids = keep(connection, LATER, b"\xff", b"\xfe")
    assert "would delete 3 messages" in call(capfd, "drop", "--all")[1]
    assert call(capfd, "drop", str(ids[0]), "--yes") == (0, "1 messages deleted\n")
    assert call(capfd, "drop", "--reason", "not-json", "--yes") == (0, "2 messages deleted\n")
    assert call(capfd, "list") == (0, "no messages\n")
