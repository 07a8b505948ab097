"""The floor page: one HTML file, one style sheet, plain JavaScript modules, and plotly.js out of its wheel.

Nothing is fetched from anywhere else, and the browser is told to refuse if something tried.
"""

import gzip
from functools import cache
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, FastAPI, Header, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

STATIC: Final = Path(__file__).parent / "static"
PLOTLY_PATH: Final = f"/vendor/plotly-{version('plotly')}.min.js"
YEAR_S: Final = 365 * 24 * 3600

# plotly.js writes style attributes, and keeps images of its charts as data.
CONTENT_POLICY: Final = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)

router = APIRouter(include_in_schema=False)


class Revalidated(StaticFiles):
    """Files that a browser keeps and asks about each time: a new version shows at once, an old one costs a 304."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """As the base class, with a cache rule."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


def add_page(app: FastAPI) -> None:
    """Serve the page at ``/``."""
    app.include_router(router)
    app.mount("/static", Revalidated(directory=STATIC), name="static")


@router.get("/")
def index() -> HTMLResponse:
    """The page."""
    html = (STATIC / "index.html").read_text(encoding="utf-8").replace("{{plotly}}", PLOTLY_PATH)
    headers = {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": CONTENT_POLICY,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return HTMLResponse(html, headers=headers)


@router.get("/favicon.ico")
def favicon() -> Response:
    """Browsers ask for it whatever the page says."""
    return Response((STATIC / "icon.svg").read_bytes(), media_type="image/svg+xml")


@router.get(PLOTLY_PATH)
def plotly(accept_encoding: Annotated[str, Header()] = "") -> Response:
    """plotly.js; its version is in the address, so a browser need never ask again."""
    headers = {"Cache-Control": f"public, max-age={YEAR_S}, immutable", "Vary": "Accept-Encoding"}
    body = _plotly_gzip()
    if "gzip" in accept_encoding:
        headers["Content-Encoding"] = "gzip"
    else:
        body = gzip.decompress(body)
    return Response(body, media_type="text/javascript", headers=headers)


@cache
def _plotly_gzip() -> bytes:
    script = resources.files("plotly") / "package_data" / "plotly.min.js"
    return gzip.compress(script.read_bytes(), 6)
