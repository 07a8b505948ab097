"""A service ends when it is told to, also when it is told many times at the worst moment."""

import signal
import subprocess
import sys
import time

import pytest

CODE = """
import logging, threading
from tagtrail.hardware.shutdown import stop_on_signals
stop = threading.Event()
stop_on_signals(stop, logging.getLogger())
print("ready", flush=True)
while not stop.wait(0.00001):  # nearly always inside the event's lock
    pass
print("ended", flush=True)
"""


@pytest.mark.parametrize("round_", range(3))
def test_a_burst_of_sigterm_ends_it_once_and_cleanly(round_: int) -> None:
    with subprocess.Popen([sys.executable, "-c", CODE], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.01 * round_)
        for _ in range(20):
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stdout.read() == "ended\n"


def test_ctrl_c_ends_it_too() -> None:
    with subprocess.Popen([sys.executable, "-c", CODE], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
