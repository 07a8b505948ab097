"""The documents keep up with the code."""

import argparse
import re
import subprocess
import tomllib
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest
import yaml

from tagtrail.analytics.settings import AnalyzeSettings
from tagtrail.api.settings import ApiSettings
from tagtrail.edge.settings import EdgeSettings
from tagtrail.ingest.settings import IngestSettings
from tagtrail.stack.settings import load_settings

ROOT = Path(__file__).parents[1]
SETTINGS: dict[str, type[msgspec.Struct]] = {
    "ingest": IngestSettings,
    "analytics": AnalyzeSettings,
    "api": ApiSettings,
    "edge": EdgeSettings,
}
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / unquote(target)).exists(), target


def test_every_folder_has_a_readme() -> None:
    assert {folder.parent for folder in ROOT.glob("*/tagtrail")} == {
        page.parent for page in ROOT.glob("*/README.md") if (page.parent / "tagtrail").exists()
    }


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`?make ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_compose_file_is_sound() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    services = compose["services"]
    for name, service in services.items():
        assert "image" in service or (ROOT / service["build"]["dockerfile"]).exists(), name
        for other in service.get("depends_on", {}):
            assert other in services, f"{name} depends on {other}"
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./") and source not in ("./store.toml", "./secrets"):
                assert (ROOT / source).exists(), source
            elif not source.startswith(("/", ".")):
                assert source in compose["volumes"], source


def test_compose_commands_are_commands_of_tagtrail() -> None:
    from tagtrail.stack.cli import COMMANDS

    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    used = {service["command"][0] for service in compose["services"].values() if "command" in service}
    assert used <= set(COMMANDS)


@pytest.mark.parametrize("name", ["ingest", "analytics", "api", "edge"])
def test_compose_services_have_the_settings_that_they_need(name: str) -> None:
    from tagtrail.stack.cli import COMMANDS

    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    service = compose["services"][name]
    command = import_module(COMMANDS[service["command"][0]][1])
    parser = argparse.ArgumentParser()
    command.configure(parser)
    options = parser.parse_args(service["command"][1:])
    load_settings(SETTINGS[name], service["command"][0], environment=service["environment"], options=vars(options))


def test_locked_requirements_are_plain_and_complete() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._!+-]+", line) for line in lock)
    locked = {line.split("==")[0].lower().replace("_", "-") for line in lock}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"].values()
    wanted = [*project["project"]["dependencies"], *(name for extra in extras for name in extra)]
    wanted += project["dependency-groups"]["dev"]
    names = {re.split(r"[\[><=;]", requirement)[0].lower() for requirement in wanted} - {"tagtrail"}
    assert len(names) > 20
    assert names <= locked


def test_nothing_of_the_workshop_is_in_the_project() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if tracked.returncode != 0:
        pytest.skip("not a git checkout")
    for name in filter(None, tracked.stdout.decode().split("\0")):
        file = ROOT / name
        if file.is_file() and file.suffix in {".py", ".md", ".toml", ".yml", ".html", ".js", ".css", ".lock", ".sql"}:
            assert "/wor" + "k/" not in file.read_text(encoding="utf-8"), name
