"""Clients that are slow, that read nothing, that vanish: each costs what it costs, and nobody else."""

import itertools
import os
import signal
import socket
import threading
import time

import pytest

from conftest import wait_for
from wire import REQUEST, Wire, get, is_sanitized, listens, request

LARGE = 64 * 1024 * 1024


@pytest.fixture
def limited(configured, site, hostile):
    """A server with short limits, and a large file."""
    with open(site / "large.bin", "wb") as file:
        os.truncate(file.fileno(), LARGE)
    server = configured(
        "limits: {request: 1s, progress: 2s, idle: 2s}\n"
        f"sites: [{{root: {site}, uploads: {{prefix: '', put: yes}}}}]\n",
        "--workers",
        1,
    )
    return hostile(server)


@pytest.fixture
def large(weir, site, hostile):
    """A server with the usual limits, and a large file."""
    with open(site / "large.bin", "wb") as file:
        os.truncate(file.fileno(), LARGE)
    return hostile(weir(site, "--workers", 1))


# -- slow


def test_slow_head(limited):
    """A byte now and then does not keep a request alive beyond its time."""
    begun = time.monotonic()
    wires = [Wire(limited) for _ in range(50)]
    for i in range(30):
        for wire in wires:
            wire.send_while_open(b"GET / HTTP/1.1\r\nHost: a\r\nX: yyyyyyyyyyyyyyy"[i : i + 1])
        time.sleep(0.1)
        if i == 5:
            assert get(limited, "/").text == "hello"
    for wire in wires:
        assert wire.reply().status == 408
        assert wire.at_end()
        wire.socket.close()
    assert time.monotonic() - begun < 25  # by default it is 30 s


def test_slow_body(limited, site):
    begun = time.monotonic()
    with Wire(limited) as wire:
        wire.send(request("/f", "Content-Length: 1000", method="PUT"))
        wire.socket.settimeout(0.1)
        while time.monotonic() - begun < 25:
            wire.send_while_open(b"x")
            try:
                if wire.more():
                    break
            except TimeoutError:
                pass
        wire.socket.settimeout(60)
        assert wire.reply().status == 408
    assert 0.9 < time.monotonic() - begun < 25  # by default it is 30 s
    assert not (site / "f").exists()


def test_large_upload_at_a_fair_rate_lives(limited, site):
    """Longer than a request may take, since it keeps coming."""
    data = os.urandom(400_000)
    with Wire(limited) as wire:
        wire.send(request("/f", f"Content-Length: {len(data)}", method="PUT"))
        for at in range(0, len(data), 20_000):
            wire.send(data[at : at + 20_000])
            time.sleep(0.1)
        assert wire.reply().status == 201
    assert (site / "f").read_bytes() == data


def test_slow_reader_lives(limited):
    """Longer than without progress, since it takes some."""
    with Wire(limited, window=4096) as wire:
        wire.send(request("/large.bin", "Range: bytes=0-999999"))
        begun = time.monotonic()
        assert wire.head()[0] == 206
        while time.monotonic() - begun < 3.5:
            assert wire.socket.recv(8192)
            time.sleep(0.1)


def test_reader_that_stops_is_let_go(limited):
    with Wire(limited, window=4096) as wire:
        wire.send(request("/large.bin"))
        assert wire.head()[0] == 200
        sockets = limited.descriptors()
        wait_for(lambda: limited.descriptors() < sockets, 50, "the end of the connection")  # by default it is 60 s
        with pytest.raises(ConnectionResetError):
            wire.rest()


# -- clients that never read


def test_1000_clients_that_never_read(large):
    """They cost some tens of KB each, and nobody waits for them."""
    before = large.memory_kb()
    dead = []
    for _ in range(1000):
        wire = Wire(large, window=4096)
        wire.send(request("/large.bin"))
        dead.append(wire)
    # Much earlier than the time after which the others count as dead.
    begun = time.monotonic()
    assert get(large, "/").text == "hello"
    assert len(get(large, "/large.bin").body) == LARGE
    assert time.monotonic() - begun < 50
    assert large.memory_kb() - before < 1000 * (64 if is_sanitized(large) else 8)
    for wire in dead:
        wire.reset()


def test_1000_clients_that_never_read_what_is_composed(large, site):
    """Compressed on the fly, so that each reply is in our own memory."""
    (site / "large.txt").write_bytes(os.urandom(1 << 20))
    get(large, "/large.txt", "Accept-Encoding: gzip")
    before = large.memory_kb()
    dead = []
    for _ in range(1000):
        wire = Wire(large, window=4096)
        wire.send(request("/large.txt", "Accept-Encoding: gzip"))
        dead.append(wire)
    assert get(large, "/").text == "hello"
    assert large.memory_kb() - before < 1000 * (250 if is_sanitized(large) else 100)
    for wire in dead:
        wire.reset()


