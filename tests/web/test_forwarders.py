"""Trusted forwarders: the client that X-Forwarded-For or Forwarded names, for all that asks for an address."""

import re
import socket

import pytest

from applications import STDOUT, Application, end, record
from conftest import wait_for
from frames import Client
from ports import free_port
from proxying import metrics
from upstream import Upstream, ok
from wire import Wire, get, request

# Of "secret".
HASH = "$5$abcd$BgCbKzckrgGdFcL/gWllSOkKJCXQV5rwJeTh9xnsJ1D"
CLIENT, OTHER = "203.0.113.7", "203.0.113.8"
TRUSTED = "forwarded-from: [127.0.0.1, 198.51.100.0/24], forwarded-field: "


def x(*addresses):
    return f"X-Forwarded-For: {', '.join(addresses)}"


@pytest.fixture
def served(weir, tmp_path):
    """served(more, sites, field) serves a site behind forwarders."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("a file")
    (tmp_path / "users").write_text(f"alice:{HASH}\n")

    def start(sites, more="", field="x-forwarded-for", listener=""):
        (tmp_path / "weir.yaml").write_text(
            f"listen: [{{http: '127.0.0.1:0', {TRUSTED}{field}{listener}}}]\n"
            "access-log: access.log\nadmin: admin.sock\nworkers: 1\nhttp2: clear\n" + more + sites
        )
        server = weir("-c", tmp_path / "weir.yaml", cwd=tmp_path)
        server.log, server.admin = tmp_path / "access.log", tmp_path / "admin.sock"
        return server

    return start


FILES = "sites: [{root: files}]\n"


def lines(server, count):
    wait_for(lambda: server.log.exists() and server.log.read_text().count("\n") >= count, what="the lines")
    return server.log.read_text().splitlines()


def test_each_request_has_a_client_of_its_own(served):
    server = served(FILES)
    with Wire(server) as wire:
        for fields in ([x("192.0.2.1", CLIENT)], [x(OTHER + ":4711")], [], [x("[2001:db8::7]:80")]):
            assert wire.ask(request("/a.txt", *fields)).text == "a file"
    first, second, third, fourth = lines(server, 4)
    assert first.startswith(CLIENT + " - ") and first.endswith(' forwarder="127.0.0.1"')
    assert second.startswith(OTHER + " - ")
    assert third.startswith("127.0.0.1 - ") and "forwarder" not in third
    assert fourth.startswith("2001:db8::7 - ")


@pytest.mark.parametrize(
    "fields, client",
    [
        ([x("192.0.2.1", CLIENT, "198.51.100.3")], CLIENT),  # a chain of forwarders
        ([x("192.0.2.1"), x(CLIENT), x("198.51.100.3")], CLIENT),  # in several fields
        ([x("198.51.100.3", "198.51.100.4")], "198.51.100.3"),  # all of them are trusted
        ([x(CLIENT, "unknown", "198.51.100.3")], "198.51.100.3"),  # nothing left of it is believed
        ([x(CLIENT, "unknown")], "127.0.0.1"),
        ([x(CLIENT, "_hidden", "198.51.100.3")], "198.51.100.3"),
        ([x(CLIENT) + ", 1.2.3"], "127.0.0.1"),
        (["Forwarded: for=192.0.2.9", "X-Real-IP: 192.0.2.9"], "127.0.0.1"),  # not the field that is believed
        (["X_Forwarded_For: 192.0.2.9"], "127.0.0.1"),
        ([x("192.0.2.9", *["198.51.100.3"] * 40)], "198.51.100.3"),  # bounded
    ],
)
def test_the_address_that_is_believed(served, fields, client):
    server = served(FILES)
    assert get(server, "/a.txt", *fields).text == "a file"
    assert lines(server, 1)[0].startswith(client + " - ")


@pytest.mark.parametrize(
    "value, client",
    [
        (f"for={CLIENT}", CLIENT),
        ('for=192.0.2.1, for="[2001:db8::7]:80";proto=https, for=198.51.100.3', "2001:db8::7"),
        (f'for=", for={CLIENT}', CLIENT),  # what a client has left open closes nothing
        (f"for={CLIENT}, for=unknown, for=198.51.100.3", "198.51.100.3"),
        (f"for={CLIENT}, proto=https", "127.0.0.1"),
    ],
)
def test_forwarded(served, value, client):
    server = served(FILES, field="forwarded")
    assert get(server, "/a.txt", x("192.0.2.9"), f"Forwarded: {value}").text == "a file"
    assert lines(server, 1)[0].startswith(client + " - ")


def test_fields_of_strangers_are_not_believed(served):
    server = served(FILES)
    with socket.create_connection(("127.0.0.1", server.port), 60, source_address=("127.0.0.2", 0)) as stranger:
        stranger.sendall(request("/a.txt", x(CLIENT), "Connection: close"))
        while stranger.recv(4096):
            pass
    assert lines(server, 1)[0].startswith("127.0.0.2 - ")


def test_streams_have_clients_of_their_own(served):
    server = served(FILES)
    with Client(server.port) as client:
        client.acknowledge()
        for stream, address in ((1, CLIENT), (3, OTHER)):
            client.ask(stream, path="/a.txt", fields=[("x-forwarded-for", address)])
            assert client.reply(stream)[2] == b"a file"
    assert {line.split()[0] for line in lines(server, 2)} == {CLIENT, OTHER}


def test_lists_of_rules_and_of_the_listener(served):
    rules = f"sites: [{{root: files, rules: [{{path: /a.txt, deny: [{CLIENT}]}}]}}]\n"
    server = served(rules, listener=", deny: [127.0.0.1, 203.0.113.9]")
    assert get(server, "/a.txt", x(CLIENT)).status == 403
    assert get(server, "/a.txt", x(OTHER)).status == 200
    # The connection is the forwarder's, and not closed; its own requests are refused.
    with Wire(server) as wire:
        assert wire.ask(request("/a.txt", x("203.0.113.9"))).status == 403
        assert wire.ask(request("/a.txt", x(OTHER))).status == 200
        assert wire.ask(request("/a.txt")).status == 403
    assert sum("refused_by=\"policy\"" in line for line in lines(server, 5)) == 2
    assert metrics(server)['weir_http_refused_total{site="-",reason="network"}'] == 3


def test_rates_are_those_of_the_client(served):
    server = served(FILES, "policy: {request-rate: 1, request-burst: 2}\n")
    with Wire(server) as wire:
        found = [wire.ask(request("/a.txt", x(CLIENT))) for _ in range(5)]
        assert [reply.status for reply in found[:2]] == [200, 200] and found[4].status == 429
        assert found[4]["retry-after"]
        assert wire.ask(request("/a.txt", x(OTHER))).status == 200


def test_the_guard_bans_the_client_and_not_the_forwarder(served, run):
    auth = "sites: [{root: files, auth: [{path: /, users: users}]}]\n"
    server = served(auth, "guard: {threshold: 100, ban-after: 3, ban-time: 1h}\n")
    wrong = "Authorization: Basic YWxpY2U6d3Jvbmc="
    with Wire(server) as wire:
        for _ in range(3):
            assert wire.ask(request("/a.txt", x(CLIENT), wrong)).status == 401
        assert wire.ask(request("/a.txt", x(CLIENT))).status == 403
        assert wire.ask(request("/a.txt", x(OTHER))).status == 401
    assert get(server, "/a.txt", x(OTHER)).status == 401
    found = run("console", "--admin", server.admin, "ban", "list").stdout
    assert CLIENT in found and "127.0.0.1" not in found


def test_what_servers_behind_get(served, tmp_path):
    upstream, authority, application = Upstream(), Upstream(), Application(tmp_path / "socket")
    application.reply = record(STDOUT, b"Content-Type: text/plain\r\n\r\nhello") + end()
    server = served(
        f"""
