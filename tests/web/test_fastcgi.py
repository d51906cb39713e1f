"""Applications of FastCGI that are hostile, slow or gone, kept connections, and the errors of `weir check`."""

import re
import struct
import threading

import pytest

from applications import PARAMS, STDERR, STDOUT, Application, end, record
from conftest import wait_for
from proxying import logged
from test_auth import basic, hashed
from test_tokens import Issuer
from wire import Wire, get, request

HELLO = record(STDOUT, b"Content-Type: text/plain\r\n\r\nhello") + end()


@pytest.fixture(scope="module")
def application(tmp_path_factory):
    path = tmp_path_factory.mktemp("application") / "socket"
    server = Application(path)
    server.path = path
    yield server
    server.close()


@pytest.fixture(scope="module")
def site(module_weir, application, tmp_path_factory):
    directory = tmp_path_factory.mktemp("site")
    (directory / "weir.yaml").write_text(
        f"""
listen: [{{http: 127.0.0.1:0}}]
workers: 1
access-log: access.log
upstreams:
  - {{name: app, protocol: fastcgi, retries: 0, failures: unlimited, head: 1s, body: 1s,
     servers: [{{url: 'unix:{application.path}'}}]}}
  - {{name: kept, protocol: fastcgi, keep: yes, servers: [{{url: 'unix:{application.path}'}}]}}
sites:
  - fastcgi:
      - {{path: /kept, to: kept, extension: off}}
      - {{path: /small, to: app, extension: off, max-size: 10}}
      - {{to: app, extension: off}}
"""
    )
    server = module_weir("-c", directory / "weir.yaml", cwd=directory)
    server.log = directory / "access.log"
    return server


# -- what an application gets ----------------------------------------------------------------------


def test_a_request(site, application):
    application.reply = HELLO
    body = bytes(range(256)) * 300
    reply = get(site, "/a/b?c", "X-A: 1", "X-A: 2", "Proxy: evil", method="POST", body=body)
    assert reply.text == "hello" and reply["content-type"] == "text/plain"
    seen = application.requests[-1]
    assert seen["body"] == body and not seen["keep"]
    params = seen["params"]
    assert (params["SCRIPT_NAME"], params["PATH_INFO"], params["QUERY_STRING"]) == ("", "/a/b", "c")
    assert params["HTTP_X_A"] == "1, 2" and params["CONTENT_LENGTH"] == str(len(body))
    assert "HTTP_PROXY" not in params and "SCRIPT_FILENAME" not in params


def test_who_has_asked(configured, application, tmp_path):
    """REMOTE_USER, and by what it was proven: RFC 3875 4.1.1."""
    issuer = Issuer(tmp_path, "ES256")
    (tmp_path / "keys").write_text(issuer.public)
    (tmp_path / "users").write_text(f"alice:{hashed('wonder')}\n")
    server = configured(
        f"""
upstreams: [{{name: app, protocol: fastcgi, servers: [{{url: 'unix:{application.path}'}}]}}]
sites:
  - fastcgi: [{{to: app, extension: off}}]
    rules:
      - {{path: /password, auth: {{users: users}}}}
      - {{path: /token, bearer: {{keys: keys}}}}
"""
    )
    application.reply = HELLO
    token, password = issuer.token(sub="bob"), basic("alice:wonder")["Authorization"]
    cases = [
        ("/password", password, ("Basic", "alice")),
        ("/password", password.replace("Basic", "bASIC"), ("Basic", "alice")),
        ("/token", f"Bearer {token}", ("Bearer", "bob")),
        ("/token", f"bearer  {token}", ("Bearer", "bob")),
        # Nobody has verified these.
        ("/", password, (None, None)),
        ("/", f"Bearer {token}", (None, None)),
        ("/", "", (None, None)),
    ]
    for path, credentials, expected in cases:
        assert get(server, path, f"Authorization: {credentials}").text == "hello", path
        params = application.requests[-1]["params"]
        assert (params.get("AUTH_TYPE"), params.get("REMOTE_USER")) == expected, credentials
    assert get(server, "/token", f"Authorization: {password}").status == 401


def test_kept_connections(site, application):
    application.reply = HELLO
    before = application.connections
    for _ in range(5):
        assert get(site, "/kept").text == "hello"
    assert application.connections == before + 1 and application.requests[-1]["keep"]
    assert get(site, "/x").text == get(site, "/x").text == "hello"
    assert application.connections == before + 3