def pipeline(server, data, megabytes):
    """Sends as much as is taken; how much that was."""
    with Wire(server, window=4096) as wire:
        wire.socket.settimeout(0.5)
        sent = 0
        try:
            while sent < megabytes << 20:
                sent += wire.socket.send(data)
        except TimeoutError:
            pass
        wire.socket.settimeout(60)
        yield sent
        wire.reset()


@pytest.mark.parametrize(
    "head",
    [REQUEST, request("/nothing"), request("/", "X: " + "y" * 10_000), request("/large.bin")],
)
def test_pipelining_without_reading(large, head):
    """Reading stops, and then TCP stops the client: memory is bounded, whatever it sends."""
    before = large.memory_kb()
    for sent in pipeline(large, head * (1 + 65536 // len(head)), 64):
        assert sent < 32 << 20
        assert get(large, "/").text == "hello"
        assert large.memory_kb() - before < 4096 * (4 if is_sanitized(large) else 1)


def test_1000_deep(large):
    """All replies come, in order, to a client that reads late."""
    targets = itertools.cycle(["/", "/nothing", "/index.html", "/large.bin"])
    asked = [next(targets) for _ in range(1000)]
    with Wire(large, window=4096) as wire:
        heads = [request(target, "Range: bytes=7-9") for target in asked]
        sender = threading.Thread(target=lambda: wire.send(b"".join(heads)))
        sender.start()
        time.sleep(0.3)
        for target in asked:
            reply = wire.reply()
            assert (reply.status, reply.body) == {
                "/": (416, b""),
                "/index.html": (416, b""),
                "/nothing": (404, reply.body),
                "/large.bin": (206, b"\0\0\0"),
            }[target]
        sender.join()


# -- who vanishes


STATES = {
    "before a request": b"",
    "within an empty line": b"\r",
    "within a head": b"GET / HTTP/1.1\r\nHost",
    "within a body": b"PUT /f HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + bytes(500),
    "within a chunk": b"PUT /f HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4ff\r\nab",
    "before 100": b"PUT /f HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    "behind a whole upload": b"PUT /g HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    "within a body that nobody wants": request("/", "Content-Length: 9999", method="POST") + b"x",
    "with a request": REQUEST,
    "with many requests": REQUEST * 500,
    "within a reply": request("/large.bin"),
    "within a compressed reply": request("/large.txt", "Accept-Encoding: gzip"),
    "within a listing": request("/d/"),
    "behind an error": b"\0",
    "behind many requests for files that are not there": request("/nothing") * 500,
}


@pytest.mark.parametrize("how", ["reset", "close", "shutdown"])
def test_vanishing(limited, site, how):
    """In every state, with every delay."""
    (site / "d").mkdir()
    for i in range(3000):
        (site / "d" / f"entry-{i}").touch()
    (site / "large.txt").write_bytes(os.urandom(1 << 20))
    for delay in 0, 0.0003, 0.003, 0.03:
        wires = [Wire(limited, window=4096).send(data) for data in STATES.values()]
        time.sleep(delay)
        for wire in wires:
            if how == "reset":
                wire.reset()
            elif how == "close":
                wire.socket.close()
            else:
                wire.end()
                wire.socket.close()
    assert get(limited, "/").text == "hello"
    wait_for(
        lambda: {path.name for path in site.iterdir()}
        <= {"index.html", "large.bin", "large.txt", "d", "g", ".weir-uploads"},
        what="the end of unfinished uploads",
    )
    assert get(limited, "/f").status == 404


def test_half_close_still_gets_the_reply(large):
    with Wire(large) as wire:
        wire.send(REQUEST * 3 + request("/large.bin")).end()
        for _ in range(3):
            assert wire.reply().text == "hello"
        assert len(wire.reply().body) == LARGE
        assert wire.at_end()


def test_half_close_at_once(large):
    with Wire(large) as wire:
        wire.end()
        assert wire.at_end()


def test_many_short_connections(large):
    for _ in range(2000):
        wire = Wire(large)
        wire.send(REQUEST)
        wire.reset()
    assert get(large, "/").text == "hello"


def test_orderly_end_among_the_dead(large):
    """SIGTERM with connections in every state: those that ask get their answers."""
    idle = [Wire(large) for _ in range(50)]
    half = [Wire(large).send(b"GET / HT") for _ in range(50)]
    reader, _ = Wire(large), large.send_signal(signal.SIGCONT)
    reader.send(request("/large.bin"))
    assert reader.head()[0] == 200
    large.send_signal(signal.SIGTERM)
    wait_for(lambda: not listens(large), what="the end of listening")
    assert len(reader.take(LARGE)) == LARGE
    for wire in idle:
        assert wire.at_end()
    for wire in half:
        wire.reset()
    assert large.wait() == 0
    for wire in [reader, *idle]:
        wire.socket.close()


def test_urgent_data(large):
    """Out-of-band bytes are nothing that HTTP knows."""
    with Wire(large) as wire:
        wire.socket.send(b"!", socket.MSG_OOB)
        wire.send(REQUEST)
        assert wire.reply().status in (200, 400)
