"""The daemon as people ask it: their clients, several workers, the end, and input that no client would send."""

import random
import re
import signal
import socket
import ssl
import struct
import subprocess
import time

import dns.edns
import dns.flags
import dns.exception
import dns.message
import dns.rcode
import pytest

from conftest import wait_for
from dns_daemon import authority, axfr, check, client, pair, served, zone_text  # noqa: F401
from zone_maker import have_signer


# -- clients that people use --


def test_dig_and_drill_and_kdig(served):
    server = served()
    at = ["@127.0.0.1", "-p", server.port]
    assert client("dig", *at, "+short", "www.example.org").stdout == "192.0.2.1\n"
    assert client("dig", *at, "+short", "+tcp", "www.example.org").stdout == "192.0.2.1\n"
    assert "status: NXDOMAIN" in client("dig", *at, "no.example.org").stdout
    assert "status: REFUSED" in client("dig", *at, "example.net").stdout
    assert "192.0.2.1" in client("drill", *at[:1], "-p", server.port, "www.example.org").stdout
    assert "192.0.2.1" in client("kdig", *at, "+short", "www.example.org").stdout


def test_dns_over_tls_with_kdig(served, authority, pair):
    server = served()
    at = ["@127.0.0.1", "-p", server.ports["dot"], f"+tls-ca={authority.path}"]
    good = client("kdig", *at, "+tls-hostname=localhost", "www.example.org")
    assert "192.0.2.1" in good.stdout and "PADDING" in good.stdout, good.stdout + good.stderr
    wrong = client("kdig", *at, "+tls-hostname=other.example", "www.example.org")
    assert "192.0.2.1" not in wrong.stdout


def test_dns_over_tls_is_called_dot(served):
    context = ssl._create_unverified_context()
    context.set_alpn_protocols(["dot"])
    port = served().ports["dot"]
    with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
        with context.wrap_socket(plain) as tls:
            assert tls.selected_alpn_protocol() == "dot"


