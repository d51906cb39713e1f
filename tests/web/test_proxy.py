"""The reverse proxy of the daemon: what passes, in both directions, and clients that leave."""

import re
import socket
import threading

import pytest

from conftest import wait_for
from frames import DATA, END_HEADERS, END_STREAM, HEADERS, Client, frame
from proxying import logged, metrics, proxied, upstream
from upstream import CHUNKED, ok
from wire import Wire, get, is_sanitized, request


# -- what passes -----------------------------------------------------------------------------------


def test_a_request_and_its_reply(proxied, upstream):
    upstream.replies["/hello"] = ok(b"hello", b"Server: app", b"X-A: b")
    reply = get(proxied, "/hello?a=b", "User-Agent: test", "Host: www.example")
    assert (reply.status, reply.text, reply["server"], reply["x-a"]) == (200, "hello", "app", "b")
    seen = upstream.requests[-1]
    assert seen.target == "/hello?a=b"
    assert seen.fields["host"] == seen.fields["x-forwarded-host"] == "www.example"
    assert seen.fields["x-forwarded-for"] == "127.0.0.1"
    assert seen.fields["x-forwarded-proto"] == "http"
    assert re.fullmatch("1.1 weir-[0-9a-f]{16}", seen.fields["via"])
    assert re.fullmatch("[0-9a-f]{16}", seen.fields["x-request-id"])
    assert "connection" not in seen.fields
    line = logged(proxied, "/hello?a=b")
    assert re.search(rf' upstream="{re.escape(upstream.url)}" upstream_ms=\d+$', line), line


def test_paths_and_sites(proxied, upstream):
    def ask(path):
        return get(proxied, path, "Host: files.example")

    assert ask("/").text == "a file"
    assert ask("/apiary").status == 404
    assert ask("/api/x/../y%20z?q").status == 200
    seen = upstream.requests[-1]
    assert seen.target == "/y%20z?q"
    assert seen.fields["host"] == f"127.0.0.1:{upstream.port}"
    assert seen.fields["forwarded"] == 'for=127.0.0.1;proto=http;host="files.example"'
    reply = get(proxied, "/api/x", "Host: files.example", method="PUT", body=b"x" * 11)
    assert reply.status == 413
    # A request for the files of a site without any.
    assert get(proxied, "*", method="OPTIONS").status == 404


def test_clients_that_lie_and_networks_that_are_trusted(proxied, upstream):
    lies = ["X-Forwarded-For: 192.0.2.1", "X_Forwarded_For: 192.0.2.1", "X-Request-ID: 1"]
    get(proxied, "/", "Forwarded: for=192.0.2.1", *lies)
    seen = upstream.requests[-1]
    assert seen.fields["x-forwarded-for"] == "127.0.0.1"
    assert seen.names.count("x-forwarded-for") == 1
    assert not {"forwarded", "x_forwarded_for"} & set(seen.names)
    assert seen.fields["x-request-id"] != "1"
    # All of the family, and not only those that are made anew.
    family = ["X-Forwarded-Port: 1", "X_Forwarded-Prefix: /evil", "X-Forwarded-Ssl: on", "X-Real-IP: 192.0.2.1"]
    get(proxied, "/", *family)
    made = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"}
    assert {name for name in upstream.requests[-1].names if "orwarded" in name or "real" in name} == made
    get(proxied, "/trusting", "Host: files.example", *family)
    assert {"x-forwarded-port", "x-forwarded-ssl", "x-real-ip"} <= set(upstream.requests[-1].names)
    get(proxied, "/trusting", "Host: files.example", *lies, "X-Forwarded-Proto: https")
    seen = upstream.requests[-1]
    assert seen.fields["x-forwarded-for"] == "192.0.2.1, 127.0.0.1"
    assert seen.fields["x-forwarded-proto"] == "https"
    assert not {"x_forwarded_for", "via", "x-request-id"} & set(seen.names)


