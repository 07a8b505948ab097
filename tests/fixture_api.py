"""A running API: real HTTP on a free port of the loopback address, before a real database."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
import uvicorn

from tagtrail.api.app import create_app
from tagtrail.api.settings import ApiSettings
from tagtrail.ingest.database.connection import pool

StartApi = Callable[[ApiSettings], httpx.Client]


@contextmanager
def running_api(settings: ApiSettings) -> Iterator[str]:
    """Address of an API that runs in a thread of this process."""
    with pool(settings.dsn, max_size=4) as connections, socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(create_app(settings, connections), log_config=None, access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


@pytest.fixture
def start_api() -> Iterator[StartApi]:
    """Start APIs; returns a client of each. Their sockets listen already, so nothing need be waited for."""
    with ExitStack() as stack:

        def start(settings: ApiSettings) -> httpx.Client:
            address = stack.enter_context(running_api(settings))
            return stack.enter_context(httpx.Client(base_url=address, timeout=20))

        yield start
