"""The HTTP API: routes, checks of parameters, one shape for every error."""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import Annotated, Final

import psycopg
from fastapi import APIRouter, FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import JSONResponse
from psycopg_pool import ConnectionPool, PoolTimeout
from starlette.exceptions import HTTPException

from tagtrail.api import models
from tagtrail.api.days import Window, day_of, day_window
from tagtrail.api.live import Horizon, find_horizon, floor_now
from tagtrail.api.page import add_page
from tagtrail.api.recent import Recent
from tagtrail.api.refusal import Refusal
from tagtrail.api.settings import ApiSettings
from tagtrail.api.stores import Version, find_version, layout_of, list_stores
from tagtrail.api.zones import zone_detail
from tagtrail.hardware.clock import ScaledClock, parse_clock
from tagtrail.hardware.errors import GiveUp
from tagtrail.hardware.wire import TIME_MAX_US, TIME_MIN_US
from tagtrail.ingest.database.connection import Connection, explain

log = logging.getLogger("tagtrail.api")

CONNECTION_WAIT_S: Final = 2.0
RETRY_AFTER_S: Final = 2
LIVE_KEEP_S: Final = 0.4
DAY_KEEP_S: Final = 2.0
FLOWS_MAX: Final = 2000

StoreId = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,64}$", description="Id of a store, see `/api/stores`.")]
ZoneId = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,64}$", description="Id of a zone, see the store's layout.")]
Day = Annotated[date | None, Query(description="Local day, e.g. 2026-03-14; today if absent.")]
FlowsMax = Annotated[int, Query(ge=1, le=FLOWS_MAX, description="Most flows to list.")]
At = Annotated[
    datetime | None, Query(description="A time with its offset, e.g. 2026-03-14T10:00:00+08:00; now if absent.")
]


class Answers:
    """What the routes answer, from a pool of database connections."""

    def __init__(self, settings: ApiSettings, pool: ConnectionPool[Connection]) -> None:
        self._settings = settings
        self._pool = pool
        self._lock = threading.Lock()
        self._failing = ""
        self._clock = parse_clock(settings.clock)
        self.rate = self._clock.rate if isinstance(self._clock, ScaledClock) else 1.0
        self._live = Recent(LIVE_KEEP_S, self._make_live)
        self._days = Recent(DAY_KEEP_S, self._make_day)
        self._zones = Recent(DAY_KEEP_S, self._make_zone)

    def now(self) -> datetime:
        """The store's time, UTC."""
        return datetime.fromtimestamp(self._clock.now_us() / 1e6, UTC)

    def health(self) -> models.Health:
        """Answer only when the database does."""
        return models.Health(status="ok", version=version("tagtrail"), now=self.now(), stores=len(self.stores().stores))

    def stores(self) -> models.Stores:
        """All stores."""
        with self._reading() as connection:
            return list_stores(connection, self.now(), self._settings.default_store)

    def layout(self, store: str, at: datetime | None) -> models.Layout:
        """The layout valid at a time."""
        with self._reading() as connection:
            return layout_of(find_version(connection, store, at or self.now()))

    def live(self, store: str) -> models.Live:
        """Who is where."""
        return self._live.get(store)

    def day(self, store: str, day: date | None, flows_max: int) -> models.Day:
        """The numbers of a day."""
        return self._days.get((store, day, flows_max))

    def zone(self, store: str, zone: str, day: date | None) -> models.ZoneDetail:
        """A zone in depth."""
        return self._zones.get((store, zone, day))

    def _make_live(self, store: str) -> models.Live:
        with self._reading() as connection:
            found = find_version(connection, store, self.now())
            horizon = self._horizon(connection, found)
            return floor_now(connection, found, horizon, self.rate, self._settings.presence_s)

    def _make_day(self, key: tuple[str, date | None, int]) -> models.Day:
        store, day, flows_max = key
        with self._reading() as connection:
            found, window = self._window(connection, store, day)
            horizon = self._horizon(connection, found)
            return day_of(connection, found, window, horizon, presence_s=self._settings.presence_s, flows_max=flows_max)

    def _make_zone(self, key: tuple[str, str, date | None]) -> models.ZoneDetail:
        store, zone, day = key
        with self._reading() as connection:
            found, window = self._window(connection, store, day)
            return zone_detail(connection, found, window, zone)

    def _window(self, connection: Connection, store: str, day: date | None) -> tuple[Version, Window]:
        """The day, and the layout at its end; the day's time zone is that of the layout now."""
        now = self.now()
        found = find_version(connection, store, now)
        window = day_window(day, now, found.zone)
        return find_version(connection, store, window.until), window

    def _horizon(self, connection: Connection, found: Version) -> Horizon:
        return find_horizon(connection, found, self.now(), self.rate, self._settings.stale_s)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """A connection that cannot write, and sees one state of the database throughout."""
        try:
            with self._pool.connection(CONNECTION_WAIT_S) as connection:
                connection.read_only = True
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                yield connection
        except psycopg.Error as error:
            self._note(*_database_fault(error))
            raise
        self._note()

    def _note(self, reason: str = "", message: str = "") -> None:
        """Log when the database begins to fail, and when it answers again; called in any thread."""
        with self._lock:
            before, self._failing = self._failing, reason
        if reason and reason != before:
            log.warning("%s Requests are answered with 503 meanwhile.", message)
        elif before and not reason:
            log.info("the database answers again")


