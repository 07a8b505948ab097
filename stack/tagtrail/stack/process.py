"""Child processes that never outlive us."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
STOP_GRACE_S: Final = 10.0


def start(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
    cwd: Path | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
    stdout: int | None = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own, standard error joined to standard output.

    A session of its own keeps the terminal's Ctrl-C away from it, so that the supervisor ends children in order. On
    Linux the kernel sends ``death_signal`` when the thread that called this ends, also by kill -9: call it from the
    main thread.
    """
    return subprocess.Popen(
        [str(part) for part in argv],
        env=None if env is None else dict(env),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        start_new_session=True,
        user=user,
        group=primary_group(user),
        extra_groups=[] if user else None,
        preexec_fn=_die_with_parent(death_signal),  # noqa: PLW1509 - the hook only makes two system calls
    )


def stop(child: subprocess.Popen[bytes], signum: signal.Signals, grace_s: float = STOP_GRACE_S) -> int:
    """Ask a child to end, insist after ``grace_s``; returns its exit code."""
    if child.poll() is None:
        child.send_signal(signum)
        try:
            return child.wait(grace_s)
        except subprocess.TimeoutExpired:
            child.kill()
    return child.wait()


def primary_group(user: str | None) -> int | None:
    """Group id that a child of this user gets; None keeps ours."""
    if user is None:
        return None
    import pwd

    return pwd.getpwnam(user).pw_gid


def _die_with_parent(signum: signal.Signals) -> Callable[[], None] | None:
    """A hook for the child, prepared before the fork: loading a library after it could deadlock."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def hook() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
        if os.getppid() != parent:  # the parent ended between fork and prctl
            os._exit(1)

    return hook
