"""The supervisor with real child processes."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tagtrail.hardware.errors import GiveUp
from tagtrail.stack.supervisor import Service, Supervisor


def wait_for(condition: Callable[[], bool], limit_s: float = 20.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


def test_lines_get_the_name_of_their_service(log: io.StringIO) -> None:
    supervisor = Supervisor(log)
    supervisor.start(Service("one", python("print('from one'); import time; time.sleep(60)")))
    supervisor.start(
        Service(
            "two",
            python("import sys; print('from two', file=sys.stderr); sys.stdin.read(); import time; time.sleep(60)"),
        )
    )
    wait_for(lambda: log.getvalue().count("\n") >= 2)
    supervisor.stop_all()
    assert "one       | from one\n" in log.getvalue()
    assert "two       | from two\n" in log.getvalue()


def test_a_service_that_falls_is_started_again(log: io.StringIO, tmp_path: Path) -> None:
    supervisor = Supervisor(log)
    supervisor.start(Service("worker", python("import time; time.sleep(60)")))
    first = supervisor.pid("worker")
    assert first is not None
    os.kill(first, signal.SIGKILL)

    def back() -> bool:
        supervisor.check()
        return supervisor.running("worker") and supervisor.pid("worker") != first

    wait_for(back)
    assert supervisor.restarts("worker") == 1
    assert "killed by SIGKILL, starting again in 0.5 s" in log.getvalue()
    supervisor.stop_all()


def test_a_service_that_gives_up_ends_the_stack_with_its_reason(log: io.StringIO) -> None:
    supervisor = Supervisor(log)
    supervisor.start(Service("edge", python("import sys; print('no such store file'); sys.exit(2)")))

    def until_it_gives_up() -> bool:
        supervisor.check()
        return False

    with pytest.raises(GiveUp, match="edge gave up: no such store file"):
        wait_for(until_it_gives_up)


def test_the_last_started_is_stopped_first_and_stubborn_ones_are_killed(log: io.StringIO) -> None:
    polite = (
        "import os,signal; signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b'bye\\n'), os._exit(0))); "
        "os.write(1, b'up\\n'); signal.pause()"
    )
    stubborn = (
        "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up')\nwhile True: time.sleep(1)"
    )
    supervisor = Supervisor(log)
    supervisor.start(Service("first", python(polite)))
    supervisor.start(Service("second", python(stubborn), stop_grace_s=0.3))
    supervisor.start(Service("third", python(polite.replace("bye", "third says bye"))))
    wait_for(lambda: log.getvalue().count("| up") == 3)
    supervisor.stop_all()
    text = log.getvalue()
    assert text.index("third says bye") < text.index("first     | bye")


class BrokenSink(io.StringIO):
    """A terminal that was closed, or a disk that is full, for the first lines."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = 0

    def write(self, text: str) -> int:
        if self.refused < 3:
            self.refused += 1
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_a_log_that_cannot_be_written_for_a_while_does_not_silence_a_child(log: io.StringIO) -> None:
    broken = BrokenSink()
    supervisor = Supervisor(broken, log)
    supervisor.start(
        Service("talker", python("import time\nfor i in range(10**6): print(i, flush=True); time.sleep(.02)"))
    )
    wait_for(lambda: "talker" in broken.getvalue() and log.getvalue().count("\n") > 5)
    assert supervisor.running("talker")
    assert "talker    | 0\n" in log.getvalue()
    supervisor.stop_all()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent has died")
def test_children_do_not_outlive_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    code = """
import sys, time
from tagtrail.stack.supervisor import Service, Supervisor
supervisor = Supervisor(sys.stderr)
supervisor.start(Service("child", [sys.executable, "-c", "import time; time.sleep(600)"]))
print(supervisor.pid("child"), flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert psutil.pid_exists(child)
        parent.kill()
        wait_for(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)
