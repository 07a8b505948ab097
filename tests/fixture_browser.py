"""Chromium through Playwright. Nothing is downloaded: Debian's package is used, else the tests are skipped."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

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


@contextmanager
def opened_alone(context: BrowserContext, file: Path, wait_ms: float) -> Iterator[Page]:
    """A page that is one file: it asks nobody for anything and has nothing to complain about."""
    complaints: list[str] = []

    def check(request: Request) -> None:
        if not request.url.startswith((file.as_uri(), "data:", "blob:")):
            complaints.append(request.url)

    page = context.new_page()
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("request", check)
    page.goto(file.as_uri())
    page.wait_for_selector("body[data-ready]", timeout=wait_ms)
    yield page
    assert complaints == []


@pytest.fixture
def artefacts() -> Path:
    """Folder for screenshots."""
    ARTEFACTS.mkdir(exist_ok=True)
    return ARTEFACTS
