"""Allow, listings, refusals, and the log of malformed requests."""

import os
import re
import urllib.parse

import pytest
from client import Raw
from conftest import wait_for
from servers import drop, uploads  # noqa: F401


def ask(server, text):
    """(status, fields) of a reply to bytes on a connection of their own."""
    with Raw(server.port) as raw:
        raw.send(text)
        head = raw.until(b"\r\n\r\n").decode("latin-1")
    fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
    return int(head.split()[1]), fields


def allowed(server, method, path):
    status, fields = ask(server, f"{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    return status, set(fields["Allow"].split(", "))


READS = {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize(
    "method, path, status, more",
    [
        ("OPTIONS", "/up/f", 204, {"PUT", "DELETE"}),
        ("OPTIONS", "/up/none", 204, {"PUT", "DELETE"}),
        ("OPTIONS", "/up/", 204, {"POST"}),
        ("OPTIONS", "/f", 204, set()),
        ("OPTIONS", "*", 204, {"PUT", "DELETE", "POST"}),
        ("PUT", "/f", 405, set()),
        ("PATCH", "/up/f", 405, {"PUT", "DELETE"}),
        ("BREW", "/up/f", 501, {"PUT", "DELETE"}),
        ("TRACE", "/f", 501, set()),
        ("DELETE", "/up/", 405, {"POST"}),
        ("DELETE", "/up", 405, {"POST"}),
        ("CONNECT", "a:443", 405, {"PUT", "DELETE", "POST"}),
    ],
)
def test_allow_names_what_the_target_takes(configured, drop, method, path, status, more):
    (drop / "up").mkdir()
    (drop / "up" / "f").touch()
    (drop / "f").touch()
    server = configured(
        "sites: [{root: drop, uploads: {prefix: up, put: true, delete: true, forms: true}}]\n"
    )
    if (method, path) == ("DELETE", "/up"):
        found, fields = ask(server, b"DELETE /up HTTP/1.1\r\nHost: a\r\nIf-Match: *\r\n\r\n")
        assert found == 405 and set(fields["Allow"].split(", ")) == READS | more
    else:
        assert allowed(server, method, path) == (status, READS | more)


def test_a_listing_links_only_to_what_is_served(uploads, drop):
    raw = os.fsencode(drop)
    for name in [b"a\nb", b"plain", b"caf\xe9", "é".encode(), b"<&'\">", b"per%cent", b"\x7f"]:
        with open(raw + b"/" + name, "wb") as file:
            file.write(b"x")
    os.mkfifo(drop / "fifo")
    (drop / "out").symlink_to("/etc/passwd")
    (drop / "nowhere").symlink_to("none")
    (drop / "in").symlink_to("plain")
    (drop / "d").mkdir()
    (drop / "d" / "up").symlink_to("../plain")
    page = uploads.get("/").body
    links = re.findall(rb'<a href="([^"]*)">', page)
    assert sorted(urllib.parse.unquote_to_bytes(link) for link in links) == sorted(
        [b"plain", b"caf\xe9", "é".encode(), b"<&'\">", b"per%cent", b"in", b"d/"]
    )
    for link in links:
        assert uploads.get("/" + link.decode()).status == 200
    text = page.decode()  # all of it is UTF-8
    for shown in ["a\\x0ab", "caf\\xe9", "\\x7f", "fifo", "out", "nowhere"]:
        assert shown in text
    assert b'href="up"' in uploads.get("/d/").body


@pytest.mark.parametrize("size", [7, 100, 9000, 100_000])
def test_an_unknown_method_of_any_length_is_501(uploads, size):
    text = b"X" * size + b" / HTTP/1.1\r\nHost: a\r\n\r\n"
    assert ask(uploads, text)[0] == 501
    assert ask(uploads, b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n")[0] == 414


@pytest.mark.parametrize("end", [b"0\r\n\n", b"0\r\n\rX", b"1\n", b"1\r\nx\n", b"1\r\nxy", b"0\r\nA: b\n"])
def test_a_line_of_a_chunked_body_that_ends_wrongly_is_refused_at_once(uploads, end):
    head = b"PUT /f HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    for step in None, 1:
        with Raw(uploads.port) as raw:
            raw.socket.settimeout(60)
            raw.send(head + end, step)
            assert raw.status() == 400


def test_a_boundary_line_may_be_padded(uploads, drop):
    body = (
        b'--b \t \r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nA\r\n'
        b'--b  \r\nContent-Disposition: form-data; name="f"; filename="c"\r\n\r\nC\r\n--b-- \r\n'
    )
    head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n".encode()
    for step in None, 1:
        with Raw(uploads.port) as raw:
            raw.send(head + b"Content-Type: multipart/form-data; boundary=b\r\n\r\n" + body, step)
            assert raw.status() == 201
        assert (drop / "a").read_bytes() == b"A" and (drop / "c").read_bytes() == b"C"
    for wrong in [b"--b x\r\n", b"--b -- \r\n", b"--b" + b" " * 500 + b"\r\n"]:
        text = body.replace(b"--b  \r\n", wrong)
        head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(text)}\r\n".encode()
        with Raw(uploads.port) as raw:
            raw.send(head + b"Content-Type: multipart/form-data; boundary=b\r\n\r\n" + text)
            assert raw.status() == 400


def test_what_is_no_request_leaves_its_reason_and_first_bytes(weir, drop, tmp_path):
    log = tmp_path / "log"
    server = weir(drop, "--workers", 1, "--access-log", log)
    bad = [
        (b"\x16\x03\x01\"\n", r"malformed: not a request line, or a stray CR, LF or NUL: \x16"),
        (b"GET / HTTP/1.1\r\nA : b\r\n\r\n", r"malformed: bad field: GET / HTTP/1.1\x0D\x0AA : b"),
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "malformed: bad request line: GET  /"),
        (b"GET / HTTP/1.1\r\n\r\n", "malformed: bad, missing or repeated Host: GET /"),
        (b"X" * 70_000, "malformed: unknown method, line too long: XXX"),
    ]
    for text, _ in bad:
        ask(server, text)
    wait_for(lambda: log.exists() and log.read_bytes().count(b"\n") >= len(bad))
    lines = log.read_text().splitlines()[-len(bad) :]
    for line, (_, reason) in zip(lines, bad):
        assert f'"{reason}' in line and len(line) < 500
