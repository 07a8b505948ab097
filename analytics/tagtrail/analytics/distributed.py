"""Store-days on a Dask cluster: one task each. The only place that knows Dask, which is imported where it is used."""

import logging
import os
import queue
import signal
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from tagtrail.analytics.store_day import Failure, Outcome, StoreDay, analyze_day
from tagtrail.hardware.errors import GiveUp

if TYPE_CHECKING:
    from distributed import Client, Future

log = logging.getLogger("tagtrail.analyze")

DSN: Final = ("TAGTRAIL_ANALYZE_DSN", "TAGTRAIL_DSN")
"""A worker knows the database by its own environment: a password neither travels nor stands in Dask's logs."""
WORKER_ENVIRONMENT: Final = {
    "MALLOC_TRIM_THRESHOLD_": 2**28,
    "MALLOC_MMAP_THRESHOLD_": 2**25,
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), 1),
}
"""Of workers on this machine. Dask has them give memory back at once; to fetch it again took a sixth of the time."""
CONNECT_S: Final = 20.0
LOOK_S: Final = 0.5


def analyze_on(
    where: str, tasks: Sequence[StoreDay], dsn: str, stop: threading.Event
) -> Iterator[tuple[StoreDay, Outcome]]:
    """Analyse days on a cluster; each comes when it is done.

    A task whose worker dies is given to another one by Dask, up to four times.

    Args:
        where: Address of the scheduler, or ``local``, or ``local:N``.
        tasks: The days.
        dsn: Database, for workers on this machine.
        stop: Ends it; what is not done by then does not come.

    Raises:
        GiveUp: Dask is not installed, the scheduler is not there or goes away, or its workers are of another version.
    """
    try:
        import distributed  # noqa: F401 - where it is missing, say so at once
    except ModuleNotFoundError as error:
        raise GiveUp(f"dask needs the package {error.name!r}: pip install 'tagtrail[analytics,dask]'") from None
    logging.getLogger("distributed").setLevel(logging.WARNING)  # how each process comes and goes is for nobody
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # tracebacks of what is told here in words
    finished: queue.SimpleQueue[Future] = queue.SimpleQueue()
    with ExitStack() as stack:
        client = stack.enter_context(_local(where, dsn) if where.startswith("local") else _remote(where))
        run = uuid.uuid4().hex[:8]  # of two clients with the same key Dask would do the work of one
        waiting: dict[Future, StoreDay] = {
            client.submit(analyze_here, task, key=f"{task.name} {run}", pure=False): task for task in tasks
        }
        for future in waiting:
            future.add_done_callback(finished.put)
        while waiting and not stop.is_set():
            try:
                future = finished.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            yield waiting.pop(future), _outcome_of(future, where)
        client.cancel(list(waiting))


def analyze_here(task: StoreDay) -> Outcome:
    """What a worker does: `analyze_day` with the database of its environment."""
    dsn = next((os.environ[name] for name in DSN if os.environ.get(name)), None)
    if dsn is None:
        return Failure("its Dask worker has no TAGTRAIL_DSN in the environment")
    return analyze_day(task, dsn, threading.Event())


def _outcome_of(future: "Future", where: str) -> Outcome:
    from distributed import CancelledError, KilledWorker

    try:
        outcome: Outcome = future.result()
    except KilledWorker as error:
        return Failure(f"its Dask worker died {error.allowed_failures + 1} times; does it have too little memory?")
    except CancelledError:
        raise _gone(where) from None
    return outcome


def _gone(where: str) -> GiveUp:
    return GiveUp(f"dask {where}: the scheduler went away; start it, and the same command goes on from there")


@contextmanager
def _remote(address: str) -> Iterator["Client"]:
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError):
        raise GiveUp(f"dask {address}: nobody answers there; start 'dask scheduler' and 'dask worker'") from None
    with client:
        ours = version("tagtrail")
        found_there = client.run(version, "tagtrail", on_error="return")
        if not found_there:
            log.warning("dask %s: it has no workers; waiting for one", address)
        for worker, theirs in found_there.items():
            if isinstance(theirs, str | PackageNotFoundError) and theirs != ours:  # not: the worker died just now
                found = theirs if isinstance(theirs, str) else "none"
                raise GiveUp(f"dask {address}: tagtrail {ours} is needed on worker {worker}, found {found}")
        yield client


@contextmanager
def _local(where: str, dsn: str) -> Iterator["Client"]:
    import dask
    from distributed import Client, LocalCluster

    count = int(where.partition(":")[2] or len(os.sched_getaffinity(0)))
    # Ctrl-C reaches all processes of a terminal. The workers are to end when we say so: threads and processes that
    # begin now, and those that these begin later, never get that signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with dask.config.set({"distributed.nanny.pre-spawn-environ": WORKER_ENVIRONMENT}):
            cluster = LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",  # any port, for this machine alone
                silence_logs=logging.ERROR,
                env={DSN[0]: dsn},
            )
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    with cluster, Client(cluster, set_as_default=False) as client:
        yield client
