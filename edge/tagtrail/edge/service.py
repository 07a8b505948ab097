"""The edge service: `run` is what ``tagtrail edge`` calls."""

import logging
import signal
import threading
from pathlib import Path

from tagtrail.edge.agent import Agent
from tagtrail.edge.settings import EdgeSettings
from tagtrail.hardware.errors import FaultsError
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
    stop = threading.Event()

    def on_signal(number: int, _frame: object) -> None:
        log.info("stopping (%s)", signal.Signals(number).name)
        stop.set()

    agent = Agent(settings, load_store(Path(settings.store)))
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)
    agent.run(stop)
    return 0
