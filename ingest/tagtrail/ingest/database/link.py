"""A connection to the database that is made anew, for as long as it takes, whenever it is lost."""

import logging
import threading
from collections.abc import Callable
from typing import Final, TypeVar

import psycopg

from tagtrail.hardware.errors import Retry
from tagtrail.ingest.database.connection import Connection, connect, explain, wait_for_database
from tagtrail.ingest.database.silence import Session, end_sessions, own_session

log = logging.getLogger("tagtrail.ingest")

T = TypeVar("T")

RETRY_FIRST_S: Final = 0.1
RETRY_LIMIT_S: Final = 5.0


class Link:
    """Does work in the database, in one thread at a time.

    Args:
        dsn: Where the database is.
        application: Its name there.
        silence_s: See `connect`.
        stop: Ends all waiting.
    """

    def __init__(self, dsn: str, *, application: str, silence_s: float, stop: threading.Event) -> None:
        self._dsn = dsn
        self._application = application
        self._silence_s = silence_s
        self._stop = stop
        self._connection: Connection | None = None
        self._sessions: list[Session] = []
        """Ours at the database: the last one is the connection's, of those before it the server may know no end."""

    @property
    def connected(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._connection is not None

    def do(self, act: Callable[[Connection], T]) -> T | None:
        """Do something in the database, again and again while that may help; None when told to stop first.

        Raises:
            GiveUp: The database's schema or permissions do not fit.
        """
        delay_s = RETRY_FIRST_S
        while True:
            try:
                try:
                    return act(self._connect())
                except psycopg.Error as error:
                    raise explain(error) from error
            except Retry as reason:
                log.warning("%s; nothing is lost, trying again", reason)
                self.close()
            self._stop.wait(delay_s)
            delay_s = min(RETRY_LIMIT_S, delay_s * 2)
            if self._stop.is_set() or not wait_for_database(self._dsn, log, self._stop, application=self._application):
                return None

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> Connection:
        """The connection; a new one first ends the sessions of those that were lost, and with them their locks."""
        if self._connection is None:
            self._connection = connect(
                self._dsn, application=self._application, autocommit=True, silence_s=self._silence_s
            )
            if ended := end_sessions(self._connection, self._sessions):
                log.info("ended %d sessions at the database whose connections were lost", ended)
            self._sessions = [own_session(self._connection)]
        return self._connection