def create_app(settings: ApiSettings, pool: ConnectionPool[Connection]) -> FastAPI:
    """The application.

    Args:
        settings: Checked settings.
        pool: Connections; the database may be away, then every answer is a 503 that says so.
    """
    app = FastAPI(
        title="Tagtrail",
        version=version("tagtrail"),
        description="Floor traffic, shopper paths and dwell of a store with RFID. Read-only. "
        "An answer with a status of 400 or more is always `{reason, message}`.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # both would load scripts from elsewhere
        redoc_url=None,
    )
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    _add_errors(app)
    app.include_router(_routes(Answers(settings, pool)))
    add_page(app)
    return app


def _routes(answers: Answers) -> APIRouter:
    faults: dict[int | str, dict[str, object]] = {
        404: {"model": models.Fault, "description": "No such store or zone."},
        422: {"model": models.Fault, "description": "A parameter is not what it must be."},
        503: {"model": models.Fault, "description": "The database does not answer; try again."},
    }
    router = APIRouter(prefix="/api", responses=faults)

    @router.get("/health")
    def health() -> models.Health:
        """Whether this service and its database answer."""
        return answers.health()

    @router.get("/stores")
    def get_stores() -> models.Stores:
        """All stores that have a layout."""
        return answers.stores()

    @router.get("/store/{store}/layout")
    def get_layout(store: StoreId, at: At = None) -> models.Layout:
        """Floors, zones, walls and antennas."""
        return answers.layout(store, None if at is None else _checked(at))

    @router.get("/store/{store}/live")
    def get_live(store: StoreId) -> models.Live:
        """Who is where now, and how fresh that is. Made for being asked every second."""
        return answers.live(store)

    @router.get("/store/{store}/today")
    def get_today(store: StoreId, day: Day = None, flows: FlowsMax = 200) -> models.Day:
        """The numbers of today, or of another day: cards, zones, flows, the curve."""
        return answers.day(store, day, flows)

    @router.get("/store/{store}/zone/{zone}")
    def get_zone(store: StoreId, zone: ZoneId, day: Day = None) -> models.ZoneDetail:
        """One zone over a day: hours, dwell, where people come from and go."""
        return answers.zone(store, zone, day)

    return router


def _checked(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise Refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY, "bad-time", f"at {at.isoformat()}: add the time zone, e.g. +08:00 or Z"
        )
    try:
        moment = at.astimezone(UTC)
    except OverflowError:
        moment = None
    if moment is None or not TIME_MIN_US <= moment.timestamp() * 1e6 <= TIME_MAX_US:
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-time", f"at {at.isoformat()}: years 2000 to 2100 allowed")
    return moment


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(Refusal)
    def refused(_: Request, error: Refusal) -> JSONResponse:
        return _fault(error.status, error.reason, str(error))

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        found = [f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors()]
        return _fault(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-parameter", "; ".join(found))

    @app.exception_handler(HTTPException)
    def refused_by_framework(request: Request, error: HTTPException) -> JSONResponse:
        status = HTTPStatus(error.status_code)
        reason = status.phrase.lower().replace(" ", "-")
        message = f"{request.method} {request.url.path}: {status.phrase.lower()}; /api/openapi.json lists what there is"
        return _fault(status, reason, message, error.headers)

    @app.exception_handler(psycopg.Error)
    def database_failed(_: Request, error: psycopg.Error) -> JSONResponse:
        return _fault(
            HTTPStatus.SERVICE_UNAVAILABLE, *_database_fault(error), headers={"Retry-After": str(RETRY_AFTER_S)}
        )


def _database_fault(error: psycopg.Error) -> tuple[str, str]:
    """Reason and message of a failure of the database."""
    if isinstance(error, PoolTimeout):
        return "database-away", "The database does not answer."
    advice = explain(error)
    return "database-not-ready" if isinstance(advice, GiveUp) else "database-away", f"{str(advice).rstrip('.')}."


def _fault(status: HTTPStatus, reason: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(models.Fault(reason=reason, message=message).model_dump(), status, headers)
