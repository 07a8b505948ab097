"""Third-party imports of each folder are those of the table in docs/architecture.md."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ALLOWED = {
    "hardware": {"msgspec"},
    "edge": {"msgspec", "serial", "paho"},
    "ingest": {"msgspec", "paho", "psycopg", "psycopg_pool", "numpy"},
    "analytics": {"msgspec", "psycopg", "numpy", "pandas", "pyarrow", "numba", "scipy", "dask", "distributed"},
    "api": {"msgspec", "psycopg", "psycopg_pool", "fastapi", "starlette", "uvicorn", "pydantic", "plotly"},
    "simulator": {"msgspec", "numpy", "pyarrow", "serial", "paho", "matplotlib"},
    "stack": {"msgspec", "psycopg", "amqtt", "pyarrow", "pandas"},
}


def third_party_imports(folder: Path) -> set[str]:
    found = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"tagtrail", "_typeshed"}  # the latter only while types are checked


@pytest.mark.parametrize("folder", sorted(ALLOWED))
def test_a_folder_imports_what_its_row_allows(folder: str) -> None:
    assert third_party_imports(ROOT / folder / "tagtrail") <= ALLOWED[folder]


def test_every_folder_of_the_namespace_has_a_row() -> None:
    assert {path.parent.name for path in ROOT.glob("*/tagtrail")} == set(ALLOWED)
