"""Certificates that the daemon obtains by itself, from pebble and from a strict authority of our own."""

import datetime
import json
import os
import shutil
import signal
import socket
import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ca import Fake, fake, pebble  # noqa: F401  (fixtures)
from conftest import wait_for
from ports import free_port
from test_key_process import memory_has, secrets_of

NAME = "a.example.org"
SEPARATED = pytest.mark.parametrize("separated", ["yes", "no"])


class Obtaining:
    """A daemon that obtains certificates for names; `authorities` are the sections of them."""

    def __init__(self, weir, directory, authorities, names=(NAME,), http=0, https=0, **options):
        self.weir, self.directory = weir, Path(directory)
        self.ports = {"http": http or free_port(), "https": https or free_port()}
        self.store = self.directory / options.pop("store", "acme")
        self.config = self.directory / options.pop("config", "weir.yaml")
        (self.directory / "site").mkdir(exist_ok=True)
        (self.directory / "site" / "index.html").write_text("hello")
        self.write(authorities, names, **options)
        self.server = None

    def write(self, authorities, names=(NAME,), separated="no", acme="", tls="", listen=(), more="", automatic=True):
        lines = [
            "listen:", f"  - http: 127.0.0.1:{self.ports['http']}", f"  - https: 127.0.0.1:{self.ports['https']}",
            *[f"  - {line}" for line in listen],
            f"privilege-separation: {separated}", "workers: 2",
            "sites:", f"  - {{root: site, redirect-to-https: yes, names: {json.dumps(list(names))}}}",
            "tls:" if automatic or tls else "", "  certificates: auto" if automatic else "", f"  {tls}" if tls else "",
            "acme:", f"  directory: {self.store}", "  retry: 1s",
            *[f"  {line}" for line in acme.splitlines()], "  authorities:", authorities, more,
        ]
        self.config.write_text("\n".join(line for line in lines if line) + "\n")

    def start(self):
        self.server = self.weir("-c", self.config)
        return self.server

    def certificate(self, name=NAME, port=None):
        """The one that is served for the name."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", port or self.ports["https"]), timeout=60) as raw:
            with context.wrap_socket(raw, server_hostname=name) as tls:
                return x509.load_der_x509_certificate(tls.getpeercert(True))

    def is_issued(self, name=NAME):
        certificate = self.certificate(name)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return "self-signed" not in certificate.issuer.rfc4514_string() and name in names.get_values_for_type(x509.DNSName)

    def wait_issued(self, name=NAME, seconds=60):
        wait_for(lambda: self.is_issued(name), seconds, what=f"a certificate for {name}")
        return self.certificate(name)

    def state(self, name=NAME):
        return json.loads((self.store / "state" / name.replace("*", "_wildcard")).read_text())

    def proofs(self):
        return sorted(os.listdir(self.store / "challenges"))


@pytest.fixture
def obtaining(weir, tmp_path):
    """obtaining(authorities, …) makes an Obtaining; start() starts it."""
    return lambda authorities, **options: Obtaining(weir, tmp_path, authorities, **options)


def get(port, name, root, path="/"):
    """A request over TLS whose certificate is verified by the root, in PEM."""
    context = ssl.create_default_context(cadata=root)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as raw:
        with context.wrap_socket(raw, server_hostname=name) as tls:
            tls.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            data = b""
            while piece := tls.recv(65536):
                data += piece
            return data.decode()


# -- pebble --------------------------------------------------------------------------------------------


@SEPARATED
@pytest.mark.parametrize("challenge", ["http-01", "tls-alpn-01"])
def test_pebble(obtaining, pebble, separated, challenge):
    authority = pebble()
    others = "\n".join(f"{kind}: no" for kind in ("http-01", "tls-alpn-01") if kind != challenge)
    tls = "key-process: yes" if separated == "yes" else ""
    daemon = obtaining(
        authority.section(), names=[NAME, "b.example.org", "localhost", "intern"],
        http=authority.ports["http"], https=authority.ports["tls"],
        separated=separated, acme=others + "\nemail: admin@example.org", tls=tls,
    )
    server = daemon.start()
    with socket.create_connection(("127.0.0.1", daemon.ports["http"])) as kept:
        kept.sendall(b"GET / HTTP/1.1\r\nHost: a.example.org\r\n\r\n")
        assert b" 308 " in kept.recv(65536)
        for name in (NAME, "b.example.org"):
            daemon.wait_issued(name)
            assert get(daemon.ports["https"], name, authority.root()).endswith("hello")
        kept.sendall(b"GET / HTTP/1.1\r\nHost: a.example.org\r\n\r\n")
        assert b" 308 " in kept.recv(65536)  # the connection has outlived both changes
    assert f"set VALID by completed challenge" in authority.log.read_text()
    assert ("Attempting to validate w/ HTTP" in authority.log.read_text()) == (challenge == "http-01")
    server.wait_stderr("the new certificates are in use", 2)
    assert daemon.proofs() == []
    states = [NAME, "b.example.org"]
    wait_for(lambda: sorted(os.listdir(daemon.store / "state")) == states, what="the last state")
    for path in daemon.store.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


@SEPARATED
def test_a_restart_uses_what_is_there(obtaining, fake, separated):
    authority = fake(http_port=free_port())
    daemon = obtaining(authority.section(), http=authority.ports["http-01"], separated=separated)
    server = daemon.start()
    serial = daemon.wait_issued().serial_number
    server.wait_stderr("the new certificates are in use")
    assert server.stop() == 0
    asked = len(authority.orders_asked)
    daemon.start()
    assert daemon.certificate().serial_number == serial  # from the first connection on
    assert len(authority.orders_asked) == asked


def test_external_account_with_pebble(obtaining, pebble, tmp_path):
    key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    authority = pebble(binding=("kid-1", key))
    (tmp_path / "account.key").write_text(key + "\n")
    section = authority.section() + "      account-id: kid-1\n      account-key: account.key\n"
    daemon = obtaining(section, http=authority.ports["http"], https=authority.ports["tls"], separated="yes")
    daemon.start()
    daemon.wait_issued()


ZONE = """$TTL 60
@ SOA ns hostmaster 10 60 60 3600 60
@ NS ns
ns A 127.0.0.1
a A 127.0.0.1
"""


def zone_config(path, notify=None, transfer=""):
    told = f", notify: ['127.0.0.1:{notify}'], transfer: {{networks: [127.0.0.1]}}" if notify else ""
    return f"dns:\n  zones:\n    - {{name: example.org, file: {path}{told}}}\n"


@SEPARATED
def test_wildcard_by_dns_with_pebble(obtaining, pebble, tmp_path, separated):
    port = free_port()
    (tmp_path / "example.zone").write_text(ZONE)
    authority = pebble(dns_port=port)
    daemon = obtaining(
        authority.section(), names=[NAME], https=authority.ports["tls"], separated=separated,
        acme=f"names: [{NAME}, '*.example.org']\nhttp-01: no\ntls-alpn-01: no",
        listen=[f"dns: 127.0.0.1:{port}"], more=zone_config("example.zone"),
    )
    daemon.start()
    daemon.wait_issued("*.example.org")
    daemon.wait_issued(NAME)
    names = daemon.certificate("other.example.org").extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["*.example.org"]
    assert daemon.proofs() == []


# -- our own authority ---------------------------------------------------------------------------------


def test_secondaries_have_the_proof(obtaining, fake, weir, tmp_path):
    import dns.message
    import dns.query

    primary, secondary = free_port(), free_port()
    (tmp_path / "example.zone").write_text(ZONE)
    (tmp_path / "second.yaml").write_text(
        f"listen: [{{dns: '127.0.0.1:{secondary}'}}]\nprivilege-separation: no\n"
        f"dns:\n  directory: second\n  zones: [{{name: example.org, primaries: ['127.0.0.1:{primary}']}}]\n"
    )
    authority = fake(dns_port=secondary)  # it asks the secondary, which alone is public
    daemon = obtaining(
        authority.section(), names=[NAME], separated="yes",
        acme="names: ['*.example.org']\nhttp-01: no\ntls-alpn-01: no",
        listen=[f"dns: 127.0.0.1:{primary}"], more=zone_config("example.zone", notify=secondary),
    )
    daemon.start()
    wait_for(lambda: "dns-example.org" in daemon.proofs(), what="the proof")
    time.sleep(1)
    assert "challenge" not in authority.seen  # nobody has the proof but the primary
    weir("-c", tmp_path / "second.yaml")
    daemon.wait_issued("*.example.org")

    def serial(port):
        query = dns.message.make_query("example.org", "SOA")
        return dns.query.udp(query, "127.0.0.1", port=port, timeout=60).answer[0][0].serial

    # The proof and its removal are a step each; the file may go on from 10, and is never behind.
    wait_for(lambda: serial(secondary) == 12, what="the removal at the secondary")
    assert serial(primary) == 12
    (tmp_path / "example.zone").write_text(ZONE.replace(" 10 ", " 11 "))
    daemon.server.send_signal(signal.SIGHUP)
    wait_for(lambda: serial(secondary) == 13, what="the next version of the file")


def test_renewal_in_the_window_of_the_authority(obtaining, fake):
    authority = fake(http_port=free_port())
    soon = datetime.datetime.utcnow() - datetime.timedelta(hours=2)
    authority.window = (soon, soon + datetime.timedelta(hours=1))  # over: so it is due
    daemon = obtaining(authority.section(), http=authority.ports["http-01"])
    server = daemon.start()
    first = daemon.wait_issued()
    server.wait_stderr("the new certificates are in use")
    assert server.stop() == 0
    state = daemon.state()
    state["next"] = state["obtained"] = 0  # the authority is asked now, of a certificate that is not young
    (daemon.store / "state" / NAME).write_text(json.dumps(state))
    later = datetime.datetime.utcnow() + datetime.timedelta(days=30)
    daemon.start()
    wait_for(lambda: daemon.certificate().serial_number != first.serial_number, what="the renewal")
    assert authority.orders_asked[-1]["replaces"] == authority.id_of(first)
    authority.window = (later, later + datetime.timedelta(days=1))
    assert len(list((daemon.store / "certificates" / NAME).glob("0*"))) == 2


def test_an_early_question_changes_the_time(obtaining, fake):
    authority = fake(http_port=free_port())
    later = datetime.datetime.utcnow() + datetime.timedelta(days=20)
    authority.window = (later, later + datetime.timedelta(days=1))
    daemon = obtaining(authority.section(), http=authority.ports["http-01"])
    server = daemon.start()
    daemon.wait_issued()
    server.wait_stderr("the new certificates are in use")
    server.stop()
    state = daemon.state()
    assert abs(state["renew"] - (time.time() + 60 * 86400)) < 6 * 86400  # two thirds of 90 days
    state["next"] = 0
    (daemon.store / "state" / NAME).write_text(json.dumps(state))
    daemon.start()
    wait_for(lambda: daemon.state()["next"] > 0, what="the answer")
    since = datetime.datetime(1970, 1, 1)
    start, end = ((moment - since).total_seconds() for moment in authority.window)
    assert start - 1 <= daemon.state()["renew"] <= end + 1
    assert 59 <= daemon.state()["next"] - time.time() <= 61 or daemon.state()["next"] - time.time() < 60
    assert len(authority.orders_asked) == 1


@pytest.mark.parametrize("days", [-1, 2900000])
def test_a_window_in_error(obtaining, fake, days):
    """It is over as soon as the certificate is there, or begins when that has expired."""
    authority = fake(http_port=free_port())
    start = datetime.datetime.utcnow() + datetime.timedelta(days=days)
    authority.window = (start, start + datetime.timedelta(hours=1))
    daemon = obtaining(authority.section(), http=authority.ports["http-01"])
    server = daemon.start()
    daemon.wait_issued()
    server.wait_stderr("the new certificates are in use")
    server.stop()
    state = daemon.state()
    (daemon.store / "state" / NAME).write_text(json.dumps({**state, "next": 0}))
    daemon.start()
    wait_for(lambda: daemon.state()["next"] > 0, what="the answer")
    tenth = (state["expires"] - state["begins"]) // 10
    expected = state["obtained"] + 3600 if days < 0 else state["expires"] - tenth
    assert daemon.state()["renew"] == expected
    assert len(authority.orders_asked) == 1


def test_a_certificate_that_is_due_is_renewed(obtaining, fake):
    authority = fake(http_port=free_port(), lifetime=3 * 86400)
    daemon = obtaining(authority.section(), http=authority.ports["http-01"])
    server = daemon.start()
    first = daemon.wait_issued()
    server.wait_stderr("the new certificates are in use")
    server.stop()
    state = daemon.state()
    assert 1.7 * 86400 < state["renew"] - time.time() < 2.1 * 86400
    state["next"] = state["renew"] = 1
    (daemon.store / "state" / NAME).write_text(json.dumps(state))
    daemon.start()
    wait_for(lambda: daemon.certificate().serial_number != first.serial_number, what="the renewal")


def test_profile_and_key_rollover(obtaining, fake):
    authority = fake(http_port=free_port(), profiles=["shortlived"])
    section = authority.section() + "      profile: shortlived\n"
    daemon = obtaining(section, http=authority.ports["http-01"], names=[NAME], acme="account-key-age: 1s")
    server = daemon.start()
    daemon.wait_issued()
    server.wait_stderr("the new certificates are in use")
    server.stop()
    [account] = authority.accounts.values()
    key, text = account["jwk"], daemon.config.read_text()
    daemon.config.write_text(text.replace(NAME, "b.example.org"))
    time.sleep(1.1)  # the age of the key
    daemon.start()
    daemon.wait_issued("b.example.org")
    assert [item["profile"] for item in authority.orders_asked] == ["shortlived"] * 2
    assert len(authority.accounts) == 1 and account["jwk"] != key
    assert "the account at" in daemon.server.stderr and "has a new key" in daemon.server.stderr


@pytest.mark.parametrize("known", [True, False])
def test_rollover_that_was_interrupted(obtaining, fake, known):
    """The authority has taken the new key, or not; its reply is lost."""
    authority = fake(http_port=free_port())
    daemon = obtaining(authority.section(), http=authority.ports["http-01"], acme="account-key-age: 1s")
    server = daemon.start()
    daemon.wait_issued()
    server.wait_stderr("the new certificates are in use")
    server.stop()
    [account] = authority.accounts.values()
    before = account["jwk"]

    def lose(handler, reply):
        if not known:
            account["jwk"] = before
        return True

    authority.faults["keychange"] = [lose]
    daemon.config.write_text(daemon.config.read_text().replace(NAME, "b.example.org"))
    time.sleep(1.1)
    daemon.start()
    daemon.wait_issued("b.example.org")
    assert len(authority.accounts) == 1
    assert authority.problems == []


def test_the_next_authority(obtaining, fake):
    first, second = fake(http_port=free_port()), fake()
    second.ports = first.ports
    first.close()
    daemon = obtaining(first.section() + second.section(), http=first.ports["http-01"])
    server = daemon.start()
    daemon.wait_issued()
    wait_for(lambda: daemon.state()["authority"].startswith(second.url), what="the state")
    assert f"no certificate for {NAME} from {first.url}" in server.stderr


def test_a_renewal_is_of_the_profile_of_its_authority(obtaining, fake):
    """The certificate is from the second authority, which has no profile of the first one."""
    first, second = fake(http_port=free_port()), fake(profiles=["two"])
    second.ports = first.ports
    first.close()
    sections = first.section() + "      profile: one\n" + second.section() + "      profile: two\n"
    daemon = obtaining(sections, http=first.ports["http-01"])
    daemon.start()
    serial = daemon.wait_issued().serial_number
    daemon.server.wait_stderr("the new certificates are in use")
    daemon.server.stop()
    (daemon.store / "state" / NAME).write_text(json.dumps({**daemon.state(), "next": 1, "renew": 1}))
    daemon.start()
    wait_for(lambda: daemon.certificate().serial_number != serial, what="the renewal")
    assert [order["profile"] for order in second.orders_asked] == ["two", "two"]
    assert daemon.state()["failures"] == 0


def test_too_many_requests_are_remembered(obtaining, fake, run):
    authority = fake(http_port=free_port())

    def refuse(handler, reply):
        reply[:] = [429, {"type": "urn:ietf:params:acme:error:rateLimited", "detail": "slow down"}, {"Retry-After": "3600"}]

    authority.faults["order"] = [refuse]
    daemon = obtaining(authority.section(), http=authority.ports["http-01"])
    server = daemon.start()
    server.wait_stderr("429 rateLimited: slow down")
    assert not daemon.is_issued()
    assert get_clear(daemon.ports["http"]) == 308
    assert server.stop() == 0
    assert 3500 < daemon.state()["next"] - time.time() <= 3600
    checked = run("check", daemon.config)
    assert f"certificate for {NAME}: none yet; the next attempt is at " in checked.stdout
    assert "1 failed, the last because: cannot place the order: 429 rateLimited: slow down\n" in checked.stdout
    daemon.start()
    time.sleep(1.5)
    assert len(authority.orders_asked) == 1  # a restart does not make it ask again


def get_clear(port, path="/"):
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers={"Host": NAME})
    return connection.getresponse().status


@SEPARATED
def test_a_kill_in_the_middle(obtaining, fake, separated):
    authority = fake(http_port=free_port())
    steps = ["account", "order", "challenge", "finalize", "certificate"]
    daemon = obtaining(authority.section(), http=authority.ports["http-01"], separated=separated)
    pids = []

    def kill(handler, reply):
        wait_for(lambda: daemon.server.process.poll() is None, what="the server that asks")
        for pid in daemon.server.children("acme") if separated == "yes" else [daemon.server.pid]:
            pids.append(pid)
            os.kill(pid, signal.SIGKILL)
        return True

    daemon.start()
    daemon.wait_issued()
    for step in steps if separated == "no" else ["finalize"]:
        name = f"{step}.example.org"
        daemon.server.stop()
        if step == "account":
            for path in (daemon.store / "accounts").glob("*/account"):
                path.unlink()
        daemon.config.write_text(daemon.config.read_text().replace('"]', f'", "{name}"]'))
        authority.faults[step] = [kill]
        daemon.start()
        if separated == "no":
            assert daemon.server.wait() == -signal.SIGKILL
            daemon.start()
        daemon.wait_issued(name)
        daemon.server.wait_stderr("the new certificates are in use")
    assert pids and authority.problems == []


def test_one_process_at_a_time(weir, fake, tmp_path):
    authority = fake(http_port=free_port())
    first = Obtaining(weir, tmp_path, authority.section(), http=authority.ports["http-01"])
    first.start()
    first.wait_issued()
    second = Obtaining(weir, tmp_path, authority.section(), config="second.yaml", names=[NAME])
    second.start().wait_stderr("another process obtains certificates")
    assert second.certificate().serial_number == first.certificate().serial_number
    assert len(authority.orders_asked) == 1
    # The other uses a version that the first installs.
    folder = first.store / "certificates" / NAME
    [version] = folder.glob("0*")
    key = ec.generate_private_key(ec.SECP256R1())
    other = authority.issue(key.public_key(), [NAME])
    shutil.copytree(version, folder / "9")
    encoding = serialization.Encoding.PEM
    (folder / "9" / "chain.pem").write_bytes(other.public_bytes(encoding))
    (folder / "9" / "key.pem").write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    (folder / "current.new").write_text("9")
    os.replace(folder / "current.new", folder / "current")
    wait_for(lambda: second.certificate().serial_number == other.serial_number, what="the other certificate")
    # The other takes over.
    begins, expires = (
        int(moment.replace(tzinfo=datetime.timezone.utc).timestamp()) for moment in (other.not_valid_before, other.not_valid_after))
    due = {**first.state(), "next": 1, "renew": 1, "begins": begins, "expires": expires}
    (first.store / "state" / NAME).write_text(json.dumps(due))
    authority.ports["http-01"] = second.ports["http"]
    first.server.stop()
    wait_for(lambda: second.certificate().serial_number != other.serial_number, what="the renewal")


def test_the_configuration_is_not_read_again(obtaining, fake):
    authority = fake(http_port=free_port())
    waiting = []
    authority.faults["certificate"] = [lambda handler, reply: waiting.append(1) or time.sleep(0.5)]
    daemon = obtaining(authority.section(), http=authority.ports["http-01"], separated="yes")
    daemon.start()
    wait_for(lambda: waiting, what="the last step")
    good = daemon.config.read_text()
    daemon.config.write_text("the operator is not done yet: [")
    daemon.wait_issued()
    daemon.config.write_text(good)


def test_files_beside_names(obtaining, fake, tmp_path):
    from certificates import make_certificate

    make_certificate(tmp_path, names=["file.example.org"])
    authority = fake(http_port=free_port())
    daemon = obtaining(
        authority.section(), http=authority.ports["http-01"], acme=f"names: [{NAME}]", automatic=False,
        tls="certificates: [{chain: cert.pem, key: key.pem}]",
    )
    daemon.start()
    assert "file.example.org" in daemon.certificate("file.example.org").subject.rfc4514_string()
    daemon.wait_issued()
    assert "file.example.org" in daemon.certificate("other.example").subject.rfc4514_string()


def test_reload_with_another_name(obtaining, fake):
    authority = fake(http_port=free_port())
    daemon = obtaining(authority.section(), http=authority.ports["http-01"], separated="yes")
    server = daemon.start()
    first = daemon.wait_issued()
    daemon.config.write_text(daemon.config.read_text().replace('"]', '", "b.example.org"]'))
    server.send_signal(signal.SIGHUP)
    daemon.wait_issued("b.example.org")
    assert daemon.certificate().serial_number == first.serial_number


def test_an_upgrade(obtaining, fake):
    authority = fake(http_port=free_port())
    daemon = obtaining(authority.section(), http=authority.ports["http-01"], separated="yes", tls="key-process: yes")
    server = daemon.start()
    first = daemon.wait_issued()
    before = server.children("acme")
    server.send_signal(signal.SIGUSR2)
    server.wait_stderr("another server process serves")
    assert daemon.certificate().serial_number == first.serial_number
    wait_for(lambda: len(server.children("acme")) == 1 and server.children("acme") != before, what="another process")
    daemon.config.write_text(daemon.config.read_text().replace('"]', '", "b.example.org"]'))
    wait_for(lambda: len(server.children("server")) == 1, what="the end of the old server")
    server.send_signal(signal.SIGHUP)
    daemon.wait_issued("b.example.org")


@pytest.mark.skipif(os.geteuid() != 0, reason="not root")
def test_keys_are_not_in_the_server(obtaining, fake):
    authority = fake(http_port=free_port())
    daemon = obtaining(authority.section(), http=authority.ports["http-01"], separated="yes", tls="key-process: yes")
    server = daemon.start()
    daemon.wait_issued()
    [key] = (daemon.store / "certificates" / NAME).glob("*/key.pem")
    [account] = (daemon.store / "accounts").glob("*/key.pem")
    [issuer], [serving] = server.children("acme"), server.children("server")
    assert memory_has(issuer, secrets_of(account))
    for pid in (server.pid, serving):
        assert not memory_has(pid, secrets_of(account)) and not memory_has(pid, secrets_of(key))
    status = Path(f"/proc/{issuer}/status").read_text()
    assert "NoNewPrivs:\t1" in status and "CapEff:\t0000000000000000" in status
    if not os.environ.get("ASAN_OPTIONS"):
        assert "Seccomp:\t2" in status


def scrape(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        data = b""
        while piece := client.recv(65536):
            data += piece
        return data.decode()


def test_metrics_and_status(obtaining, fake, run, tmp_path):
    authority = fake(http_port=free_port())
    daemon = obtaining(authority.section(), http=authority.ports["http-01"], more="admin: admin.sock")
    daemon.start()
    daemon.wait_issued()
    daemon.server.wait_stderr("the new certificates are in use")
    text = scrape(tmp_path / "admin.sock")
    assert f'weir_tls_certificate_days_left{{certificate="{NAME}"}} ' in text
    assert f'weir_acme_failures{{name="{NAME}"}} 0' in text
    assert f'weir_acme_renewal_seconds{{name="{NAME}"}}' in text
    shown = run("console", "--admin", "admin.sock", "certificates").stdout
    assert shown.startswith(f"{NAME}: 8") and " days left; it is renewed at 20" in shown
    assert json.loads(run("status", "--admin", "admin.sock", "--json").stdout)["certificates"][0]["file"] == NAME
