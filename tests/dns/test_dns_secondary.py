"""Transfers both ways between Weir, NSD and Knot: zones come, change, expire, are kept and come back."""

import os
import time

import dns.message
import dns.rcode
import dns.rdatatype
import dns.tsigkeyring
import dns.query
import dns.zone
import pytest

from dns_servers import Knot, Nsd, Weir, have_peers
from ports import free_port
from zone_maker import ZONE, Maker, have_signer, write_zone

pytestmark = pytest.mark.skipif(not have_peers(), reason="nsd or knot is not installed")

KEY = ("transfer.key", "hmac-sha256", "c2VjcmV0IHNlY3JldCBzZWNyZXQ=")
WEIR_KEY = ":".join(KEY)
KEYRING = dns.tsigkeyring.from_text({"transfer.key.": KEY[2]})

HEAD = """$ORIGIN example.org.
$TTL 300
@ IN SOA ns hostmaster {serial} {timers} 60
@ IN NS ns
ns IN A 192.0.2.1
"""


def zone_text(serial, timers="3600 600 86400", changed=(), count=500):
    lines = [f"host{i} IN A 10.{1 if i in changed else 0}.{i // 250}.{i % 250}" for i in range(count)]
    lines += ['Mixed IN TXT "a;b" "c \\"d\\""', "_sip._tcp IN SRV 1 2 3 Mixed", "w IN TYPE1234 \\# 2 beef"]
    lines += ["*.wild IN CNAME host1", "cut IN NS ns.cut", "ns.cut IN AAAA 2001:db8::1", "a.b.c.d IN MX 5 ns"]
    return HEAD.replace("{serial}", str(serial)).replace("{timers}", timers) + "\n".join(lines) + "\n"


@pytest.fixture
def place(tmp_path):
    """Starts servers, each in a directory of its own, and ends them."""
    servers = []

    class Place:
        path = tmp_path
        zone = tmp_path / "zone"
        kept = tmp_path / "kept"

        def directory(self):
            path = tmp_path / f"server{len(servers)}"
            path.mkdir()
            return path

        def write(self, *arguments, **options):
            self.zone.write_text(zone_text(*arguments, **options))
            # Whole seconds are what NSD sees of a change.
            now = time.time() + len(servers) + getattr(self, "writes", 0)
            self.writes = getattr(self, "writes", 0) + 1
            os.utime(self.zone, (now, now))

        def add(self, server):
            servers.append(server)
            return server

        def weir(self, *options, zones=None):
            return self.add(Weir(zones or {}, self.directory(), *options))

        def secondary(self, primary, *options, kept=True):
            kept = self.kept if kept else ""
            return self.weir(*options, "--secondary", f"{ZONE}={kept}=127.0.0.1:{primary.port}")

        def nsd(self, *extra, key=None, zone=None, port=None):
            server = Nsd({ZONE: zone or self.zone}, self.directory(), extra, key, port)
            return self.add(server)

        def knot(self, before, *extra, zone=None, port=None):
            return self.add(Knot({ZONE: zone or self.zone}, self.directory(), before, extra, port))

    yield Place()
    for server in reversed(servers):
        server.stop()


def records(server, keyring=None):
    """All that the server gives out."""
    stream = dns.query.xfr(
        "127.0.0.1", ZONE, port=server.port, relativize=False, keyring=keyring, timeout=60
    )
    found = set()
    for message in stream:
        for rrset in message.answer:
            found |= {(rrset.name.canonicalize(), rrset.rdtype, rrset.ttl, rdata.to_digestable()) for rdata in rrset}
    return found


def serial(server):
    reply = server.ask(dns.message.make_query(ZONE, "SOA"))
    return reply.answer[0][0].serial if reply.answer else None


