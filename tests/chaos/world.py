"""A shop in processes of their own: readers, edge agents, broker, ingest, database, analytics. All of it can be killed.

The harness owns the processes and starts again what it has killed. A process that ends by itself fails the test.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

import psycopg

from chaos.count import Heard, Verdict, judge
from chaos.proxy import Proxy
from chaos.visits import are_analysed, visit_faults
from chaos.witness import Evidence, accepted_about, hear
from chaos.worker import Worker
from fixture_database import new_database
from tagtrail.hardware.errors import Retry
from tagtrail.ingest import quarantine
from tagtrail.ingest.database.connection import connect
from tagtrail.ingest.database.layouts import add_layout
from tagtrail.ingest.database.migrate import migrate
from tagtrail.ingest.retry import retry
from tagtrail.stack.broker import Kind, prepare_broker
from tagtrail.stack.postgres import Cluster, free_port, prepare_cluster

STORE: Final = "riverside"
POLL_S: Final = 0.05

_STORE_FILE: Final = """
[store]
id = "riverside"
name = "Riverside"
timezone = "UTC"
[[floor]]
id = "1F"
width_m = 80.0
depth_m = 10.0
"""
_READER: Final = """
[[zone]]
id = "zone-{number}"
floor = "1F"
kind = "aisle"
polygon = [[{left}, 0.0], [{right}, 0.0], [{right}, 10.0], [{left}, 10.0]]
[[reader]]
id = "r{number:02d}"
protocol = "mercury"
region = "eu"
[[reader.antenna]]
port = 1
floor = "1F"
position_m = [{middle}, 3.0, 3.0]
[[reader.antenna]]
port = 2
floor = "1F"
position_m = [{middle}, 7.0, 3.0]
"""


def store_file(readers: int) -> str:
    """A store with that many readers, a zone for each."""
    parts = [_STORE_FILE]
    for number in range(1, readers + 1):
        left = 4.0 * (number - 1)
        parts.append(_READER.format(number=number, left=left, right=left + 4.0, middle=left + 2.0))
    return "".join(parts)


class Database:
    """A PostgreSQL of our own, or one of somebody else, whose sessions only we may end."""

    def __init__(self, stack: ExitStack, folder: Path, server: str | None) -> None:
        self.cluster: Cluster | None = None
        self.worker: Worker | None = None
        self.killed = 0
        if server is not None:
            self.dsn = stack.enter_context(new_database(server))
            self.port = int(psycopg.conninfo.conninfo_to_dict(self.dsn).get("port") or 5432)
            return
        self.cluster = cluster = prepare_cluster(folder)
        self.dsn, self.port = cluster.dsn(), cluster.port
        self.worker = Worker(
            "database",
            cluster.argv,
            folder / "database.log",
            user=cluster.user,
            stop_signal=signal.SIGINT,
            retries=True,
        )
        stack.callback(self.worker.kill)
        self.worker.start()
        cluster.wait_ready()

    def kill(self, pause_s: float) -> None:
        """Kill -9 of the server; where that is not ours, of all sessions of our database."""
        self.killed += 1
        if self.worker is not None:
            self.worker.kill(pause_s)
            return
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )

    def through(self, port: int) -> str:
        """The DSN by way of a proxy."""
        return psycopg.conninfo.make_conninfo(self.dsn, port=port)


class World:
    """The shop.

    Args:
        folder: Everything goes here; the database's user must be able to pass.
        broker: Which broker.
        server: DSN of a server where a database may be made; None: one of our own.
        agents: Edge agents, with
        readers: readers each.
        reads_per_s: What each reader sees.
        hurry: Shorten keep-alive and back-off.
        analytics: Have it run too.
        twins: All agents go by the name of the first.
        clones: They are, as twins, but the first one wait for `clone`.
        database_folder: Where a server of our own keeps its files, if not below ``folder``.
        edge: More settings of each agent.
        ingest: More settings of ingest.
    """

    def __init__(
        self,
        folder: Path,
        *,
        broker: Kind = "mosquitto",
        server: str | None = None,
        agents: int = 1,
        readers: int = 1,
        reads_per_s: float = 500.0,
        hurry: bool = True,
        analytics: bool = False,
        twins: bool = False,
        clones: bool = False,
        database_folder: Path | None = None,
        edge: dict[str, str] | None = None,
        ingest: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self._readers = {
            f"edge-{agent + 1}": [f"r{agent * readers + reader + 1:02d}" for reader in range(readers)]
            for agent in range(agents)
        }
        self._ids = {agent: "edge-1" if twins or clones else agent for agent in self._readers}
        self._env = {"CHAOS_HURRY": "1"} if hurry else {}
        self._clones = clones
        if clones:
            self._env["CHAOS_CLONES"] = "1"
        (folder / "ports").mkdir()
        (folder / "store.toml").write_text(store_file(agents * readers), encoding="utf-8")
        self._edge_more = edge or {}
        self._ingest_more = {**({"database_silence_s": "3"} if hurry else {}), **(ingest or {})}
        try:
            self.database = Database(self._stack, database_folder or folder, server)
            self._build(broker, agents * readers, reads_per_s, analytics=analytics)
        except BaseException:
            self.close()
            raise

    def _build(self, kind: Kind, readers: int, reads_per_s: float, *, analytics: bool) -> None:
        migrate(self.database.dsn)
        with connect(self.database.dsn) as connection:
            add_layout(connection, store_file(readers), datetime(2020, 1, 1, tzinfo=UTC))
        port = free_port()
        self._broker_state = self.folder / "broker"
        argv = prepare_broker(self._broker_state, port, kind).argv
        if kind == "mosquitto":
            _remember(self._broker_state)
        self.broker = Worker("broker", argv, self.folder / "broker.log", env=self._env)
        self.broker_port = port
        self.edge_network, self.ingest_network = self._proxy(port), self._proxy(port)
        self.database_network = self._proxy(self.database.port)
        self.ingest = self._service("ingest", "ingest", self._ingest_settings())
        self.edges = {agent: self._service(agent, "edge", self._edge_settings(agent)) for agent in self._readers}
        farm = [sys.executable, "-m", "chaos.farm", str(self.folder / "ports"), str(readers), f"{reads_per_s:g}"]
        self.farm = Worker("farm", farm, self.folder / "farm.log", env=self._env)
        self.workers = [self.broker, self.ingest, *self.edges.values(), self.farm]
        self.analytics: Worker | None = None
        if analytics:
            self.analytics = self._service("analytics", "analyze", {"dsn": self.database.dsn})
            self.workers.append(self.analytics)
        for worker in self.workers:
            self._stack.callback(worker.kill)
            if self._clones and worker in list(self.edges.values())[1:]:
                worker.kill(float("inf"))
            else:
                worker.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything at once."""
        self._stack.close()

    # -- what happens

    def look_after(self) -> None:
        """Start again what is due; fails where a process has ended by itself."""
        for worker in self.workers:
            worker.look_after()
        if self.database.worker is not None:
            self.database.worker.look_after()

    def wait(self, condition: Callable[[], object], what: str, limit_s: float = 60.0) -> None:
        """Look after the processes until ``condition``."""
        until_s = time.monotonic() + limit_s
        while not condition():
            self.look_after()
            if time.monotonic() > until_s:
                logs = "\n".join(f"--- {worker.name}\n{worker.log[-1500:]}" for worker in self.workers)
                raise AssertionError(f"not within {limit_s:g} s: {what}\n{logs}")
            time.sleep(POLL_S)

    def pass_time(self, seconds: float) -> None:
        """Look after the processes for a while."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            self.look_after()
            time.sleep(min(POLL_S, left_s))

    def empty_broker(self, pause_s: float = 0.0) -> None:
        """Kill the broker, and take from it all that it has kept on the disk."""
        self.broker.kill(pause_s)
        for file in self._broker_state.glob("*.db*"):
            file.unlink()

    def clone(self) -> None:
        """Kill the first agent, copy its spool for all the others, and start all."""
        first, *others = self.edges
        self.edges[first].kill(float("inf"))
        for file in self.folder.glob(f"spool-{first}.sqlite*"):
            for other in others:
                shutil.copyfile(file, self.folder / file.name.replace(first, other))
        for edge in self.edges.values():
            edge.kill()

    # -- what there is

    def accepted(self, agent: str | None = None) -> int:
        """Reads that spools have accepted, about."""
        agents = [agent] if agent else self._readers
        return sum(accepted_about(self._witness(name)) for name in agents)

    def committed(self, agent: str | None = None) -> int:
        """Rows that the database's ledger tells of; -1 while the database is away."""
        try:
            with connect(self.database.dsn, autocommit=True) as connection:
                row = connection.execute(
                    "SELECT coalesce(sum(rows), 0) FROM batch WHERE %s IN ('', agent)", [agent or ""]
                ).fetchone()
        except (psycopg.Error, Retry):
            return -1
        assert row is not None
        return int(row[0])

    def evidence(self, agent: str) -> Evidence:
        """What the spool of an agent has accepted."""
        return hear(self._witness(agent))

    def settle(self, limit_s: float = 120.0, tell: Callable[[str], None] = lambda _: None) -> Verdict:
        """Let the readers fall silent and everything drain, end the agents in order, and count.

        Args:
            limit_s: For each of these.
            tell: Is told how far it has come.
        """
        self._fall_silent(limit_s)
        told = self._evidence()
        self.wait(lambda: self._edges_run() and self._drained(told), "everything drains", limit_s)
        tell("all spools are empty")
        if self.analytics is not None:
            self.wait(self._analysed, "analytics comes to the end", limit_s)
            tell("all reads are analysed")
        for worker in [*self.edges.values(), self.ingest, *([self.analytics] if self.analytics else [])]:
            _end(worker, limit_s)  # analytics estimates first what it has put off
            self.workers.remove(worker)
        with connect(self.database.dsn, autocommit=True) as connection:
            verdict = judge(connection, STORE, self._evidence())
            tell(f"reads are counted, visits are next\n{verdict.table()}")
            if self.analytics is not None:
                verdict = replace(verdict, faults=[*verdict.faults, *visit_faults(connection, STORE)])
        return verdict

    def settle_clones(self, limit_s: float = 120.0) -> Verdict:
        """As `settle`, with what a person does about a spool that was copied: retry what is in the quarantine.

        In the verdict, only the reads count: batches change their numbers.
        """
        self._fall_silent(limit_s)
        verdicts: list[Verdict] = []

        def nothing_lost() -> bool:
            with connect(self.database.dsn, autocommit=True) as connection:
                ids = [entry.id for entry in quarantine.entries(connection, quarantine.Choice(reason="seq-reused"))]
                for _ in retry(connection, ids):
                    pass
                verdicts.append(judge(connection, STORE, self._evidence()))
            return not any(line.lost for line in verdicts[-1].lines)

        try:
            self.wait(nothing_lost, "every read is there", limit_s)
        except AssertionError as error:
            raise AssertionError(f"{verdicts[-1].table()}\n{error}") from None
        return verdicts[-1]

    def _fall_silent(self, limit_s: float) -> None:
        for port in (self.folder / "ports").iterdir():
            port.unlink()  # the system gives a pseudo-terminal that was closed to the next who wants one
        self.farm.stop()
        self.workers.remove(self.farm)
        self.wait(self._edges_run, "all agents run", limit_s)
        for edge in self.edges.values():
            _end(edge)  # what is in its memory goes to the spool
            edge.start()

    def _analysed(self) -> bool:
        try:
            with connect(self.database.dsn, autocommit=True) as connection:
                return are_analysed(connection)
        except (psycopg.Error, Retry):
            return False

    def _edges_run(self) -> bool:
        """Each agent has come so far that it ends in order when told to."""
        return all("holds" in edge.said for edge in self.edges.values())

    def _evidence(self) -> list[Heard]:
        return [Heard(self._ids[agent], self.evidence(agent), readers) for agent, readers in self._readers.items()]

    def _drained(self, told: list[Heard]) -> bool:
        """All is committed, and each agent knows that it is."""
        wanted = {(heard.agent, *last) for heard in told for last in heard.evidence.last_seqs().items()}
        try:
            with connect(self.database.dsn, autocommit=True) as connection:
                committed = connection.execute("SELECT agent, boot, committed_seq FROM agent_boot").fetchall()
                waiting = connection.execute(
                    "SELECT count(*) FROM agent_status WHERE state <> 'online' OR status ->> 'spool_batches' <> '0'"
                ).fetchone()
        except (psycopg.Error, Retry):
            return False
        return wanted <= set(committed) and waiting == (0,)

    # -- how it is made

    def _proxy(self, port: int) -> Proxy:
        proxy = Proxy(port)
        self._stack.callback(proxy.close)
        return proxy

    def _service(self, name: str, command: str, settings: dict[str, str]) -> Worker:
        env = {**self._env, **{f"TAGTRAIL_{command}_{key}".upper(): value for key, value in settings.items()}}
        if command == "edge":
            env["CHAOS_WITNESS"] = str(self._witness(name))
        argv = [sys.executable, "-m", "chaos.serve", command]
        return Worker(name, argv, self.folder / f"{name}.log", env=env)

    def _witness(self, agent: str) -> Path:
        return self.folder / f"witness-{agent}"

    def _edge_settings(self, agent: str) -> dict[str, str]:
        return {
            "store": str(self.folder / "store.toml"),
            "agent": self._ids[agent],
            "readers": ",".join(self._readers[agent]),
            "ports": str(self.folder / "ports" / "{reader}"),
            "mqtt": self.edge_network.url,
            "spool": str(self.folder / f"spool-{agent}.sqlite"),
            "status_s": "1",
            "resend_s": "2",
            **self._edge_more,
        }

    def _ingest_settings(self) -> dict[str, str]:
        dsn = self.database.through(self.database_network.port)
        return {"mqtt": self.ingest_network.url, "dsn": dsn, **self._ingest_more}


def _end(worker: Worker, limit_s: float = 30.0) -> None:
    code = worker.stop(limit_s)
    assert code == 0, f"{worker.name} ended with {code}:\n{worker.log[-3000:]}"


def _remember(state: Path) -> None:
    """Have Mosquitto keep what it holds, as a shop would: so a kill brings back an old state, not an empty one."""
    conf = state / "mosquitto.conf"
    text = conf.read_text().replace("persistence false", f"persistence true\npersistence_location {state}/")
    conf.write_text(text + "autosave_interval 1\n")
    if os.geteuid() == 0:
        shutil.chown(state, "root")
