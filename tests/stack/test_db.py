"""`tagtrail db`: what a person sees."""

from pathlib import Path

import pytest

from fixture_database import new_database
from tagtrail.ingest.database.connection import connect
from tagtrail.stack.cli import main


def test_backup_and_restore_tell_what_they_did(
    postgres_server: str,
    schema: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = str(tmp_path / "shop.backup")
    with connect(schema) as connection:
        connection.execute("INSERT INTO store (store) VALUES ('north'), ('south')")
    monkeypatch.setenv("TAGTRAIL_DSN", schema)
    assert main(["db", "backup", file]) == 0
    assert f"{2:>15}  store\n" in capsys.readouterr().out
    assert main(["db", "restore", file]) == 2
    assert "is not empty" in capsys.readouterr().err
    with new_database(postgres_server) as other:
        monkeypatch.setenv("TAGTRAIL_DSN", other)
        assert main(["db", "restore", file]) == 0
        out = capsys.readouterr().out
        assert (f"restored from {file}, made at " in out, "100%" in out) == (True, True)
        assert main(["db", "status"]) == 0
