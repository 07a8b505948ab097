from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tagtrail.edge.timekeeper import Bounds, Correction, Timekeeper, choose, steady_us
from tagtrail.hardware.clock import ScaledClock, WallClock
from tagtrail.hardware.wire import CLOCK_CORRECTED, CLOCK_UNKNOWN, PLAUSIBLE_US, TIME_MIN_US

TRUE_US = 1_773_453_600_000_000
SECOND = 1_000_000
HOUR = 3600 * SECOND
LIMIT = SECOND


class Machine:
    """A machine, its clock, and the true time."""

    def __init__(self, wrong_us: int = 0) -> None:
        self.elapsed_us = 77
        self.wrong_us = wrong_us
        self.keeper = Timekeeper(self, limit_s=1.0, steady=lambda: self.elapsed_us)

    @property
    def true_us(self) -> int:
        return TRUE_US + self.elapsed_us

    def now_us(self) -> int:
        return self.true_us + self.wrong_us

    def seconds_until(self, time_us: int) -> float:
        raise NotImplementedError

    def wait(self, us: int) -> None:
        self.elapsed_us += us

    def ask(self, there_us: int = 20_000, back_us: int = 20_000) -> None:
        """Ask ingest for the time."""
        asked_us = self.keeper.now_us()
        self.wait(there_us)
        told_us = self.true_us
        self.wait(back_us)
        self.keeper.answered(asked_us, told_us)
        self.keeper.correct()

    @property
    def wrong_after_us(self) -> int:
        """How wrong a read is that is stamped now."""
        self.keeper.correct()
        return self.keeper.now_us() + self.keeper.correction.shift_us - self.true_us


def test_a_right_clock_is_left_alone() -> None:
    machine = Machine()
    for _ in range(20):
        machine.wait(HOUR)
        machine.wrong_us += 40_000  # small corrections by NTP
        machine.ask()
        machine.wrong_us -= 40_000
        assert machine.wrong_after_us == 0
        assert machine.keeper.correction == Correction()


@pytest.mark.parametrize("start_us", [TIME_MIN_US, 0, TIME_MIN_US + HOUR])
def test_a_clock_that_starts_without_a_battery_and_is_set_later(start_us: int) -> None:
    machine = Machine(wrong_us=start_us - TRUE_US)
    keeper = machine.keeper
    assert keeper.now_us() >= TIME_MIN_US
    assert keeper.correct()
    assert keeper.correction.state == CLOCK_UNKNOWN
    early_us, early_true_us = keeper.now_us(), machine.true_us
    machine.wait(60 * SECOND)
    machine.wrong_us = 0
    assert machine.wrong_after_us == 0
    assert keeper.correction.state == CLOCK_CORRECTED
    assert early_us + keeper.correction.shift_us == early_true_us, "reads from before that are right as well"
    machine.ask()
    assert machine.wrong_after_us == 0


def test_a_clock_that_is_never_set_is_corrected_by_ingest() -> None:
    machine = Machine(wrong_us=TIME_MIN_US - TRUE_US)
    machine.ask()
    assert abs(machine.wrong_after_us) <= 20_000
    assert machine.keeper.correction.state == CLOCK_CORRECTED


def test_a_clock_that_is_three_hours_fast_for_ever() -> None:
    machine = Machine(wrong_us=3 * HOUR)
    assert machine.wrong_after_us == 3 * HOUR, "nobody has said so"
    for _ in range(100):
        machine.ask()
        assert abs(machine.wrong_after_us) <= 20_000
        assert machine.keeper.correction.state == CLOCK_CORRECTED
        machine.wait(10 * SECOND)
    assert machine.keeper.correction.shift_us == pytest.approx(-3 * HOUR, abs=20_000)


@pytest.mark.parametrize("heard", [False, True])
@pytest.mark.parametrize("jump_us", [-HOUR, HOUR, -26 * 365 * 24 * HOUR])
def test_a_clock_that_jumps(jump_us: int, heard: bool) -> None:
    machine = Machine()
    if heard:
        machine.ask()
    machine.wrong_us = jump_us
    if heard:
        assert machine.wrong_after_us == 0, "ingest knows better"
        assert machine.keeper.correction.state == ""
    else:
        assert machine.wrong_after_us == (0 if machine.now_us() < PLAUSIBLE_US else jump_us)
        machine.ask()
        assert machine.wrong_after_us == 0


def test_a_right_clock_is_followed_where_ingest_agrees() -> None:
    machine = Machine(wrong_us=-5 * HOUR)
    machine.ask()
    machine.wrong_us = 0  # set by a person
    for _ in range(10):
        machine.ask(1000, 1000)
    assert abs(machine.wrong_after_us) <= 20_000


