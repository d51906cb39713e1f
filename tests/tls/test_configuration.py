"""Certificates in the configuration and on the command line: mistakes are reported with file and line."""

import re

import pytest

from certificates import make_certificate, openssl
from secure import authority, configuration, context_for, fetch, pairs, secure


def write(tmp_path, text):
    (tmp_path / "weir.yaml").write_text(text)


def expect(result, line, *messages):
    """Exactly one problem, in this line."""
    assert result.returncode == 1
    match = re.fullmatch(r"weir\.yaml:(\d+):\d+: (.*)\n", result.stderr)
    assert match, result.stderr
    assert int(match[1]) == line
    for message in messages:
        assert message in match[2], result.stderr


TLS = """\
listen:
  - https: 127.0.0.1:0
sites: [{root: site}]
tls:
  certificates:
    - chain: cert.pem
      key: key.pem
"""


@pytest.fixture
def pair(tmp_path, site):
    write(tmp_path, TLS)
    return make_certificate(tmp_path)


def test_good(run, pair):
    result = run("check", "weir.yaml")
    assert (result.returncode, result.stderr) == (0, "")


def test_listener_without_certificate(run, tmp_path, site):
    write(tmp_path, TLS.split("tls:")[0])
    expect(run("check", "weir.yaml"), 2, "'https' needs a certificate", "tls: {certificates")


@pytest.mark.parametrize(
    "old, new, line, message",
    [
        ("cert.pem", "missing.pem", 6, "missing.pem: cannot be read: No such file"),
        ("key.pem", "missing.pem", 7, "missing.pem: cannot be read: No such file"),
        ("cert.pem", "empty", 6, "empty: no certificate in PEM"),
        ("key.pem", "cert.pem", 7, "no private key in PEM"),
        ("key.pem", "other-key.pem", 7, "other-key.pem: this key does not belong to"),
        ("key.pem", "locked.pem", 7, "locked.pem: no private key in PEM without a password"),
        ("      key: key.pem\n", "", 6, "a certificate lacks 'key'"),
        ("    - chain: cert.pem\n      key: key.pem\n", "    []\n", 6, "'certificates' is empty"),
        ("  certificates:\n    - chain: cert.pem\n      key: key.pem", "  minimum: '1.3'", 5, "lacks"),
        ("key: key.pem", "key: key.pem\n      ocsp: empty", 8, "no successful OCSP response"),
        ("key: key.pem", "key: key.pem\n      ocsp: gone", 8, "cannot be read: No such file"),
        ("tls:\n", "tls:\n  minimum: 1.1\n", 5, "'minimum' must be 1.2 or 1.3, not '1.1'"),
        ("tls:\n", "tls:\n  clients: some\n", 5, "'clients' must be any, optional or required"),
        ("tls:\n", "tls:\n  clients: required\n", 5, "'clients' needs 'clients-ca'"),
        ("tls:\n", "tls:\n  clients-ca: cert.pem\n", 5, "'clients-ca' is not used"),
        ("tls:\n", "tls:\n  clients: optional\n  clients-ca: empty\n", 6, "empty: no certificates"),
        ("tls:\n", "tls:\n  ciphers: ALL\n", 5, "there is no key 'ciphers' in tls"),
        ("- https", "- {http: 127.0.0.1:1, https", 2, "one address"),
    ],
)
def test_mistakes(run, pair, tmp_path, old, new, line, message):
    (tmp_path / "empty").write_text("")
    make_certificate(tmp_path, "other.pem", "other-key.pem")
    locked = openssl("pkey", "-in", pair[1], "-aes128", "-passout", "pass:secret")
    (tmp_path / "locked.pem").write_bytes(locked)
    text = TLS.replace(old, new, 1)
    if new.startswith("- {http"):
        text = text.replace("127.0.0.1:0\n", "127.0.0.1:0}\n", 1)
    write(tmp_path, text)
    expect(run("check", "weir.yaml"), line, message)


