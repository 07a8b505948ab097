"""The wheel holds every file, and the edge runs from it with its few packages."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", out, ROOT],
        check=True,
        capture_output=True,
    )
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_every_file_of_the_namespace(wheel: Path) -> None:
    tracked = {
        file.relative_to(folder)
        for folder in ROOT.glob("*/")
        for file in folder.glob("tagtrail/**/*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = {Path(name) for name in archive.namelist() if name.startswith("tagtrail/")}
    assert tracked == packed


def test_the_wheel_brings_nothing_but_the_namespace(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"tagtrail"}


@pytest.mark.slow
def test_the_edge_alone_has_five_packages_at_most_and_no_numpy(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "bare"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    pip: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check"]
    lock = ROOT / "requirements.lock"
    done = subprocess.run(
        [*pip, "install", "--quiet", "-c", lock, f"{wheel}[edge]"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0 and "No matching distribution" in done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    listed = json.loads(subprocess.run([*pip, "list", "--format=json"], capture_output=True, check=True).stdout)
    names = {package["name"] for package in listed} - {"pip", "setuptools"}
    assert "numpy" not in names
    assert len(names) <= 5, names
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TAGTRAIL_")}
    told = subprocess.run(
        [environment / "bin" / "tagtrail", "edge", "--help"], capture_output=True, text=True, check=False, env=clean
    )
    assert told.returncode == 0, told.stderr
    assert "--spool" in told.stdout
    ran = subprocess.run(
        [environment / "bin" / "tagtrail", "api"],
        capture_output=True, text=True, check=False, env={**clean, "TAGTRAIL_DSN": "postgresql://nowhere"},
    )  # fmt: skip
    assert ran.returncode == 2
    assert "pip install 'tagtrail[api]'" in ran.stderr


def test_every_module_can_be_imported() -> None:
    code = """
import importlib, pkgutil, warnings
warnings.simplefilter("error")
import tagtrail
modules = [m.name for m in pkgutil.walk_packages(tagtrail.__path__, "tagtrail.") if not m.name.endswith("__main__")]
for name in modules:
    if name != "tagtrail.stack.amqtt_broker":  # amqtt itself warns
        importlib.import_module(name)
assert len(modules) > 30
"""
    subprocess.run([sys.executable, "-P", "-c", code], check=True)
