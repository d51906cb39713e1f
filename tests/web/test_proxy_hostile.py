"""Upstreams that are hostile, slow or gone, and the ways in which proxies have been attacked."""

from proxying import logged, metrics, proxied, upstream
from upstream import CHUNKED, ok
from wire import Wire, get, request


# -- hostile upstreams -----------------------------------------------------------------------------

HOSTILE = {
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP/2": b"HTTP/2 200 OK\r\n\r\n",
    "LF for CRLF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "a stray CR": b"HTTP/1.1 200 OK\r\nA: b\rc: d\r\n\r\n",
    "a NUL": b"HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n",
    "a folded field": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
    "a space before the colon": b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "length and coding": CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    "an unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "a list of codings": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "101 that nobody asked for": b"HTTP/1.1 101 Up\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    "interim replies without end": b"HTTP/1.1 102 Wait\r\n\r\n" * 100,
    "a head of 1 MB": b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * (1 << 20) + b"\r\n\r\n",
    "a thousand fields": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000 + b"\r\n",
    "many names in Connection": b"HTTP/1.1 200 OK\r\nConnection: " + b"a," * 100 + b"a\r\n\r\n",
    "nothing": b"",
}


def test_hostile_heads_become_502(proxied, upstream):
    for name, reply in HOSTILE.items():
        path = f"/hostile/{name.replace(' ', '-')}"
        upstream.replies[path] = (reply, "close")
        with Wire(proxied) as wire:
            answer = wire.ask(request(path))
            while answer.status < 200:
                answer = wire.reply()
        assert answer.status == 502, name
        assert "upstream_error=" in logged(proxied, path), name
    values = metrics(proxied)
    assert values['weir_proxy_requests_total{upstream="app",result="failed"}'] >= len(HOSTILE)


def test_a_body_that_ends_early_ends_the_connection(proxied, upstream):
    bodies = {
        "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", b"123456789"),
        "chunks": (CHUNKED, b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"),
    }
    for name, (head, body) in bodies.items():
        for at in range(len(body)):
            path = f"/early/{name}/{at}"
            upstream.replies[path] = (head + body[:at], "close")
            with Wire(proxied) as wire:
                wire.send(request(path))
                assert wire.head()[0] == 200
                rest = wire.rest()
                if name == "chunks":
                    assert not rest.endswith(b"0\r\n\r\n"), at
                else:
                    assert rest == body[:at]
    path = "/early/chunks/3"
    assert "upstream_error=" in logged(proxied, path)


def test_malformed_chunks_end_the_connection(proxied, upstream):
    bad = [b"5\nhello\r\n0\r\n\r\n", b"5;a\nb\r\nhello\r\n0\r\n\r\n", b"x\r\n", b"5\r\nhelloX\r\n0\r\n\r\n"]
    bad += [b"-1\r\n", b"fffffffffffffffff\r\n", b"1\r\na\r\n0\r\nbad trailer\r\n\r\n"]
    for i, body in enumerate(bad):
        path = f"/chunks/{i}"
        upstream.replies[path] = (CHUNKED + body, "close")
        with Wire(proxied) as wire:
            wire.send(request(path))
            wire.head()
            assert not wire.rest().endswith(b"0\r\n\r\n"), body


def test_bytes_behind_a_reply_belong_to_none(proxied, upstream):
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    upstream.replies["/long"] = ok(b"good") + evil
    upstream.replies["/204"] = b"HTTP/1.1 204 No\r\n\r\n" + evil
    upstream.replies["/304"] = b"HTTP/1.1 304 Same\r\nContent-Length: 4\r\n\r\n" + evil
    upstream.replies["/next"] = ok(b"next")
    with Wire(proxied) as wire:
        for _ in range(3):
            assert wire.ask(request("/long")).text == "good"
            assert wire.ask(request("/204")).status == 204
            assert wire.ask(request("/304")).status == 304
            assert wire.ask(request("/long", method="HEAD"), "HEAD").status == 200
            assert wire.ask(request("/next")).text == "next"