def test_bodies_that_are_refused(site, application):
    before = len(application.requests)
    assert get(site, "/x", "Transfer-Encoding: chunked", method="POST", body=b"0\r\n\r\n").status == 411
    assert get(site, "/small", method="POST", body=b"12345678901").status == 413
    assert len(application.requests) == before


# -- hostile applications --------------------------------------------------------------------------

HOSTILE = {
    "nothing": b"",
    "HTTP": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "a part of a header": HELLO[:5],
    "another version": record(STDOUT, b"A: b\n\nx", version=2) + end(),
    "another request": record(STDOUT, b"A: b\n\nx", request=2) + end(),
    "a type of requests": record(PARAMS, b"x") + HELLO,
    "an unknown type": record(99, b"x") + HELLO,
    "a short end": record(STDOUT, b"A: b\n") + record(3, b"1234567"),
    "no head": end(),
    "half a head": record(STDOUT, b"A: b\n") + end(),
    "an empty head": record(STDOUT, b"\n\nx") + end(),
    "no field": record(STDOUT, b"hello\n\nx") + end(),
    "a stray CR": record(STDOUT, b"A: b\rC: d\n\n") + end(),
    "a NUL": record(STDOUT, b"A: b\0c\n\n") + end(),
    "a folded field": record(STDOUT, b"A: b\n c\n\n") + end(),
    "two statuses": record(STDOUT, b"Status: 200\nStatus: 404\n\n") + end(),
    "no number": record(STDOUT, b"Status: OK\n\n") + end(),
    "an interim status": record(STDOUT, b"Status: 101 Up\nUpgrade: websocket\n\n") + end(),
    "a coding": record(STDOUT, b"Transfer-Encoding: chunked\n\n0\r\n\r\n") + end(),
    "two lengths": record(STDOUT, b"Content-Length: 1\nContent-Length: 2\n\nab") + end(),
    "a head of 1 MB": b"".join(record(STDOUT, b"A: " + b"b" * 60000 + b"\n") for _ in range(17)) + end(),
    "a thousand fields": record(STDOUT, b"A: b\n" * 1000 + b"\n") + end(),
    "many names in Connection": record(STDOUT, b"Connection: " + b"a," * 100 + b"a\n\n") + end(),
    "a refusal": end(protocol_status=1),
    "an unknown role": end(protocol_status=3),
}


def test_hostile_replies_become_502(site, application):
    for name, reply in HOSTILE.items():
        application.reply = reply
        path = f"/hostile/{name.replace(' ', '-')}"
        assert get(site, path).status == 502, name
        assert "upstream_error=" in logged(site, path), name
    application.reply = end(protocol_status=2)
    assert get(site, "/overload").status == 503
    assert 'upstream_error="the application is overloaded"' in logged(site, "/overload")


def test_an_early_close_at_each_byte(site, application):
    """A head that is not whole is 502; a body that is not ends the client's connection without its end."""
    head = len(record(STDOUT, b"Content-Type: text/plain\r\n\r\n"))
    for at in range(len(HELLO)):
        application.reply = HELLO[:at]
        with Wire(site) as wire:
            wire.send(request(f"/early/{at}"))
            status = wire.head()[0]
            if at < head:
                assert status == 502, at
            else:
                assert status == 200 and not wire.rest().endswith(b"0\r\n\r\n"), at


def test_extra_bytes_belong_to_none(site, application):
    for extra in record(STDOUT, b"evil"), b"HTTP/1.1 200 OK\r\n\r\n", b"\0":
        application.reply = HELLO + extra
        for _ in range(3):
            assert get(site, "/kept").text == "hello"
    application.reply = record(STDOUT, b"Content-Length: 2\n\nhello") + end()
    for _ in range(3):
        assert get(site, "/kept").text == "he"


def test_the_error_stream(site, application):
    application.reply = (
        record(STDERR, b"first\nsecond \x1b[31m\r\n") + HELLO[:-16] + record(STDERR, b"x" * 60000) + end(app_status=255)
    )
    assert get(site, "/errors").text == "hello"
    assert "app_status=255" in logged(site, "/errors")
    wait_for(lambda: "second ?[31m" in site.stderr, what="the error stream in the log")
    assert re.search(r"upstreams app: unix:\S+: request \w{16}: first\n", site.stderr)
    assert len(site.stderr) < 20000
    # Their number is bounded in time: 20 in 10 s.
    application.reply = record(STDERR, b"line\n" * 100) + HELLO
    for _ in range(5):
        assert get(site, "/errors").status == 200
    assert site.stderr.count(": line\n") <= 40
    wait_for(lambda: "lines in error streams of applications" in site.stderr, what="the number of the rest")


