"""What the agent says about itself."""

from collections.abc import Sequence

from tagtrail.edge.spool import Spool
from tagtrail.edge.timekeeper import Timekeeper
from tagtrail.hardware.wire import VERSION, AgentStatus, ReaderStatus


def agent_status(
    state: str,
    *,
    agent: str,
    timekeeper: Timekeeper,
    spool: Spool,
    readers: Sequence[ReaderStatus],
    inflight: int,
    reads_refused: int,
    error: str | None,
) -> AgentStatus:
    """The status message of an agent that is running or about to stop."""
    run_us, correction = timekeeper.now_us(), timekeeper.correction
    return AgentStatus(
        v=VERSION,
        agent=agent,
        state=state,
        time_us=run_us + correction.shift_us,
        boot=spool.boot,
        seq=spool.last_seq,
        spool_batches=spool.batches,
        spool_reads=spool.reads,
        reads_total=sum(reader.reads for reader in readers),
        reads_refused=reads_refused,
        error=error,
        readers=list(readers),
        committed_seq=spool.freed_seq,
        inflight=inflight,
        wall_us=timekeeper.wall_us(),
        run_us=run_us,
        clock_shift_us=correction.shift_us,
        clock=correction.state,
    )


def last_will(*, agent: str, time_us: int, boot: str) -> AgentStatus:
    """What the broker says once the agent is silent; ``time_us`` is when the connection was made."""
    return AgentStatus(v=VERSION, agent=agent, state="offline", time_us=time_us, boot=boot)
