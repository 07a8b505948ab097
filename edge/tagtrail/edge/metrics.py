"""The agent's status as Prometheus metrics, in the text format 0.0.4: `render` is pure, `MetricsServer` serves it."""

import threading
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Final, NamedTuple

from tagtrail.hardware.errors import GiveUp
from tagtrail.hardware.protocols.interface import State
from tagtrail.hardware.wire import AgentStatus, ReaderStatus

PREFIX: Final = "tagtrail_edge_"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
REQUEST_S: Final = 5.0
"""One request is served at a time; who is slower than this is cut off."""
POLL_S: Final = 0.5
"""How long the end of the server may take."""

Labels = Mapping[str, str]


class Metric(NamedTuple):
    """Name (without prefix), type and help of a metric, and its samples."""

    name: str
    kind: str
    help: str
    samples: Iterable[tuple[Labels, float]]


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
    lines = []
    for name, kind, text, samples in _metrics(status):
        lines += [f"# HELP {PREFIX}{name} {text}", f"# TYPE {PREFIX}{name} {kind}"]
        lines += [f"{PREFIX}{name}{_labels(labels)} {value}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _metrics(status: AgentStatus) -> Iterable[Metric]:
    agent = {"agent": status.agent, "boot": status.boot}
    yield Metric("info", "gauge", "The agent and the boot that its batches are numbered under; always 1.", [(agent, 1)])
    for name, help_text, value in (
        ("spool_batches", "Batches that wait for the database.", status.spool_batches),
        ("spool_reads", "Merged reads that wait for the database.", status.spool_reads),
        ("spooled_seq", "Number of the newest batch of this boot.", status.seq),
        ("committed_seq", "The database has all batches of this boot up to this number.", status.committed_seq),
        ("inflight_batches", "Batches that are published and not yet in the database.", status.inflight),
    ):
        yield Metric(name, "gauge", help_text, [({}, value)])
    readers = [(_of(reader), reader) for reader in status.readers]
    for name, attribute, help_text in _READER_COUNTERS:
        samples = [(labels, getattr(reader, attribute)) for labels, reader in readers]
        yield Metric(f"reader_{name}_total", "counter", help_text, samples)
    yield Metric(
        "reader_rejected_total",
        "counter",
        "Well-framed input that made no sense, by reason.",
        [
            ({**labels, "reason": reason}, count)
            for labels, reader in readers
            for reason, count in sorted(reader.rejected_by.items())
        ],
    )
    yield Metric(
        "reader_state",
        "gauge",
        "1 for the state that the reader is in, 0 for the others.",
        [({**labels, "state": s.value}, int(reader.state == s.value)) for labels, reader in readers for s in State],
    )
    yield Metric(
        "reader_temperature_celsius",
        "gauge",
        "Temperature that the reader told last.",
        [(labels, reader.temperature_c) for labels, reader in readers if reader.temperature_c is not None],
    )


def _of(reader: ReaderStatus) -> Labels:
    return {"reader": reader.reader, "port": reader.port}


def _labels(labels: Labels) -> str:
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inner}}}" if inner else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class MetricsServer:
    """Serves ``/metrics`` in a thread of its own.

    Args:
        host: Address to listen at.
        port: TCP port; 0 is any free one.
        status: Gives the status; called in this object's thread.

    Raises:
        GiveUp: The address cannot be listened at.
    """

    def __init__(self, host: str, port: int, status: Callable[[], AgentStatus]) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = REQUEST_S

            def do_GET(self) -> None:
                """Answer a request."""
                if self.path.partition("?")[0] != "/metrics":
                    self.send_error(HTTPStatus.NOT_FOUND, "the metrics are at /metrics")
                    return
                body = render(status()).encode()
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Type", CONTENT_TYPE)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                """A scrape every few seconds is no news."""

        class Server(HTTPServer):
            def handle_error(self, *_args: object) -> None:
                """Somebody went away while being served: no news either."""

        try:
            self._server = Server((host, port), Handler)
        except OSError as error:
            raise GiveUp(
                f"metrics cannot be served at {host}:{port}: {error.strerror or error}. Change metrics_host or "
                "metrics_port."
            ) from None
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_S,), name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
