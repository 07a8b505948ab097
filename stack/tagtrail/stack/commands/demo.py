"""`tagtrail demo`: a simulated store through the whole stack."""

import argparse
from pathlib import Path
from typing import Final

from tagtrail.hardware.errors import GiveUp
from tagtrail.stack.demo import DemoOptions, run_demo

LIMITS: Final = {"minutes": 7 * 24 * 60.0, "speed": 1000.0, "shoppers_per_hour": 10_000.0}


def configure(parser: argparse.ArgumentParser) -> None:
    """What is simulated, how fast, where data goes."""
    parser.description = (
        "A simulated department store on this machine: simulated readers, edge, broker, ingest, database, analytics "
        "and the floor page. Ctrl-C ends everything; nothing is left behind, unless --data-dir says where to keep it."
    )
    parser.add_argument("--once", action="store_true", help="one trading hour, faster than real time; print and end")
    parser.add_argument("--minutes", type=float, help="store time to simulate (default: 60 with --once, else endless)")
    parser.add_argument("--speed", type=float, help="store seconds per second (default: 60 with --once, else 10)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same shoppers (default: 1)")
    parser.add_argument("--port", type=int, default=8000, help="TCP port of the floor page (default: 8000)")
    parser.add_argument("--data-dir", type=Path, help="keep database, spool, truth and log here (default: thrown away)")
    parser.add_argument("--store", default=None, metavar="FILE", help="another store file (default: a bundled store)")
    parser.add_argument("--shoppers-per-hour", type=float, default=90.0, help="how busy it is (default: 90)")
    parser.add_argument(
        "--replay", type=Path, metavar="DIR", help="play the recording uci-rfid-wearable in DIR instead"
    )
    parser.add_argument("--broker", choices=["mosquitto", "amqtt"], help="which broker (default: what is installed)")
    parser.add_argument("--verbose", action="store_true", help="show the log of all services")


def run(options: argparse.Namespace) -> int:
    """Run the demo."""
    for name, most in LIMITS.items():
        value = getattr(options, name)
        if value is not None and not 0 < value <= most:
            raise GiveUp(f"--{name.replace('_', '-')} {value:g}: must be more than 0 and at most {most:g}")
    if not 0 < options.port < 65536:
        raise GiveUp(f"--port {options.port}: must be 1 to 65535")
    once = options.once
    return run_demo(
        DemoOptions(
            once=once,
            minutes=options.minutes or (60.0 if once else 0.0),
            speed=options.speed or (60.0 if once else 10.0),
            seed=options.seed,
            port=options.port,
            data_dir=options.data_dir,
            store=options.store or ("ward" if options.replay else "riverside"),
            shoppers_per_hour=options.shoppers_per_hour,
            replay=options.replay,
            broker=options.broker,
            verbose=options.verbose,
        )
    )
