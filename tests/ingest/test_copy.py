"""Numpy columns through binary COPY and back."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagtrail.ingest.database.connection import Connection
from tagtrail.ingest.database.copy import Column, Copier

TABLE = "CREATE TABLE example (a smallint, b integer, c bigint, d real, e double precision, t timestamptz)"

COPIER = Copier("example", "abcdet")
"""One for all, since it keeps memory from one time to the next."""

row = st.tuples(
    st.integers(-(2**15), 2**15 - 1),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**63), 2**63 - 1),
    st.none() | st.floats(width=32, allow_nan=False),
    st.none() | st.floats(allow_nan=False),
    st.none() | st.integers(-62_000_000_000_000_000, 250_000_000_000_000_000),  # years 5 to 9892
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(row, max_size=30))
def test_rows_come_back_as_they_went(connection: Connection, rows: list[tuple[object, ...]]) -> None:
    connection.execute(f"DROP TABLE IF EXISTS example; {TABLE}".encode())
    a, b, c, d, e, t = zip(*rows, strict=True) if rows else [()] * 6
    columns: list[Column] = [
        np.array(a, np.int16),
        np.array(b, np.int32),
        np.array(c, np.int64),
        np.array(d, np.float32),
        np.array(e, np.float64),
        np.array(["NaT" if us is None else us for us in t], "datetime64[us]"),
    ]
    COPIER.copy(connection, columns)
    back = connection.execute(
        "SELECT a, b, c, d::float8, e, (extract(epoch FROM t) * 1000000)::bigint FROM example"
    ).fetchall()
    assert sorted(map(comparable, back)) == sorted(map(comparable, rows))


def comparable(row: tuple[object, ...]) -> list[tuple[bool, object]]:
    return [(value is not None, value if value is not None else 0) for value in row]


def test_nan_is_null(connection: Connection) -> None:
    connection.execute(TABLE.encode())
    Copier("example", "da").copy(connection, [np.array([math.nan, 1.5], np.float32), np.array([1, 2], np.int16)])
    assert connection.execute("SELECT a FROM example WHERE d IS NULL").fetchall() == [(1,)]


def test_rows_of_nothing_but_null(connection: Connection) -> None:
    connection.execute(TABLE.encode())
    Copier("example", "d").copy(connection, [np.full(3, math.nan)])
    assert connection.execute("SELECT count(*) FROM example WHERE d IS NULL").fetchone() == (3,)


@pytest.mark.parametrize("dtype", ["datetime64[ns]", "bool", "uint16", "U4", "int8"])
def test_types_that_would_be_misread_are_refused(connection: Connection, dtype: str) -> None:
    with pytest.raises(TypeError):
        Copier("example", "a").copy(connection, [np.zeros(2, dtype)])
