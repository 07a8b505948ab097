"""The command explains itself, and what a person can mend is one message."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tagtrail.stack.cli import COMMANDS, main


def run(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TAGTRAIL_")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "tagtrail.stack", *arguments],
        capture_output=True, text=True, check=False, timeout=60, env={**clean, **(environment or {})},
    )  # fmt: skip


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert told.startswith(f"usage: tagtrail {command}")
    assert len(told.splitlines()) > 5


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert all(name in told for name in COMMANDS)


def test_the_edge_starts_without_numpy() -> None:
    code = (
        "import sys\n"
        "from tagtrail.stack.cli import main\n"
        "try: main(['edge', '--help'])\n"
        "except SystemExit: pass\n"
        "import tagtrail.edge.service\n"
        "heavy = {'numpy', 'pandas', 'psycopg', 'fastapi', 'pyarrow'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


BAD_CALLS = [
    (["edge", "--store", "/nowhere.toml"], {}, "/nowhere.toml"),
    (["edge"], {}, "store.toml"),
    (["ingest"], {}, "TAGTRAIL_DSN"),
    (["db", "status"], {}, "set TAGTRAIL_DSN"),
    (["db", "migrate"], {"TAGTRAIL_DSN": "postgresql://tagtrail:x@127.0.0.1:1/none"}, "127.0.0.1"),
    (["store", "check", "/nowhere.toml"], {}, "/nowhere.toml"),
    (["demo", "--speed", "-3"], {}, "--speed -3: must be"),
    (["demo", "--port", "99999"], {}, "--port 99999"),
    (["demo", "--store", "/nowhere.toml"], {}, "/nowhere.toml"),
    (["up", "--store", "/nowhere.toml"], {}, "/nowhere.toml"),
    (["doctor"], {"TAGTRAIL_LOG_LEVEL": "bogus"}, "TAGTRAIL_LOG_LEVEL='bogus'"),
    (["demo", "--speed", "1e12"], {}, "--speed 1e+12: must be"),
    (["analyze", "--reads", "/nowhere.parquet"], {}, "settings of tagtrail analyze"),
]


@pytest.mark.parametrize(("arguments", "environment", "message"), BAD_CALLS)
def test_bad_input_is_one_message_and_no_traceback(
    arguments: list[str], environment: dict[str, str], message: str
) -> None:
    done = run(*arguments, environment=environment)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_looks_at_a_store_files_ports(tmp_path: Path) -> None:
    done = run("doctor", "--store", str(tmp_path / "none.toml"))
    assert done.returncode == 1
    assert "✗  store" in done.stdout
    assert "python" in done.stdout
