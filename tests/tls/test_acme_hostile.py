"""Authorities that are down, slow, malformed or lie: the daemon serves on, reports why, and tries again."""

import datetime
import json
import socket
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ca import decode, encode, fake  # noqa: F401  (a fixture)
from conftest import wait_for
from ports import free_port
from test_acme import NAME, Obtaining, get_clear, obtaining  # noqa: F401  (a fixture)

PROBLEM = {"Content-Type": "application/problem+json"}
AUTHORITIES = 8  # the most: so that each failure is followed by another attempt at once


def status(number, kind="serverInternal", detail="no"):
    """The reply becomes a problem."""

    def fault(handler, reply):
        reply[:] = [number, {"type": f"urn:ietf:params:acme:error:{kind}", "detail": detail}, {}]

    return fault


def content(data):
    def fault(handler, reply):
        reply[1] = data

    return fault


def member(name, value=None):
    """A member of the object is another, or is missing."""

    def fault(handler, reply):
        changed = json.loads(json.dumps(reply[1]))
        if value is None:
            changed.pop(name, None)
        else:
            changed[name] = value
        reply[1] = changed

    return fault


def close(handler, reply):
    """No reply at all."""
    return True


def torn(handler, reply):
    """A part of a reply."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"status"')
    return True


def garbage(handler, reply):
    handler.wfile.write(b"\x00\xff no HTTP\r\n\r\n")
    return True


def elsewhere(handler, reply):
    reply[0] = 302
    reply[2]["Location"] = "http://127.0.0.1:1/"


def without(name):
    def fault(handler, reply):
        reply[2][name] = ""

    return fault


ANY = [close, torn, garbage, elsewhere, status(500), status(503, "serverInternal", "a\r\nb\x1b[31m\u202e"), content(b"")]
JSON = [
    content(b"{"), content(b"[]"), content(b"null"), content(b"<html>"), content(b'{"a": "\xff\xfe"}'),
    content(b"[" * 100000), content(b'{"status": "valid", "status": "invalid"}'), content(b" " * 200000 + b"{}"),
]
HTTP_URL = "http://localhost/x"
BAD_URLS = [HTTP_URL, "https://", "https://a b/", 'https://a/"x', "https://a/" + "x" * 2000, 7]

FAULTS = {
    "directory": [
        *ANY, *JSON, *[member("newOrder", url) for url in BAD_URLS], member("newNonce"), member("newAccount"),
        member("renewalInfo", HTTP_URL),
        member("meta", {"externalAccountRequired": True}),
    ],
    "nonce": [*ANY[:4], without("Replay-Nonce")],
    "account": [*ANY[:6], status(403, "unauthorized"), without("Location")],
    "order": [
        *ANY, *JSON, status(429, "rateLimited"), status(400, "rejectedIdentifier"), without("Location"), member("status"),
        member("status", "unheard"), member("authorizations"), member("authorizations", []),
        member("authorizations", ["https://a/"] * 99), member("authorizations", [HTTP_URL]),
        *[member("finalize", url) for url in BAD_URLS],
    ],
    "authz": [
        *ANY[:6], member("identifier", {"type": "dns", "value": "other.example"}), member("identifier"),
        member("identifier", {"type": "ip", "value": NAME}), member("challenges"), member("challenges", []),
        member("challenges", [{}] * 99), member("status", "deactivated"),
        member("challenges", [{"type": "http-01", "url": HTTP_URL, "token": "a"}]),
        member("challenges", [{"type": "http-01", "url": "https://a/", "token": "../../etc/passwd"}]),
        member("challenges", [{"type": "http-01", "url": "https://a/", "token": "x" * 999}]),
        member("challenges", [{"type": "http-01", "url": "https://a/"}]),
    ],
    "challenge": [*ANY[:6], status(400, "malformed"), status(404, "notFound")],
    "finalize": [close, torn, JSON[0], status(403, "badCSR"), member("status", "invalid"), member("status", "valid")],
    "poll": [close, JSON[1], status(500), member("status", "invalid"), member("status", "expired")],
    "certificate": [close, torn, content(b"-----BEGIN CERTIFICATE-----\n"), content(b"x" * 200000), status(404, "notFound")],
}
GROUPS = [
    (step, number) for step, faults in FAULTS.items() for number in range(0, len(faults), AUTHORITIES - 1)
]


@pytest.mark.parametrize("step, number", GROUPS, ids=lambda value: str(value))
def test_a_fault(obtaining, fake, step, number):
    faults = FAULTS[step][number : number + AUTHORITIES - 1]
    authority = fake(http_port=free_port())
    authority.faults[step] = list(faults)
    authority.spare = step == "nonce"
    daemon = obtaining(authority.section() * AUTHORITIES, http=authority.ports["http-01"])
    server = daemon.start()
    assert get_clear(daemon.ports["http"]) == 308
    daemon.wait_issued()
    assert authority.faults[step] == []
    said = server.stderr.count(f"no certificate for {NAME} from")
    harmless = 3 if step == "nonce" else 0  # a HEAD is sent again, and a redirect has a nonce, too
    assert said >= len(faults) - harmless, server.stderr
    assert all(line.isprintable() for line in server.stderr.splitlines())
    assert daemon.proofs() == []
    assert authority.problems == []


# -- lies about the certificate ------------------------------------------------------------------------


def chain_of(authority, *certificates):
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def lying(authority):
    """Functions that make another chain of the right certificate."""
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    hour = datetime.timedelta(hours=1)
    now = datetime.datetime.utcnow()

    def chain(make):
        def fault(handler, reply):
            number = handler.path.split("/")[-1]
            reply[1] = make(authority.issued[number])

        return fault

    return {
        "another key": chain(lambda own: chain_of(authority, authority.issue(other, [NAME]), authority.issuer)),
        "another name": chain(lambda own: chain_of(authority, authority.issue(own.public_key(), ["b.example"]))),
        "has expired": chain(
            lambda own: chain_of(authority, authority.issue(own.public_key(), [NAME], now - 2 * hour, 3600))),
        "not valid yet": chain(lambda own: chain_of(authority, authority.issue(own.public_key(), [NAME], now + 3 * hour))),
        "not in order": chain(lambda own: chain_of(authority, own, authority.issue(other, ["x.example"]))),
        "too many": chain(lambda own: chain_of(authority, own, *[authority.issuer] * 20)),
        "no certificates": chain(lambda own: b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
    }


def test_lies(obtaining, fake):
    authority = fake(http_port=free_port())
    lies = lying(authority)
    authority.faults["certificate"] = list(lies.values())
    daemon = obtaining(authority.section() * AUTHORITIES, http=authority.ports["http-01"])
    server = daemon.start()
    daemon.wait_issued()
    for why in lies:
        assert why in server.stderr, why


def test_what_is_beside_the_certificate_is_not_stored(obtaining, fake):
    authority = fake(http_port=free_port())

    def add(handler, reply):
        reply[1] = b"text before\n" + reply[1] + b"text behind\n"

    authority.faults["certificate"] = [add]
    daemon = obtaining(authority.section(), http=authority.ports["http-01"])
    daemon.start()
    daemon.wait_issued()
    [chain] = (daemon.store / "certificates" / NAME).glob("*/chain.pem")
    assert "text" not in chain.read_text() and chain.read_text().count("BEGIN CERTIFICATE") == 2


# -- proofs --------------------------------------------------------------------------------------------


def test_a_proof_that_is_not_accepted(obtaining, fake):
    """The next attempt is by another kind of challenge."""
    authority = fake(http_port=1, tls_port=free_port())
    daemon = obtaining(authority.section(), https=authority.ports["tls-alpn-01"])
    server = daemon.start()
    daemon.wait_issued()
    assert "does not accept the proof by http-01: unauthorized: no proof" in server.stderr


def test_a_nonce_that_is_refused(obtaining, fake):
    authority = fake(http_port=free_port())

    def forget(handler, reply):
        authority.nonces.clear()

    for step in ("account", "order", "authz", "challenge", "finalize", "poll"):
        authority.faults[step] = [forget]
    daemon = obtaining(authority.section(), http=authority.ports["http-01"])
    server = daemon.start()
    daemon.wait_issued()
    assert "no certificate" not in server.stderr


def test_nonces_that_are_always_refused(obtaining, fake):
    authority = fake(http_port=free_port())
    authority.faults["account"] = [status(400, "badNonce") for _ in range(4)]
    daemon = obtaining(authority.section(), http=authority.ports["http-01"])
    server = daemon.start()
    server.wait_stderr("badNonce")
    assert authority.seen.count("account") == 4
    daemon.wait_issued()


def test_an_account_that_is_lost(obtaining, fake):
    authority = fake(http_port=free_port())
    daemon = obtaining(authority.section(), http=authority.ports["http-01"])
    server = daemon.start()
    daemon.wait_issued()
    server.wait_stderr("the new certificates are in use")
    server.stop()
    authority.accounts.clear()
    daemon.config.write_text(daemon.config.read_text().replace(NAME, "b.example.org"))
    daemon.start()
    daemon.wait_issued("b.example.org")
    assert "accountDoesNotExist" in daemon.server.stderr and len(authority.accounts) == 1


def test_processing_takes_some_time(obtaining, fake):
    authority = fake(http_port=free_port())
    authority.delay_polls = 3
    daemon = obtaining(authority.section(), http=authority.ports["http-01"])
    daemon.start()
    daemon.wait_issued()


@pytest.mark.parametrize("separated", ["yes", "no"])
def test_an_authority_that_never_answers(obtaining, tmp_path, separated):
    """It accepts connections, and that is all. The daemon serves, and ends in order meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        from certificates import Authority

        trust = Authority(tmp_path, "silent")
        url = f"    - url: https://localhost:{silent.getsockname()[1]}/\n      trust: {trust.path}\n"
        daemon = obtaining(url, separated=separated)
        server = daemon.start()
        kept, _ = silent.accept()
        with kept:
            assert get_clear(daemon.ports["http"]) == 308
            assert not daemon.is_issued()
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < 20


