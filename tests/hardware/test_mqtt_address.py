import pytest

from tagtrail.hardware.mqtt_address import MqttAddress, mqtt_address_faults, parse_mqtt_address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://broker", MqttAddress("broker", 1883, tls=False)),
        ("mqtts://broker.example./", MqttAddress("broker.example.", 8883, tls=True)),
        ("mqtt://[::1]:1884", MqttAddress("::1", 1884, tls=False)),
        ("mqtts://bücher.example:1", MqttAddress("bücher.example", 1, tls=True)),
    ],
)
def test_an_address_is_taken_apart(url: str, address: MqttAddress) -> None:
    assert parse_mqtt_address(url) == address
    assert mqtt_address_faults(url) == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("localhost:1883", "expected mqtt://HOST:PORT"),
        ("mqtt://host:0", "expected mqtt://HOST:PORT"),
        ("mqtt://host/topic", "expected mqtt://HOST:PORT"),
        ("mqtt://host:70000", "70000"),
        ("mqtt://[::1", "mqtt://[::1"),
        ("mqtt://a..b:1883", "'a..b' is no host name"),
        (f"mqtt://{'a' * 64}.example", "is no host name"),
        ("mqtt://user:secret@host:port", "set mqtt_user and mqtt_password"),
        ("http://user:secret@host", "set mqtt_user and mqtt_password"),
    ],
)
def test_what_is_wrong_is_named(url: str, words: str) -> None:
    (fault,) = mqtt_address_faults(url)
    assert words in fault
    assert "secret" not in fault
