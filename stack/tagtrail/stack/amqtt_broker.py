"""``python -m tagtrail.stack.amqtt_broker PORT``: amqtt on the loopback address, until SIGTERM.

Known faults of amqtt 0.12, none of which may cost a read (the edge's spool keeps each batch until the database has it):
unacknowledged messages are forgotten when a client goes, there is no send window, and a new client is sent the retained
messages of topics that others subscribed to.
"""

import asyncio
import logging
import signal
import sys

from amqtt.broker import Broker


async def serve(port: int) -> None:
    """Run the broker until SIGTERM or SIGINT."""
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}", "max_connections": 0}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    await broker.start()
    await stop.wait()
    await broker.shutdown()


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(message)s")
    asyncio.run(serve(int(sys.argv[1])))
