"""The settings of DNS, on the command line and in the configuration."""

import base64
import re
import socket

import dns.edns
import dns.flags
import dns.message
import pytest

from dns_daemon import (  # noqa: F401
    authority,
    check,
    client,
    Curl,
    encode,
    pair,
    SECRET,
    Served,
    served,
    zone_text,
)


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
        (["--dns", "127.0.0.1:0", "--zone", "example.org"], "--zone must be NAME=FILE"),
        (["--dns", "127.0.0.1:0", "--zone", "a..b=zone"], "--zone must be NAME=FILE"),
        (["--dns", "127.0.0.1:0", "--zone", "example.org=none"], "No such file"),
        (["--dns", "127.0.0.1:0", "--zone", "example.org=bad"], "bad:5: "),
        (["--dns", "127.0.0.1:0", *["--zone", "a.org=z"] * 2], "a second time"),
        (["--dot", "127.0.0.1:0", "--zone", "example.org=z"], "dot needs a certificate"),
        (["--http", "127.0.0.1:0", "--zone", "example.org=z"], "--zone needs an address for DNS"),
        (["--dns", "127.0.0.1:0", "--zone", "example.org=z", "--doh"], "--doh answers at"),
        (["--http", "127.0.0.1:0", "--zone", "example.org=z", "--doh"], "--doh answers at"),
    ],
)
def test_wrong_command_lines(run, tmp_path, arguments, said):
    (tmp_path / "z").write_text(zone_text())
    (tmp_path / "bad").write_text(zone_text().replace("192.0.2.1", "nowhere"))
    result = run("serve", *arguments)
    assert result.returncode != 0 and said in result.stderr, result.stderr


# -- the configuration --


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
        (["zones: [{name: a..b, file: example.org.zone}]"], "3:18", "must be a domain name"),
        (["zones: [{name: example.org, file: none}]"], "3:37", "No such file"),
        (
            ["zones:"] + ["  - {name: example.org, file: example.org.zone}"] * 2,
            "5:14",
            "a second time",
        ),
        ([ZONES % ", transfer: {keys: [k]}"], "3:18", "there is no key 'k.'"),
        ([ZONES % ", transfer: {networks: [1.2.3.4/8]}"], "", "must be a network"),
        ([ZONES % ", transfer: {both: true, networks: ['::1']}"], "", "'both' needs"),
        ([ZONES % ", notify: [example.org]"], "", "must be the address of a DNS server"),
        ([ZONES % ", notify: []"], "", "must have 1 to 64 entries, not 0"),
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
        ([ZONES % "", "udp-size: 100"], "4:13", "must be from 512 to 4096, not 100"),
        ([ZONES % "", "nsid: " + "x" * 129], "4:9", "longer than 128"),
        ([ZONES % "", "rate-limit: {slip: 0}"], "", "must be from 1 to 100, not 0"),
        ([ZONES % "", "forwards: x"], "", "there is no key 'forwards'"),
    ],
)
def test_wrong_configurations(run, tmp_path, lines, place, said):
    result = check(run, tmp_path, lines)
    assert result.returncode == 1
    assert said in result.stderr and f"weir.yaml:{place}" in result.stderr, result.stderr
    assert "AddressSanitizer" not in result.stderr


def test_a_short_secret_is_used_with_a_warning(run, tmp_path):
    short, long = base64.b64encode(b"s" * 15).decode(), base64.b64encode(b"s" * 16).decode()
    keys = f"keys: [{{name: short.example, secret: {short}}}, {{name: long.example, secret: {long}}}]"
    result = check(run, tmp_path, [ZONES % "", keys])
    assert result.returncode == 0
    assert "the secret of the TSIG key short.example. has 15 bytes: " in result.stderr
    assert "long.example" not in result.stderr


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
