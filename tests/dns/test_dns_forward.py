"""Forwarding to real servers: their answers are passed on, asked for and from the cache; and servers
that have gone.
"""

import random
import shutil
import socket
import struct
import subprocess
import time

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from certificates import make_certificate
from conftest import wait_for
from dns_servers import Knot, Nsd, Server, Weir, have_peers, read_message
from ports import free_port
from zone_maker import ZONE, have_signer, write_zone

pytestmark = pytest.mark.skipif(
    not (have_peers() and have_signer()), reason="needs nsd, knot and ldnsutils"
)

QUERIES = 400

TEXT = """$ORIGIN example.org.
$TTL 300
@ IN SOA ns hostmaster 1 3600 600 86400 60
@ IN NS ns
ns IN A 192.0.2.1
www IN A 192.0.2.2
short 1 IN A 192.0.2.4
alias IN CNAME www
*.wild IN TXT "wild"
""" + "\n".join(
    f"big IN TXT \"{i:03} {'x' * 200}\"" for i in range(40)
) + "\n" + "\n".join(f"host{i} IN A 10.0.{i // 250}.{i % 250}" for i in range(500)) + "\n"


class Unbound(Server):
    name = "unbound"

    def __init__(self, upstream, directory):
        port = free_port()
        config = directory / "unbound.conf"
        config.write_text(
            f"""server:
  interface: 127.0.0.1
  port: {port}
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{directory}"
  pidfile: ""
  use-syslog: no
  module-config: "iterator"
  do-not-query-localhost: no
  minimal-responses: yes
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@{upstream}
"""
        )
        super().__init__([shutil.which("unbound") or "/usr/sbin/unbound", "-d", "-c", config], port, directory)


@pytest.fixture
def start(tmp_path):
    servers = []

    def start_one(kind, *arguments):
        servers.append(kind(*arguments, tmp_path) if kind is not Weir else Weir({}, tmp_path, *arguments))
        return servers[-1]

    yield start_one
    for server in reversed(servers):
        server.stop()


@pytest.fixture
def upstream(start, tmp_path):
    path = tmp_path / "zone"
    path.write_text(TEXT)
    return start(Nsd, {ZONE: path}).wait_until_it_answers(ZONE)


def to(server):
    return "--forward", f"127.0.0.1:{server.port}"


def query(name, kind="A", **options):
    return dns.message.make_query(f"{name}.{ZONE}." if not name.endswith(".") else name, kind, **options)


def counters(weir):
    weir.process.stdin.write(b"counters\n")
    weir.process.stdin.flush()
    words = weir.line().split()
    return {words[i]: int(words[i + 1]) for i in range(0, len(words), 2)}


def error_of(reply):
    return [int(option.code) for option in reply.options if option.otype == dns.edns.OptionType.EDE]


# -- beside the servers that are asked --


def records(rrsets, kinds=None):
    lines = set()
    for rrset in rrsets:
        kind = rrset.rdtype if rrset.rdtype != dns.rdatatype.RRSIG else rrset.covers
        if kinds is None or dns.rdatatype.to_text(kind) in kinds:
            lines |= {f"{rrset.name} {dns.rdatatype.to_text(rrset.rdtype)} {r}".lower() for r in rrset}
    return lines


@pytest.mark.parametrize("seed", [11, 12])
@pytest.mark.parametrize("signing", [None, [], ["-n", "-s", "ab12", "-t", "5"]])
def test_answers_come_through(start, tmp_path, signing, seed):
    maker, path = write_zone(tmp_path, seed, signing)
    knot = start(Knot, {ZONE: path}).wait_until_it_answers(ZONE)
    weir = start(Weir, *to(knot))
    compared = 0
    for name, kind, dnssec in maker.queries(QUERIES):
        asked = dns.message.make_query(name, kind, want_dnssec=dnssec, use_edns=0)
        expected = knot.ask(asked)
        if not expected.flags & dns.flags.AA:
            continue  # a referral: no upstream of a forwarder would say that
        for _ in range(2):
            got = weir.ask(asked)
            where = f"{name} {kind} do={dnssec}\n{expected}\n{got}"
            assert got.rcode() == expected.rcode(), where
            assert records(got.answer) == records(expected.answer), where
            assert not got.flags & (dns.flags.AA | dns.flags.AD) and got.flags & dns.flags.RA
            if not any(rrset.rdtype == dns.rdatatype.NS for rrset in expected.authority):
                kinds = {"SOA", "NSEC", "NSEC3"} if dnssec else {"SOA"}
                assert records(got.authority) == records(expected.authority, kinds), where
            assert not got.additional
        compared += 1
    assert compared > QUERIES // 4


