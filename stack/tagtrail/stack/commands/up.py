"""`tagtrail up`: the whole stack for a real store on one machine."""

import argparse
from pathlib import Path

from tagtrail.hardware.errors import GiveUp
from tagtrail.hardware.store import load_store
from tagtrail.stack.datadir import own_data_dir
from tagtrail.stack.machine import Plan, run_machine, state_home
from tagtrail.stack.progress import Progress


def configure(parser: argparse.ArgumentParser) -> None:
    """Where the store file is, where data goes, which ports are used."""
    parser.add_argument("--store", type=Path, required=True, metavar="FILE", help="the store file")
    parser.add_argument("--data-dir", type=Path, help=f"database, spool and log (default: {state_home()}/STORE)")
    parser.add_argument("--port", type=int, default=8000, help="TCP port of the floor page (default: 8000)")
    parser.add_argument("--database-port", type=int, default=54329, help="TCP port of the database (default: 54329)")
    parser.add_argument("--mqtt-port", type=int, default=1883, help="TCP port of the broker (default: 1883)")
    parser.add_argument("--verbose", action="store_true", help="show the log of all services")


def run(options: argparse.Namespace) -> int:
    """Run until Ctrl-C."""
    store = load_store(options.store)
    unreachable = [reader.id for reader in store.reader if reader.port is None]
    if unreachable:
        raise GiveUp(f"{options.store}: readers {', '.join(unreachable)} have no port; where are they plugged in?")
    progress = Progress()
    with own_data_dir(options.data_dir or state_home() / store.id, store.id) as data_dir:
        plan = Plan(
            store_file=options.store.absolute(),
            store=store,
            data_dir=data_dir,
            clock=lambda _newest_us: "real",
            api_port=options.port,
            database_port=options.database_port,
            broker_port=options.mqtt_port,
        )
        progress.say(f"{store.store.name}, data in {data_dir}")
        with run_machine(plan, progress, verbose=options.verbose) as machine:
            progress.say(f"\nFloor page: {machine.page}\nCtrl-C ends everything.")
            try:
                machine.run_forever()
            except KeyboardInterrupt:
                progress.say("\nending…")
    return 0
