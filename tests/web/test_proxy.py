"""The reverse proxy of the daemon: what passes, in both directions; upstreams that are hostile, slow or
gone; and the ways in which proxies have been attacked. Most cases share one server and one upstream."""

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest

from certificates import Authority
from conftest import wait_for
from frames import DATA, END_HEADERS, END_STREAM, HEADERS, Client, frame
from upstream import Upstream, ok
from wire import Wire, get, is_sanitized, request

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def upstream():
    server = Upstream()
    yield server
    server.close()


@pytest.fixture(scope="module")
def proxied(module_weir, upstream, tmp_path_factory):
    """A server of one worker that passes all on to `upstream`, with times of a second."""
    directory = tmp_path_factory.mktemp("proxied")
    (directory / "files").mkdir()
    (directory / "files" / "index.html").write_text("a file")
    (directory / "weir.yaml").write_text(
        f"""
listen: [{{http: 127.0.0.1:0}}]
workers: 1
http2: clear
access-log: access.log
admin: admin.sock
upstreams:
  - name: app
    servers: [{{url: '{upstream.url}'}}]
    head: 1s
    body: 1s
    failures: unlimited
    retries: 0
sites:
  - proxy: [{{path: /, to: app}}]
  - names: [files.example]
    root: files
    proxy:
      - {{path: /api, to: '{upstream.url}', strip: yes, host: upstream, forwarded: both, max-size: 10}}
      - {{path: /trusting, to: app, trusted: [127.0.0.0/8], via: no, request-id: no}}
"""
    )
    server = module_weir("-c", directory / "weir.yaml", cwd=directory)
    server.log = directory / "access.log"
    server.admin = directory / "admin.sock"
    return server


def logged(server, path):
    """The line of the access log of the only request for the path."""

    def find():
        lines = [line for line in server.log.read_text().splitlines() if f" {path} HTTP" in line]
        return lines[-1] if lines else None

    return wait_for(find, what=f"a line for {path}")


def metrics(server):
    with socket.socket(socket.AF_UNIX) as admin:
        admin.connect(str(server.admin))
        admin.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = b""
        while data := admin.recv(1 << 16):
            text += data
    pairs = [line.rsplit(" ", 1) for line in text.decode().splitlines() if line.startswith("weir_")]
    return {name: float(value) for name, value in pairs}


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
    assert seen.fields["via"] == "1.1 weir"
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
        early = [client.until(lambda kind, *_: kind == HEADERS) for _ in range(2)]
        fields = [dict(client.decoder.decode(payload)) for *_, payload in early]
        assert fields == [{":status": "103", "link": "</a>"}, {":status": "102"}]
        status, fields, body = client.reply(1)
        assert (status, body) == (200, b"hi")
        assert upstream.requests[-1].fields["host"] == f"127.0.0.1:{proxied.port}"



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
    assert [seen.path for seen in upstream.requests[before:]] == ["/refuse", "/after"]


# -- tunnels ---------------------------------------------------------------------------------------

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


# -- groups ----------------------------------------------------------------------------------------


def test_an_upstream_that_dies_is_not_noticed(configured, tmp_path):
    """Retries on connections that have just closed, and on upstreams that are gone."""
    servers = [Upstream(), Upstream()]
    server = configured(
        f"""
workers: 1
access-log: access.log
upstreams:
  - name: app
    servers: [{{url: '{servers[0].url}'}}, {{url: '{servers[1].url}', weight: 2}}]
    balance: round-robin
    failures: 2
sites: [{{proxy: [{{to: app}}]}}]
"""
    )
    # An upstream that closes each connection behind its reply, without a word in its head.
    servers[0].replies["/"] = (ok(b"0"), "close")
    servers[1].replies["/"] = ok(b"1")
    with Wire(server) as wire:
        texts = [wire.ask(request("/")).text for _ in range(30)]
        assert (texts.count("0"), texts.count("1")) == (10, 20)
        servers[0].close()
        assert {wire.ask(request("/")).text for _ in range(10)} == {"1"}
        servers[1].close()
    log = tmp_path / "access.log"
    wait_for(lambda: "upstream_retries=1" in log.read_text(), what="a retry in the log")