@pytest.mark.skipif(not shutil.which("unbound", path="/usr/sbin:/usr/bin"), reason="needs unbound")
def test_answers_are_those_of_unbound(start, upstream):
    weir, unbound = start(Weir, *to(upstream)), start(Unbound, upstream.port)
    unbound.wait_until_it_answers(ZONE)
    dice = random.Random(1)
    names = ["www", "alias", "no", "a.wild", "wild", "host7", "big", "no.www"]
    for _ in range(200):
        asked = query(dice.choice(names), dice.choice(["A", "AAAA", "TXT", "MX", "CNAME"]))
        ours, theirs = weir.ask(asked), unbound.ask(asked)
        assert ours.rcode() == theirs.rcode(), (ours, theirs)
        assert records(ours.answer) == records(theirs.answer), (ours, theirs)
        assert records(ours.authority) == records(theirs.authority), (ours, theirs)
        assert ours.flags == theirs.flags, (ours, theirs)


# -- the cache --


def test_asked_once(start, upstream):
    weir = start(Weir, *to(upstream))
    first = weir.udp(query("www"))
    time.sleep(1.2)
    second = weir.udp(query("WWW"))
    assert first.answer[0].ttl == 300 and 240 <= second.answer[0].ttl < 300
    assert str(second.question[0].name) == f"WWW.{ZONE}."
    counts = counters(weir)
    assert counts["asks"] == 1 and counts["hits"] == 1 and counts["entries"] == 1


def test_a_small_cache_stays_small(start, upstream):
    weir = start(Weir, "--cache", "65536", *to(upstream))
    for i in range(500):
        assert weir.udp(query(f"host{i}", "TXT")).rcode() == dns.rcode.NOERROR
        assert weir.udp(query(f"host{i}")).answer[0][0].address == f"10.0.{i // 250}.{i % 250}"
    counts = counters(weir)
    assert counts["bytes"] <= 65536 and 100 < counts["entries"] < 1000


def test_large_answers_by_dig(start, upstream):
    weir = start(Weir, *to(upstream))
    for options in ([], ["+tcp"], ["+bufsize=512"]):
        output = subprocess.run(
            ["dig", "@127.0.0.1", "-p", str(weir.port), "+short", *options, f"big.{ZONE}", "TXT"],
            capture_output=True, text=True, timeout=60, check=True,
        ).stdout
        assert len([line for line in output.splitlines() if line.startswith('"')]) == 40
    assert counters(weir)["asks"] == 1
    assert weir.udp(query("big", "TXT", use_edns=0, payload=4096)).flags & dns.flags.TC


