"""The limits of handshakes: their time, their number, and the memory of a client that makes the server
send and does not read."""

import signal
import socket
import time

import pytest

from conftest import wait_for
from secure import Handshake, Secured, authority, connect, fetch, pairs, secure
from wire import is_sanitized, request

HANDSHAKE_SECONDS = 10  # WEIR_TLS_HANDSHAKE_MS
HANDSHAKES_MAX = 1024  # WEIR_TLS_HANDSHAKES_MAX


def ended(raw, seconds):
    """Whether the server ends the connection within that time."""
    raw.settimeout(seconds)
    try:
        while raw.recv(65536):
            pass
    except socket.timeout:
        return False
    except ConnectionResetError:
        pass
    return True


def refuses(server):
    try:
        connect(server).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass
    return False


def test_slow_handshakes_time_out(secure, authority):
    """Clients that send nothing, that stop in the middle, and that send a byte a second."""
    server = secure("", "--workers", 1)
    silent, stopped, slow = connect(server), connect(server), connect(server)
    data = Handshake(authority).step()
    stopped.sendall(data[:100])
    begun = time.monotonic()
    slow.settimeout(1)
    for i in range(HANDSHAKE_SECONDS + 40):
        try:
            slow.sendall(data[i : i + 1])
            if not slow.recv(100):
                break
        except socket.timeout:
            continue
        except OSError:
            break
    assert HANDSHAKE_SECONDS - 1 < time.monotonic() - begun < HANDSHAKE_SECONDS + 40  # an idle connection has 60 s
    assert ended(silent, 30) and ended(stopped, 30)
    for raw in silent, stopped, slow:
        raw.close()
    assert server.stderr.count("failed: the handshake took too long") == 3
    assert fetch(server, authority) == "hello"


def test_more_handshakes_than_the_limit(secure, authority):
    """The oldest incomplete handshakes fail; clients that complete theirs are always served."""
    server = secure("", "--workers", 1)
    data = Handshake(authority).step()[:50]
    standing = Secured(server, authority)
    held = []
    for _ in range(HANDSHAKES_MAX + 200):
        raw = connect(server)
        raw.sendall(data)
        held.append(raw)
    assert fetch(server, authority) == "hello"
    assert standing.ask(request("/")).text == "hello"
    gone = set()

    def is_bounded():
        gone.update(raw for raw in held if raw not in gone and ended(raw, 0.0001))
        return len(gone) >= 200

    wait_for(is_bounded, what="the end of those beyond the limit")
    assert len(gone) <= 202
    assert "failed: too many handshakes at once" in server.stderr
    for raw in [standing.socket, *held]:
        raw.close()
    assert fetch(server, authority) == "hello"


def test_memory_of_handshakes_is_given_back(secure, authority):
    server = secure("", "--workers", 1)
    data = Handshake(authority).step()
    sizes = []  # the first ones depend on how many handshakes are under way at a time
    for _ in range(6):
        held = []
        for _ in range(300):
            raw = connect(server)
            raw.sendall(data)
            held.append(raw)
        fetch(server, authority)
        for raw in held:
            raw.close()
        wait_for(lambda: server.open_files()[0] < 50, what="the end of the connections")
        sizes.append(server.memory_kb())
    if not is_sanitized(server):
        assert sizes[-1] - max(sizes[:-1]) < 2000, sizes


def test_idle_connections_end(secure, authority):
    server = secure(more="limits: {idle: 500ms}\n")
    with Secured(server, authority) as client:
        assert client.ask(request("/")).text == "hello"
        begun = time.monotonic()
        assert client.socket.recv(1) == b""  # with close_notify
        assert time.monotonic() - begun < 50  # by default it is 60 s


def test_no_progress_ends(secure, authority, site):
    (site / "large.bin").write_bytes(bytes(20_000_000))
    server = secure("", "--workers", 1, more="limits: {progress: 500ms}\n")
    client = Secured(server, authority, window=4096)
    client.send(request("/large.bin"))
    sockets = server.open_files()[0]
    wait_for(lambda: server.open_files()[0] < sockets, what="the end of who does not read")
    client.socket.close()
    assert fetch(server, authority) == "hello"


@pytest.mark.parametrize("limit", [4])
def test_connections_are_limited(secure, authority, limit):
    """Connections in the kernel's queue get their handshake when there is room."""
    server = secure("", "--workers", 1, more=f"limits: {{connections: {limit}}}\n")
    held = [Secured(server, authority) for _ in range(limit)]
    for client in held:
        assert client.ask(request("/")).text == "hello"
    waiting = connect(server)
    assert not ended(waiting, 0.3)
    waiting.close()
    held.pop().socket.close()
    assert fetch(server, authority) == "hello"
    for client in held:
        client.socket.close()


def test_drain_does_not_wait_for_who_says_nothing(secure, authority):
    server = secure("", "--workers", 1)
    silent, done = connect(server), Secured(server, authority)
    fetch(server, authority)
    started = time.monotonic()
    server.send_signal(signal.SIGTERM)
    assert server.wait() == 0
    assert time.monotonic() - started < 25  # the drain has 30 s
    assert "handshake" not in server.stderr
    for raw in silent, done.socket:
        raw.close()


def test_drain_finishes_handshakes(secure, authority):
    """A request in the last bytes before an alert is answered; then the connection ends."""
    server = secure("", "--workers", 1)
    client = Handshake(authority)
    with connect(server) as raw:
        raw.sendall(client.step())
        client.incoming.write(raw.recv(65536))
        server.send_signal(signal.SIGTERM)
        wait_for(lambda: refuses(server), what="the end of listening")
        assert server.process.poll() is None
        words = client.step()
        assert client.done
        raw.sendall(words + client.say(request("/")))
        assert b"hello" in client.hear(raw)
        assert client.hear(raw) == b""
    assert server.wait() == 0
