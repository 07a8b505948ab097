"""What people do besides walking and standing: they wait, they pay, they give up."""

from typing import NamedTuple

from tagtrail.simulator.presence import Body


class Purchase(NamedTuple):
    """An article was paid for.

    Attributes:
        time_s: Since the world's time 0.
        body: Who paid.
        counter: Id of the zone where it comes from.
        till: Id of the zone where it was paid; the counter's own in a store without checkouts.
        amount: In the currency of the scenario.
    """

    time_s: float
    body: Body
    counter: str
    till: str
    amount: float


class Wait(NamedTuple):
    """A wait for a till or a cabin is over.

    Attributes:
        time_s: When it was over, since the world's time 0.
        body: Who waited, for all of the group.
        zone: Id of the zone in which they waited.
        joined_s: When they came to the end of the line.
        served: False where patience was shorter than the line.
    """

    time_s: float
    body: Body
    zone: str
    joined_s: float
    served: bool


Event = Purchase | Wait
