"""Settings of the edge agent."""

import re
from typing import Annotated

from msgspec import Meta, Struct

from tagtrail.hardware.clock import parse_clock
from tagtrail.hardware.errors import GiveUp
from tagtrail.hardware.mqtt_address import mqtt_address_faults
from tagtrail.hardware.store import ID_PATTERN
from tagtrail.hardware.wire import READS_MAX


class EdgeSettings(Struct, frozen=True, kw_only=True):
    """Settings of the edge agent. Intervals are seconds of real time, except ``window_s``."""

    store: Annotated[str, Meta(description="Store file.")] = "store.toml"
    agent: Annotated[str, Meta(description="Id of this agent, unique within the store (a-z, 0-9 and -).")] = "edge-1"
    readers: Annotated[
        list[str], Meta(description="Ids of the readers that this agent serves; none given: all of the store file.")
    ] = []
    ports: Annotated[
        str | None,
        Meta(description="Pattern of serial ports with {reader}, e.g. /run/x/{reader}; overrides the store file."),
    ] = None
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
    spool: Annotated[str, Meta(description="File that keeps each batch until the database has it.")] = (
        "edge-spool.sqlite"
    )
    spool_max_mb: Annotated[
        float,
        Meta(
            description="Megabytes that the spool may take, beyond which no new reads are taken and those that memory "
            "cannot hold are counted as refused; 0: as much as the disk has. What is in it is never dropped."
        ),
    ] = 0.0
    spool_free_mb: Annotated[
        float, Meta(description="Megabytes of the disk that the spool leaves free; beyond, it takes no new reads.")
    ] = 64.0
    window_s: Annotated[
        float,
        Meta(description="Reads of one tag at one antenna within this time become one; 0 keeps each (store time)."),
    ] = 0.1
    batch_reads: Annotated[int, Meta(description="Most reads in a batch.")] = 500
    batch_s: Annotated[float, Meta(description="Longest time that a read waits for its batch to fill.")] = 0.2
    status_s: Annotated[float, Meta(description="Time between two status messages.")] = 10.0
    inflight: Annotated[int, Meta(description="Most batches that are published and not yet in the database.")] = 64
    resend_s: Annotated[
        float, Meta(description="Time without a commit by ingest after which batches are sent again.")
    ] = 10.0
    clock_limit_s: Annotated[
        float,
        Meta(
            description="How far off the clock of this machine may be, against ingest's or where it was set while the "
            "agent ran, before the times of reads are corrected (real time)."
        ),
    ] = 1.0
    capture_dir: Annotated[
        str | None,
        Meta(description="Folder for the raw bytes of each port, as .capture files; none given: no captures."),
    ] = None
    capture_mb: Annotated[float, Meta(description="Megabytes after which a capture goes on in a new file.")] = 20.0
    capture_files: Annotated[int, Meta(description="Most capture files of a reader; the oldest is deleted.")] = 10
    metrics_port: Annotated[
        int, Meta(description="TCP port of the agent's metrics for Prometheus, at /metrics; 0: none.")
    ] = 0
    metrics_host: Annotated[str, Meta(description="Address to serve the metrics at.")] = "127.0.0.1"
    clock: Annotated[str, Meta(description="'real', or 'ANCHOR_US,ORIGIN_US,RATE' of a simulated store's clock.")] = (
        "real"
    )

    def faults(self) -> list[str]:
        """What is wrong with these settings, one sentence each; no I/O."""
        found = []
        if not re.fullmatch(ID_PATTERN, self.agent):
            found.append(f"agent {self.agent!r}: use only a-z, 0-9 and -")
        if self.ports is not None and "{reader}" not in self.ports:
            found.append(f"ports {self.ports!r}: there is no {{reader}} in it, so all readers would share one port")
        found += mqtt_address_faults(self.mqtt)
        if self.mqtt_password is not None and self.mqtt_user is None:
            found.append("mqtt_password: there is no mqtt_user to go with it")
        if self.mqtt_ca is not None and not self.mqtt.startswith("mqtts:"):
            found.append("mqtt_ca: without TLS nobody asks for a certificate; make it mqtt = 'mqtts://HOST:PORT'")
        if not 0 <= self.window_s <= 60:
            found.append(f"window_s {self.window_s:g}: 0 to 60 allowed")
        if not 1 <= self.batch_reads <= READS_MAX:
            found.append(f"batch_reads {self.batch_reads}: 1 to {READS_MAX} allowed")
        if not 1 <= self.inflight <= 10_000:
            found.append(f"inflight {self.inflight}: 1 to 10000 allowed")
        for name, value in (("spool_max_mb", self.spool_max_mb), ("spool_free_mb", self.spool_free_mb)):
            if not 0 <= value <= 10_000_000:
                found.append(f"{name} {value:g}: 0 to 10000000 allowed")
        if 0 < self.spool_max_mb < 1:
            found.append(f"spool_max_mb {self.spool_max_mb:g}: at least 1, or 0 for no limit")
        if not 0.1 <= self.clock_limit_s <= 3600:
            found.append(f"clock_limit_s {self.clock_limit_s:g}: 0.1 to 3600 allowed")
        if not 0.001 <= self.capture_mb <= 100_000:
            found.append(f"capture_mb {self.capture_mb:g}: 0.001 to 100000 allowed")
        if not 1 <= self.capture_files <= 10_000:
            found.append(f"capture_files {self.capture_files}: 1 to 10000 allowed")
        if not 0 <= self.metrics_port <= 65_535:
            found.append(f"metrics_port {self.metrics_port}: 1 to 65535 allowed, or 0 for none")
        for name, value in (("batch_s", self.batch_s), ("status_s", self.status_s), ("resend_s", self.resend_s)):
            if not 0 < value <= 3600:
                found.append(f"{name} {value:g}: more than 0 and at most 3600 allowed")
        try:
            parse_clock(self.clock)
        except GiveUp as error:
            found.append(str(error))
        return found
