"""HTTP/2 as clients use it: requests, bodies, windows, priorities, ends; curl, nghttp, h2load; floods."""

import http.client
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time

import pytest

from certificates import make_certificate
from conftest import wait_for
from frames import *  # noqa: F403
from wire import is_sanitized

LARGE = 3_000_000


@pytest.fixture(scope="module")
def server(module_weir, tmp_path_factory):
    directory = tmp_path_factory.mktemp("http2")
    root = directory / "site"
    (root / "up").mkdir(parents=True)
    (root / "index.html").write_text("hello")
    (root / "large.bin").write_bytes(bytes(range(256)) * (LARGE // 256))
    (root / "text.txt").write_text("lorem ipsum dolor\n" * 5000)
    make_certificate(directory)
    config = directory / "weir.yaml"
    config.write_text(
        "listen: [{http: '127.0.0.1:0'}, {https: '127.0.0.1:0'}]\n"
        "tls: {certificates: [{chain: cert.pem, key: key.pem}]}\n"
        "workers: 1\nhttp2: clear\naccess-log: access.log\nadmin: admin.sock\n"
        "sites: [{root: site, uploads: {put: true, prefix: up, max-size: 1M}}]\n"
    )
    server = module_weir("-c", config)
    server.directory = directory
    server.https = int(re.search(r"https://127\.0\.0\.1:(\d+)", server.stdout)[1])
    return server


def large():
    return bytes(range(256)) * (LARGE // 256)


def log_lines(server):
    return (server.directory / "access.log").read_text()


# -- requests and replies --------------------------------------------------------------------------


def test_a_request_has_its_reply_and_a_line_in_the_log(server):
    with Client(server.port) as c:
        status, fields, body = c.ask(path="/index.html?first").reply()
    assert (status, body) == (200, b"hello")
    assert fields["content-length"] == "5" and "date" in fields
    assert not {"connection", "transfer-encoding"} & set(fields)
    wait_for(lambda: '"GET /index.html?first HTTP/2.0" 200 5' in log_lines(server), what="the line")


def test_head_and_conditions_have_no_body(server):
    with Client(server.port) as c:
        status, fields, body = c.ask(1, method="HEAD").reply(1)
        assert (status, fields["content-length"], body) == (200, "5", b"")
        status, _, body = c.ask(3, fields=[("if-none-match", fields["etag"])]).reply(3)
        assert (status, body) == (304, b"")


def test_replies_of_many_streams_are_whole(server):
    with Client(server.port) as c:
        streams = range(1, 61, 2)
        for i in streams:
            c.ask(i, path="/large.bin" if i % 20 == 1 else "/index.html")
        bodies, ended = dict.fromkeys(streams, b""), set()
        while len(ended) < len(streams):
            kind, flags, stream, payload = c.read()
            if kind == DATA:
                bodies[stream] += payload
                c.send(*[frame(WINDOW_UPDATE, 0, i, u32(len(payload))) for i in (0, stream) if payload])
            if kind in (DATA, HEADERS) and flags & END_STREAM:
                ended.add(stream)
        for i in streams:
            assert bodies[i] == (large() if i % 20 == 1 else b"hello")


def test_a_body_of_unknown_size_needs_no_coding(server):
    with Client(server.port) as c:
        status, fields, body = c.ask(path="/text.txt", fields=[("accept-encoding", "gzip")]).reply()
    assert status == 200 and fields["content-encoding"] == "gzip" and body[:2] == b"\x1f\x8b"


@pytest.mark.parametrize("size", [0, 1, 16384, 700_000])
def test_a_body_is_received(server, size):
    body = bytes(i % 251 for i in range(size))
    with Client(server.port) as c:
        c.ask(1, END_HEADERS, method="PUT", path=f"/up/body{size}")
        window, sent = {0: 65535, 1: 65535}, 0
        while sent < size:
            part = min(16384, size - sent, *window.values())
            if part:
                c.send(frame(DATA, 0, 1, body[sent : sent + part]))
                sent += part
                window = {key: left - part for key, left in window.items()}
            else:
                kind, _, stream, payload = c.read()
                if kind == WINDOW_UPDATE:
                    window[stream] += int.from_bytes(payload, "big")
                if kind == SETTINGS and payload:
                    values = {payload[i + 1]: int.from_bytes(payload[i + 2 : i + 6], "big") for i in range(0, len(payload), 6)}
                    window[1] += values[4] - 65535
        c.send(frame(DATA, END_STREAM, 1))
        assert c.outcome() == "201"
    assert (server.directory / "site" / "up" / f"body{size}").read_bytes() == body


def test_a_body_that_comes_by_single_bytes_is_received(server):
    body = bytes(i % 251 for i in range(50_000))
    with Client(server.port) as c:
        c.ask(1, END_HEADERS, method="PUT", path="/up/bytes")
        for at in range(0, len(body), 5000):
            c.send(b"".join(frame(DATA, 0, 1, body[i : i + 1]) for i in range(at, at + 5000)))
        c.send(frame(DATA, END_STREAM, 1))
        assert c.outcome() == "201"
    assert (server.directory / "site" / "up" / "bytes").read_bytes() == body


def test_a_body_that_is_too_large_is_refused_and_the_connection_stays(server):
    with Client(server.port) as c:
        c.ask(1, END_HEADERS, method="PUT", path="/up/f", fields=[("content-length", "2000000")])
        assert c.reply(1)[0] == 413
        assert c.until(lambda kind, _, stream, code: (kind, stream, code) == (RST_STREAM, 1, u32(0)))
        assert c.ask(3).outcome(3) == "200"


def test_the_client_is_asked_to_continue(server):
    with Client(server.port) as c:
        c.ask(1, END_HEADERS, method="PUT", path="/up/asked", fields=[("expect", "100-continue")])
        got = c.until(lambda kind, *_: kind == HEADERS)
        assert c.head[":status"] == "100" and not got[1] & END_STREAM
        c.send(frame(DATA, END_STREAM, 1, b"x"))
        assert c.outcome() == "201"


def test_cookies_are_joined_and_other_fields_stay(server):
    with Client(server.port) as c:
        assert c.ask(fields=[("cookie", "a=b"), ("cookie", "c=d"), ("x", "y")]).outcome() == "200"


@pytest.mark.parametrize("size", [0, 100, 4096, 65536])
def test_fields_that_come_again_are_in_a_table_of_the_clients_size(server, size):
    with Client(server.port, setting(1, size)) as c:
        c.decoder.max_allowed_table_size = size  # a block without the update is an error
        replies, sizes = [], []
        for stream in range(1, 13, 2):
            status, fields, _ = c.ask(stream, path="/index.html").reply(stream)
            del fields["date"]  # it may change, and is inserted then
            replies.append((status, fields))
            sizes += [len(payload) for kind, _, number, payload in c.got if (kind, number) == (HEADERS, stream)]
        assert replies == replies[:1] * 6 and replies[0][1]["etag"]
        assert (min(sizes) < 16) == (size >= 4096)


# -- windows ---------------------------------------------------------------------------------------


def test_no_more_is_sent_than_the_window_of_the_stream(server):
    with Client(server.port, setting(4, 1)) as c:
        c.ask()
        got = c.until(lambda kind, *_: kind == DATA)
        assert got[3] == b"h" and not got[1] & END_STREAM and c.is_alive()
        c.send(frame(WINDOW_UPDATE, 0, 1, u32(100)))
        got = c.until(lambda kind, *_: kind == DATA)
        assert got[3] == b"ello" and got[1] & END_STREAM


def test_a_window_that_shrinks_below_nothing(server):
    with Client(server.port, setting(4, 3)) as c:
        c.ask()
        assert c.until(lambda kind, *_: kind == DATA)[3] == b"hel"
        c.send(frame(SETTINGS, 0, 0, setting(4, 2)), frame(WINDOW_UPDATE, 0, 1, u32(1)))
        assert c.is_alive() and c.got[-1][0] == PING
        c.send(frame(WINDOW_UPDATE, 0, 1, u32(2)))
        assert c.until(lambda kind, *_: kind == DATA)[3] == b"lo"


def test_the_window_of_the_connection_is_shared(server):
    with Client(server.port, setting(4, 1 << 30)) as c:
        c.ask(1, path="/large.bin").ask(3, path="/large.bin")
        came = 0
        while came < 65535:
            kind, _, _, payload = c.read()
            came += len(payload) if kind == DATA else 0
        assert came == 65535 and c.is_alive() and c.got[-1][0] == PING


def test_a_small_window_is_not_worth_a_frame(server):
    with Client(server.port) as c:
        c.ask(path="/large.bin")
        came = 0
        while came < 65535:
            kind, _, _, payload = c.read()
            came += len(payload) if kind == DATA else 0
        c.send(frame(WINDOW_UPDATE, 0, 0, u32(1 << 20)), *[frame(WINDOW_UPDATE, 0, 1, u32(1))] * 100)
        assert c.is_alive() and c.got[-1][0] == PING
        c.send(frame(WINDOW_UPDATE, 0, 1, u32(2000)))
        assert len(c.until(lambda kind, *_: kind == DATA)[3]) == 2100


# -- priorities ------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_frame", [False, True])
def test_the_urgent_one_is_first(server, by_frame):
    with Client(server.port, setting(4, 1 << 30)) as c:
        c.acknowledge()
        low, high = ("u=6", "u=1") if not by_frame else ("u=6", "u=7")
        c.send(
            frame(HEADERS, END_STREAM | END_HEADERS, 1, c.block([("priority", low)], path="/large.bin")),
            frame(HEADERS, END_STREAM | END_HEADERS, 3, c.block([("priority", high)], path="/large.bin")),
            frame(PRIORITY_UPDATE, 0, 0, u32(3) + b"u=0") if by_frame else b"",
        )
        # The first bytes may be of either.
        came = 0
        while came < 65535:
            kind, _, _, payload = c.read()
            came += len(payload) if kind == DATA else 0
        c.send(frame(WINDOW_UPDATE, 0, 0, u32(1_000_000)))
        came = {1: 0, 3: 0}
        while sum(came.values()) < 1_000_000:
            kind, _, stream, payload = c.read()
            if kind == DATA:
                came[stream] += len(payload)
        assert came[3] == 1_000_000 or by_frame and came[3] > came[1], came


def test_streams_without_a_priority_take_turns(server):
    with Client(server.port, setting(4, 1 << 30)) as c:
        c.acknowledge()
        c.send(frame(WINDOW_UPDATE, 0, 0, u32(1_500_000)))
        c.ask(1, path="/large.bin").ask(3, path="/large.bin")
        came = {1: 0, 3: 0}
        while sum(came.values()) < 1_500_000:
            kind, _, stream, payload = c.read()
            if kind == DATA:
                came[stream] += len(payload)
        assert min(came.values()) > 300_000, came


# -- ends ------------------------------------------------------------------------------------------


def test_a_stream_that_the_client_resets_does_not_hold_up_others(server):
    with Client(server.port) as c:
        c.ask(1, path="/large.bin")
        c.until(lambda kind, *_: kind == DATA)
        c.send(frame(RST_STREAM, 0, 1, u32(8)), frame(WINDOW_UPDATE, 0, 0, u32(1 << 20)))
        assert c.ask(3).outcome(3) == "200"
    wait_for(lambda: re.search(r'"GET /large.bin HTTP/2.0" 200 \d+ .* X ', log_lines(server)), what="X")


def test_a_large_reply_that_is_reset_while_it_waits_for_the_kernel(server):
    for stream in (1, 3):
        with Client(server.port, setting(4, 1 << 30)) as c:
            c.send(frame(WINDOW_UPDATE, 0, 0, u32(1 << 30)))
            c.ask(1, path="/large.bin").ask(3, path="/text.txt", fields=[("accept-encoding", "gzip")])
            c.ask(5, path="/large.bin")
            time.sleep(0.2)  # until the kernel takes no more; nothing depends on it
            c.send(frame(RST_STREAM, 0, stream, u32(8)))
            assert c.reply(5, grants=False)[2] == large()


def test_an_upload_that_breaks_off_leaves_nothing(server):
    with Client(server.port) as c:
        c.ask(1, END_HEADERS, method="PUT", path="/up/broken")
        c.send(frame(DATA, 0, 1, b"x"), frame(RST_STREAM, 0, 1, u32(8)))
        assert c.is_alive()
        c.ask(3, END_HEADERS, method="PUT", path="/up/broken").send(frame(DATA, 0, 3, b"x"))
        assert c.is_alive()
    assert not (server.directory / "site" / "up" / "broken").exists()


def test_http_1_is_spoken_as_before(server):
    assert server.get("/").text == "hello"


def test_a_draining_server_finishes_its_streams_and_says_goodbye(weir, site, tmp_path):
    (site / "large.bin").write_bytes(large())
    config = tmp_path / "weir.yaml"
    config.write_text("listen: [{http: '127.0.0.1:0'}]\nhttp2: clear\nsites: [{root: site}]\n")
    server = weir("-c", config)
    with Client(server.port) as idle, Client(server.port) as busy:
        assert idle.is_alive()
        busy.ask(1, path="/large.bin")
        busy.until(lambda kind, *_: kind == DATA)
        server.send_signal(signal.SIGTERM)
        assert idle.until(lambda kind, *_: kind == GOAWAY)[3][4:] == u32(0)
        assert idle.read() is None
        busy.ask(3)
        busy.send(frame(WINDOW_UPDATE, 0, 0, u32(1 << 30)), frame(WINDOW_UPDATE, 0, 1, u32(1 << 30)))
        ended, goaway = set(), None
        while (got := busy.read()) is not None:
            kind, flags, stream, payload = got
            if kind in (DATA, HEADERS) and flags & END_STREAM:
                ended.add(stream)
            goaway = int.from_bytes(payload[:4], "big") if kind == GOAWAY else goaway
        assert ended == {1, 3} and goaway == 3
    assert server.wait() == 0


def test_an_error_behind_goaway_names_no_later_stream(weir, site, tmp_path):
    (site / "large.bin").write_bytes(large())
    config = tmp_path / "weir.yaml"
    config.write_text("listen: [{http: '127.0.0.1:0'}]\nhttp2: clear\nsites: [{root: site}]\n")
    server = weir("-c", config)
    with Client(server.port) as c:
        c.ask(1, path="/large.bin").until(lambda kind, *_: kind == DATA)
        server.send_signal(signal.SIGTERM)
        wait_for(lambda: not accepts(server.port), what="the drain")
        c.ask(3).until(lambda kind, *_: kind == GOAWAY)
        assert c.ask(5).until(lambda kind, _, stream, __: kind == RST_STREAM and stream == 5)[3] == u32(7)
        c.send(frame(WINDOW_UPDATE, 0, 0, u32(0)))
        assert c.until(lambda kind, *_: kind == GOAWAY)[3] == u32(3) + u32(1)
    assert server.wait() == 0


def accepts(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def test_a_reload_is_for_open_connections_too(weir, site, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "index.html").write_text("other")
    config = tmp_path / "weir.yaml"
    text = "listen: [{http: '127.0.0.1:0'}]\nworkers: 1\nhttp2: %s\nsites: [{root: %s}]\n"
    config.write_text(text % ("clear", "site"))
    server = weir("-c", config)

    def new():
        with Client(server.port) as fresh:
            return fresh.ask(1).reply(1)[2]

    def refused():
        with socket.create_connection(("127.0.0.1", server.port), SECONDS) as raw:
            raw.sendall(PREFACE)
            return raw.recv(100).startswith(b"HTTP/1.1 505 ")

    with Client(server.port) as c:
        assert c.ask(1).reply(1)[2] == b"hello"
        config.write_text(text % ("clear", "other"))
        server.send_signal(signal.SIGHUP)
        wait_for(lambda: new() == b"other", what="the other site")
        # Another process serves it if privileges are separated; the client is sent there.
        body = c.ask(3).reply(3)[2]
        assert body == b"other" or any(kind == GOAWAY for kind, *_ in c.got), c.got
        config.write_text(text % ("off", "other"))
        server.send_signal(signal.SIGHUP)
        wait_for(refused, what="the end of HTTP/2 in clear")


# -- TLS -------------------------------------------------------------------------------------------


def negotiated(server, *names):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(names)
    with socket.create_connection(("127.0.0.1", server.https), SECONDS) as raw:
        with context.wrap_socket(raw) as tls:
            return tls.selected_alpn_protocol()


def test_alpn_prefers_http2(server):
    assert negotiated(server, "http/1.1", "h2") == "h2"
    assert negotiated(server, "http/1.1") == "http/1.1"


# -- clients ---------------------------------------------------------------------------------------


def curl(*arguments):
    command = ["curl", "-sSk", "-m", "60", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_curl(server, tmp_path):
    written = ["-o", tmp_path / "out", "-w", "%{http_version} %{http_code}"]
    for how, url in [
        ("--http2", f"https://127.0.0.1:{server.https}"),
        ("--http2-prior-knowledge", f"http://127.0.0.1:{server.port}"),
    ]:
        assert curl(how, *written, f"{url}/large.bin") == b"2 200"
        assert (tmp_path / "out").read_bytes() == large()
        assert curl(how, *written, "-T", tmp_path / "out", f"{url}/up/curl") == b"2 413"
        (tmp_path / "small").write_bytes(large()[:900_000])
        assert curl(how, *written, "-T", tmp_path / "small", f"{url}/up/curl") in (b"2 201", b"2 204")
        assert (server.directory / "site" / "up" / "curl").read_bytes() == large()[:900_000]


def test_requests_and_connections_are_counted(server):
    socket_path = server.directory / "admin.sock"

    def count(name):
        text = curl("--unix-socket", socket_path, "http://localhost/metrics").decode()
        found = re.findall(rf'^{name}{{site="-"}} (\d+)$', text, re.M)
        return int(found[0]) if found else 0

    names = ("weir_http2_connections_total", "weir_http2_requests_total")
    before = [count(name) for name in names]
    with Client(server.port) as c:
        assert c.ask(1).outcome(1) == "200" and c.ask(3).outcome(3) == "200"
    after = [before[0] + 1, before[1] + 2]
    wait_for(lambda: [count(name) for name in names] == after, what="the counts")


def test_nghttp_and_h2load(server):
    if not shutil.which("nghttp"):
        pytest.skip("no nghttp")
    url = f"http://127.0.0.1:{server.port}"
    out = subprocess.run(["nghttp", "-v", f"{url}/index.html"], capture_output=True, timeout=60, check=True)
    assert b":status: 200" in out.stdout and b"hello" in out.stdout
    load = ["h2load", "-n", "2000", "-c", "4", "-m", "16", f"{url}/"]
    out = subprocess.run(load, capture_output=True, timeout=60, check=True).stdout.decode()
    assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in out


@pytest.mark.parametrize("tls", [False, True])
def test_h2spec(server, tls):
    """github.com/summerwind/h2spec, which Debian does not have; its cases are in test_http2_rules.py, too."""
    if not shutil.which("h2spec"):
        pytest.skip("no h2spec")
    port = ["-p", str(server.https), "-t", "-k"] if tls else ["-p", str(server.port)]
    out = subprocess.run(["h2spec", "-S", "-h", "127.0.0.1", *port], capture_output=True, timeout=300, check=False)
    assert ", 0 skipped, 0 failed" in out.stdout.decode(), out.stdout.decode()


# -- floods ----------------------------------------------------------------------------------------


def calm(c):
    """Whether the server ends the connection with ENHANCE_YOUR_CALM."""
    went = c.until(lambda kind, _, __, payload: kind == GOAWAY)
    return went is None or CODES[int.from_bytes(went[3][4:8], "big")] == "ENHANCE_YOUR_CALM"


FLOODS = {
    # each: frames for the n-th time
    "rapid reset": lambda c, n: c.ask_frame(2 * n + 1) + frame(RST_STREAM, 0, 2 * n + 1, u32(8)),
    "errors that the server is provoked to": lambda c, n: c.ask_frame(2 * n + 1)
    + frame(WINDOW_UPDATE, 0, 2 * n + 1, u32(0)),
    "errors by DATA behind the end": lambda c, n: c.ask_frame(2 * n + 1) + frame(DATA, 0, 2 * n + 1, b"x"),
    "errors by a window that is too large": lambda c, n: c.ask_frame(2 * n + 1)
    + frame(WINDOW_UPDATE, 0, 2 * n + 1, u32(0x7FFFFFFF)) * 2,
    "errors by PRIORITY of 4 bytes": lambda c, n: c.ask_frame(2 * n + 1) + frame(PRIORITY, 0, 2 * n + 1, bytes(4)),
    "malformed requests": lambda c, n: frame(HEADERS, 5, 2 * n + 1, c.encode([("x", "y")])),
    "PING": lambda c, n: frame(PING, 0, 0, bytes(8)) * 1000,
    "SETTINGS": lambda c, n: frame(SETTINGS, 0, 0, setting(99, 1)) * 1000,
    "empty DATA": lambda c, n: (b"" if n else c.put_frame(1)) + frame(DATA, 0, 1) * 2000,
    "DATA of a byte": lambda c, n: (b"" if n else c.put_frame(1)) + frame(DATA, 0, 1, b"x") * 2000,
    "unknown frames": lambda c, n: frame(0x77, 0, 0, bytes(8)) * 1000,
    "a window of a byte at a time": lambda c, n: (b"" if n else c.ask_frame(1, path="/large.bin"))
    + frame(WINDOW_UPDATE, 0, 1, u32(1)) * 1000,
    "PRIORITY": lambda c, n: frame(PRIORITY, 0, 7, u32(0) + b"x") * 1000,
    "PRIORITY_UPDATE": lambda c, n: frame(PRIORITY_UPDATE, 0, 0, u32(7) + b"u=1") * 1000,
}


class Flooding(Client):
    def ask_frame(self, stream, **request):
        return frame(HEADERS, END_STREAM | END_HEADERS, stream, self.block(**request))

    def put_frame(self, stream):
        return frame(HEADERS, END_HEADERS, stream, self.block(method="PUT", path="/up/flood"))


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_ends_the_connection(server, name):
    with Flooding(server.port, setting(4, 0) if "error" in name or "reset" in name else b"") as c:
        c.socket.settimeout(SECONDS)
        for n in range(3000):
            try:
                c.socket.sendall(FLOODS[name](c, n))
                c.socket.settimeout(0.0001)
                while c.socket.recv(1 << 16):
                    pass
                break
            except (TimeoutError, BlockingIOError):
                c.socket.settimeout(SECONDS)
            except OSError:
                break
        else:
            pytest.fail("the connection is still there")
    assert server.get("/").text == "hello"


@pytest.mark.parametrize("frames", [frame(PING, 0, 0, bytes(8)) * 1000, frame(SETTINGS) * 1000], ids=["ping", "settings"])
def test_replies_that_a_client_does_not_read_are_bounded(server, frames):
    """The server stops reading while its replies wait."""
    before, sent, most = server.memory_kb(), 0, 7 << 20  # less than a flood that ends the connection
    with Client(server.port) as c:
        c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        c.socket.settimeout(1)
        try:
            while sent < most:
                sent += c.socket.send(frames)
        except TimeoutError:
            pass
        assert sent < most
        assert server.memory_kb() < before + 1024 * (8 if is_sanitized(server) else 1)


def test_resets_of_complete_streams_are_not_counted(server):
    with Client(server.port) as c:
        for n in range(550):
            stream = 2 * n + 1
            assert c.ask(stream).reply(stream)[0] == 200
            c.send(frame(RST_STREAM, 0, stream, u32(8)))
        assert c.is_alive()


def test_a_header_bomb_is_bounded(server):
    with Client(server.port) as c:
        # 16 KiB of references to the static table: 600 KB of fields
        block = c.block() + b"\x90" * 16000
        c.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, block))
        assert c.outcome() == "431" and c.is_alive()


def test_streams_that_wait_for_a_window_are_reset(weir, site, tmp_path):
    (site / "large.bin").write_bytes(large())
    config = tmp_path / "weir.yaml"
    config.write_text(
        "listen: [{http: '127.0.0.1:0'}]\nhttp2: clear\nlimits: {progress: 1s}\nsites: [{root: site}]\n"
    )
    server = weir("-c", config)
    with Client(server.port, setting(4, 0)) as c:
        for i in range(1, 257, 2):
            c.ask(i, path="/large.bin")
        reset = set()
        while len(reset) < 128:
            kind, _, stream, payload = c.read()
            if kind == RST_STREAM:
                assert payload == u32(8)
                reset.add(stream)
        c.send(frame(SETTINGS, 0, 0, setting(4, 65535)))
        assert c.ask(301).outcome(301) == "200"