def wait_for_serial(server, wanted, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if serial(server) == wanted:
                return
        except OSError:
            pass
        time.sleep(0.05)
    pytest.fail(f"{server.name} has not got {wanted}: {server.error.read_text()[-2000:]}")


def extended_error(server):
    reply = server.udp(dns.message.make_query(f"host1.{ZONE}", "A", use_edns=0))
    return dns.rcode.to_text(reply.rcode()), [o.code for o in reply.options if o.otype == 15]


ALLOW = ["--transfer", "127.0.0.0/8"]
NSD_OPEN = ["provide-xfr: 127.0.0.1 NOKEY"]


def knot_primary(place, port=0, key=None):
    before = ["remote:", "- id: secondary", f"  address: 127.0.0.1@{port or 1}"]
    if key:
        before += ["  key: " + key[0]]
    before += ["acl:", "- id: all", "  address: 127.0.0.1", "  action: transfer"]
    if key:
        before += ["  key: " + key[0]]
        before = ["key:", f"- id: {key[0]}", f"  algorithm: {key[1]}", f"  secret: {key[2]}"] + before
    extra = ["acl: all", "zonefile-load: difference", "journal-content: changes", "zonefile-sync: -1"]
    if port:
        extra += ["notify: secondary"]
    return place.knot(before, *extra).wait_until_it_answers(ZONE)


# -- Weir as secondary --


@pytest.mark.parametrize("key", [None, KEY])
def test_a_zone_comes_from_nsd(place, key):
    place.write(7)
    name = key[0] if key else "NOKEY"
    nsd = place.nsd(f"provide-xfr: 127.0.0.1 {name}", key=key).wait_until_it_answers(ZONE)
    weir = place.secondary(nsd, *ALLOW, *(["--key", WEIR_KEY] if key else []))
    assert weir.wait_for("fetched") == f"fetched {ZONE}. 7"
    keyring = KEYRING if key else None
    assert records(weir, keyring) == records(nsd, keyring)
    weir.stop()
    assert place.kept.exists()


def test_a_large_signed_zone_comes_whole(place):
    if not have_signer():
        pytest.skip("ldns-signzone is not installed")
    _, signed = write_zone(place.path, 5, ["-n"])
    nsd = place.nsd(*NSD_OPEN, zone=signed).wait_until_it_answers(ZONE)
    weir = place.secondary(nsd, *ALLOW)
    weir.wait_for("fetched")
    assert records(weir) == records(nsd)
    weir.stop()
    again = place.secondary(nsd, *ALLOW)
    assert records(again) == records(nsd)


def test_a_large_zone_comes_in_one_piece(place):
    """Many receives and batches: neither limits of time nor of what waits may end it."""
    text = HEAD.replace("{serial}", "7").replace("{timers}", "3600 600 86400")
    place.zone.write_text(text + f'$GENERATE 1-60000 big${{0,5,d}} TXT "{"x" * 60} $"\n')
    key = ["--key", WEIR_KEY]
    first = place.weir(*key, zones={ZONE: place.zone})
    weir = place.secondary(first, *key)
    assert weir.line() == f"fetched {ZONE}. 7"
    assert len(records(weir, KEYRING)) == 60003


def test_a_notice_brings_the_new_version(place):
    place.write(7)
    port = free_port()
    nsd = place.nsd(*NSD_OPEN, f"notify: 127.0.0.1@{port} NOKEY").wait_until_it_answers(ZONE)
    weir = place.weir(
        "--listen", f"127.0.0.1:{port}", *ALLOW, "--secondary", f"{ZONE}={place.kept}=127.0.0.1:{nsd.port}"
    )
    weir.wait_for("fetched")
    for version in (8, 9):
        place.write(version, changed={version})
        nsd.hang_up()
        assert weir.wait_for("fetched") == f"fetched {ZONE}. {version}"
        wait_for_serial(weir, version)
    assert records(weir) == records(nsd)


@pytest.mark.parametrize("key", [None, KEY])
def test_knot_sends_steps(place, key):
    place.write(7, count=3000)
    port = free_port()
    knot = knot_primary(place, port, key)
    options = ["--key", WEIR_KEY] if key else []
    weir = place.weir(
        "--listen", f"127.0.0.1:{port}", *ALLOW, *options,
        "--secondary", f"{ZONE}={place.kept}=127.0.0.1:{knot.port}",
    )
    weir.wait_for("fetched")
    for version in (8, 9, 12):
        place.write(version, count=3000 + version, changed={version, 77})
        knot.hang_up()
        assert weir.wait_for("fetched") == f"fetched {ZONE}. {version}"
        wait_for_serial(weir, version)
    lines = [line for line in knot.error.read_text().splitlines() if "started" in line]
    assert len([line for line in lines if "IXFR, outgoing" in line]) == 3, lines
    assert len([line for line in lines if "AXFR, outgoing" in line]) == 1, lines
    keyring = KEYRING if key else None
    assert records(weir, keyring) == records(knot, keyring)


def test_the_timers_find_a_new_version(place):
    place.write(7, "1 1 100")
    nsd = place.nsd(*NSD_OPEN).wait_until_it_answers(ZONE)
    weir = place.secondary(nsd, "--intervals", 1)
    weir.wait_for("fetched")
    place.write(8, "1 1 100")
    nsd.hang_up()
    assert weir.wait_for("fetched") == f"fetched {ZONE}. 8"


def test_a_key_that_is_wrong(place):
    place.write(7)
    nsd = place.nsd(f"provide-xfr: 127.0.0.1 {KEY[0]}", key=KEY).wait_until_it_answers(ZONE)
    weir = place.secondary(nsd, "--key", f"{KEY[0]}:{KEY[1]}:b3RoZXIgb3RoZXIgb3RoZXI=")
    assert weir.wait_for("fetch failed")
    assert extended_error(weir) == ("SERVFAIL", [14])
    assert not place.kept.exists()


def test_who_may_not_notify(place):
    place.write(7)
    nsd = place.nsd(*NSD_OPEN).wait_until_it_answers(ZONE)
    weir = place.weir("--secondary", f"{ZONE}==127.0.0.2:{nsd.port}")
    notice = dns.message.make_query(ZONE, "SOA")
    notice.set_opcode(4)
    assert weir.ask(notice).rcode() == dns.rcode.REFUSED
    other = dns.message.make_query("example.net", "SOA")
    other.set_opcode(4)
    assert weir.ask(other).rcode() == dns.rcode.NOTAUTH


def test_an_older_version_is_not_taken(place):
    place.write(7, "1 1 100")
    nsd = place.nsd(*NSD_OPEN).wait_until_it_answers(ZONE)
    weir = place.secondary(nsd, "--intervals", 1)
    weir.wait_for("fetched")
    place.write(6, "1 1 100")
    nsd.hang_up()
    wait_for_serial(nsd, 6)
    assert "older" in weir.wait_for("fetch failed")
    assert serial(weir) == 7


def test_a_zone_expires_and_comes_back(place):
    place.write(7, "1 1 3")
    nsd = place.nsd(*NSD_OPEN).wait_until_it_answers(ZONE)
    weir = place.secondary(nsd, "--intervals", 1)
    weir.wait_for("fetched")
    time.sleep(4)
    assert serial(weir) == 7, "it is confirmed again and again"
    nsd.stop()
    weir.wait_for("expired")
    assert extended_error(weir) == ("SERVFAIL", [24])
    nsd = place.nsd(*NSD_OPEN, port=nsd.port).wait_until_it_answers(ZONE)
    wait_for_serial(weir, 7)
    assert extended_error(weir) == ("NOERROR", [])


def test_a_kept_zone_is_served_at_once(place):
    place.write(7)
    nsd = place.nsd(*NSD_OPEN).wait_until_it_answers(ZONE)
    weir = place.secondary(nsd, *ALLOW)
    weir.wait_for("fetched")
    before = records(weir)
    weir.stop()
    nsd.stop()
    weir = place.secondary(nsd, *ALLOW)
    assert records(weir) == before
    weir.stop()
    aged = time.time() - 86400 + 3
    os.utime(place.kept, (aged, aged))
    weir = place.secondary(nsd)
    assert weir.early == [f"restored {ZONE}. 7"] and serial(weir) == 7
    weir.wait_for("expired")
    weir.stop()
    weir = place.secondary(nsd)
    assert extended_error(weir) == ("SERVFAIL", [24])


def test_a_kept_file_that_is_broken_is_fetched_anew(place):
    place.write(7)
    place.kept.write_text("; nothing\nexample.org. 300 IN SOA ns.\n")
    nsd = place.nsd(*NSD_OPEN).wait_until_it_answers(ZONE)
    weir = place.secondary(nsd, *ALLOW)
    assert weir.early[0].startswith(f"keep failed {ZONE}. 0 0 line 2: ")
    wait_for_serial(weir, 7)
    assert records(weir) == records(nsd)


def test_the_next_primary_is_asked(place):
    place.write(7)
    nsd = place.nsd(*NSD_OPEN).wait_until_it_answers(ZONE)
    dead = free_port()
    weir = place.weir("--secondary", f"{ZONE}=={f'127.0.0.1:{dead}'},127.0.0.1:{nsd.port}")
    weir.wait_for("fetch failed")
    weir.wait_for("fetched")


# -- Weir as primary --


def nsd_secondary(place, weir, port, key="NOKEY"):
    address = f"127.0.0.1@{weir.port}"
    extra = [f"request-xfr: {address} {key}", f"allow-notify: 127.0.0.1 {key}", *NSD_OPEN]
    path = place.path / "nsd.slave"
    return place.nsd(*extra, zone=path, port=port, key=KEY if key != "NOKEY" else None)


def knot_secondary(place, weir, port):
    before = ["remote:", "- id: weir", f"  address: 127.0.0.1@{weir.port}"]
    before += ["acl:", "- id: all", "  address: 127.0.0.1", "  action: [transfer, notify]"]
    return place.knot(before, "master: weir", "acl: all", zone=place.path / "knot.slave", port=port)


@pytest.mark.parametrize("kind", [nsd_secondary, knot_secondary])
def test_steps_go_out(place, kind):
    place.write(7, count=3000)
    port = free_port()
    weir = place.weir(*ALLOW, "--notify", f"127.0.0.1:{port}", zones={ZONE: place.zone})
    peer = kind(place, weir, port)
    wait_for_serial(peer, 7)
    for version in (8, 9, 10):
        place.write(version, count=3000 - version, changed={version, 99})
        weir.reload()
        wait_for_serial(peer, version)
    assert records(peer) == records(weir)
    if kind is knot_secondary:
        log = peer.error.read_text()
        assert log.count("IXFR, incoming, remote 127.0.0.1") and "serial 9 -> 10" in log
        assert "AXFR-style" not in log


def ixfr(server, version, udp=False):
    """The records of an answer to IXFR, in order."""
    stream = dns.query.xfr(
        "127.0.0.1", ZONE, "IXFR", port=server.port, serial=version, relativize=False, timeout=60,
        use_udp=udp,
    )
    return [(rrset.rdtype, rdata) for message in stream for rrset in message.answer for rdata in rrset]


def test_a_client_gets_each_step_or_the_soa_or_all(place):
    place.write(7)
    weir = place.weir(*ALLOW, zones={ZONE: place.zone})
    for version in (8, 9):
        place.write(version, changed={version})
        weir.reload()
        weir.wait_for("reloaded")
    steps = ixfr(weir, 7)
    soas = [rdata.serial for kind, rdata in steps if kind == dns.rdatatype.SOA]
    assert soas == [9, 7, 8, 8, 9, 9] and len(steps) == 6 + 2 + 4
    assert [rdata.serial for _, rdata in ixfr(weir, 9)] == [9]
    assert len(ixfr(weir, 3)) == len(records(weir)) + 1
    query = dns.message.make_query(ZONE, "IXFR")
    soa = dns.rrset.from_text(f"{ZONE}.", 0, "IN", "SOA", ". . 8 0 0 0 0")
    query.authority.append(soa)
    reply = dns.message.from_wire(weir.udp_bytes(query.to_wire()), one_rr_per_rrset=True)
    assert [r[0].serial for r in reply.answer if r.rdtype == dns.rdatatype.SOA] == [9, 8, 9, 9]
    soa = dns.rrset.from_text(f"{ZONE}.", 0, "IN", "SOA", ". . 3 0 0 0 0")
    query.authority[:] = [soa]
    reply = weir.udp(query)
    assert len(reply.answer) == 1 and reply.answer[0][0].serial == 9


def test_versions_go_through_a_chain(place):
    """Weir, Weir and Weir: steps, notices and signatures on both links."""
    place.write(7, count=3000)
    ports = [free_port(), free_port()]
    key = ["--key", WEIR_KEY]
    first = place.weir(*key, "--notify", f"127.0.0.1:{ports[0]}", zones={ZONE: place.zone})
    middle = place.weir(
        *key, "--listen", f"127.0.0.1:{ports[0]}", "--notify", f"127.0.0.1:{ports[1]}",
        "--secondary", f"{ZONE}={place.kept}=127.0.0.1:{first.port}",
    )
    last = place.weir(
        *key, "--listen", f"127.0.0.1:{ports[1]}", "--secondary", f"{ZONE}==127.0.0.1:{ports[0]}"
    )
    wait_for_serial(last, 7, 40)
    for version in (8, 9):
        place.write(version, count=3000, changed={1, version})
        first.reload()
        wait_for_serial(last, version)
    assert records(first, KEYRING) == records(last, KEYRING)
    assert records(first, KEYRING) == records(middle, KEYRING)
