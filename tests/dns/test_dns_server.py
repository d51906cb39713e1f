"""The server on the wire: transfers, notices, reloads, limits, and input that no client would send."""

import random
import socket
import ssl
import struct
import subprocess
import time

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.tsigkeyring
import dns.zone
import pytest

from certificates import make_certificate
from conftest import wait_for
from dns_servers import Weir, read_message
from zone_maker import ZONE, have_signer, write_zone

KEY = "Transfer.key:hmac-sha256:c2VjcmV0IHNlY3JldCBzZWNyZXQ="
KEYRING = dns.tsigkeyring.from_text({"transfer.key.": "c2VjcmV0IHNlY3JldCBzZWNyZXQ="})

SMALL = """$ORIGIN example.org.
$TTL 300
@ IN SOA ns hostmaster {serial} 3600 600 86400 60
@ IN NS ns
ns IN A 192.0.2.1
www IN A 192.0.2.2
cut IN NS ns.cut
ns.cut IN A 192.0.2.3
"""


def big_lines():
    lines = [f"big IN TXT \"{i:03} {'x' * 200}\"" for i in range(40)]
    lines += [f"host{i} IN A 10.0.{i // 250}.{i % 250}" for i in range(3000)]
    lines += [f"cut IN NS ns{i}.cut\nns{i}.cut IN AAAA 2001:db8::{i}" for i in range(1, 41)]
    return "\n".join(lines) + "\n"


@pytest.fixture
def start(tmp_path):
    servers = []

    def start_one(*options, text=None, zones=None):
        path = tmp_path / "zone"
        path.write_text((text or SMALL + big_lines()).replace("{serial}", "1"))
        servers.append(Weir(zones or {ZONE: path}, tmp_path, *options))
        return servers[-1]

    yield start_one
    for server in servers:
        server.stop()


def query(name, kind="A", **options):
    return dns.message.make_query(name, kind, **options)


# -- size --


def test_udp_is_truncated_to_whole_rrsets(start):
    server = start()
    for size in (512, 900, 1232, 4096):
        asked = query(f"big.{ZONE}", "TXT", use_edns=0, payload=size)
        wire = server.udp_bytes(asked.to_wire())
        reply = dns.message.from_wire(wire)
        assert reply.flags & dns.flags.TC and not reply.answer
        assert len(wire) <= 512 and reply.edns == 0
    whole = server.ask(query(f"big.{ZONE}", "TXT"))
    assert not whole.flags & dns.flags.TC and len(whole.answer[0]) == 40


def test_glue_that_does_not_fit_truncates(start):
    server = start()
    reply = server.udp(query(f"x.cut.{ZONE}", use_edns=0, payload=4096))
    assert reply.flags & dns.flags.TC
    reply = server.ask(query(f"x.cut.{ZONE}"))
    assert not reply.flags & dns.flags.TC and len(reply.additional) == 41


def test_without_edns_512_bytes_are_the_limit(start):
    server = start(text=SMALL + "".join(f'mid IN TXT "{i} {"y" * 90}"\n' for i in range(6)))
    assert server.udp(query(f"mid.{ZONE}", "TXT")).flags & dns.flags.TC
    reply = server.udp(query(f"mid.{ZONE}", "TXT", use_edns=0, payload=1232))
    assert not reply.flags & dns.flags.TC and len(reply.answer[0]) == 6


# -- EDNS --


def test_cookies_are_given_and_known_again(start):
    server = start()
    client = b"12345678"
    asked = query(f"www.{ZONE}", use_edns=0, options=[dns.edns.GenericOption(10, client)])
    given = server.udp(asked).options[0].data
    assert len(given) == 24 and given[:8] == client and given[8:12] == b"\x01\0\0\0"
    again = query(f"www.{ZONE}", use_edns=0, options=[dns.edns.GenericOption(10, given)])
    assert server.udp(again).options[0].data == given
    forged = given[:-1] + bytes([given[-1] ^ 1])
    other = query(f"www.{ZONE}", use_edns=0, options=[dns.edns.GenericOption(10, forged)])
    assert server.udp(other).options[0].data != forged
    for size in (0, 7, 9, 15, 41):
        bad = query(f"www.{ZONE}", use_edns=0, options=[dns.edns.GenericOption(10, bytes(size))])
        assert server.udp(bad).rcode() == dns.rcode.FORMERR


