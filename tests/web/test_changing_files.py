"""Files that change while they are being sent: the client sees the old file, or that it did not get
all of it; never a reply that looks whole and is not. The server goes on."""

import os
import time

import pytest

from conftest import wait_for
from wire import Wire, get, request

SIZE = 32 * 1024 * 1024


@pytest.fixture
def serving(weir, site, tmp_path, hostile):
    """(server, file, log): one large file that a client has begun to read."""
    path = site / "large.bin"
    path.write_bytes(b"\x01" * SIZE)
    log = tmp_path / "log"
    return hostile(weir(site, "--workers", 1, "--access-log", log)), path, log


def begin(server, *lines, target="/large.bin"):
    """A client that has read the head only; the kernel holds a part of the rest."""
    wire = Wire(server, window=65536)
    wire.send(request(target, *lines))
    status, fields = wire.head()
    assert status == 200
    return wire, fields


def broken_off(wire):
    """What came; the connection ended, in order or by a reset."""
    data = wire.kept
    try:
        while more := wire.socket.recv(1 << 20):
            data += more
    except ConnectionResetError:
        pass
    wire.socket.close()
    return data


def mark_of(log, path="large.bin"):
    """(bytes, mark) of the last line about the path."""

    def last():
        lines = [line for line in log.read_text().splitlines() if path in line]
        return lines

    wait_for(last, what="the line")
    words = last()[-1].split()
    return int(words[9]), words[-3]


def test_truncated(serving):
    server, path, log = serving
    wire, fields = begin(server)
    os.truncate(path, 1000)
    data = broken_off(wire)
    assert 0 < len(data) < SIZE and int(fields["content-length"][0]) == SIZE
    sent, mark = mark_of(log)
    assert mark == "X" and len(data) <= sent < SIZE
    assert get(server, "/large.bin").body == b"\x01" * 1000


def test_truncated_to_nothing_behind_a_pipelined_request(serving):
    """No reply to a later request is sent, since its bytes would be taken for the file's."""
    server, path, _ = serving
    wire, _ = begin(server)
    wire.send(request("/"))
    os.truncate(path, 0)
    assert b"HTTP/1.1" not in broken_off(wire)


def test_grown(serving):
    server, path, _ = serving
    wire, _ = begin(server)
    with open(path, "ab") as file:
        file.write(b"\x02" * 1000)
    assert wire.take(SIZE) == b"\x01" * SIZE
    wire.send(request("/"))
    assert wire.reply().text == "hello"
    wire.socket.close()
    assert len(get(server, "/large.bin").body) == SIZE + 1000


def test_replaced(serving):
    server, path, log = serving
    wire, _ = begin(server)
    (path.parent / "new").write_bytes(b"\x02" * 1000)
    (path.parent / "new").rename(path)
    assert get(server, "/large.bin").body == b"\x02" * 1000
    assert wire.take(SIZE) == b"\x01" * SIZE
    wire.socket.close()


def test_removed(serving):
    server, path, _ = serving
    wire, _ = begin(server)
    path.unlink()
    assert get(server, "/large.bin").status == 404
    assert wire.take(SIZE) == b"\x01" * SIZE
    wire.socket.close()


def test_truncated_while_compressed(serving):
    """Chunked: it must not end with a last chunk."""
    server, path, _ = serving
    text = path.parent / "large.txt"
    with open(text, "wb") as file:
        file.write(os.urandom(SIZE // 4))
    wire, fields = begin(server, "Accept-Encoding: gzip", target="/large.txt")
    assert fields["transfer-encoding"] == ["chunked"]
    os.truncate(text, 1000)
    data = broken_off(wire)
    assert not data.endswith(b"0\r\n\r\n")
    text.unlink()
    assert get(server, "/large.txt").status == 404


def test_truncated_while_compressed_for_http_1_0(serving):
    """Its end is that of the connection, so only a reset shows the error."""
    server, path, _ = serving
    text = path.parent / "large.txt"
    with open(text, "wb") as file:
        file.write(os.urandom(SIZE // 4))
    wire = Wire(server, window=65536)
    wire.send(request("/large.txt", "Accept-Encoding: gzip", version="HTTP/1.0"))
    wire.head()
    os.truncate(text, 1000)
    with pytest.raises(ConnectionResetError):
        wire.rest()
    text.unlink()
    assert get(server, "/large.txt").status == 404


def test_truncated_between_parts(serving):
    """Of several ranges the later are no longer there."""
    server, path, log = serving
    wire = Wire(server, window=65536)
    ranges = f"bytes=0-{SIZE // 2},{SIZE // 2 + 10}-"
    wire.send(request("/large.bin", f"Range: {ranges}"))
    assert wire.head()[0] == 206
    os.truncate(path, SIZE // 2)
    assert len(broken_off(wire)) < SIZE
    assert mark_of(log)[1] == "X"


def test_small_file_under_steady_change(weir, site):
    """A file that is replaced by renaming is never half written."""
    server = weir(site, "--workers", 1)
    (site / "f").write_bytes(b"0" * 5000)
    end = time.monotonic() + 1
    seen = set()
    with Wire(server) as wire:
        for i in range(10_000):
            size = 1000 + i % 7 * 1000
            (site / "new").write_bytes(b"%d" % (i % 10) * size)
            (site / "new").rename(site / "f")
            body = wire.ask(request("/f")).body
            assert body == b"%d" % (i % 10) * size
            seen.add(len(body))
            if time.monotonic() > end:
                break
    assert len(seen) == 7
