"""Metrics for Prometheus: the text format 0.0.4, and a server that a service runs beside its work."""

import threading
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Final, NamedTuple

from tagtrail.hardware.errors import GiveUp

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
REQUEST_S: Final = 5.0
"""One request is served at a time; who is slower than this is cut off."""
POLL_S: Final = 0.5
"""How long the end of the server may take."""

Labels = Mapping[str, str]


class Sample(NamedTuple):
    """A value; ``suffix`` is what a histogram adds to the metric's name."""

    labels: Labels
    value: float
    suffix: str = ""


class Metric(NamedTuple):
    """Name (without prefix), type and help of a metric, and its samples."""

    name: str
    kind: str
    help: str
    samples: Iterable[Sample]


class Histogram:
    """Counts values by size.

    Args:
        bounds: Upper ends of the buckets, ascending; there is one more without end.
    """

    def __init__(self, bounds: Iterable[float]) -> None:
        self._counts = dict.fromkeys(bounds, 0)
        self._count = 0
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        for bound in self._counts:
            if value <= bound:
                self._counts[bound] += 1
        self._count += 1
        self._sum += value

    def samples(self) -> list[Sample]:
        """For a metric of kind ``histogram``."""
        buckets = [Sample({"le": f"{bound:g}"}, count, "_bucket") for bound, count in self._counts.items()]
        end = Sample({"le": "+Inf"}, self._count, "_bucket")
        return [*buckets, end, Sample({}, self._sum, "_sum"), Sample({}, self._count, "_count")]


def render(prefix: str, metrics: Iterable[Metric]) -> str:
    """The text for Prometheus."""
    lines = []
    for name, kind, text, samples in metrics:
        lines += [f"# HELP {prefix}{name} {text}", f"# TYPE {prefix}{name} {kind}"]
        lines += [f"{prefix}{name}{suffix}{_labels(labels)} {value}" for labels, value, suffix in samples]
    return "\n".join(lines) + "\n"


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
        text: Gives the text; called in this object's thread.

    Raises:
        GiveUp: The address cannot be listened at.
    """

    def __init__(self, host: str, port: int, text: Callable[[], str]) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = REQUEST_S

            def do_GET(self) -> None:
                """Answer a request."""
                if self.path.partition("?")[0] != "/metrics":
                    self.send_error(HTTPStatus.NOT_FOUND, "the metrics are at /metrics")
                    return
                body = text().encode()
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