def test_nsid_and_extended_errors(start):
    server = start()
    reply = server.udp(query(f"www.{ZONE}", use_edns=0, options=[dns.edns.GenericOption(3, b"")]))
    assert [(o.otype, o.data) for o in reply.options] == [(3, b"weir-test")]
    reply = server.udp(query("example.net", use_edns=0))
    assert reply.rcode() == dns.rcode.REFUSED
    assert reply.options[0].otype == 15 and reply.options[0].code == 20
    assert not server.udp(query("example.net")).options


def test_another_version_of_edns(start):
    server = start()
    asked = query(f"www.{ZONE}", use_edns=0)
    asked.ednsflags |= 1 << 16
    reply = server.udp(asked)
    assert reply.rcode() == dns.rcode.BADVERS and reply.edns == 0 and not reply.answer


def test_chaos(start):
    server = start()
    for name, text in (("version.bind", '"weir"'), ("id.server", '"here"'), ("HOSTNAME.bind", '"here"')):
        reply = server.udp(query(name, "TXT", rdclass="CH"))
        assert [str(record) for record in reply.answer[0]] == [text]
    assert server.udp(query("other.bind", "TXT", rdclass="CH")).rcode() == dns.rcode.REFUSED


# -- connections --


def test_pipelined_queries_are_all_answered(start):
    server = start()
    asked = [query(f"host{i}.{ZONE}", id=i) for i in range(500)]
    wires = b"".join(struct.pack("!H", len(q.to_wire())) + q.to_wire() for q in asked)
    with server.connect() as connection:
        # In pieces that fit nothing, then all the rest at once.
        for i in range(0, 200, 3):
            connection.sendall(wires[i : i + 3])
            time.sleep(0.001)
        connection.sendall(wires[201:])
        replies = {}
        for _ in asked:
            reply = dns.message.from_wire(read_message(connection))
            replies[reply.id] = reply
    for q in asked:
        assert replies[q.id].question == q.question and replies[q.id].answer


@pytest.mark.parametrize("junk", [b"", b"short", b"\0\1\x80\0\0\1\0\0\0\0\0\0\0\0\1\0\1"])
def test_what_is_no_query_ends_its_connection_alone(start, junk):
    server = start()
    with server.connect() as other, server.connect() as connection:
        connection.sendall(struct.pack("!H", len(junk)) + junk)
        assert connection.recv(100) == b""
        asked = query(f"www.{ZONE}").to_wire()
        other.sendall(struct.pack("!H", len(asked)) + asked)
        assert read_message(other)


def test_replies_by_tls_are_padded_if_the_query_was(start, tmp_path):
    chain, key = make_certificate(tmp_path)
    server = start("--cert", chain, "--cert-key", key)
    context = ssl.create_default_context(cafile=chain)
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as connection:
            for name in ("www", "big", "nope", "host7"):
                asked = query(f"{name}.{ZONE}", "ANY", use_edns=0, pad=128).to_wire()
                connection.sendall(struct.pack("!H", len(asked)) + asked)
                wire = read_message(connection)
                assert len(wire) % 468 == 0
                reply = dns.message.from_wire(wire)
                assert bool(reply.answer) == (name != "nope")
            asked = query(f"www.{ZONE}", use_edns=0).to_wire()
            connection.sendall(struct.pack("!H", len(asked)) + asked)
            assert len(read_message(connection)) < 100
    assert server.udp_bytes(asked, 0.3) is None


# -- hostile datagrams --


def test_broken_queries_never_hurt(start):
    server = start()
    dice = random.Random(5)
    good = query(f"www.{ZONE}", want_dnssec=True, options=[dns.edns.GenericOption(10, b"12345678")])
    for _ in range(3000):
        wire = bytearray(good.to_wire())
        for _ in range(dice.randint(1, 6)):
            wire[dice.randrange(len(wire))] = dice.randrange(256)
        if dice.random() < 0.3:
            wire = wire[: dice.randrange(len(wire) + 1)]
        with socket.socket(type=socket.SOCK_DGRAM) as udp:
            udp.sendto(bytes(wire), ("127.0.0.1", server.port))
    asked = query(f"www.{ZONE}").to_wire()
    # A query is lost while the queue of the socket is full.
    reply = wait_for(lambda: server.udp_bytes(asked, 1), what="an answer")
    assert dns.message.from_wire(reply).answer


