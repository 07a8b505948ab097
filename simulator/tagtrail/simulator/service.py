"""What the commands ``tagtrail simulate …`` run."""

import logging
import secrets
import signal
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import cast

from tagtrail.hardware.clock import parse_clock
from tagtrail.hardware.errors import FaultsError, GiveUp
from tagtrail.hardware.store import load_store
from tagtrail.simulator.disk import Room
from tagtrail.simulator.files import simulate_to_files
from tagtrail.simulator.keys import scenario_keys
from tagtrail.simulator.live.connection import MqttTarget
from tagtrail.simulator.live.on_lines import simulate_on_lines
from tagtrail.simulator.live.on_mqtt import Publishing, simulate_on_mqtt
from tagtrail.simulator.live.record import record
from tagtrail.simulator.live.vendor import Maker
from tagtrail.simulator.presence import CYCLE_S
from tagtrail.simulator.recordings import reads_parquet, uci_rfid_wearable
from tagtrail.simulator.recordings.play_capture import replay_capture
from tagtrail.simulator.recordings.replay import replay
from tagtrail.simulator.scenario import Scenario, Shop, load_scenario, scenario_path, shipped, store_path
from tagtrail.simulator.settings import RecordSettings, ReplaySettings, ScenariosSettings, SimulateSettings, clock_of
from tagtrail.simulator.truth import Summary, span_s

log = logging.getLogger("tagtrail.simulate")


def run_simulate(settings: SimulateSettings) -> int:
    """Simulate a scenario until its time is over (files, MQTT) or until SIGTERM or SIGINT (on lines).

    Raises:
        GiveUp: Settings, scenario, store file or destination cannot be used.
    """
    _refuse("simulate settings", settings.faults())
    path = scenario_path(settings.scenario)
    if not path.exists():
        names = ", ".join(file.stem for file in shipped())
        raise GiveUp(f"scenario {settings.scenario}: there is no such file; those that come along are {names}")
    scenario = load_scenario(path, settings.overrides())
    out = Path(settings.out) if settings.out else None
    forever = settings.minutes == 0
    stop = _stop_on_signal()
    if not forever:
        for shop in scenario.shops:
            _tell_if_closed(shop)
    room = Room(out) if out and not forever else None
    summaries = _simulate(settings, scenario, out, room, room.or_full(stop) if room else stop)
    if not forever:
        _tell_if_cut(scenario, summaries, out, stopped=stop(), full=room is not None and room.taken)
    return 0


def _simulate(
    settings: SimulateSettings, scenario: Scenario, out: Path | None, room: Room | None, stop: Callable[[], bool]
) -> list[Summary]:
    """Where the settings say."""
    forever = settings.minutes == 0
    if settings.publish is not None:
        target = MqttTarget(
            url=settings.publish, user=settings.mqtt_user, password=settings.mqtt_password, ca=settings.mqtt_ca
        )
        publishing = Publishing(
            target=target,
            agents=settings.agents,
            maker=cast("Maker | None", settings.maker),
            boot=f"simulated-{secrets.token_hex(6)}",
        )
        clock = clock_of(settings.clock, settings.speed)
        return simulate_on_mqtt(
            scenario, publishing=publishing, clock=clock, out=out, forever=forever, stop=stop, room=room
        )
    if settings.destinations:
        return simulate_on_lines(
            scenario,
            make_line=settings.make_line,
            clock=clock_of(settings.clock, settings.speed),
            out=out,
            forever=forever,
            wait=settings.wait_for_readers,
            stop=stop,
            room=room,
        )
    assert out is not None
    summaries = simulate_to_files(scenario, out, stop, room)
    for summary in summaries:
        log.info("%s: %d shoppers, %d reads in %s", summary.store, summary.shoppers, summary.reads_sent, out)
    return summaries


def _tell_if_closed(shop: Shop) -> None:
    """A run in which the store does not open once is seldom meant."""
    calendar = shop.habits.calendar
    opens = calendar.next_opening(shop.start)
    if opens is not None and opens < shop.start + timedelta(minutes=shop.minutes):
        return
    next_time = "" if opens is None else f"; try --start {opens:%Y-%m-%dT%H:%M:%S}"
    log.warning(
        "%s: no shopper comes in the %g minutes from %s: the store is open from %s to %s%s",
        shop.store.id, shop.minutes, f"{shop.start:%Y-%m-%d %H:%M}", calendar.opens, calendar.closes, next_time,
    )  # fmt: skip


def _tell_if_cut(
    scenario: Scenario, summaries: Sequence[Summary], out: Path | None, *, stopped: bool, full: bool
) -> None:
    """Say how far a run came that was stopped before its end, and what there is of it.

    Raises:
        FaultsError: It was stopped by a full disk.
    """
    done = {summary.store: summary for summary in summaries}
    cut, missing = [], []
    for shop in scenario.shops:
        summary = done.get(shop.store.id)
        if summary is None:
            missing.append(shop.store.id)
        elif (length_s := span_s(summary)) < shop.minutes * 60 - CYCLE_S:
            cut.append(f"{shop.store.id} after {length_s / 60:.1f} of {shop.minutes:g} minutes")
    if not (stopped or full) or not (cut or missing):
        return
    where = f"; what is in {out} is complete up to there" if out else ""
    rest = f"; nothing of {', '.join(missing)}" if missing else ""
    text = f"stopped: {', '.join(cut) or 'between two stores'}{where}{rest}"
    if full:
        raise FaultsError(str(out), [f"the disk is full; free some space and run it again; {text}"])
    log.warning("%s", text)


def run_scenarios(settings: ScenariosSettings) -> int:
    """Print the scenarios that come along, one line each; or all keys that a scenario file can have."""
    if settings.keys:
        print(scenario_keys())
        return 0
    paths = shipped()
    width = max(len(path.stem) for path in paths)
    for path in paths:
        print(f"{path.stem:{width}}  {load_scenario(path).about}")
    return 0


def run_replay(settings: ReplaySettings) -> int:
    """Play a recording on lines until SIGTERM or SIGINT.

    Raises:
        GiveUp: Settings, store file, recording or lines cannot be used.
    """
    _refuse("replay settings", settings.faults())
    recording, clock, stop = Path(settings.recording), parse_clock(settings.clock), _stop_on_signal()
    if settings.format == "capture":
        replay_capture(recording, make_line=settings.make_line, clock=clock, speed=settings.speed, stop=stop)
        return 0
    load = reads_parquet.load if settings.format == "reads" else uci_rfid_wearable.load
    replay(
        load(recording),
        load_store(store_path(settings.store)),
        make_line=settings.make_line,
        clock=clock,
        speed=settings.speed,
        out=Path(settings.out) if settings.out else None,
        stop=stop,
    )
    return 0


def run_record(settings: RecordSettings) -> int:
    """Record ports until the minutes are over, or until SIGTERM or SIGINT.

    Raises:
        GiveUp: Settings, store file, ports or folder cannot be used.
    """
    _refuse("record settings", settings.faults())
    tags = record(
        load_store(store_path(settings.store)),
        out=Path(settings.out),
        clock=parse_clock(settings.clock),
        ports=settings.ports,
        readers=settings.readers,
        minutes=settings.minutes,
        stop=_stop_on_signal(),
    )
    for reader, count in tags.items():
        log.info("%s: %d tags in %s", reader, count, Path(settings.out) / f"{reader}.capture")
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
