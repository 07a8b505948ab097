"""What the interpreter and the C library should do otherwise while reads come in by the hundred thousand a second."""

import ctypes
import gc
import sys
from typing import Final

SWITCH_S: Final = 0.0005
"""Two threads share the interpreter: one reads messages, one waits for the database between short pieces of work. With
Python's 5 ms, each of these pieces waits as long as it takes the server to write some thousand rows."""

GARBAGE_OBJECTS: Final = 50_000
"""Objects after which Python looks for cycles. By default it is 700: twice per message, and there are none."""

_TRIM_THRESHOLD: Final = -1  # numbers of glibc's malloc.h
_TOP_PAD: Final = -2
_MMAP_THRESHOLD: Final = -3
KEPT_BYTES: Final = 128 * 2**20
PIECE_BYTES: Final = 32 * 2**20
PAD_BYTES: Final = 4 * 2**20


def tune_process() -> None:
    """Set this process up for ingest."""
    sys.setswitchinterval(SWITCH_S)
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # else not glibc
        # By default the columns of each transaction go back to the kernel when they are freed. To get such pages again
        # costs more than all that is computed in them.
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_TOP_PAD, PAD_BYTES)
        mallopt(_MMAP_THRESHOLD, PIECE_BYTES)
