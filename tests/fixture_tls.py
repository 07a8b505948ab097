"""The Mosquitto that we ship the configuration of: TLS with an authority of its own, accounts, access rules."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fixture_mqtt import find_mosquitto, start_mosquitto
from tagtrail.stack.postgres import free_port

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "stack" / "mosquitto"
PASSWORDS = {
    "ingest": "ingest's own",
    "riverside/edge-1": "first",
    "riverside/edge-2": "second",
    "impinj/riverside/r09": "reader",
}


@dataclass
class SecureBroker:
    """A broker by our files. ``passwords`` are those of its accounts."""

    folder: Path
    tls_port: int
    port: int
    passwords: dict[str, str] = field(default_factory=lambda: PASSWORDS)

    @property
    def url(self) -> str:
        return f"mqtts://127.0.0.1:{self.tls_port}"

    @property
    def ca(self) -> str:
        return str(self.folder / "secrets" / "ca.crt")

    def account(self, user: str) -> dict[str, str]:
        """Settings of edge and ingest."""
        return {"mqtt": self.url, "mqtt_ca": self.ca, "mqtt_user": user, "mqtt_password": self.passwords[user]}


def make_certificates(folder: Path, host: str = "127.0.0.1") -> None:
    subprocess.run([SHIPPED / "certificates.sh", host, folder], check=True, capture_output=True)


@pytest.fixture
def secure_broker(tmp_path: Path) -> Iterator[SecureBroker]:
    mosquitto, passwd = find_mosquitto(), find_mosquitto("mosquitto_passwd")
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path / "mosquitto"
    (folder / "data").mkdir(parents=True)
    shutil.copytree(SHIPPED, folder / "config")
    make_certificates(folder / "secrets")
    accounts = folder / "secrets" / "passwords"
    accounts.touch()
    for user, password in PASSWORDS.items():
        subprocess.run([passwd, "-b", accounts, user, password], check=True)
    broker = SecureBroker(folder, tls_port=free_port(), port=free_port())
    conf = folder / "config" / "mosquitto.conf"
    text = conf.read_text().replace("/mosquitto/", f"{folder}/")
    text = re.sub(r"^listener 8883$", f"listener {broker.tls_port} 127.0.0.1", text, flags=re.MULTILINE)
    text = re.sub(r"^listener 1883$", f"listener {broker.port} 127.0.0.1", text, flags=re.MULTILINE)
    conf.write_text(text + "user root\n")
    process = start_mosquitto([mosquitto, "-c", str(conf)], broker.tls_port)
    yield broker
    process.kill()
    process.wait()
