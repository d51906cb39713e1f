"""Requests that another server has to consent to: what it is asked, what passes, and what it cannot prevent."""

import threading

import pytest

from conftest import wait_for
from proxying import logged, metrics
from upstream import Upstream, ok
from wire import Wire, get, request

ADMITTED = b"HTTP/1.1 200 OK\r\nRemote-User: ann\r\nX-Other: 1\r\nContent-Length: 0\r\n\r\n"
LOGIN = (
    b"HTTP/1.1 302 Found\r\nLocation: /login\r\nSet-Cookie: a=b\r\nContent-Length: 5\r\n"
    b"Connection: keep-alive\r\n\r\nlogin"
)


@pytest.fixture
def decided(configured, tmp_path):
    """A server, the one that decides, and the application behind."""
    authority, behind = Upstream(), Upstream()
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("a file")
    server = configured(
        f"""
workers: 1
admin: admin.sock
access-log: access.log
upstreams: [{{name: auth, servers: [{{url: '{authority.url}'}}], head: 1s, retries: 0}}]
sites:
  - root: files
    forward-auth: [{{to: auth, ask: '/verify?x=y', fields: [Remote-User, Remote-Groups]}}]
    proxy: [{{path: /app, to: '{behind.url}'}}]
"""
    )
    server.admin, server.log = tmp_path / "admin.sock", tmp_path / "access.log"
    return server, authority, behind


def decisions(server, result):
    return metrics(server)[f'weir_forward_auth_requests_total{{upstream="auth",result="{result}"}}']


def test_what_is_asked_and_what_passes(decided):
    server, authority, behind = decided
    authority.replies["/verify"] = ADMITTED
    behind.replies["/app/x"] = lambda exchange: exchange.send(ok(exchange.body()))
    lies = ["Remote-User: root", "Remote_User: root", "remote-groups: admins", "X-Forwarded-Uri: /public"]
    with Wire(server) as wire:
        wire.send(request("/app/x?q=1", *lies, "Cookie: c=d", method="POST", body=b"hello"))
        assert wire.reply().text == "hello"
        assert wire.ask(request("/a.txt")).text == "a file"
    asked = authority.requests[0]
    assert (asked.method, asked.target) == ("GET", "/verify?x=y")
    assert asked.fields["x-forwarded-method"] == "POST"
    assert asked.fields["x-forwarded-uri"] == "/app/x?q=1"
    assert asked.names.count("x-forwarded-uri") == 1
    assert asked.fields["x-forwarded-for"] == "127.0.0.1"
    assert asked.fields["cookie"] == "c=d"
    assert not {"content-length", "transfer-encoding"} & set(asked.names)
    seen = behind.requests[0]
    assert seen.fields["remote-user"] == "ann"
    assert not {"remote_user", "remote-groups", "x-other"} & set(seen.names)
    with Wire(server) as wire:
        # The server decides about the path that is served, however it is written.
        for path in "/public/../app/x", "//public/%2e%2E//app/./x", "/%61pp/%78":
            assert wire.ask(request(path + "?a=%61")).status == 200
            assert authority.requests[-1].fields["x-forwarded-uri"] == "/app/x?a=%61"
        wire.send(request("/app/x", "Transfer-Encoding: chunked", "TE: trailers", method="POST"))
        wire.send(b"1\r\na\r\n0\r\nRemote-User: root\r\nX-T: 1\r\n\r\n")
        assert wire.reply().text == "a" and behind.requests[-1].trailers == [b"X-T: 1"]
    assert decisions(server, "admitted") == 6


def test_a_refusal_is_the_reply(decided):
    server, authority, behind = decided
    authority.replies["/verify"] = LOGIN
    with Wire(server) as wire:
        for method in "GET", "HEAD":
            reply = wire.ask(request("/app/x", method=method), method)
            assert (reply.status, reply["location"], reply["set-cookie"]) == (302, "/login", "a=b")
            assert reply.text == ("login" if method == "GET" else "")
        wire.send(request("/app/x", method="POST", body=b"hello"))
        assert wire.reply().status == 302
        authority.replies["/verify"] = ADMITTED
        assert wire.ask(request("/app/y")).status == 200
    assert [seen.path for seen in behind.requests] == ["/app/y"]
    assert decisions(server, "refused") == 3


@pytest.mark.parametrize(
    "reply, status",
    [
        (b"nonsense\r\n\r\n", 502),
        (b"", 502),
        (b"HTTP/1.1 401 No\r\nContent-Length: 99999999\r\n\r\n", 502),
        (b"HTTP/1.1 101 Up\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", 502),
    ],
)
def test_without_a_valid_reply_nothing_passes(decided, reply, status):
    server, authority, behind = decided
    authority.replies["/verify"] = (reply, "close")
    assert get(server, "/app/x").status == status
    assert get(server, "/a.txt").status == status
    assert not behind.requests
    line = logged(server, "/app/x")
    assert f'auth_server="{authority.url}"' in line and "auth_error=" in line
    assert decisions(server, "failed") == 2


def test_a_server_that_is_late_or_gone(decided):
    server, authority, behind = decided
    authority.replies["/verify"] = lambda exchange: not exchange.connection.recv(1)
    assert get(server, "/app/x").status == 504
    authority.close()
    assert get(server, "/app/x").status in (502, 504)
    assert not behind.requests


def test_a_client_that_leaves_meanwhile(decided):
    server, authority, behind = decided
    ended = threading.Event()

    def wait(exchange):
        exchange.connection.settimeout(30)
        try:
            exchange.connection.recv(1)
        except OSError:
            pass
        ended.set()
        return True

    authority.replies["/verify"] = wait
    with Wire(server) as wire:
        wire.send(request("/app/x"))
        wait_for(lambda: authority.requests, what="the question")
        wire.reset()
    assert ended.wait(30)
    wait_for(lambda: decisions(server, "gone") == 1, what="the count")
    assert not behind.requests


def test_what_check_says(run, tmp_path):
    (tmp_path / "weir.yaml").write_text(
        """\
sites:
  - root: .
    forward-auth:
      - {to: nobody}
      - {to: 'http://127.0.0.1:1', ask: verify, fields: ['Remote User']}
"""
    )
    result = run("check", "-c", "weir.yaml")
    assert result.returncode == 1
    for line, text in (
        (4, "'to' must be the name of an entry of 'upstreams'"),
        (5, "'ask' must be a path such as /verify, not 'verify'"),
        (5, "Remote User"),
    ):
        assert any(f"yaml:{line}:" in said and text in said for said in result.stderr.splitlines()), result.stderr