def test_upstreams_that_are_late(proxied, upstream):
    def nothing(exchange):
        return not exchange.connection.recv(1)

    def stall(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        return not exchange.connection.recv(1)

    upstream.replies["/nothing"], upstream.replies["/stall"] = nothing, stall
    assert get(proxied, "/nothing").status == 504
    assert "upstream_error=" in logged(proxied, "/nothing")
    with Wire(proxied) as wire:
        wire.send(request("/stall"))
        assert wire.head()[0] == 200
        assert wire.rest() == b"abc"


# -- attacks on proxies ----------------------------------------------------------------------------


def test_no_tunnel_without_101(proxied, upstream):
    """Pingora, CVE-2026-2833: bytes behind a request with Upgrade are a request of their own, whatever
    the upstream replies."""
    upstream.replies["/ws"] = ok(b"no")
    before = len(upstream.requests)
    with Wire(proxied) as wire:
        wire.send(request("/ws", "Connection: Upgrade", "Upgrade: websocket"))
        wire.send(request("/admin", "X-Inner: 1"))
        assert wire.reply().text == "no"
        assert wire.reply().status == 200
    admin = next(seen for seen in upstream.requests[before:] if seen.path == "/admin")
    assert admin.fields["x-forwarded-for"] == "127.0.0.1"


def test_upgrade_with_a_body(proxied, upstream):
    """nghttpx, CVE-2026-58055: the body of a request with Upgrade is no request of a kept connection."""
    inner = request("/smuggled")
    before = len(upstream.requests)
    with Wire(proxied) as wire:
        upgrade = ["Connection: Upgrade", "Upgrade: websocket"]
        for method in "GET", "POST":
            wire.send(request("/ws", *upgrade, method=method, body=inner))
            assert wire.reply().status == 200
        assert wire.ask(request("/after")).status == 200
    seen = upstream.requests[before:]
    assert [each.path for each in seen] == ["/ws", "/ws", "/after"]
    assert not any("upgrade" in each.fields for each in seen)


def test_malformed_requests_reach_no_upstream(proxied, upstream):
    """LF in chunk extensions (Kestrel, CVE-2025-55315), lists and duplicates in Transfer-Encoding, CR LF
    that is escaped in a path, and their like."""
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    te, cl = "Transfer-Encoding: chunked", "Content-Length: 5"
    cases = [
        request("/x", te, "Transfer-Encoding: chunked", method="POST") + b"0\r\n\r\n",
        request("/x", "Transfer-Encoding: chunked, identity", method="POST") + b"0\r\n\r\n",
        request("/x", "Transfer-Encoding: identity, chunked", method="POST") + b"0\r\n\r\n",
        request("/x", "Transfer-Encoding: xchunked", method="POST") + b"0\r\n\r\n",
        request("/x", te, cl, method="POST") + b"0\r\n\r\n",
        request("/x", cl, "Content-Length: 6", method="POST") + b"hello",
        b"GET /x HTTP/1.1\r\nHost: a\r\nX: y\nX-Evil: 1\r\n\r\n",
    ]
    before = len(upstream.requests)
    for case in cases:
        with Wire(proxied) as wire:
            assert wire.send(case + smuggled).reply().status in (400, 501), case
    for path in "/x%0d%0aX-Evil:%201", "/x%00", "/a/%2fb", "/../x":
        assert get(proxied, path).status == 400, path
    assert [seen.target for seen in upstream.requests[before:]] == []
    # The head was passed on already: the upstream's request must not be completed.
    with Wire(proxied) as wire:
        wire.send(request("/lf", te, method="POST") + b"2;\nxx\r\n0\r\n\r\n" + smuggled)
        assert wire.reply().status == 400
    assert not any(seen.path == "/smuggled" for seen in upstream.requests)


def test_an_early_reply(proxied, upstream):
    """A reply that comes before the end of the body: the rest of it is no request, for neither side."""

    def refuse(exchange):
        exchange.send(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno")

    upstream.replies["/refuse"] = refuse
    inner = request("/smuggled")
    before = len(upstream.requests)
    with Wire(proxied) as wire:
        wire.send(request("/refuse", f"Content-Length: {len(inner)}", method="POST"))
        assert wire.reply().status == 413
        wire.send(inner + request("/after"))
        assert wire.reply().status == 200
    # A request of an earlier test may still come.
    seen = [each.path for each in upstream.requests[before:] if each.path != "/lf"]
    assert seen == ["/refuse", "/after"]