def test_an_application_that_is_late(site, application):
    application.reply = record(STDOUT, b"A: b\n\n") + struct.pack("!BBHHBB", 1, STDOUT, 1, 10, 0, 0)
    # It closes after its reply unless the connection is kept.
    with Wire(site) as wire:
        wire.send(request("/late"))
        assert wire.head()[0] == 200
        assert not wire.rest().endswith(b"0\r\n\r\n")


# -- weir check ------------------------------------------------------------------------------------

BAD = """\
listen: [{http: 127.0.0.1:0}]
upstreams:
  - {name: web, servers: [{url: 'http://127.0.0.1:1'}]}
  - {name: php, protocol: fastcgi, servers: [{url: 'unix:/php.sock'}]}
  - {name: mixed, protocol: fastcgi, servers: [{url: 'http://127.0.0.1:1'}]}
  - {name: plain, servers: [{url: 'fastcgi://127.0.0.1:1'}]}
  - {name: keep, protocol: http, keep: yes, servers: [{url: 'http://127.0.0.1:1'}]}
sites:
  - root: www
    fastcgi: [{to: web}]
    proxy: [{to: php}]
  - names: [a]
    root: www
    fastcgi:
      - {to: 'http://127.0.0.1:1'}
      - {to: php, extension: off, script: index.php}
      - {to: php, index: a/b, application-root: www}
      - {to: php, never: [/incoming]}
      - {to: php}
    uploads: {prefix: incoming}
  - names: [b]
    proxy: [{path: /, to: web}]
    fastcgi: [{to: php, path: x}]
  - names: [c]
    forward-auth: [{to: php}]
    root: www
  - names: [d]
    fastcgi: [{to: php, extension: off}]
"""

EXPECTED = [
    (5, "'url' must be fastcgi://HOST:PORT or unix:/PATH with 'protocol: fastcgi'"),
    (6, "'fastcgi://127.0.0.1:1' needs 'protocol: fastcgi' in its group"),
    (7, "'keep' is for 'protocol: fastcgi'"),
    (10, "the group 'web' must have 'protocol: fastcgi'"),
    (11, "the group 'php' must have 'protocol: http'"),
    (15, "'to' must be the name of an entry of 'upstreams', or fastcgi://HOST:PORT or unix:/PATH"),
    (16, "'script' is not used: there are no scripts with 'extension: off'"),
    (17, "'index' must be the name of a file"),
    (17, "'application-root' must begin with '/'"),
    (19, "clients could upload scripts to '/incoming' and run them: add that path to 'never'"),
    (23, "'fastcgi' needs 'root' of the site"),
    (25, "the group 'php' must have 'protocol: http'"),
]


@pytest.mark.parametrize("keep", ["no", "yes"])
def test_a_client_that_leaves_ends_the_connection(configured, tmp_path, keep):
    """Also one that would be kept: it is closed, without a record."""

    class Patient(Application):
        def serve(self, connection):
            if self.begun.is_set():
                super().serve(connection)
                return
            with connection, connection.makefile("rb") as stream:
                assert self.read(stream)["keep"] == (keep == "yes")
                self.begun.set()
                try:
                    self.rest.append(stream.read())
                except ConnectionResetError:
                    self.rest.append(b"")

    Patient.begun, Patient.rest = threading.Event(), []
    application = Patient(tmp_path / "app.sock")
    server = configured(
        f"""
workers: 1
upstreams:
  - {{name: app, protocol: fastcgi, keep: {keep}, servers: [{{url: 'unix:{tmp_path}/app.sock'}}]}}
sites: [{{fastcgi: [{{to: app, extension: off}}]}}]
"""
    )
    with Wire(server) as wire:
        wire.send(request("/"))
        assert application.begun.wait(30)
        wire.reset()
        wait_for(lambda: application.rest, what="the end of the connection")
    assert application.rest == [b""]
    application.reply = HELLO
    assert get(server, "/").text == "hello"
    application.close()


def test_check(run, tmp_path):
    (tmp_path / "www").mkdir()
    (tmp_path / "weir.yaml").write_text(BAD)
    text = run("check", "-c", "weir.yaml").stderr
    found = [(int(line), message) for line, message in re.findall(r"weir\.yaml:(\d+):\d+: (.*)", text)]
    assert sorted({line for line, _ in found}) == sorted({line for line, _ in EXPECTED}), text
    for number, message in EXPECTED:
        assert any(message in told for line, told in found if line == number), (number, message, text)