def test_an_authority_that_is_not_trusted(obtaining, fake, tmp_path):
    from certificates import Authority

    authority = fake(http_port=free_port())
    section = authority.section().replace(str(authority.trust.path), str(Authority(tmp_path, "other").path))
    server = obtaining(section).start()
    server.wait_stderr("the authority cannot be used")
    assert authority.seen == []


def test_damaged_files(obtaining, fake):
    authority = fake(http_port=free_port())
    daemon = obtaining(authority.section(), http=authority.ports["http-01"])

    def restart():
        daemon.server.wait_stderr("the new certificates are in use")
        wait_for(lambda: daemon.state()["renew"] > 1, what="the state")
        daemon.server.stop()

    daemon.start()
    first = daemon.wait_issued()
    good = daemon.state()
    restart()
    # The state is made again out of the certificate.
    (daemon.store / "state" / NAME).write_bytes(b"\0\xff{")
    daemon.start()
    wait_for(lambda: (daemon.store / "state" / NAME).read_bytes().startswith(b"{"), what="the state")
    assert daemon.certificate().serial_number == first.serial_number and len(authority.orders_asked) == 1
    assert daemon.state()["expires"] == good["expires"] and daemon.state()["id"] == good["id"]
    restart()
    # The account is made again.
    for path in (daemon.store / "accounts").glob("*/*"):
        path.write_bytes(b"\0")
    (daemon.store / "state" / NAME).write_text(json.dumps({**good, "next": 1, "renew": 1}))
    daemon.start()
    wait_for(lambda: daemon.certificate().serial_number != first.serial_number, what="another certificate")
    assert len(authority.accounts) == 2
    restart()
    # So are certificates.
    (daemon.store / "certificates" / NAME / "current").write_text("../../../etc")
    daemon.start()
    daemon.wait_issued()
    restart()
    for chain in (daemon.store / "certificates" / NAME).glob("*/chain.pem"):
        chain.write_text("damaged")
    daemon.start()
    assert "a self-signed certificate is served until there is another" in daemon.server.stderr
    daemon.wait_issued()


