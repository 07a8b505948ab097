"""What the API answers: the types behind its OpenAPI document.

Times are ISO 8601 with the offset of the store's time zone; lengths are metres, durations seconds.
"""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field

from tagtrail.hardware.store import ZoneKind

DataState = Literal["live", "quiet", "stale", "none"]


class Fault(BaseModel):
    """Every answer with a status of 400 or more has this shape."""

    reason: str = Field(description="Short, stable name of what went wrong, e.g. `unknown-store`.")
    message: str = Field(description="One sentence for a person: what, where, what to do.")


class StoreEntry(BaseModel):
    """A store in the database."""

    id: str
    name: str
    timezone: str = Field(description="IANA name, e.g. Asia/Shanghai.")


class Stores(BaseModel):
    """All stores that have a layout."""

    default: str | None = Field(description="The store that the page opens with; null when there is none.")
    stores: list[StoreEntry]


class LayoutFloor(BaseModel):
    """A storey from (0, 0), its front left corner, to (width_m, depth_m)."""

    id: str
    name: str
    width_m: float
    depth_m: float


class LayoutZone(BaseModel):
    """A piece of a floor that people can be in."""

    id: str
    name: str
    floor: str
    kind: ZoneKind
    polygon: list[tuple[float, float]] = Field(description="Corners, x to the right, y away from the front.")


class LayoutWall(BaseModel):
    """A line that nobody walks through."""

    floor: str
    line: list[tuple[float, float]]


class LayoutLink(BaseModel):
    """Lift, stairs or escalator between two zones, usable both ways."""

    zones: tuple[str, str]
    seconds: float


class LayoutAntenna(BaseModel):
    """An antenna and the reader that it hangs on."""

    reader: str
    port: int
    floor: str
    position_m: tuple[float, float, float] = Field(description="x, y, height.")


class Layout(BaseModel):
    """One version of the store's floors."""

    store: StoreEntry
    layout_id: int = Field(description="Changes when the layout does.")
    valid_from: datetime
    floors: list[LayoutFloor]
    zones: list[LayoutZone]
    walls: list[LayoutWall]
    links: list[LayoutLink]
    antennas: list[LayoutAntenna]


class ReaderHealth(BaseModel):
    """A reader of the layout, as the agents last reported it."""

    id: str
    online: bool = Field(description="Its agent reported lately that it is reading tags.")
    state: str = Field(description="As the agent says, e.g. `streaming`; `unreported` when none does.")
    error: str | None = None


class Freshness(BaseModel):
    """How far the numbers can be trusted right now."""

    state: DataState = Field(
        description="`live`: reads arrive. `quiet`: readers are on and nobody is seen. "
        "`stale`: nothing new and no proof that nobody is there. `none`: not one read yet."
    )
    reason: str = Field(description="The state in a sentence for a person.")
    reads_to: datetime | None = Field(description="Reads up to here are in the numbers (store time).")
    lag_s: float | None = Field(description="Store time since `reads_to`.")
    readers_online: int
    readers_total: int


class Live(BaseModel):
    """Who is where now."""

    now: datetime = Field(description="The store's time; a simulated day has its own.")
    clock_rate: float = Field(description="Store seconds per real second: 1, or more in a simulation.")
    layout_id: int
    presence_s: float = Field(description="A tag is present when it was seen within this time.")
    data: Freshness
    inside: int | None = Field(description="Tags present in the store; null when there is no data.")
    floors: dict[str, int | None] = Field(description="Tags present per floor.")
    zones: dict[str, int | None] = Field(description="Tags present per zone; null is no data, 0 is nobody.")
    elsewhere: int | None = Field(description="Tags present in zones that this layout does not have.")
    readers: list[ReaderHealth]


class Number(BaseModel):
    """One number of the day with what is needed to trust it."""

    value: float | None = Field(description="Null when there is nothing to count or measure.")
    definition: str = Field(description="One sentence.")
    sample: int | None = Field(default=None, description="Over how many the value is a statistic; null for counts.")
    week_before: float | None = Field(
        default=None, description="The same, a week before until the same local time; null without data."
    )
    at: datetime | None = Field(default=None, description="When, for an extreme.")


class BusiestZone(BaseModel):
    """The zone that most visitors stopped at."""

    zone: str | None
    visitors: int
    definition: str


class Numbers(BaseModel):
    """The numbers of the day."""

    inside_now: Number
    visitors: Number
    entries: Number
    stay_s: Number
    peak_inside: Number
    busiest_zone: BusiestZone


class ZoneDay(BaseModel):
    """One zone over the day."""

    visits: int = Field(description="Stays that began on this day.")
    visitors: int = Field(description="Different tags among them.")
    dwell_s: float | None = Field(description="Median length of the stays that have ended.")
    dwell_sample: int = Field(description="How many stays that median is over.")


class Flow(BaseModel):
    """Steps from a zone to the next one within one stay in the store.

    Aisles and lifts lead everywhere and are passed over: from perfume through an aisle to shoes is a step to shoes.
    """

    from_zone: str
    to_zone: str
    steps: int


class Slot(BaseModel):
    """Five minutes of the day."""

    time: datetime = Field(description="Begin.")
    inside: int = Field(description="Tags between first and last read of their trip at the end of the slot.")
    entries: int = Field(description="Trips that began in the slot.")


class Day(BaseModel):
    """A local day, from midnight to midnight of the store's time zone."""

    day: date
    start: datetime
    end: datetime = Field(description="The next midnight; a day has 23 or 25 hours when clocks change.")
    until: datetime = Field(description="Up to here there can be numbers: the day's end, or now.")
    layout_id: int
    layout_since: datetime | None = Field(
        description="The layout changed during the day: zones and flows count from here; null when it did not."
    )
    numbers: Numbers
    zones: dict[str, ZoneDay]
    flows: list[Flow] = Field(description="Most steps first.")
    flows_left_out: int = Field(description="Steps of flows beyond the limit.")
    series: list[Slot]


class Step(BaseModel):
    """Where people went after, or came from before; aisles and lifts are passed over."""

    zone: str
    steps: int
    share: float = Field(description="Of all stays that have an answer to this question, 0 to 1.")


class HourVisits(BaseModel):
    """One hour of a zone."""

    time: datetime
    visits: int


class ZoneDetail(BaseModel):
    """One zone over the day, in depth."""

    zone: str
    day: date
    visits: int
    visitors: int
    share_of_visitors: float | None = Field(description="Of the day's visitors, 0 to 1.")
    dwell_quartiles_s: tuple[float, float, float] | None = Field(description="25, 50 and 75 % of ended stays.")
    dwell_sample: int
    hours: list[HourVisits]
    previous: list[Step] = Field(description="Zones that people came from, most steps first.")
    next: list[Step] = Field(description="Zones that people went to, most steps first.")
    left_share: float | None = Field(description="Share of ended stays after which the tag left the store.")


class Health(BaseModel):
    """This service can answer."""

    status: Literal["ok"]
    version: str
    now: datetime = Field(description="The clock of this service, UTC.")
    stores: int
