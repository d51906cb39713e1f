"""Groups of upstreams: retries, sockets and TLS, reloads, and the messages of `weir check`."""

import os
import re
import signal
import socket
import ssl
import threading

from certificates import Authority
from conftest import wait_for
from proxying import logged, metrics
from upstream import Upstream, ok
from wire import Wire, get, request


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


def test_few_descriptors(configured):
    """A client is accepted only if there is a descriptor for the connection to an upstream, too."""
    upstream, enough = Upstream(), threading.Event()

    def wait(exchange):
        if len(upstream.requests) >= 30:
            enough.set()
        assert enough.wait(60)
        exchange.send(ok())

    upstream.replies["/"] = wait
    server = configured(
        f"workers: 1\nsites: [{{proxy: [{{to: '{upstream.url}'}}]}}]\n", prefix=["prlimit", "--nofile=200"]
    )
    crowd = [Wire(server) for _ in range(100)]
    for wire in crowd:
        wire.send(request("/", "Connection: close"))
    assert [wire.reply().status for wire in crowd] == [200] * 100


def test_servers_that_are_down_are_counted(configured, tmp_path):
    down = 'weir_proxy_down_servers{upstream="app"}'
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        server = configured(
            f"""
workers: 1
admin: admin.sock
upstreams: [{{name: app, servers: [{{url: 'http://127.0.0.1:{port}'}}], failures: 1, retries: 0}}]
sites: [{{proxy: [{{to: app}}]}}]
"""
        )
        server.admin = tmp_path / "admin.sock"
        assert get(server, "/").status == 502
        assert metrics(server)[down] == 1
        server.send_signal(signal.SIGHUP)
        server.wait_stderr("reloaded")
        wait_for(lambda: metrics(server).get(down) == 1, what="one server that is down, after a reload")
        # While all are down, all are asked.
        taken.listen()
        threading.Thread(target=reply_once, args=(taken,)).start()
        assert get(server, "/").status == 204
        assert metrics(server)[down] == 0


def reply_once(listener):
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")


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


def test_upstreams_that_ask_for_a_certificate(configured, tmp_path):
    authority = Authority(tmp_path)
    chain, key = authority.sign("localhost", ["localhost", "127.0.0.1"])
    own, own_key = authority.sign("weir", ["weir"], usage="clientAuth")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    context.load_verify_locations(authority.path)
    context.verify_mode = ssl.CERT_REQUIRED
    strict = Upstream(context=context)
    shown = []

    def name(exchange):
        shown.append(exchange.connection.getpeercert()["subject"])
        exchange.send(ok(b"known"))

    strict.replies["/known"] = name
    server = configured(
        f"""
workers: 1
upstreams:
  - name: known
    servers: [{{url: '{strict.url}'}}]
    ca: {authority.path}
    certificate: {own}
    certificate-key: {own_key}
  - {{name: unknown, servers: [{{url: '{strict.url}'}}], ca: {authority.path}}}
sites: [{{proxy: [{{path: /known, to: known}}, {{to: unknown}}]}}]
"""
    )
    assert get(server, "/known").text == "known"
    assert shown == [((("commonName", "weir"),),)]
    assert get(server, "/unknown").status == 502


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
        (3, "'url' must be http://HOST:PORT, https://HOST:PORT, fastcgi://HOST:PORT or unix:/PATH, not 'ftp://a'"),
        (3, "'url' must be http://HOST:PORT, https://HOST:PORT, fastcgi://HOST:PORT or unix:/PATH, not 'http://a/path'"),
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
