"""Decides which batches of the spool are sent, and when again. Runs in the main loop; time comes from outside.

A broker may forget what it has acknowledged, so only ingest's word that the database has committed a batch ends it.
"""

import logging
from collections.abc import Callable
from typing import Final

from tagtrail.edge.ranges import Ranges
from tagtrail.edge.spool import Spool
from tagtrail.hardware.errors import BadData
from tagtrail.hardware.wire import Committed, decode_committed, with_first

log = logging.getLogger("tagtrail.edge")

RESEND_LIMIT_S: Final = 60.0
PAGE: Final = 16
"""Batches taken from the spool at once, so that little of a long backlog is in memory."""
BACKLOG_SHARE: Final = 3
"""One in so many batches of the window may be of the backlog: what is on the way is what live reads queue behind."""
HEAR_S: Final = 2.0
"""How long the first connection of a run listens before it sends: the word about what is committed shows whether the
spool is an old copy, and ingest's answer what the clock is worth."""


class Publisher:
    """Sends the spool's batches, with a window of batches that are sent and not yet committed.

    There are two lanes: the backlog, oldest first, and what is new since the connection was made or since the window
    could not follow. Both go in order; when the backlog is done there is one lane again. So what is read now is in the
    database as soon as ever, while a backlog of a week is on its way.

    When commits stop, the oldest batch is sent again, ever more rarely; the first commit after that opens the window
    by doubling (as TCP does after a loss), so an ingest that is down for a day finds few repetitions in its queue.

    Args:
        spool: What there is to send.
        send: Publishes a payload; False where there is no connection.
        inflight: Most batches on the way.
        resend_s: Time without progress after which what is on the way is sent again.
    """

    def __init__(self, spool: Spool, *, send: Callable[[bytes], bool], inflight: int, resend_s: float) -> None:
        self._spool = spool
        self._send = send
        self._inflight = inflight
        self._resend_first_s = resend_s
        self._resend_s = resend_s
        self._window = inflight
        self._sent = Ranges()
        """Sent over this connection, or confirmed; all above ``freed_seq``."""
        self._confirmed = Ranges()
        """In the database, above ``freed_seq``, as was said over this connection; part of ``_sent``."""
        self._known = Ranges()
        """What this run has sent, or an earlier one may have: nobody else has batches of this boot."""
        self._known.add(1, spool.opened_seq)
        self._backlog_end = 0
        """Batches up to this one are the backlog, later ones are live."""
        self._told: list[Committed] = []
        """What ingest has said and `pump` has not acted on."""
        self._own_boots = {spool.boot}
        self._progress_s = 0.0
        self._alive = False
        """Later batches were confirmed since the oldest one was."""
        self._connected = False
        self._silent = False
        self._heard = False
        self._listen_until_s = 0.0
        self._twin_told = False

    @property
    def outstanding(self) -> int:
        """Batches that are sent and not yet committed."""
        return len(self._sent) - len(self._confirmed)

    def connected(self, now_s: float) -> None:
        """A new connection: whatever was on the way may be lost, send it all again."""
        self._connected = True
        self._confirmed = Ranges()
        self._forget_sent()
        self._window = self._inflight
        self._progress_s = now_s
        self._listen_until_s = 0.0 if self._heard else now_s + HEAR_S

    def heard(self) -> None:
        """Ingest has answered; what it had to say about the past has come before that."""
        self._heard = True
        self._listen_until_s = 0.0

    def disconnected(self) -> None:
        """Nothing can be sent."""
        self._connected = False

    def rewind(self, now_s: float) -> None:
        """The spool's batches have new numbers: none of them has been sent."""
        self._confirmed = Ranges()
        self._known = Ranges()
        self._own_boots.add(self._spool.boot)
        self._forget_sent()
        self._progress_s = now_s

    def _forget_sent(self) -> None:
        self._sent = self._confirmed.copy()
        self._backlog_end = self._spool.sendable_seq

    def committed(self, payload: bytes, *, retained: bool = False) -> None:
        """Ingest says what the database has; the next `pump` acts on it."""
        try:
            message = decode_committed(payload)
        except BadData as error:
            log.warning("ignored: %s", error)
            return
        if message.boot == self._spool.boot:
            self._told.append(message)
        elif not retained and message.boot not in self._own_boots and not self._twin_told:
            self._twin_told = True
            log.warning(
                "batches of boot %s are being committed under the name of this agent, whose boot is %s: either another "
                "agent has the same name (give it another one; nothing is lost meanwhile), or these are the last ones "
                "of a spool that this agent had before",
                message.boot,
                self._spool.boot,
            )

    def _free(self, now_s: float) -> None:
        """Let go of what the database has."""
        told, self._told = self._told, []
        for message in told:
            if message.boot == self._spool.boot:  # not any more, if the spool has been started over
                self._take(message, now_s)
        if self._spool.ended_seq == self._spool.freed_seq:
            self._spool.renumber()
            self.rewind(now_s)

    def _take(self, message: Committed, now_s: float) -> None:
        spool = self._spool
        known_seq = max(spool.freed_seq, self._known.last)
        newest = max([message.seq, *(last for _, last in message.beyond)])
        if newest > known_seq and spool.ended_seq is None:
            log.error(
                "the database has batch %d of boot %s, this agent only sent up to %d: its spool is an old copy, or the "
                "disk lost what it had confirmed. What is new goes on under a new boot when that is in the database.",
                newest,
                spool.boot,
                known_seq,
            )
            spool.end_boot(known_seq)
            # The word may be of other reads: what this run has sent goes once more, to be known or put aside.
            self._known = Ranges()
            self._known.add(1, spool.opened_seq)
            self._confirmed = Ranges()
            self._forget_sent()
        before, freed_before = len(self._confirmed), spool.freed_seq
        for first, last in message.beyond:
            # Only what was sent over this connection: before that, a retained message may tell of another time.
            for run in self._sent.common(max(first, spool.freed_seq + 1), last):
                self._confirmed.add(*run)
        new = len(self._confirmed) > before
        strange = self._known.gap(spool.freed_seq, message.seq)  # never sent, so it is not there, whoever says so
        free_seq = strange[0] - 1 if strange else message.seq
        if free_seq > spool.freed_seq:
            spool.free(free_seq)
            for ranges in (self._sent, self._confirmed, self._known):
                ranges.drop_upto(spool.freed_seq)
            self._progress_s = now_s
            self._resend_s = self._resend_first_s
            self._alive = new
        elif new:
            self._alive = True
        if message.seq == spool.freed_seq and spool.freed_seq + 1 in self._confirmed:
            log.warning(
                "the database had batch %d and has it no more: was it restored from a backup?", spool.freed_seq + 1
            )
            self._confirmed = Ranges()
            self._forget_sent()
        if not (new or free_seq > freed_before):
            return
        self._window = min(self._inflight, self._window * 2)
        if self._silent:
            self._silent = False
            log.info("ingest commits again; %d batches are spooled", spool.batches)

    def due_s(self) -> float:
        """When `pump` has something to do even if nothing happens; infinite if never."""
        if not self._connected:
            return float("inf")
        if self._listen_until_s and self._spool.batches:
            return self._listen_until_s
        return self._progress_s + self._resend_s if self.outstanding else float("inf")

    def pump(self, now_s: float) -> None:
        """Free what is committed, send what the window lets out, and again what makes no progress for too long.

        Raises:
            SpoolWriteError: see `Spool.append`.
            SpoolCorruptError: see `Spool.append`.
        """
        self._free(now_s)
        if not self._connected or now_s < self._listen_until_s:
            return
        if self._listen_until_s:
            self._listen_until_s = 0.0
            self._window = 1  # nobody answers: one batch will do to find out when somebody commits
        if self.outstanding and now_s >= self._progress_s + self._resend_s:
            self._send_again(now_s)
        if self._spool.sendable_seq - self._spool.freed_seq > len(self._sent):
            self._send_lanes(now_s)

    def _send_again(self, now_s: float) -> None:
        if self._alive:  # others were committed meanwhile, so it is this one that was lost on the way
            log.warning("batch %d is not committed, later ones are; sending it again", self._spool.freed_seq + 1)
        else:
            if not self._silent:
                self._silent = True
                log.warning(
                    "no commit from ingest for %.3g s with %d batches sent; the spool keeps them, and the oldest is "
                    "sent again from time to time",
                    self._resend_s,
                    self.outstanding,
                )
            self._window = 1
            self._resend_s = min(RESEND_LIMIT_S, self._resend_s * 2)
        self._alive = False
        self._progress_s = now_s
        self._forget_sent()

    def _send_lanes(self, now_s: float) -> None:
        """Fill the window: the backlog up to its share, then what is live."""
        spool, window = self._spool, self._window
        if (
            spool.sendable_seq - max(self._backlog_end, spool.freed_seq) - self._sent.count_above(self._backlog_end)
            > window
        ):
            self._backlog_end = spool.sendable_seq  # too much to be called live
        live = self._on_the_way(self._backlog_end)
        backlog = self.outstanding - live
        backlog_room = min(window - live, max(1, window // BACKLOG_SHARE)) - backlog
        self._send_lane(spool.freed_seq, min(self._backlog_end, spool.sendable_seq), backlog_room, now_s)
        self._send_lane(self._backlog_end, spool.sendable_seq, window - self.outstanding, now_s)

    def _on_the_way(self, after_seq: int) -> int:
        return self._sent.count_above(after_seq) - self._confirmed.count_above(after_seq)

    def _send_lane(self, after_seq: int, upto_seq: int, room: int, now_s: float) -> None:
        """Send what has not been sent, in order."""
        after_seq = max(after_seq, self._spool.freed_seq)
        while room > 0 and self._connected and (gap := self._sent.gap(after_seq, upto_seq)):
            first, last = gap
            batches = self._spool.pending(first - 1, min(room, PAGE, last - first + 1))
            if not batches:
                return
            for batch in batches:
                if not self._outgoing(batch.seq, batch.payload, batch.run, now_s):
                    return
            room -= len(batches)

    def _outgoing(self, seq: int, payload: bytes, run: int, now_s: float) -> bool:
        self._known.add(seq, seq)
        correction = self._spool.correction(run)
        payload = with_first(payload, self._spool.freed_seq + 1, shift=correction.shift_us, clock=correction.state)
        if not self._send(payload):
            self._connected = False
            return False
        if not self.outstanding:
            self._progress_s = now_s  # the silence is counted from the first batch that waits
            self._alive = False
        self._sent.add(seq, seq)
        return True
