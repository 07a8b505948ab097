"""Fixtures live in `fixture_*.py`, one concern each."""

from pathlib import Path

# Each fixture_*.py is a plugin; a new one needs no line here.
pytest_plugins = sorted(file.stem for file in Path(__file__).parent.glob("fixture_*.py"))
