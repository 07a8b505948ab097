"""Settings come from four places, and all faults are told at once."""

from pathlib import Path
from typing import Annotated

import msgspec
import pytest

from tagtrail.hardware.errors import FaultsError, GiveUp
from tagtrail.stack.settings import load_settings


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    store: Annotated[str, msgspec.Meta(description="store file")]
    mqtt: Annotated[str, msgspec.Meta(description="broker")] = "mqtt://127.0.0.1"
    dsn: Annotated[str | None, msgspec.Meta(description="database", extra={"secret": True})] = None
    window_s: Annotated[float, msgspec.Meta(description="window")] = 0.5
    readers: Annotated[list[str], msgspec.Meta(description="readers")] = []
    loud: Annotated[bool, msgspec.Meta(description="loud")] = False

    def faults(self) -> list[str]:
        return ["window_s must not be negative"] if self.window_s < 0 else []


def load(
    file: Path | None = None, environment: dict[str, str] | None = None, options: dict[str, object] | None = None
) -> Sample:
    return load_settings(Sample, "edge", file=file, environment=environment or {}, options=options or {})


def test_later_places_win(tmp_path: Path) -> None:
    file = tmp_path / "tagtrail.toml"
    file.write_text(
        'store = "file.toml"\nmqtt = "mqtt://file"\n[edge]\nwindow_s = 1.0\nreaders = ["r1"]\n[api]\nport = 1\n'
    )
    settings = load(
        file,
        {"TAGTRAIL_MQTT": "mqtt://all", "TAGTRAIL_EDGE_WINDOW_S": "2", "TAGTRAIL_DSN": "postgresql://x"},
        {"window_s": "3", "readers": None, "loud": True},
    )
    assert settings == Sample(
        store="file.toml", mqtt="mqtt://all", dsn="postgresql://x", window_s=3.0, readers=["r1"], loud=True
    )


def test_environment_of_one_service_beats_that_of_all() -> None:
    both = {"TAGTRAIL_STORE": "a.toml", "TAGTRAIL_EDGE_STORE": "b.toml"}
    assert load(environment=both).store == "b.toml"


def test_a_setting_of_one_service_is_not_read_from_the_shared_name() -> None:
    environment = {"TAGTRAIL_STORE": "a.toml", "TAGTRAIL_WINDOW_S": "9"}
    assert load(environment=environment).window_s == 0.5


def test_lists_are_split_at_commas() -> None:
    assert load(options={"store": "s", "readers": "r1, r2,"}).readers == ["r1", "r2"]


def test_all_faults_at_once(tmp_path: Path) -> None:
    file = tmp_path / "tagtrail.toml"
    file.write_text('mqqt = "x"\n[edge]\nwindow_s = "wide"\nwindw_s = 1\ndsn = "postgresql://secret"\n')
    with pytest.raises(FaultsError) as caught:
        load(file, {"TAGTRAIL_EDGE_LOUD": "perhaps"})
    told = "\n".join(caught.value.faults)
    assert len(caught.value.faults) == 6
    for piece in (
        "unknown key 'mqqt', did you mean 'mqtt'?",
        "window_s = 'wide'",
        "unknown key 'windw_s', did you mean 'window_s'?",
        "dsn is a secret; set TAGTRAIL_DSN",
        "TAGTRAIL_EDGE_LOUD = 'perhaps'",
        "store is missing: give --store, TAGTRAIL_STORE, or store in the settings file",
    ):
        assert piece in told


def test_what_the_struct_finds_is_told_too() -> None:
    with pytest.raises(FaultsError, match="window_s must not be negative"):
        load(options={"store": "s", "window_s": "-1"})


@pytest.mark.parametrize("content", ["not toml", "[[edge]]\nx = 1\n", "\xff"])
def test_a_broken_file_is_one_message(tmp_path: Path, content: str) -> None:
    file = tmp_path / "tagtrail.toml"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(GiveUp, match="tagtrail.toml"):
        load(file, {"TAGTRAIL_STORE": "s"})


def test_a_missing_file_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(GiveUp, match="nowhere.toml: No such file"):
        load(tmp_path / "nowhere.toml")
