"""Fixtures live in `fixture_*.py`, one concern each."""

from pathlib import Path

from hypothesis import HealthCheck, settings

# Each fixture_*.py is a plugin; a new one needs no line here.
pytest_plugins = sorted(file.stem for file in Path(__file__).parent.glob("fixture_*.py"))

# How long an example takes says how busy the machine is, not whether it is right.
settings.register_profile("tagtrail", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tagtrail")
