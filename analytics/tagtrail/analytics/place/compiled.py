"""Functions on plain arrays that are compiled to machine code."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

from numba import config, njit

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile at the first call, and keep it on disk; arithmetic is that of IEEE 754, in the order it is written.

    Other threads run meanwhile, such as the one by which a worker of a cluster says that it lives.
    """
    settings = vars(config)
    before = settings["CACHE_DIR"]
    settings["CACHE_DIR"] = _FOLDER
    try:
        kept = njit(cache=_FOLDER is not None, error_model="numpy", fastmath=False, nogil=True)(function)
    finally:
        settings["CACHE_DIR"] = before
    return cast("Callable[P, R]", kept)


def _folder() -> str | None:
    """Where machine code of exactly these sources is kept; None where nothing can be, and each process compiles.

    numba looks only at the file of a function; what it calls may stand in another one, changed by an upgrade.
    """
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    try:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
        folder = caches / "tagtrail" / "compiled" / digest.hexdigest()[:16]
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # it may not be written, or there is no home
        return None
    return str(folder) if os.access(folder, os.W_OK) else None


_FOLDER = _folder()
