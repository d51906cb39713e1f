"""Health checks of upstreams: which server gets requests, the lines about it, and reloads."""

import re
import signal
import socket

from conftest import wait_for
from proxying import metrics
from upstream import Upstream, ok
from wire import get

UNHEALTHY = 'weir_proxy_unhealthy_servers{upstream="app"}'
BAD = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"


def grouped(configured, tmp_path, servers, check, more="", workers=1):
    urls = ", ".join(f"{{url: '{url}'}}" for url in servers)
    server = configured(
        f"""
workers: {workers}
admin: admin.sock
log: weir.log
upstreams:
  - {{name: app, servers: [{urls}], balance: round-robin, check: {check}}}
sites: [{{proxy: [{{to: app}}]}}]
{more}
"""
    )
    server.admin = tmp_path / "admin.sock"
    server.own_log = tmp_path / "weir.log"
    return server


def wait_until_unhealthy(server, count):
    wait_for(lambda: metrics(server).get(UNHEALTHY) == count, what=f"{count} unhealthy servers")


def wait_until_logged(server, pattern):
    wait_for(lambda: re.search(pattern, server.own_log.read_text()), what=pattern)


def test_a_server_whose_status_changes(configured, tmp_path):
    servers = [Upstream({"/": ok(b"0")}), Upstream({"/": ok(b"1")})]
    servers[1].replies["/health"] = BAD
    server = grouped(
        configured, tmp_path, [each.url for each in servers], "{path: /health, interval: 100ms, time: 10s}"
    )
    wait_until_unhealthy(server, 1)
    assert {get(server, "/").text for _ in range(6)} == {"0"}
    wait_until_logged(server, f"upstreams app: {servers[1].url} is unhealthy: status 503")
    asked = next(seen for seen in servers[1].requests if seen.path == "/health")
    assert (asked.method, asked.fields["host"]) == ("GET", f"127.0.0.1:{servers[1].port}")
    servers[1].replies["/health"] = ok()
    wait_until_unhealthy(server, 0)
    assert {get(server, "/").text for _ in range(6)} == {"0", "1"}
    wait_until_logged(server, f"upstreams app: {servers[1].url} is healthy")
    assert metrics(server)['weir_proxy_health_checks_total{upstream="app",result="bad"}'] >= 3


def test_the_expected_status(configured, tmp_path):
    behind = [Upstream({"/health": b"HTTP/1.1 204 No\r\n\r\n"}), Upstream()]
    server = grouped(
        configured,
        tmp_path,
        [each.url for each in behind],
        "{path: /health, status: 204, interval: 100ms, time: 10s, fall: 1}",
    )
    wait_until_unhealthy(server, 1)
    wait_until_logged(server, f"{behind[1].url} is unhealthy: status 200")
    assert behind[0].url not in server.own_log.read_text()


def test_connections_suffice_without_a_path(configured, tmp_path):
    refused = socket.socket()
    refused.bind(("127.0.0.1", 0))  # does not listen
    url = f"http://127.0.0.1:{refused.getsockname()[1]}"
    up = Upstream({"/": ok(b"up")})
    by_path = Upstream({"/": ok(b"up")}, path=tmp_path / "app.sock")
    server = grouped(
        configured, tmp_path, [url, up.url, by_path.url], "{interval: 100ms, time: 10s, fall: 2}"
    )
    wait_until_unhealthy(server, 1)
    assert {get(server, "/").text for _ in range(4)} == {"up"}
    assert not any(seen.path != "/" for seen in up.requests + by_path.requests)
    wait_until_logged(server, rf"{url} is unhealthy: .*refused")
    good = 'weir_proxy_health_checks_total{upstream="app",result="good"}'
    wait_for(lambda: metrics(server)[good] >= 4, what="further checks")
    refused.listen(16)
    wait_until_unhealthy(server, 0)
    refused.close()


def test_a_server_that_does_not_reply_is_unhealthy(configured, tmp_path):
    silent = Upstream({"/health": lambda exchange: not exchange.connection.recv(1)})
    server = grouped(
        configured, tmp_path, [silent.url], "{path: /health, interval: 100ms, time: 200ms, fall: 1}"
    )
    wait_until_unhealthy(server, 1)
    # While all are down, all are asked.
    assert get(server, "/").text == "ok"


def test_a_reload_keeps_what_is_known(configured, tmp_path):
    servers = [Upstream({"/": ok(b"0")}), Upstream({"/": ok(b"1"), "/health": BAD})]
    server = grouped(
        configured,
        tmp_path,
        [each.url for each in servers],
        "{path: /health, interval: 100ms, time: 10s, fall: 1}",
    )
    wait_until_unhealthy(server, 1)
    config = tmp_path / "weir.yaml"
    # With this interval, the new configuration cannot have found out by itself.
    text = config.read_text().replace("interval: 100ms, time: 10s, fall: 1", "interval: 1h, fall: 100")
    config.write_text(text.replace("proxy: [", "redirect: [{from: /new, to: /}], proxy: ["))
    server.send_signal(signal.SIGHUP)
    wait_for(lambda: get(server, "/new").status == 301, what="the reload")
    assert {get(server, "/").text for _ in range(6)} == {"0"}


def test_what_check_says(run, tmp_path):
    (tmp_path / "weir.yaml").write_text(
        """\
upstreams:
  - name: app
    servers: [{url: 'http://a'}]
    check: {path: health, status: 100, rise: 0}
    buffers: 1M
sites: [{proxy: [{to: app}]}]
"""
    )
    result = run("check", "-c", "weir.yaml")
    assert result.returncode == 1
    for text in (
        "'path' must be a path such as /health, not 'health'",
        "'status' must be from 200 to 599, or any",
        "'rise' must be from 1 to 1000, not 0",
        "'buffers' ",
    ):
        assert text in result.stderr, result.stderr


def test_one_worker_checks_for_all(configured, tmp_path):
    """The number of checks does not depend on the number of workers, and all of them know the results."""
    servers = [Upstream({"/": ok(b"0")}), Upstream({"/": ok(b"1"), "/health": BAD})]
    check = "{path: /health, interval: 1h, time: 10s, fall: 1}"
    server = grouped(configured, tmp_path, [each.url for each in servers], check, workers=4)
    wait_until_unhealthy(server, 1)
    total = 'weir_proxy_health_checks_total{upstream="app",result="%s"}'
    wait_for(lambda: metrics(server)[total % "good"] == 1, what="the check of the other server")
    # Connections are spread over the workers.
    assert {get(server, "/").text for _ in range(40)} == {"0"}
    assert metrics(server)[total % "bad"] == 1
    assert [sum(seen.path == "/health" for seen in each.requests) for each in servers] == [1, 1]
    wait_until_logged(server, "is unhealthy")
    assert server.own_log.read_text().count("is unhealthy") == 1
