"""The whole of Tagtrail on one machine: database, broker and services, in the order in which they need each other."""

import logging
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psycopg

from tagtrail.hardware.errors import GiveUp, Retry
from tagtrail.hardware.store import Store
from tagtrail.hardware.wire import AgentStatus, ReaderStatus, decode_status
from tagtrail.ingest.database import connection, layouts, migrate
from tagtrail.stack.broker import Broker, Kind, prepare_broker
from tagtrail.stack.logs import LogFile
from tagtrail.stack.postgres import Cluster, free_port, prepare_cluster
from tagtrail.stack.progress import Progress
from tagtrail.stack.supervisor import Service, Supervisor

logger = logging.getLogger("tagtrail.stack")

AGENT: Final = "edge-1"
START_LIMIT_S: Final = 60.0
READERS_LIMIT_S: Final = 8.0
POLL_S: Final = 0.1


@dataclass(frozen=True)
class Plan:
    """What to run.

    Attributes:
        store_file: The store file.
        store: Its content.
        data_dir: Where everything lives.
        clock: Setting ``clock`` of all services, given the newest time in the database (microseconds UTC), if any.
        api_port: TCP port of the floor page.
        database_port: TCP port of the database; 0 takes a free one.
        broker_port: TCP port of the broker; 0 takes a free one.
        broker: Which broker; None takes Mosquitto where it is installed.
        valid_from_us: Since when the layout is as the store file says; None: from now on.
        source: Arguments of the `tagtrail` command that plays the readers; none for real ones.
        ports_dir: Where that command puts the readers' ports.
        options: More arguments per service.
    """

    store_file: Path
    store: Store
    data_dir: Path
    clock: Callable[[int | None], str]
    api_port: int
    database_port: int = 0
    broker_port: int = 0
    broker: Kind | None = None
    valid_from_us: int | None = None
    source: Sequence[str] = ()
    ports_dir: Path | None = None
    options: Mapping[str, Sequence[str]] = field(default_factory=dict)


