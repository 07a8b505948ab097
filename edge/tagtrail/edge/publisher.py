"""Decides which batches of the spool are sent, and when again. Runs in the main loop; time comes from outside.

A broker may forget what it has acknowledged, so only ingest's word that the database has committed a batch ends it.
"""

import logging
from collections.abc import Callable
from typing import Final

from tagtrail.edge.spool import Spool
from tagtrail.hardware.errors import BadData
from tagtrail.hardware.wire import decode_committed, with_first

log = logging.getLogger("tagtrail.edge")

RESEND_LIMIT_S: Final = 60.0
PAGE: Final = 16
"""Batches taken from the spool at once, so that little of a long backlog is in memory."""


class Publisher:
    """Sends the spool's batches in order, with a window of batches that are sent and not yet committed.

    When commits stop, the oldest batch is sent again, ever more rarely; the first commit after that opens the window
    by doubling (as TCP does after a loss), so an ingest that is down for a day finds few repetitions in its queue.

    Args:
        spool: What there is to send.
        send: Publishes a payload; False where there is no connection.
        inflight: Most batches on the way.
        resend_s: Silence after which the oldest is sent again.
    """

    def __init__(self, spool: Spool, *, send: Callable[[bytes], bool], inflight: int, resend_s: float) -> None:
        self._spool = spool
        self._send = send
        self._inflight = inflight
        self._resend_first_s = resend_s
        self._resend_s = resend_s
        self._window = inflight
        self._sent_seq = 0
        self._highest_seq = 0
        self._committed_seq = 0
        self._progress_s = 0.0
        self._connected = False
        self._silent = False

    @property
    def outstanding(self) -> int:
        """Batches that are sent and not yet committed."""
        return max(0, self._sent_seq - self._spool.freed_seq)

    def connected(self, now_s: float) -> None:
        """A new connection: whatever was on the way may be lost, send it all again."""
        self._connected = True
        self._sent_seq = 0
        self._window = self._inflight
        self._progress_s = now_s

    def disconnected(self) -> None:
        """Nothing can be sent."""
        self._connected = False

    def rewind(self, now_s: float) -> None:
        """The spool's batches have new numbers: none of them has been sent."""
        self._sent_seq = self._highest_seq = self._committed_seq = 0
        self._progress_s = now_s

    def committed(self, payload: bytes) -> None:
        """Ingest says what the database has; the next `pump` acts on it."""
        try:
            message = decode_committed(payload)
        except BadData as error:
            log.warning("ignored: %s", error)
            return
        if message.boot == self._spool.boot:
            self._committed_seq = max(self._committed_seq, message.seq)
        else:
            log.debug("ignored: a commit for boot %s, this is %s", message.boot, self._spool.boot)

    def _free(self, now_s: float) -> None:
        """Let go of what the database has."""
        spool, seq = self._spool, self._committed_seq
        known_seq = max(spool.opened_seq, self._highest_seq)
        if seq > known_seq:
            log.error(
                "the database has batch %d of boot %s, this agent only sent up to %d: its spool is an old copy, or the "
                "disk lost what it had confirmed. What is new goes on under a new boot.",
                seq,
                spool.boot,
                known_seq,
            )
            spool.renumber()
            self.rewind(now_s)
        elif seq > spool.freed_seq:
            spool.free(seq)
            self._progress_s = now_s
            self._resend_s = self._resend_first_s
            self._window = min(self._inflight, self._window * 2)
            if self._silent:
                self._silent = False
                log.info("ingest commits again; %d batches are spooled", spool.batches)

    def due_s(self) -> float:
        """When `pump` has something to do even if nothing happens; infinite if never."""
        return self._progress_s + self._resend_s if self._connected and self.outstanding else float("inf")

    def pump(self, now_s: float) -> None:
        """Free what is committed, send what the window lets out, and again what has been silent for too long.

        Raises:
            SpoolWriteError: see `Spool.append`.
            SpoolCorruptError: see `Spool.append`.
        """
        self._free(now_s)
        if not self._connected:
            return
        if now_s >= self.due_s():
            if not self._silent:
                self._silent = True
                log.warning(
                    "no commit from ingest for %.3g s with %d batches sent; the spool keeps them, and the oldest is "
                    "sent again from time to time",
                    self._resend_s,
                    self.outstanding,
                )
            self._sent_seq = 0
            self._window = 1
            self._progress_s = now_s
            self._resend_s = min(RESEND_LIMIT_S, self._resend_s * 2)
        # Most calls have nothing to send: no need to ask the spool's file then.
        while (room := self._window - self.outstanding) > 0 and self._sent_seq < self._spool.last_seq:
            batches = self._spool.pending(self._sent_seq, min(room, PAGE))
            if not batches:
                return
            for batch in batches:
                if not self._outgoing(batch.seq, batch.payload, now_s):
                    return

    def _outgoing(self, seq: int, payload: bytes, now_s: float) -> bool:
        self._highest_seq = max(self._highest_seq, seq)
        if not self._send(with_first(payload, self._spool.freed_seq + 1)):
            self._connected = False
            return False
        if not self.outstanding:
            self._progress_s = now_s  # the silence is counted from the first batch that waits
        self._sent_seq = seq
        return True
