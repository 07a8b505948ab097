"""A network that fails on command: a TCP proxy between two services."""

import asyncio
import contextlib
import enum
import socket
import struct
import threading
from collections.abc import Callable
from typing import Final

HOST: Final = "127.0.0.1"
CHUNK_BYTES: Final = 65_536
SLICE_S: Final = 0.05
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: the peer gets a RST, not an orderly end."""


class Weather(enum.Enum):
    """What the network does to a connection."""

    PASS = "passes everything"
    CUT = "breaks every connection and refuses new ones"
    STALL = "half-open: takes connections and bytes, and delivers nothing"
    SLOW = "delivers a few bytes at a time"


class Proxy:
    """Listens on a port of its own, and connects to ``port`` for whoever comes.

    Bytes that were swallowed are gone, so a connection that was stalled never delivers again: it is reset when the
    weather changes. Tests that want it to stay dead for ever leave the weather as it is.
    """

    def __init__(self, port: int, slow_bytes_per_s: float = 20_000.0) -> None:
        self._target = port
        self._slow_bytes_per_s = slow_bytes_per_s
        self._weather = Weather.PASS
        self._stranded: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        """How many came so far."""
        self.swallowed = 0
        """Bytes that were taken and not delivered."""
        self._loop = asyncio.new_event_loop()
        listener = socket.create_server((HOST, 0))
        self.port = int(listener.getsockname()[1])
        self._thread = threading.Thread(target=self._run, args=(listener,), name="proxy", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """For services that speak MQTT."""
        return f"mqtt://{HOST}:{self.port}"

    @property
    def weather(self) -> Weather:
        """What happens just now."""
        return self._weather

    def set(self, weather: Weather) -> None:
        """Change the weather; returns when it has changed."""
        self._call(lambda: self._change(weather))

    def reset(self) -> None:
        """Break every connection, and let new ones pass."""
        self._call(self._reset)

    def strand(self) -> None:
        """Have the connections of now swallow all from now on and for ever; new ones pass."""
        self._call(lambda: self._stranded.update(self._tasks))

    def close(self) -> None:
        """Break all and end."""
        self._call(self._reset)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _call(self, act: Callable[[], None]) -> None:
        done = threading.Event()

        def run() -> None:
            act()
            done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(10), "the proxy's thread does not answer"

    def _change(self, weather: Weather) -> None:
        if weather is Weather.CUT or self._weather is Weather.STALL:
            self._reset()
        self._weather = weather

    def _reset(self) -> None:
        for writer in self._writers:
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            writer.transport.abort()
        self._writers.clear()

    def _run(self, listener: socket.socket) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, sock=listener))
        self._loop.run_forever()
        server.close()
        for task in self._tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(self._stranded.discard)
        self.connections += 1
        self._writers.add(writer)
        try:
            if self._weather is Weather.CUT:
                return
            if self._weather is Weather.STALL:
                await self._swallow(reader)
                return
            await self._connect(reader, writer)
        except (OSError, asyncio.CancelledError):
            return  # one of the two is gone, and so is the other; or the proxy ends
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(HOST, self._target)
        self._writers.add(back)
        try:
            task = asyncio.current_task()
            ways = {
                asyncio.ensure_future(
                    self._carry(*way, lambda: self._weather is Weather.STALL or task in self._stranded)
                )
                for way in ((reader, back), (there, writer))
            }
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            self._writers.discard(back)
            back.transport.abort()

    async def _carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, is_stalled: Callable[[], bool]
    ) -> None:
        while data := await source.read(self._size):
            if is_stalled():
                self.swallowed += len(data)
                await self._swallow(source)
                return
            if self._weather is Weather.SLOW:
                await asyncio.sleep(len(data) / self._slow_bytes_per_s)
            sink.write(data)
            await sink.drain()
        if is_stalled():
            await asyncio.Event().wait()  # not even the end of a connection gets through

    async def _swallow(self, source: asyncio.StreamReader) -> None:
        while data := await source.read(CHUNK_BYTES):
            self.swallowed += len(data)
        await asyncio.Event().wait()

    @property
    def _size(self) -> int:
        return round(self._slow_bytes_per_s * SLICE_S) if self._weather is Weather.SLOW else CHUNK_BYTES
