"""Settings that cannot work are named before anything starts."""

import pytest
from msgspec.structs import replace

from tagtrail.ingest.settings import IngestSettings

GOOD = IngestSettings(dsn="postgresql://u:p@localhost/x")


def test_the_defaults_are_in_order() -> None:
    assert GOOD.faults() == []
    assert replace(GOOD, retention_days=0, visit_retention_days=0).faults() == []
    assert replace(GOOD, mqtt="mqtts://broker:8883", mqtt_user="u", stores=["a-1", "b"], share="w").faults() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mqtt": "tcp://broker"}, "expected mqtt://HOST:PORT"),
        ({"mqtt": "mqtt://u:secret@broker"}, "set mqtt_user and mqtt_password"),
        ({"mqtt": "mqtt://broker:port"}, "port"),
        ({"mqtt": "mqtt://a..b:1883"}, "no host name"),
        ({"mqtt_password": "x"}, "no mqtt_user"),
        ({"dsn": ""}, "dsn: expected"),
        ({"stores": []}, "at least one store"),
        ({"stores": ["a/b"]}, "stores 'a/b'"),
        ({"client_id": ""}, "client_id"),
        ({"share": "a b"}, "share 'a b'"),
        ({"flush_s": -1.0}, "flush_s -1"),
        ({"flush_reads": 0}, "flush_reads 0"),
        ({"inflight_messages": 0}, "inflight_messages 0"),
        ({"database_silence_s": 0.0}, "database_silence_s 0"),
        ({"quarantine_limit_mb": 0}, "quarantine_limit_mb 0"),
        ({"retention_days": -1}, "retention_days -1"),
        ({"visit_retention_days": 179}, "at least as long as the reads"),
        ({"retention_days": 0}, "at least as long as the reads"),
        ({"clock": "fast"}, "clock 'fast'"),
    ],
)
def test_each_fault_is_named(change: dict[str, object], words: str) -> None:
    (fault,) = replace(GOOD, **change).faults()
    assert words in fault
    assert "secret" not in fault
