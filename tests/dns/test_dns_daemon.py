"""DNS in the daemon: what it is configured with, the clients that people use, reloads, several
workers, and input that no client would send."""

import base64
import os
import random
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import time

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsigkeyring
import dns.zone
import pytest

from certificates import Authority
from conftest import wait_for
from dns_servers import free_port
from zone_maker import have_signer

SECRET = "c2VjcmV0IHNlY3JldCBzZWNyZXQ="
KEYRING = dns.tsigkeyring.from_text({"transfer.example.org.": SECRET})

ZONE_TEXT = """$TTL 300
@ IN SOA ns hostmaster {serial} 3600 600 86400 60
@ IN NS ns
ns IN A 127.0.0.1
www IN A 192.0.2.{serial}
short 7 IN A 192.0.2.7
"""


def zone_text(serial=1, more=""):
    return ZONE_TEXT.replace("{serial}", str(serial)) + more


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def pair(authority):
    return authority.sign("localhost", ["localhost", "127.0.0.1"])


class Served:
    """A daemon, and the clients of each of its listeners."""

    def __init__(self, server, directory):
        self.server = server
        self.directory = directory
        self.ports = {url.split(":")[0]: port for url, port in zip(server.urls, server.ports)}

    @property
    def port(self):
        return self.ports["dns"]

    def write(self, text, name="example.org.zone"):
        (self.directory / name).write_text(text)

    def reload(self, said="reloaded"):
        count = self.server.stderr.count(said)
        self.server.send_signal(signal.SIGHUP)
        self.server.wait_stderr(said, count + 1)

    def ask(self, name, kind="A", tcp=False, **options):
        query = dns.message.make_query(name, kind, **options)
        function = dns.query.tcp if tcp else dns.query.udp
        return function(query, "127.0.0.1", port=self.port, timeout=10)

    def address(self, name="www.example.org"):
        return self.ask(name).answer[0][0].address

    def log(self):
        path = self.directory / "dns.log"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def served(weir, pair, tmp_path):
    """served(lines of `dns`, …) serves example.org by all of DNS's kinds of listeners."""

    def start(*lines, zone="", workers=2, zones=None, top=""):
        if not (tmp_path / "example.org.zone").exists():
            (tmp_path / "example.org.zone").write_text(zone_text())
        (tmp_path / "public").mkdir(exist_ok=True)
        text = [
            f"workers: {workers}",
            "listen: [{dns: '127.0.0.1:0'}, {dot: '127.0.0.1:0'}, {https: '127.0.0.1:0'}]",
            f"tls: {{certificates: [{{chain: {pair[0]}, key: {pair[1]}}}]}}",
            "sites: [{root: public, dns-over-https: on}]",
            "dns-log: dns.log",
            "dns:",
            *(f"  {line}" for line in lines),
            "  zones:",
        ]
        for name, more in (zones or {"example.org": zone}).items():
            text += [f"    - {{name: {name}, file: {name}.zone{more}}}"]
        (tmp_path / "weir.yaml").write_text("\n".join(text) + "\n" + top)
        return Served(weir("-c", tmp_path / "weir.yaml", cwd=tmp_path), tmp_path)

    return start


def client(*arguments):
    return subprocess.run(
        [str(argument) for argument in arguments], capture_output=True, text=True, timeout=30
    )


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
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
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


# -- DNS over HTTPS --


def doh_url(server):
    return f"https://127.0.0.1:{server.ports['https']}/dns-query"


@pytest.mark.parametrize("post", [True, False])
def test_dns_over_https_with_dnspython(served, authority, post):
    server = served()
    query = dns.message.make_query("short.example.org", "A")
    query.id = 0
    reply = dns.query.https(query, doh_url(server), post=post, verify=str(authority.path))
    assert reply.answer[0][0].address == "192.0.2.7" and reply.id == 0


def encode(query):
    return base64.urlsafe_b64encode(query).decode().rstrip("=")


