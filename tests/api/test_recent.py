import threading

import pytest

from tagtrail.api.recent import Recent


def test_an_answer_is_shared_until_it_is_old() -> None:
    time_s = [0.0]
    made: list[str] = []

    def make(key: str) -> int:
        made.append(key)
        return len(made)

    recent = Recent(2.0, make, lambda: time_s[0])
    assert [recent.get("a"), recent.get("a"), recent.get("b")] == [1, 1, 2]
    time_s[0] = 2.0
    assert recent.get("a") == 3
    assert made == ["a", "b", "a"]


def test_what_took_long_is_kept_longer() -> None:
    time_s = [0.0]

    def make(_: str) -> float:
        time_s[0] += 1.0
        return time_s[0]

    recent = Recent(2.0, make, lambda: time_s[0])
    assert recent.get("a") == 1
    time_s[0] = 9.9
    assert recent.get("a") == 1
    time_s[0] = 10.0
    assert recent.get("a") == 11


def test_what_waited_very_long_is_not_kept_for_ever() -> None:
    time_s = [0.0]

    def make(_: str) -> float:
        time_s[0] += 60.0
        return time_s[0]

    recent = Recent(2.0, make, lambda: time_s[0])
    assert recent.get("a") == 60
    time_s[0] = 70.0
    assert recent.get("a") == 130


def test_who_asks_meanwhile_waits_for_the_same_answer() -> None:
    begun, go_on = threading.Event(), threading.Event()
    made: list[str] = []

    def make(key: str) -> str:
        made.append(key)
        begun.set()
        assert go_on.wait(10)
        return key

    recent = Recent(60.0, make)
    got: list[str] = []
    threads = [threading.Thread(target=lambda: got.append(recent.get("a"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert (got, made) == (["a"] * 4, ["a"])


def test_a_failure_is_not_kept() -> None:
    answers = [0, 7]
    recent: Recent[str, int] = Recent(60.0, lambda _: 1 // answers[0] + answers.pop())
    with pytest.raises(ZeroDivisionError):
        recent.get("a")
    answers[0] = 1
    assert recent.get("a") == 8
