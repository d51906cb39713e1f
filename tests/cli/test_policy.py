"""The network policy in the daemon: PROXY headers in every protocol, and lists of networks."""

import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess

import pytest

from certificates import make_certificate
from conftest import wait_for
from ports import free_port

SECONDS = 30
# Of "secret".
HASH = "$5$abcd$BgCbKzckrgGdFcL/gWllSOkKJCXQV5rwJeTh9xnsJ1D"
CLIENT = "203.0.113.7"
LINE = f"PROXY TCP4 {CLIENT} 198.51.100.1 56324 443\r\n".encode()
V2 = b"\r\n\r\n\0\r\nQUIT\n"


def v2_header(client=CLIENT):
    addresses = socket.inet_aton(client) + socket.inet_aton("198.51.100.1") + struct.pack("!HH", 56324, 443)
    return V2 + b"\x21\x11" + struct.pack("!H", len(addresses)) + addresses


def connect(port, source="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", port), SECONDS, source_address=(source, 0))


def read_all(connection):
    """Reads up to the end of the connection, in whatever way it comes."""
    data = b""
    try:
        while more := connection.recv(65536):
            data += more
    except ConnectionResetError:
        pass
    return data


def exchange(port, sent, source="127.0.0.1"):
    """Sends, and returns everything that comes until the server closes."""
    with connect(port, source) as connection:
        connection.sendall(sent)
        return read_all(connection)