sites:
  - root: files
    forward-auth: [{{path: /app, to: '{authority.url}'}}]
    proxy:
      - {{path: /app, to: '{upstream.url}', forwarded: both}}
      - {{path: /chain, to: '{upstream.url}', trusted: [127.0.0.1]}}
    fastcgi: [{{path: /cgi, to: 'unix:{tmp_path}/socket', extension: off}}]
"""
    )
    lies = [x("192.0.2.1", CLIENT + ":4711"), "X-Forwarded-Proto: https", "X-Forwarded-Host: evil"]
    assert get(server, "/app/x", *lies, "Host: a").status == 200
    seen, asked = upstream.requests[-1].fields, authority.requests[-1].fields
    assert seen["x-forwarded-for"] == asked["x-forwarded-for"] == CLIENT
    assert seen["x-forwarded-proto"] == asked["x-forwarded-proto"] == "https"
    assert seen["x-forwarded-host"] == "a"
    assert seen["forwarded"] == f'for={CLIENT};proto=https;host="a"'
    # `trusted` is about the peer that has sent the list.
    assert get(server, "/chain", *lies).status == 200
    assert upstream.requests[-1].fields["x-forwarded-for"] == f"192.0.2.1, {CLIENT}:4711, 127.0.0.1"
    assert get(server, "/cgi/x", *lies).text == "hello"
    variables = application.requests[-1]["params"]
    assert variables["REMOTE_ADDR"] == CLIENT and variables["REMOTE_PORT"] == "4711"
    assert variables["HTTPS"] == "on" and "HTTP_X_FORWARDED_FOR" not in variables
    for server_behind in (upstream, authority, application):
        server_behind.close()


def test_the_scheme_that_the_client_has_used(served):
    site = """