def test_what_the_refusals_are(start):
    server = start()
    asked = bytearray(query(f"www.{ZONE}").to_wire())
    for first, rcode in ((0x10, 4), (0x28, 4), (0x20, 5), (0x78, 4)):
        asked[2] = first
        reply = server.udp_bytes(bytes(asked))
        assert reply[3] & 15 == rcode and reply[2] & 0x78 == first & 0x78
    asked[2] = 0x80
    assert server.udp_bytes(bytes(asked), 0.3) is None
    assert server.udp_bytes(b"\0" * 11, 0.3) is None
    assert server.udp(query(ZONE, "AXFR")).rcode() == dns.rcode.REFUSED


# -- rate --


def test_replies_are_limited_but_not_to_who_has_a_cookie(start):
    server = start("--rrl", "5")
    asked = query(f"www.{ZONE}", use_edns=0, options=[dns.edns.GenericOption(10, b"12345678")])
    cookie = server.udp(asked).options[0].data

    def flood(wire, count):
        whole = cut = 0
        with socket.socket(type=socket.SOCK_DGRAM) as udp:
            udp.settimeout(2)  # the silence after which no reply comes any more
            for _ in range(count):
                udp.sendto(wire, ("127.0.0.1", server.port))
            try:
                while whole + cut < count:
                    reply = dns.message.from_wire(udp.recv(4096))
                    if reply.flags & dns.flags.TC:
                        cut += 1
                        assert not reply.answer
                    else:
                        whole += 1
            except socket.timeout:
                pass
        return whole, cut

    whole, cut = flood(query(f"www.{ZONE}").to_wire(), 60)
    assert whole <= 8 and 20 <= cut <= 30
    proven = query(f"www.{ZONE}", use_edns=0, options=[dns.edns.GenericOption(10, cookie)])
    assert flood(proven.to_wire(), 60) == (60, 0)


# -- transfers --


def records(zone):
    return sorted(
        f"{name} {ttl} {dns.rdatatype.to_text(data.rdtype)} {data}".lower()
        for name, ttl, data in zone.iterate_rdatas()
    )


def transferred(server, **options):
    messages = dns.query.xfr("127.0.0.1", ZONE, port=server.port, relativize=False, lifetime=30, **options)
    return dns.zone.from_xfr(messages, relativize=False)


def test_a_zone_is_transferred_whole(start, tmp_path):
    server = start("--transfer", "127.0.0.0/8")
    wanted = dns.zone.from_file(str(tmp_path / "zone"), ZONE, relativize=False)
    assert records(transferred(server)) == records(wanted)
    assert server.line() == "transferred example.org. 1"


@pytest.mark.skipif(not have_signer(), reason="needs ldnsutils")
@pytest.mark.parametrize("signing", [[], ["-n"], ["-n", "-p"]])
def test_a_signed_zone_is_transferred_whole(start, tmp_path, signing):
    _, path = write_zone(tmp_path, 4, signing)
    server = start("--transfer", "127.0.0.0/8", zones={ZONE: path})
    wanted = dns.zone.from_file(str(path), ZONE, relativize=False)
    assert records(transferred(server)) == records(wanted)


def test_a_transfer_is_signed_throughout(start, tmp_path):
    server = start("--key", KEY)
    wanted = dns.zone.from_file(str(tmp_path / "zone"), ZONE, relativize=False)
    zone = transferred(server, keyring=KEYRING, keyname="transfer.key.", keyalgorithm=dns.tsig.HMAC_SHA256)
    assert records(zone) == records(wanted)


def test_transfers_are_for_who_may_have_them(start):
    server = start("--key", KEY)
    reply = server.ask(query(ZONE, "AXFR"))
    assert reply.rcode() == dns.rcode.REFUSED and not reply.answer
    asked = query(f"www.{ZONE}")
    asked.use_tsig(KEYRING, "transfer.key.", algorithm=dns.tsig.HMAC_SHA256)
    reply = dns.message.from_wire(
        server.ask_bytes(asked.to_wire()), keyring=KEYRING, request_mac=asked.mac
    )
    assert reply.had_tsig and reply.answer