def test_a_full_disk_keeps_the_old_certificate(obtaining, fake):
    authority = fake(http_port=free_port())
    daemon = obtaining(authority.section(), http=authority.ports["http-01"])
    server = daemon.start()
    first = daemon.wait_issued()
    server.wait_stderr("the new certificates are in use")
    server.stop()
    state = daemon.state()
    state["next"] = state["renew"] = 1
    (daemon.store / "state" / NAME).write_text(json.dumps(state))
    folder = daemon.store / "certificates" / NAME / "current.new"
    folder.mkdir()  # where the next one would be written
    daemon.start()
    daemon.server.wait_stderr("the certificate cannot be stored")
    assert daemon.certificate().serial_number == first.serial_number
    folder.rmdir()
    wait_for(lambda: daemon.certificate().serial_number != first.serial_number, what="the renewal")


# -- clients -------------------------------------------------------------------------------------------


def test_handshakes_for_proofs_without_one(obtaining, fake):
    """Clients that ask for acme-tls/1 get an alert; nothing of theirs becomes a path."""
    import ssl

    authority = fake()
    authority.close()
    daemon = obtaining(authority.section())
    daemon.start()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["acme-tls/1"])
    for name in (NAME, "other.example", "x" * 60 + ".example", None):
        with socket.create_connection(("127.0.0.1", daemon.ports["https"]), timeout=60) as raw:
            with pytest.raises(ssl.SSLError):
                context.wrap_socket(raw, server_hostname=name)
    context.set_alpn_protocols(["http/1.1", "acme-tls/1"])  # not alone: an ordinary client
    with socket.create_connection(("127.0.0.1", daemon.ports["https"]), timeout=60) as raw:
        with context.wrap_socket(raw, server_hostname=NAME) as tls:
            assert tls.selected_alpn_protocol() == "http/1.1"
    for path in ("", "x", "../state/" + NAME, "%2e%2e/state", "a" * 300, "http-x", "a%00b"):
        assert get_clear(daemon.ports["http"], "/.well-known/acme-challenge/" + path) in (308, 400, 404)
