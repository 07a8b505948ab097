"""The ``[radio]`` of a scenario: what a person can set about antennas, tags, bodies and readers."""

from typing import Annotated

import msgspec
from msgspec import Meta

from tagtrail.hardware.store import Store

Loss = Annotated[float, Meta(ge=0, le=60)]
Spread = Annotated[float, Meta(ge=0, le=20)]
Share = Annotated[float, Meta(ge=0, le=1)]
Duration = Annotated[float, Meta(gt=0, le=86_400)]
Millis = Annotated[float, Meta(gt=0, le=1000)]


class RadioModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[radio]`` of a scenario; losses and spreads count one way. Where values come from: docs/radio-model.md."""

    frequency_mhz: Annotated[float, Meta(ge=800, le=1000, description="carrier")] = 915.0
    path_exponent: Annotated[float, Meta(ge=1.5, le=5, description="2 in free space, more among shelves")] = 2.0
    side_lobes_db: Annotated[Loss, Meta(description="no direction gets less than the main one minus this")] = 9.0
    polarisation_loss_db: Annotated[Loss, Meta(description="circular antenna to linear tag, mean")] = 3.0
    axial_ratio_db: Annotated[Loss, Meta(description="how elliptic the circle is: loss over heading")] = 3.0
    tag_gain_dbi: Annotated[float, Meta(ge=-20, le=10, description="gain of a tag in the air")] = 2.0
    tag_sensitivity_dbm: Annotated[float, Meta(ge=-40, le=10, description="power that wakes the usual tag")] = -24.0
    modulation_loss_db: Annotated[Loss, Meta(description="what a tag takes before it scatters the rest")] = 5.0
    reader_sensitivity_dbm: Annotated[float, Meta(ge=-120, le=-30, description="weakest answer heard")] = -80.0
    worn_loss_db: Annotated[Loss, Meta(description="detuning by the body that wears a tag")] = 1.0
    body_loss_db: Annotated[Loss, Meta(description="through the body, for a wave level from behind")] = 8.0
    tilt_sd_deg: Annotated[float, Meta(ge=0, le=90, description="how askew tags are worn")] = 20.0
    orientation_loss_max_db: Annotated[Loss, Meta(description="in the null of the tag's antenna")] = 10.0
    shadowing_sd_db: Annotated[Spread, Meta(description="spread over places of each antenna")] = 2.5
    shadowing_distance_m: Annotated[
        float, Meta(gt=0, le=100, description="distance at which it has decorrelated to 1/e")
    ] = 3.0
    multipath_k_db: Annotated[float, Meta(ge=-10, le=40, description="Rician K factor over places")] = 18.0
    posture_sd_db: Annotated[Spread, Meta(description="spread over postures of a person who stays")] = 1.5
    posture_s: Annotated[Duration, Meta(description="time after which a posture is another one")] = 30.0
    fading_k_db: Annotated[float, Meta(ge=-10, le=40, description="Rician K factor over rounds at one place")] = 27.0
    stray_share: Annotated[Share, Meta(description="of times a reflection favours a far antenna")] = 0.01
    stray_gain_db: Annotated[Loss, Meta(description="gain of such a reflection")] = 10.0
    stray_s: Annotated[Duration, Meta(description="how long a reflection lasts")] = 2.0
    answer_share: Annotated[Share, Meta(description="answers of a woken tag that come through")] = 0.8
    reports: Annotated[int, Meta(ge=1, le=16, description="times that a turn of an antenna tells a tag, at most")] = 2
    frame_slots_min: Annotated[int, Meta(ge=1, le=32_768, description="slots of the shortest frame")] = 4
    slot_empty_ms: Annotated[Millis, Meta(description="slot without an answer")] = 0.4
    slot_collision_ms: Annotated[Millis, Meta(description="slot with several answers")] = 1.0
    slot_single_ms: Annotated[Millis, Meta(description="slot with one answer: EPC and all")] = 3.0
    round_overhead_ms: Annotated[Millis, Meta(description="carrier on, Select, Query")] = 5.0

    def faults(self, store: Store) -> list[str]:
        """What cannot be in this store, as ``key: reason``."""
        found = []
        if not any(reader.antenna for reader in store.reader):
            found.append("radio: the store has no antenna, nobody would be seen")
        if self.slot_empty_ms > self.slot_single_ms:
            found.append("radio.slot_empty_ms: a slot without an answer lasts longer than one with an EPC")
        return found
