"""The edge service: `run` is what ``tagtrail edge`` calls."""

import logging
import threading
from pathlib import Path

from tagtrail.edge.agent import Agent
from tagtrail.edge.settings import EdgeSettings
from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.shutdown import stop_on_signals
from tagtrail.hardware.store import load_store

log = logging.getLogger("tagtrail.edge")


def run(settings: EdgeSettings) -> int:
    """Serve the readers until SIGTERM or SIGINT; returns 0.

    Waits, for ever, for ports and for the broker.

    Raises:
        GiveUp: A person must change settings, store file or spool first.
    """
    faults = settings.faults()
    if faults:
        raise FaultsError("settings", faults)
    agent = Agent(settings, load_store(Path(settings.store)))
    stop = threading.Event()
    stop_on_signals(stop, log)
    agent.run(stop)
    return 0
