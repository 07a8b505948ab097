"""Chromium through Playwright. Nothing is downloaded: Debian's package is used, else the tests are skipped."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

ARTEFACTS = Path(__file__).parent.parent / "test-artefacts"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--disable-dev-shm-usage", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def artefacts() -> Path:
    """Folder for screenshots."""
    ARTEFACTS.mkdir(exist_ok=True)
    return ARTEFACTS
