"""One way of logging for all commands."""

import logging
import os
import sys
from typing import Final

SUPERVISED: Final = "TAGTRAIL_SUPERVISED"
"""Set in the environment of children whose lines the supervisor stamps and prefixes."""


def set_up(level: str) -> None:
    """Log to standard error; a supervised process leaves time and name to its supervisor."""
    stamped = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    text = "%(levelname)s %(message)s" if os.environ.get(SUPERVISED) else stamped
    logging.basicConfig(level=level.upper(), stream=sys.stderr, format=text)
    for chatty in ("transitions", "asyncio", "passlib"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
