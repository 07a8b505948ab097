"""The agent's status as metrics for Prometheus. Pure."""

from collections.abc import Iterable
from typing import Final

from tagtrail.hardware import prometheus
from tagtrail.hardware.prometheus import Labels, Metric, Sample
from tagtrail.hardware.protocols.interface import State
from tagtrail.hardware.wire import CLOCK_UNKNOWN, AgentStatus, ReaderStatus

PREFIX: Final = "tagtrail_edge_"

_READER_COUNTERS: Final = (
    ("reads", "reads", "Tags that the reader reported, before merging."),
    ("frames", "frames", "Good frames."),
    ("bytes", "bytes_in", "Bytes received."),
    ("bytes_dropped", "bytes_dropped", "Bytes received that are in no good frame."),
    ("checksum_errors", "checksum_errors", "Frames whose check failed."),
    ("resyncs", "resyncs", "Times that the start of a frame had to be looked for."),
    ("timeouts", "timeouts", "Answers and signs of life that did not come in time."),
    ("reconnects", "reconnects", "Times that the port was opened again."),
    ("keepalives", "keepalives", "Signs of life of a reader that has nothing to tell."),
    ("reads_refused", "reads_refused", "Reads lost because disk and memory were full."),
)
"""Metric, attribute of the reader's status, help."""


def render(status: AgentStatus) -> str:
    """The text for Prometheus."""
    return prometheus.render(PREFIX, _metrics(status))


def _metrics(status: AgentStatus) -> Iterable[Metric]:
    agent = {"agent": status.agent, "boot": status.boot}
    yield Metric(
        "info", "gauge", "The agent and the boot that its batches are numbered under; always 1.", [Sample(agent, 1)]
    )
    for name, help_text, value in (
        ("spool_batches", "Batches that wait for the database.", status.spool_batches),
        ("spool_reads", "Merged reads that wait for the database.", status.spool_reads),
        ("spooled_seq", "Number of the newest batch of this boot.", status.seq),
        ("committed_seq", "The database has all batches of this boot up to this number.", status.committed_seq),
        ("inflight_batches", "Batches that are published and not yet in the database.", status.inflight),
        ("spool_full", "1 while the spool takes no new reads.", int(status.error is not None)),
        (
            "clock_shift_seconds",
            "What is added to the times that reads were stamped with.",
            status.clock_shift_us / 1e6,
        ),
        ("clock_unknown", "1 while nobody knows how wrong the times are.", int(status.clock == CLOCK_UNKNOWN)),
    ):
        yield Metric(name, "gauge", help_text, [Sample({}, value)])
    readers = [(_of(reader), reader) for reader in status.readers]
    for name, attribute, help_text in _READER_COUNTERS:
        samples = [Sample(labels, getattr(reader, attribute)) for labels, reader in readers]
        yield Metric(f"reader_{name}_total", "counter", help_text, samples)
    yield Metric(
        "reader_rejected_total",
        "counter",
        "Well-framed input that made no sense, by reason.",
        [
            Sample({**labels, "reason": reason}, count)
            for labels, reader in readers
            for reason, count in sorted(reader.rejected_by.items())
        ],
    )
    yield Metric(
        "reader_state",
        "gauge",
        "1 for the state that the reader is in, 0 for the others.",
        [
            Sample({**labels, "state": state.value}, int(reader.state == state.value))
            for labels, reader in readers
            for state in State
        ],
    )
    yield Metric(
        "reader_temperature_celsius",
        "gauge",
        "Temperature that the reader told last.",
        [Sample(labels, reader.temperature_c) for labels, reader in readers if reader.temperature_c is not None],
    )


def _of(reader: ReaderStatus) -> Labels:
    return {"reader": reader.reader, "port": reader.port}
