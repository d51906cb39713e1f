"""Malformed input of every protocol is logged with its reason and its first bytes, and cannot flood a log."""

import json
import socket
import struct

import pytest

from certificates import make_certificate
from conftest import wait_for
from test_guard import HASH
from test_metrics import http, samples

ZONE = "$ORIGIN example.org.\n@ 3600 SOA ns hostmaster 1 7200 900 1209600 60\n  3600 NS ns\nns 3600 A 192.0.2.1\n"
KINDS = ("smtp", "submissions", "pop3", "ftp", "dns")
CONFIG = """
workers: 1
log-format: json
log: own
mail-log: events
ftp-log: events
dns-log: events
admin: admin.sock
tls: {certificates: [{chain: cert.pem, key: key.pem}]}
mail: {directory: mail, users: users, domains: [example.org], hostname: mail.example.org}
ftp: {root: www}
dns: {zones: [{name: example.org, file: zone}]}
"""


@pytest.fixture
def served(weir, tmp_path):
    (tmp_path / "users").write_text(f"alice:{HASH}\n")
    (tmp_path / "www").mkdir()
    (tmp_path / "zone").write_text(ZONE)
    make_certificate(tmp_path)
    listen = "".join(f"  - {kind}: 127.0.0.1:0\n" for kind in KINDS)
    (tmp_path / "weir.yaml").write_text(f"listen:\n{listen}{CONFIG}")
    server = weir("-c", tmp_path / "weir.yaml")
    server.at = dict(zip(KINDS, server.ports))
    return server


def talk(port, *lines):
    """Sends each line once the reply before it, or the end of the connection, has come."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.recv(4096)
        for line in lines:
            client.sendall(line)
            try:
                client.recv(4096)
            except ConnectionResetError:
                return


def ask_udp(port, message, replies=True):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(30)
        client.connect(("127.0.0.1", port))
        client.send(message)
        return client.recv(4096) if replies else b""


def lines_of(path):
    return list(map(json.loads, path.read_text().splitlines())) if path.exists() else []


def test_each_protocol_logs_what_it_does_not_understand(served, tmp_path):
    at = served.at
    talk(at["smtp"], b"EHLO x\r\n", b"FROB \x01\x22\r\n", b"MAIL nonsense\r\n")
    talk(at["smtp"], b"X" * 20_000 + b"\r\n")
    talk(at["smtp"], b"GET / HTTP/1.1\r\n")
    talk(at["smtp"], b"EHLO x\r\n", b"AUTH PLAIN \x01secret\r\n")
    talk(at["pop3"], b"\x16\x03\x01\r\n", b"FROB x\r\n", b"PASS \x01secret\r\n", b"CAPA 1 2 3\r\n")
    talk(at["pop3"], b"X" * 20_000 + b"\r\n")
    talk(at["ftp"], b"FROB x\r\n", b"NOOP\x00\r\n")
    talk(at["ftp"], b"X" * 200_000 + b"\r\n")
    # A question that is cut off; three bytes; a message that is no query, by TCP.
    ask_udp(at["dns"], struct.pack("!6H", 7, 0, 1, 0, 0, 0) + b"\x07example")
    ask_udp(at["dns"], b"abc", replies=False)
    with socket.create_connection(("127.0.0.1", at["dns"]), timeout=30) as client:
        client.sendall(b"\x00\x03abc")
        assert client.recv(100) == b""
    expected = {
        ("smtp", "500 5.5.2 Control character in the command", 'FROB \x01"'),
        ("smtp", "501 5.5.4 Syntax: MAIL FROM:<address> [parameters]", "MAIL nonsense"),
        ("smtp", "500 5.5.2 Line too long", None),
        ("smtp", "An HTTP request", "GET / HTTP/1.1"),
        # The input may be a password, and is not shown.
        ("smtp", "500 5.5.2 Control character in the command", None),
        ("pop3", "a control character, or an empty line", "\x16\x03\x01"),
        ("pop3", "unknown command", "FROB x"),
        ("pop3", "a control character, or an empty line", "PASS"),
        ("pop3", "wrong number of arguments", "CAPA 1 2 3"),
        ("pop3", "line too long", None),
        ("ftp", "unknown command", "FROB x"),
        ("ftp", "NUL in a command", None),
        ("ftp", "line too long", None),
        ("dns", "malformed query (FORMERR)", "\x00\x07\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example"),
        ("dns", "no query", "abc"),
    }

    def logged():
        lines = [line for line in lines_of(tmp_path / "events") if line["event"] == "malformed"]
        assert all(line["peer"] == "127.0.0.1" for line in lines)
        return {(line["kind"], line["error"], line.get("input")) for line in lines}

    wait_for(lambda: len(logged()) >= len(expected), what="all lines")
    assert logged() == expected
    assert "secret" not in (tmp_path / "events").read_text()
    # TLS: what is no handshake, and one that fails, are lines of the daemon.
    with socket.create_connection(("127.0.0.1", at["submissions"]), timeout=30) as client:
        client.sendall(b"EHLO x\r\n")
        client.recv(4096)
    wait_for(
        lambda: any("TLS handshake" in line["message"] for line in lines_of(tmp_path / "own")),
        what="the handshake",
    )


def test_a_flood_of_them_is_counted_and_no_flood_of_lines(served, tmp_path):
    count = 500
    with socket.create_connection(("127.0.0.1", served.at["ftp"]), timeout=30) as client:
        client.recv(4096)
        client.sendall(b"FROB\r\n" * count)
        replies = b""
        while replies.count(b"\n") < count:
            replies += client.recv(65536)

    def counted():
        values = samples(http(tmp_path / "admin.sock", "/metrics")[2])[0]
        label = f'listener="ftp",address="127.0.0.1:{served.at["ftp"]}"'
        return values["weir_listener_malformed_total", label]

    wait_for(lambda: counted() == count, what="the count")
    assert served.stop() == 0
    lines = [line for line in lines_of(tmp_path / "events") if line["event"] == "malformed"]
    more = [line["message"] for line in lines_of(tmp_path / "own") if "more" in line["message"]]
    # A period of ten seconds may have ended meanwhile.
    assert len(lines) % 20 == 0 and len(lines) < count / 2
    assert sum(int(text.split()[0]) for text in more) == count - len(lines)
    assert all(text.endswith("more lines or messages were malformed") for text in more)


def test_without_a_log_of_the_protocol_they_are_lines_of_the_daemon(weir, tmp_path):
    (tmp_path / "www").mkdir()
    server = weir("--ftp", "127.0.0.1:0", "--root", tmp_path / "www")
    talk(server.port, b'FROB "\x01\r\n')
    server.wait_stderr(r'to 127.0.0.1:%d: unknown command: "FROB \x22\x01"' % server.port)