def test_bodies_in_both_directions(proxied, upstream):
    def echo(exchange):
        body = exchange.body()
        exchange.send(CHUNKED + b"%x\r\n" % len(body) + body + b"\r\n0\r\nDigest: d\r\n\r\n")

    upstream.replies["/echo"] = echo
    with Wire(proxied) as wire:
        wire.send(request("/echo", "TE: trailers", method="PUT", body=b"with a length"))
        assert wire.reply().text == "with a length"
        chunked = ["Transfer-Encoding: chunked", "TE: trailers"]
        wire.send(request("/echo", *chunked, method="POST"))
        wire.send(b"4\r\nin a\r\n6;x=y\r\n chunk\r\n0\r\nX-T: 1\r\n\r\n")
        assert wire.reply().text == "in a chunk"
        assert upstream.requests[-1].trailers == [b"X-T: 1"]
        # Some servers merge trailers with the head: what frames, routes or describes is none.
        wire.send(request("/echo", *chunked, method="POST"))
        wire.send(b"1\r\na\r\n0\r\nX-Forwarded-For: 192.0.2.1\r\nHost: evil\r\nContent-Length: 9\r\nX-T: 2\r\n\r\n")
        assert wire.reply().text == "a"
        assert upstream.requests[-1].trailers == [b"X-T: 2"]
        assert wire.ask(request("/echo", method="HEAD"), "HEAD").body == b""


