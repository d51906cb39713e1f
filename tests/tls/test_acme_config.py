"""The configuration of certificates that are obtained: what is wrong is reported with its line."""

import pytest

SITES = "sites: [{root: ., names: [a.example.org]}]\n"
LISTEN = "listen: [{http: ':8080'}, {https: ':8443'}]\n"
AUTO = "tls: {certificates: auto}\n"


@pytest.fixture
def check(run, tmp_path):
    """check(text) is the result of `weir check` for this weir.yaml."""

    def start(text):
        (tmp_path / "weir.yaml").write_text(text)
        return run("check", "weir.yaml")

    return start


@pytest.mark.parametrize(
    "text, why",
    [
        (LISTEN + AUTO + "sites: [{root: .}]\n",
         "weir.yaml:2:21: 'auto' finds no public name: give a site 'names', or 'acme' a list of 'names'"),
        (LISTEN + AUTO + "sites: [{root: ., names: [localhost, 127.0.0.1, '*.example.org', a_b.example]}]\n",
         "weir.yaml:2:21: 'auto' finds no public name"),
        (LISTEN + SITES + "tls: {certificates: automatic}\n",
         "weir.yaml:3:21: 'certificates' must be auto, or a list: lines that begin with '- ', each a certificate"),
        ("listen: [{http: ':8080'}]\n" + SITES + "acme: {email: a@b}\n",
         "weir.yaml:3:7: 'acme' is not used: it needs 'names', or 'certificates: auto' in 'tls'"),
        (LISTEN + AUTO + SITES + "acme: {names: [localhost]}\n",
         "weir.yaml:4:15: 'localhost' is no name that an authority issues certificates for"),
        (LISTEN + AUTO + SITES + "acme: {names: ['*.example.org']}\n",
         "weir.yaml:4:15: '*.example.org' cannot be proven: it needs 'dns-01', and a zone of 'dns' with a file"),
        (LISTEN + AUTO + SITES + "acme: {http-01: no, tls-alpn-01: no}\n",
         "weir.yaml:2:21: 'a.example.org' cannot be proven: it needs a listener of http or https, or a zone of 'dns'"),
        (LISTEN + AUTO + SITES + "acme: {http-01: no, tls-alpn-01: no, dns-01: no}\n",
         "weir.yaml:4:7: one of 'http-01', 'tls-alpn-01' and 'dns-01' must be left, to prove names by"),
        (LISTEN + AUTO + SITES + "acme: {email: nobody}\n", "weir.yaml:4:15: 'email' must be an address"),
        (LISTEN + AUTO + SITES + "acme: {email: 'a\"@b'}\n", "weir.yaml:4:15: 'email' must be an address"),
        (LISTEN + AUTO + SITES + "acme: {retry: 0s}\n", "weir.yaml:4:15: 'retry' must be"),
        (LISTEN + AUTO + SITES + "acme: {authorities: [{url: 'http://ca.example/'}]}\n",
         "weir.yaml:4:28: 'url' must be a URL that begins with https://"),
        (LISTEN + AUTO + SITES + "acme: {authorities: [{}]}\n", "weir.yaml:4:22: an authority lacks 'url'"),
        (LISTEN + AUTO + SITES + "acme: {authorities: [{url: 'https://a/', account-id: k}]}\n",
         "'account-id' is not used: it needs 'account-key'"),
        (LISTEN + AUTO + SITES + "acme: {authorities: [{url: 'https://a/', profile: 'a \"b'}]}\n",
         "'profile' must be a name without spaces"),
        (LISTEN + AUTO + SITES + "acme: {directory: none/below}\n", "weir.yaml:4:19: 'directory'"),
        (LISTEN + SITES, "'https' needs a certificate"),
    ],
)
def test_mistakes(check, text, why):
    result = check(text)
    assert result.returncode == 1 and why in result.stderr, result.stderr


def test_names_of_all_protocols(check, tmp_path):
    (tmp_path / "users").write_text("")
    (tmp_path / "example.zone").write_text("@ SOA ns h 1 1 1 1 1\n@ NS ns\nns A 127.0.0.1\n")
    result = check(
        "listen: [{https: ':8443'}, {smtp: ':2525'}, {ftp: ':2121'}, {dns: ':5353'}]\n" + AUTO +
        "acme: {directory: acme}\n"
        "sites: [{root: ., names: [A.example.org, '*.example.org', intern]}, {root: ., names: [b.example.org]}]\n"
        "mail: {directory: mail, users: users, domains: [example.org], hostname: mail.example.org}\n"
        "ftp: {root: ., hosts: [ftp.example.org, a.example.org]}\n"
        "dns: {zones: [{name: example.org, file: example.zone}]}\n"
    )
    assert result.returncode == 0, result.stderr
    names = [line.split()[2] for line in result.stdout.splitlines() if line.startswith("certificate for ")]
    assert names == ["a.example.org:", "*.example.org:", "b.example.org:", "mail.example.org:", "ftp.example.org:"]
    assert "none yet; it is obtained while the server runs" in result.stdout
    assert not (tmp_path / "acme").exists()  # nothing is made by a check


def test_what_is_in_effect_can_be_read_again(check, run, tmp_path):
    assert check(LISTEN + AUTO + SITES + "acme: {directory: acme, email: a@b.example, names: [x.example.org]}\n").returncode == 0
    shown = run("check", "--effective", "weir.yaml").stdout
    assert "  certificates: auto\n" in shown and "names: [x.example.org]" in shown
    again = check(shown)
    assert again.returncode == 0, again.stderr
    assert run("check", "--effective", "weir.yaml").stdout == shown


def test_a_site_without_https_has_names_too(check):
    """`acme` alone is enough: certificates for mail, say, while `tls` is left out."""
    result = check(LISTEN + SITES + "acme: {directory: acme, names: [a.example.org]}\n")
    assert result.returncode == 0, result.stderr
