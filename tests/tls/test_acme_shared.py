"""Several front ends that share a database obtain their certificates together."""

import json
import signal
import socket
import threading
import time

import pytest

from ca import fake, pebble  # noqa: F401  (fixtures)
from certificates import make_certificate
from conftest import wait_for
from ports import free_port
from test_acme import NAME, Obtaining, scrape

SEAL = "c3RvcmUga2V5IHN0b3JlIGtleSBzdG9yZSBrZXkgMzI="


@pytest.fixture
def empty(database):
    if database.process.poll() is not None:
        database.start()
    database.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return database


class Cluster:
    """Front ends with the same names, each with a directory and listeners of its own."""

    def __init__(self, weir, run, database, path):
        self.weir, self.run, self.database, self.path = weir, run, database, path
        self.front_ends = []

    def add(self, authority, *, lease="10s", store="parts: [keys]", more="", **options):
        directory = self.path / f"front{len(self.front_ends)}"
        directory.mkdir()
        (directory / "store-key").write_text(SEAL + "\n")
        (directory / "store-key").chmod(0o600)
        options["acme"] = options.get("acme", "tls-alpn-01: no") + f"\nlease: {lease}"
        more += f"store: {{url: '{self.database.url}', secret-key-file: store-key, refresh: 200ms, wait: 2s, {store}}}\n"
        front_end = Obtaining(self.weir, directory, authority.section(), more=more, **options)
        if not self.front_ends:
            self.verb(front_end, "init")
        self.front_ends.append(front_end)
        return front_end

    def verb(self, front_end, *words):
        done = self.run("store", "-c", front_end.config, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self):
        for front_end in self.front_ends:
            front_end.start()

    def wait_same(self, name=NAME):
        """All of them serve one issued certificate, which is returned."""
        served = [front_end.wait_issued(name) for front_end in self.front_ends]
        wait_for(
            lambda: len({front_end.certificate(name).serial_number for front_end in self.front_ends}) == 1,
            what="the same certificate everywhere",
        )
        return served[0]

    def holder(self):
        """The owner of the lease, if there is one."""
        return self.database.query("SELECT owner FROM weir_acme_lease WHERE ends > now()")


@pytest.fixture
def cluster(weir, run, empty, tmp_path):
    return Cluster(weir, run, empty, tmp_path)


def issued(authority):
    """How many orders have got a certificate."""
    return authority.seen.count("finalize")


@pytest.mark.parametrize("separated", ["yes", "no"])
@pytest.mark.parametrize("challenge", ["http-01", "tls-alpn-01"])
def test_any_front_end_proves(cluster, fake, challenge, separated):
    """The authority reaches one that does not order: it is the only one that is asked, and the other has begun before."""
    ports = {"http-01": free_port(), "tls-alpn-01": free_port()}
    authority = fake(http_port=ports["http-01"], tls_port=ports["tls-alpn-01"])
    authority.kinds = [challenge]
    began, goes_on = threading.Event(), threading.Event()
    authority.faults["order"] = [lambda handler, reply: (began.set(), goes_on.wait(60)) and None]
    orders = cluster.add(authority, acme="", separated=separated)
    proves = cluster.add(authority, acme="", separated=separated, http=ports["http-01"], https=ports["tls-alpn-01"])
    orders.start()
    assert began.wait(60)
    proves.start()
    goes_on.set()
    cluster.wait_same()
    assert len(authority.orders_asked) == 1 and issued(authority) == 1 and len(authority.accounts) == 1
    assert cluster.database.query("SELECT count(*) FROM weir_certificate WHERE key LIKE 'sealed:%'") == "1"
    assert cluster.database.query("SELECT count(*) FROM weir_acme_file WHERE content NOT LIKE 'sealed:%'") == "0"
    wait_for(lambda: not orders.proofs() and not proves.proofs(), what="no proofs")
    assert cluster.database.query("SELECT count(*) FROM weir_acme_file WHERE path LIKE 'challenges/%'") == "0"
    wait_for(lambda: cluster.holder() == "", what="the lease to be given up")
    assert orders.state() == proves.state()


