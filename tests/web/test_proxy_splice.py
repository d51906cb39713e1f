"""Large bodies through the proxy: those of known size go from socket to socket, whatever happens to them."""

import hashlib
import os
import random
import socket
import threading

import pytest

from conftest import wait_for
from proxying import logged, metrics, proxied, upstream
from upstream import CHUNKED, Upstream, ok
from wire import Wire, get, request

LARGE = os.urandom(1 << 20) * 6 + b"the end"


def length_of(size):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size


def spliced(server):
    return metrics(server).get('weir_proxy_spliced_bytes_total{upstream="app"}', 0)


def test_a_large_reply_and_the_next_one(proxied, upstream):
    upstream.replies["/large"] = ok(LARGE)
    before, connections = spliced(proxied), upstream.connections
    with Wire(proxied) as wire:
        for _ in range(3):
            assert wire.ask(request("/large")).body == LARGE
            assert wire.ask(request("/small")).text == "ok"
        assert upstream.connections <= connections + 1
        wire.send(request("/large") * 3)
        assert all(wire.reply().body == LARGE for _ in range(3))
    assert spliced(proxied) > before + len(LARGE)


def test_a_large_upload_and_the_next_one(proxied, upstream):
    def digest(exchange):
        exchange.send(ok(hashlib.sha256(exchange.body()).hexdigest().encode()))

    upstream.replies["/digest"] = digest
    before = spliced(proxied)
    with Wire(proxied) as wire:
        for _ in range(3):
            wire.send(request("/digest", method="PUT", body=LARGE))
            assert wire.reply().text == hashlib.sha256(LARGE).hexdigest()
            assert wire.ask(request("/small")).text == "ok"
    assert spliced(proxied) > before + len(LARGE)


def test_bodies_that_come_in_odd_pieces(proxied, upstream):
    def dribble(exchange):
        exchange.send(length_of(len(LARGE)))
        chance, at = random.Random(1), 0
        while at < len(LARGE):
            size = chance.choice((1, 7, 1460, 70000, 400000))
            exchange.send(LARGE[at : at + size])
            at += size

    upstream.replies["/dribble"] = dribble
    with Wire(proxied, window=20000) as wire:
        assert wire.ask(request("/dribble")).body == LARGE
        assert wire.ask(request("/small")).text == "ok"


def chunks_of(data, sizes):
    """The chunked coding, in chunks of these sizes, again and again."""
    coded, at, i = [], 0, 0
    while at < len(data):
        part = data[at : at + sizes[i % len(sizes)]]
        coded.append(b"%x\r\n" % len(part) + part + b"\r\n")
        at, i = at + len(part), i + 1
    return b"".join(coded)


def test_bodies_of_unknown_size(proxied, upstream):
    """The part of a chunk that comes after its size is spliced, and so is a body without an announced end."""
    upstream.replies["/chunked"] = CHUNKED + chunks_of(LARGE, [len(LARGE)]) + b"0\r\n\r\n"
    upstream.replies["/chunks"] = CHUNKED + chunks_of(LARGE, [200_000, 1, 70_000, 300]) + b"0\r\n\r\n"
    upstream.replies["/until-close"] = (b"HTTP/1.1 200 OK\r\n\r\n" + LARGE, "close")
    for path in "/chunked", "/chunks", "/until-close":
        before = spliced(proxied)
        for window in None, 20000:
            with Wire(proxied, **({"window": window} if window else {})) as wire:
                assert wire.ask(request(path)).body == LARGE
                assert wire.ask(request("/small")).text == "ok"
        assert spliced(proxied) > before + len(LARGE) // 2, path
    with Wire(proxied) as wire:
        wire.send(request("/chunks", version="HTTP/1.0"))
        assert wire.head()[0] == 200 and wire.rest() == LARGE


def test_chunks_in_odd_pieces(proxied, upstream):
    coded = CHUNKED + chunks_of(LARGE, [70_000, 65536, 7, 400_000]) + b"0\r\nX-A: b\r\n\r\n"

    def dribble(exchange):
        chance, at = random.Random(2), 0
        while at < len(coded):
            size = chance.choice((1, 7, 1460, 65544, 70000, 400000))
            exchange.send(coded[at : at + size])
            at += size

    upstream.replies["/dribble-chunks"] = dribble
    with Wire(proxied, window=20000) as wire:
        assert wire.ask(request("/dribble-chunks")).body == LARGE
        assert wire.ask(request("/small")).text == "ok"


