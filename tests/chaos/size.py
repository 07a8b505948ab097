"""How much chaos: a little in every test run, all of it with ``make chaos SECONDS=1800``."""

import os
from typing import Final

import pytest

_GIVEN: Final = os.environ.get("TAGTRAIL_CHAOS_SECONDS")
SECONDS: Final = float(_GIVEN or 10)
"""How long everything is killed at random."""
SEED: Final = int(os.environ.get("TAGTRAIL_CHAOS_SEED", "7"))
LONG: Final = SECONDS > 120

full_run = pytest.mark.skipif(_GIVEN is None, reason="takes longer: make chaos runs it")
"""Marks faults for which a run of all tests has no time."""