def test_a_certificate_is_counted_once(cluster, fake, run, tmp_path):
    """It is one of the configuration, and of the database."""
    authority = fake(http_port=free_port())
    front_end = cluster.add(authority, http=authority.ports["http-01"], more=f"admin: {tmp_path}/admin.sock\n")
    front_end.start()
    front_end.wait_issued()
    pair = make_certificate(tmp_path, names=["other.example"])
    assert run("certificate", "-c", front_end.config, "import", "other.example", *pair).returncode == 0
    shown = 'weir_tls_certificate_days_left{certificate="%s"} '
    wait_for(lambda: shown % "other.example" in scrape(tmp_path / "admin.sock"), what="the certificate of the database")
    assert scrape(tmp_path / "admin.sock").count(shown % NAME) == 1
    listed = json.loads(run("status", "--admin", tmp_path / "admin.sock", "--json").stdout)["certificates"]
    assert [item["file"] for item in listed] == [NAME, "other.example"]


def test_one_orders_with_pebble(cluster, pebble):
    """Three begin at one moment: pebble counts the certificates, and reaches the second."""
    authority = pebble()
    for number in range(3):
        ports = {"http": authority.ports["http"], "https": authority.ports["tls"]} if number == 1 else {}
        cluster.add(authority, names=[NAME, "b.example.org"], acme="", **ports)
    cluster.start()
    for name in (NAME, "b.example.org"):
        cluster.wait_same(name)
    log = authority.log.read_text()
    assert log.count("Issued certificate serial") == 2, log
    assert cluster.database.query("SELECT count(*) FROM weir_acme_file WHERE path LIKE 'accounts/%/key.pem'") == "1"


def test_another_takes_over(cluster, fake):
    """The holder dies when it has asked for the order."""
    authority = fake(http_port=free_port())
    first = cluster.add(authority, lease="5s", http=authority.ports["http-01"])
    second = cluster.add(authority, lease="5s")
    killed = threading.Event()

    def kill(handler, reply):
        first.server.send_signal(signal.SIGKILL)
        first.server.wait(60)
        killed.set()
        return True

    authority.faults["order"] = [kill]
    first.start()
    wait_for(killed.is_set, 60, what="the order")
    holder = cluster.holder()
    # It is reached at the port of the first one, which is gone.
    second.ports["http"] = authority.ports["http-01"]
    second.config.write_text(second.config.read_text().replace("  - http: 127.0.0.1:", f"  - http: 127.0.0.1:{second.ports['http']}\n  - http: 127.0.0.1:"))
    second.start()
    if holder:
        second.server.wait_stderr("another front end obtains certificates; this one waits")
    second.wait_issued()
    assert issued(authority) == 1 and len(authority.accounts) == 1
    assert second.proofs() == []


def test_a_pause_is_shared(cluster, fake):
    """A refusal pauses all front ends."""
    authority = fake(http_port=free_port())
    authority.faults["order"] = [lambda handler, reply: reply.__setitem__(slice(None), [429, {"type": "urn:ietf:params:acme:error:rateLimited"}, {"Retry-After": "600"}])]
    first = cluster.add(authority, http=authority.ports["http-01"])
    second, third = cluster.add(authority), cluster.add(authority)
    cluster.start()
    for front_end in (first, second, third):
        wait_for(lambda front_end=front_end: (front_end.store / "state" / NAME).exists(), what="the state")
    wait_for(lambda: len({json.dumps(one.state()) for one in (first, second, third)}) == 1, what="one state")
    assert second.state()["failures"] == 1 and second.state()["next"] > time.time() + 500
    assert len(authority.orders_asked) == 1
    # A restart of another one does not forget it.
    second.server.stop()
    second.start()
    third.server.send_signal(signal.SIGHUP)
    third.server.wait_stderr("reloaded")
    assert second.state()["failures"] == 1 and len(authority.orders_asked) == 1