class Curl:
    """One request by curl, and what came."""

    def __init__(self, server, target, *arguments, scheme="https"):
        url = f"{scheme}://127.0.0.1:{server.ports[scheme]}{target}"
        out = subprocess.run(
            ["curl", "-sk", "-i", *map(str, arguments), url],
            capture_output=True, timeout=30, check=True,
        ).stdout
        while out.startswith(b"HTTP/1.1 100"):
            out = out.split(b"\r\n\r\n", 1)[1]
        head, self.body = out.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        self.status = int(lines[0].split()[1])
        self.fields = dict(line.lower().split(": ", 1) for line in lines[1:])


def test_dns_over_https_says_how_long_a_reply_holds(served):
    server = served()
    for name, kind, age in [
        ("short.example.org", "A", 7),
        ("www.example.org", "A", 300),
        ("no.example.org", "A", 60),  # the SOA's minimum
        ("www.example.org", "TXT", 60),
        ("example.net", "A", 0),  # refused
    ]:
        query = dns.message.make_query(name, kind).to_wire()
        reply = Curl(server, f"/dns-query?dns={encode(query)}")
        assert reply.status == 200
        assert reply.fields["content-type"] == "application/dns-message"
        assert reply.fields["cache-control"] == f"max-age={age}", name
        assert dns.message.from_wire(reply.body).question[0].name.to_text() == name + "."


def test_dns_over_https_refuses_what_is_no_query(served, tmp_path):
    server = served()
    query = dns.message.make_query("www.example.org", "A").to_wire()
    good, message = encode(query), "Content-Type: application/dns-message"
    body = tmp_path / "body"

    def post(data, *fields, kind=message):
        body.write_bytes(data)
        return Curl(server, "/dns-query", "--data-binary", f"@{body}", "-H", kind, *fields)

    def get(target, *arguments):
        return Curl(server, target, *arguments)

    assert get("/dns-query").status == 400
    assert get("/dns-query?dns=").status == 400
    assert get("/dns-query?dns=A").status == 400
    assert get(f"/dns-query?dns={good}==").status == 400  # padding
    assert get("/dns-query?dns=AA+/").status == 400  # the other alphabet
    assert get(f"/dns-query?dns={encode(query[:11])}").status == 400
    answer = bytearray(query)
    answer[2] |= 0x80
    assert get(f"/dns-query?dns={encode(answer)}").status == 400
    assert get(f"/dns-query?x=y&dns={good}").status == 200
    assert get(f"/dns-query/?dns={good}").status == 404
    assert get(f"/dns-queryx?dns={good}").status == 404
    assert get(f"/dns-query?dns={good}", "-I").fields["content-type"].endswith("dns-message")
    assert post(query).status == 200
    assert post(query, kind=message.upper() + "; x=y").status == 200
    assert post(query, "-H", "Transfer-Encoding: chunked").status == 200
    assert post(query, kind="Content-Type: text/plain").status == 415
    assert post(b"").status == 400
    assert post(bytes(65536)).status == 413
    assert post(query + bytes(65536), "-H", "Transfer-Encoding: chunked").status == 413
    deleted = Curl(server, "/dns-query", "-X", "DELETE")
    assert deleted.status == 405 and deleted.fields["allow"] == "get, head, post"
    # What can be read, and is wrong as DNS, has DNS's own reply.
    wrong = post(query[:-3])
    assert wrong.status == 200 and wrong.body[3] & 15 == dns.rcode.FORMERR
    assert wrong.fields["cache-control"] == "max-age=0"


def test_a_transfer_is_not_for_https(served):
    server = served(zone=", transfer: {networks: [127.0.0.1]}")
    for kind in ("AXFR", "IXFR"):
        query = dns.message.make_query("example.org", kind).to_wire()
        reply = Curl(server, f"/dns-query?dns={encode(query)}")
        if kind == "AXFR":
            assert dns.message.from_wire(reply.body).rcode() == dns.rcode.NOTIMP
        assert reply.status == 200