def test_a_chunked_upload(proxied, upstream):
    def digest(exchange):
        exchange.send(ok(hashlib.sha256(exchange.body()).hexdigest().encode()))

    upstream.replies["/digest-chunks"] = digest
    before = spliced(proxied)
    with Wire(proxied) as wire:
        for sizes in [len(LARGE)], [200_000, 1, 70_000, 300]:
            coded = chunks_of(LARGE, sizes) + b"0\r\n\r\n"
            wire.send(request("/digest-chunks", "Transfer-Encoding: chunked", method="PUT", body=coded))
            assert wire.reply().text == hashlib.sha256(LARGE).hexdigest()
            assert wire.ask(request("/small")).text == "ok"
    assert spliced(proxied) > before + len(LARGE) // 2


def test_a_bound_that_is_met_within_a_spliced_chunk(configured, upstream):
    """The byte that is too many is noticed, and the client gets its reply."""

    def swallow(exchange):
        while exchange.connection.recv(1 << 16):
            pass
        return True

    upstream.replies["/swallow"] = swallow
    server = configured(f"workers: 1\nsites: [{{proxy: [{{to: '{upstream.url}', max-size: 1M}}]}}]\n")
    for sizes in [len(LARGE)], [65536]:
        with Wire(server) as wire:
            wire.send(request("/swallow", "Transfer-Encoding: chunked", method="PUT"))
            wire.send_while_open(chunks_of(LARGE, sizes))
            assert wire.reply().status == 413


@pytest.mark.parametrize("sent", [400_000, 1 << 20, 1_000_000 + 8, 1_000_000 + 9, 1_000_000 + 10])
def test_an_upstream_that_ends_within_its_chunks(proxied, upstream, sent):
    """Also at the end of a chunk, and within the line behind it."""
    coded = chunks_of(LARGE, [1_000_000])[:sent]
    upstream.replies[f"/short-chunks/{sent}"] = (CHUNKED + coded, "close")
    with Wire(proxied) as wire:
        wire.send(request(f"/short-chunks/{sent}"))
        assert wire.head()[0] == 200
        assert not wire.rest().endswith(b"0\r\n\r\n")
    assert "upstream_error=" in logged(proxied, f"/short-chunks/{sent}")


def test_malformed_chunks_behind_one_that_was_spliced(proxied, upstream):
    for i, behind in enumerate((b"x", b"\r\nx\r\n", b"\r\n0\r\nbad\r\n\r\n", b"\n0\r\n\r\n")):
        coded = chunks_of(LARGE[: 1 << 20], [1 << 20])[:-2] + behind
        upstream.replies[f"/bad-chunks/{i}"] = (CHUNKED + coded, "close")
        with Wire(proxied) as wire:
            wire.send(request(f"/bad-chunks/{i}"))
            wire.head()
            assert not wire.rest().endswith(b"\r\n0\r\n\r\n"), behind


@pytest.mark.parametrize("sent", [300_000, 1 << 20, len(LARGE) - 1])
def test_an_upstream_that_ends_within_its_body(proxied, upstream, sent):
    upstream.replies[f"/short/{sent}"] = (length_of(len(LARGE)) + LARGE[:sent], "close")
    with Wire(proxied) as wire:
        wire.send(request(f"/short/{sent}"))
        assert wire.head()[0] == 200
        assert wire.rest() == LARGE[:sent]
    assert "upstream_error=" in logged(proxied, f"/short/{sent}")


def test_bytes_behind_a_large_body_belong_to_none(proxied, upstream):
    upstream.replies["/behind"] = ok(LARGE) + ok(b"evil")
    with Wire(proxied) as wire:
        for _ in range(3):
            assert wire.ask(request("/behind")).body == LARGE
            assert wire.ask(request("/small")).text == "ok"