@pytest.mark.parametrize("option,status", [
    ("hmac-sha256:transfer.key:c2VjcmV0IHNlY3JldCBzZWNyZXQ=", "NOERROR"),
    ("hmac-sha256:transfer.key:d3JvbmcgIHdyb25nICB3cm9uZw==", "BADSIG"),
    ("hmac-sha256:other.key:c2VjcmV0IHNlY3JldCBzZWNyZXQ=", "BADKEY"),
    ("hmac-sha1:transfer.key:c2VjcmV0IHNlY3JldCBzZWNyZXQ=", "BADKEY"),
])
def test_signatures_with_dig(start, option, status):
    server = start("--key", KEY)
    out = subprocess.run(
        ["dig", "@127.0.0.1", "-p", str(server.port), "-y", option, f"www.{ZONE}", "A"],
        capture_output=True, text=True, timeout=60,
    ).stdout
    assert ("192.0.2.2" in out) == (status == "NOERROR"), out
    assert (status == "NOERROR" and "Couldn't verify" not in out) or status in out, out


@pytest.mark.parametrize(
    "algorithm,half", [("hmac-sha1", 80), ("hmac-sha256", 128), ("hmac-sha512", 256)]
)
def test_signatures_of_every_algorithm(start, algorithm, half):
    """A MAC that is cut is refused, and below half of it malformed (RFC 8945 5.2.2.1)."""
    server = start("--key", KEY.replace("hmac-sha256", algorithm))
    for bits, status in (("", "NOERROR"), (f"-{half}", "BADTRUNC"), ("-72", "FORMERR")):
        out = subprocess.run(
            ["dig", "@127.0.0.1", "-p", str(server.port), "+tries=1", "-y",
             f"{algorithm}{bits}:transfer.key:c2VjcmV0IHNlY3JldCBzZWNyZXQ=", f"www.{ZONE}", "A"],
            capture_output=True, text=True, timeout=60,
        ).stdout
        assert status in out, out
        assert ("192.0.2.2" in out) == (status == "NOERROR"), out
        assert status != "NOERROR" or "Couldn't verify" not in out, out


def test_ixfr_is_answered_by_the_soa_or_by_all(start):
    server = start("--transfer", "127.0.0.1")
    for serial, count in ((1, 1), (2, 1), (0, 3000)):
        out = subprocess.run(
            ["kdig", "@127.0.0.1", "-p", str(server.port), "+tcp", "+noall", "+answer",
             ZONE, f"IXFR={serial}"],
            capture_output=True, text=True, timeout=60,
        ).stdout
        assert len([line for line in out.splitlines() if line and line[0] != ";"]) >= count, out
        assert (count > 1) == ("host2999" in out)


# -- reload and notices --


def test_a_reload_swaps_the_zone_and_tells(start, tmp_path):
    with socket.socket(type=socket.SOCK_DGRAM) as secondary:
        secondary.bind(("127.0.0.1", 0))
        secondary.settimeout(60)
        server = start("--notify", "127.0.0.1:%d" % secondary.getsockname()[1], text=SMALL)
        (tmp_path / "zone").write_text(SMALL.replace("{serial}", "2") + "new IN A 192.0.2.9\n")
        assert server.ask(query(f"new.{ZONE}")).rcode() == dns.rcode.NXDOMAIN
        server.reload()
        assert server.line() == "reloaded"
        assert server.ask(query(f"new.{ZONE}")).answer
        for _ in range(2):  # it comes again until it is answered
            wire, peer = secondary.recvfrom(1000)
            notice = dns.message.from_wire(wire)
            assert notice.opcode() == 4 and notice.answer[0][0].serial == 2
        reply = dns.message.make_response(notice)
        secondary.sendto(reply.to_wire(), peer)
        assert server.line() == "notified example.org. 2"


def test_a_zone_with_mistakes_is_refused_and_the_old_one_stays(start, tmp_path):
    server = start(text=SMALL)
    (tmp_path / "zone").write_text(SMALL.replace("{serial}", "2") + "www IN A 192.0.2.256\n")
    server.reload()
    assert server.line() == "refused"
    assert f"{tmp_path}/zone:9: " in server.error.read_text()
    assert server.ask(query(f"www.{ZONE}")).answer


def test_queries_go_on_while_zones_change(start):
    server = start(text=SMALL)
    for _ in range(50):
        server.reload()
        assert server.ask(query(f"www.{ZONE}")).answer
