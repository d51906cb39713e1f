"""Zones, keys of TSIG, cookies and sessions of TLS that three front ends share, also while their database is away."""

import re
import resource
import subprocess

import dns.edns
import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.tsigkeyring
import dns.xfr
import dns.zone
import pytest

from bed import DOMAIN, KINDS, TRANSFER_KEY, TRANSFER_SECRET, ZONE, Cluster
from bed_network import await_true

NAMES = "abc"
PARTS = ("zones", "keys")
CPU_S_MAX = 20  # of all that this file starts; some 4 s on an idle machine


@pytest.fixture(scope="module")
def cluster(weir_program):
    begun = children_cpu_s()
    with Cluster(weir_program, NAMES, parts=PARTS, redundant=False, settings={"fsync": "off"},
                 kinds={kind: KINDS[kind] for kind in ("dns", "https")}) as made:
        yield made
    assert children_cpu_s() - begun < CPU_S_MAX


def children_cpu_s():
    """The CPU time of processes that were started here, and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def ask(cluster, name, query):
    """The balancer passes TCP on."""
    return dns.query.tcp(query, "127.0.0.1", port=cluster.front_ends[name].port("dns"), timeout=30)


def address(cluster, name):
    answer = ask(cluster, name, dns.message.make_query(f"www.{DOMAIN}", "A")).answer
    return str(answer[0][0]) if answer else None


def change_zone(cluster, name, last):
    """Stores a version with another address, by a verb at this front end."""
    (cluster.path / "zone").write_text(ZONE.replace("www A 192.0.2.1", f"www A 192.0.2.{last}"))
    cluster.front_ends[name].verb("zone", "import", DOMAIN, cluster.path / "zone")


def await_address(cluster, wanted):
    for name in NAMES:
        await_true(lambda name=name: address(cluster, name) == wanted, f"{wanted} from {name}", pause=0.1)


def transfer(cluster, name):
    zone = dns.zone.Zone(DOMAIN)
    ring = dns.tsigkeyring.from_text({TRANSFER_KEY: TRANSFER_SECRET})
    query, _ = dns.xfr.make_query(zone, keyring=ring)
    dns.query.inbound_xfr("127.0.0.1", zone, query, port=cluster.front_ends[name].port("dns"), lifetime=30)
    return zone


def cookie_of(cluster, name, sent):
    query = dns.message.make_query(DOMAIN, "SOA", options=[dns.edns.GenericOption(10, sent)])
    [option] = [option for option in ask(cluster, name, query).options if option.otype == 10]
    return option.to_wire()


def handshake(cluster, name, *more):
    """Returns whether the session is `New` or `Reused`."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{cluster.front_ends[name].port('https')}", "-ign_eof", *map(str, more)],
        input="GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", capture_output=True, text=True, timeout=60,
        check=False)
    found = re.search(r"^(Reused|New), TLS", done.stdout, re.M)
    return found and found[1]


def is_resumed_everywhere(cluster):
    saved = cluster.path / "session.pem"
    handshake(cluster, "a", "-sess_out", saved)
    return [handshake(cluster, name, "-sess_in", saved) for name in "bc"] == ["Reused", "Reused"]


def is_cookie_accepted_everywhere(cluster):
    """A cookie that a server accepts comes back as it is."""
    made = cookie_of(cluster, "a", b"client's")
    return all(cookie_of(cluster, name, made) == made for name in "bc")


def test_a_zone_that_is_changed_at_one_front_end_is_served_by_all(cluster):
    assert [address(cluster, name) for name in NAMES] == ["192.0.2.1"] * len(NAMES)
    for last, name in enumerate(NAMES, 2):
        change_zone(cluster, name, last)
        await_address(cluster, f"192.0.2.{last}")


def test_each_front_end_transfers_the_zone_by_the_key_of_the_database(cluster):
    change_zone(cluster, "a", 40)
    await_address(cluster, "192.0.2.40")
    for name in NAMES:
        assert str(transfer(cluster, name).get_rdataset("www", "A")[0]) == "192.0.2.40"
        query = dns.message.make_query(DOMAIN, "AXFR")
        assert ask(cluster, name, query).rcode() == dns.rcode.REFUSED


def test_a_cookie_of_one_is_accepted_by_all(cluster):
    await_true(lambda: is_cookie_accepted_everywhere(cluster), "a shared secret of cookies", pause=0.2)


def test_a_session_of_tls_is_resumed_by_all(cluster):
    await_true(lambda: is_resumed_everywhere(cluster), "shared keys of tickets", pause=0.2)


def test_all_of_it_goes_on_while_the_database_is_away(cluster):
    change_zone(cluster, "b", 50)
    await_address(cluster, "192.0.2.50")
    await_true(lambda: is_cookie_accepted_everywhere(cluster), "a shared secret of cookies", pause=0.2)
    await_true(lambda: is_resumed_everywhere(cluster), "shared keys of tickets", pause=0.2)
    cluster.pair.hold()
    cluster.pair.primary.stop()
    try:
        for name in NAMES:
            await_true(lambda name=name: "not renewed from the database" in cluster.front_ends[name].last_words, "a line in the log")
            assert address(cluster, name) == "192.0.2.50"
            assert len(transfer(cluster, name).nodes) == 2
        assert is_cookie_accepted_everywhere(cluster)
        assert is_resumed_everywhere(cluster)
    finally:
        cluster.pair.primary.start().await_start()
        cluster.pair.hold(False)
    change_zone(cluster, "c", 51)
    await_address(cluster, "192.0.2.51")
