"""Certificates of clients by site: each site has an authority of its own, and no session leads around it."""

import ssl

import pytest

from certificates import Authority
from secure import authority, configuration, context_for, pairs, s_client, Secured, secure
from wire import request

SITES = """\
sites:
  - root: site
  - {{names: [a.example], root: site, clients-ca: {a}, client-certificate: yes}}
  - names: [b.example, '*.c.example']
    root: site
    clients-ca: {b}
    rules: [{{path: /in/**, client-certificate: yes}}]
"""
VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


class Clients:
    """The authorities of two sites, each with a client, and how to ask as one of them."""

    def __init__(self, directory, authority):
        self.authority = authority
        self.of = {name: Authority(directory, f"Clients {name}") for name in "ab"}
        self.pairs = {name: of.sign(f"client {name}", usage="clientAuth") for name, of in self.of.items()}

    def context(self, client=None, **options):
        # The server's certificate has none of these names.
        context = context_for(self.authority, check_hostname=False, **options)
        if client:
            context.load_cert_chain(*self.pairs[client])
        return context

    def ask(self, server, name, client=None, host=None, path="/"):
        with Secured(server, self.authority, name, context=self.context(client)) as wire:
            return wire.ask(request(path, f"Host: {host or name}")).status


@pytest.fixture
def clients(tmp_path, authority):
    return Clients(tmp_path, authority)


@pytest.fixture
def server(secure, site, clients):
    (site / "in").mkdir()
    (site / "in" / "index.html").write_text("in")
    return secure(sites=SITES.format(a=clients.of["a"].path, b=clients.of["b"].path))


def test_each_site_has_its_authority(server, clients):
    assert clients.ask(server, "a.example") == 403
    assert clients.ask(server, "a.example", "a") == 200
    assert clients.ask(server, "A.Example", "a") == 200
    assert clients.ask(server, "other.example") == clients.ask(server, "other.example", "b") == 200
    assert clients.ask(server, "b.example") == 200
    for name in "b.example", "x.c.example", "x.y.c.example":
        assert clients.ask(server, name, path="/in/") == 403
        assert clients.ask(server, name, "b", path="/in/") == 200
    for name, client in ("a.example", "b"), ("b.example", "a"), ("x.c.example", "a"):
        with pytest.raises((OSError, AssertionError)):
            clients.ask(server, name, client)
    # The other sites do not ask for certificates.
    for name, asks in ("a.example", "Clients a"), ("x.c.example", "Clients b"), ("other.example", None):
        text = s_client(server, name=name)
        assert (f"Acceptable client certificate CA names\nCN = {asks}" in text) == bool(asks), text
        assert ("Acceptable" in text) == bool(asks)


def test_a_request_for_another_site(server, clients):
    """The name of the handshake decides whose certificate a client may have, not the field Host."""
    assert clients.ask(server, "b.example", "b", host="a.example") == 421
    assert clients.ask(server, "other.example", host="a.example") == 421
    assert clients.ask(server, "a.example", "a", host="b.example", path="/in/") == 421
    assert clients.ask(server, "a.example", "a", host="b.example") == 200
    assert clients.ask(server, "a.example", "a", host="other.example") == 200


@VERSIONS
def test_sessions_belong_to_an_authority(server, clients, version, tmp_path):
    context = clients.context("a", maximum_version=version, minimum_version=version)
    with Secured(server, clients.authority, context=context) as first:
        assert first.ask(request("/", "Host: a.example")).status == 200
        session = first.socket.session
    with Secured(server, clients.authority, context=context, session=session) as again:
        assert again.ask(request("/", "Host: a.example")).status == 200
        assert again.socket.session_reused
    # OpenSSL's client resumes for any name.
    option = "-tls1_2" if version == ssl.TLSVersion.TLSv1_2 else "-tls1_3"
    given = b"GET / HTTP/1.0\r\nHost: a.example\r\n\r\n"
    ticket, chain_and_key = tmp_path / "ticket", clients.pairs["a"]
    arguments = ["-cert", chain_and_key[0], "-key", chain_and_key[1]]
    s_client(server, option, *arguments, "-sess_out", ticket, "-ign_eof", name="a.example", given=given)
    assert "Reused, " in s_client(server, option, "-sess_in", ticket, name="a.example")
    for name in "b.example", "other.example", "":
        assert "Reused, " not in s_client(server, option, "-sess_in", ticket, name=name)
    for name in "b.example", "other.example":
        s_client(server, option, "-sess_out", ticket, "-ign_eof", name=name, given=given)
        text = s_client(server, option, "-sess_in", ticket, "-ign_eof", name="a.example", given=given)
        assert "Reused, " not in text and "HTTP/1.1 403" in text


def test_one_authority_for_the_rest(secure, site, clients):
    """A site without an authority of its own has that of `tls`, and no certificate of another site suffices."""
    sites = SITES.format(a=clients.of["a"].path, b=clients.of["b"].path)
    sites = sites.replace("  - root: site\n", "  - {root: site, client-certificate: yes}\n")
    server = secure(f"clients: optional\nclients-ca: {clients.of['b'].path}\n", sites=sites)
    assert clients.ask(server, "other.example") == 403
    assert clients.ask(server, "other.example", "b") == 200
    assert clients.ask(server, "a.example", "a") == 200
    assert clients.ask(server, "a.example", "a", host="other.example") == 421


def test_check(run, pairs, site, tmp_path):
    (tmp_path / "empty").write_text("")
    for sites, more, problem in (
        ("sites: [{root: site, clients-ca: empty}]\n", "", "needs 'names'"),
        ("sites: [{names: [a.example], root: site, clients-ca: empty}]\n", "", "empty: no certificates of signers"),
        ("sites: [{names: [a.example], root: site, clients-ca: missing}]\n", "", "missing"),
        ("sites: [{root: site, client-certificate: yes}]\n", "", "needs 'clients-ca', or 'clients' in 'tls'"),
    ):
        (tmp_path / "weir.yaml").write_text(configuration(pairs.values(), sites=sites, more=more))
        result = run("check", "-c", "weir.yaml")
        assert result.returncode == 1 and problem in result.stderr, result.stderr
    (tmp_path / "weir.yaml").write_text(
        "listen: [{http: '127.0.0.1:0'}]\nsites: [{names: [a.example], root: site, clients-ca: empty}]\n"
    )
    assert "'listen' has no https" in run("check", "-c", "weir.yaml").stderr