sites:
  - root: files
    redirect-to-https: yes
    fields: [{set: {Strict-Transport-Security: max-age=1}}]
"""
    server = served(site)
    reply = get(server, "/a.txt", x(CLIENT), "X-Forwarded-Proto: https")
    assert reply.status == 200 and reply["strict-transport-security"] == "max-age=1"
    for proto in (["X-Forwarded-Proto: http"], ["X-Forwarded-Proto: https, http"], [], ["X-Forwarded-Proto: x"]):
        assert get(server, "/a.txt", x(CLIENT), *proto).status == 308
    with socket.create_connection(("127.0.0.1", server.port), 60, source_address=("127.0.0.2", 0)) as stranger:
        stranger.sendall(request("/a.txt", x(CLIENT), "X-Forwarded-Proto: https"))
        assert b" 308 " in stranger.recv(4096)


def test_forwarded_has_the_scheme_of_its_client(served):
    server = served("sites: [{root: files, redirect-to-https: yes}]\n", field="forwarded")
    for value, status in [
        (f"for={CLIENT};proto=https", 200),
        (f"for={CLIENT};proto=https, for=198.51.100.3;proto=http", 200),
        (f"for={CLIENT};proto=http, for=198.51.100.3;proto=https", 308),
        (f"for={CLIENT}", 308),
    ]:
        assert get(server, "/a.txt", f"Forwarded: {value}", "X-Forwarded-Proto: https").status == status


def test_a_deferred_request_has_its_client(served):
    """A request that waits for the replies before it."""
    server = served(FILES, "policy: {deny: [203.0.113.9]}\n")
    put = request("/a.txt", x("203.0.113.9"), "Content-Length: 1", method="PUT", body=b"") + b"x"
    with Wire(server) as wire:
        wire.send(request("/a.txt", x(CLIENT)) + put + request("/a.txt", x(OTHER)))
        assert [wire.reply().status for _ in range(3)] == [200, 403, 200]
    assert [line.split()[0] for line in lines(server, 3)] == [CLIENT, "203.0.113.9", OTHER]


def test_logs_with_fields(served):
    server = served(FILES, "log-format: json\n")
    get(server, "/a.txt", x(CLIENT))
    assert re.search(rf'"peer":\s?"{CLIENT}".*"forwarder":\s?"127.0.0.1"', lines(server, 1)[0])


def test_check_names_the_lines(run, tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "weir.yaml").write_text(
        "listen:\n"
        "  - {http: '127.0.0.1:1', forwarded-from: [192.0.2.0/24]}\n"
        "  - {http: '127.0.0.1:2', forwarded-field: forwarded}\n"
        "  - {pop3: '127.0.0.1:3', forwarded-from: [192.0.2.0/24], forwarded-field: forwarded}\n"
        "  - {http: '127.0.0.1:4', forwarded-from: [192.0.2.1/24], forwarded-field: both}\n"
        "sites: [{root: files}]\n"
    )
    result = run("check", "weir.yaml")
    assert result.returncode != 0
    for line, text in [
        (2, "'forwarded-field' must name the field"),
        (3, "'forwarded-field' is not used: it needs 'forwarded-from'"),
        (4, "pop3 has no such fields"),
        (5, "no bits set behind the prefix"),
        (5, "'forwarded-field' must be"),
    ]:
        assert re.search(rf"weir.yaml:{line}:\d+: .*{re.escape(text)}", result.stderr + result.stdout), (line, text)


# -- loops


def test_a_request_that_comes_back_is_refused(weir, tmp_path):
    port, other = free_port(), free_port()
    (tmp_path / "files").mkdir()
    (tmp_path / "weir.yaml").write_text(
        f"""
