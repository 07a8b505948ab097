"""Simulated reads beside recorded ones."""

import os
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.protocols.interface import TagSeen
from tagtrail.hardware.store import Store, load_store
from tagtrail.simulator.compare import fit
from tagtrail.simulator.compare.command import WARD, CompareSettings, run
from tagtrail.simulator.compare.measures import measure
from tagtrail.simulator.compare.report import differences
from tagtrail.simulator.compare.trials import Stay, Trial, recorded_trials
from tagtrail.simulator.compare.wearing import simulated_trials
from tagtrail.simulator.radio.model import RadioModel
from tagtrail.simulator.recordings import uci_rfid_wearable
from tagtrail.simulator.recordings.replay import RecordedRead

ROOT = Path(__file__).resolve().parents[3]
RECORDING = Path(os.environ.get("TAGTRAIL_DATA", ROOT / "../shared/data")) / "uci-rfid-wearable"


@pytest.fixture(scope="module")
def ward() -> Store:
    return load_store(WARD)


def read(time_s: float, place: str, antenna: int = 1, rssi_dbm: float = -50.0) -> RecordedRead:
    return RecordedRead(time_s, "s1", TagSeen(epc="AA", antenna=antenna, rssi_dbm=rssi_dbm), "d1p01M", place)


def stayed(name: str, *stays: Stay) -> Trial:
    """A trial of which only the stays are known."""
    nothing = np.zeros(0)
    return Trial(name, "s1", stays, nothing, nothing.astype(np.int64), nothing, nothing.astype(np.int64))


def test_stays_last_to_the_next_place_and_end_in_a_silence() -> None:
    reads = [
        read(0.0, "s1-bed"),
        read(1.0, "s1-bed"),
        read(3.0, "s1-chair"),
        read(40.0, "s1-chair"),
        read(42.0, "s1-chair"),
    ]
    (trial,) = recorded_trials(reads)
    assert trial.stays == (Stay("s1-bed", 0.0, 3.0), Stay("s1-chair", 3.0, 3.0), Stay("s1-chair", 40.0, 42.0))
    assert trial.stay.tolist() == [0, 0, 1, 2, 2]


def test_measures_of_a_few_reads_by_hand() -> None:
    times = [0.0, 0.5, 1.0, 1.5, 2.0, 4.0]
    reads = [read(time, "s1-bed", rssi_dbm=-50.0 - 2.0 * (index % 2)) for index, time in enumerate(times)]
    reads += [read(5.0, "s1-chair", antenna=2), read(10.0, "s1-chair", antenna=2)]
    measures = measure(recorded_trials(reads))
    assert measures.seconds == {"s1-bed": 5.0, "s1-chair": 5.0}
    assert measures.rate == {"s1-bed": 6 / 5.0, "s1-chair": 2 / 5.0}
    assert measures.antenna_rate["s1-chair", 2] == 2 / 5.0
    assert measures.gaps_s["s1-bed"].tolist() == [0.5, 0.5, 0.5, 0.5, 2.0]
    assert measures.gaps_s["s1-chair"].tolist() == [5.0]
    assert measures.strength["s1-bed", 1].mean_db == -51.0
    assert measures.stay_sd_db == pytest.approx(1.0)
    assert measures.fast_sd_db == pytest.approx(2.0 / np.sqrt(2.0))
    assert np.isnan(measures.trial_sd_db)


def test_simulated_wearers_stay_where_and_as_long_as_recorded(ward: Store) -> None:
    trials = [stayed("a", Stay("s1-bed", 0.0, 60.0), Stay("s1-walking", 70.0, 80.0), Stay("s1-chair", 80.0, 120.0))]
    (simulated,) = simulated_trials(trials, ward, RadioModel(answer_share=1.0), seed=2)
    (again,) = simulated_trials(trials, ward, RadioModel(answer_share=1.0), seed=2)
    np.testing.assert_array_equal(simulated.time_s, again.time_s)
    for index, stay in enumerate(simulated.stays):
        times = simulated.time_s[simulated.stay == index]
        assert len(times) > 5
        assert times.min() >= stay.start_s
        assert times.max() <= stay.end_s + 0.5


def test_a_fit_recovers_the_constant_that_made_the_reads(ward: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "GRID", {"answer_share": (0.1, 0.2, 0.4, 0.8)})
    monkeypatch.setattr(fit, "STARTS", (0.8,))
    monkeypatch.setattr(fit, "ROOMS", 1)
    stays = [stayed(str(number), Stay("s1-bed", 0.0, 200.0), Stay("s1-chair", 200.0, 300.0)) for number in range(4)]
    made = simulated_trials(stays, ward, RadioModel(answer_share=0.4), seed=8)
    found = fit.fit(made, ward, RadioModel(), seed=8)  # in the same room: what else differs is the constant
    assert found.answer_share == 0.4


def test_differences_are_said_in_words_and_alike_is_counted(ward: Store) -> None:
    stays = [stayed(str(number), Stay("s1-bed", 0.0, 300.0)) for number in range(3)]
    model = RadioModel()
    one, rarer = (
        measure(simulated_trials(stays, ward, replace(model, answer_share=share), seed=1)) for share in (0.8, 0.2)
    )
    assert differences(one, one)[:-1] == []
    sentences = differences(one, rarer)
    assert sentences[0].startswith("s1-bed: reads per second: ")
    assert "recorded (×0." in sentences[0]
    assert " numbers are alike" in sentences[-1]


def test_settings_and_recording_are_checked(tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match="seed -1: must not be negative"):
        run(CompareSettings(recording=str(tmp_path), out=str(tmp_path), seed=-1))
    pytest.importorskip("matplotlib", reason="the extra plots is not installed")
    with pytest.raises(FaultsError, match="no trials here"):
        run(CompareSettings(recording=str(tmp_path), out=str(tmp_path / "out")))


def test_a_report_on_trials_that_nothing_was_fitted_to(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra plots is not installed")
    if not RECORDING.is_dir():
        pytest.skip(f"the recording is not there: {RECORDING}")
    assert run(CompareSettings(recording=str(RECORDING), out=str(tmp_path))) == 0
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "## Where they differ" in text
    for picture in ("read-rate.png", "gaps.png", "rssi.png", "model.png"):
        assert f"]({picture})" in text
        assert (tmp_path / picture).stat().st_size > 5000
    # The bed of the first room is where most of the recording was made: there the model must not be far off.
    trials = recorded_trials(uci_rfid_wearable.load(RECORDING))
    train, held_out = trials[::2], trials[1::2]
    model = fit.as_recorded(RadioModel(), train, 30.0)
    recorded, simulated = measure(held_out), measure(simulated_trials(held_out, load_store(WARD), model, seed=1))
    assert 0.5 < simulated.rate["s1-bed"] / recorded.rate["s1-bed"] < 2.0
