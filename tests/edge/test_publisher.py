from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tagtrail.edge.publisher import HEAR_S, RESEND_LIMIT_S, Publisher
from tagtrail.edge.spool import Spool
from tagtrail.edge.timekeeper import Correction
from tagtrail.hardware.reads import TagRead
from tagtrail.hardware.wire import CLOCK_CORRECTED, Committed, decode_batch, encode

READS = [TagRead(1_773_453_600_000_000, "r01", 1, "E28011606000020512345678", -60.0)]


class Line:
    """Stands in for the broker: notes what is sent, and can be cut."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, int]] = []
        self.cut = False

    def send(self, payload: bytes) -> bool:
        if not self.cut:
            batch = decode_batch(payload)
            self.sent.append((batch.seq, batch.first))
        return not self.cut

    def seqs(self) -> list[int]:
        seqs = [seq for seq, _ in self.sent]
        self.sent.clear()
        return seqs


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool.sqlite", store="riverside", agent="edge-1")
    yield spool
    spool.close()


def commit(spool: Spool, seq: int, boot: str | None = None, beyond: list[tuple[int, int]] | None = None) -> bytes:
    return encode(Committed(spool.boot if boot is None else boot, seq, beyond or []))


def fill(spool: Spool, count: int) -> None:
    for _ in range(count):
        spool.append(READS)


def publisher(spool: Spool, line: Line, inflight: int = 12) -> Publisher:
    """Of a backlog, a third of the window may be on the way."""
    sender = Publisher(spool, send=line.send, inflight=inflight, resend_s=10.0)
    sender.heard()
    return sender


def test_sends_in_order_within_the_window_and_goes_on_with_each_commit(spool: Spool) -> None:
    line = Line()
    sender = publisher(spool, line)
    fill(spool, 6)
    sender.pump(0.0)
    assert line.seqs() == [], "not connected"
    sender.connected(0.0)
    sender.pump(0.0)
    assert line.sent == [(1, 1), (2, 1), (3, 1), (4, 1)]
    line.sent.clear()
    sender.committed(commit(spool, 2))
    sender.pump(1.0)
    assert line.sent == [(5, 3), (6, 3)]
    assert spool.batches == 4
    line.sent.clear()
    sender.committed(commit(spool, 6))
    sender.pump(2.0)
    assert (line.seqs(), spool.batches, sender.outstanding) == ([], 0, 0)
    assert sender.due_s() == float("inf")
    fill(spool, 12)
    sender.pump(3.0)
    assert line.seqs() == list(range(7, 19)), "what is live may have all of the window"
    sender.committed(commit(spool, 18))
    fill(spool, 13)
    sender.pump(4.0)
    assert line.seqs() == [19, 20, 21, 22], "and more than that is a backlog again"


def test_a_new_connection_sends_all_that_is_not_committed_again(spool: Spool) -> None:
    line = Line()
    sender = publisher(spool, line)
    fill(spool, 3)
    sender.connected(0.0)
    sender.pump(0.0)
    sender.committed(commit(spool, 1))
    sender.disconnected()
    sender.pump(1.0)
    line.seqs()
    sender.connected(2.0)
    sender.pump(2.0)
    assert line.seqs() == [2, 3]


def test_a_send_that_fails_is_not_counted_as_sent(spool: Spool) -> None:
    line = Line()
    sender = publisher(spool, line)
    fill(spool, 3)
    sender.connected(0.0)
    line.cut = True
    sender.pump(0.0)
    assert sender.outstanding == 0
    line.cut = False
    sender.pump(0.0)
    assert line.seqs() == [], "waits for the next connection"
    sender.connected(0.0)
    sender.pump(0.0)
    assert line.seqs() == [1, 2, 3]


def test_silence_brings_the_oldest_again_ever_more_rarely_and_a_commit_opens_the_window(spool: Spool) -> None:
    line = Line()
    sender = publisher(spool, line)
    fill(spool, 20)
    sender.connected(0.0)
    sender.pump(0.0)
    assert line.seqs() == [1, 2, 3, 4]
    sender.pump(9.9)
    assert line.seqs() == []
    again = []
    now_s = 0.0
    while now_s < 300.0:
        now_s = sender.due_s()
        again.append(now_s)
        sender.pump(now_s)
        assert line.seqs() == [1]
    assert again[:5] == [10.0, 30.0, 70.0, 130.0, 190.0]
    assert again[-1] - again[-2] == RESEND_LIMIT_S
    opened = []
    for seq in range(1, 7):
        sender.committed(commit(spool, seq))
        sender.pump(now_s)
        opened.append(sender.outstanding)
    assert opened == [1, 1, 2, 4, 4, 4]
    assert line.seqs() == list(range(2, 11))
    assert sender.due_s() == now_s + 10.0


def test_the_silence_is_counted_from_the_first_batch_that_waits(spool: Spool) -> None:
    line = Line()
    sender = publisher(spool, line)
    sender.connected(0.0)
    fill(spool, 1)
    sender.pump(1000.0)
    assert sender.due_s() == 1010.0
    fill(spool, 1)
    sender.pump(1005.0)
    assert sender.due_s() == 1010.0


def test_a_commit_of_batches_not_yet_sent_again_skips_them(spool: Spool) -> None:
    line = Line()
    sender = publisher(spool, line)
    fill(spool, 6)
    sender.connected(0.0)
    sender.pump(0.0)
    sender.connected(1.0)
    sender.committed(commit(spool, 3))
    line.seqs()
    sender.pump(1.0)
    assert line.seqs() == [4, 5, 6]


def test_what_is_live_overtakes_a_backlog_and_both_go_in_order(spool: Spool) -> None:
    line = Line()
    sender = publisher(spool, line, inflight=6)
    fill(spool, 100)
    sender.connected(0.0)
    sender.pump(0.0)
    assert line.seqs() == [1, 2]
    fill(spool, 5)
    sender.pump(0.0)
    assert line.seqs() == [101, 102, 103, 104]
    sender.committed(commit(spool, 1, beyond=[(101, 101)]))
    sender.pump(1.0)
    assert line.seqs() == [3, 105]
    sender.committed(commit(spool, 1, beyond=[(3, 3), (102, 105)]))
    sender.pump(1.0)
    assert line.seqs() == [4]
    assert spool.freed_seq == 1, "freed is what has no gap before it"
    sender.committed(commit(spool, 4))
    sender.pump(2.0)
    assert (spool.freed_seq, line.seqs()) == (4, [5, 6])
    for seq in [*range(5, 100), 105]:
        sender.committed(commit(spool, seq))
        sender.pump(3.0)
    assert line.seqs() == list(range(7, 101)), "what was live does not come again"
    assert (spool.batches, sender.outstanding) == (0, 0)


def test_an_ingest_that_does_not_tell_what_is_beyond_gets_all_in_the_end(spool: Spool) -> None:
    line = Line()
    sender = publisher(spool, line, inflight=8)
    fill(spool, 20)
    sender.connected(0.0)
    for seq in range(30):
        if seq < 10:
            fill(spool, 1)
        sender.committed(commit(spool, seq))
        sender.pump(0.0)
        assert sender.outstanding <= 8
    assert sorted(line.seqs()) == list(range(1, 31))


def test_a_batch_that_was_lost_on_the_way_comes_again_while_others_are_committed(
    spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    line = Line()
    sender = publisher(spool, line, inflight=8)
    sender.connected(0.0)
    fill(spool, 6)
    sender.pump(0.0)
    assert line.seqs() == [1, 2, 3, 4, 5, 6]
    sender.committed(commit(spool, 1, beyond=[(3, 6)]))
    sender.pump(5.0)
    sender.committed(commit(spool, 1, beyond=[(3, 6)]))
    sender.pump(15.0)
    assert line.seqs() == [2]
    fill(spool, 2)
    sender.pump(15.0)
    assert line.seqs() == [7, 8], "the window stays open"
    assert "batch 2 is not committed, later ones are" in caplog.text
    assert "no commit from ingest" not in caplog.text


def test_a_run_listens_before_it_sends(spool: Spool) -> None:
    line = Line()
    sender = Publisher(spool, send=line.send, inflight=15, resend_s=10.0)
    fill(spool, 5)
    sender.connected(100.0)
    sender.pump(100.0)
    assert (line.seqs(), sender.due_s()) == ([], 100.0 + HEAR_S)
    sender.heard()
    sender.pump(100.1)
    assert line.seqs() == [1, 2, 3, 4, 5]
    sender.connected(200.0)
    sender.pump(200.0)
    assert line.seqs() == [1, 2, 3, 4, 5], "only at the beginning"


def test_where_nobody_answers_one_batch_asks_for_a_commit(spool: Spool) -> None:
    line = Line()
    sender = Publisher(spool, send=line.send, inflight=12, resend_s=10.0)
    fill(spool, 9)
    sender.connected(100.0)
    sender.pump(100.0 + HEAR_S)
    assert line.seqs() == [1]
    for seq in (1, 2, 3):
        sender.committed(commit(spool, seq))
        sender.pump(103.0)
    assert line.seqs() == [2, 3, 4, 5], "then more and more"


def test_an_old_copy_sends_nothing_under_old_numbers(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "copy.sqlite", store="riverside", agent="edge-1")
    line = Line()
    sender = Publisher(spool, send=line.send, inflight=8, resend_s=10.0)
    fill(spool, 2)
    boot = spool.boot
    sender.connected(0.0)
    sender.pump(0.0)
    sender.committed(commit(spool, 7), retained=True)
    sender.heard()
    sender.pump(0.0)
    assert spool.boot != boot
    assert line.sent == [(1, 1), (2, 1)]
    spool.close()


@pytest.mark.parametrize("beyond", [[(5, 6)], [(3, 4), (40, 50)]])
def test_batches_beyond_those_sent_are_of_another_agent(spool: Spool, beyond: list[tuple[int, int]]) -> None:
    line = Line()
    sender = publisher(spool, line)
    fill(spool, 4)
    boot = spool.boot
    sender.connected(0.0)
    sender.pump(0.0)
    assert line.seqs() == [1, 2, 3, 4]
    fill(spool, 1)
    sender.committed(commit(spool, 1, beyond=beyond))
    sender.committed(commit(spool, 4))
    sender.pump(0.0)
    assert (spool.boot, spool.batches) == (boot, 5), "whose batches 1 to 4 are committed?"
    assert line.seqs() == [1, 2, 3, 4], "a repetition, or reused numbers: the ledger tells them apart"
    sender.committed(commit(spool, 6))
    sender.pump(0.0)
    assert (spool.boot != boot, spool.batches, line.seqs()) == (True, 1, [1])


def test_another_agent_under_the_same_name_is_told_once(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    sender = publisher(spool, Line())
    sender.committed(commit(spool, 9, "other"), retained=True)
    assert caplog.messages == [], "what an earlier spool has left"
    for seq in (10, 11):
        sender.committed(commit(spool, seq, "other"))
    (message,) = caplog.messages
    assert "another agent has the same name" in message


def test_a_correction_of_the_clock_goes_along_with_each_sending(spool: Spool) -> None:
    payloads: list[bytes] = []

    def send(payload: bytes) -> bool:
        payloads.append(payload)
        return True

    spool.begin_run("this start", 0)
    sender = Publisher(spool, send=send, inflight=6, resend_s=10.0)
    sender.heard()
    fill(spool, 2)
    sender.connected(0.0)
    sender.pump(0.0)
    spool.correct_run(Correction(3_600_000_000, CLOCK_CORRECTED))
    sender.connected(1.0)
    sender.pump(1.0)
    assert b"shift" not in payloads[0] + payloads[1]
    assert [(batch.shift, batch.clock) for batch in map(decode_batch, payloads[2:])] == [
        (3_600_000_000, "corrected")
    ] * 2


@pytest.mark.parametrize("payload", [b"", b"{}", b"\xff", b'{"boot":"x","seq":"1"}', b'{"boot":"other","seq":3}'])
def test_commits_that_are_not_ours_free_nothing(spool: Spool, payload: bytes) -> None:
    sender = publisher(spool, Line())
    fill(spool, 3)
    sender.committed(payload)
    sender.pump(0.0)
    assert spool.batches == 3


def test_old_commits_change_nothing(spool: Spool) -> None:
    sender = publisher(spool, Line())
    fill(spool, 3)
    sender.connected(0.0)
    sender.pump(0.0)
    for seq in (2, 1, 0, -5):
        sender.committed(commit(spool, seq))
        sender.pump(0.0)
    assert spool.freed_seq == 2


def test_a_database_that_knows_more_than_the_spool_makes_a_new_boot(tmp_path: Path) -> None:
    path = tmp_path / "copy.sqlite"
    spool = Spool(path, store="riverside", agent="edge-1")
    fill(spool, 3)
    spool.close()
    spool = Spool(path, store="riverside", agent="edge-1")
    line = Line()
    sender = publisher(spool, line, inflight=15)
    fill(spool, 2)
    boot = spool.boot
    sender.connected(0.0)
    sender.pump(0.0)
    line.seqs()
    fill(spool, 2)
    sender.committed(commit(spool, 50))
    sender.pump(0.0)
    assert (spool.boot, line.seqs()) == (boot, [4, 5]), "what was sent keeps its numbers, by which it is known"
    sender.committed(commit(spool, 50))
    sender.pump(0.0)
    assert spool.boot != boot
    assert line.seqs() == [1, 2], "the two that were never sent, under their new numbers"
    sender.committed(commit(spool, 50, boot))
    sender.pump(0.0)
    assert spool.batches == 2
    spool.close()


def test_an_old_copy_keeps_its_backlog_until_that_is_committed(tmp_path: Path) -> None:
    path = tmp_path / "copy.sqlite"
    spool = Spool(path, store="riverside", agent="edge-1")
    fill(spool, 100)
    spool.close()
    for _ in range(2):  # a restart changes nothing
        spool = Spool(path, store="riverside", agent="edge-1")
        boot = spool.boot
        line = Line()
        sender = publisher(spool, line)
        fill(spool, 1)
        sender.committed(commit(spool, 20, beyond=[(101, 101)]), retained=True)
        sender.connected(0.0)
        sender.pump(0.0)
        assert line.seqs() == [21, 22, 23, 24], "and nothing live under the numbers of others"
        spool.close()
    spool = Spool(path, store="riverside", agent="edge-1")
    sender = publisher(spool, line)
    assert (spool.boot, spool.batches) == (boot, 82)
    sender.connected(0.0)
    for seq in range(20, 100):
        sender.committed(commit(spool, seq))
        sender.pump(0.0)
    assert sorted(line.seqs()) == list(range(21, 101))
    sender.committed(commit(spool, 101))
    sender.pump(0.0)
    assert (spool.boot != boot, spool.batches, line.seqs()) == (True, 2, [1, 2])
    spool.close()


def test_what_this_run_never_sent_is_not_freed_whoever_says_it_is_there(spool: Spool) -> None:
    line = Line()
    sender = publisher(spool, line, inflight=6)
    sender.connected(0.0)
    fill(spool, 100)
    sender.pump(0.0)
    fill(spool, 1)
    sender.pump(0.0)
    assert line.seqs() == [1, 2, 101]
    sender.committed(commit(spool, 53))
    sender.pump(0.0)
    assert (spool.freed_seq, spool.batches) == (2, 99)


def test_a_database_that_goes_back_gets_again_what_it_had_beyond_a_gap(spool: Spool) -> None:
    line = Line()
    sender = publisher(spool, line, inflight=15)
    fill(spool, 5)
    sender.connected(0.0)
    sender.pump(0.0)
    fill(spool, 3)
    sender.pump(0.0)
    sender.committed(commit(spool, 2, beyond=[(6, 8)]))
    sender.pump(0.0)
    assert line.seqs() == list(range(1, 9))
    sender.committed(commit(spool, 5))
    sender.pump(0.0)
    assert (spool.batches, line.seqs()) == (3, [6, 7, 8]), "5 would not be the last one if it had these"


def test_a_new_connection_relies_on_nothing_that_was_said_over_another(spool: Spool) -> None:
    line = Line()
    sender = publisher(spool, line)
    fill(spool, 3)
    sender.connected(0.0)
    sender.pump(0.0)
    sender.committed(commit(spool, 1, beyond=[(3, 3)]))
    sender.pump(0.0)
    line.seqs()
    sender.connected(1.0)
    sender.pump(1.0)
    assert line.seqs() == [2, 3]


def test_a_copy_that_has_outgrown_the_database_sends_all_that_is_new(tmp_path: Path) -> None:
    path = tmp_path / "copy.sqlite"
    spool = Spool(path, store="riverside", agent="edge-1")
    fill(spool, 10)
    spool.close()
    spool = Spool(path, store="riverside", agent="edge-1")
    fill(spool, 30)  # 11 to 40, without a connection; the database has others up to 20
    line = Line()
    sender = publisher(spool, line, inflight=100)
    sender.committed(commit(spool, 20))
    sender.connected(0.0)
    sender.pump(0.0)
    assert line.seqs() == list(range(1, 31))
    assert (spool.batches, spool.reads) == (30, 30)
    spool.close()


def test_what_an_earlier_run_sent_is_freed_as_ever(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    spool = Spool(path, store="riverside", agent="edge-1")
    fill(spool, 10)
    spool.close()
    spool = Spool(path, store="riverside", agent="edge-1")
    boot = spool.boot
    sender = publisher(spool, Line())
    sender.committed(commit(spool, 10))
    sender.pump(0.0)
    assert (spool.boot, spool.batches) == (boot, 0)
    spool.close()


steps = st.lists(
    st.tuples(st.sampled_from(["append", "commit", "lose", "reconnect", "cut", "wait"]), st.integers(0, 6)), max_size=60
)


@hypothesis_settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_whatever_happens_all_is_committed_in_the_end(tmp_path: Path, steps: list[tuple[str, int]]) -> None:
    path = tmp_path / "any.sqlite"
    path.unlink(missing_ok=True)
    spool = Spool(path, store="riverside", agent="edge-1")
    spool._db.execute("PRAGMA synchronous = OFF")
    line = Line()
    sender = publisher(spool, line)
    appended, database, now_s = 0, 0, 0.0

    there: set[int] = set()

    def ingest() -> list[tuple[int, int]]:
        """Takes what it gets, and says what of that lies beyond a gap."""
        nonlocal database
        came = line.seqs()
        assert all(1 <= seq <= appended for seq in came)
        there.update(came)
        while database + 1 in there:
            database += 1
        return [(seq, seq) for seq in came if seq > database]

    for what, number in [*steps, *([("reconnect", 0)] + [("commit", 1), ("wait", 6)] * 80)]:
        match what:
            case "append":
                fill(spool, number)
                appended += number
            case "commit":
                beyond = ingest()
                sender.committed(commit(spool, database, beyond=beyond if number % 2 else None))
            case "lose":
                line.seqs()
            case "cut":
                line.cut = True
                sender.disconnected()
            case "reconnect":
                line.cut = False
                sender.connected(now_s)
            case "wait":
                now_s += number * 10
        sender.pump(now_s)
        assert sender.outstanding <= 12
        assert spool.freed_seq <= database
        assert spool.batches == appended - spool.freed_seq
    assert database == spool.freed_seq == appended
    spool.close()
