"""Records and handshakes that no well-behaved client sends, by the byte. Each costs its own
connection, gets an alert where TLS has one, and is logged if it was a handshake."""

import os
import random
import re
import socket
import ssl
import struct
import time

import pytest

from conftest import wait_for
from secure import Handshake, authority, connect, context_for, fetch, pairs, secure
from wire import request

HANDSHAKE, ALERT, CHANGE_CIPHER, DATA = 22, 21, 20, 23
TLS12 = 0x0303
REQUEST = request("/", "Connection: close")


def record(kind, body, version=TLS12):
    return struct.pack("!BHH", kind, version, len(body)) + body


def hello(authority, **options):
    """A ClientHello, as one record."""
    return Handshake(authority, context=context_for(authority, **options)).step()


@pytest.fixture
def one(secure, hostile):
    """A server with one worker."""
    server = secure("", "--workers", 1)
    server.get = lambda *_, **__: type("Reply", (), {"status": 200})  # hostile() speaks no TLS
    return hostile(server)


def outcome(raw):
    """The server's output up to its end: the number of an alert in clear, REFUSED, or the bytes."""
    heard = b""
    try:
        while data := raw.recv(65536):
            heard += data
    except ConnectionResetError:
        return heard or "reset"
    if b"This port speaks HTTPS" in heard:
        return REFUSED
    alerts = re.search(rb"\x15\x03.\x00\x02\x02(.)", heard, re.S)
    return alerts[1][0] if alerts else heard


def attack(server, data, step=None):
    with connect(server) as raw:
        try:
            for at in range(0, len(data), step or len(data)):
                raw.sendall(data[at : at + (step or len(data))])
            raw.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return outcome(raw)


def failures(server):
    return re.findall(r"^weir: the TLS handshake of \S+ with \S+ failed: (.*) \(session \w{16}\)$", server.stderr, re.M)


UNEXPECTED, OVERFLOW, HANDSHAKE_FAILURE, ILLEGAL, DECODE, VERSION = 10, 22, 40, 47, 50, 70
REFUSED = "400"  # in clear: what does not begin with a handshake is no TLS


def cases(authority):
    """{name: (bytes, the alerts that it may get, or nothing)}"""
    good = hello(authority)
    body = good[5:]
    return {
        "garbage": (b"\x80\x99garbage" * 100, {REFUSED}),
        "zeros": (bytes(1000), {REFUSED}),
        "ones": (b"\xff" * 1000, {REFUSED}),
        "a wrong type": (record(99, body), {REFUSED}),
        "data first": (record(DATA, b"GET / HTTP/1.1\r\n\r\n"), {REFUSED}),
        "an alert first": (record(ALERT, b"\x02\x28"), {REFUSED}),
        "a warning first": (record(ALERT, b"\x01\x5a") * 20, {REFUSED}),
        "many warnings": (record(ALERT, b"\x01\x5a") * 5000, {REFUSED}),
        "ChangeCipherSpec first": (record(CHANGE_CIPHER, b"\x01"), {REFUSED}),
        "a wrong version": (record(HANDSHAKE, body, 0x0500), {VERSION, b""}),
        "SSL 2": (b"\x80\x2e\x01\x00\x02" + bytes(41), {REFUSED}),
        "SSL 3": (record(HANDSHAKE, body[:4] + b"\x03\x00" + body[6:], 0x0300), {VERSION, HANDSHAKE_FAILURE, DECODE}),
        "an empty record": (record(HANDSHAKE, b""), {UNEXPECTED, b""}),
        "many empty records": (record(HANDSHAKE, b"") * 5000, {UNEXPECTED, "reset"}),
        "an oversized record": (struct.pack("!BHH", HANDSHAKE, TLS12, 16385) + bytes(16385), {OVERFLOW}),
        "the largest length": (struct.pack("!BHH", HANDSHAKE, TLS12, 65535) + bytes(70000), {OVERFLOW}),
        "a message too large": (record(HANDSHAKE, b"\x01\xff\xff\xff" + bytes(16000)), None),
        "a ServerHello": (record(HANDSHAKE, b"\x02" + body[1:]), {UNEXPECTED}),
        "a wrong length in it": (record(HANDSHAKE, body[:38] + b"\xff" + body[39:]), {DECODE, ILLEGAL}),
        "cut extensions": (record(HANDSHAKE, b"\x01\0\0\x50" + body[4 : 4 + 0x50]), {DECODE}),
        "two of them": (good + good, None),
    }


NAMES = [
    *["garbage", "zeros", "ones", "a wrong type", "data first", "an alert first", "a warning first"],
    *["many warnings", "ChangeCipherSpec first", "a wrong version", "SSL 2", "SSL 3"],
    *["an empty record", "many empty records", "an oversized record", "the largest length"],
    *["a message too large", "a ServerHello", "a wrong length in it", "cut extensions", "two of them"],
]


