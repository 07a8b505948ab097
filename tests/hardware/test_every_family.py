"""What must hold for every reader family, by itself: a family that registers is tested here without a line."""

import random
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from null_modem import FAMILY_NAMES, FamilyWire, Told, decoded_tags, family_of, powers_for, settings_for, unchanged
from tagtrail.hardware.protocols.interface import Counters, State
from tagtrail.hardware.reads import EPC_PATTERN
from well_framed import well_framed

RECOVERY_S = 60.0
"""For a reader that came back: the longest watchdog, and a few tries."""
BUFFER_MAX = 1024
"""Bytes of an unfinished frame, in any family."""
CHANCE = 32
"""An 8-bit checksum lets one damaged frame in 256 through; one in 32 would be none of its doing."""
WEAK_LUCK = 4

pytestmark = pytest.mark.parametrize("name", FAMILY_NAMES)


def wire_of(name: str, *, piece: int = 4096) -> FamilyWire:
    wire = FamilyWire(family_of(name), piece=piece)
    wire.open()
    wire.until_reading(10)
    return wire


def reports(wire: FamilyWire, numbers: Iterable[int]) -> list[tuple[bytes, list[Told]]]:
    """What the reader says for each tag, on a wire whose host hears it whole; with the tags that are in it."""
    said: list[bytes] = []

    def record(data: bytes) -> bytes:
        said.append(data)
        return data

    wire.noise = record
    told = {told[0]: told for told in (wire.report(number) for number in numbers)}
    wire.noise = unchanged
    return [(data, [told[epc] for epc in decoded_tags(wire.family, data) if epc in told]) for data in said if data]


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_whatever_a_well_framed_answer_says(name: str, seed: int) -> None:
    """In any state: no exception, and a session that ended says why."""
    chance = random.Random(seed)
    family = family_of(name)
    host = family.host(settings_for(family))
    now_s, asked = 0.0, host.open(0.0)
    for _ in range(60):
        now_s += chance.choice((0.01, 0.3, 2.0))
        frame = well_framed(name, asked, chance)
        events, said = host.feed(frame, now_s) if chance.random() < 0.7 else host.tick(now_s)
        asked = said or asked
        list(family.decode([frame], Counters()))
        if host.state in (State.CLOSED, State.FAILED):
            assert events
            asked = host.open(now_s)


def test_the_family_says_what_it_is(name: str) -> None:
    family = family_of(name)
    assert family.name == name
    assert family.default_baud >= 9600
    assert 10 < family.reads_per_s_max < family.default_baud / 10
    assert family.ports_max >= 1
    assert EPC_PATTERN.fullmatch("0" * 2 * family.epc_bytes)
    assert family.tells_antenna or family.ports_max == 1


@pytest.mark.parametrize("piece", [4096, 7, 1])
def test_a_clean_wire_from_open_to_closed(name: str, piece: int) -> None:
    wire = FamilyWire(family_of(name), piece=piece)
    family = wire.family
    wire.open()
    wire.until_reading(5)
    sent = [wire.report(number) for number in range(200)]
    wire.settle()
    assert Counter(wire.heard) == Counter(sent)
    assert len({told[0] for told in sent}) == 200
    if family.obeys_commands:
        assert wire.reader.powers_dbm == powers_for(family)
        order = [State.STOPPING, State.PROBING, State.CONFIGURING, State.STREAMING]
    else:
        assert list(wire.reader.powers_dbm) == [1]
        order = [State.STREAMING]
    wire.write(wire.host.close(wire.now_s))
    wire.until(State.CLOSED, 5)
    wire.wait(0.1)
    assert wire.states == [*order, State.DRAINING, State.CLOSED]
    for _ in range(3):
        wire.reader.idle(0)
    assert wire.reader.streaming is not family.obeys_commands
    counters = wire.host.counters
    assert (counters.bytes_dropped, counters.checksum_errors, counters.timeouts, counters.rejected) == (0, 0, 0, {})


