"""The demo: a simulated store, or a recording, through the whole stack, and what came out beside the truth."""

import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Any, Final, LiteralString
from zoneinfo import ZoneInfo

import msgspec
import psycopg

from tagtrail.hardware.clock import ScaledClock, parse_clock, utc_us
from tagtrail.hardware.errors import GiveUp
from tagtrail.hardware.store import Store, load_store
from tagtrail.simulator.scenario import store_path
from tagtrail.stack import comparison
from tagtrail.stack.broker import Kind
from tagtrail.stack.datadir import own_data_dir, temporary_data_dir
from tagtrail.stack.machine import Machine, Plan, run_machine
from tagtrail.stack.progress import Progress, Step

OPENS: Final = time_of_day(10, 0)
"""When a simulated store opens, local time."""
CLOCK_FILE: Final = "demo-clock"
"""In the data directory: the clock of the last run."""
PROGRESS_S: Final = 5.0
PAUSE_US: Final = 3_600_000_000
"""An hour between two runs in one data directory, so that no trip reaches from one into the other."""
STALL_LIMIT_S: Final = 60.0
"""If nothing moves for so long while the last reads come home, something is broken."""


@dataclass(frozen=True)
class DemoOptions:
    """What a person asked for; see ``tagtrail demo --help``."""

    once: bool
    minutes: float
    speed: float
    seed: int
    port: int
    data_dir: Path | None
    store: str
    shoppers_per_hour: float
    replay: Path | None
    broker: Kind | None
    verbose: bool


class SourceSummary(msgspec.Struct, frozen=True):
    """What the simulator writes last: how many reads its readers sent."""

    reads_sent: int
    reads_dropped_by_reader: int = 0
    shoppers: int | None = None


def run_demo(options: DemoOptions) -> int:
    """Run it; with ``once`` until all is counted, else until Ctrl-C."""
    progress = Progress()
    if options.replay is not None and not options.replay.is_dir():
        raise GiveUp(f"--replay {options.replay}: there is no such folder")
    store_file = store_path(options.store).absolute()
    store = load_store(store_file)
    with ExitStack() as stack:
        wanted_dir = options.data_dir or stack.enter_context(temporary_data_dir())
        data_dir = stack.enter_context(own_data_dir(wanted_dir, store.id))
        plan = _plan(options, store_file, data_dir)
        what = f"the recording {options.replay}" if options.replay else "simulated shoppers"
        pace = "in real time" if options.speed == 1 else f"{options.speed:g} times as fast as real"
        progress.say(f"{store.store.name}: {what}, {pace}")
        try:
            machine = stack.enter_context(run_machine(plan, progress, verbose=options.verbose))
            if not options.once:
                progress.say(f"\nFloor page: {machine.page}\nCtrl-C ends everything.")
                machine.run_forever()
            _follow(machine, options, data_dir / "truth", progress)
        except KeyboardInterrupt:
            progress.say("\nending…")
            return 130 if options.once else 0
    return 0


def _plan(options: DemoOptions, store_file: Path, data_dir: Path) -> Plan:
    store = load_store(store_file)
    wanted_us = _last_trading_us(store, options.minutes)

    def clock(newest_us: int | None) -> str:
        """Start behind what an earlier run left in the data directory: its shoppers have the same tags."""
        now_us = time.time_ns() // 1000
        if options.speed == 1 and (newest_us is None or newest_us < now_us):
            (data_dir / CLOCK_FILE).unlink(missing_ok=True)
            return "real"
        earlier_us = [time_us for time_us in (newest_us, _spooled_until_us(data_dir)) if time_us is not None]
        origin_us = max([wanted_us, *(time_us + PAUSE_US for time_us in earlier_us)])
        text = ScaledClock(now_us, origin_us, options.speed).text()
        (data_dir / CLOCK_FILE).write_text(text)
        return text

    ports_dir, truth_dir = data_dir / "ports", data_dir / "truth"
    ports_dir.mkdir(exist_ok=True)
    truth_dir.mkdir(exist_ok=True)
    (truth_dir / "summary.json").unlink(missing_ok=True)
    common = ["--ports-dir", str(ports_dir), "--out", str(truth_dir)]
    if options.replay:
        source = ["replay", "--recording", str(options.replay), *common]
    else:
        source = [
            "run", "--seed", str(options.seed), "--minutes", f"{options.minutes:g}",
            "--shoppers-per-hour", f"{options.shoppers_per_hour:g}", *common,
        ]  # fmt: skip
    return Plan(
        store_file=store_file,
        store=store,
        data_dir=data_dir,
        clock=clock,
        api_port=options.port,
        broker=options.broker,
        valid_from_us=wanted_us - PAUSE_US,
        source=source,
        ports_dir=ports_dir,
    )


