"""Messages too long to be anything of ours: not read, and all but their beginning let go of at once."""

import hashlib
from typing import Final, NamedTuple

PAYLOAD_MAX: Final = 16 * 1024 * 1024
"""Bytes. The longest batch that `tagtrail.hardware.wire` allows, 100,000 reads of as many long EPCs, has 16 million."""
HEAD: Final = 64 * 1024
"""Bytes that are kept of a longer message: enough for a person to see what it is."""


class Original(NamedTuple):
    """What is known of a message after it was cut.

    Attributes:
        size: Bytes.
        sha256: Of the whole.
    """

    size: int
    sha256: bytes


def measure(payload: bytes) -> Original:
    """Size and hash of a payload."""
    return Original(len(payload), hashlib.sha256(payload).digest())
