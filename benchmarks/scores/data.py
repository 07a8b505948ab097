"""Where the recordings and the shipped store files are."""

import os
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
DATA: Final = Path(os.environ.get("TAGTRAIL_DATA", ROOT / ".." / "shared" / "data"))
"""The folder of recordings; ``TAGTRAIL_DATA`` in the environment names another one."""
WARD: Final = ROOT / "simulator" / "tagtrail" / "simulator" / "stores" / "ward.toml"