def _spooled_until_us(data_dir: Path) -> int | None:
    """Store time up to which an earlier run, which may have been killed, can have left reads in the spool."""
    clock_file = data_dir / CLOCK_FILE
    spool = [file.stat().st_mtime_ns // 1000 for file in data_dir.glob("spool.sqlite*")]
    if not spool or not clock_file.exists():
        return None
    clock = parse_clock(clock_file.read_text())
    assert isinstance(clock, ScaledClock)
    return clock.at(max(spool))


def _last_trading_us(store: Store, minutes: float) -> int:
    """The last time that a shop opened long enough ago for a bounded run to lie in the past, as real times do."""
    now = datetime.now(ZoneInfo(store.store.timezone))
    opened = now.replace(hour=OPENS.hour, minute=OPENS.minute, second=0, microsecond=0)
    while opened + timedelta(minutes=minutes) > now:
        opened -= timedelta(days=1)
    return utc_us(opened)


def _follow(machine: Machine, options: DemoOptions, truth_dir: Path, progress: Progress) -> None:
    """Wait until the last read is in the tables, then print them.

    Raises:
        GiveUp: Reads are missing.
    """
    store = machine.plan.store
    with closing(_Ledger(machine.dsn, _start_of(machine.clock))) as ledger:
        with progress.step("recording" if options.replay else "shoppers") as step:
            summary = _wait_for_source(machine, ledger, truth_dir / "summary.json", step)
            who = f"{summary.shoppers} shoppers, " if summary.shoppers is not None else ""
            step.result = f"{who}{summary.reads_sent:,} reads sent"
        with progress.step("last reads") as step:
            reads = _wait_for_reads(machine, ledger, summary.reads_sent)
            verdict = "all of them" if reads == summary.reads_sent else f"not {summary.reads_sent:,}"
            step.result = f"Reads in the database: {reads:,}, {verdict}"
        if reads != summary.reads_sent:
            raise GiveUp(_what_is_wrong(reads, summary.reads_sent, kept=options.data_dir is not None))
    with psycopg.connect(machine.dsn) as database:
        visits = comparison.load_visits(database, store, since=_start_of(machine.clock))
    if options.replay:
        progress.say("\n" + comparison.dwell_beside_labels(visits, store, options.replay))
    else:
        progress.say("\n" + comparison.tables_beside_truth(visits, store, truth_dir))


def _what_is_wrong(stored: int, sent: int, *, kept: bool) -> str:
    what = f"{sent - stored:,} reads are missing" if stored < sent else f"{stored - sent:,} reads too many are stored"
    return what + ("; the log is in the data directory" if kept else "; run again with --data-dir to keep the log")


def _wait_for_source(machine: Machine, ledger: "_Ledger", summary_file: Path, step: Step) -> SourceSummary:
    shown_s = 0.0

    def done() -> bool:
        nonlocal shown_s
        if time.monotonic() - shown_s > PROGRESS_S:
            shown_s = time.monotonic()
            if (reads := ledger.reads()) is not None:
                step.update(f"{reads:,} reads in the database")
        return summary_file.exists()

    machine.wait(done, "the simulated time", limit_s=float("inf"))
    return msgspec.json.decode(summary_file.read_bytes(), type=SourceSummary)


def _wait_for_reads(machine: Machine, ledger: "_Ledger", wanted: int) -> int:
    """Wait until all reads are stored and analysed, or nothing moves any more; returns how many are stored."""
    stall = _Stall()
    stored = 0

    def settled() -> bool:
        nonlocal stored
        if (reads := ledger.reads()) is not None:
            stored = reads
        return ledger.analysed() if stored == wanted else stall.check(stored)

    machine.wait(settled, "the last reads", limit_s=float("inf"))
    return stored


def _start_of(clock: str) -> datetime:
    """When this run began, in the store's time."""
    parsed = parse_clock(clock)
    return datetime.fromtimestamp(parsed.origin_us / 1e6 if isinstance(parsed, ScaledClock) else 0, UTC)


class _Stall:
    """Tells work that goes on from work that hangs."""

    def __init__(self) -> None:
        self._count, self._since_s = -1, 0.0

    def check(self, count: int) -> bool:
        """Whether the count has not moved for `STALL_LIMIT_S`."""
        if count != self._count:
            self._count, self._since_s = count, time.monotonic()
        return time.monotonic() - self._since_s > STALL_LIMIT_S


class _Ledger:
    """What the database has of this stack, asked by a connection that is made anew when the database has fallen."""

    def __init__(self, dsn: str, since: datetime) -> None:
        self._dsn = dsn
        self._since = since
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def reads(self) -> int | None:
        """Reads of this run in all batches; None while the database does not answer."""
        return self._number("SELECT coalesce(sum(reads), 0)::bigint FROM batch WHERE first_time >= %s", self._since)

    def analysed(self) -> bool:
        """Whether analytics has taken in every batch."""
        left = self._number(
            "SELECT count(*) FROM batch b LEFT JOIN analysis_cursor c USING (store_id) "
            "WHERE c.xid IS NULL OR b.xid >= c.xid"
        )
        return left == 0

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _number(self, query: LiteralString, *values: object) -> int | None:
        try:
            if self._connection is None:
                self._connection = psycopg.connect(self._dsn, autocommit=True)
            row = self._connection.execute(query, values).fetchone()
        except psycopg.OperationalError:
            self.close()
            return None
        return None if row is None else int(row[0])