@pytest.mark.parametrize("told_us", [0, TIME_MIN_US, TRUE_US + 75 * 366 * 24 * HOUR])
def test_an_ingest_whose_clock_was_never_set_is_not_believed(told_us: int) -> None:
    machine = Machine()
    machine.keeper.answered(machine.keeper.now_us(), told_us)
    assert machine.wrong_after_us == 0
    assert machine.keeper.correction == Correction()


def test_an_agent_that_is_restarted_keeps_what_it_knew_of_its_clock() -> None:
    machine = Machine(wrong_us=3 * HOUR)
    machine.ask()
    before = machine.keeper
    run = (1, "machine", before.epoch_us, before.correction)
    machine.keeper = Timekeeper(machine, limit_s=1.0, steady=lambda: machine.elapsed_us)
    machine.keeper.resume(type("Run", (), dict(zip(("run", "machine", "epoch_us", "correction"), run, strict=True)))())
    assert abs(machine.wrong_after_us) <= 20_000
    assert machine.keeper.now_us() == before.now_us()


def test_answers_to_questions_of_the_future_are_ignored() -> None:
    machine = Machine()
    machine.keeper.answered(machine.keeper.now_us() + 1, 0)
    assert machine.wrong_after_us == 0


def test_a_simulated_clock_is_as_steady() -> None:
    clock = ScaledClock(WallClock().now_us(), 1_600_000_000_000_000, 60.0)
    keeper = Timekeeper(clock, limit_s=1.0)
    keeper.correct()
    assert keeper.correction == Correction()
    assert abs(keeper.now_us() - clock.now_us()) < 60 * SECOND
    assert keeper.seconds_until(keeper.now_us() + 600 * SECOND) == pytest.approx(10, abs=1)


def test_the_steady_clock_is_steady() -> None:
    times = [steady_us() for _ in range(100)]
    assert times == sorted(times)


events = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(0, 30 * SECOND)),
        st.tuples(st.just("set"), st.integers(-30 * 365 * 24 * HOUR, 10 * HOUR)),
        st.tuples(st.just("slew"), st.integers(-400_000, 400_000)),
        st.tuples(st.just("ask"), st.integers(0, SECOND)),
    ),
    max_size=40,
)


@given(st.integers(-30 * 365 * 24 * HOUR, 10 * HOUR), events)
def test_whatever_happens_to_the_clock(wrong_us: int, events: list[tuple[str, int]]) -> None:
    machine = Machine(wrong_us)
    asked = False
    stamps = [machine.keeper.now_us()]
    acts: dict[str, Callable[[int], object]] = {
        "wait": machine.wait,
        "set": lambda us: setattr(machine, "wrong_us", us),
        "slew": lambda us: setattr(machine, "wrong_us", machine.wrong_us + us),
        "ask": lambda us: machine.ask(us, SECOND - us),
    }
    for what, us in events:
        acts[what](us)
        asked = asked or what == "ask"
        stamps.append(machine.keeper.now_us())
        if asked:
            assert abs(machine.wrong_after_us) <= 2 * SECOND, "to the limit, and the way of the answer"
    assert stamps == sorted(stamps), "time never runs backwards"


bounds = st.tuples(st.integers(-HOUR, HOUR), st.integers(0, 10 * SECOND)).map(lambda b: Bounds(b[0], b[0] + b[1]))
corrections = st.builds(Correction, st.integers(-HOUR, HOUR), st.sampled_from(["", CLOCK_UNKNOWN, CLOCK_CORRECTED]))


@given(corrections, st.integers(-HOUR, HOUR), bounds, st.booleans())
def test_what_ingest_says_is_kept(applied: Correction, wall_us: int, bounds: Bounds, plausible: bool) -> None:
    chosen = choose(applied, wall_us, bounds, limit_us=LIMIT, plausible=plausible)
    assert bounds.admit(chosen.shift_us, LIMIT)
    assert choose(chosen, wall_us, bounds, limit_us=LIMIT, plausible=plausible) == chosen, "and nothing moves then"
    assert (chosen.state == CLOCK_CORRECTED) == (chosen.shift_us != 0)


@given(st.integers(-HOUR, HOUR), st.lists(st.integers(-LIMIT // 2, LIMIT // 2), max_size=20))
def test_small_steps_change_nothing(wall_us: int, steps: list[int]) -> None:
    assume(abs(wall_us) <= LIMIT // 2)
    correction = Correction()
    for step in steps:
        correction = choose(correction, step, None, limit_us=LIMIT, plausible=True)
    assert correction == Correction()
