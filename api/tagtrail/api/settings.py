"""Settings of the API and the floor page."""

import re
from typing import Annotated

from msgspec import Meta, Struct

from tagtrail.hardware.clock import parse_clock
from tagtrail.hardware.errors import GiveUp
from tagtrail.hardware.store import ID_PATTERN


class ApiSettings(Struct, frozen=True, kw_only=True):
    """Serve the API and the floor page. Both only read."""

    dsn: Annotated[
        str,
        Meta(
            description="Address of the database, e.g. postgresql://tagtrail:PASSWORD@localhost/tagtrail.",
            extra={"secret": True},
        ),
    ]
    host: Annotated[str, Meta(description="Address to listen on; 0.0.0.0 for all of this machine's.")] = "127.0.0.1"
    port: Annotated[int, Meta(description="TCP port of the page.")] = 8000
    default_store: Annotated[
        str | None, Meta(description="Id of the store that the page opens with; none given: the first by id.")
    ] = None
    clock: Annotated[str, Meta(description="'real', or 'ANCHOR_US,ORIGIN_US,RATE' of a simulated store's clock.")] = (
        "real"
    )
    presence_s: Annotated[
        float, Meta(description="A tag counts as present when it was seen within this time (store time).")
    ] = 30.0
    stale_s: Annotated[
        float, Meta(description="After so long without news the page says 'no data', not 'nobody' (real time).")
    ] = 30.0

    def faults(self) -> list[str]:
        """What is wrong with these settings, one sentence each; no I/O."""
        found = []
        if not self.dsn.strip():
            found.append("dsn: empty; give the address of the database")
        if not self.host.strip():
            found.append("host: empty; give an address of this machine, e.g. 127.0.0.1")
        if not 0 <= self.port <= 65_535:
            found.append(f"port {self.port}: 1 to 65535 allowed, or 0 for any free one")
        if self.default_store is not None and not re.fullmatch(ID_PATTERN, self.default_store):
            found.append(f"default_store {self.default_store!r}: not the id of a store (a-z, 0-9 and -)")
        for name, value in (("presence_s", self.presence_s), ("stale_s", self.stale_s)):
            if not 1 <= value <= 3600:
                found.append(f"{name} {value:g}: 1 to 3600 seconds allowed")
        try:
            parse_clock(self.clock)
        except GiveUp as error:
            found.append(str(error))
        return found
