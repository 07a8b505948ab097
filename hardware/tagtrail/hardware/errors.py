"""What can go wrong, told by what the caller must do about it.

::

    TagtrailError
    ├── Retry      the world is not ready; the same call may succeed later
    ├── GiveUp     a person must change something first
    │   └── FaultsError   everything that is wrong with one input, all at once
    └── BadData    this input can never be read; count it under its reason, keep it, go on

Every message is one or more plain sentences for a person: what, where, and what to do.
"""

from collections.abc import Sequence


class TagtrailError(Exception):
    """Base of all errors that Tagtrail raises on purpose."""


class Retry(TagtrailError):  # noqa: N818 - the name says what to do
    """The other side is not there or not ready; trying again later can help."""


class GiveUp(TagtrailError):  # noqa: N818 - the name says what to do
    """Trying again cannot help; a person must change something."""


class FaultsError(GiveUp):
    """An input with faults, all of them in one message.

    Attributes:
        subject: What was checked, e.g. the path of a store file.
        faults: One line per fault, each saying where and what.
    """

    def __init__(self, subject: str, faults: Sequence[str]) -> None:
        self.subject = subject
        self.faults = tuple(faults)
        if len(self.faults) == 1:
            message = f"{subject}: {self.faults[0]}"
        else:
            message = f"{subject}: {len(self.faults)} faults\n" + "\n".join(f"  - {fault}" for fault in self.faults)
        super().__init__(message)


class BadData(TagtrailError):  # noqa: N818 - the name says what it is
    """An input that no retry can make readable.

    Attributes:
        reason: Short, stable name under which the rejection is counted, e.g. ``not-json``.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)
