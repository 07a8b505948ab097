"""What the commands ``tagtrail simulate run`` and ``tagtrail simulate replay`` run."""

import logging
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import FrameType

from tagtrail.hardware.clock import parse_clock, utc_us
from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.store import load_store
from tagtrail.simulator.live import simulate_live
from tagtrail.simulator.play_capture import replay_capture
from tagtrail.simulator.recordings import uci_rfid_wearable
from tagtrail.simulator.replay import replay
from tagtrail.simulator.settings import ReplaySettings, SimulateSettings, store_path
from tagtrail.simulator.simulate import simulate_to_files

log = logging.getLogger("tagtrail.simulate")


def run_simulate(settings: SimulateSettings) -> int:
    """Simulate a store until its minutes are over (into files) or until SIGTERM or SIGINT (on ports).

    Raises:
        GiveUp: Settings, store file or folder cannot be used.
    """
    _refuse("simulate settings", settings.faults())
    store = load_store(store_path(settings.store))
    stop = _stop_on_signal()
    out = Path(settings.out) if settings.out else None
    if settings.ports_dir:
        simulate_live(
            store,
            ports_dir=Path(settings.ports_dir),
            clock=parse_clock(settings.clock),
            seed=settings.seed,
            minutes=settings.minutes,
            out=out,
            shoppers_per_hour=settings.shoppers_per_hour,
            warm_up_minutes=settings.warm_up_minutes,
            wait=settings.wait_for_readers,
            stop=stop,
        )
        return 0
    assert out is not None
    summary = simulate_to_files(
        store,
        seed=settings.seed,
        minutes=settings.minutes,
        out=out,
        start_us=utc_us(datetime.fromisoformat(settings.start)),
        shoppers_per_hour=settings.shoppers_per_hour,
        warm_up_minutes=settings.warm_up_minutes,
        stop=stop,
    )
    log.info("%d shoppers, %d reads in %s", summary.shoppers, summary.reads_sent, out)
    return 0


def run_replay(settings: ReplaySettings) -> int:
    """Play a recording on ports until SIGTERM or SIGINT.

    Raises:
        GiveUp: Settings, store file, recording or folder cannot be used.
    """
    _refuse("replay settings", settings.faults())
    if settings.format == "capture":
        replay_capture(
            Path(settings.recording),
            ports_dir=Path(settings.ports_dir),
            clock=parse_clock(settings.clock),
            stop=_stop_on_signal(),
        )
        return 0
    store = load_store(store_path(settings.store))
    reads = uci_rfid_wearable.load(Path(settings.recording))
    replay(
        reads,
        store,
        ports_dir=Path(settings.ports_dir),
        clock=parse_clock(settings.clock),
        out=Path(settings.out) if settings.out else None,
        stop=_stop_on_signal(),
    )
    return 0


def _refuse(subject: str, faults: list[str]) -> None:
    if faults:
        raise FaultsError(subject, faults)


def _stop_on_signal() -> Callable[[], bool]:
    """Catch SIGTERM and SIGINT; the result says whether one has come."""
    caught: list[int] = []

    def catch(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
        caught.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, catch)
    return lambda: bool(caught)
