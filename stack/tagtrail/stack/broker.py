"""An MQTT broker on the loopback address: Mosquitto where it is installed, else amqtt in a process of its own.

Neither is trusted to keep a batch: the edge's spool does, until the database has committed it.
"""

import os
import shutil
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tagtrail.hardware.errors import GiveUp, Retry

Kind = Literal["mosquitto", "amqtt"]

MOSQUITTO_CONF: Final = """\
# Written by tagtrail at each start.
listener {port} 127.0.0.1
allow_anonymous true
persistence false
# The defaults (20 in flight, 1000 queued) throttle, then silently drop, what a busy store sends.
max_inflight_messages 1000
max_queued_messages 0
log_type error
log_type warning
{user}"""


@dataclass(frozen=True)
class Broker:
    """A broker that can be started."""

    kind: Kind
    port: int
    argv: list[str]

    @property
    def url(self) -> str:
        """How to connect."""
        return f"mqtt://127.0.0.1:{self.port}"

    def wait_ready(self, timeout_s: float = 20.0, *, alive: Callable[[], bool] = lambda: True) -> None:
        """Wait until it takes connections.

        Raises:
            Retry: It does not in time, or is not ``alive`` any more.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and alive():
            with socket.socket() as probe:
                probe.settimeout(1.0)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise Retry(f"the embedded broker ({self.kind}) did not answer on port {self.port}")


def find_mosquitto() -> str | None:
    """Path of Mosquitto; Debian keeps it where an ordinary user's PATH does not look."""
    return shutil.which("mosquitto", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin:/usr/local/sbin")


def prepare_broker(state_dir: Path, port: int, kind: Kind | None = None) -> Broker:
    """Write the configuration and say how to run the broker.

    Args:
        state_dir: The configuration goes here.
        port: TCP port on the loopback address.
        kind: Which broker; None takes Mosquitto where it is installed.

    Raises:
        GiveUp: Mosquitto is wanted and not installed.
    """
    mosquitto = find_mosquitto()
    if kind is None:
        kind = "mosquitto" if mosquitto else "amqtt"
    if kind == "amqtt":
        return Broker(kind, port, [sys.executable, "-P", "-m", "tagtrail.stack.amqtt_broker", str(port)])
    if mosquitto is None:
        raise GiveUp("Mosquitto is not installed; leave the choice of broker open, and amqtt is used")
    state_dir.mkdir(parents=True, exist_ok=True)
    conf = state_dir / "mosquitto.conf"
    # As root Mosquitto would become a user that may not read our folder.
    conf.write_text(MOSQUITTO_CONF.format(port=port, user="user root\n" if os.geteuid() == 0 else ""))
    return Broker(kind, port, [mosquitto, "-c", str(conf)])
