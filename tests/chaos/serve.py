"""``python -m chaos.serve edge …``: the ``tagtrail`` command with a witness beside the spool and shorter patience.

``CHAOS_WITNESS`` names the witness's folder; with ``CHAOS_CLONES``, the spool may be a copy. ``CHAOS_HURRY=1`` shortens
what is a constant for good reasons in a shop (keep-alive, longest back-off), so that half an hour without network
passes in seconds.
"""

import os
import sys
from importlib import import_module
from pathlib import Path

from chaos.witness import Witness
from tagtrail.stack.cli import main

HURRY = {
    "tagtrail.edge.broker": {"KEEPALIVE_S": 2, "RETRY_LIMIT_S": 1.0, "SETTLED_S": 1.0},
    "tagtrail.edge.publisher": {"RESEND_LIMIT_S": 2.0},
    "tagtrail.edge.reader_task": {"RETRY_LIMIT_S": 0.5},
    "tagtrail.ingest.subscriber": {"KEEPALIVE_S": 2, "RETRY_LIMIT_S": 1.0, "SETTLED_S": 1.0},
    "tagtrail.ingest.database.link": {"RETRY_LIMIT_S": 0.5},
    "tagtrail.ingest.database.connection": {"BACKOFF_LIMIT_S": 0.5, "CONNECT_TIMEOUT_S": 2},
}


def hurry(service: str) -> None:
    """Shorten the constants of one service; each must exist."""
    for name, constants in HURRY.items():
        if name.startswith(f"tagtrail.{service}"):
            module = import_module(name)
            for constant, value in constants.items():
                assert hasattr(module, constant), f"{name} has no {constant} any more"
                setattr(module, constant, value)


if __name__ == "__main__":
    if os.environ.get("CHAOS_HURRY"):
        hurry(sys.argv[1])
    if folder := os.environ.get("CHAOS_WITNESS"):
        Witness(Path(folder)).attend(cloned="CHAOS_CLONES" in os.environ)
    sys.exit(main(sys.argv[1:]))