@pytest.mark.skipif(not have_signer(), reason="no ldnsutils")
def test_a_signed_zone_with_delv(served, tmp_path):
    def run(*command):
        return subprocess.run(
            [str(word) for word in command], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    (tmp_path / "plain").write_text("$ORIGIN example.org.\n" + zone_text())
    keys = [
        run("ldns-keygen", "-a", "ECDSAP256SHA256", *flag, "example.org") for flag in ([], ["-k"])
    ]
    run("ldns-signzone", "-n", "-o", "example.org", "-f", "example.org.zone", "plain", *keys)
    server = served()
    record = (tmp_path / f"{keys[1]}.key").read_text()
    words = re.search(r"DNSKEY\s+(\d+ \d+ \d+) (\S+)", record)
    anchor = tmp_path / "anchor"
    anchor.write_text(
        f'trust-anchors {{ example.org. static-key {words[1]} "{words[2]}"; }};\n'
    )
    at = ["@127.0.0.1", "-p", server.port, "-a", anchor, "+root=example.org"]
    for name in ("www.example.org", "no.example.org"):
        out = client("delv", *at, name)
        assert "fully validated" in out.stdout + out.stderr, out.stdout + out.stderr


# -- several workers --


def cookie_of(reply):
    return next(option.data for option in reply.options if option.otype == 10)


def ask_with_cookie(server, data):
    return server.ask(
        "example.org", "SOA", use_edns=0, options=[dns.edns.GenericOption(10, data)]
    )


def is_kept(server, cookie):
    """Whether each of many ports, so all workers, takes the cookie as good: it is sent back."""
    return all(cookie_of(ask_with_cookie(server, cookie)) == cookie for _ in range(40))


def test_a_cookie_is_good_for_all_workers_and_after_a_reload(served):
    server = served(workers=4)
    cookie = cookie_of(ask_with_cookie(server, b"12345678"))
    assert len(cookie) == 24 and is_kept(server, cookie)
    server.reload()
    assert is_kept(server, cookie)


def test_cookies_of_several_machines_and_their_rolling(served, tmp_path):
    secrets = tmp_path / "cookies"
    old, new = "00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"
    secrets.write_text(f"# the first makes them\n{old}\n")
    server = served("cookie-secrets: cookies", workers=3)
    cookie = cookie_of(ask_with_cookie(server, b"12345678"))
    secrets.write_text(f"{new}\n{old}\n")
    server.reload()
    fresh = cookie_of(ask_with_cookie(server, cookie))
    assert fresh[:8] == cookie[:8] and fresh != cookie
    secrets.write_text(f"{new}\n")
    server.reload()
    assert is_kept(server, fresh)
    assert cookie_of(ask_with_cookie(server, cookie)) != cookie


def test_the_rate_is_limited_without_a_cookie(served):
    server = served("rate-limit: {replies: 4, slip: 1, exempt: [192.0.2.0/24]}", workers=2)
    replies = [server.ask("www.example.org") for _ in range(60)]
    cut = [bool(reply.flags & dns.flags.TC) for reply in replies]
    assert 30 < sum(cut) < 60
    cookie = cookie_of(ask_with_cookie(server, b"12345678"))
    again = [ask_with_cookie(server, cookie) for _ in range(60)]
    assert not any(reply.flags & dns.flags.TC for reply in again)


def test_this_machine_is_not_limited(served):
    server = served()
    assert not any(server.ask("www.example.org").flags & dns.flags.TC for _ in range(1000))


# -- the end --


def test_the_end_lets_a_transfer_finish(served):
    more = "".join(f"host{i} IN TXT \"{'x' * 200}\"\n" for i in range(60000))
    server = served(zone=", transfer: {networks: [127.0.0.1]}")
    server.write(zone_text(2, more))
    server.reload()
    query = dns.message.make_query("example.org", "AXFR").to_wire()
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(struct.pack("!H", len(query)) + query)
        data = connection.recv(1000)
        server.server.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert server.server.process.poll() is None
        parts = [data]
        while part := connection.recv(1 << 20):
            parts.append(part)
    data = b"".join(parts)
    assert len(data) > 60000 * 210 and data.rindex(b"hostmaster") > len(data) - 1000
    assert server.server.wait() == 0
    assert "transferred" in server.log()


def test_the_end_answers_what_has_come_and_tells_counts(served):
    server = served()
    query = dns.message.make_query("www.example.org", "A").to_wire()
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.connect(("127.0.0.1", server.port))
        udp.settimeout(60)
        for _ in range(50):
            udp.send(query)
        server.server.send_signal(signal.SIGTERM)
        for _ in range(50):
            assert udp.recv(1000)
        assert server.server.wait() == 0
        with pytest.raises(OSError):
            udp.send(query)
            udp.recv(1000)
    counts = re.findall(r" (?:dns|dot) ended queries=(\d+) replies=(\d+) noerror=50", server.log())
    assert counts == [("50", "50")]


# -- enemies --


def hostile_messages(dice):
    query = dns.message.make_query("www.example.org", "A", use_edns=0).to_wire()
    name = b"\x03www\x07example\x03org\x00"
    header = struct.Struct("!HHHHHH")
    tail = struct.pack("!HH", 1, 1)
    for size in range(len(query)):
        yield query[:size]
    for counts in ((0, 0, 0, 0), (2, 0, 0, 0), (1, 65535, 0, 0), (1, 0, 65535, 65535), (65535,) * 4):
        yield header.pack(1, 0, *counts) + name + tail
    for pointer in (b"\xc0\x0c", b"\xc0\x0d", b"\xff\xff", b"\xc0\x00", b"\x03www\xc0\x0c"):
        yield header.pack(2, 0, 1, 0, 0, 0) + pointer + tail
    for label in (b"\x40" + b"x" * 64, b"\x80x", (b"\x3f" + b"x" * 63) * 4 + b"\x00"):
        yield header.pack(3, 0, 1, 0, 0, 0) + label + tail
    for opcode in range(16):
        yield header.pack(4, opcode << 11, 1, 0, 0, 0) + name + tail
    for number in (0, 2, 3, 4, 254, 255, 65535):
        yield header.pack(5, 0, 1, 0, 0, 0) + name + struct.pack("!HH", 1, number)
        yield header.pack(5, 0, 1, 0, 0, 0) + name + struct.pack("!HH", number, 1)
    for _ in range(3000):
        message = bytearray(query)
        for _ in range(dice.randint(1, 6)):
            message[dice.randrange(len(message))] = dice.randrange(256)
        yield bytes(message[: dice.randint(0, len(message))])


ALLOWED = {
    dns.rcode.NOERROR, dns.rcode.FORMERR, dns.rcode.NXDOMAIN, dns.rcode.NOTIMP, dns.rcode.REFUSED,
    dns.rcode.NOTAUTH,
}


def answers(server):
    """Whether a query is answered: it is lost while the queue of the socket is full."""
    try:
        return server.ask("www.example.org", seconds=1).answer[0][0].address == "192.0.2.1"
    except dns.exception.Timeout:
        return False


def test_malformed_datagrams(served):
    server = served("rate-limit: {replies: 0}", workers=2)
    dice = random.Random(7)
    rcodes = set()
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.connect(("127.0.0.1", server.port))
        udp.settimeout(0)
        for message in hostile_messages(dice):
            udp.send(message)
            try:
                while True:
                    reply = udp.recv(65535)
                    assert reply[2] & 0x80
                    rcodes.add(reply[3] & 15)
            except BlockingIOError:
                pass
    assert rcodes <= ALLOWED and dns.rcode.FORMERR in rcodes and dns.rcode.NOTIMP in rcodes
    wait_for(lambda: answers(server), what="an answer")
    assert server.server.stop() == 0, server.server.stderr


def test_malformed_messages_on_connections(served, authority):
    server = served(workers=1)
    dice = random.Random(8)
    context = ssl._create_unverified_context()
    messages = list(hostile_messages(dice))
    for number in range(60):
        kind = "dot" if number % 3 == 0 else "dns"
        connection = socket.create_connection(("127.0.0.1", server.ports[kind]), timeout=1)
        if kind == "dot":
            connection = context.wrap_socket(connection)
        with connection:
            try:
                for message in dice.sample(messages, 30):
                    size = len(message) if dice.random() < 0.95 else dice.randrange(65536)
                    connection.sendall(struct.pack("!H", size) + message)
                if dice.random() < 0.5:
                    connection.recv(65535)
            except OSError:
                pass  # it ended what made no sense
    assert server.address() == "192.0.2.1"
    assert server.server.stop() == 0, server.server.stderr


def test_a_client_that_never_reads_its_transfers(served):
    more = "".join(f"host{i} IN A 10.0.{i // 250}.{i % 250}\n" for i in range(20000))
    server = served("limits: {transfers: 2, connections: 8}",
                    zone=", transfer: {networks: [127.0.0.1]}", workers=1)
    server.write(zone_text(2, more))
    server.reload()
    query = dns.message.make_query("example.org", "AXFR").to_wire()
    before = server.server.memory_kb()
    connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(12)]
    for connection in connections:
        try:
            connection.sendall((struct.pack("!H", len(query)) + query) * 20)
        except OSError:
            pass
    wait_for(lambda: "transfer-refused" in server.log(), what="a refusal")
    assert server.address() == "192.0.2.2"
    assert server.server.memory_kb() - before < 20000
    for connection in connections:
        connection.close()

    def whole():
        try:
            return len(axfr(server).nodes) > 20000
        except (OSError, EOFError):
            return False  # the connections before count still

    wait_for(whole, what="a transfer")
