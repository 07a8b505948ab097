"""The address of an MQTT broker as settings give it: ``mqtt://HOST:PORT``, or ``mqtts://HOST:PORT`` with TLS."""

from typing import NamedTuple
from urllib.parse import urlsplit


class MqttAddress(NamedTuple):
    """Where a broker listens, and whether it expects TLS."""

    host: str
    port: int
    tls: bool


def parse_mqtt_address(url: str) -> MqttAddress:
    """Take an address apart; the port is 1883, or 8883 with TLS, where none is given.

    Raises:
        ValueError: It is not such an address.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.port == 0 or parts.path not in ("", "/"):
        raise ValueError("expected mqtt://HOST:PORT or mqtts://HOST:PORT")
    tls = parts.scheme == "mqtts"
    return MqttAddress(parts.hostname, parts.port or (8883 if tls else 1883), tls)


def mqtt_address_faults(url: str) -> list[str]:
    """What is wrong with the setting ``mqtt``, as its settings' ``faults`` say it; no I/O."""
    try:
        if urlsplit(url).username is not None:  # first, so that no password gets into another message
            return ["mqtt: user and password do not belong into the address; set mqtt_user and mqtt_password"]
        host = parse_mqtt_address(url).host
    except ValueError as error:
        return [f"mqtt {url!r}: {error}"]
    try:
        host.encode("idna")  # as the resolver will
    except UnicodeError:
        return [f"mqtt {url!r}: {host!r} is no host name; between its dots are 1 to 63 characters each"]
    return []
