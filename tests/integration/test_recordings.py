"""The whole way with real reads: a recording goes as reader's bytes over pseudo-terminals into the database.

pty → edge → broker → ingest → database → analytics; then the dwell per place is printed beside the labels.
"""

import re
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from fixture_demo import Demo


def count_lines(folder: Path) -> int:
    return sum(len(file.read_text().splitlines()) for file in folder.glob("S?_Dataset/d*"))


@pytest.mark.slow
@pytest.mark.parametrize("kills", [0, 3], ids=["undisturbed", "ingest-killed"])
def test_every_line_of_the_recordings_is_a_read_in_the_database(
    demo: Callable[..., Demo], uci_rfid_wearable: Path, kills: int, capsys: pytest.CaptureFixture[str]
) -> None:
    run = demo("--once", "--replay", str(uci_rfid_wearable), "--speed", "60")
    run.wait_for_line("readers streaming")
    run.children()
    for kill in range(kills):
        run.wait_for_line(r"([1-9][\d,]+) reads in the database")
        ingest = run.child("ingest")
        ingest.send_signal(signal.SIGKILL)
        ingest.wait(10)
        if kill + 1 < kills:
            run.wait_for(partial(_runs_again, run, ingest.pid))
    assert run.end() == 0, run.output
    lines = count_lines(uci_rfid_wearable)
    assert f"Reads in the database: {lines:,}, all of them" in run.output
    table = run.output[run.output.index("Dwell per place") :]
    places = re.findall(r"^  (s[12]-(?:bed|chair|walking)) ", table, flags=re.MULTILINE)
    assert set(places) == {f"s{room}-{place}" for room in (1, 2) for place in ("bed", "chair", "walking")}
    with capsys.disabled():
        print(f"\n{table}")


def _runs_again(run: Demo, before: int) -> bool:
    try:
        return run.child("ingest").pid != before
    except AssertionError:
        return False