def test_dns_over_https_in_clear_is_for_who_wants_it(weir, tmp_path):
    (tmp_path / "example.org.zone").write_text(zone_text())
    (tmp_path / "public").mkdir()
    query = dns.message.make_query("www.example.org", "A").to_wire()
    for word, status in (("clear", 200), ("off", 404)):
        (tmp_path / "weir.yaml").write_text(
            f"listen: [{{http: '127.0.0.1:0'}}]\nsites: [{{root: public, dns-over-https: {word}}}]\n"
            "dns: {zones: [{name: example.org, file: example.org.zone}]}\n"
        )
        server = weir("-c", tmp_path / "weir.yaml")
        assert server.get(f"/dns-query?dns={encode(query)}").status == status


def test_dns_over_https_hears_of_a_reload(served):
    server = served()
    query = encode(dns.message.make_query("www.example.org", "A").to_wire())
    server.write(zone_text(2))
    server.reload()
    reply = dns.message.from_wire(Curl(server, f"/dns-query?dns={query}").body)
    assert reply.answer[0][0].address == "192.0.2.2"


# -- the command line --


def test_the_command_line(weir, pair, tmp_path):
    (tmp_path / "zone").write_text(zone_text())
    server = Served(
        weir(
            *["--dns", "127.0.0.1:0", "--dot", "127.0.0.1:0", "--zone", "Example.ORG=zone"],
            *["--https", "127.0.0.1:0", "--doh", "--cert", pair[0], "--key", pair[1]],
            *["--dns-log", "dns.log"],
            cwd=tmp_path,
        ),
        tmp_path,
    )
    assert server.address() == "192.0.2.1"
    assert "the zone example.org. (serial 1, 5 records): " in server.server.stdout
    command = re.search(r"^  (dig .*)$", server.server.stdout, re.M)[1].split()
    assert "hostmaster" in client(*command).stdout
    query = encode(dns.message.make_query("www.example.org", "A").to_wire())
    assert Curl(server, f"/dns-query?dns={query}").status == 200
    server.server.stop()
    assert "queries=" in server.log()


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--dns", "127.0.0.1:0"], "nothing to answer from"),
        (["--dns", "127.0.0.1:0", "--zone", "example.org"], "--zone wants NAME=FILE"),
        (["--dns", "127.0.0.1:0", "--zone", "a..b=zone"], "--zone wants NAME=FILE"),
        (["--dns", "127.0.0.1:0", "--zone", "example.org=none"], "No such file"),
        (["--dns", "127.0.0.1:0", "--zone", "example.org=bad"], "bad:5: "),
        (["--dns", "127.0.0.1:0", *["--zone", "a.org=z"] * 2], "a second time"),
        (["--dot", "127.0.0.1:0", "--zone", "example.org=z"], "dot needs a certificate"),
        (["--http", "127.0.0.1:0", "--zone", "example.org=z"], "--zone is of no use"),
        (["--dns", "127.0.0.1:0", "--zone", "example.org=z", "--doh"], "--doh answers at"),
    ],
)
def test_wrong_command_lines(run, tmp_path, arguments, said):
    (tmp_path / "z").write_text(zone_text())
    (tmp_path / "bad").write_text(zone_text().replace("192.0.2.1", "nowhere"))
    result = run("serve", *arguments)
    assert result.returncode != 0 and said in result.stderr, result.stderr


# -- the configuration --


def check(run, tmp_path, dns_lines, listen="{dns: '127.0.0.1:0'}", top=""):
    (tmp_path / "example.org.zone").write_text(zone_text())
    (tmp_path / "public").mkdir(exist_ok=True)
    text = f"listen: [{listen}]\n{top}dns:\n" + "".join(f"  {line}\n" for line in dns_lines)
    (tmp_path / "weir.yaml").write_text(text)
    return run("check", "weir.yaml")


ZONES = "zones: [{name: example.org, file: example.org.zone%s}]"


def test_check_reads_the_zones(run, tmp_path):
    good = check(run, tmp_path, [ZONES % ""])
    assert good.returncode == 0 and "1 zone" in good.stdout, good.stderr
    (tmp_path / "bad.zone").write_text(zone_text() + "www IN A 1.2.3\nwww IN AAAA 1\n")
    bad = check(run, tmp_path, ["zones:", "  - name: example.net", "    file: bad.zone"])
    assert bad.returncode == 1
    for line in (7, 8):
        assert re.search(rf"^weir.yaml:5:13: {tmp_path}/bad.zone:{line}: ", bad.stderr, re.M)