def test_without_the_database(cluster, fake):
    authority = fake(http_port=free_port())
    front_end = cluster.add(authority, http=authority.ports["http-01"])
    front_end.start()
    serial = front_end.wait_issued().serial_number
    wait_for(lambda: cluster.holder() == "", what="the lease to be given up")
    front_end.server.stop()
    asked = len(authority.orders_asked)
    cluster.database.stop()
    # It serves what it has, and orders nothing, although a name is new.
    front_end.write(authority.section(), [NAME, "b.example.org"], acme="tls-alpn-01: no\nlease: 10s",
                    more=front_end.config.read_text()[front_end.config.read_text().index("store: {url"):])
    front_end.start()
    assert front_end.certificate().serial_number == serial
    front_end.server.wait_stderr("no certificates are obtained: the database: ")
    assert len(authority.orders_asked) == asked
    cluster.database.start()
    front_end.wait_issued("b.example.org")
    assert front_end.certificate().serial_number == serial


def test_a_kept_connection_outlives_the_change(cluster, fake):
    authority = fake(http_port=free_port())
    cluster.add(authority, http=authority.ports["http-01"])
    other = cluster.add(authority)
    other.start()
    with socket.create_connection(("127.0.0.1", other.ports["http"])) as kept:
        kept.sendall(f"GET / HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
        assert b" 308 " in kept.recv(65536)
        cluster.front_ends[0].start()
        cluster.wait_same()
        kept.sendall(f"GET / HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
        assert b" 308 " in kept.recv(65536)


def test_what_was_obtained_before_is_brought(cluster, fake, tmp_path):
    """A server whose certificate and account are files of its own becomes a front end."""
    authority = fake(http_port=free_port())
    alone = cluster.add(authority, http=authority.ports["http-01"])
    shared = alone.config.read_text()
    alone.config.write_text(shared[: shared.index("store: {url")].replace("  lease: 10s\n", ""))
    alone.start()
    serial = alone.wait_issued().serial_number
    wait_for(lambda: (alone.store / "state" / NAME).exists(), what="the state")
    alone.server.stop()
    alone.config.write_text(shared)
    # The next look at the window, or the next order, claims.
    state = alone.state()
    state["next"] = 1
    (alone.store / "state" / NAME).write_text(json.dumps(state))
    alone.start()
    other = cluster.add(authority)
    wait_for(lambda: cluster.database.query("SELECT count(*) FROM weir_certificate") == "1", what="the certificate")
    other.start()
    assert other.wait_issued().serial_number == serial
    assert len(authority.orders_asked) == 1


ZONE = "$TTL 60\n@ SOA ns hostmaster 10 60 60 3600 60\n@ NS ns\nns A 127.0.0.1\na A 127.0.0.1\n"


def test_a_zone_of_the_database_proves(cluster, fake, run):
    """A wildcard, by a zone that no configuration names; the authority asks the other front end."""
    port, other_port = free_port(), free_port()
    authority = fake(dns_port=other_port)
    zones = "dns: {database-zones: {transfer: {networks: [127.0.0.1]}}}\n"
    options = {"store": "parts: [keys, zones]", "more": zones, "acme": f"names: ['*.example.org']\nhttp-01: no\ntls-alpn-01: no"}
    first = cluster.add(authority, listen=[f"dns: 127.0.0.1:{port}"], **options)
    (cluster.path / "example.zone").write_text(ZONE)
    done = run("zone", "-c", first.config, "import", "example.org", cluster.path / "example.zone")
    assert done.returncode == 0, done.stderr
    second = cluster.add(authority, listen=[f"dns: 127.0.0.1:{other_port}"], **options)
    second.start()
    first.start()
    cluster.wait_same("*.example.org")
    assert len(authority.orders_asked) == 1 and issued(authority) == 1


def test_a_schema_of_the_version_before(cluster, fake):
    """The front end starts, reports the missing tables, and uses them as soon as they are there."""
    authority = fake(http_port=free_port())
    front_end = cluster.add(authority, http=authority.ports["http-01"])
    cluster.database.query(
        "DROP TABLE weir_acme_file, weir_acme_lease; UPDATE weir_schema SET version = 1 WHERE part = 'keys'")
    front_end.start()
    front_end.server.wait_stderr("the tables of keys in the database are of version 1, and this program knows 2: run `weir store migrate`")
    front_end.server.wait_stderr("no certificates are obtained: the database: ")
    assert "run `weir store migrate`" in front_end.server.stderr
    assert not front_end.is_issued() and authority.orders_asked == []
    cluster.verb(front_end, "migrate")
    front_end.wait_issued()
    front_end.server.wait_stderr("the tables of keys in the database have version 2 now")
