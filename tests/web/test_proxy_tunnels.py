"""Connections through the proxy that change to another protocol."""

import threading
import time

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
