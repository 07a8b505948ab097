"""A small store in a migrated database."""

from collections.abc import Iterator

import psycopg
import pytest

from api_store import CORNER, add_layout
from tagtrail.ingest.database import migrate


@pytest.fixture
def migrated(database: str) -> str:
    """DSN of a database with tables and nothing in them."""
    migrate.migrate(database)
    return database


@pytest.fixture
def corner(migrated: str) -> str:
    """DSN of a database with one store, where nobody has been."""
    add_layout(migrated, CORNER)
    return migrated


@pytest.fixture
def writer(corner: str) -> Iterator[psycopg.Connection]:
    """To put visits into the database of `corner`."""
    with psycopg.connect(corner) as connection:
        yield connection