def trusting():
    """TLS without a check of the certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


GET = b"GET /index.html HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.fixture
def served(weir, site, tmp_path):
    """served(listeners, more) serves a site, mail, FTP and a zone on these listeners."""
    make_certificate(tmp_path, "chain.pem")
    (tmp_path / "users").write_text(f"alice:{HASH}\n")
    (tmp_path / "zone").write_text("@ 60 IN SOA ns h 1 3600 600 86400 60\n@ IN NS ns\nns IN A 192.0.2.1\n")
    (tmp_path / "mail").mkdir()
    config = tmp_path / "weir.yaml"

    def write(listeners, more=""):
        config.write_text(
            f"listen: [{', '.join(listeners)}]\n"
            "sites: [{root: site}]\n"
            "tls: {certificates: [{chain: chain.pem, key: key.pem}]}\n"
            "mail: {directory: mail, users: users, domains: [example.org]}\n"
            "ftp: {}\n"
            "dns: {zones: [{name: example.org, file: zone}]}\n"
            "access-log: access.log\nworkers: 1\n" + more
        )

    def start(listeners, more=""):
        write(listeners, more)
        return weir("-c", config)

    start.write = write
    return start


def proxied(kind, more="proxy-from: [127.0.0.1]"):
    return f"{{{kind}: '127.0.0.1:0', {more}}}"


def logged(tmp_path, client):
    log = tmp_path / "access.log"
    wait_for(lambda: log.exists() and log.read_text().startswith(client + " "), what="the line")


@pytest.mark.parametrize("header", [LINE, v2_header()], ids=["v1", "v2"])
def test_the_log_has_the_client_of_http(served, tmp_path, header):
    server = served([proxied("http")])
    assert exchange(server.port, header + GET).endswith(b"hello")
    logged(tmp_path, CLIENT)


def test_the_header_comes_before_tls(served, tmp_path):
    server = served([proxied("https")])
    with connect(server.port) as connection:
        connection.sendall(v2_header())
        with trusting().wrap_socket(connection) as secure:
            secure.sendall(GET)
            assert read_all(secure).endswith(b"hello")
    logged(tmp_path, CLIENT)


@pytest.mark.parametrize("kind, greeting", [("smtp", b"220 "), ("pop3", b"+OK"), ("ftp", b"220")])
def test_a_server_that_speaks_first_waits_for_the_header(served, kind, greeting):
    server = served([proxied(kind)])
    with connect(server.port) as connection:
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(100)
        connection.settimeout(SECONDS)
        connection.sendall(LINE)
        assert connection.recv(100).startswith(greeting)


def test_dns_over_tcp_has_a_header_and_udp_has_none(served):
    server = served([proxied("dns")])
    query = b"\x12\x34\1\0\0\1\0\0\0\0\0\0\7example\3org\0\0\6\0\1"
    with connect(server.port) as connection:
        connection.sendall(v2_header() + struct.pack("!H", len(query)) + query)
        reply = connection.recv(1000)
    assert reply[2:4] == b"\x12\x34" and reply[5] & 0xF == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(SECONDS)
        datagrams.sendto(query, ("127.0.0.1", server.port))
        reply = datagrams.recv(1000)
    assert reply[:2] == b"\x12\x34" and reply[3] & 0xF == 0


@pytest.mark.parametrize("sent", [GET, b"PROXY TCP4 1.2.3.4 1.2.3.4 x 1\r\n", V2 + b"\x31\x11\0\0"])
def test_a_proxy_without_a_header_is_closed_and_reported(served, sent):
    server = served([proxied("http")])
    assert exchange(server.port, sent) == b""
    server.wait_stderr("sent no PROXY header to 127.0.0.1:")
    assert exchange(server.port, LINE + GET).endswith(b"hello")


def test_a_header_from_elsewhere_is_bad_input(served):
    server = served([proxied("http", "proxy-from: [192.0.2.0/24]")])
    assert exchange(server.port, LINE + GET).startswith(b"HTTP/1.1 400 ")
    assert exchange(server.port, GET).endswith(b"hello")


def test_the_quota_of_connections_is_of_the_client(served):
    server = served([proxied("http")], "limits: {connections-per-address: 1}\n")
    with connect(server.port) as first:
        first.sendall(LINE)
        # A second connection of the same client is closed; that of another one is served.
        wait_for(lambda: exchange(server.port, LINE + GET) == b"", what="the end")
        assert exchange(server.port, v2_header("203.0.113.8") + GET).endswith(b"hello")


def test_the_guard_counts_the_client(served, tmp_path):
    server = served([proxied("pop3s")], "admin: admin.sock\nguard: {first-delay: 10ms, most-delay: 10ms}\n")
    with connect(server.port) as connection:
        connection.sendall(LINE)
        with trusting().wrap_socket(connection) as secure:
            secure.sendall(b"USER alice\r\nPASS wrong\r\nQUIT\r\n")
            assert b"-ERR" in read_all(secure)
    with socket.socket(socket.AF_UNIX) as admin:
        admin.connect(str(tmp_path / "admin.sock"))
        admin.sendall(b"guard list\n")
        reply = b""
        while not re.search(rb"^(ok|error)", reply, re.M):
            reply += admin.recv(65536)
    assert CLIENT.encode() in reply and b"127.0.0.1" not in reply


@pytest.mark.skipif(not shutil.which("haproxy"), reason="needs haproxy")
@pytest.mark.parametrize("option", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c"])
def test_haproxy_names_its_client(served, tmp_path, option):
    server = served([proxied("http")])
    port = free_port()
    (tmp_path / "haproxy.cfg").write_text(
        "defaults\n mode tcp\n timeout connect 10s\n timeout client 10s\n timeout server 10s\n"
        f"listen front\n bind 127.0.0.1:{port}\n server weir 127.0.0.1:{server.port} {option}\n"
    )
    command = ["haproxy", "-db", "-f", tmp_path / "haproxy.cfg"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as proxy:
        try:

            def ask():
                try:
                    return exchange(port, GET, "127.0.0.7").endswith(b"hello")
                except ConnectionRefusedError:
                    return False

            wait_for(ask, what="a reply through haproxy")
        finally:
            proxy.terminate()
    logged(tmp_path, "127.0.0.7")


# -- lists of networks


@pytest.mark.parametrize("kind", ["http", "smtp", "pop3", "ftp", "dns"])
def test_denied_clients_are_closed_in_every_protocol(served, kind):
    server = served([proxied(kind, "deny: [127.0.0.2]")])
    assert exchange(server.port, b"", "127.0.0.2") == b""
    with connect(server.port) as connection:
        connection.settimeout(0.3)
        if kind in ("smtp", "pop3", "ftp"):
            assert connection.recv(100)
        else:
            with pytest.raises(TimeoutError):
                connection.recv(100)


def ask_dns(port, source):
    query = b"\x12\x34\1\0\0\1\0\0\0\0\0\0\7example\3org\0\0\6\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(SECONDS)
        datagrams.bind((source, 0))
        datagrams.sendto(query, ("127.0.0.1", port))
        reply = datagrams.recv(1000)
    assert reply[:2] == query[:2] and reply[2] & 0x80 and reply[12:29] == query[12:]
    return reply[3] & 0xF


def test_dns_over_udp_is_refused(served):
    server = served([proxied("dns", "allow: [127.0.0.1]")])
    assert ask_dns(server.port, "127.0.0.1") == 0
    assert ask_dns(server.port, "127.0.0.2") == 5


def test_lists_of_a_listener_and_of_all(served):
    server = served(
        [proxied("http", "allow: [127.0.0.0/24], deny: [127.0.0.3]"), "{http: '127.0.0.1:0'}"],
        "policy: {allow: [127.0.0.1, 127.0.0.4], deny: [127.0.0.2]}\n",
    )
    allowed = [
        [n for n in (1, 2, 3, 4, 5) if exchange(port, GET, f"127.0.0.{n}").endswith(b"hello")]
        for port in server.ports
    ]
    assert allowed == [[1, 4, 5], [1, 4]]


def test_a_reload_changes_the_lists(served):
    server = served(["{http: '127.0.0.1:0'}"])
    assert exchange(server.port, GET, "127.0.0.2").endswith(b"hello")
    with connect(server.port, "127.0.0.2") as open_before:
        served.write(["{http: '127.0.0.1:0', deny: [127.0.0.2]}"])
        server.send_signal(signal.SIGHUP)
        server.wait_stderr("reloaded")
        assert exchange(server.port, GET, "127.0.0.2") == b""
        assert exchange(server.port, GET).endswith(b"hello")
        open_before.sendall(GET)
        assert read_all(open_before).endswith(b"hello")
    served.write(["{http: '127.0.0.1:0', proxy-from: [127.0.0.1]}"])
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("reloaded", 2)
    assert exchange(server.port, LINE + GET).endswith(b"hello")


def test_effective_configuration_can_be_read_again(run, served, tmp_path):
    served.write([proxied("http", "proxy-from: ['2001:db8::/32', 127.0.0.1], deny: [192.0.2.0/24]")])
    text = run("check", "--effective", "weir.yaml").stdout
    assert "  - http: 127.0.0.1:0\n    proxy-from: [" in text, text
    (tmp_path / "again.yaml").write_text(text)
    again = run("check", "--effective", "again.yaml").stdout
    assert again.split("\n", 1)[1] == text.split("\n", 1)[1]


@pytest.mark.parametrize("more", ["proxy-from: []", "deny: [10.0.0.1/8]", "allow: [localhost]"])
def test_wrong_lists_are_refused(run, served, more):
    served.write([proxied("http", more)])
    result = run("check", "weir.yaml")
    assert result.returncode == 1 and more.split(":")[0] in result.stderr


# -- rates


def test_requests_beyond_the_rate_get_429(served):
    server = served(["{http: '127.0.0.1:0'}"], "policy: {request-rate: 1, request-burst: 3}\n")
    replies = [server.get("/") for _ in range(5)]
    assert [reply.status for reply in replies][:3] == [200, 200, 200]
    assert replies[4].status == 429 and int(replies[4].fields["Retry-After"]) >= 1
    # Another address has tokens of its own.
    assert exchange(server.port, GET, "127.0.0.2").startswith(b"HTTP/1.1 200 ")


def test_a_request_with_a_body_beyond_the_rate_is_refused(served):
    server = served(["{http: '127.0.0.1:0'}"], "policy: {request-rate: 1}\n")
    pipelined = GET.replace(b"Connection: close\r\n", b"") + GET.replace(
        b"GET", b"PUT").replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nhello")
    reply = exchange(server.port, pipelined)
    assert re.findall(rb"HTTP/1.1 (\d+) ", reply) == [b"200", b"429"]


def test_a_network_has_a_rate_of_its_own(served):
    server = served(["{http: '127.0.0.1:0'}"], "policy: {network-request-rate: 1, network-request-burst: 4}\n")
    found = [exchange(server.port, GET, f"127.0.9.{n}")[:12] for n in range(1, 8)]
    assert found[:4] == [b"HTTP/1.1 200"] * 4 and found[-1] == b"HTTP/1.1 429"
    assert exchange(server.port, GET, "127.0.8.1").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("kind, refusal", [("smtp", b"421 "), ("pop3", b"-ERR"), ("ftp", b"421"), ("http", b""), ("dns", b"")])
def test_connections_beyond_the_rate_are_refused(served, kind, refusal):
    server = served([f"{{{kind}: '127.0.0.1:0'}}"], "policy: {connection-rate: 1, connection-burst: 2}\n")
    with connect(server.port), connect(server.port), connect(server.port) as third:
        reply = read_all(third)
    assert reply.startswith(refusal) and bool(reply) == bool(refusal)


def lines(port, sent):
    """Sends one line after the other, each behind a reply; returns the replies."""
    replies = []
    with connect(port) as connection:
        with connection.makefile("rwb") as wire:
            for line in ["", *sent]:
                if line:
                    wire.write(line.encode() + b"\r\n")
                    wire.flush()
                reply = wire.readline()
                while reply[3:4] == b"-" and reply[:3].isdigit():
                    reply = wire.readline()
                replies.append(reply)
    return replies


def test_messages_beyond_the_rate_get_450(served):
    server = served(["{smtp: '127.0.0.1:0'}"], "policy: {request-rate: 1, request-burst: 2}\n")
    mail = ["MAIL FROM:<a@example.com>", "RSET"]
    replies = lines(server.port, ["EHLO a", *mail, *mail, *mail])
    assert replies[2].startswith(b"250") and replies[4].startswith(b"250")
    assert replies[6].startswith(b"450 4.7.0")


def test_logins_beyond_the_rate_are_refused(served):
    server = served(["{pop3: '127.0.0.1:0'}", "{ftp: '127.0.0.1:0'}"], "policy: {request-rate: 1}\n")
    assert lines(server.ports[1], ["USER anonymous", "PASS x"])[2].startswith(b"230")
    replies = lines(server.ports[0], ["USER alice", "PASS secret"])
    assert b"Too many logins" in replies[2]
    assert lines(server.ports[1], ["USER anonymous", "PASS x"])[2].startswith(b"421")


def test_queries_beyond_the_rate_are_truncated_or_refused(served):
    server = served(["{dns: '127.0.0.1:0'}"], "policy: {request-rate: 1}\n")
    query = b"\x12\x34\1\0\0\1\0\0\0\0\0\0\7example\3org\0\0\6\0\1"
    assert ask_dns(server.port, "127.0.0.1") == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(SECONDS)
        datagrams.sendto(query, ("127.0.0.1", server.port))
        reply = datagrams.recv(1000)
    assert reply[2] & 0x82 == 0x82 and reply[3] & 0xF == 0 and len(reply) == len(query)
    with connect(server.port) as connection:
        connection.sendall((struct.pack("!H", len(query)) + query) * 2)
        reply = connection.recv(1000)
    assert reply[5] & 0xF == 5


# -- bans


def test_the_console_bans_and_forgives(served, run, tmp_path):
    server = served(["{http: '127.0.0.1:0'}"], "admin: admin.sock\n")

    def command(*words):
        return run("console", "--admin", tmp_path / "admin.sock", *words)

    assert exchange(server.port, GET, "127.0.0.2").endswith(b"hello")
    assert command("ban", "add", "127.0.0.2/31", "10m").returncode == 0
    assert exchange(server.port, GET, "127.0.0.2") == b""
    assert exchange(server.port, GET).endswith(b"hello")
    assert re.search(r"127.0.0.2/31 +(599|600) s\n.*1 ban", command("ban", "list").stdout, re.S)
    assert command("ban", "clear", "127.0.0.2/31").returncode == 0
    assert exchange(server.port, GET, "127.0.0.2").endswith(b"hello")
    for words in (["ban", "add", "127.0.0.1/8", "1m"], ["ban", "add", "127.0.0.2", "31d"], ["ban", "add", "127.0.0.2", "0"]):
        assert command(*words).returncode != 0
    assert "0 bans" in command("ban", "list").stdout


def test_the_guard_bans_after_wrong_passwords(served, run, tmp_path):
    server = served(
        ["{pop3: '127.0.0.1:0'}"],
        "admin: admin.sock\nguard: {threshold: 100, ban-after: 3, ban-time: 1h}\n",
    )
    for _ in range(3):
        replies = lines(server.port, ["USER alice", "PASS wrong"])
        assert replies[0].startswith(b"+OK") and b"[AUTH]" in replies[2]
    assert exchange(server.port, b"") == b""
    with connect(server.port, "127.0.0.2") as connection:
        assert connection.recv(100).startswith(b"+OK")
    assert "127.0.0.1 " in run("console", "--admin", tmp_path / "admin.sock", "ban", "list").stdout
