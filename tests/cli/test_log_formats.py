"""The forms of all logs: logfmt and JSON lines, IDs of requests, 499, hostile text, a full disk."""

import json
import re
import socket
import struct
import time

import pytest

from certificates import make_certificate
from conftest import wait_for
from test_guard import HASH


def connect(server, number=0):
    return socket.create_connection(("127.0.0.1", server.ports[number]), timeout=30)


def lines_of(path, count):
    wait_for(lambda: path.exists() and path.read_bytes().count(b"\n") >= count, what="the lines")
    return path.read_text().splitlines()


def test_json_has_an_object_a_line(configured, tmp_path, site):
    # One worker, so that the lines are in the order of the requests.
    server = configured("workers: 1\nsites: [{root: site}]\nlog-format: json\naccess-log: log\n")
    with connect(server) as client:
        client.sendall(
            b'GET /a?x=%22 HTTP/1.1\r\nHost: x\r\nUser-Agent: "}\\ \xe9 {"a":1\r\n\r\n'
        )
        client.recv(4096)
        client.sendall(b"GET /b HTTP/1.0\r\n\r\n")
        while client.recv(4096):
            pass
    with connect(server) as client:
        client.sendall(b"G\x01ET / HTTP/1.1\r\n\r\n")
        while client.recv(4096):
            pass
    one, two, three = map(json.loads, lines_of(tmp_path / "log", 3))
    assert (one["method"], one["target"], one["status"]) == ("GET", "/a?x=%22", 404)
    assert one["agent"] == '"}\\ \xe9 {"a":1'
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", one["time"])
    assert one["connection"] == "kept" and two["connection"] == "closed"
    assert len({line["id"] for line in (one, two, three)}) == 3
    assert all(re.fullmatch(r"[0-9a-f]{16}", line["id"]) for line in (one, two, three))
    assert three["status"] == 400 and three["malformed"]


def test_logfmt_cannot_be_forged(configured, tmp_path, site):
    server = configured("sites: [{root: site}]\nlog-format: logfmt\naccess-log: log\n")
    server.get("/", {"User-Agent": 'x" status=200 user="root', "Referer": "\\"})
    (line,) = lines_of(tmp_path / "log", 1)
    fields = re.findall(r'(?:^| )([a-z]+)=("(?:[^"\\]|\\x[0-9A-F]{2})*"|\d+)', line)
    assert "".join(f" {k}={v}" for k, v in fields)[1:] == line
    names = [name for name, _ in fields]
    assert len(names) == len(set(names)) and names[:4] == ["time", "kind", "id", "peer"]
    assert dict(fields)["status"] == "200"