@pytest.mark.parametrize(
    "lines, place, said",
    [
        (["nsid: x"], "3:3", "nothing to answer from"),
        (["zones: [{name: example.org}]"], "3:11", "lacks 'file', or 'primaries'"),
        (["zones: [{file: example.org.zone}]"], "3:11", "a zone lacks 'name'"),
        (["zones: [{name: a..b, file: example.org.zone}]"], "3:18", "wants a domain name"),
        (["zones: [{name: example.org, file: none}]"], "3:37", "No such file"),
        (
            ["zones:"] + ["  - {name: example.org, file: example.org.zone}"] * 2,
            "5:14",
            "a second time",
        ),
        ([ZONES % ", transfer: {keys: [k]}"], "3:18", "there is no key 'k.'"),
        ([ZONES % ", transfer: {networks: [1.2.3.4/8]}"], "", "is no network"),
        ([ZONES % ", transfer: {both: true, networks: ['::1']}"], "", "'both' wants"),
        ([ZONES % ", notify: [example.org]"], "", "is no address of a server"),
        ([ZONES % ", notify: []"], "", "wants a list"),
        ([ZONES % "", "keys: [{name: k}]"], "4:10", "either in 'secret' or in a 'file'"),
        ([ZONES % "", "keys: [{name: k, secret: '?'}]"], "4:17", "the secret is base64"),
        ([ZONES % "", "keys: [{name: k, secret: ''}]"], "", ""),
        ([ZONES % "", "keys: [{name: k, file: none}]"], "4:26", "No such file"),
        (
            [ZONES % "", f"keys: [{{name: k, secret: {SECRET}}}, {{name: K, secret: {SECRET}}}]"],
            "",
            "the same name",
        ),
        ([ZONES % "", f"keys: [{{name: k, secret: {SECRET}, algorithm: md5}}]"], "", "hmac-sha256"),
        ([ZONES % "", "cookie-secrets: none"], "4:19", "No such file"),
        ([ZONES % "", "cookie-secrets: weir.yaml"], "4:19", "32 hexadecimal digits"),
        ([ZONES % "", "udp-size: 100"], "4:13", "too small"),
        ([ZONES % "", "nsid: " + "x" * 129], "4:9", "longer than 128"),
        ([ZONES % "", "rate-limit: {slip: 0}"], "", "too small"),
        ([ZONES % "", "forwards: x"], "", "there is no key 'forwards'"),
    ],
)
def test_wrong_configurations(run, tmp_path, lines, place, said):
    result = check(run, tmp_path, lines)
    assert result.returncode == 1
    assert said in result.stderr and f"weir.yaml:{place}" in result.stderr, result.stderr
    assert "AddressSanitizer" not in result.stderr


@pytest.mark.parametrize(
    "listen, top, said",
    [
        ("{dot: '127.0.0.1:0'}", "", "'dot' needs a certificate"),
        ("{http: '127.0.0.1:0'}", "sites: [{root: public, dns-over-https: on}]\n", "never reached"),
        ("{dns: ':1'}, {http: '127.0.0.1:1'}", "sites: [{root: public}]\n", "is taken already"),
    ],
)
def test_wrong_listeners(run, tmp_path, listen, top, said):
    result = check(run, tmp_path, [ZONES % ""], listen, top)
    assert result.returncode == 1 and said in result.stderr, result.stderr


def test_a_listener_of_dns_wants_the_section(run, tmp_path):
    (tmp_path / "weir.yaml").write_text("listen: [{dns: '127.0.0.1:0'}]\n")
    assert "lacks 'dns'" in run("check", "weir.yaml").stderr


def test_an_address_that_another_has_by_udp(run, tmp_path):
    (tmp_path / "z").write_text(zone_text())
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        address = "127.0.0.1:%d" % other.getsockname()[1]
        result = run("serve", "--dns", address, "--zone", "example.org=z")
    assert result.returncode == 1 and f"cannot listen on {address}: " in result.stderr


