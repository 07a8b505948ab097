"""The files for production: their commands and settings are those of the services, and systemd takes the units."""

import argparse
import re
import shlex
import shutil
import subprocess
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from tagtrail.ingest.settings import IngestSettings
from tagtrail.stack.cli import COMMANDS
from tagtrail.stack.settings import fields, load_settings
from test_docs import ROOT, SETTINGS

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
UNITS = sorted(ROOT.glob("*/*.service"))
SERVICES = {"edge": "edge", "ingest": "ingest", "analyze": "analytics", "api": "api"}


def directives(unit: Path, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", unit.read_text(encoding="utf-8"), flags=re.MULTILINE)


@pytest.mark.parametrize("name", [name for name, service in COMPOSE["services"].items() if "command" in service])
def test_compose_sets_nothing_that_the_command_does_not_read(name: str) -> None:
    service = COMPOSE["services"][name]
    command = service["command"][0]
    known = {"TAGTRAIL_DSN"}
    if command in SERVICES:
        known = {f"TAGTRAIL_{field.name.upper()}" for field in fields(SETTINGS[SERVICES[command]])}
    assert set(service["environment"]) <= known
    parser = argparse.ArgumentParser()
    import_module(COMMANDS[command][1]).configure(parser)
    parser.parse_args(service["command"][1:])


def test_compose_lets_only_tls_and_the_page_out() -> None:
    published = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]
    assert published == ["8883:8883", "127.0.0.1:8000:8000"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_units_start_services_with_settings_that_they_have(unit: Path) -> None:
    (start,) = directives(unit, "ExecStart")
    program, name, *arguments = shlex.split(start)
    assert program == "/opt/tagtrail/bin/tagtrail"
    parser = argparse.ArgumentParser()
    import_module(COMMANDS[name][1]).configure(parser)
    options = vars(parser.parse_args(arguments))
    load_settings(SETTINGS[SERVICES[name]], name, environment={"TAGTRAIL_DSN": "postgresql://x"}, options=options)
    assert directives(unit, "RestartPreventExitStatus") == ["2"], "a person must change something first"


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_finds_no_fault_with_units(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    # What it would miss on this machine is not the unit's fault: the program and the agent's user.
    text = unit.read_text(encoding="utf-8").replace("/opt/tagtrail/bin/tagtrail", "/bin/true")
    copy = tmp_path / unit.name
    copy.write_text(re.sub(r"^User=tagtrail$", "User=root", text, flags=re.MULTILINE))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", copy],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert [line for line in done.stderr.splitlines() if unit.name in line] == []


def test_the_broker_lets_out_what_ingest_takes() -> None:
    conf = dict(
        line.split(" ", 1)
        for line in (ROOT / "stack/mosquitto/mosquitto.conf").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    )
    assert conf["max_queued_messages"] == "0"
    assert 200 <= int(conf["max_inflight_messages"]) <= IngestSettings(dsn="x").inflight_messages
    assert conf["allow_anonymous"] == "false"


def test_every_reason_is_explained() -> None:
    text = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"`([a-z]+(?:-[a-z]+)+|topic|version)`", text))
    sources = [ROOT / "hardware/tagtrail/hardware/wire.py", *ROOT.glob("ingest/tagtrail/ingest/*.py")]
    found = {
        reason
        for source in sources
        for reason in re.findall(r"(?:BadData\(|Rejected\([^)]*?,)\s*\"([a-z-]+)\"", source.read_text(encoding="utf-8"))
    }
    assert len(found) > 10
    assert {reason for reason in found if not reason.startswith("bad-")} <= explained