@pytest.mark.parametrize("form, escaped", [("logfmt", 4), ("json", 6)])
def test_huge_values_leave_a_whole_line(configured, tmp_path, site, form, escaped):
    """They are cut off when they are too long, escaped; the fields of the server behind them are there."""
    server = configured(
        f"workers: 1\nsites: [{{root: site}}]\nlog-format: {form}\naccess-log: log\n"
    )
    # A line has room for 64 KiB of text: it ends at each byte of a field, its key and the next field.
    referers = [b'"' * 30_000, b"\xff" * 30_000]
    referers += [b'"' * (65_536 // escaped - 100) + b"a" * size for size in range(0, 500, 3)]
    log = tmp_path / "log"
    with connect(server) as client:
        for number, referer in enumerate(referers):
            # A disk that is slower than the client would cost lines.
            if number % 8 == 7:
                lines_of(log, number)
            fields = b"Referer: %s\r\nUser-Agent: \\\xffa\r\n" % referer
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n")
            reply = b""
            while not reply.endswith(b"hello"):
                reply += client.recv(4096)
    agents = 0
    for line in lines_of(log, len(referers)):
        if form == "json":
            values = json.loads(line)
        else:
            found = re.findall(r'(?:^| )([a-z]+)=("(?:[^"\\]|\\x[0-9A-F]{2})*"|\d+)', line)
            assert "".join(f" {key}={value}" for key, value in found)[1:] == line
            values = dict(found)
        assert str(values["status"]) == "200" and str(values["bytes"]) == "5"
        agents += "agent" in values
    # Some of the lines had no room for it, some had.
    assert 0 < agents < len(referers)


def test_events_have_the_form_too(weir, tmp_path):
    (tmp_path / "users").write_text(f"alice:{HASH}\n")
    (tmp_path / "weir.yaml").write_text(
        "listen: [{pop3: '127.0.0.1:0'}]\nlog-format: json\nmail-log: log\n"
        "mail: {directory: mail, users: users, domains: [example.org]}\n"
        "guard: {first-delay: 10ms, most-delay: 10ms}\n"
    )
    server = weir("-c", tmp_path / "weir.yaml")
    with connect(server) as client:
        client.sendall(b'USER a"}{\r\nPASS x\r\nQUIT\r\n')
        while client.recv(4096):
            pass
    line = json.loads(lines_of(tmp_path / "log", 1)[0])
    assert (line["kind"], line["event"], line["user"]) == ("pop3", "denied", 'a"}{')
    assert line["by"] == "PASS" and line["peer"] == "127.0.0.1"


def test_every_line_of_a_session_has_its_id(weir, tmp_path):
    kinds = ("smtp", "pop3", "ftp")
    (tmp_path / "users").write_text(f"alice:{HASH}\n")
    (tmp_path / "www").mkdir()
    make_certificate(tmp_path)
    (tmp_path / "weir.yaml").write_text(
        "".join(["listen:\n", *(f"  - {kind}: 127.0.0.1:0\n" for kind in kinds)])
        + "log-format: json\nlog: own\nmail-log: log\nftp-log: log\n"
        "tls: {certificates: [{chain: cert.pem, key: key.pem}]}\n"
        "mail: {directory: mail, users: users, domains: [example.org]}\nftp: {root: www, users: users}\n"
        "guard: {enabled: no}\n"
    )
    server = weir("-c", tmp_path / "weir.yaml")

    def talk(number, *lines):
        with connect(server, number) as client, client.makefile("rb") as replies:
            replies.readline()
            for line in lines:
                client.sendall(line + b"\r\n")
                while replies.readline()[3:4] == b"-" and number != 1:
                    pass

    message = (b"MAIL FROM:<a@else.example>", b"RCPT TO:<alice@example.org>", b"DATA", b"\r\nhello\r\n.")
    for _ in range(2):
        talk(0, b"EHLO x", b"FROB", b"MAIL FROM:<a@else.example>", b"RCPT TO:<no@example.org>", b"RSET", *message, b"QUIT")
        talk(1, b"FROB", b"USER alice", b"PASS wrong", b"QUIT")
        talk(2, b"FROB", b"USER alice", b"PASS wrong", b"QUIT")
    # The line about a handshake is the daemon's.
    talk(0, b"EHLO x", b"FROB", b"STARTTLS", b"no handshake")
    events = {
        "smtp": ["accepted", "malformed", "refused"],
        "pop3": ["denied", "malformed"],
        "ftp": ["denied", "logout", "malformed"],
    }

    def sessions(kind):
        found = {}
        for line in lines_of(tmp_path / "log", 1):
            line = json.loads(line)
            if line["kind"] == kind:
                found.setdefault(line["session"], []).append(line["event"])
        return found

    # Each worker writes its lines when it likes, so the order of the sessions is not known.
    for kind in kinds:
        wait_for(
            lambda kind=kind: list(map(sorted, sessions(kind).values())).count(events[kind]) == 2,
            what=f"the lines of {kind}",
        )
        assert all(re.fullmatch("[0-9a-f]{16}", session) for session in sessions(kind))
    wait_for(lambda: len(sessions("smtp")) == 3, what="the last session")
    last = next(session for session, seen in sessions("smtp").items() if seen == ["malformed"])
    wait_for(lambda: f"(session {last})" in (tmp_path / "own").read_text(), what="the handshake")
    assert len({session for kind in kinds for session in sessions(kind)}) == 7


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_client_that_leaves_before_the_reply_is_499(configured, tmp_path, site, form):
    (tmp_path / "users").write_text(f"alice:{HASH}\n")
    (site / "private").mkdir()
    server = configured(
        "sites: [{root: site, auth: [{path: private, users: users}]}]\n"
        f"log-format: {form}\naccess-log: log\n"
        "guard: {threshold: 0, first-delay: 5s, most-delay: 5s}\n"
    )
    with connect(server) as client:
        client.sendall(
            b"GET /private/ HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YWxpY2U6d3Jvbmc=\r\n\r\n"
        )
        time.sleep(0.5)
        # A reset: a client that only ends its input may still read the reply.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    (line,) = lines_of(tmp_path / "log", 1)
    if form == "json":
        line = json.loads(line)
        assert line["status"] == 499 and line["connection"] == "gone"
    else:
        assert '" 499 0 ' in line and " X " in line


def test_a_full_disk_costs_lines_and_nothing_else(configured, tmp_path, site):
    server = configured(
        "sites: [{root: site}]\naccess-log: /dev/full\nadmin: admin.sock\nworkers: 1\n"
    )
    for _ in range(30):
        assert server.get("/").status == 200
    server.wait_stderr("cannot write the log /dev/full")
    from test_metrics import http, samples

    def lost():
        values = samples(http(tmp_path / "admin.sock", "/metrics")[2])[0]
        return values["weir_log_lost_lines_total", 'log="/dev/full"']

    wait_for(lambda: lost() == 30, what="all lines to be counted")
    assert server.stderr.count("cannot write the log") == 1


def test_the_form_changes_with_a_reload(configured, tmp_path, site):
    server = configured("sites: [{root: site}]\naccess-log: log\nworkers: 1\n")
    server.get("/")
    text = (tmp_path / "weir.yaml").read_text()
    (tmp_path / "weir.yaml").write_text(text + "log-format: json\n")
    server.send_signal(1)
    server.wait_stderr("reloaded")
    server.get("/")
    first, second = lines_of(tmp_path / "log", 2)
    assert not first.startswith("{") and json.loads(second)["status"] == 200
