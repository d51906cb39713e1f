"""Zones, keys of TSIG, secrets of cookies and of session tickets that two front ends share in a database."""

import concurrent.futures
import re
import subprocess

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.tsigkeyring
import dns.xfr
import dns.zone
import pytest

from certificates import Authority
from conftest import wait_for
from dns_daemon import KEYRING, SECRET, zone_text
from ports import free_port

STORE_KEY = "c3RvcmUga2V5IHN0b3JlIGtleSBzdG9yZSBrZXkgMzI="


class Site:
    """A configuration, its tables, and front ends that use it."""

    def __init__(self, database, run, weir, path):
        self.database, self.run, self.weir, self.path = database, run, weir, path
        if database.process.poll() is not None:
            database.start()
        database.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        self.config = path / "weir.yaml"
        (path / "www").mkdir()
        (path / "store-key").write_text(STORE_KEY + "\n")
        (path / "store-key").chmod(0o600)
        self.chain, self.key = Authority(path).sign("localhost", ["localhost", "127.0.0.1"])
        self.write()
        self.verb("store", "init")

    def write(self, store="secret-key-file: store-key", dns="", more=""):
        self.config.write_text(
            "listen: [{dns: '127.0.0.1:0'}, {https: '127.0.0.1:0'}]\n"
            f"store: {{url: '{self.database.url}', parts: [zones, keys], {store}}}\n"
            f"tls: {{certificates: [{{chain: {self.chain}, key: {self.key}}}]}}\n"
            f"sites: [{{root: www}}]\nworkers: 2\ndns-log: dns.log\nadmin: admin.sock\n"
            f"dns: {{database-zones: {{transfer: {{keys: [transfer.example.org]}}{dns}}}}}\n{more}"
        )

    def verb(self, verb, *words, code=0, text=None):
        done = subprocess.run(
            [self.weir_program, verb, "-c", self.config, *words],
            cwd=self.path, input=text, capture_output=True, text=True, timeout=60,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def load(self, serial, more="", code=0, zone="example.org"):
        (self.path / "zone").write_text(zone_text(serial, more))
        return self.verb("zone", "import", zone, self.path / "zone", code=code)

    def serve(self, count=2):
        """Front ends, the last of which has the admin socket."""
        text = self.config.read_text()
        servers = []
        for number in range(count):
            config = self.path / f"front-end-{count}-{number}.yaml"
            config.write_text(text if number + 1 == count > 1 else text.replace("admin: admin.sock\n", ""))
            servers.append(self.weir("-c", config, cwd=self.path))
        return servers


@pytest.fixture
def site(database, run, weir, weir_program, tmp_path):
    Site.weir_program = weir_program
    return Site(database, run, weir, tmp_path)


def ask(server, name, kind="A", **options):
    query = dns.message.make_query(name, kind, **options)
    return dns.query.udp(query, "127.0.0.1", port=server.ports[0], timeout=60)


def addresses(server, name="www.example.org"):
    return [str(record) for rrset in ask(server, name).answer for record in rrset]


def await_address(servers, address):
    for server in servers:
        wait_for(lambda server=server: addresses(server) == [address], what=f"{address} of a front end")


def serial_of(server):
    answer = ask(server, "example.org", "SOA").answer
    return answer[0][0].serial if answer else None


def test_a_zone_of_the_database_is_served_by_all(site):
    site.load(1)
    servers = site.serve()
    # At the start: the zones are there before the first answer.
    assert [addresses(server) for server in servers] == [["192.0.2.1"]] * 2
    assert "serial 2, 5 records" in site.load(2)
    await_address(servers, "192.0.2.2")
    site.load(7, zone="other.example")
    for server in servers:
        wait_for(lambda server=server: addresses(server, "www.other.example") == ["192.0.2.7"])
        assert addresses(server) == ["192.0.2.2"]
    site.verb("zone", "remove", "other.example")
    for server in servers:
        wait_for(lambda server=server: ask(server, "www.other.example").rcode() == dns.rcode.REFUSED)
    # The version of a snapshot alone changes nothing.
    site.database.query("UPDATE weir_snapshot SET version = version + 1")
    site.load(3)
    await_address(servers, "192.0.2.3")


def test_the_verb_keeps_serials_growing(site):
    assert "example.org.: serial 5, 5 records" in site.load(5)
    assert "unchanged" in site.load(5)
    assert "serial 6, 6 records" in site.load(5, "more A 192.0.2.9\n")
    assert "unchanged" in site.load(5, "more A 192.0.2.9\n")
    assert "serial 200, " in site.load(200)
    listed = site.verb("zone", "history", "example.org")
    assert re.findall(r"example.org\.\s+(\d+)\s+(\d+).*?( current)?\n", listed) == [
        ("200", "5", " current"), ("6", "6", ""), ("5", "5", ""),
    ]
    assert "  200  " in site.verb("zone", "list")
    before = site.verb("zone", "export", "example.org", "6")
    assert "more.example.org.\t300\tIN\tA\t192.0.2.9\n" in before
    zone = dns.zone.from_text(before, "example.org.")
    assert zone.get_soa().serial == 6
    assert "no such zone" in site.verb("zone", "export", "example.org", "7", code=1)
    assert "no zone" in site.verb("zone", "history", "nowhere.example", code=1)
    assert "no such zone" in site.verb("zone", "remove", "nowhere.example", code=1)
    # To go back, the older version is imported again: it gets a later serial.
    (site.path / "zone").write_text(before)
    assert "serial 201, 6 records" in site.verb("zone", "import", "example.org", site.path / "zone")
    # A mistake is found before anything is stored.
    said = site.load(250, "bad A 192.0.2.300\n", code=1)
    assert re.search(r"zone:7: .*192.0.2.300", said)
    assert "  201  " in site.verb("zone", "list")


def test_a_bad_version_leaves_the_one_before(site):
    site.load(1)
    servers = site.serve()
    # Not by the verb, which would refuse it.
    site.database.query(
        "BEGIN; INSERT INTO weir_zone_version (version, name, serial, complete)"
        " VALUES ('01900000-0000-7000-8000-000000000000', 'example.org.', 2, true);"
        "INSERT INTO weir_zone_record SELECT '01900000-0000-7000-8000-000000000000', number, owner, ttl, type,"
        " CASE type WHEN 'A' THEN E'1.2.3\\n$INCLUDE /etc/hostname' ELSE data END FROM weir_zone_record;"
        "UPDATE weir_zone SET version = '01900000-0000-7000-8000-000000000000';"
        "UPDATE weir_snapshot SET version = version + 1; COMMIT"
    )
    for server in servers:
        server.wait_stderr("the zone example.org. in the database has a mistake: a record has a line end")
        assert addresses(server) == ["192.0.2.1"]
    said = subprocess.run(
        [site.weir_program, "console", "--admin", site.path / "admin.sock", "zones"], capture_output=True, text=True
    )
    assert "example.org. in the database: a record has a line end" in said.stdout
    site.load(3)
    await_address(servers, "192.0.2.3")


def test_the_last_zones_stay_while_the_database_is_away(site):
    site.load(1)
    servers = site.serve()
    site.database.stop()
    # Each waits for the time limit of a call, all of them meanwhile.
    with concurrent.futures.ThreadPoolExecutor() as pool:
        listing = pool.submit(site.verb, "zone", "list", code=1)
        # A front end that starts now has no zones, and serves what it has.
        starting = pool.submit(site.serve, 1)
        for server in servers:
            server.wait_stderr("the zones and keys of DNS are not renewed from the database")
            assert addresses(server) == ["192.0.2.1"]
            assert ask(server, "www.example.org", "A", use_edns=0).rcode() == dns.rcode.NOERROR
        assert "the database: " in listing.result()
        [late] = starting.result()
    assert ask(late, "www.example.org").rcode() == dns.rcode.REFUSED
    site.database.start()
    site.load(2)
    await_address([*servers, late], "192.0.2.2")


def test_a_version_that_is_no_id_names_no_file(site):
    """A database that is hostile: the version becomes a part of a path."""
    site.load(1)
    site.database.query("ALTER TABLE weir_zone ALTER version TYPE text; UPDATE weir_zone SET version = '/../../out'")
    [server] = site.serve(1)
    server.wait_stderr("the zone example.org.: the version is no id")


def test_without_a_store_there_is_nothing_to_list(site):
    site.config.write_text("listen: [{http: '127.0.0.1:0'}]\nsites: [{root: www}]\n")
    for words in ["zone", "list"], ["zone", "keys"], ["certificate", "list"]:
        assert "weir.yaml: there is no 'store'" in site.verb(*words, code=1)


def test_a_check_counts(site):
    site.load(1)
    site.verb("zone", "set-key", "transfer.example.org", text=SECRET + "\n")
    pair = Authority(site.path, "Other").sign("one", ["one.example", "two.example"])
    site.verb("certificate", "import", "one.example", *pair)
    site.verb("certificate", "import", "two.example", *pair)
    lines = [" ".join(line.split()) for line in site.verb("store", "check").splitlines()]
    for line in "zones zones 1", "zones keys of TSIG 1", "keys certificates 2", "keys shared secrets 0":
        assert line in lines, lines
    assert [line for line in lines if "queued messages" in line] in ([], ["queue queued messages 0"])
    # Rows that nobody can decrypt, with another key and without one.
    (site.path / "other-key").write_text("b3RoZXIga2V5IG90aGVyIGtleSBvdGhlciBrZXkgMzI=\n")
    (site.path / "other-key").chmod(0o600)
    for store, why in ("secret-key-file: other-key", "encrypted by another key"), ("prepare: yes", "encrypted, and there is no key"):
        site.write(store=store)
        said = " ".join(site.verb("store", "check", code=1).split())
        for what in "keys certificate one.example", "keys certificate two.example", "zones key of TSIG transfer.example.org.":
            assert f"{what} {why}" in said, said
        assert "3 problems" in said
        assert "give the 'secret-key-file' with which it was stored" in said


@pytest.mark.parametrize("change, why", [
    (("/postgres'", "/nowhere'"), 'database "nowhere" does not exist; make this database, or correct its name in the URL'),
    (("weir@", "nobody@"), 'role "nobody" does not exist; correct the user in the URL'),
    (("/postgres'", "/postgres?sslmode=require'"), "server does not support SSL, but SSL was required; "),
])
def test_a_verb_does_not_repeat_what_time_does_not_change(site, change, why):
    site.write(store="wait: 10m")
    text = site.config.read_text()
    assert change[0] in text
    site.config.write_text(text.replace(*change, 1))
    for words in ("store", "check"), ("zone", "list"), ("certificate", "list"):
        assert why in site.verb(*words, code=1)


def test_secondaries_are_notified_and_transfer_by_a_key_of_the_database(site, weir, tmp_path):
    port = free_port()
    site.write(dns=f", notify: ['127.0.0.1:{port}']")
    site.load(1)
    short = site.verb("zone", "set-key", "transfer.example.org", text="ZmlmdGVlbiBieXRlcy4u\n", code=1)
    assert "a secret of 16 to 128 bytes in base64" in short
    assert site.verb("zone", "set-key", "transfer.example.org", text=SECRET + "\n") == ""
    assert "transfer.example.org.                     hmac-sha256\n" in site.verb("zone", "keys")
    assert site.database.query("SELECT secret LIKE 'sealed:%' FROM weir_tsig_key") == "t"
    servers = site.serve()
    secondary = tmp_path / "secondary.yaml"
    secondary.write_text(
        f"listen: [{{dns: '127.0.0.1:{port}'}}]\ndns:\n"
        f"  keys: [{{name: transfer.example.org, secret: {SECRET}}}]\n"
        f"  zones: [{{name: example.org, primaries: ['127.0.0.1:{servers[0].ports[0]}'], key: transfer.example.org}}]\n"
    )
    other = weir("-c", secondary, cwd=tmp_path)
    wait_for(lambda: serial_of(other) == 1, what="the transfer")
    site.load(2)
    wait_for(lambda: serial_of(other) == 2, what="the transfer after NOTIFY")
    for server in servers:
        wait_for(lambda server=server: serial_of(server) == 2, what="the version of each front end")
        zone = dns.zone.Zone("example.org.")
        query, _ = dns.xfr.make_query(zone, keyring=KEYRING)
        dns.query.inbound_xfr("127.0.0.1", zone, query, port=server.ports[0], lifetime=60)
        assert zone.get_soa().serial == 2
    # The key is changed, then removed.
    site.verb("zone", "set-key", "transfer.example.org", "--algorithm", "hmac-sha512", text="bmV3IHNlY3JldCBuZXcgc2VjcmV0\n")
    ring = dns.tsigkeyring.from_text({"transfer.example.org.": ("hmac-sha512", "bmV3IHNlY3JldCBuZXcgc2VjcmV0")})

    def is_signed(server, keyring):
        query = dns.message.make_query("example.org", "SOA")
        query.use_tsig(keyring)
        try:
            return dns.query.udp(query, "127.0.0.1", port=server.ports[0], timeout=60).rcode() == dns.rcode.NOERROR
        except dns.tsig.PeerError:
            return False

    for server in servers:
        wait_for(lambda server=server: is_signed(server, ring), what="the other key")
    # Rows may have secrets that the verb would refuse.
    assert "short" not in site.verb("zone", "keys")
    site.database.query("INSERT INTO weir_tsig_key VALUES ('short.example.', 'hmac-sha256', 'c2hvcnQ=')")
    assert re.search(r"short\.example\. +hmac-sha256  short\n", site.verb("zone", "keys"))
    site.verb("zone", "remove-key", "transfer.example.org")
    for server in servers:
        wait_for(lambda server=server: not is_signed(server, ring), what="the end of the key")


def test_a_cookie_of_one_is_good_at_the_other(site):
    servers = site.serve()
    client = b"client's"

    def cookie_of(server, sent):
        query = dns.message.make_query("example.org", "SOA", options=[dns.edns.GenericOption(10, sent)])
        reply = dns.query.udp(query, "127.0.0.1", port=server.ports[0], timeout=60)
        [option] = [option for option in reply.options if option.otype == 10]
        return option.to_wire()

    for server in servers:
        wait_for(lambda: site.database.query("SELECT count(*) FROM weir_secret WHERE purpose = 'cookie'") == "2")
    # A cookie that is still good comes back as it is.
    wait_for(lambda: cookie_of(servers[1], cookie_of(servers[0], client)) == cookie_of(servers[0], client))


def session(server, version, *more):
    done = subprocess.run(
        ["openssl", "s_client", version, "-connect", f"127.0.0.1:{server.ports[1]}", *map(str, more)],
        input="GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        capture_output=True, text=True, timeout=60,
    )
    return re.search(r"^(Reused|New), TLS", done.stdout, re.MULTILINE)[1]


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_session_of_one_is_resumed_by_the_other(site, version):
    one, other = site.serve()
    saved = site.path / "session.pem"

    def is_resumed():
        # The first tickets may come before the shared keys do.
        session(one, version, "-ign_eof", "-sess_out", saved)
        return session(other, version, "-ign_eof", "-sess_in", saved) == "Reused"

    wait_for(is_resumed, what="a session that is resumed")
    assert site.database.query("SELECT DISTINCT secret LIKE 'sealed:%' FROM weir_secret") == "t"
    # Both go on while the database is away, and a front end without the key has keys of its own.
    site.database.stop()
    assert is_resumed()
    site.database.start()
    site.write(store="prepare: yes")
    [stranger] = site.serve(1)
    stranger.wait_stderr("the keys of session tickets are not renewed from the database: they are encrypted")
    session(one, version, "-ign_eof", "-sess_out", saved)
    assert session(stranger, version, "-ign_eof", "-sess_in", saved) == "New"


@pytest.mark.parametrize(
    "store, said",
    [
        ("secret-key-file: nowhere", "nowhere: No such file"),
        ("secret-key-file: weir.yaml", "the first line must be 32 bytes in base64"),
    ],
)
def test_mistakes_are_found(site, store, said):
    site.write(store=store)
    done = site.run("check", site.config)
    assert done.returncode == 1 and said in done.stderr, done.stderr
