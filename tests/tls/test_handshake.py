"""Handshakes with OpenSSL's own client: versions, names, ALPN, resumption, OCSP, clients'
certificates; a failed handshake ends its own connection only, and is logged."""

import re
import ssl

import pytest

from certificates import Authority
from conftest import wait_for
from secure import Secured, authority, context_for, fetch, field, pairs, s_client, secure

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def told(server, why):
    """Waits for the line of a handshake that failed."""
    line = rf"^weir: the TLS handshake of 127\.0\.0\.1:\d+ with \S+ failed: .*{why}"
    wait_for(lambda: re.search(line, server.stderr, re.M), what=f"the line of '{why}'")


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_versions(secure, authority, version):
    server = secure()
    option = "-tls1_3" if version == "TLSv1.3" else "-tls1_2"
    text = s_client(
        server, option, "-CAfile", authority.path, "-ign_eof", given=REQUEST, name="a.example"
    )
    assert "Verify return code: 0 (ok)" in text
    assert re.search(rf"^New, {version}, Cipher is \S*(GCM|CHACHA20)", text, re.M)
    assert "HTTP/1.1 200 OK" in text and "hello" in text
    assert "Secure Renegotiation IS supported" in text or version == "TLSv1.3"
    assert "Compression: NONE" in text
    assert server.stderr == ""


@pytest.mark.parametrize("option", ["-tls1_1", "-tls1"])
def test_old_versions_are_refused(secure, authority, option):
    server = secure()
    text = s_client(server, option, "-cipher", "ALL:@SECLEVEL=0")
    assert "alert protocol version" in text
    told(server, "unsupported protocol")
    assert fetch(server, authority) == "hello"


