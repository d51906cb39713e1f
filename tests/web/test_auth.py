"""Basic authentication: right and wrong passwords, and the requests that wait meanwhile."""

import base64
import re
import subprocess
import time

import pytest
from client import Raw
from servers import drop  # noqa: F401


def hashed(password, method="-6"):
    command = ["openssl", "passwd", method, "-salt", "saltsalt", password]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def token(credentials):
    return base64.b64encode(credentials).decode()


def basic(credentials):
    return {"Authorization": "Basic " + token(credentials.encode())}


@pytest.fixture
def guarding(configured, drop, tmp_path):
    """guarding(delay) serves `drop`: behind passwords what is below `in`; a wrong one costs the delay."""
    (drop / "in").mkdir()
    (drop / "in" / "a").write_text("secret")
    (drop / "inside").write_text("public")
    (tmp_path / "users").write_text(
        f"alice:{hashed('wonder')}\nbob:{hashed('a:b c')}\ncarol:!{hashed('locked')}\n"
        f"käthe:{hashed('schön')}\n"
    )
    return lambda delay: configured(
        f"access-log: access.log\nguard: {{first-delay: {delay}, most-delay: {delay}}}\n"
        "sites: [{root: drop, uploads: {}, auth: [{path: in, realm: A b, users: users}]}]\n"
    )


@pytest.fixture
def guarded(guarding):
    return guarding("600ms")


def test_who_gets_in(guarded):
    for credentials in "alice:wonder", "bob:a:b c", "käthe:schön":
        assert guarded.get("/in/a", basic(credentials)).text == "secret"
    for name in "basic", "BASIC", "Basic ":
        assert guarded.get("/in/a", {"Authorization": f"{name} {token(b'alice:wonder')}"}).text


def test_who_does_not(guarded):
    for credentials in "alice:wonde", "alice:", ":", "dave:wonder", "carol:locked", "Alice:wonder":
        begin = time.monotonic()
        reply = guarded.get("/in/a", basic(credentials))
        assert reply.status == 401 and time.monotonic() - begin > 0.5, credentials


def test_no_credentials(guarding):
    """No reply is delayed: the client would not wait so long."""
    guarded = guarding("1h")
    for value in [
        None,
        "",
        "Basic",
        "Basic !",
        "Basic " + token(b"alice"),
        "Basic " + token(b"alice:won\nder"),
        "Basic " + token(b"alice:" + b"x" * 2000),
        "Bearer " + token(b"alice:wonder"),
        "Basic " + token(b"alice:wonder") + " x",
        "Basic " + token(b"alice:wonder").rstrip("=") + "A",
    ]:
        reply = guarded.get("/in/a", {} if value is None else {"Authorization": value})
        assert reply.status == 401, value
        challenge = reply.fields["WWW-Authenticate"]
        assert challenge == 'Basic realm="A b", charset="UTF-8"'


def test_two_credentials(guarded):
    line = b"Authorization: Basic " + token(b"alice:wonder").encode() + b"\r\n"
    with Raw(guarded.port) as raw:
        raw.send(b"GET /in/a HTTP/1.1\r\nHost: a\r\n" + line * 2 + b"\r\n")
        assert raw.status() == 401


@pytest.mark.parametrize("path", ["/in", "/in/", "/in/a", "//in//a", "/%69n/a", "/x/../in/a", "/IN/a", "/%49n"])
def test_what_is_protected(guarded, path):
    assert guarded.get(path).status == 401


@pytest.mark.parametrize("path", ["/inside", "/in/../inside"])
def test_what_is_not(guarded, path):
    assert guarded.get(path).text == "public"


def put(path, size, credentials, *fields):
    lines = [f"PUT {path} HTTP/1.1", "Host: a", f"Content-Length: {size}", *fields]
    lines.append("Authorization: Basic " + token(credentials))
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_a_body_waits_for_the_check(guarded, drop):
    """The check takes its time; the body that came with the head does not get lost."""
    body = bytes(range(256)) * 4000
    with Raw(guarded.port) as raw:
        raw.send(put("/in/new", len(body), b"alice:wonder") + body)
        assert raw.status() == 201
        raw.send(put("/in/new", len(body), b"bob:a:b c", "Expect: 100-continue"))
        assert raw.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.send(body)
        assert raw.status() == 204
    assert (drop / "in" / "new").read_bytes() == body


def test_a_body_of_nobody(guarded, drop):
    with Raw(guarded.port) as raw:
        raw.send(put("/in/new", 3, b"alice:wrong") + b"abc")
        assert raw.status() == 401
        raw.send(put("/in/new", 3, b"alice:wonder") + b"abc")
        assert raw.status() == 201
        raw.send(put("/in/other", 10_000_000, b"alice:wrong", "Expect: 100-continue"))
        assert raw.status() == 401
    assert not (drop / "in" / "other").exists()


def test_replies_keep_their_order(guarded):
    """A request without a password behind one whose check takes its time."""
    wrong = b"Authorization: Basic " + token(b"alice:wrong").encode() + b"\r\n"
    with Raw(guarded.port) as raw:
        raw.send(b"GET /in/a HTTP/1.1\r\nHost: a\r\n" + wrong + b"\r\n")
        raw.send(b"GET /inside HTTP/1.1\r\nHost: a\r\n\r\n")
        assert raw.status() == 401
        assert raw.status() == 200


def test_a_flood_leaves_room_for_others(guarded):
    wrong = b"Authorization: Basic %s\r\n"
    raws = [Raw(guarded.port) for _ in range(300)]
    for n, raw in enumerate(raws):
        line = wrong % token(b"alice:%d" % n).encode()
        raw.send(b"GET /in/a HTTP/1.1\r\nHost: a\r\n" + line + b"\r\n")
    assert guarded.get("/inside").text == "public"
    for n, raw in enumerate(raws):
        if n % 3 == 0:
            raw.reset()
    statuses = [raw.status() for n, raw in enumerate(raws) if n % 3]
    assert set(statuses) <= {401, 503} and 401 in statuses
    for raw in raws:
        raw.socket.close()
    assert guarded.get("/in/a", basic("alice:wonder")).text == "secret"


def test_the_server_ends_while_checks_are_under_way(guarded):
    raws = [Raw(guarded.port) for _ in range(50)]
    for n, raw in enumerate(raws):
        line = b"Authorization: Basic " + token(b"alice:%d" % n).encode() + b"\r\n"
        raw.send(b"GET /in/a HTTP/1.1\r\nHost: a\r\n" + line + b"\r\n")
    assert guarded.stop() == 0
    for raw in raws:
        raw.socket.close()


def test_the_log_names_who_got_in(guarded, tmp_path):
    guarded.get("/in/a", basic("alice:wonder"))
    guarded.get("/in/a", basic("bob:wrong"))
    guarded.stop()
    log = (tmp_path / "access.log").read_text()
    assert re.search(r"- alice \[.*\] \"GET /in/a HTTP/1.1\" 200 ", log), log
    assert "bob" not in log and "wonder" not in log and token(b"alice:wonder") not in log
