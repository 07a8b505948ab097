"""The host's side of a serial line as every reader family has it; a family adds what its frames say.

A family subclasses `Session`, sets the class attributes where its readers differ, and writes

* `Session.hear`: one good frame came. Tell what it says with the verbs: `seen`, `alive`, `tell` for what is reported;
  `answered`, `refused` for the reply to the `outstanding` command; `rebooted`, `restart`, `fail` for trouble;
* `Session.probe` and `Session.configuration`: the commands that find a reader and set it up, as `Step`s;
* `Session.rounds`, only where the reader has no continuous mode: the commands that are sent over and over.

What is the same for all is here: one command is outstanding at a time; it is repeated when no answer comes, and
replaced by its next form when the reader does not know it; a reader that still reads is stopped first; half a frame is
given up; a silent reader is started again, and after too many tries the session fails with a sentence that says what to
do.

::

    CLOSED --open()--> STOPPING --> PROBING --> CONFIGURING --> STREAMING --close()--> DRAINING --> CLOSED

A read is a read whenever it arrives: what a reader left streaming by a crashed agent reports before it obeys the stop,
and what is still queued after `close`, is delivered like any other.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from tagtrail.hardware.protocols.foreign import Foreign, foreign_line
from tagtrail.hardware.protocols.framing import Framer
from tagtrail.hardware.protocols.interface import (
    Event,
    KeepAlive,
    ReaderFault,
    ReaderSettings,
    State,
    StateChanged,
    TagSeen,
)

ATTEMPTS: Final = 3
"""How often a command is sent, and how often reading is started again without any sign of life."""
CHECK_LINE: Final = "check power, cable, port, protocol and baud rate"
_QUIESCENT: Final = frozenset({State.CLOSED, State.FAILED})
_STOPS: Final = frozenset({State.STOPPING, State.DRAINING})


@dataclass(frozen=True, slots=True)
class Step:
    """One command, and what to make of its reply.

    Attributes:
        what: What it does, as the object of a sentence: "set the region".
        commands: Frames; the second and further ones are for firmware that does not know the first.
        advice: What a person can change when the reader refuses.
        optional: Firmware that does not know it needs it not.
        timeout_s: Time for the first answer; None is the family's usual time. For a round, time without any frame.
    """

    what: str
    commands: tuple[bytes, ...]
    advice: str = "update the reader's firmware"
    optional: bool = False
    timeout_s: float | None = None


class Session:
    """Host session of one reader; see `tagtrail.hardware.protocols.interface.HostSession`.

    Attributes:
        state: Where the session is.
        counters: What the decoder has seen.
        settings: What to configure.
        now_s: Monotonic time of the call that is being served.
        found: What `probe` has found, as the object of a sentence.
    """

    obeys_commands: ClassVar[bool] = True
    """False: the reader only transmits; nothing is written to it, and its silence means nothing."""
    stop_command: bytes = b""
    """Ends reading; empty where the reader stops by itself at the end of a round."""
    flush: ClassVar[bytes] = b""
    """Before a repeated command: completes half a frame that the reader may still wait for, and means nothing else."""
    reply_timeout_s: ClassVar[float] = 0.5
    """Time for the first answer to a command; doubled with each further attempt."""
    gap_s: ClassVar[float] = 0.0
    """Time that the reader needs from one command to the next."""
    drain_s: ClassVar[float] = 2.0
    """How long queued tags may come after a stop command."""
    quiet_s: ClassVar[float] = 0.5
    """A line without bytes for so long will not answer a stop: nothing was streaming."""
    cycle_s: ClassVar[float] = 1.0
    """A reader that was streaming acknowledges the stop, or ends its round, after so much silence at the latest."""
    partial_s: ClassVar[float] = 0.3
    """The rest of a frame is never this late."""
    silence_s: ClassVar[float] = 4.0
    """Watchdog: several times the longest silence of a reader that streams, tags or not."""
    hot_silence_s: ClassVar[float] = 60.0
    """Watchdog while the reader cools."""
    pause_s: ClassVar[float] = 0.5
    """Before the next rounds, when every one was refused."""

    def __init__(self, family: str, settings: ReaderSettings, framer: Framer) -> None:
        self.state = State.CLOSED
        self.counters = framer.counters
        self.settings = settings
        self.now_s = 0.0
        self.found = "found a reader"
        self._family = family
        self._framer = framer
        self._events: list[Event] = []
        self._out = bytearray()
        self._steps: list[Step] = []
        self._unsent = False
        self._attempt = 0
        self._forms: dict[Step, int] = {}
        self._in_round = self._round_heard = self._round_worked = False
        self._stops_sent = 0
        self._deadline_s = self._sent_s = self._byte_s = self._frame_s = 0.0
        self._patience_s = self.silence_s
        self._restarts = 0
        self._foreign = Foreign(framer)

    # -- what a family writes

    def hear(self, frame: bytes) -> None:
        """One good frame came."""
        raise NotImplementedError

    def probe(self) -> list[Step]:
        """What finds the reader; at least one step. Set `found` from the answers."""
        raise NotImplementedError

    def configuration(self) -> list[Step]:
        """What sets the reader up; the last one starts continuous reading, where there is such a thing."""
        raise NotImplementedError

    def rounds(self) -> list[Step]:
        """What is sent over and over while streaming; asked for anew each time around. None for continuous reading.

        A round that the reader refuses is told as a fault and skipped. Behind one without any frame for its time-out
        the `configuration` is sent again, without leaving STREAMING: the reader may have rebooted unnoticed.
        """
        return []

    # -- what the edge calls

    def open(self, now_s: float) -> bytes:
        """Start anew on a freshly opened port; returns the first bytes to write."""
        self.now_s = now_s
        self._framer.discard()
        self._forms.clear()
        self._restarts = 0
        if self.obeys_commands:
            self._begin("port opened; asking the reader to stop in case it still reads")
        else:
            self._foreign.begin()
            self._enter(State.STREAMING, "listening; this reader takes no commands")
        return self._written()

    def feed(self, data: bytes, now_s: float) -> tuple[list[Event], bytes]:
        """Take bytes that arrived; returns what they say and bytes to write."""
        self.now_s = now_s
        if data:
            self._byte_s = now_s
        self._take(self._framer.feed(data))
        return self._told()

    def tick(self, now_s: float) -> tuple[list[Event], bytes]:
        """Let time pass: time-outs, retries, watchdog; returns events and bytes to write."""
        self.now_s = now_s
        if self._framer.buffered and now_s - self._byte_s >= self.partial_s:
            self._take(self._framer.flush())
        if not self.obeys_commands:
            if self.state is State.STREAMING and self._foreign.certain(now_s):
                self.fail(foreign_line(self._family))
        elif self.state in _STOPS:
            self._wait_for_stop()
        elif self.state is State.STREAMING and now_s - self._frame_s >= self._patience_s:
            self.counters.timeouts += 1
            self.restart(f"no frame for {self._patience_s:g} s")
        elif self._steps and now_s >= self._deadline_s:
            self._time_out()
        return self._told()

    def due_s(self) -> float:
        """When `tick` has something to do even if no byte comes; infinite if never."""
        due_s = self._byte_s + self.partial_s if self._framer.buffered else float("inf")
        if not self.obeys_commands:
            return min(due_s, self._foreign.due_s()) if self.state is State.STREAMING else due_s
        if self.state in _STOPS:
            quiet_s = self.quiet_s if self.state is State.STOPPING else self.cycle_s
            return min(due_s, self._deadline_s, self._stopping_since_s() + quiet_s)
        if self.state is State.STREAMING:
            due_s = min(due_s, self._frame_s + self._patience_s)
        return min(due_s, self._deadline_s) if self._steps else due_s

    def close(self, now_s: float) -> bytes:
        """Ask the reader to stop; keep feeding until the state is CLOSED or FAILED."""
        self.now_s = now_s
        if self.state not in _QUIESCENT and self.state is not State.DRAINING:
            running = self._steps[:1] if self._in_round and not self._unsent else []
            self._enter(State.DRAINING, "asked to close")
            if self.stop_command:
                self._stops_sent = 0
                self._stop()
            elif running:
                self._steps = running  # no stop command: the round runs to its end
                self._deadline_s = now_s + self.drain_s
            else:
                self.stopped("nothing to stop")
        return self._written()

    # -- verbs for a family: what the reader reports

    def tell(self, event: Event) -> None:
        """Hand an event to the edge."""
        self._events.append(event)

    def seen(self, tag: TagSeen) -> None:
        """The reader saw a tag; so it works."""
        self._events.append(tag)
        self.works()

    def alive(self) -> None:
        """The reader has nothing to say, and says so."""
        self.counters.keepalives += 1
        self._events.append(KeepAlive())
        self.works()

    def works(self) -> None:
        """Reading goes well: forget earlier trouble."""
        self._restarts = 0
        self._patience_s = self.silence_s

    def hot(self) -> None:
        """The reader rests because it is too hot: be patient until it works again."""
        self._patience_s = self.hot_silence_s

    # -- verbs for a family: commands and their replies

    @property
    def outstanding(self) -> bytes:
        """The command whose reply is awaited; empty if none is."""
        if self.state in _STOPS and self.stop_command:
            return self.stop_command
        return self._command() if self._steps and not self._unsent else b""

    @property
    def step(self) -> Step | None:
        """The step of the outstanding command; None for a stop command."""
        return self._steps[0] if self._steps else None

    @property
    def starting(self) -> bool:
        """Whether the last command of the configuration is outstanding."""
        return self.state is State.CONFIGURING and len(self._steps) == 1

    def run(self, steps: list[Step]) -> None:
        """Do these steps instead of what is left."""
        self._steps = steps
        self._in_round = False
        self._next()

    def answered(self, *, worked: bool = True) -> None:
        """The reader has obeyed the outstanding command, or has ended the round that it asked for: go on.

        Args:
            worked: It was a round, and not what only prepares one; rounds that do not work are sent without haste.
        """
        if self.state in _STOPS:
            self.stopped("the reader has stopped")
            return
        self._round_worked = self._round_worked or worked
        self._advance()

    def refused(self, code: int, name: str, *, not_known: bool = False) -> None:
        """The reader has refused the outstanding command.

        Args:
            code: The reader's error code.
            name: Its name.
            not_known: Another form of the command may get around it.
        """
        if self.state in _STOPS:
            self.stopped("the reader does not stop: it answers " + name)
            return
        step = self._steps[0]
        form = self._forms.get(step, 0)
        if not_known and form + 1 < len(step.commands):
            self._forms[step] = form + 1
            self._attempt = 0
            self._send_soon()
        elif self.state is State.STREAMING:
            self.tell(ReaderFault(code, name))
            self._advance()
        elif step.optional and not_known:
            self._advance()
        else:
            shown = f"{code:04X}" if code > 0xFF else f"{code:02X}"
            self.fail(f"could not {step.what}: the reader answered {shown} {name}; {step.advice}")

    def started(self) -> None:
        """The reader streams; called by itself behind the last step."""
        ports = ", ".join(str(antenna.port) for antenna in self.settings.antennas)
        self._patience_s = self.silence_s
        self._frame_s = self.now_s
        self._enter(State.STREAMING, f"reading on antenna {ports}")
        self._round_worked = True
        self._next()

    def stopped(self, why: str) -> None:
        """The reader reads no more."""
        if self.state is State.DRAINING:
            self._enter(State.CLOSED, why)
        else:
            self._enter(State.PROBING, why)
            self.run(self.probe())

    # -- verbs for a family: trouble

    def rebooted(self, why: str = "the reader has rebooted") -> None:
        """The reader has forgotten its configuration."""
        if self.state is State.DRAINING:
            self._enter(State.CLOSED, why)
        elif self.state not in _QUIESCENT:
            self.restart(why)

    def restart(self, why: str) -> None:
        """Begin again from the stop; fail when that has been tried too often without any sign of life between."""
        self._restarts += 1
        if self._restarts > ATTEMPTS:
            self.fail(f"{why}; starting again {ATTEMPTS} times did not help: check the cable, power-cycle the reader")
        else:
            self._begin(f"{why}; starting again")

    def fail(self, why: str) -> None:
        """Give up; the edge opens the port anew after a while. ``why`` ends with what a person can do."""
        self._enter(State.FAILED, why)

    # -- how it works

    def _told(self) -> tuple[list[Event], bytes]:
        events, self._events = self._events, []
        return events, self._written()

    def _written(self) -> bytes:
        out = bytes(self._out)
        self._out.clear()
        return out

    def _take(self, frames: list[bytes]) -> None:
        if not frames:
            return
        self._frame_s = self.now_s
        if self._in_round and not self._unsent:
            self._round_heard = True
            self._deadline_s = self.now_s + self._timeout_s()
        for frame in frames:
            self.hear(frame)

    def _enter(self, state: State, why: str) -> None:
        self.state = state
        self._steps = []
        self._unsent = self._in_round = False
        self._events.append(StateChanged(state, why))

    def _begin(self, why: str) -> None:
        self._foreign.begin()
        self._stops_sent = self._attempt = 0
        self._enter(State.STOPPING, why)
        self._stop()

    def _stop(self) -> None:
        self._out += (self.flush if self._stops_sent else b"") + self.stop_command
        self._stops_sent += 1
        self._sent_s = self.now_s
        self._deadline_s = self.now_s + self.drain_s

    def _wait_for_stop(self) -> None:
        quiet_s = self.now_s - self._stopping_since_s()
        if self.state is State.STOPPING and quiet_s >= self.quiet_s:
            self.stopped("the line is quiet")
        elif self.now_s >= self._deadline_s or quiet_s >= self.cycle_s:
            if not self.stop_command:
                self.stopped("the last round did not end in time")
                return
            self.counters.timeouts += 1
            if self._stops_sent < 2:
                self._stop()
            else:
                self.stopped("no acknowledgement of two stop commands")

    def _stopping_since_s(self) -> float:
        """Last byte, or the last stop command if that was later."""
        return max(self._byte_s, self._deadline_s - self.drain_s)

    def _advance(self) -> None:
        self._steps = self._steps[1:]
        self._next()

    def _next(self) -> None:
        """Begin with the first step that is left, or with what follows the last one."""
        late = self._attempt > 1  # the answers to the other attempts may still come
        self._attempt = 0
        if not self._steps:
            if self.state is State.PROBING:
                self._enter(State.CONFIGURING, self.found)
                self._steps = self.configuration()
            elif self.state is State.STREAMING:
                self._steps = self.rounds()
                self._in_round = bool(self._steps)
                if self._steps and not self._round_worked:
                    self._send_soon(self.pause_s)
                    return
                self._round_worked = False
        if self._steps:
            self._send_soon(self.reply_timeout_s if late else None)
        elif self.state is State.CONFIGURING:
            self.started()

    def _send_soon(self, delay_s: float | None = None) -> None:
        delay_s = self._sent_s + self.gap_s - self.now_s if delay_s is None else delay_s
        self._unsent = delay_s > 0
        if self._unsent:
            self._deadline_s = self.now_s + delay_s
        else:
            self._send()

    def _send(self) -> None:
        self._unsent = self._round_heard = False
        self._out += (self.flush if self._attempt else b"") + self._command()
        self._sent_s = self.now_s
        self._deadline_s = self.now_s + self._timeout_s() * 2**self._attempt
        self._attempt += 1

    def _command(self) -> bytes:
        step = self._steps[0]
        return step.commands[self._forms.get(step, 0)]

    def _timeout_s(self) -> float:
        timeout_s = self._steps[0].timeout_s
        return self.reply_timeout_s if timeout_s is None else timeout_s

    def _time_out(self) -> None:
        if self._unsent:
            self._send()
            return
        if not (self._in_round and self._round_heard):  # otherwise its end was lost, or it has none
            self.counters.timeouts += 1
        if self._in_round and self._restarts < ATTEMPTS:
            self._restarts += 1
            self.run(self.configuration())
        elif self._in_round:
            self.restart(f"could not {self._steps[0].what}: no answer")
        elif self._attempt < ATTEMPTS:
            self._send()
        elif self.state is State.STREAMING:
            self.restart(f"could not {self._steps[0].what}: no answer in {ATTEMPTS} attempts")
        elif self._foreign.suspected:
            self.fail(foreign_line(self._family))
        else:
            self.fail(f"could not {self._steps[0].what}: no answer in {ATTEMPTS} attempts; {CHECK_LINE}")
