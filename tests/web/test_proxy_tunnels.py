"""Connections through the proxy that change to another protocol."""

import base64
import hashlib
import threading
import time

import pytest

from frames import DATA, END_HEADERS, END_STREAM, HEADERS, Client, frame, u32
from proxying import logged, proxied, upstream
from wire import Wire, is_sanitized, request

WEBSOCKET = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
SWITCHED = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def test_a_tunnel(proxied, upstream):
    def talk(exchange):
        assert exchange.fields["upgrade"] == "websocket"
        assert exchange.fields["x-forwarded-for"] == "127.0.0.1"
        exchange.send(SWITCHED + b"welcome")
        while data := exchange.kept or exchange.more():
            exchange.kept = b""
            exchange.send(data.upper())
        return True

    upstream.replies["/talk"] = talk
    with Wire(proxied) as wire:
        wire.send(request("/talk", *WEBSOCKET))
        status, fields = wire.head()
        assert (status, fields["upgrade"], fields["connection"]) == (101, ["websocket"], ["Upgrade"])
        assert wire.take(7) == b"welcome"
        for size in 1, 100, 1 << 20:
            text = b"a" * size
            threading.Thread(target=wire.send, args=(text,)).start()
            assert wire.take(size) == text.upper()
        wire.end()
        assert wire.rest() == b""
    assert " 101 " in logged(proxied, "/talk")


def test_a_tunnel_that_stalls_stops_its_other_side(proxied, upstream):
    def pour(exchange):
        exchange.send(SWITCHED)
        exchange.connection.settimeout(1)
        try:
            while True:
                exchange.send(bytes(1 << 20))
        except TimeoutError:
            pass
        return True

    upstream.replies["/pour"] = pour
    before = proxied.memory_kb()
    with Wire(proxied) as wire:
        wire.send(request("/pour", *WEBSOCKET))
        assert wire.head()[0] == 101
        time.sleep(1.5)
        assert proxied.memory_kb() < before + 4096 * (8 if is_sanitized(proxied) else 1)


# -- by HTTP/2 (RFC 8441) --------------------------------------------------------------------------


def accept_value(exchange):
    """The answer to the key of the request, which the proxy has made."""
    key = exchange.fields["sec-websocket-key"]
    assert len(base64.b64decode(key)) == 16 and exchange.names.count("sec-websocket-key") == 1
    text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    return base64.b64encode(hashlib.sha1(text.encode()).digest())


def connect(client, stream, path, *fields, protocol="websocket"):
    """Extended CONNECT; the status of the reply and its fields."""
    fields = [("sec-websocket-version", "13"), *fields]
    client.ask(stream, END_HEADERS, fields, method="CONNECT", path=path, protocol=protocol)
    client.until(lambda kind, _, number, __: (kind, number) == (HEADERS, stream))
    fields = dict(client.head)
    return fields.pop(":status"), fields


def test_a_tunnel_from_http_2(proxied, upstream):
    def talk(exchange):
        assert exchange.method == "GET" and exchange.fields["upgrade"] == "websocket"
        assert exchange.fields["sec-websocket-version"] == "13"
        assert not {"content-length", "transfer-encoding"} & set(exchange.names)
        accept = b"Sec-WebSocket-Accept: " + accept_value(exchange)
        exchange.send(SWITCHED[:-2] + accept + b"\r\nSec-WebSocket-Protocol: chat\r\n\r\nwelcome")
        while data := exchange.kept or exchange.more():
            exchange.kept = b""
            exchange.send(data.upper())
        return True

    upstream.replies["/talk2"] = talk
    with Client(proxied.port) as client:
        client.acknowledge()
        # A key of the client's own means nothing.
        status, fields = connect(client, 1, "/talk2", ("sec-websocket-key", "x"))
        assert status == "200" and fields["sec-websocket-protocol"] == "chat"
        assert not {"sec-websocket-accept", "upgrade", "connection"} & set(fields)

        def take(size):
            data = b""
            while len(data) < size:
                got = client.until(lambda kind, _, number, __: (kind, number) == (DATA, 1))
                data += got[3]
                client.send(frame(8, 0, 0, u32(len(got[3]))), frame(8, 0, 1, u32(len(got[3]))))
            return data

        assert take(7) == b"welcome"
        for size in 1, 100, 16384:
            client.send(frame(DATA, 0, 1, b"a" * size))
            assert take(size) == b"A" * size
        client.send(frame(DATA, END_STREAM, 1))
        ended = client.until(lambda kind, flags, number, _: (kind, number) == (DATA, 1) and flags & END_STREAM)
        assert ended and client.is_alive()
    assert "HTTP/2.0\" 200 " in logged(proxied, "/talk2")


@pytest.mark.parametrize("answers", [True, False])
def test_a_client_may_end_its_side_first(proxied, upstream, answers):
    """Chromium does so with its Close frame. A server that does not answer is waited for, for a moment."""

    def hesitate(exchange):
        exchange.send(SWITCHED[:-2] + b"Sec-WebSocket-Accept: " + accept_value(exchange) + b"\r\n\r\n")
        assert exchange.take(3) == b"bye"
        if answers:
            time.sleep(0.2)
            exchange.send(b"answer")
        return answers or exchange.more() == b""

    upstream.replies["/hesitate2"] = hesitate
    with Client(proxied.port) as client:
        client.acknowledge()
        assert connect(client, 1, "/hesitate2")[0] == "200"
        client.send(frame(DATA, END_STREAM, 1, b"bye"))
        assert client.reply(1)[2] == (b"answer" if answers else b"")
        assert client.is_alive()


@pytest.mark.parametrize(
    "accept,status",
    [(b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", "502"), (b"", "502")],
)
def test_a_wrong_answer_to_the_key_is_no_tunnel(proxied, upstream, accept, status):
    upstream.replies["/wrong2"] = (SWITCHED[:-2] + accept + b"\r\n", "close")
    with Client(proxied.port) as client:
        client.acknowledge()
        assert connect(client, 1, "/wrong2")[0] == status
        assert client.is_alive()


@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
def test_a_reply_that_is_no_upgrade_is_no_tunnel_either(proxied, upstream, protocol):
    upstream.replies["/plain2"] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain"
    upstream.replies["/forbidden2"] = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    with Client(proxied.port) as client:
        client.acknowledge()
        assert connect(client, 1, "/plain2", protocol=protocol)[0] == "501"
        assert connect(client, 3, "/forbidden2", protocol=protocol)[0] == "403"
        assert client.is_alive()