@pytest.mark.parametrize("step", [None, 7], ids=["whole", "in pieces"])
@pytest.mark.parametrize("what", NAMES)
def test_bad_beginnings(one, authority, what, step):
    data, alerts = cases(authority)[what]
    if step and len(data) > 2000:
        step = 1000
    heard = attack(one, data, step)
    assert not alerts or heard in alerts or (heard == "reset" and len(data) > 1000)
    assert alerts or heard != REFUSED
    wait_for(lambda: len(failures(one)) == 1, what="the line in the log")
    assert fetch(one, authority) == "hello"
    assert len(failures(one)) == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_byte_by_byte(one, authority, version):
    """The whole conversation, a byte a packet."""
    context = context_for(authority, minimum_version=version, maximum_version=version)
    client = Handshake(authority, context=context)
    with connect(one) as raw:

        def trickle(data):
            for i in range(len(data)):
                raw.sendall(data[i : i + 1])

        client.run(raw, trickle)
        trickle(client.say(request("/")))
        assert b"hello" in client.hear(raw)
        trickle(client.say(request("/")))
        assert b"hello" in client.hear(raw)
    assert failures(one) == []


def test_a_hello_in_many_records(one, authority):
    """A handshake message may be spread over records as one likes."""
    client = Handshake(authority)
    with connect(one) as raw:
        body = client.step()[5:]
        raw.sendall(b"".join(record(HANDSHAKE, body[i : i + 1], 0x0301) for i in range(len(body))))
        client.run(raw, raw.sendall)
        raw.sendall(client.say(REQUEST))
        assert b"hello" in client.hear(raw)


def test_cut_anywhere(one, authority):
    """A client that closes after any number of bytes of its hello: the log has a line for each, except for
    one that has sent nothing."""
    data = hello(authority)
    places = [*range(0, 12), *range(12, len(data), 41)]
    for place in places:
        with connect(one) as raw:
            raw.sendall(data[:place])
            raw.shutdown(socket.SHUT_WR)
            outcome(raw)
    assert fetch(one, authority) == "hello"
    told = failures(one)
    more = re.findall(r"^weir: (\d+) more TLS handshakes failed", one.stderr, re.M)
    assert 18 <= len(told) + sum(map(int, more)) <= len(places)


def test_gone_in_the_middle(one, authority):
    """After the server's answer, in order and by reset."""
    for reset in False, True:
        for _ in range(5):
            client = Handshake(authority)
            with connect(one) as raw:
                raw.sendall(client.step())
                assert raw.recv(65536)
                if reset:
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_for(lambda: len(failures(one)) == 10, what="ten lines")
    assert fetch(one, authority) == "hello"


def established(server, authority, raw, **options):
    client = Handshake(authority, context=context_for(authority, **options))
    client.run(raw, raw.sendall)
    return client


LATER = {
    "a damaged record": None,
    "plain text": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a record in clear": record(DATA, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 10),
    "a wrong type": record(99, bytes(100)),
    "an oversized record": struct.pack("!BHH", DATA, TLS12, 18500) + bytes(18500),
    "a record too small": record(DATA, bytes(5)),
    "an empty one in clear": record(DATA, b""),
    "garbage": os.urandom(5000),
}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("what", LATER)
def test_bad_records_later(one, authority, version, what):
    """Earlier requests are answered; then the connection ends, and no byte of the bad record is used."""
    data = LATER[what]
    with connect(one) as raw:
        client = established(one, authority, raw, minimum_version=version, maximum_version=version)
        raw.sendall(client.say(request("/")))
        assert b"hello" in client.hear(raw)
        if data is None:
            good = client.say(request("/"))
            data = good[:-1] + bytes([good[-1] ^ 1])
        raw.sendall(data)
        begun = time.monotonic()
        try:
            heard = client.hear(raw)
            assert heard == b"", heard
        except (ssl.SSLError, ConnectionResetError):
            pass
        assert time.monotonic() - begun < 50  # an idle connection has 60 s
    assert fetch(one, authority) == "hello"


@pytest.mark.parametrize("ask", [request("/"), b"GET / HT"])
def test_a_fatal_error_behind_data_ends_the_connection_at_once(one, authority, ask):
    """RFC 8446 6.2: also when both came together."""
    client = Handshake(authority)
    with connect(one) as raw:
        client.run(raw, raw.sendall)
        data, broken = client.say(ask), client.say(request("/"))
        raw.sendall(data + broken[:-1] + bytes([broken[-1] ^ 1]))
        begun = time.monotonic()
        try:
            while raw.recv(65536):
                pass
        except ConnectionResetError:
            pass
        assert time.monotonic() - begun < 50  # an idle connection has 60 s
    assert fetch(one, authority) == "hello"


def test_random_changes(one, authority):
    """Valid conversations with a byte or two changed anywhere, and cut anywhere."""
    chosen = random.Random(1)
    for _ in range(150):
        client = Handshake(authority)
        with connect(one) as raw:
            try:
                data = bytearray(client.step())
                for _ in range(chosen.choice((1, 1, 2, 5))):
                    data[chosen.randrange(len(data))] = chosen.randrange(256)
                raw.sendall(data[: chosen.choice((len(data), chosen.randrange(len(data))))])
                raw.shutdown(socket.SHUT_WR)
                outcome(raw)
            except OSError:
                pass
    assert fetch(one, authority) == "hello"


def test_a_flood_of_failures_is_counted(one, authority):
    """Twenty lines in a period, then how many more there were."""
    for _ in range(200):
        attack(one, b"\xff" * 50)
    assert fetch(one, authority) == "hello"
    assert len(failures(one)) == 20
    one.stop()
    more = re.findall(r"^weir: (\d+) more TLS handshakes failed$", one.stderr, re.M)
    assert sum(map(int, more)) == 180