def test_what_it_tells_about_itself(served):
    server = served("nsid: here", "version: weir", "identity: box")
    for name, text in (("version.bind", "weir"), ("id.server", "box")):
        reply = server.ask(name, "TXT", rdclass="CH")
        assert reply.answer[0][0].strings == (text.encode(),)
    asked = dns.edns.GenericOption(dns.edns.NSID, b"")
    reply = server.ask("example.org", "SOA", use_edns=0, options=[asked])
    assert reply.options[0].data == b"here"


def test_udp_size(served):
    more = "\n".join(f'big IN TXT "{i} {"x" * 90}"' for i in range(8)) + "\n"
    server = served("udp-size: 600", top="")
    server.write(zone_text(2, more))
    server.reload()
    reply = server.ask("big.example.org", "TXT", use_edns=0, payload=4096)
    assert reply.flags & dns.flags.TC
    assert len(server.ask("big.example.org", "TXT", tcp=True).answer[0]) == 8


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


# -- transfers --


def axfr(server, **options):
    return dns.zone.from_xfr(
        dns.query.xfr("127.0.0.1", "example.org", port=server.port, relativize=False, **options),
        relativize=False,
    )


def test_a_transfer_with_a_key(served, tmp_path):
    (tmp_path / "key").write_text(SECRET + "\n")
    server = served(
        "keys: [{name: transfer.example.org, file: key}]",
        zone=", transfer: {keys: [transfer.example.org]}",
    )
    zone = axfr(server, keyring=KEYRING)
    assert zone.get_rdataset("www.example.org.", "A")[0].address == "192.0.2.1"
    with pytest.raises(dns.query.TransferError):
        axfr(server)
    out = client(
        *["dig", "@127.0.0.1", "-p", server.port, "-y"],
        *[f"hmac-sha256:transfer.example.org:{SECRET}", "example.org", "AXFR"],
    ).stdout
    assert "XFR size: 6 records" in out, out
    wait_for(lambda: server.log().count(" transferred ") == 2, what="the log")
    assert re.search(
        r' dns transferred peer=127.0.0.1 zone="example.org." serial=1 bytes=\d+', server.log()
    )
    assert ' dns transfer-refused peer=127.0.0.1 zone="example.org."' in server.log()


def test_networks_and_keys(served, tmp_path):
    keys = f"keys: [{{name: transfer.example.org, secret: {SECRET}}}]"
    transfer = ", transfer: {both: true, networks: [%s], keys: [transfer.example.org]}"
    server = served(keys, zone=transfer % "127.0.0.0/8")
    with pytest.raises(dns.query.TransferError):
        axfr(server)
    assert axfr(server, keyring=KEYRING)
    config = tmp_path / "weir.yaml"
    config.write_text(config.read_text().replace("127.0.0.0/8", "192.0.2.0/24"))
    server.reload()
    with pytest.raises(dns.query.TransferError):
        axfr(server, keyring=KEYRING)


def test_secondaries_are_told_once_all_workers_have_the_zone(served):
    with socket.socket(type=socket.SOCK_DGRAM) as secondary:
        secondary.bind(("127.0.0.1", 0))
        secondary.settimeout(20)
        server = served(zone=", notify: ['127.0.0.1:%d']" % secondary.getsockname()[1], workers=4)

        def hear(serial):
            """The notice, and that nobody has another zone by then."""
            while True:
                wire, peer = secondary.recvfrom(1000)
                notice = dns.message.from_wire(wire)
                if notice.answer[0][0].serial == serial:
                    break
            for _ in range(30):
                assert server.ask("example.org", "SOA").answer[0][0].serial == serial
            secondary.sendto(dns.message.make_response(notice).to_wire(), peer)

        hear(1)
        for serial in range(2, 6):
            server.write(zone_text(serial))
            server.reload()
            hear(serial)
        wait_for(lambda: "serial=5" in server.log(), what="the log")
        notified = re.findall(r' notified peer=127.0.0.1 zone="example.org." serial=5', server.log())
        assert len(notified) == 1
        server.reload()
        secondary.settimeout(0.5)
        with pytest.raises(socket.timeout):
            while dns.message.from_wire(secondary.recvfrom(1000)[0]).answer[0][0].serial < 6:
                pass


