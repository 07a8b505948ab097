"""Settings of the ingest service."""

import re
from typing import Annotated, Final

from msgspec import Meta, Struct, field

from tagtrail.hardware.clock import parse_clock
from tagtrail.hardware.errors import GiveUp
from tagtrail.hardware.mqtt_address import mqtt_address_faults
from tagtrail.hardware.store import ID_PATTERN

DAYS_MAX: Final = 36_500


class IngestSettings(Struct, frozen=True, kw_only=True):
    """Settings of the ingest service. Intervals are seconds of real time."""

    mqtt: Annotated[
        str, Meta(description="Address of the broker: mqtt://HOST:PORT, or mqtts://HOST:PORT with TLS.")
    ] = "mqtt://127.0.0.1:1883"
    mqtt_user: Annotated[str | None, Meta(description="User name at the broker.", extra={"secret": True})] = None
    mqtt_password: Annotated[str | None, Meta(description="Password at the broker.", extra={"secret": True})] = None
    mqtt_ca: Annotated[
        str | None,
        Meta(
            description="File with the certificate of the broker's authority; none given: those that the system trusts."
        ),
    ] = None
    dsn: Annotated[
        str,
        Meta(description="Address of the database: postgresql://USER:PASSWORD@HOST:PORT/DB.", extra={"secret": True}),
    ]
    stores: Annotated[list[str], Meta(description="Ids of the stores to listen to; '+' is all.")] = field(
        default_factory=lambda: ["+"]
    )
    client_id: Annotated[
        str, Meta(description="Name of this process at the broker, which keeps its messages; unique among processes.")
    ] = "tagtrail-ingest"
    share: Annotated[
        str | None,
        Meta(description="Group of ingest processes that share the messages between them; each its own client_id."),
    ] = None
    flush_s: Annotated[float, Meta(description="Longest time that a batch waits for others to be written with.")] = 0.25
    flush_reads: Annotated[int, Meta(description="Reads after which a transaction takes no further batch.")] = 50_000
    writers: Annotated[
        int, Meta(description="Transactions at once; two keep the database busy while the next rows are made ready.")
    ] = 2
    inflight_messages: Annotated[
        int, Meta(description="Most messages in memory; beyond, the broker has to wait until the database is faster.")
    ] = 1_000
    database_silence_s: Annotated[
        float,
        Meta(description="Time without a byte from the database, while it is waited for, that ends the connection."),
    ] = 60.0
    quarantine_limit_mb: Annotated[
        int, Meta(description="Megabytes of the quarantine beyond which only traces of its oldest messages are kept.")
    ] = 1_024
    retention_days: Annotated[
        int, Meta(description="Days for which reads are kept, and for as long after they came; 0: for good.")
    ] = 180
    visit_retention_days: Annotated[
        int,
        Meta(description="Days for which visits and trips are kept; 0: for good. Rollups name no tag, and are kept."),
    ] = 800
    metrics_port: Annotated[int, Meta(description="TCP port of the metrics for Prometheus, at /metrics; 0: none.")] = 0
    metrics_host: Annotated[str, Meta(description="Address to serve the metrics at.")] = "127.0.0.1"
    clock: Annotated[str, Meta(description="'real', or 'ANCHOR_US,ORIGIN_US,RATE' of a simulated store's clock.")] = (
        "real"
    )

    def faults(self) -> list[str]:
        """What is wrong with these settings, one sentence each; no I/O."""
        found = mqtt_address_faults(self.mqtt)
        if self.mqtt_password is not None and self.mqtt_user is None:
            found.append("mqtt_password: there is no mqtt_user to go with it")
        if self.mqtt_ca is not None and not self.mqtt.startswith("mqtts:"):
            found.append("mqtt_ca: without TLS nobody asks for a certificate; make it mqtt = 'mqtts://HOST:PORT'")
        if not self.dsn:
            found.append("dsn: expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
        if not self.stores:
            found.append("stores: name at least one store, or '+' for all")
        found += [
            f"stores {store!r}: expected an id of a-z, 0-9 and -, or '+' for all"
            for store in self.stores
            if store != "+" and not re.fullmatch(ID_PATTERN, store)
        ]
        if not self.client_id:
            found.append("client_id: the broker needs a name to keep messages under")
        if self.share is not None and not re.fullmatch(ID_PATTERN, self.share):
            found.append(f"share {self.share!r}: use only a-z, 0-9 and -")
        if not 0 <= self.flush_s <= 60:
            found.append(f"flush_s {self.flush_s:g}: 0 to 60 allowed")
        if not 1 <= self.flush_reads <= 10_000_000:
            found.append(f"flush_reads {self.flush_reads}: 1 to 10000000 allowed")
        if not 1 <= self.writers <= 16:
            found.append(f"writers {self.writers}: 1 to 16 allowed")
        if not 1 <= self.inflight_messages <= 65_535:
            found.append(f"inflight_messages {self.inflight_messages}: 1 to 65535 allowed")
        if not 1 <= self.database_silence_s <= 86_400:
            found.append(f"database_silence_s {self.database_silence_s:g}: 1 to 86400 allowed")
        if not 1 <= self.quarantine_limit_mb <= 100_000_000:
            found.append(f"quarantine_limit_mb {self.quarantine_limit_mb}: 1 to 100000000 allowed")
        for name, days in (
            ("retention_days", self.retention_days),
            ("visit_retention_days", self.visit_retention_days),
        ):
            if not 0 <= days <= DAYS_MAX:
                found.append(f"{name} {days}: 1 to {DAYS_MAX} allowed, or 0 for good")
        if self.retention_days == 0 < self.visit_retention_days or self.retention_days > self.visit_retention_days > 0:
            found.append(
                f"visit_retention_days {self.visit_retention_days}: visits are kept at least as long as the reads that "
                f"they are made of, retention_days {self.retention_days}"
            )
        if not 0 <= self.metrics_port <= 65_535:
            found.append(f"metrics_port {self.metrics_port}: 1 to 65535 allowed, or 0 for none")
        try:
            parse_clock(self.clock)
        except GiveUp as error:
            found.append(str(error))
        return found
