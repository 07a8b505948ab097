"""`tagtrail decode`, as a person calls it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tagtrail.hardware.capture import Header, Kind, Record, encode_header, encode_record
from tagtrail.stack.cli import main

TAG = "FF13210000140006D011E28068940000500C6EE2FE06743DAA1B"
VERSION = "FF 00 03 1D 0C"


class Ran:
    def __init__(self, code: int, out: str, told: str) -> None:
        self.code, self.told = code, told
        self.lines: list[Any] = [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def decode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(content: bytes | str, *arguments: str, protocol: str = "mercury") -> Ran:
        file = tmp_path / "bytes"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        code = main(["decode", *(("--protocol", protocol) if protocol else ()), *arguments, str(file)])
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return run


@pytest.mark.parametrize(
    "content", [TAG, bytes.fromhex(TAG), f"# a tag\n{TAG[:20].lower()}\n\n 0x{TAG[20:22]}, {TAG[22:]}  // the rest\n"]
)
def test_hex_text_or_binary(decode: Any, content: bytes | str) -> None:
    ran = decode(content)
    (event,) = ran.lines
    assert (event["kind"], event["epc"], event["antenna"], event["rssi_dbm"]) == (
        "tag_read", "E28068940000500C6EE2FE06", 1, -48,
    )  # fmt: skip
    assert event["hex"] == TAG
    assert ran.told == "frames 1, bytes 26, bytes dropped 0, checksum errors 0, resyncs 0, rejected 0\n"
    assert ran.code == 0


def test_bytes_that_could_be_both_can_be_forced(decode: Any) -> None:
    assert decode(TAG, "--binary").told.startswith("frames 0, bytes 52, bytes dropped 52")
    assert decode(TAG, "--hex").told.startswith("frames 1, bytes 26")


def test_each_line_is_a_stream_of_its_own(decode: Any) -> None:
    ran = decode(f"{TAG[:-2]}\n{TAG[-2:]}{TAG} {TAG}\n\n# nothing\nFF FF FF\n{TAG}", "--lines")
    assert [[event["kind"] for event in line] for line in ran.lines] == [
        [], ["tag_read", "tag_read"], [], [], [], ["tag_read"],
    ]  # fmt: skip
    assert ran.told.startswith("frames 3, bytes 107, bytes dropped 29, ")


def test_a_line_that_is_not_hex_is_told_with_its_number(decode: Any, tmp_path: Path) -> None:
    for arguments in (["--lines"], ["--hex"]):
        ran = decode(f"{TAG}\n\nFF 0x0G\n", *arguments)
        assert ran.code == 2
        assert len(ran.lines) == 2 if arguments == ["--lines"] else 1
        assert ran.told == f"tagtrail decode: {tmp_path}/bytes:3: '0x0G' is not hex; --binary reads bytes as they are\n"


def test_any_bytes_at_all_end_with_0(decode: Any) -> None:
    for content in (b"", b"\0", bytes(range(256)) * 300, b"\xff" * 70_000, b"hello, world", b"{" * 1000):
        for protocol in ("mercury", "rdm6300", "zebra-iotc-json"):
            ran = decode(content, protocol=protocol)
            assert (ran.code, ran.lines) == (0, [])
            if protocol != "zebra-iotc-json":  # where white space belongs
                assert f"bytes {len(content)}, bytes dropped {len(content)}, " in ran.told
    assert "note: " in decode("hello, world").told


def test_an_unfinished_frame_is_counted(decode: Any) -> None:
    assert "frames 1, bytes 36, bytes dropped 10" in decode(TAG + TAG[:20]).told


def test_the_other_direction(decode: Any) -> None:
    (event,) = decode(VERSION, "--from-host").lines
    assert (event["kind"], event["name"]) == ("command", "version")
    assert decode(VERSION).lines == []


def test_json_as_text_or_as_its_hex(decode: Any) -> None:
    text = '{"type":"SIMPLE","data":{"idHex":"E280","antenna":2,"peakRssi":-61}}'
    content = f"{text}{text}\n{text.encode().hex()}\n\n{text[:-1]}\n"
    ran = decode(content, "--lines", protocol="zebra-iotc-json")
    assert [[(event["kind"], event.get("epc"), event.get("rssi_dbm")) for event in line] for line in ran.lines] == [
        [("tag_read", "E280", -61)] * 2, [("tag_read", "E280", -61)], [], [("unknown", None, None)],
    ]  # fmt: skip
    assert len(decode(f"{text}\n\n{text}\n", protocol="zebra-iotc-json").lines) == 2
    assert len(decode(text.encode().hex(" "), protocol="zebra-iotc-json").lines) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "layout"], "--set layout: expected KEY=VALUE"),
        (["--set", "layout=9"], "options of protocol mercury: there is no option 'layout'"),
        (["--lines", "--binary"], "binary has no lines"),
    ],
)
def test_options_that_make_no_sense(decode: Any, arguments: list[str], message: str) -> None:
    ran = decode(TAG, *arguments)
    assert ran.code == 2
    assert message in ran.told


def test_protocol_and_file_are_needed(decode: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "give --protocol" in decode(TAG, protocol="").told
    assert "protocol 'morse' is unknown" in decode(TAG, protocol="morse").told
    assert main(["decode", "--protocol", "mercury", str(tmp_path / "none")]) == 2
    assert "No such file" in capsys.readouterr().err


CHUNKS = [
    ("!", b"opened"), (">", bytes.fromhex(VERSION)), ("<", bytes.fromhex(TAG[:20])),
    ("<", bytes.fromhex(TAG[20:] + TAG[:8])), ("!", b"closed"), ("!", b"opened"),
    ("<", bytes.fromhex(TAG[8:])), ("<", bytes.fromhex(TAG)),
]  # fmt: skip


def capture() -> bytes:
    records = [Record(1_700_000_000_000_000 + number, Kind(mark), data) for number, (mark, data) in enumerate(CHUNKS)]
    return encode_header(Header("r01", "mercury")) + b"".join(map(encode_record, records))


def test_a_capture_names_its_protocol_and_times(decode: Any) -> None:
    ran = decode(capture(), protocol="")
    assert [(event["time"], event["epc"]) for event in ran.lines] == [
        ("2023-11-14T22:13:20.000003Z", "E28068940000500C6EE2FE06"),
        ("2023-11-14T22:13:20.000007Z", "E28068940000500C6EE2FE06"),
    ]
    (command,) = decode(capture(), "--from-host", protocol="").lines
    assert (command["time"], command["name"]) == ("2023-11-14T22:13:20.000001Z", "version")


def test_a_capture_that_was_cut_off_gives_what_is_good(decode: Any) -> None:
    ran = decode(capture()[:-5], protocol="")
    assert (ran.code, len(ran.lines)) == (0, 1)
    assert "1 line left out, first line 9: cut off or damaged; all others are good\n" in ran.told
    assert "leave --lines out" in decode(capture(), "--lines").told
    assert "the first line of the capture is damaged" in decode(b"tagtrail-capture 1 {}\n").told


def test_standard_input_and_a_pipe_that_is_closed() -> None:
    argv = [sys.executable, "-P", "-m", "tagtrail.stack", "decode", "--protocol", "mercury", "-"]
    done = subprocess.run(argv, input=bytes.fromhex(TAG), capture_output=True, check=False, timeout=60)
    assert done.returncode == 0
    assert json.loads(done.stdout)["epc"] == "E28068940000500C6EE2FE06"
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        argv, input=bytes.fromhex(TAG) * 5000, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60
    )
    os.close(writing)
    assert b"Traceback" not in done.stderr
