"""The demo: a simulated store, or a recording, through the whole stack, and what came out beside the truth."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
import psycopg

from tagtrail.hardware.clock import ScaledClock, parse_clock, utc_us
from tagtrail.hardware.errors import GiveUp
from tagtrail.hardware.store import Store, load_store
from tagtrail.simulator.settings import store_path
from tagtrail.stack import comparison
from tagtrail.stack.broker import Kind
from tagtrail.stack.datadir import own_data_dir, temporary_data_dir
from tagtrail.stack.machine import Machine, Plan, run_machine
from tagtrail.stack.progress import Progress, Step

Database = psycopg.Connection[tuple[Any, ...]]

OPENS: Final = time_of_day(10, 0)
"""When a simulated store opens, local time."""
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
            return "real"
        origin_us = wanted_us if newest_us is None else max(wanted_us, newest_us + PAUSE_US)
        return ScaledClock(now_us, origin_us, options.speed).text()

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
    with psycopg.connect(machine.dsn, autocommit=True) as database:
        with progress.step("recording" if options.replay else "shoppers") as step:
            summary = _wait_for_source(machine, database, truth_dir / "summary.json", step)
            who = f"{summary.shoppers} shoppers, " if summary.shoppers is not None else ""
            step.result = f"{who}{summary.reads_sent:,} reads sent"
        with progress.step("last reads") as step:
            reads = _wait_for_reads(machine, database, summary.reads_sent)
            verdict = "all of them" if reads == summary.reads_sent else f"not {summary.reads_sent:,}"
            step.result = f"Reads in the database: {reads:,}, {verdict}"
        if reads != summary.reads_sent:
            missing = summary.reads_sent - reads
            raise GiveUp(f"{missing:+,} reads are missing; run again with --data-dir, which keeps the log")
        visits = comparison.load_visits(database, store, since=_start_of(machine.clock))
    if options.replay:
        progress.say("\n" + comparison.dwell_beside_labels(visits, store, options.replay))
    else:
        progress.say("\n" + comparison.tables_beside_truth(visits, store, truth_dir))


def _wait_for_source(machine: Machine, database: Database, summary_file: Path, step: Step) -> SourceSummary:
    shown_s = 0.0

    def done() -> bool:
        nonlocal shown_s
        if time.monotonic() - shown_s > PROGRESS_S:
            shown_s = time.monotonic()
            step.update(f"{_reads(database) - machine.reads_before:,} reads in the database")
        return summary_file.exists()

    machine.wait(done, "the simulated time", limit_s=float("inf"))
    return msgspec.json.decode(summary_file.read_bytes(), type=SourceSummary)


def _wait_for_reads(machine: Machine, database: Database, wanted: int) -> int:
    """Wait until all reads are stored and analysed, or nothing moves any more; returns how many are stored."""
    stall = _Stall()

    def settled() -> bool:
        reads = _reads(database) - machine.reads_before
        return _analysed(database) if reads == wanted else stall.check(reads)

    machine.wait(settled, "the last reads", limit_s=float("inf"))
    return _reads(database) - machine.reads_before


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


def _reads(database: Database) -> int:
    row = database.execute("SELECT coalesce(sum(reads), 0)::bigint FROM batch").fetchone()
    return 0 if row is None else row[0]


def _analysed(database: Database) -> bool:
    """Whether analytics has taken in every batch of the ledger."""
    row = database.execute(
        "SELECT count(*) FROM batch b LEFT JOIN analysis_cursor c USING (store_id) "
        "WHERE c.xid IS NULL OR b.xid >= c.xid"
    ).fetchone()
    return row is not None and row[0] == 0
