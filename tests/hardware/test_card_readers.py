"""125 kHz card readers: the recorded frames, weak checks made strong, and a session that only listens."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.protocols.card125khz import card_frame
from tagtrail.hardware.protocols.interface import (
    AntennaSettings,
    Counters,
    ReaderSettings,
    State,
    StateChanged,
    TagSeen,
)

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("TAGTRAIL_DATA", REPOSITORY.parent / "shared" / "data"))
FRAMES = DATA.parent / "frames" / "frames.json"
ENTRIES: list[dict[str, Any]] = (
    [entry for entry in json.loads(FRAMES.read_text()) if entry["family"] in ("rdm6300", "id12la")]
    if FRAMES.exists()
    else []
)
recorded = pytest.mark.skipif(not ENTRIES, reason=f"no recorded frames at {FRAMES}")

CARD = "62E3086CED"
SHORT = b"\x0262E3086CED08\x03"
LONG = b"\x0262E3086CED08\r\n\x03"
SETTINGS = ReaderSettings(region=None, antennas=(AntennaSettings(1, 30.0),))


def decoded(data: bytes, protocol: str = "rdm6300", piece: int = 4096) -> tuple[list[dict[str, object]], Counters]:
    counters = Counters()
    chunks = [data[at : at + piece] for at in range(0, len(data), piece)]
    return list(load_family(protocol).decode(chunks, counters)), counters


def cards(data: bytes) -> list[object]:
    return [meaning["epc"] for meaning in decoded(data)[0]]


@recorded
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["hex"][:42])
def test_recorded_frames(entry: dict[str, Any]) -> None:
    meanings, counters = decoded(bytes.fromhex(entry["hex"]), entry["family"], piece=5)
    expected = entry["meaning"]
    match expected["kind"]:
        case "card_read":
            (meaning,) = meanings
            assert {key: value for key, value in expected.items() if key != "reconstructed"}.items() <= meaning.items()
            assert meaning["epc"] == expected["raw_hex10"]
            assert meaning["antenna"] is meaning["rssi_dbm"] is None
            assert meaning["hex"] == entry["hex"].replace(" ", "")
        case "stream":
            assert [meaning["hex"] for meaning in meanings] == [
                frame.replace(" ", "") for frame in expected["expected_valid_frames"]
            ]
        case _:
            assert meanings == []
            assert counters.checksum_errors + sum(counters.rejected.values()) == 1


@recorded
def test_there_are_enough_frames() -> None:
    assert len(ENTRIES) >= 7


@pytest.mark.parametrize("protocol", ["rdm6300", "id12la"])
def test_one_decoder_takes_both_layouts(protocol: str) -> None:
    meanings, counters = decoded(SHORT + LONG + SHORT, protocol, piece=1)
    assert [meaning["epc"] for meaning in meanings] == [CARD] * 3
    assert (counters.frames, counters.bytes_dropped) == (3, 0)


@pytest.mark.parametrize("frame", [SHORT, LONG])
def test_no_single_wrong_byte_makes_another_card(frame: bytes) -> None:
    for at in range(len(frame)):
        for byte in range(256):
            if byte != frame[at]:
                hurt = frame[:at] + bytes((byte,)) + frame[at + 1 :]
                assert set(cards(hurt)) <= {CARD}  # the long frame without its CR is a short one
                assert cards(hurt + SHORT)[-1] == CARD


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"\x0262e3086ced08\x03", "lower-case"),
        (b"\x0262E3086CED0g\r\n\x03", "not-hex"),
        (b"\x02 2E3086CED08\x03", "not-hex"),
    ],
)
def test_whole_frames_that_make_no_sense_are_counted_by_reason(frame: bytes, reason: str) -> None:
    meanings, counters = decoded(frame + SHORT)
    assert [meaning["epc"] for meaning in meanings] == [CARD]
    assert counters.rejected == {reason: 1}
    assert counters.bytes_dropped == len(frame)


@pytest.mark.parametrize("end", [b"\x03", b"\r\n\x03", b"\r\x03", b"\n\x03"])
def test_half_a_new_line_is_one_too(end: bytes) -> None:
    assert cards(SHORT[:-1] + end) == [CARD]


@pytest.mark.parametrize(
    "noise",
    [
        SHORT[1:],
        SHORT[:-1],
        SHORT[:-1] + b"\r\n",
        b"\x02\x03",
        b"\x02" * 40,
        b"\x0262E3086CED\x03",
        b"\x0262E3086CED0808\x03",
    ],
)
def test_half_a_frame_hides_no_good_one(noise: bytes) -> None:
    assert cards(noise + LONG + noise + SHORT + noise) == [CARD, CARD]


@given(st.binary(min_size=5, max_size=5).map(lambda code: code.hex().upper()), st.booleans())
def test_every_card_there_and_back(card: str, new_line: bool) -> None:
    assert cards(card_frame(card, new_line=new_line)) == [card]


@pytest.mark.parametrize("epc", ["62E3086C", "E28011606000020512345678", "62E3086CEG", "62 E3 08 6C ED"])
def test_only_cards_can_be_presented(epc: str) -> None:
    with pytest.raises(ValueError, match="hex"):
        load_family("id12la").reader().tag(TagSeen(epc=epc))


def test_the_models_send_what_their_makes_send() -> None:
    assert load_family("rdm6300").reader().tag(TagSeen(epc=CARD)) == SHORT
    assert load_family("id12la").reader().tag(TagSeen(epc=CARD.lower())) == LONG


def test_the_session_listens_and_nothing_else() -> None:
    host = load_family("rdm6300").host(SETTINGS)
    assert host.open(100.0) == b""
    assert host.state is State.STREAMING
    events, out = host.feed(SHORT + SHORT + SHORT[:7], 100.1)
    assert events[1:] == [TagSeen(epc=CARD), TagSeen(epc=CARD)]  # each repetition is a read
    assert out == b""
    assert host.tick(4000.0) == ([], b"")  # an hour without customers
    events, _ = host.feed(SHORT[7:] + LONG, 4000.1)
    assert events == [TagSeen(epc=CARD)]
    assert host.close(4000.2) == b""
    events, _ = host.tick(4000.3)
    assert isinstance(events[-1], StateChanged)
    assert events[-1].state is State.CLOSED


@pytest.mark.parametrize("ports", [(), (2,), (1, 2)])
def test_a_card_reader_has_one_antenna(ports: tuple[int, ...]) -> None:
    settings = ReaderSettings(None, tuple(AntennaSettings(port, 30.0) for port in ports))
    with pytest.raises(FaultsError, match=r"rdm6300: .*exactly one antenna, and its port is 1") as caught:
        load_family("rdm6300").host(settings)
    assert caught.value.faults[0].endswith(": " + (", ".join(map(str, ports)) or "none"))


def test_a_host_of_a_card_reader_says_nothing() -> None:
    counters = Counters()
    assert list(load_family("rdm6300").decode([SHORT], counters, from_reader=False)) == []
    assert counters.bytes_dropped == len(SHORT)
