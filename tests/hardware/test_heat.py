"""When a hot reader rests."""

from tagtrail.hardware.protocols.heat import Heat


def test_it_rests_from_hot_to_cool() -> None:
    heat = Heat()
    assert [heat.measured(degrees) for degrees in (36, 64, 65, 61, 60, 59, 64)] == [0, 0, 1, 1, 1, 0, 0]


def test_a_broken_thermometer_stops_nobody() -> None:
    heat = Heat()
    assert [heat.measured(degrees) for degrees in (255, 70, 255, -128)] == [0, 1, 0, 0]