@pytest.mark.parametrize("cipher", ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "AES128-GCM-SHA256"])
def test_weak_ciphers_are_refused(secure, authority, cipher):
    server = secure()
    text = s_client(server, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
    assert "alert handshake failure" in text
    told(server, "no shared cipher")


@pytest.mark.parametrize(
    "name, expected",
    [
        ("a.example", "a.example"),
        ("b.example", "b.example"),
        ("B.Example", "b.example"),
        ("c.example", "c.example"),
        ("x.c.example", "c.example"),
        ("y.x.c.example", "a.example"),
        ("unknown.example", "a.example"),
        (None, "a.example"),
    ],
)
def test_names(secure, name, expected):
    arguments = [] if name else ["-noservername"]
    text = s_client(secure(), *arguments, name=name)
    assert re.search(rf"^subject=CN = {re.escape(expected)}$", text, re.M), text


@pytest.mark.parametrize(
    "offered, agreed",
    [
        ("http/1.1", "http/1.1"),
        ("http/1.1,h2", "h2"),
        ("http/1.0", "http/1.0"),
        ("http/1.0,http/1.1", "http/1.1"),
    ],
)
def test_alpn(secure, offered, agreed):
    assert field(s_client(secure(), "-alpn", offered), "ALPN protocol") == agreed


def test_alpn_without_http_2(secure):
    server = secure(more="http2: off\n")
    assert field(s_client(server, "-alpn", "h2,http/1.1"), "ALPN protocol") == "http/1.1"


def test_alpn_without_a_protocol_of_ours(secure, authority):
    """Such a client was sent to the wrong port (RFC 7301 3.2, ALPACA)."""
    server = secure()
    assert "alert no application protocol" in s_client(server, "-alpn", "smtp")
    told(server, "no application protocol")
    assert fetch(server, authority) == "hello"


def test_ocsp(weir, site, tmp_path, authority):
    chain, key = authority.sign("a.example")
    response = authority.ocsp(chain)
    (tmp_path / "weir.yaml").write_text(
        "listen: [{https: '127.0.0.1:0'}]\nsites: [{root: site}]\n"
        f"tls: {{certificates: [{{chain: {chain}, key: {key}, ocsp: {response}}}]}}\n"
    )
    server = weir("-c", tmp_path / "weir.yaml")
    for version in "-tls1_2", "-tls1_3":
        text = s_client(server, "-status", version)
        assert "OCSP Response Status: successful" in text
        assert "Cert Status: good" in text
    assert "OCSP Response Status" not in s_client(server)


# -- resumption -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_resumption_on_any_worker(secure, authority, version):
    """A ticket of one worker is good on all of them, which the kernel chooses."""
    server = secure("", "--workers", 4)
    context = context_for(authority, maximum_version=version, minimum_version=version)
    with Secured(server, authority, context=context) as first:
        assert first.ask(REQUEST).text == "hello"
        session = first.socket.session
        assert not first.socket.session_reused
    for _ in range(24):
        with Secured(server, authority, context=context, session=session) as again:
            assert again.ask(REQUEST).text == "hello"
            assert again.socket.session_reused


def test_resumption_is_for_the_same_name(secure, authority):
    """Up to TLS 1.2 a session belongs to a name (RFC 6066 3); later the client sees to it."""
    server = secure()
    context = context_for(authority, maximum_version=ssl.TLSVersion.TLSv1_2)
    with Secured(server, authority, "a.example", context=context) as first:
        first.ask(REQUEST)
        session = first.socket.session
    with Secured(server, authority, "b.example", context=context, session=session) as other:
        assert not other.socket.session_reused
        assert other.names == ["b.example"]
        assert other.ask(REQUEST).text == "hello"


def test_damaged_tickets_cost_a_handshake(secure, authority, tmp_path):
    server = secure()
    ticket = tmp_path / "ticket"
    s_client(server, "-tls1_2", "-sess_out", ticket)
    good = ticket.read_text()
    assert "Reused, " in s_client(server, "-tls1_2", "-sess_in", ticket)
    lines = good.split("\n")
    middle = len(lines) // 3
    lines[middle] = lines[middle][::-1]
    ticket.write_text("\n".join(lines))
    text = s_client(server, "-tls1_2", "-sess_in", ticket)
    assert "Reused, " not in text or "unable to load" in text.lower()
    assert fetch(server, authority) == "hello"


# -- clients' certificates ------------------------------------------------------------------------


@pytest.fixture
def clients(tmp_path):
    """An authority that signs client certificates, and one that the server does not know."""
    return Authority(tmp_path, "Clients"), Authority(tmp_path, "Strangers")


def with_certificate(authority, pair):
    context = context_for(authority)
    context.load_cert_chain(*pair)
    return context


def test_clients_required(secure, authority, clients):
    known, unknown = clients
    server = secure(f"clients: required\nclients-ca: {known.path}\n")
    good = with_certificate(authority, known.sign("alice", usage="clientAuth"))
    assert fetch(server, authority, context=good) == "hello"
    for context in (
        context_for(authority),
        with_certificate(authority, unknown.sign("mallory", usage="clientAuth")),
        with_certificate(authority, known.sign("old", days=-1, usage="clientAuth")),
        with_certificate(authority, known.sign("server", usage="serverAuth")),
    ):
        with pytest.raises((ssl.SSLError, OSError, AssertionError)):
            fetch(server, authority, context=context)
    for why in "did not return a certificate", "self.signed|unable to get", "expired", "purpose":
        told(server, f"({why})")
    assert fetch(server, authority, context=good) == "hello"


def test_clients_optional(secure, authority, clients):
    known, unknown = clients
    server = secure(f"clients: optional\nclients-ca: {known.path}\n")
    assert fetch(server, authority) == "hello"
    good = with_certificate(authority, known.sign("alice", usage="clientAuth"))
    assert fetch(server, authority, context=good) == "hello"
    bad = with_certificate(authority, unknown.sign("mallory", usage="clientAuth"))
    with pytest.raises((ssl.SSLError, OSError, AssertionError)):
        fetch(server, authority, context=bad)
    assert "Acceptable client certificate CA names\nCN = Clients" in s_client(server)


def test_resumption_keeps_the_clients_certificate(secure, authority, clients):
    known, _ = clients
    server = secure(f"clients: required\nclients-ca: {known.path}\n")
    good = with_certificate(authority, known.sign("alice", usage="clientAuth"))
    with Secured(server, authority, context=good) as first:
        first.ask(REQUEST)
        session = first.socket.session
    with Secured(server, authority, context=good, session=session) as again:
        assert again.ask(REQUEST).text == "hello"
        assert again.socket.session_reused


# -- renegotiation --------------------------------------------------------------------------------


def test_renegotiation_is_refused(secure, authority):
    """Each would cost a full handshake, and an old attack splices requests by it."""
    server = secure()
    text = s_client(server, "-tls1_2", "-legacy_renegotiation", given=b"R\n")
    assert "RENEGOTIATING" in text and "no renegotiation" in text
    assert fetch(server, authority) == "hello"


def test_key_update(secure, authority):
    """A key update of TLS 1.3 is answered."""
    text = s_client(secure(), "-tls1_3", given=b"K\n" + b"GET / HTTP/1.0\n\n")
    assert "KEYUPDATE" in text