class Machine:
    """A running stack."""

    def __init__(self, plan: Plan, supervisor: Supervisor, progress: Progress, log: LogFile) -> None:
        """Use `run_machine`, which starts and stops it."""
        self.plan = plan
        self.supervisor = supervisor
        self.progress = progress
        self.cluster: Cluster | None = None
        self.broker: Broker | None = None
        self.clock = "real"
        self._log = log
        self._started = datetime.now(UTC)

    @property
    def dsn(self) -> str:
        """Address of the database."""
        assert self.cluster is not None
        return self.cluster.dsn()

    @property
    def page(self) -> str:
        """Address of the floor page."""
        return f"http://127.0.0.1:{self.plan.api_port}/"

    def start(self) -> None:
        """Start everything, each as soon as what it needs answers."""
        self._start_database()
        self._start_broker()
        self._start_service("ingest", "ingest")
        self._start_service("analyze", "analytics")
        self._start_page()
        self._start_readers()

    def wait(self, done: Callable[[], bool], what: str, limit_s: float = START_LIMIT_S) -> None:
        """Look after the children until ``done``.

        Raises:
            GiveUp: It took longer than ``limit_s``, or a service gave up.
        """
        deadline = time.monotonic() + limit_s
        while not done():
            self.supervisor.check()
            if time.monotonic() > deadline:
                raise GiveUp(f"{what}: not within {limit_s:g} s; the log ends so:\n{self._log.tail(8)}")
            time.sleep(POLL_S)

    def run_forever(self) -> None:
        """Look after the children until a signal comes."""
        while True:
            self.supervisor.check()
            time.sleep(POLL_S)

    def agent_status(self) -> AgentStatus | None:
        """What the edge has said since this start, as the database has it; None while either is silent."""
        try:
            with psycopg.connect(self.dsn) as database:
                row = database.execute(
                    "SELECT status::text FROM agent_status JOIN store USING (store_id) "
                    "WHERE store = %s AND agent = %s AND received_at > %s",
                    [self.plan.store.id, AGENT, self._started],
                ).fetchone()
        except psycopg.OperationalError:
            return None
        return None if row is None else decode_status(row[0].encode())

    def _start_database(self) -> None:
        with self.progress.step("database") as step:
            self.cluster = prepare_cluster(self.plan.data_dir, self.plan.database_port)
            _check_port_free("database", self.cluster.port)
            self.supervisor.start(
                Service("database", self.cluster.argv, user=self.cluster.user, stop_signal=signal.SIGINT)
            )
            self.wait(self.cluster.ready, "the embedded database")
            applied = migrate.migrate(self.dsn)
            self._add_layout()
            self._look_back()
            version = connection.server_version(self.dsn)
            step.result = f"{version} on port {self.cluster.port}, {len(applied)} migrations applied"

    def _add_layout(self) -> None:
        valid_from_us = self.plan.valid_from_us
        valid_from = datetime.now(UTC) if valid_from_us is None else datetime.fromtimestamp(valid_from_us / 1e6, UTC)
        with connection.connect(self.dsn) as database:
            layouts.add_layout(database, self.plan.store_file.read_text(encoding="utf-8"), valid_from)

    def _look_back(self) -> None:
        with connection.connect(self.dsn) as database:
            row = database.execute("SELECT extract(epoch FROM max(last_time)) * 1e6 FROM batch").fetchone()
        self.clock = self.plan.clock(None if row is None or row[0] is None else int(row[0]))

    def _start_broker(self) -> None:
        with self.progress.step("broker") as step:
            port = self.plan.broker_port or free_port()
            _check_port_free("broker", port)
            self.broker = prepare_broker(self.plan.data_dir, port, self.plan.broker)
            self.supervisor.start(Service("broker", self.broker.argv))
            self.broker.wait_ready(alive=lambda: self.supervisor.running("broker"))
            step.result = f"{self.broker.kind} on port {port}"

    def _start_service(self, command: str, name: str) -> None:
        self.supervisor.start(self._service(command, name))

    def _service(self, command: str, name: str, *arguments: str, grace_s: float = 15.0) -> Service:
        assert self.broker is not None
        environment = {
            "TAGTRAIL_DSN": self.dsn,
            "TAGTRAIL_MQTT": self.broker.url,
            "TAGTRAIL_STORE": str(self.plan.store_file) if command in ("edge", "simulate") else "",
            "TAGTRAIL_CLOCK": self.clock,
        }
        argv = [sys.executable, "-P", "-m", "tagtrail.stack", command, *arguments, *self.plan.options.get(name, ())]
        return Service(name, argv, {key: value for key, value in environment.items() if value}, stop_grace_s=grace_s)

    def _start_page(self) -> None:
        with self.progress.step("floor page") as step:
            _check_port_free("floor page", self.plan.api_port, "--port")
            self.supervisor.start(self._service("api", "api", "--port", str(self.plan.api_port)))
            self.wait(lambda: _answers(self.page + "api/health"), "the floor page")
            step.result = self.page

    def _start_readers(self) -> None:
        store, ports_dir = self.plan.store, self.plan.ports_dir
        edge_options = ["--agent", AGENT, "--status-s", "2", "--spool", str(self.plan.data_dir / "spool.sqlite")]
        if self.plan.source and ports_dir is not None:
            with self.progress.step("simulator") as step:
                self.supervisor.start(self._service("simulate", "simulator", *self.plan.source))
                self.wait(lambda: all((ports_dir / reader.id).exists() for reader in store.reader), "simulated readers")
                antennas = sum(len(reader.antenna) for reader in store.reader)
                step.result = f"{len(store.reader)} readers with {antennas} antennas on pseudo-terminals"
            edge_options += ["--ports", str(ports_dir / "{reader}")]
        with self.progress.step("edge") as step:
            self.supervisor.start(self._service("edge", "edge", *edge_options))
            if self.plan.source:
                self.wait(lambda: self._streaming() == len(store.reader), "the readers' sessions")
            else:
                self._give_readers_time()
            step.result = f"{self._streaming()} of {len(store.reader)} readers streaming"
        for reader in self._silent():
            self.progress.say(f"     {reader.reader}: {reader.error or reader.state}")

    def _give_readers_time(self) -> None:
        """Real readers may be away for a while; the stack starts without them, and says so."""
        until_s = time.monotonic() + READERS_LIMIT_S
        self.wait(
            lambda: self._streaming() == len(self.plan.store.reader) or time.monotonic() > until_s,
            "the readers' sessions",
        )

    def _silent(self) -> list[ReaderStatus]:
        status = self.agent_status()
        return [] if status is None else [reader for reader in status.readers if reader.state != "streaming"]

    def _streaming(self) -> int:
        status = self.agent_status()
        return 0 if status is None else sum(reader.state == "streaming" for reader in status.readers)


@contextmanager
def run_machine(plan: Plan, progress: Progress, *, verbose: bool = False) -> Iterator[Machine]:
    """Start the stack, and end all of it however the context is left.

    SIGTERM and SIGHUP end it as Ctrl-C does. The log of all goes to ``log/tagtrail.log`` in the data directory.

    Raises:
        GiveUp: Something cannot start; the message says what to do.
    """
    log_dir = plan.data_dir / "log"
    log_dir.mkdir(exist_ok=True)
    with ExitStack() as stack:
        log = stack.enter_context(closing(LogFile(log_dir / "tagtrail.log")))
        supervisor = Supervisor(log, sys.stderr) if verbose else Supervisor(log)
        # SIGINT too: a job in the background of a shell inherits it as ignored.
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            stack.callback(signal.signal, signum, signal.signal(signum, _interrupt))
        stack.callback(_stop_undisturbed, supervisor)
        machine = Machine(plan, supervisor, progress, log)
        try:
            machine.start()
        except Retry as error:
            raise GiveUp(str(error)) from error
        yield machine


def _stop_undisturbed(supervisor: Supervisor) -> None:
    """Stop all; a second Ctrl-C must not leave half of it behind. Our caller puts the handlers back."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    supervisor.stop_all()


def _interrupt(_signum: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2.0) as response:  # noqa: S310 - our own page
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _check_port_free(what: str, port: int, option: str = "") -> None:
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            advice = f"choose another with {option}" if option else "stop what listens there"
            raise GiveUp(f"port {port} for the {what} is taken; {advice}") from None


def state_home() -> Path:
    """Where a stack keeps its data if nobody says otherwise: a private folder of the user, /var/lib for root."""
    if os.geteuid() == 0:
        return Path("/var/lib/tagtrail")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "tagtrail"