listen: [{{http: '127.0.0.1:{port}'}}, {{http: '127.0.0.1:{other}'}}]
access-log: access.log
admin: admin.sock
workers: 2
upstreams: [{{name: self, servers: [{{url: 'http://127.0.0.1:{port}'}}]}}]
sites:
  - root: files
    proxy:
      - {{path: /loop, to: self}}
      - {{path: /open, to: self, via: no}}
  - names: [a.example]
    proxy: [{{to: 'http://127.0.0.1:{other}', host: b.example}}]
  - names: [b.example]
    proxy: [{{path: /loop, to: 'http://127.0.0.1:{port}', host: a.example}}, {{to: 'http://127.0.0.1:{port}', host: c.example}}]
  - names: [c.example]
    root: files
    rules: [{{path: /**, respond: ok}}]
"""
    )
    server = weir("-c", tmp_path / "weir.yaml", cwd=tmp_path)
    server.admin, server.log = tmp_path / "admin.sock", tmp_path / "access.log"
    assert get(server, "/loop").status == 508
    # Each worker writes on its own.
    assert any('upstream_error="the request has passed this proxy before"' in line for line in lines(server, 2))
    assert metrics(server)['weir_proxy_requests_total{upstream="self",result="loop"}'] == 1
    # Two hops through one server, of different entries, are no loop; two that lead to each other are.
    assert get(server, "/", "Host: a.example").text == "ok"
    assert get(server, "/loop", "Host: a.example").status == 508
    # Without the field nothing can be seen.
    assert get(server, "/open").status != 508
    assert get(server, "/", "Via: 1.1 weir, 1.0 weir-0123456789abcdef (a comment)", "Host: a.example").text == "ok"


def test_a_question_that_comes_back_is_refused(served):
    port = free_port()
    sites = f"sites: [{{root: files, forward-auth: [{{to: 'http://127.0.0.1:{port}'}}]}}]\n"
    server = served(sites, listener=f"}}, {{http: '127.0.0.1:{port}'")
    assert get(server, "/a.txt").status == 508
    asked, first = lines(server, 2)
    assert 'auth_error="the request has passed this proxy before"' in asked and "auth_error" not in first


def test_two_servers_in_a_chain(weir, tmp_path):
    upstream = Upstream()
    (tmp_path / "back").mkdir()
    (tmp_path / "front").mkdir()
    (tmp_path / "back" / "weir.yaml").write_text(
        f"listen: [{{http: '127.0.0.1:0'}}]\nsites: [{{proxy: [{{to: '{upstream.url}'}}]}}]\n"
    )
    back = weir("-c", tmp_path / "back" / "weir.yaml", cwd=tmp_path / "back")
    (tmp_path / "front" / "weir.yaml").write_text(
        f"listen: [{{http: '127.0.0.1:0'}}]\nsites: [{{proxy: [{{to: 'http://127.0.0.1:{back.port}'}}]}}]\n"
    )
    front = weir("-c", tmp_path / "front" / "weir.yaml", cwd=tmp_path / "front")
    upstream.replies["/x"] = ok(b"behind both")
    assert get(front, "/x").text == "behind both"
    via = re.findall(rb"(?i)\r\nvia: 1.1 (weir-[0-9a-f]{16})", upstream.requests[-1].head)
    assert len(via) == len(set(via)) == 2
    upstream.close()


# -- names that pass for others


def test_names_with_underscores(configured):
    upstream = Upstream()
    server = configured(
        f"""
sites:
  - proxy:
      - {{path: /any, to: '{upstream.url}', underscores: yes}}
      - {{to: '{upstream.url}'}}
"""
    )
    odd = ["X_User: root", "X.User: root", "Content_Length: 5", "Transfer_Encoding: chunked", "X_Forwarded_For: 192.0.2.1"]
    assert get(server, "/", *odd, "X-User: ann").status == 200
    names = upstream.requests[-1].names
    assert "x-user" in names and not [name for name in names if "_" in name or "." in name]
    assert get(server, "/any", *odd).status == 200
    assert {name for name in upstream.requests[-1].names if "_" in name or "." in name} == {"x_user", "x.user"}
    with Wire(server) as wire:
        wire.send(request("/", "Transfer-Encoding: chunked", "TE: trailers", method="POST"))
        wire.send(b"1\r\na\r\n0\r\nX_A: 1\r\nX-A: 2\r\n\r\n")
        assert wire.reply().status == 200
    assert upstream.requests[-1].trailers == [b"X-A: 2"]
    upstream.close()


def test_names_of_replies_pass(configured):
    upstream = Upstream({"/": ok(b"", b"X_A: 1")})
    server = configured(f"sites: [{{proxy: [{{to: '{upstream.url}'}}]}}]\n")
    assert get(server, "/")["x_a"] == "1"
    upstream.close()