def test_decode_finds_the_same_tags_as_the_host(name: str) -> None:
    wire = wire_of(name)
    raw = b"".join(data for data, _ in reports(wire, range(50)))
    sent = wire.heard
    assert len(sent) >= 40
    assert decoded_tags(wire.family, raw) == [told[0] for told in sent]
    for meaning in wire.family.decode([raw], Counters()):
        assert isinstance(meaning["kind"], str)
        bytes.fromhex(str(meaning["hex"]))
        if "epc" in meaning and "fault" not in meaning:
            antenna, rssi_dbm = meaning.get("antenna"), meaning.get("rssi_dbm")
            told = str(meaning["epc"]), antenna, rssi_dbm
            assert not wire.family.tells_antenna or told in sent


def test_garbage_between_frames_costs_nothing(name: str) -> None:
    wire = wire_of(name)
    chance = random.Random(name)
    noisy = []
    for data, _ in reports(wire, range(300)):
        noisy += [chance.randbytes(chance.randrange(40)), data]
    sent = wire.heard
    raw = b"".join(noisy)
    found = set(decoded_tags(wire.family, raw))
    wanted = {told[0] for told in sent}
    # A false start with a weak checksum that is right by chance takes the frame behind it along.
    assert len(wanted - found) <= WEAK_LUCK
    assert len(found - wanted) <= WEAK_LUCK
    host = FamilyWire(wire.family, wire.reader)
    host.open()
    host.say(raw)
    host.wait(1)
    assert {told[0] for told in host.heard} == found


