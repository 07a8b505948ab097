"""Who wears which tag: members whose tag is always the same, second tags, dead tags, none."""

from itertools import count
from typing import Final

import numpy as np

from tagtrail.simulator.people.model import Tags
from tagtrail.simulator.presence import Body, Tag

CHIP: Final = "E2801160"
"""How the numbers of a widespread UHF chip begin."""
HEIGHT_MEAN_M: Final = 1.15
HEIGHT_SD_M: Final = 0.15
HEIGHT_RANGE_M: Final = (0.6, 1.6)
MEMBER_SHAPE: Final = 0.5
"""Of the gamma distribution of how often a member comes: a few come often, most seldom."""
_MEMBER, _STAFF, _POOL = range(3)
_ALWAYS: Final = 0x7A67
"""Seed of what is the same in every world: whose tag is whose."""


class Wardrobe:
    """Makes the bodies of a world, with their tags.

    The tags of members and staff follow from their ids alone: they are the same on every day, in every layout and in
    every store of a chain.
    """

    def __init__(self, tags: Tags) -> None:
        self.tags = tags
        self._bodies, self._tags = count(), count()
        luck = np.random.default_rng(np.random.SeedSequence(_ALWAYS, spawn_key=(_POOL,)))
        often = np.cumsum(luck.gamma(MEMBER_SHAPE, size=tags.member_pool))
        self._often = often / often[-1]

    def member(self, luck: float) -> int:
        """A member of the pool, from a uniform number."""
        return int(np.searchsorted(self._often, luck, side="right"))

    def shopper(self, rng: np.random.Generator, group: int, member: int | None, errand: str) -> Body:
        """A shopper; ``rng`` is the shopper's own."""
        tags = self.tags
        without, two, dead, second_dead = rng.random(4).tolist()
        first, second = (self._tag(rng) for _ in range(2))
        name = None
        if member is not None:
            name = f"M{member:07d}"
            always = np.random.default_rng(np.random.SeedSequence(_ALWAYS, spawn_key=(_MEMBER, member)))
            worn = [self._tag(always)]
            if always.random() < tags.two:
                worn.append(self._tag(always))
        else:
            worn = [] if without < tags.without else [first, second] if two < tags.two else [first]
        worn = [
            tag._replace(sensitivity_offset_db=float("inf")) if luck < tags.dead else tag
            for tag, luck in zip(worn, (dead, second_dead), strict=False)
        ]
        return Body(next(self._bodies), "shopper", self._numbered(worn), group, name, errand)

    def staff(self, zone: str, place: int, group: int, *, tagged: bool) -> Body:
        """The same person each day."""
        spawn_key = (_STAFF, *zone.encode(), place)
        always = np.random.default_rng(np.random.SeedSequence(_ALWAYS, spawn_key=spawn_key))
        worn = [self._tag(always)] if tagged else []
        return Body(next(self._bodies), "staff", self._numbered(worn), group, f"S-{zone}-{place + 1}")

    def parted(self, body: Body) -> tuple[Body, Body]:
        """A shopper who will lose the first tag, and the thing that it then is.

        Bodies do not change. So the thing carries the tag from the beginning and goes where the shopper goes, and the
        shopper has a dead one of the same EPC.
        """
        first, *others = body.tags
        shopper = body._replace(tags=(first._replace(sensitivity_offset_db=float("inf")), *others))
        return shopper, self.thing(first, body.group)

    def thing(self, tag: Tag, group: int) -> Body:
        """A tag on nobody."""
        return Body(next(self._bodies), "thing", self._numbered([tag._replace(ahead=0.0)]), group)

    def article(self, rng: np.random.Generator) -> Body:
        """A tagged article."""
        return self.thing(self._tag(rng), -1)

    def _tag(self, rng: np.random.Generator) -> Tag:
        number = int(rng.integers(2**64, dtype=np.uint64))
        offset_db, height_m = rng.normal(size=2).tolist()
        height_m = min(max(HEIGHT_MEAN_M + HEIGHT_SD_M * height_m, HEIGHT_RANGE_M[0]), HEIGHT_RANGE_M[1])
        ahead = -1.0 if rng.random() < self.tags.behind else 1.0
        return Tag(-1, f"{CHIP}{number:016X}", self.tags.sensitivity_sd_db * offset_db, height_m, ahead)

    def _numbered(self, tags: list[Tag]) -> tuple[Tag, ...]:
        return tuple(tag._replace(number=next(self._tags)) for tag in tags)
