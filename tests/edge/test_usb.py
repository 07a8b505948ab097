from dataclasses import dataclass
from pathlib import Path

import pytest
from serial.tools.list_ports_common import ListPortInfo

from tagtrail.edge.link import LinkError
from tagtrail.edge.usb import Port, UsbId, find_usb, parse_usb, usb_id


def info(device: str, serial: str | None, location: str | None = "1-1.2:1.0", pid: int = 0x6001) -> ListPortInfo:
    port = ListPortInfo(device, skip_link_detection=True)
    port.vid, port.pid, port.serial_number, port.location = 0x0403, pid, serial, location
    return port


@pytest.mark.parametrize(
    ("name", "usb"),
    [
        ("usb:A50285BI", UsbId("A50285BI")),
        ("usb:0403:6001:A50285BI", UsbId("A50285BI", 0x0403, 0x6001)),
        ("usb:1a86:55D4:5970-1", UsbId("5970-1", 0x1A86, 0x55D4)),
        ("usb:7C:DF:A1:00:11:22", UsbId("7C:DF:A1:00:11:22")),
        ("usb:", None),
        ("/dev/ttyUSB0", None),
        ("socket://host:1", None),
    ],
)
def test_names(name: str, usb: UsbId | None) -> None:
    assert parse_usb(name) == usb
    if usb:
        assert parse_usb(str(usb)) == usb


def test_an_adapter_is_found_by_its_serial_number() -> None:
    ports = [info("/dev/ttyUSB0", "A1"), info("/dev/ttyUSB1", "A2"), info("/dev/ttyUSB2", None)]
    assert find_usb(UsbId("A2"), ports) == "/dev/ttyUSB1"
    assert find_usb(UsbId("A2", 0x0403, 0x6001), ports) == "/dev/ttyUSB1"
    assert find_usb(UsbId("A2", 0x0403, 0x6015), ports) is None
    assert find_usb(UsbId("A3"), ports) is None
    assert usb_id(ports[2]) is None


def test_an_adapter_with_several_ports_is_not_guessed_at() -> None:
    ports = [info("/dev/ttyUSB0", "Q", "1-1:1.0"), info("/dev/ttyUSB1", "Q", "1-1:1.1")]
    with pytest.raises(LinkError, match=r"/dev/ttyUSB0, /dev/ttyUSB1 all have this serial number; name one"):
        find_usb(UsbId("Q"), ports)
    second = usb_id(ports[1])
    assert second
    assert find_usb(second, ports) == "/dev/ttyUSB1"


@dataclass
class Hub:
    """What is plugged in just now."""

    ports: list[ListPortInfo]

    def __call__(self) -> list[ListPortInfo]:
        return self.ports


def test_a_port_named_by_serial_number_is_awaited() -> None:
    hub = Hub([info("/dev/ttyUSB0", "A1")])
    port = Port("usb:A2", hub)
    with pytest.raises(LinkError, match=r"usb:A2 is not plugged in; .*: usb:0403:6001:A1$"):
        port.device()
    hub.ports.append(info("/dev/ttyUSB7", "A2"))
    assert port.device() == "/dev/ttyUSB7"
    port.opened()
    hub.ports.clear()
    with pytest.raises(LinkError, match=r"not plugged in; .*: none$"):
        port.device()


def test_a_port_that_comes_back_under_another_name_is_found() -> None:
    hub = Hub([info("/dev/ttyUSB0", "A1")])
    port = Port("/dev/ttyUSB0", hub)
    assert port.device() == "/dev/ttyUSB0"
    port.opened()
    hub.ports = []
    assert port.device() == "/dev/ttyUSB0", "opening it says best what is wrong"
    hub.ports = [info("/dev/ttyUSB1", "A1", location="1-1.4:1.0")]
    assert port.device() == "/dev/ttyUSB1"
    port.opened()
    hub.ports = [info("/dev/ttyUSB0", "A1")]
    assert port.device() == "/dev/ttyUSB0"


def test_the_reads_of_another_reader_are_not_taken_for_this_ones() -> None:
    hub = Hub([info("/dev/ttyUSB0", "A1"), info("/dev/ttyUSB1", "A2")])
    port = Port("/dev/ttyUSB0", hub)
    port.opened()
    hub.ports = [info("/dev/ttyUSB0", "A2")]
    with pytest.raises(LinkError, match="is another device than before, which was usb:0403:6001:A1: plug that in"):
        port.device()


@pytest.mark.parametrize("serial", [None, ""])
def test_an_adapter_without_serial_number_keeps_to_its_name(serial: str | None) -> None:
    hub = Hub([info("/dev/ttyUSB0", serial)])
    port = Port("/dev/ttyUSB0", hub)
    port.opened()
    hub.ports = [info("/dev/ttyUSB1", serial)]
    assert port.device() == "/dev/ttyUSB0"


def test_a_link_to_a_port_is_that_port(tmp_path: Path) -> None:
    device, link = tmp_path / "ttyUSB0", tmp_path / "by-id"
    device.touch()
    link.symlink_to(device)
    hub = Hub([info(str(device), "A1")])
    port = Port(str(link), hub)
    port.opened()
    assert port.device() == str(link)
    link.unlink()
    hub.ports = [info("/dev/ttyUSB5", "A1")]
    assert port.device() == "/dev/ttyUSB5"