def test_redirect_to_https_needs_a_listener(run, tmp_path, site):
    write(tmp_path, "sites:\n  - root: site\n    redirect-to-https: yes\n")
    expect(run("check", "weir.yaml"), 3, "leads nowhere: 'listen' has no https")


def test_expired(run, weir, tmp_path, site, authority):
    """A warning is logged, and the certificate is served."""
    chain, key = authority.sign("old.example", days=-1)
    write(tmp_path, configuration([(chain, key)]))
    result = run("check", "weir.yaml")
    assert result.returncode == 0
    assert "a certificate has expired" in result.stderr
    server = weir("-c", tmp_path / "weir.yaml")
    assert "a certificate has expired" in server.stderr


# -- the command line -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--https", "8443"], "--https must be ADDRESS:PORT"),
        (["--https", ":1", "--cert", "cert.pem"], "each --cert needs its --key: there are 1"),
        (["--https", ":1", "--key", "key.pem"], "there are 0 of the one and 1 of the other"),
        (["--cert", "", "--key", "key.pem"], "--cert must be the path of a PEM file"),
        (["--key"], "--key needs a value"),
    ],
)
def test_usage(run, arguments, message):
    result = run("serve", *arguments)
    assert result.returncode == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--https", "127.0.0.1:0"], "https needs a certificate: add --cert FILE --key FILE"),
        (["--cert", "cert.pem", "--key", "key.pem"], "need an address for TLS"),
        (["--https", ":0", "--cert", "no", "--key", "key.pem"], "/no: cannot be read: No such file"),
        (["--https", ":0", "--cert", "cert.pem", "--key", "cert.pem"], "no private key in PEM"),
    ],
)
def test_start_is_refused(run, pair, site, arguments, message):
    result = run("serve", site, *arguments)
    assert result.returncode == 1
    assert message in result.stderr


def test_command_line(weir, site, tmp_path, pairs, authority):
    """Relative paths, several pairs, both protocols; the banner names both."""
    arguments = []
    for name, (chain, key) in pairs.items():
        (tmp_path / f"{name}.pem").write_bytes(chain.read_bytes())
        (tmp_path / f"{name}.key").write_bytes(key.read_bytes())
        arguments += ["--cert", f"{name}.pem", "--key", f"{name}.key"]
    addresses = ["--https", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    server = weir(site, *addresses, *arguments, cwd=tmp_path)
    assert [url.split(":")[0] for url in server.urls] == ["https", "http"]
    assert f"curl -i -k https://127.0.0.1:{server.ports[0]}/\n" in server.stdout
    assert f"curl -i http://127.0.0.1:{server.ports[1]}/\n" in server.stdout
    for name in pairs:
        assert fetch(server, authority, name) == "hello"
    assert server.get("/", port=server.ports[1]).text == "hello"


def test_certificates_of_the_command_line_go_first(weir, pair, site, tmp_path, authority, pairs):
    chain, key = pairs["a.example"]
    server = weir("-c", tmp_path / "weir.yaml", "--cert", chain, "--key", key)
    assert fetch(server, authority) == "hello"


def test_address_of_the_command_line_with_certificates_of_the_file(
    weir, tmp_path, site, authority, pairs
):
    text = configuration([pairs["a.example"]]).replace("{https:", "{http:")
    write(tmp_path, text)
    server = weir("-c", tmp_path / "weir.yaml", "--https", "127.0.0.1:0")
    assert [url.split(":")[0] for url in server.urls] == ["https"]
    assert fetch(server, authority) == "hello"


def test_minimum(secure, authority):
    from ssl import SSLError, TLSVersion

    server = secure("minimum: 1.3")
    assert fetch(server, authority) == "hello"
    with pytest.raises(SSLError):
        fetch(server, authority, context=context_for(authority, maximum_version=TLSVersion.TLSv1_2))
