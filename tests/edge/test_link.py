import os
import pty
import socket
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from tagtrail.edge.link import Link, LinkError


@pytest.fixture
def line() -> Iterator[tuple[int, str]]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(slave)
    os.close(master)


def test_bytes_go_both_ways(line: tuple[int, str]) -> None:
    master, port = line
    with Link(port, 115_200) as link:
        assert link.read() == b""
        os.write(master, bytes(range(256)))
        got = b""
        while len(got) < 256:
            got += link.read()
        assert got == bytes(range(256))
        link.write(b"\xff\x00\x03")
        link.write(b"")
        assert os.read(master, 10) == b"\xff\x00\x03"


def test_a_port_in_use_is_told(line: tuple[int, str]) -> None:
    _, port = line
    with Link(port, 115_200), pytest.raises(LinkError, match="another program uses it"):
        Link(port, 115_200)
    Link(port, 115_200).__exit__()


def test_a_missing_port_is_told(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="ttyX cannot be opened: there is no such port; check the cable"):
        Link(str(tmp_path / "ttyX"), 115_200)


def test_a_file_is_no_port(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LinkError, match="cannot be opened"):
        Link(str(tmp_path / "file"), 115_200)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_a_port_without_permission_is_told(line: tuple[int, str]) -> None:
    _, port = line
    Path(port).chmod(0)
    with pytest.raises(LinkError, match="no permission; add the agent's user"):
        Link(port, 115_200)


@pytest.mark.parametrize("port", ["nonsense://x", "socket://127.0.0.1:1"])
def test_a_bad_address_is_told(port: str) -> None:
    with pytest.raises(LinkError, match="cannot be opened"):
        Link(port, 115_200)


def test_a_reader_behind_tcp_works_until_it_goes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with Link(f"socket://127.0.0.1:{server.getsockname()[1]}", 115_200) as link:
            peer, _ = server.accept()
            with peer:
                link.write(b"ask")
                assert peer.recv(10) == b"ask"
                peer.sendall(b"answer")
                got = b""
                while len(got) < 6:
                    got += link.read()
                assert got == b"answer"
            with pytest.raises(LinkError, match="broke while reading"):
                b"".join(link.read() for _ in range(100))


def test_a_line_that_goes_away_is_told() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    with Link(os.ttyname(slave), 115_200) as link:
        os.close(slave)
        os.close(master)
        with pytest.raises(LinkError, match="broke while reading"):
            link.read()
