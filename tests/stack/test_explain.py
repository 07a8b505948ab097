"""`tagtrail analyze explain` as a person calls it."""

from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from tagtrail.analytics.explain import command
from tagtrail.analytics.explain.words import Case
from tagtrail.analytics.files import write_table
from tagtrail.stack.cli import main
from walks import epc_of, frame_of, random_reads, store_text

TAG = epc_of(0)
OTHER = epc_of(9)


@pytest.fixture
def day(tmp_path: Path) -> Path:
    (tmp_path / "store.toml").write_text(store_text())
    write_table(frame_of(random_reads(1, tags=4)), tmp_path / "reads.parquet")
    return tmp_path


def call(day: Path, *arguments: str) -> int:
    given = ["--store", str(day / "store.toml"), "--reads", str(day / "reads.parquet")]
    return main(["analyze", "explain", *given, *arguments])


def test_it_explains_itself_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["analyze", "explain", "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "Examples:\n  tagtrail analyze explain --store" in text
    assert "--poll-s" not in text


@pytest.mark.parametrize("calibrated", [False, True])
def test_it_explains_what_analyze_told(day: Path, calibrated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with the same numbers in a settings file, and the same known places."""
    seen: list[Case] = []

    def remember(case: Case) -> str:
        seen.append(case)
        return ""

    monkeypatch.setattr(command, "render_text", remember)
    (day / "settings.toml").write_text(
        f'[analyze]\nreads = "{day}/reads.parquet"\nvisit_min_s = 6.0\nout = "{day}/out"\n'
    )
    extra = ["--settings", str(day / "settings.toml"), "--store", str(day / "store.toml")]
    if calibrated:
        reads = pd.read_parquet(day / "reads.parquet")
        points = reads[reads["epc"] == TAG][["epc", "time"]].assign(floor="1F", x_m=3.0, y_m=3.0)
        write_table(points, day / "points.csv")
        extra += ["--calibration", str(day / "points.csv")]
    assert main(["analyze", *extra]) == 0
    visits = pd.read_parquet(day / "out" / "visits.parquet")
    for tag in range(2):
        assert main(["analyze", "explain", *extra, "--epc", epc_of(tag)]) == 0
        told = visits[visits["epc"] == epc_of(tag)].reset_index(drop=True)
        explained = seen[-1].explanation.estimate.visits
        assert_frame_equal(explained[list(told)], told, check_exact=True)
        assert [visit.confidence for visit in seen[-1].told] == pytest.approx(list(told["confidence"]))


def test_a_table_or_a_page(day: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(day, "--epc", TAG.lower()) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"Tag {TAG} in Row, local time (Europe/Berlin)\n")
    assert "learning the radio map from the reads" in printed.err
    page = day / "tag.html"
    assert call(day, "--epc", TAG[-6:], "--out", str(page)) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"{page}: " in printed.err
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert not page.with_name("tag.html.part").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epc", OTHER], f"no read of tag {OTHER}; 4 tags are in it, near ones are E2801160"),
        (["--epc", "BADBADBAD"], "no read of tag BADBADBAD; 4 tags are in it, near ones are E2801160"),
        (["--epc", "xyz"], "epc 'xyz': 4 to 128 hex digits expected"),
        ([], "epc is missing: give --epc, TAGTRAIL_ANALYZE_EPC, or epc in the settings file"),
        (["--epc", TAG, "--from", "23:00"], f"{TAG} from 2026-03-14 23:00:00; it was read from 2026-03-14 0"),
        (["--epc", TAG, "--from", "2026-03-15T00:00:00Z", "--to", "05:00"], "15 01:00:00 to 2026-03-14 05:00:00"),
        (["--epc", TAG, "--from", "noon", "--to", "25:00"], "expected HH:MM, HH:MM:SS or ISO 8601\n  - to '25:00'"),
        (["--epc", TAG, "--out", "tag.pdf"], "out 'tag.pdf': a file that ends in .html expected"),
        (["--epc", TAG, "--reads", "none.csv"], "none.csv: there is no such file"),
        (["--epc", TAG, "--store", "none.toml"], "none.toml"),
        (["--epc", TAG, "--trip-gap-s", "0"], "trip_gap_s 0: 1 to 86400 allowed"),
    ],
)
def test_one_clear_message(
    day: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(day)
    assert call(day, *arguments) == 2
    error = capsys.readouterr().err
    assert error.count(words) == error.count("\ntagtrail analyze: ") + error.startswith("tagtrail analyze: ") == 1
    assert words in error
    assert "Traceback" not in error


def test_an_estimator_that_has_no_posterior(
    day: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAGTRAIL_ANALYZE_ESTIMATOR", "presence")
    assert call(day, "--epc", TAG) == 2
    assert "estimator 'presence': only 'place' can be explained" in capsys.readouterr().err


def test_a_broken_store_file_a_page_that_cannot_be_written_and_too_many_days(
    day: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(day, "--epc", TAG, "--out", str(day / "none" / "tag.html")) == 2
    assert f"{day}/none/tag.html: cannot be written: No such file or directory" in capsys.readouterr().err
    reads = pd.read_parquet(day / "reads.parquet")
    late = reads[reads["epc"] == TAG].assign(time=lambda table: table["time"] + pd.Timedelta(days=30))
    write_table(pd.concat([reads, late]), day / "reads.parquet")
    assert call(day, "--epc", TAG, "--out", str(day / "tag.html")) == 2
    assert "was read over 30 days, a page holds 7" in capsys.readouterr().err
    (day / "store.toml").write_text("[store]\nid = 3\n")
    assert call(day, "--epc", TAG) == 2
    assert f"{day}/store.toml: " in capsys.readouterr().err


def test_few_digits_of_several_tags(day: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reads = pd.read_parquet(day / "reads.parquet")
    reads["epc"] = reads["epc"].astype(str) + "0000"
    write_table(reads, day / "reads.parquet")
    assert call(day, "--epc", "0000") == 2
    assert "4 tags end in 0000: E2801160" in capsys.readouterr().err
