"""The spool: a file that keeps each batch until the database has it.

SQLite in WAL mode with ``synchronous=FULL``: a batch that `Spool.append` has returned survives a kill of the process
and a power cut. The file is locked for as long as it is open, so two agents cannot number their batches from one spool.
What it has taken it never drops; when it may not grow any more it takes nothing new.
"""

import contextlib
import logging
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from tagtrail.edge.timekeeper import Correction, Run
from tagtrail.hardware.errors import GiveUp, Retry, TagtrailError
from tagtrail.hardware.reads import TagRead
from tagtrail.hardware.wire import ReadBatch, decode_batch, encode, pack_reads

log = logging.getLogger("tagtrail.edge")

VERSION: Final = 3
APPLICATION_ID: Final = 0x54545350  # "TTSP"
LOCK_WAIT_S: Final = 2.0
"""How long to wait for an agent that is just being stopped."""

TRIM: Final = 200
"""Most batches deleted in one transaction: the end of a long backlog must not hold up the reads of the moment."""
PAGE: Final = 64
"""Batches in memory while they are renumbered."""

# run: the steady clock that reads are stamped with, one per start of the machine, and what is known of it.
_RUNS: Final = """
ALTER TABLE batch ADD COLUMN run INTEGER NOT NULL DEFAULT 0;
CREATE TABLE run (
    run INTEGER PRIMARY KEY, machine TEXT NOT NULL, epoch_us INTEGER NOT NULL, shift_us INTEGER NOT NULL,
    state TEXT NOT NULL, wall_us INTEGER NOT NULL
);
"""
# What was appended after ended_seq gets a new boot before it is sent.
_ENDED: Final = "ALTER TABLE spool ADD COLUMN ended_seq INTEGER;"
_STEPS: Final = {1: _RUNS + _ENDED, 2: _ENDED}
_SCHEMA: Final = f"""
CREATE TABLE spool (boot TEXT NOT NULL, store TEXT NOT NULL, agent TEXT NOT NULL, last_seq INTEGER NOT NULL);
CREATE TABLE batch (seq INTEGER PRIMARY KEY, reads INTEGER NOT NULL, payload BLOB NOT NULL);
{_RUNS}{_ENDED}"""
_PAGES_MAX: Final = 2**31 - 1
"""Here SQLite ends by itself."""
_CORRUPT: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class SpoolCorruptError(TagtrailError):
    """The spool's file is damaged; only `Spool.start_over` helps."""


class SpoolWriteError(Retry):
    """The disk is full or fails; nothing of the batch was written."""


class SpooledBatch(NamedTuple):
    """One batch as it lies in the spool: ``payload`` is the message, but for its ``first``."""

    seq: int
    reads: int
    run: int
    payload: bytes


class Limit(NamedTuple):
    """How far the spool may fill the disk, in bytes: ``file`` at most (0: no limit of its own), leaving ``free``."""

    file: int = 0
    free: int = 0


