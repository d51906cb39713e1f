"""Replies of other servers that are compressed on the way: which ones, how, and that they pass at once."""

import gzip
import subprocess
import threading
import zlib

import pytest

from proxying import upstream
from upstream import CHUNKED, ok
from wire import Wire, get, head

TEXT = b"".join(b"line %d of a text that compresses\n" % i for i in range(5000))
HTML, CSS = b"Content-Type: text/html; charset=utf-8", b"Content-Type: text/css"


@pytest.fixture
def server(configured, upstream):
    return configured(
        f"""
workers: 1
http2: clear
upstreams: [{{name: app, servers: [{{url: '{upstream.url}'}}]}}]
sites:
  - proxy:
      - {{path: /plain, to: app}}
      - {{path: /high, to: app, strip: yes, compress: yes, compress-level: 9}}
      - {{path: /css, to: app, strip: yes, compress: yes, zstd: no, compress-types: [text/css]}}
      - {{to: app, compress: yes}}
"""
    )


def ask(server, path, accept="gzip"):
    return get(server, path, f"Accept-Encoding: {accept}")


def test_codings_levels_and_types(server, upstream):
    upstream.replies["/a"], upstream.replies["/b.css"] = ok(TEXT, HTML), ok(TEXT, CSS)
    for accept, coding in {"gzip": "gzip", "gzip, zstd": "zstd", "br": None, "gzip;q=0": None}.items():
        reply = ask(server, "/a", accept)
        assert (reply["Content-Encoding"], reply["Vary"]) == (coding, "Accept-Encoding")
        if coding == "gzip":
            assert gzip.decompress(reply.body) == TEXT
            assert len(ask(server, "/high/a", accept).body) < len(reply.body)
        if coding == "zstd":
            unpacked = subprocess.run(["zstd", "-dc"], input=reply.body, capture_output=True, check=True)
            assert unpacked.stdout == TEXT
        if not coding:
            assert reply.body == TEXT
    assert ask(server, "/css/a")["Content-Encoding"] is None
    assert ask(server, "/css/b.css", "gzip, zstd")["Content-Encoding"] == "gzip"
    assert ask(server, "/plain")["Content-Encoding"] is None
    result = subprocess.run(
        ["curl", "-s", "--http2-prior-knowledge", "--compressed", server.url + "a"], capture_output=True, check=True
    )
    assert result.stdout == TEXT


def test_fields_of_a_compressed_reply(server, upstream):
    """Fields about the bytes of the server are left out, and a strong validator becomes a weak one."""
    lines = [HTML, b"Accept-Ranges: bytes", b"Content-Digest: sha-256=:AA==:", b"X-Own: 1", b"Vary: Cookie"]
    upstream.replies["/strong"] = ok(TEXT, b'ETag: "a"', *lines)
    upstream.replies["/weak"] = ok(TEXT, b'ETag: W/"a"', *lines)
    for path in "/strong", "/weak":
        reply = ask(server, path)
        assert gzip.decompress(reply.body) == TEXT and reply["ETag"] == 'W/"a"'
        assert (reply["X-Own"], reply["Accept-Ranges"], reply["Content-Digest"]) == ("1", None, None)
        assert sorted(reply.fields["vary"]) == ["Accept-Encoding", "Cookie"]
        plain = ask(server, path, "identity")
        assert plain.body == TEXT and plain["Accept-Ranges"] == "bytes"
    assert ask(server, "/strong", "identity")["ETag"] == '"a"'
    upstream.replies["/strong"] = b"HTTP/1.1 200 OK\r\n%s\r\nContent-Length: 9999\r\n\r\n" % HTML
    reply = head(server, "/strong", "Accept-Encoding: gzip")
    assert (reply["Content-Encoding"], reply["Content-Length"]) == ("gzip", None)


@pytest.mark.parametrize(
    "reply",
    [
        ok(TEXT, b"Content-Type: image/png"),
        ok(TEXT),
        ok(TEXT, HTML, b"Content-Encoding: br"),
        ok(TEXT, HTML, b"Cache-Control: private, no-transform"),
        ok(TEXT, HTML).replace(b"200 OK", b"206 Partial\r\nContent-Range: bytes 0-9/99", 1),
        ok(b"short", HTML),
        b"HTTP/1.1 304 Not Modified\r\nContent-Type: text/html\r\n\r\n",
    ],
    ids=["image", "no type", "coded", "no-transform", "part", "short", "no body"],
)
def test_replies_that_stay_as_they_are(server, upstream, reply):
    upstream.replies["/as-it-is"] = reply
    got = ask(server, "/as-it-is")
    assert got["Content-Encoding"] in (None, "br") and got.body == reply.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("accept", ["gzip", "zstd"])
def test_events_pass_at_once(server, upstream, accept):
    """Each event can be decoded before the next one is sent."""
    seen = threading.Semaphore(0)

    def events(exchange):
        exchange.send(CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Type: text/event-stream\r\n\r\n"))
        for i in range(3):
            exchange.send(b"9\r\ndata: %d\n\n\r\n" % i)
            seen.acquire(timeout=30)
        exchange.send(b"0\r\n\r\n")

    upstream.replies["/events"] = events
    with Wire(server) as wire:
        wire.send(b"GET /events HTTP/1.1\r\nHost: a\r\nAccept-Encoding: %s\r\n\r\n" % accept.encode())
        status, fields = wire.head()[:2]
        assert status == 200 and fields["content-encoding"] == [accept]
        unpack = zlib.decompressobj(31) if accept == "gzip" else None
        text = packed = b""
        for i in range(3):
            while f"data: {i}\n".encode() not in text:
                piece = wire.take(int(wire.line(), 16))
                assert wire.take(2) == b"\r\n" and piece
                packed += piece
                text = text + unpack.decompress(piece) if unpack else packed
            seen.release()
        while size := int(wire.line(), 16):
            wire.take(size + 2)


def test_check(run, tmp_path):
    (tmp_path / "weir.yaml").write_text(
        "listen: [{http: 127.0.0.1:0}]\nsites:\n  - proxy: [{to: 'http://127.0.0.1:1', compress-level: 3}]\n"
    )
    assert "'compress-level' is not used: it needs 'compress'" in run("check", "-c", "weir.yaml").stderr