@pytest.mark.parametrize("direction", ["up", "down"])
def test_large_bodies_in_constant_memory(proxied, upstream, direction):
    size, piece = 200 << 20, bytes(1 << 20)

    def swallow(exchange):
        left = size - len(exchange.kept)
        while left > 0:
            left -= len(exchange.connection.recv(1 << 20))
        exchange.kept = b""
        exchange.send(ok())

    def pour(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // len(piece)):
            exchange.send(piece)

    upstream.replies["/up"], upstream.replies["/down"] = swallow, pour
    before = proxied.memory_kb()
    with Wire(proxied) as wire:
        if direction == "up":
            wire.send(request("/up", f"Content-Length: {size}", method="PUT"))
            for _ in range(size // len(piece)):
                wire.send(piece)
            assert wire.reply().status == 200
        else:
            wire.send(request("/down"))
            status, fields = wire.head()
            assert (status, fields["content-length"]) == (200, [str(size)])
            left = size - len(wire.kept)
            while left > 0:
                left -= len(wire.socket.recv(1 << 20))
    assert proxied.memory_kb() < before + 8192 * (8 if is_sanitized(proxied) else 1)


def test_events_pass_at_once(proxied, upstream):
    more = threading.Event()

    def events(exchange):
        exchange.send(CHUNKED + b"9\r\ndata: 1\n\n\r\n")
        more.wait(30)
        exchange.send(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")

    upstream.replies["/events"] = events
    with Wire(proxied) as wire:
        wire.send(request("/events"))
        wire.head()
        assert (wire.line(), wire.take(11)) == (b"9", b"data: 1\n\n\r\n")
        more.set()
        assert wire.chunks() == b"data: 2\n\n"


def test_interim_replies(proxied, upstream):
    def hints(exchange):
        exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        if "expect" in exchange.fields:
            exchange.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        exchange.send(ok(exchange.body()))

    upstream.replies["/hints"] = hints
    with Wire(proxied) as wire:
        early = wire.ask(request("/hints"))
        assert (early.status, early["link"]) == (103, "</a>")
        assert wire.reply().status == 200
        wire.send(request("/hints", "Expect: 100-continue", "Content-Length: 2", method="PUT"))
        assert {wire.reply().status, wire.reply().status} == {100, 103}
        assert wire.send(b"hi").reply().text == "hi"
    with Wire(proxied) as wire:  # HTTP/1.0 has no interim replies
        assert wire.ask(request("/hints", version="HTTP/1.0")).status == 200


def test_requests_and_interim_replies_of_http2(proxied, upstream):
    def hints(exchange):
        exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n")
        exchange.send(ok(exchange.body()))

    upstream.replies["/hints2"] = hints
    with Client(proxied.port) as client:
        client.ask(1, flags=END_HEADERS, method="POST", path="/hints2")
        client.send(frame(DATA, 0, 1, b"h"), frame(DATA, END_STREAM, 1, b"i"))
        early = []
        for _ in range(2):
            client.until(lambda kind, *_: kind == HEADERS)
            early.append(client.head)
        assert early == [{":status": "103", "link": "</a>"}, {":status": "102"}]
        status, fields, body = client.reply(1)
        assert (status, body) == (200, b"hi")
        assert upstream.requests[-1].fields["host"] == f"127.0.0.1:{proxied.port}"


# -- clients that leave ----------------------------------------------------------------------------


def test_a_client_that_leaves_ends_the_upstreams_request(proxied, upstream):
    ended = threading.Event()

    def endless(exchange):
        try:
            exchange.send(CHUNKED)
            while True:
                exchange.send(b"3e8\r\n" + bytes(1000) + b"\r\n")
        except OSError:
            ended.set()
            raise

    upstream.replies["/endless"] = endless
    with Wire(proxied) as wire:
        wire.send(request("/endless"))
        wire.head()
    assert ended.wait(30)
    wait_for(
        lambda: metrics(proxied)['weir_proxy_requests_total{upstream="app",result="gone"}'] >= 1,
        what="the request to be counted",
    )
    assert metrics(proxied)['weir_proxy_requests_in_flight{upstream="app"}'] == 0


def ends_with_the_proxy(upstream, path):
    """The upstream never replies for the path; the event is set when its connection ends."""
    ended = threading.Event()

    def wait(exchange):
        exchange.body()
        try:
            exchange.connection.settimeout(30)
            ended_by_proxy = exchange.connection.recv(1) == b""
        except ConnectionResetError:
            ended_by_proxy = True
        if ended_by_proxy:
            ended.set()
        return True

    upstream.replies[path] = wait
    return ended


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_client_that_resets_its_connection_has_gone(proxied, upstream, method):
    path = f"/reset/{method}"
    ended = ends_with_the_proxy(upstream, path)
    with Wire(proxied) as wire:
        wire.send(request(path, method=method, body=b"hello" if method == "POST" else b""))
        wait_for(lambda: any(seen.path == path for seen in upstream.requests), what="the request")
        wire.reset()
        assert ended.wait(30)
    assert " 499 " in logged(proxied, path)


@pytest.mark.parametrize("how", ["GET", "POST", "HTTP/1.0", "two", "at once", "large"])
def test_a_client_that_closes_its_side_gets_its_reply(proxied, upstream, how):
    """The reply begins after the end of its input."""
    go_on, path = threading.Event(), f"/half/{how.replace(' ', '-').replace('/', '')}"
    body = b"late" * (500_000 if how == "large" else 1)

    def late(exchange):
        exchange.body()
        go_on.wait(30)
        exchange.send(ok(body))

    upstream.replies[path] = late
    with Wire(proxied) as wire:
        posted = {"method": "POST", "body": b"hello"} if how == "POST" else {}
        version = "HTTP/1.0" if how == "HTTP/1.0" else "HTTP/1.1"
        count = 2 if how == "two" else 1
        wire.send(request(path, version=version, **posted) * count)
        if how != "at once":
            wait_for(lambda: any(seen.path == path for seen in upstream.requests), what="the request")
        wire.end()
        # The proxy sees the end of the input before this request, which comes later.
        get(proxied, "/")
        go_on.set()
        for _ in range(count):
            assert wire.reply().body == body
        assert wire.at_end()
    assert " 200 " in logged(proxied, path)


@pytest.mark.parametrize(
    "how", ["GET", "a GET behind another", "POST", "Connection: close", "HTTP/1.0", "a half"]
)
def test_a_client_that_does_not_wait_for_its_reply(proxied, upstream, how):
    """With `abort-on-close` the end of its input ends the request."""
    path = f"/waits/{how.replace(' ', '-').replace(':', '')}"
    ended = ends_with_the_proxy(upstream, path)
    before = len(upstream.requests)
    with Wire(proxied) as wire:
        if how == "a GET behind another":
            wire.ask(request("/"))
        wire.send(
            request(path, method="POST", body=b"hello")
            if how == "POST"
            else request(path, version="HTTP/1.0")
            if how == "HTTP/1.0"
            else request(path, *(["Connection: close"] if how == "Connection: close" else []))
        )
        wait_for(lambda: any(seen.path == path for seen in upstream.requests[before:]), what="the request")
        if how == "a half":
            wire.end()
            ended.wait(30)
    assert ended.wait(30)
    assert " 499 " in logged(proxied, path)


def test_a_client_that_closes_its_side_within_the_reply_gets_all(proxied, upstream):
    begun, go_on = threading.Event(), threading.Event()

    def in_two_parts(exchange):
        exchange.body()
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
        begun.set()
        go_on.wait(30)
        exchange.send(b"def")

    upstream.replies["/parts"] = in_two_parts
    for method in "GET", "POST":
        begun.clear(), go_on.clear()
        with Wire(proxied) as wire:
            wire.send(request("/parts", method=method, body=b"x" if method == "POST" else b""))
            assert wire.head()[0] == 200
            wire.end()
            go_on.set()
            assert wire.rest() == b"abcdef"
