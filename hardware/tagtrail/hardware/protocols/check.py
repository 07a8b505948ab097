"""What no reader of a family could obey, found before anything is sent."""

from collections.abc import Iterable

from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.protocols.interface import ReaderSettings


def check_settings(
    protocol: str, settings: ReaderSettings, *, ports_max: int, power_max_dbm: float, regions: Iterable[str]
) -> None:
    """Check ports, powers and region against what a family knows.

    Raises:
        FaultsError: Everything that is wrong.
    """
    ports = [antenna.port for antenna in settings.antennas]
    faults = [f"antenna port {port} is given twice" for port in sorted({p for p in ports if ports.count(p) > 1})]
    expected = f"1 to {ports_max}" if ports_max > 1 else "1, the only one"
    faults += [f"antenna port {port}: expected {expected}" for port in ports if not 1 <= port <= ports_max]
    faults += [
        f"antenna port {antenna.port}: power_dbm {antenna.power_dbm:g} is no transmit power of a reader"
        f" (0 to {power_max_dbm:g})"
        for antenna in settings.antennas
        if not 0 <= antenna.power_dbm <= power_max_dbm
    ]
    if not ports:
        faults.append("no antenna: give at least one")
    known = list(regions)
    if settings.region is not None and settings.region.upper() not in known:
        faults.append(f"region {settings.region!r} is unknown; known are {', '.join(known).lower()}")
    if faults:
        raise FaultsError(f"settings of a {protocol} reader", faults)