def test_loss_costs_only_the_frames_it_touches(name: str) -> None:
    wire = wire_of(name, piece=13)
    chance = random.Random(name)
    damaged = 0
    stream, intact, touched = [], [], []
    said = reports(wire, range(600))
    for data, told in said:
        kind = chance.random()
        at = chance.randrange(len(data))
        if kind < 0.08:
            data = data[:at] + data[at + chance.randint(1, 6) :]
        elif kind < 0.16:
            data = data[:at]
        elif kind < 0.24:
            data = data[:at] + bytes((data[at] ^ 1 << chance.randrange(8),)) + data[at + 1 :]
        else:
            intact += told
            stream.append(data)
            continue
        damaged += 1
        touched += told
        stream.append(data)
    raw = b"".join(stream)
    fresh = FamilyWire(wire.family, wire.reader, piece=13)
    fresh.open()
    fresh.say(raw)
    fresh.wait(1)
    found, wanted = fresh.heard, set(intact)
    assert damaged > len(said) // 8
    assert len(wanted - set(found)) <= WEAK_LUCK
    assert [told for told in found if told in wanted] == [told for told in intact if told in set(found)]
    assert len(set(found) - wanted - set(touched)) <= max(WEAK_LUCK, damaged // CHANCE)
    counters = Counters()
    assert len(b"".join(bytes.fromhex(str(m["hex"])) for m in wire.family.decode([raw], counters))) == (
        counters.bytes_in - counters.bytes_dropped
    )


def test_two_readers_mixed_invent_nothing(name: str) -> None:
    """Two of a kind on one wire, frame halves in turns, and the frames of every other family between whole ones."""
    wire = wire_of(name)
    said = reports(wire, range(120))
    sent = {told[0] for _, tags in said for told in tags}
    halves = [(data[: len(data) // 2], data[len(data) // 2 :]) for data, _ in said]
    mixed = b"".join(one[0] + two[0] + one[1] + two[1] for one, two in zip(halves[::2], halves[1::2], strict=False))
    assert len(set(decoded_tags(wire.family, mixed)) - sent) <= len(said) // CHANCE
    for other in FAMILY_NAMES:
        foreign = [data for data, _ in reports(wire_of(other), range(60))]
        raw = b"".join(data + between for (data, _), between in zip(said, foreign, strict=False))
        own = {told[0] for (_, tags), _ in zip(said, foreign, strict=False) for told in tags}
        found = set(decoded_tags(wire.family, raw))
        assert len(own - found) <= WEAK_LUCK, other
        if other == name or sent & set(decoded_tags(family_of(other), b"".join(foreign))):
            continue  # two dialects of one protocol
        assert (
            len(found - own - {tag[0] for _, tags in reports(wire_of(other), range(60)) for tag in tags}) <= WEAK_LUCK
        )


def test_a_reboot_in_the_middle_of_a_frame(name: str) -> None:
    wire = wire_of(name)
    first = wire.report(1)
    wire.until_reading(5)
    data = wire.reader.tag(wire.seen(2))
    wire.say(data[: len(data) // 2] if data else b"")
    wire.say(wire.reader.reboot())
    wire.wait(1)
    wire.until_reading(RECOVERY_S)
    third = wire.report(3)
    wire.settle()
    assert wire.reader.powers_dbm == powers_for(wire.family) or not wire.family.obeys_commands
    assert wire.heard == [first, third]


def test_silence_and_return(name: str) -> None:
    wire = wire_of(name)
    first = wire.report(1)
    wire.settle()
    wire.answers = False
    wire.to_reader = lambda _: b""
    for _ in range(60):
        wire.wait(0.5)
        if wire.host.state in (State.FAILED, State.CLOSED):
            wire.open()
    assert wire.host.state is not State.STREAMING or not wire.family.obeys_commands
    wire.answers = True
    wire.to_reader = unchanged
    wire.until_reading(RECOVERY_S)
    second = wire.report(2)
    wire.settle()
    assert wire.heard == [first, second]


def test_a_dead_reader_fails_with_a_remedy(name: str) -> None:
    wire = FamilyWire(family_of(name))
    wire.answers = False
    wire.open()
    if not wire.family.obeys_commands:
        wire.wait(60)
        assert wire.host.state is State.STREAMING
        return
    wire.until(State.FAILED, 20)
    assert "cable" in wire.why
    assert "baud rate" in wire.why
    assert wire.host.counters.timeouts > 0


def test_bytes_of_no_family_are_named_so(name: str) -> None:
    wire = FamilyWire(family_of(name))
    chance = random.Random(5)
    wire.answers = False
    wire.open()
    for _ in range(300):
        wire.wait(0.1, lambda: bytes(chance.choice(b"\x00\x80\xf8\x1c\xe0") for _ in range(9)))
        if wire.host.state is State.FAILED:
            break
    assert wire.host.state is State.FAILED
    assert f"bytes arrive but none is a frame of {name}: wrong protocol or wrong baud rate" in wire.why


def test_close_and_reopen_while_streaming(name: str) -> None:
    wire = wire_of(name)
    first = wire.report(1)
    wire.settle()
    wire.write(wire.host.close(wire.now_s))
    wire.until(State.CLOSED, 5)
    wire.open()
    wire.until_reading(10)
    second = wire.report(2)
    wire.until_reading(5)
    wire.open()  # the port was lost and found, the reader streams on
    wire.until_reading(10)
    third = wire.report(3)
    wire.settle()
    assert wire.heard == [first, second, third]
    after = FamilyWire(wire.family, wire.reader)  # another agent finds it streaming
    after.open()
    after.until_reading(10)
    fourth = after.report(4)
    after.settle()
    assert fourth in after.heard


def test_it_starts_over_a_bad_wire(name: str) -> None:
    """Each command or answer may be hurt; retries get there."""
    wire = FamilyWire(family_of(name))
    chance = random.Random(3)

    def hurt(data: bytes) -> bytes:
        return data[:-1] if data and chance.random() < 0.12 else data

    wire.noise = wire.to_reader = hurt
    wire.open()
    wire.until_reading(60)
    wire.noise = wire.to_reader = unchanged
    wire.until_reading(RECOVERY_S)
    told = wire.report(1)
    wire.settle()
    wire.wait(RECOVERY_S / 6, lambda: wire.reader.idle(0))
    assert wire.heard == [told]


def test_an_unfinished_frame_is_bounded(name: str) -> None:
    family = family_of(name)
    for byte in range(256):
        host = family.host(settings_for(family))
        host.open(0.0)
        host.feed(bytes((byte,)) * 4096, 0.0)
        if host.counters.frames == 0:
            assert host.counters.bytes_in - host.counters.bytes_dropped <= BUFFER_MAX


hostile_seeds = st.integers(0, 2**32)


def hostile(name: str, seed: int) -> list[bytes]:
    """Bytes that look like frames far more often than chance would have it, in pieces."""
    chance = random.Random(seed)
    good = GOOD.setdefault(name, [data for data, _ in reports(wire_of(name), range(30))])
    pieces = []
    for _ in range(chance.randrange(12)):
        data = chance.choice(good)
        match chance.randrange(6):
            case 0:
                data = chance.randbytes(chance.randrange(40))
            case 1:
                data = data[: chance.randrange(len(data))]
            case 2:
                changed = bytearray(data)
                for _ in range(chance.randint(1, 3)):
                    changed[chance.randrange(len(data))] = chance.choice(
                        (0, 1, 2, 0x7F, 0x80, 0xFF, chance.randrange(256))
                    )
                data = bytes(changed)
            case 3:
                data = data[:1] * chance.randint(1, 300)
            case 4:
                at = chance.randrange(len(data))
                data = data[at:] + data[:at]
            case _:
                pass
        pieces.append(data)
    return pieces


GOOD: dict[str, list[bytes]] = {}
fuzz = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@fuzz
@given(seed=hostile_seeds, data=st.binary(max_size=200))
def test_any_bytes_do_no_harm(name: str, seed: int, data: bytes) -> None:
    family = family_of(name)
    pieces = [*hostile(name, seed), data]
    raw = b"".join(pieces)
    for from_reader in (True, False):
        counters = Counters()
        frames = [str(meaning["hex"]) for meaning in family.decode([raw], counters, from_reader=from_reader)]
        assert counters.bytes_in == len(raw)
        assert counters.bytes_in == sum(map(len, frames)) // 2 + counters.bytes_dropped
        one_by_one = family.decode([raw[at : at + 1] for at in range(len(raw))], Counters(), from_reader=from_reader)
        assert [str(meaning["hex"]) for meaning in one_by_one] == frames
    wire = FamilyWire(family)
    wire.open()
    for piece in pieces:
        wire.say(piece)
        wire.write(piece)
        wire.wait(0.2)
        if wire.host.state in (State.FAILED, State.CLOSED):
            wire.open()


@settings(fuzz, derandomize=True)
@given(seed=hostile_seeds, garbage=st.binary(max_size=300))
def test_the_decoder_is_in_step_soon_after_garbage(name: str, seed: int, garbage: bytes) -> None:
    """A false start with a right checksum can take what it announces along; what is behind that is never lost."""
    family = family_of(name)
    before = b"".join(hostile(name, seed)) + garbage
    good = GOOD[name]
    behind = good * (1 + BUFFER_MAX // sum(map(len, good)))
    wanted = [epc for data in behind for epc in decoded_tags(family, data)]
    found = decoded_tags(family, before + b"".join(behind))
    assert found[-20:] == wanted[-20:]


def test_the_first_good_frame_after_garbage_is_found(name: str) -> None:
    family = family_of(name)
    good = next(data for data, tags in reports(wire_of(name), range(10)) if tags)
    (wanted,) = decoded_tags(family, good)
    chance = random.Random(name)
    lost = sum(wanted not in decoded_tags(family, chance.randbytes(chance.randrange(200)) + good) for _ in range(300))
    assert lost <= WEAK_LUCK