class Spool:
    """Batches of one agent, numbered from 1 without gaps within a ``boot``.

    Args:
        path: The file; it and its folder are created where they are missing.
        store: Id of the store, and
        agent: id of the agent: both are part of where batches go, so a spool belongs to one pair.
        limit: When it takes nothing new.

    Raises:
        GiveUp: The file cannot be opened, is in use, or is not a spool of this agent and version.
    """

    def __init__(self, path: Path, *, store: str, agent: str, limit: Limit | None = None) -> None:
        self._path = path
        self._store = store
        self._agent = agent
        self._limit = limit or Limit()
        self._run: Run | None = None
        try:
            self._open()
        except SpoolCorruptError as error:
            self.start_over(str(error))

    # The owner's thread sees these; they mirror what the file says.
    boot: str
    last_seq: int
    """Newest batch ever appended under this boot; 0 before the first."""
    opened_seq: int
    """Newest batch that an earlier run may have sent: the file held it when it was opened; 0 after `renumber`."""
    ended_seq: int | None
    """Last batch of a boot that has ended; None for one that goes on."""
    freed_seq: int
    """All batches up to this one are in the database."""
    batches: int
    reads: int
    """Batches and (merged) reads that wait for the database."""
    _trimmed_seq: int
    _runs: dict[int, Run]
    _page_size: int
    _pages_max: int

    @property
    def sendable_seq(self) -> int:
        """Newest batch that may be sent under this boot."""
        return self.last_seq if self.ended_seq is None else self.ended_seq

    def begin_run(self, machine: str, epoch_us: int) -> Run:
        """Say by which clock the reads to come are stamped.

        Args:
            machine: Names the start of this machine.
            epoch_us: Where its steady clock began, if this is the first run of the agent since then.

        Returns:
            What an earlier run of the agent since that start has found out, else a new one.
        """
        last = self._runs.get(max(self._runs, default=0))
        if last is None or last.machine != machine:
            last = Run(max(self._runs, default=0) + 1, machine, epoch_us)
        self._note(last)
        return last

    def correct_run(self, correction: Correction) -> None:
        """Keep what is known of the clock; it is on the disk with the next write."""
        assert self._run is not None
        self._note(self._run._replace(correction=correction))

    def correction(self, run: int) -> Correction:
        """What is known of the clock that a batch was stamped by."""
        known = self._runs.get(run)
        return Correction() if known is None else known.correction

    def _note(self, run: Run) -> None:
        self._run = self._runs[run.run] = run
        self._run_noted = False

    def append(self, reads: Sequence[TagRead]) -> int:
        """Write a batch to the disk; returns its ``seq``.

        Raises:
            SpoolWriteError: Try again later, with the same reads.
            SpoolCorruptError: The file is damaged; `start_over`.
        """
        batch = pack_reads(reads, agent=self._agent, boot=self.boot, seq=self.last_seq + 1)
        self._keep_to_limit()
        self._write(batch)
        self.last_seq = batch.seq
        self.batches += 1
        self.reads += len(reads)
        return batch.seq

    def trim(self) -> None:
        """Delete what was freed, where nothing is appended that would take it along, a part at a time.

        Raises:
            SpoolWriteError: see `append`.
            SpoolCorruptError: see `append`.
        """
        if self.freed_seq - self._trimmed_seq >= TRIM:
            self._write()

    def _write(self, batch: ReadBatch | None = None, *, trim: int = TRIM) -> None:
        """All that there is to write, in one transaction: one wait for the disk per batch, not three."""
        upto_seq, run = min(self.freed_seq, self._trimmed_seq + trim), self._run
        with self._transaction() as cursor:
            if upto_seq > self._trimmed_seq:
                cursor.execute("DELETE FROM batch WHERE seq <= ?", (upto_seq,))
            if run is not None and not self._run_noted:
                row = (run.run, run.machine, run.epoch_us, *run.correction)
                cursor.execute("INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?, ?, ?)", row)
            if batch is not None:
                self._insert(cursor, batch, 0 if run is None else run.run)
        self._trimmed_seq, self._run_noted = upto_seq, True

    def _keep_to_limit(self) -> None:
        """Let the file grow or not; pages that were freed are used in any case."""
        file, free = self._limit
        pages, why = _PAGES_MAX, "the disk is full"
        if file:
            pages, why = max(1, file // self._page_size), f"it has {file / 1e6:g} MB (spool_max_mb), or {why}"
        with contextlib.suppress(OSError):
            if free and shutil.disk_usage(self._path.parent).free < free:
                # SQLite takes the present size for this one.
                pages, why = 1, f"less than {free / 1e6:g} MB of the disk are free (spool_free_mb)"
        if pages != self._pages_max:
            with self._errors():
                self._db.execute(f"PRAGMA max_page_count = {pages}")
            self._pages_max, self._full = pages, why

    def pending(self, after_seq: int, limit: int) -> list[SpooledBatch]:
        """Up to ``limit`` batches after ``after_seq`` that are not freed, in order."""
        with self._errors():
            return [
                SpooledBatch(*row)
                for row in self._db.execute(
                    "SELECT seq, reads, run, payload FROM batch WHERE seq > ? ORDER BY seq LIMIT ?",
                    (max(after_seq, self.freed_seq), limit),
                )
            ]

    def free(self, upto_seq: int) -> None:
        """The database has everything up to ``upto_seq``.

        This does not touch the disk; the next `append`, `trim` or `close` does. After a kill in between, those batches
        are sent again, and ingest knows them.
        """
        upto_seq = min(upto_seq, self.sendable_seq)
        if upto_seq <= self.freed_seq:
            return
        with self._errors():
            batches, reads = self._db.execute(
                "SELECT count(*), coalesce(sum(reads), 0) FROM batch WHERE seq > ? AND seq <= ?",
                (self.freed_seq, upto_seq),
            ).fetchone()
        self.batches -= batches
        self.reads -= reads
        self.freed_seq = upto_seq

    def end_boot(self, seq: int) -> None:
        """Send nothing after batch ``seq`` under this boot; when all up to it is freed, `renumber`.

        For a database that knows later batches of this boot than were ever sent from here: the file is an older copy,
        or a disk lost what it had confirmed. Then a number that is used a second time would look like a repetition.
        What was sent keeps its numbers, by which the database knows it.

        Raises:
            SpoolWriteError: see `append`.
            SpoolCorruptError: see `append`.
        """
        with self._transaction() as cursor:
            cursor.execute("UPDATE spool SET ended_seq = ?", (seq,))
        self.ended_seq = seq

    def renumber(self) -> None:
        """Give all that is not freed a new ``boot``, and numbers from 1; nothing of it has been sent.

        Raises:
            SpoolWriteError: see `append`.
            SpoolCorruptError: see `append`.
        """
        before_seq, boot = self.freed_seq, secrets.token_hex(4)
        with self._transaction() as cursor:
            cursor.execute("DELETE FROM batch WHERE seq <= ?", (before_seq,))
            for first_seq in range(before_seq + 1, self.last_seq + 1, PAGE):
                for spooled in self.pending(first_seq - 1, PAGE):
                    seq = spooled.seq - before_seq
                    batch = msgspec.structs.replace(decode_batch(spooled.payload), boot=boot, seq=seq)
                    cursor.execute(
                        "UPDATE batch SET seq = ?, payload = ? WHERE seq = ?", (seq, encode(batch), spooled.seq)
                    )
            cursor.execute(
                "UPDATE spool SET boot = ?, last_seq = ?, ended_seq = NULL", (boot, self.last_seq - before_seq)
            )
        self._load()
        self.opened_seq = 0

    def start_over(self, why: str) -> None:
        """Move the damaged file aside, where a person can look at it, and start a new one with a new ``boot``.

        Raises:
            GiveUp: The file cannot be moved, or no new one be made.
        """
        self._db.close()
        self._move_aside(why)
        self._open()

    def close(self) -> None:
        """Delete what was freed and close the file; nothing is lost if this is never called."""
        with contextlib.suppress(SpoolWriteError, SpoolCorruptError):
            self._write(trim=self.freed_seq)
        self._db.close()

    def _insert(self, cursor: sqlite3.Cursor, batch: ReadBatch, run: int) -> None:
        row = (batch.seq, len(batch.tag), run, encode(batch))
        cursor.execute("INSERT INTO batch (seq, reads, run, payload) VALUES (?, ?, ?, ?)", row)
        cursor.execute("UPDATE spool SET last_seq = ?", (batch.seq,))

    def _open(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self._path, timeout=LOCK_WAIT_S, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise GiveUp(
                f"spool {self._path} cannot be opened: {error}. Name a file in a folder that this user may write to."
            ) from None
        try:
            with self._errors(opening=True):
                self._prepare()
                self._load()
        except BaseException:
            self._db.close()
            raise
        self.opened_seq = self.sendable_seq

    def _prepare(self) -> None:
        """Lock the file, check that it is a whole spool of ours, or make it one."""
        db = self._db
        # In this mode the first lock is kept until the file is closed, and a kill ends it.
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("BEGIN EXCLUSIVE")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables == version == application == 0:
            self._create()
        elif application != APPLICATION_ID:
            raise GiveUp(f"spool {self._path} is a database of another program. Name another file.")
        elif version in _STEPS:
            for statement in _STEPS[version].split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")
        elif version != VERSION:
            raise GiveUp(
                f"spool {self._path} has version {version}, this agent writes version {VERSION}. "
                "Let the agent that wrote it send what it holds, or name another file."
            )
        db.execute("COMMIT")
        db.execute("PRAGMA journal_mode = WAL")
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise SpoolCorruptError(str(verdict))

    def _create(self) -> None:
        for statement in _SCHEMA.split(";"):
            self._db.execute(statement)
        self._db.execute(
            "INSERT INTO spool (boot, store, agent, last_seq) VALUES (?, ?, ?, 0)",
            (secrets.token_hex(4), self._store, self._agent),
        )
        self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self._db.execute(f"PRAGMA user_version = {VERSION}")

    def _load(self) -> None:
        rows = self._db.execute("SELECT boot, store, agent, last_seq, ended_seq FROM spool").fetchall()
        if len(rows) != 1:
            raise SpoolCorruptError(f"{len(rows)} rows where one is expected")
        self.boot, store, agent, self.last_seq, self.ended_seq = rows[0]
        if (store, agent) != (self._store, self._agent):
            raise GiveUp(
                f"spool {self._path} belongs to agent {agent!r} of store {store!r}, this is {self._agent!r} of "
                f"{self._store!r}. Name another file, or let that agent send what it holds first."
            )
        oldest, newest, self.batches, self.reads = self._db.execute(
            "SELECT min(seq), max(seq), count(*), coalesce(sum(reads), 0) FROM batch"
        ).fetchone()
        if self.batches and (newest != self.last_seq or newest - oldest + 1 != self.batches):
            raise SpoolCorruptError(f"batches {oldest} to {newest} are {self.batches}, the last was {self.last_seq}")
        self.freed_seq = self._trimmed_seq = self.last_seq - int(self.batches)
        rows = self._db.execute("SELECT run, machine, epoch_us, shift_us, state, wall_us FROM run").fetchall()
        self._runs = {run: Run(run, machine, epoch_us, Correction(*known)) for run, machine, epoch_us, *known in rows}
        if self._run is not None:  # the file is a new one
            self._note(self._run)
        (self._page_size,) = self._db.execute("PRAGMA page_size").fetchone()
        self._pages_max, self._full = 0, ""

    def _move_aside(self, why: str) -> None:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        names = (f"{self._path.name}.corrupt-{stamp}{tail}" for tail in ("", *(f"-{i}" for i in range(2, 100))))
        aside = next(path for name in names if not (path := self._path.with_name(name)).exists())
        try:
            for suffix in ("", "-wal", "-shm", "-journal"):
                part = self._path.with_name(self._path.name + suffix)
                if part.exists():
                    part.rename(aside.with_name(aside.name + suffix))
        except OSError as error:
            raise GiveUp(f"spool {self._path} is damaged ({why}) and cannot be moved aside: {error}") from None
        log.error("spool %s is damaged (%s): it is kept as %s and a new one is started", self._path, why, aside)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Cursor]:
        with self._errors():
            cursor = self._db.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _errors(self, *, opening: bool = False) -> Iterator[None]:
        """Turn SQLite's errors into ours."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _CORRUPT:
                raise SpoolCorruptError(str(error)) from None
            if opening and code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise GiveUp(
                    f"spool {self._path} is in use by another process. Stop the other agent, or name another file."
                ) from None
            if opening:
                raise GiveUp(f"spool {self._path} cannot be used: {error}. Check the disk and who may write.") from None
            if code == sqlite3.SQLITE_FULL:
                raise SpoolWriteError(f"spool {self._path} is full: {self._full}") from None
            raise SpoolWriteError(f"spool {self._path}: {error}") from None
