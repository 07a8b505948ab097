"""A question that gets no answer, and why."""

from http import HTTPStatus

from tagtrail.hardware.errors import TagtrailError


class Refusal(TagtrailError):  # noqa: N818 - it is an answer, not a failure of ours
    """An answer with a status of 400 or more.

    Attributes:
        status: HTTP status.
        reason: Short, stable name, e.g. ``unknown-store``.
    """

    def __init__(self, status: HTTPStatus, reason: str, message: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(message)