@pytest.mark.skipif(not os.path.exists("/usr/sbin/nsd"), reason="no NSD")
def test_nsd_follows_as_a_secondary(served, tmp_path):
    port = free_port()
    server = served(
        f"keys: [{{name: transfer.example.org, secret: {SECRET}}}]",
        zone=f", transfer: {{keys: [transfer.example.org]}}, notify: ['127.0.0.1:{port}']",
    )
    directory = tmp_path / "nsd"
    directory.mkdir()
    (directory / "nsd.conf").write_text(
        f"""server:
  ip-address: 127.0.0.1@{port}
  username: ""
  zonesdir: "{directory}"
  pidfile: ""
  database: ""
  xfrdfile: "{directory}/xfrd"
  zonelistfile: "{directory}/list"
  xfrdir: "{directory}"
remote-control:
  control-enable: no
key:
  name: transfer.example.org
  algorithm: hmac-sha256
  secret: "{SECRET}"
zone:
  name: example.org
  zonefile: example.org
  request-xfr: AXFR 127.0.0.1@{server.port} transfer.example.org
  allow-notify: 127.0.0.1 NOKEY
"""
    )

    def serial():
        try:
            query = dns.message.make_query("example.org", "SOA")
            return dns.query.udp(query, "127.0.0.1", port=port, timeout=1).answer[0][0].serial
        except (dns.exception.DNSException, OSError, IndexError):
            return None

    with open(directory / "log", "w") as log:
        command = ["/usr/sbin/nsd", "-d", "-c", str(directory / "nsd.conf")]
        nsd = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for(lambda: serial() == 1, what="the first transfer")
        for number in (2, 3):
            server.write(zone_text(number))
            server.reload()
            wait_for(lambda number=number: serial() == number, what="what was told of")
    finally:
        nsd.terminate()
        nsd.wait(20)
    assert 'notified peer=127.0.0.1 zone="example.org." serial=3' in server.log()


# -- reloads --


def test_a_bad_zone_stays_and_all_others_are_renewed(served, tmp_path):
    names = ["example.org", "example.net", "example.com"]

    def write(serial, broken=None):
        for name in names:
            more = "bad IN A 1.2.3\n" if name == broken else ""
            (tmp_path / f"{name}.zone").write_text(zone_text(serial, more))

    write(1)
    server = served(zones={name: "" for name in names})
    write(2, broken="example.net")
    server.reload()
    assert [server.address(f"www.{name}") for name in names] == [
        "192.0.2.2", "192.0.2.1", "192.0.2.2",
    ]
    assert f"{tmp_path}/example.net.zone:7: " in server.server.stderr
    assert "the zone example.net. is not renewed" in server.server.stderr
    write(3)
    server.reload()
    assert server.address("www.example.net") == "192.0.2.3"
    (tmp_path / "example.com.zone").unlink()
    server.reload()
    assert server.address("www.example.com") == "192.0.2.3"
    assert "No such file" in server.server.stderr


def test_a_new_zone_that_is_bad_refuses_the_configuration(served, tmp_path):
    server = served()
    (tmp_path / "example.net.zone").write_text("no zone\n")
    server.write(zone_text(2))
    with open(tmp_path / "weir.yaml", "a") as config:
        config.write("    - {name: example.net, file: example.net.zone}\n")
    server.reload("not reloaded")
    assert server.address() == "192.0.2.1"
    (tmp_path / "example.net.zone").write_text(zone_text(9))
    server.reload("weir: reloaded")
    assert server.address() == "192.0.2.2" and server.address("www.example.net") == "192.0.2.9"