def test_unix_sockets_and_tls(configured, tmp_path, weir):
    authority = Authority(tmp_path)
    chain, key = authority.sign("localhost", ["localhost", "127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    by_path = Upstream(path=tmp_path / "app.sock")
    by_tls = Upstream(context=context)
    server = configured(
        f"""
workers: 1
access-log: access.log
upstreams:
  - {{name: known, servers: [{{url: '{by_tls.url}'}}], ca: {authority.path}}}
  - {{name: unknown, servers: [{{url: '{by_tls.url}'}}]}}
  - {{name: anyone, servers: [{{url: '{by_tls.url}'}}], verify: no}}
sites:
  - proxy:
      - {{path: /known, to: known}}
      - {{path: /unknown, to: unknown}}
      - {{path: /anyone, to: anyone}}
      - {{to: '{by_path.url}'}}
"""
    )
    assert get(server, "/unix").status == 200
    assert by_path.requests[0].fields["host"] == "a"
    large = bytes(1 << 20)
    by_tls.replies["/known"] = lambda exchange: exchange.send(ok(exchange.body()))
    assert get(server, "/known", method="PUT", body=large).body == large
    assert get(server, "/anyone").status == 200
    assert get(server, "/unknown").status == 502
    server.log = tmp_path / "access.log"
    assert "certificate" in logged(server, "/unknown")


def test_separated_privileges(configured, tmp_path):
    """The confined process may connect to upstreams, by TCP and by Unix sockets."""
    by_path, by_port = Upstream(path=tmp_path / "app.sock"), Upstream()
    os.chmod(tmp_path / "app.sock", 0o777)
    server = configured(
        f"""
workers: 1
sites:
  - proxy:
      - {{path: /tcp, to: '{by_port.url}'}}
      - {{to: '{by_path.url}'}}
""",
        "--privilege-separation",
    )
    assert get(server, "/unix").status == 200, server.stderr
    assert get(server, "/tcp").status == 200, server.stderr


def test_a_reload_leaves_requests_alone(configured, tmp_path):
    upstream, go = Upstream(), threading.Event()

    def slow(exchange):
        go.wait(30)
        exchange.send(ok(b"old"))

    upstream.replies["/slow"] = slow
    text = f"workers: 1\nsites: [{{proxy: [{{to: '{upstream.url}'}}]}}]\n"
    server = configured(text)
    with Wire(server) as wire:
        wire.send(request("/slow"))
        wait_for(lambda: upstream.requests, what="the request")
        config = tmp_path / "weir.yaml"
        config.write_text(config.read_text().replace("proxy:", "redirect: [{from: /new, to: /}], proxy:"))
        server.send_signal(signal.SIGHUP)
        wait_for(lambda: get(server, "/new").status == 301, what="the reload")
        go.set()
        assert wire.reply().text == "old"


def test_what_check_says(run, tmp_path):
    (tmp_path / "weir.yaml").write_text(
        """\
upstreams:
  - name: app
    servers: [{url: 'ftp://a'}, {url: 'http://a/path'}, {url: 'http://a', weight: 0}]
    balance: cookie
  - name: app
    servers: []
    ca: missing.pem
  - name: secure
    servers: [{url: 'https://a'}]
    ca: missing.pem
sites:
  - proxy: [{path: /a, to: nobody}]
  - names: [a]
    uploads: {}
    proxy: [{to: 'http://a', host: 'a b'}, {path: /x}, {to: app, forwarded: some}]
"""
    )
    expected = [
        (3, "'url' must be http://HOST:PORT, https://HOST:PORT or unix:/PATH, not 'ftp://a'"),
        (3, "'url' must be http://HOST:PORT, https://HOST:PORT or unix:/PATH, not 'http://a/path'"),
        (3, "'weight' must be from 1 to 1000, not 0"),
        (4, "'balance: cookie' needs 'key': the name of the cookie"),
        (5, "another entry of 'upstreams' has the name 'app' already"),
        (6, "'servers' is empty"),
        (7, "'ca' is not used: no server has a URL with https"),
        (10, "missing.pem: "),
        (12, "a site lacks 'root', or 'proxy' with the path /"),
        (12, "'to' must be the name of an entry of 'upstreams'"),
        (14, "'uploads' needs 'root'"),
        (15, "'host' must be client, upstream, or a name"),
        (15, "an entry of proxy lacks 'to'"),
        (15, "'forwarded' must be x, rfc7239, both or off, not 'some'"),
    ]
    result = run("check", "-c", "weir.yaml")
    assert result.returncode == 1
    for line, text in expected:
        pattern = rf"^weir\.yaml:{line}:\d+: .*{re.escape(text)}"
        assert re.search(pattern, result.stderr, re.M), (line, text, result.stderr)
    assert len(result.stderr.splitlines()) == len(expected), result.stderr


# -- real upstreams --------------------------------------------------------------------------------

NODE = """
const http = require('http');
http.createServer((request, response) => {
  if (request.url == '/echo') {
    response.writeHead(200, {'Content-Type': 'application/octet-stream'});
    request.pipe(response);
  } else if (request.url == '/events') {
    response.writeHead(200, {'Content-Type': 'text/event-stream'});
    response.write('data: 1\\n\\n');
  } else {
    response.setHeader('X-Host', request.headers.host);
    response.end(JSON.stringify(request.headers));
  }
}).listen(process.argv[2]);
"""


def test_node(configured, tmp_path):
    (tmp_path / "app.js").write_text(NODE)
    path = tmp_path / "node.sock"
    node = subprocess.Popen(["node", tmp_path / "app.js", path], stdin=subprocess.DEVNULL)
    try:
        wait_for(path.exists, what="the start of Node")
        server = configured(
            f"workers: 1\nsites: [{{proxy: [{{to: 'unix:{path}'}}]}}]\n", "--access-log", "-"
        )
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", "/", headers={"Host": "www.example"})
        fields = json.loads(connection.getresponse().read())
        assert fields["host"] == "www.example"
        assert fields["x-forwarded-for"] == "127.0.0.1"
        sent, got = tmp_path / "sent", tmp_path / "got"
        sent.write_bytes(os.urandom(1 << 20) * 8)
        for field in "Expect:", "Transfer-Encoding: chunked":
            command = ["curl", "-sS", "-H", field, "--data-binary", f"@{sent}", "-o", got]
            subprocess.run([*command, f"{server.url}echo"], check=True, timeout=60)
            assert got.read_bytes() == sent.read_bytes()
        connection.request("GET", "/events")
        assert connection.getresponse().read(9) == b"data: 1\n\n"
    finally:
        node.kill()
        node.wait()


def test_nginx(configured, tmp_path):
    root = tmp_path / "www"
    root.mkdir()
    text = "hello nginx " * 1000
    (root / "a.txt").write_text(text)
    for directory in (root, *root.parents):
        if str(directory).startswith("/tmp/"):
            directory.chmod(0o755)
    path = tmp_path / "nginx.sock"
    (tmp_path / "nginx.conf").write_text(
        f"""
daemon off; pid {tmp_path}/nginx.pid; error_log stderr; user {os.environ.get("USER", "root")};
events {{ }}
http {{
  access_log off; gzip on; gzip_min_length 1; gzip_proxied any; gzip_types text/plain; gzip_http_version 1.0;
  client_body_temp_path {tmp_path}/body; proxy_temp_path {tmp_path}/p;
  fastcgi_temp_path {tmp_path}/f; uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;
  server {{ listen unix:{path}; root {root}; }}
}}
"""
    )
    command = ["nginx", "-e", "stderr", "-p", tmp_path, "-c", tmp_path / "nginx.conf"]
    nginx = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(path.exists, what="the start of nginx")
        server = configured(f"workers: 1\nsites: [{{proxy: [{{to: 'unix:{path}'}}]}}]\n")
        with Wire(server) as wire:
            assert wire.ask(request("/a.txt")).text == text
            part = wire.ask(request("/a.txt", "Range: bytes=0-4"))
            assert (part.status, part.text) == (206, "hello")
            coded = wire.ask(request("/a.txt", "Accept-Encoding: gzip"))
            assert coded["content-encoding"] == "gzip" and len(coded.body) < 1000
            assert wire.ask(request("/a.txt", method="HEAD"), "HEAD").body == b""
            etag = wire.ask(request("/a.txt"))["etag"]
            assert wire.ask(request("/a.txt", f"If-None-Match: {etag}")).status == 304
            assert wire.ask(request("/none")).status == 404
    finally:
        nginx.terminate()
        nginx.wait()