def test_by_tls(start, upstream, tmp_path):
    certificate, key = make_certificate(tmp_path)
    weir = start(Weir, "--cert", certificate, "--cert-key", key, *to(upstream))
    output = subprocess.run(
        ["kdig", "@127.0.0.1", "-p", str(weir.port), "+tls", "+short", f"alias.{ZONE}", "A"],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout
    assert output.split() == [f"www.{ZONE}.", "192.0.2.2"]


def test_out_of_order(start, upstream):
    """A query whose answer takes its time does not hold up those behind it."""
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        weir = start(Weir, "--forward", f"127.0.0.1:{silent.getsockname()[1]}")
        with weir.connect() as connection:
            asked = [query("slow"), query("localhost.")]
            for number, message in enumerate(asked):
                message.id = number
                wire = message.to_wire()
                connection.sendall(struct.pack("!H", len(wire)) + wire)
            assert dns.message.from_wire(read_message(connection)).id == 1
            reply = dns.message.from_wire(read_message(connection))
            assert reply.id == 0 and reply.rcode() == dns.rcode.SERVFAIL


def test_many_at_once(start, upstream):
    weir = start(Weir, *to(upstream))
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(60)
        client.connect(("127.0.0.1", weir.port))
        for i in range(200):
            message = query(f"host{i % 100}")
            message.id = i
            client.send(message.to_wire())
        seen = set()
        while len(seen) < 200:
            reply = dns.message.from_wire(client.recv(4096))
            assert reply.answer[0][0].address == f"10.0.0.{reply.id % 100}"
            seen.add(reply.id)
    assert counters(weir)["asks"] == 100


# -- when the upstreams are gone --


def test_stale(start, upstream):
    weir = start(Weir, *to(upstream))
    assert weir.udp(query("short")).answer[0].ttl == 1
    upstream.stop()
    upstream.stop = lambda: None
    time.sleep(2.2)
    reply = weir.udp(query("short", use_edns=0))
    assert reply.answer[0].ttl == 30 and reply.answer[0][0].address == "192.0.2.4"
    assert error_of(reply) == [3]
    asks = counters(weir)["asks"]
    assert error_of(weir.udp(query("short", use_edns=0))) == [3]
    assert counters(weir)["asks"] == asks
    lost = weir.udp(query("www", use_edns=0))
    assert lost.rcode() == dns.rcode.SERVFAIL and error_of(lost) == [22]


def test_the_next_one(start, upstream):
    weir = start(Weir, "--forward", f"127.0.0.1:{free_port()}", *to(upstream))
    assert weir.udp(query("www")).answer[0][0].address == "192.0.2.2"


# -- chains that begin in a zone of our own --

OWN = """$ORIGIN own.example.
$TTL 300
@ IN SOA ns hostmaster 1 3600 600 86400 60
@ IN NS ns
ns IN A 192.0.2.1
www IN CNAME www.example.org.
twice IN CNAME www
alias IN CNAME alias.example.org.
gone IN CNAME gone.example.org.
big IN CNAME big.example.org.
tree IN DNAME example.org.
*.wild IN CNAME www.example.org.
"""


@pytest.fixture
def own(start, upstream, tmp_path):
    path = tmp_path / "own"
    path.write_text(OWN)
    return start(Weir, *to(upstream), f"own.example={path}")


def dig(port, *words):
    return subprocess.run(
        ["dig", "@127.0.0.1", "-p", str(port), "+short", *words],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout.splitlines()


@pytest.mark.parametrize("way", [[], ["+tcp"], ["+dnssec"]])
def test_a_chain_that_leaves(own, way):
    address = ["www.example.org.", "192.0.2.2"]
    for _ in range(2):
        assert dig(own.port, *way, "www.own.example") == address
        assert dig(own.port, *way, "twice.own.example") == ["www.own.example.", *address]
        assert dig(own.port, *way, "alias.own.example") == ["alias.example.org.", *address]
        assert dig(own.port, *way, "x.wild.own.example") == address
        assert dig(own.port, *way, "www.tree.own.example") == ["example.org.", *address]
        assert len(dig(own.port, *way, "big.own.example", "TXT")) == 41


def test_the_end_of_a_chain(own, upstream):
    reply = own.udp(query("gone.own.example."))
    assert reply.rcode() == dns.rcode.NXDOMAIN and reply.flags & dns.flags.AA
    assert records(reply.answer) == {"gone.own.example. cname gone.example.org."}
    assert [rrset.name.to_text() for rrset in reply.authority] == ["example.org."]
    nothing = own.udp(query("www.own.example.", "MX"))
    assert nothing.rcode() == dns.rcode.NOERROR and len(nothing.answer) == 1
    assert [rrset.rdtype for rrset in nothing.authority] == [dns.rdatatype.SOA]
    asked = counters(own)["asks"]
    plain = query("www.own.example.")
    plain.flags &= ~dns.flags.RD
    assert len(own.udp(plain).answer) == 1
    upstream.stop()
    upstream.stop = lambda: None
    lost = own.udp(query("www.own.example.", use_edns=0))
    assert lost.rcode() == dns.rcode.SERVFAIL and not lost.answer and error_of(lost) == [22]
    assert counters(own)["asks"] == asked + 1


@pytest.mark.parametrize("options", [[], ["-n"]])
def test_signatures_of_both_parts(start, tmp_path, options):
    """The proof that our wildcard may answer, and the proof that there is nothing at the end."""
    (tmp_path / "own").write_text(OWN)
    run = {"cwd": tmp_path, "check": True, "capture_output": True, "text": True}
    key = subprocess.run(
        ["ldns-keygen", "-r", "/dev/urandom", "-a", "ECDSAP256SHA256", "-k", "own.example"], **run
    ).stdout.strip()
    subprocess.run(["ldns-signzone", *options, "-o", "own.example", "own", key], **run)
    elsewhere = write_zone(tmp_path, 21, options)[1]
    knot = start(Knot, {ZONE: elsewhere}).wait_until_it_answers(ZONE)
    weir = start(Weir, *to(knot), f"own.example={tmp_path / 'own.signed'}")
    kind = "NSEC3" if options else "NSEC"
    for _ in range(2):
        reply = weir.ask(query("x.wild.own.example.", "TYPE65000", want_dnssec=True))
        end = weir.ask(query("www.example.org.", "TYPE65000", want_dnssec=True))
        ours = [rrset for rrset in reply.authority if rrset.name.to_text().endswith("own.example.")]
        rest = [rrset for rrset in reply.authority if rrset not in ours]
        assert reply.rcode() == end.rcode()
        assert records(rest) == records(end.authority) and records(end.authority, {kind})
        assert records(ours, {kind}) == records(ours) and records(ours)
        assert records(reply.answer, {"CNAME"}) > {"x.wild.own.example. cname www.example.org."}
        assert any(rrset.rdtype == dns.rdatatype.RRSIG for rrset in reply.answer)


def test_chains_by_tls(start, upstream, tmp_path):
    certificate, key = make_certificate(tmp_path)
    path = tmp_path / "own"
    path.write_text(OWN)
    weir = start(Weir, "--cert", certificate, "--cert-key", key, *to(upstream), f"own.example={path}")
    output = subprocess.run(
        ["kdig", "@127.0.0.1", "-p", str(weir.port), "+tls", "+short", "twice.own.example", "A"],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout
    assert output.split() == ["www.own.example.", "www.example.org.", "192.0.2.2"]


# -- who, and what --


def test_a_client_has_its_part(start):
    """A client that asks as much as it can, with a silent upstream, does not keep others from asking."""
    with socket.socket(type=socket.SOCK_DGRAM) as upstream, socket.socket(
        type=socket.SOCK_DGRAM
    ) as greedy, socket.socket(type=socket.SOCK_DGRAM) as other:
        upstream.bind(("127.0.0.1", 0))
        upstream.settimeout(60)
        weir = start(Weir, "--forward", f"127.0.0.1:{upstream.getsockname()[1]}")
        other.bind(("127.0.0.3", 0))
        greedy.bind(("127.0.0.2", 0))
        other.settimeout(60)
        for i in range(1500):
            greedy.sendto(query(f"host{i}").to_wire(), ("127.0.0.1", weir.port))
            if i % 50 == 0:
                time.sleep(0.01)
        wait_for(lambda: counters(weir)["asks"] >= 256, what="all that a client may ask")
        time.sleep(0.2)
        assert counters(weir)["asks"] == 256
        other.sendto(query("honest").to_wire(), ("127.0.0.1", weir.port))
        while True:
            wire, peer = upstream.recvfrom(4096)
            asked = dns.message.from_wire(wire)
            if str(asked.question[0].name).lower().startswith("honest."):
                break
        reply = dns.message.make_response(asked)
        reply.answer.append(dns.rrset.from_text(asked.question[0].name, 60, "IN", "A", "192.0.2.7"))
        upstream.sendto(reply.to_wire(), peer)
        assert dns.message.from_wire(other.recv(4096)).answer[0][0].address == "192.0.2.7"


def test_refused_to_others(start, upstream):
    weir = start(Weir, "--recursion", "192.0.2.0/24", *to(upstream))
    reply = weir.udp(query("www", use_edns=0))
    assert reply.rcode() == dns.rcode.REFUSED and error_of(reply) == [18]
    assert not reply.flags & dns.flags.RA


def test_own_zones_come_first(start, upstream, tmp_path):
    path = tmp_path / "own"
    path.write_text(TEXT.replace("example.org", f"own.{ZONE}").replace("192.0.2.2", "192.0.2.99"))
    weir = start(Weir, *to(upstream), f"own.{ZONE}={path}")
    own, other = weir.udp(query("www.own")), weir.udp(query("www"))
    assert own.answer[0][0].address == "192.0.2.99"
    assert own.flags & dns.flags.AA and own.flags & dns.flags.RA
    assert other.answer[0][0].address == "192.0.2.2" and not other.flags & dns.flags.AA
    assert weir.udp(query("no.own")).rcode() == dns.rcode.NXDOMAIN


def test_names_that_nobody_is_asked_for(start, upstream):
    weir = start(Weir, *to(upstream))
    assert weir.udp(query("localhost.", "AAAA")).answer[0][0].address == "::1"
    assert weir.udp(query("x.onion.")).rcode() == dns.rcode.NXDOMAIN
    assert weir.udp(query("www", "ANY")).answer[0].rdtype == dns.rdatatype.HINFO
    message = query("www")
    message.flags &= ~dns.flags.RD
    assert weir.udp(message).rcode() == dns.rcode.REFUSED
    assert counters(weir)["asks"] == 0