def opened(trace):
    return len(re.findall(r"example\.org\.zone", trace.read_text()))


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace")
def test_an_unchanged_file_is_not_read_again(served, tmp_path):
    server = served()
    wait_for(lambda: time.time() - (tmp_path / "example.org.zone").stat().st_ctime > 2.2)
    server.reload()  # now it is not new any more
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-e", "trace=openat", "-o", trace, "-p", str(server.server.pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        if "attached" not in tracer.stderr.readline():
            pytest.skip("strace may not attach")
        server.reload()
        server.reload()
        server.write(zone_text(2))
        server.reload()
        tracer.terminate()
    assert opened(trace) == 1
    assert server.address() == "192.0.2.2"


def test_what_a_file_includes_is_read_again(served, tmp_path):
    (tmp_path / "part").write_text("www IN A 192.0.2.50\n")
    text = "\n".join(line for line in zone_text().splitlines() if "www" not in line)
    (tmp_path / "example.org.zone").write_text(text + "\n$INCLUDE part\n")
    server = served()
    assert server.address() == "192.0.2.50"
    wait_for(lambda: time.time() - (tmp_path / "example.org.zone").stat().st_ctime > 2.2)
    server.reload()
    (tmp_path / "part").write_text("www IN A 192.0.2.51\n")
    server.reload()
    assert server.address() == "192.0.2.51"


def test_settings_change_by_reload(served, tmp_path):
    server = served("version: one")
    config = tmp_path / "weir.yaml"
    config.write_text(config.read_text().replace("version: one", "version: two"))
    server.reload()

    def version():
        return server.ask("version.bind", "TXT", rdclass="CH").answer[0][0].strings[0]

    assert all(version() == b"two" for _ in range(20))


@pytest.mark.skipif(os.geteuid() != 0, reason="not root")
def test_a_low_port_and_another_user(weir, quick_path):
    quick_path.chmod(0o755)
    (quick_path / "zone").write_text(zone_text())
    (quick_path / "weir.yaml").write_text(
        "listen: [{dns: '127.91.8.7:53'}]\nuser: nobody\nworkers: 2\ndns-log: dns.log\n"
        "dns: {zones: [{name: example.org, file: zone}]}\n"
    )
    server = weir("-c", quick_path / "weir.yaml")
    at = ["@127.91.8.7", "+short", "www.example.org"]
    assert client("dig", *at).stdout == "192.0.2.1\n"
    (quick_path / "zone").write_text(zone_text(2))
    with open(quick_path / "weir.yaml", "a") as config:
        config.write("limits: {idle: 20s}\n")
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("weir: reloaded")
    assert client("dig", *at).stdout == client("dig", *at, "+tcp").stdout == "192.0.2.2\n"
    assert "change at the next start" in server.stderr
    server.stop()
    assert "ended" in (quick_path / "dns.log").read_text()


@pytest.mark.skipif(not shutil.which("dnsperf"), reason="no dnsperf")
def test_no_query_is_lost_while_zones_are_swapped(served, tmp_path):
    server = served()
    (tmp_path / "queries").write_text("www.example.org A\nno.example.org A\nexample.org NS\n")
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(server.port), "-d", tmp_path / "queries"]
    command += ["-l", "4", "-c", "16", "-Q", "4000", "-t", "5"]
    serial = 1
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
        while load.poll() is None:
            serial = serial % 200 + 1
            server.write(zone_text(serial))
            server.reload()
        out = load.stdout.read()
    assert re.search(r"Queries lost:\s+0 ", out), out
    assert int(re.search(r"Queries completed:\s+(\d+)", out)[1]) > 1000
    assert server.address() == f"192.0.2.{serial}"


# -- the end --


def test_the_end_lets_a_transfer_finish(served):
    more = "".join(f"host{i} IN TXT \"{'x' * 200}\"\n" for i in range(60000))
    server = served(zone=", transfer: {networks: [127.0.0.1]}")
    server.write(zone_text(2, more))
    server.reload()
    query = dns.message.make_query("example.org", "AXFR").to_wire()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
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
        udp.settimeout(10)
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
    assert server.address() == "192.0.2.1"
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
        except OSError:
            return False  # the connections before count still

    wait_for(whole, what="a transfer")
