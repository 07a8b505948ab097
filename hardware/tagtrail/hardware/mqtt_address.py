"""The address of an MQTT broker as settings give it: ``mqtt://HOST:PORT``, or ``mqtts://HOST:PORT`` with TLS."""

import ssl
from typing import NamedTuple
from urllib.parse import urlsplit

from tagtrail.hardware.errors import GiveUp


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


def tls_context(ca: str | None) -> ssl.SSLContext:
    """How to find out whether a broker is who it says it is.

    Args:
        ca: File with the certificate of its authority; None trusts whom the system trusts.

    Raises:
        GiveUp: The file cannot be used.
    """
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:  # of which ssl.SSLError is one
        why = "there is no certificate in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise GiveUp(f"mqtt_ca {ca}: {why}; name the file with the certificate of the broker's authority") from None


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