def test_a_client_that_leaves_within_a_large_reply(proxied, upstream):
    ended = threading.Event()

    def pour(exchange):
        try:
            exchange.send(length_of(1 << 40))
            while True:
                exchange.send(LARGE)
        except OSError:
            ended.set()
            raise

    upstream.replies["/pour"] = pour
    with Wire(proxied) as wire:
        wire.send(request("/pour"))
        wire.head()
        wire.take(4 << 20)
    assert ended.wait(30)
    assert get(proxied, "/small").text == "ok"


def test_a_client_that_leaves_within_a_large_upload(proxied, upstream):
    ended = threading.Event()

    def swallow(exchange):
        try:
            while exchange.connection.recv(1 << 20):
                pass
        except ConnectionResetError:
            pass
        ended.set()
        return True

    upstream.replies["/up"] = swallow
    with Wire(proxied) as wire:
        wire.send(request("/up", f"Content-Length: {1 << 40}", method="PUT"))
        wire.send(LARGE)
    assert ended.wait(30)
    assert get(proxied, "/small").text == "ok"


def test_an_early_reply_to_a_large_upload(proxied, upstream):
    def refuse(exchange):
        exchange.take(1 << 20)
        exchange.send(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        return True

    upstream.replies["/refuse"] = refuse
    with Wire(proxied) as wire:
        wire.send(request("/refuse", f"Content-Length: {1 << 40}", method="PUT"))
        sender = threading.Thread(target=send_until_refused, args=(wire,))
        sender.start()
        assert wire.reply().status == 413
        wire.socket.shutdown(socket.SHUT_RDWR)
        sender.join(30)
    assert get(proxied, "/small").text == "ok"


def send_until_refused(wire):
    try:
        while True:
            wire.send(LARGE)
    except OSError:
        pass


def test_unix_sockets_and_buffers(configured, tmp_path):
    """A Unix socket is spliced, too. A reply that is read ahead is copied, and frees its server at once."""
    server_behind, done = Upstream(path=tmp_path / "app.sock"), threading.Event()

    def finish(exchange):
        exchange.send(ok(LARGE))
        done.set()

    server_behind.replies["/large"] = finish
    server = configured(
        f"""
workers: 1
admin: admin.sock
upstreams:
  - {{name: app, servers: [{{url: '{server_behind.url}'}}]}}
  - {{name: slow, servers: [{{url: '{server_behind.url}'}}], buffer: 16M}}
  - {{name: bounded, servers: [{{url: '{server_behind.url}'}}], buffer: 16M, buffers: 1M}}
sites:
  - proxy: [{{path: /slow, to: slow, strip: yes}}, {{path: /bounded, to: bounded, strip: yes}}, {{to: app}}]
"""
    )
    server.admin = tmp_path / "admin.sock"
    with Wire(server) as wire:
        assert wire.ask(request("/large")).body == LARGE
        assert spliced(server) > 0
        done.clear()
        for path in "/slow", "/bounded":
            with Wire(server, window=4096) as slow:
                slow.send(request(f"{path}/large"))
                if path == "/slow":
                    assert done.wait(30)
                    waiting = 'weir_proxy_buffered_bytes{upstream="slow"}'
                    wait_for(lambda: metrics(server)[waiting] > 1 << 20, what="the reply to be read ahead")
                done.clear()
                assert slow.reply().body == LARGE
        assert wire.ask(request("/small")).text == "ok"
    values = metrics(server)
    for name in "slow", "bounded":
        assert values[f'weir_proxy_buffered_bytes{{upstream="{name}"}}'] == 0
        assert values[f'weir_proxy_spliced_bytes_total{{upstream="{name}"}}'] == 0


def test_a_stalled_client_stops_its_upstream_soon(configured, upstream):
    """The upstream could send as much as the client, the proxy and all their sockets hold."""
    stalled, sent = threading.Event(), [0]

    def endless(exchange):
        exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        exchange.connection.settimeout(1)
        exchange.send(CHUNKED)
        try:
            while True:
                exchange.send(b"3e8\r\n" + bytes(1000) + b"\r\n")
                sent[0] += 1000
        except TimeoutError:
            stalled.set()
        return True

    upstream.replies["/endless"] = endless
    server = configured(f"workers: 1\nsites: [{{proxy: [{{to: '{upstream.url}'}}]}}]\n")
    with Wire(server, window=4096) as wire:
        wire.send(request("/endless"))
        assert stalled.wait(60)
        assert sent[0] < 72 << 10
