"""The process behind ``tagtrail api``."""

import errno
import logging
import signal
import socket
from types import FrameType

import uvicorn

from tagtrail.api.app import create_app
from tagtrail.api.settings import ApiSettings
from tagtrail.hardware.errors import GiveUp
from tagtrail.ingest.database.connection import pool

log = logging.getLogger("tagtrail.api")

STATEMENT_TIMEOUT_S = 10.0
STOP_GRACE_S = 3


def run(settings: ApiSettings) -> int:
    """Serve until SIGTERM or SIGINT. The database may come and go; meanwhile the page says so.

    Returns:
        0, the exit code of an orderly end.

    Raises:
        GiveUp: The port is taken or not allowed, or the address is not one of this machine.
    """
    with listen(settings.host, settings.port) as listener:
        # What the pool tells about a missing database, the page tells too; here it would fill the log.
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
        connections = pool(settings.dsn, application="tagtrail api", statement_timeout_s=STATEMENT_TIMEOUT_S)
        try:
            server = uvicorn.Server(
                uvicorn.Config(
                    create_app(settings, connections),
                    log_config=None,
                    log_level=logging.WARNING,
                    access_log=False,
                    timeout_graceful_shutdown=STOP_GRACE_S,
                )
            )

            def stop(signum: int, frame: FrameType | None) -> None:
                server.handle_exit(signum, frame)

            # uvicorn has handlers of its own while it serves, and passes on what it got; so that reaches these.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, stop)
            host, port = listener.getsockname()[:2]
            log.info("the floor page is at http://%s:%d/", f"[{host}]" if ":" in host else host, port)
            server.run(sockets=[listener])
        finally:
            connections.close()
    log.info("stopped")
    return 0


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address of the page.

    Raises:
        GiveUp: It cannot be had; the message says why and what to do.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise GiveUp(f"host {host!r}: {error.strerror}; give an address of this machine, e.g. 127.0.0.1") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)  # binding alone does not tell whether another program listens here already
    except OSError as error:
        listener.close()
        raise GiveUp(_advice(host, port, error)) from None
    return listener


def _advice(host: str, port: int, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"port {port} is taken by another program: end that, or choose another port with --port"
        case errno.EACCES:
            return f"port {port} is not allowed to this user: choose one from 1024 on with --port"
        case errno.EADDRNOTAVAIL:
            return f"host {host!r} is not an address of this machine: give 127.0.0.1, or 0.0.0.0 for all"
        case _:
            return f"cannot listen on {host} port {port}: {error.strerror}"
