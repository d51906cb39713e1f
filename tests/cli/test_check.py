"""weir check: everything that is wrong, each with its place."""

import os
import re

import pytest

from certificates import make_certificate

BAD = """\
listen:
  - http: 127.0.0.1:8110
  - http: 0.0.0.0:8110
  - htp: 1
workers: 100
acces-log: off
sites:
  - rooot: www
    names: [a.org, "http://b"]
    listing: maybe
    uploads: {max-size: 10X, prefix: ../x}
    auth: [{path: /private/, users: users}]
  - root: nowhere
    redirect:
      - {from: old, to: new}
      - {from: old, to: /old, status: 305}
      - {from: a, from: b, to: /x}
    fields: {Content-Length: 1, "Bad Name": x, X-A: "a\\r\\nb"}
limits: {idle: 30, drain: 30d, repies: 3}
"""

EXPECTED = [
    (3, "taken already, by the listener in line 2"),
    (4, "no key 'htp' in a listener; did you mean 'http'?"),
    (4, "a listener lacks its type and address, as in 'http: 127.0.0.1:8080'"),
    (5, "'workers' must be from 1 to 64, not 100"),
    (6, "did you mean 'access-log'?"),
    (8, "did you mean 'root'?"),
    (8, "a site lacks 'root'"),
    (9, "an entry of 'names' must be a host name such as example.org"),
    (10, "'listing' must be yes or no, not 'maybe'"),
    (11, "'max-size' must be a size such as"),
    (11, "'prefix' must be a path in the site"),
    (12, "users"),
    (13, "never reached without 'names'"),
    (13, "nowhere: No such file or directory"),
    (15, "'to' must begin with"),
    (16, "leads to itself"),
    (16, "301, 302, 303, 307 or 308"),
    (17, "'from' is given a second time; the first is in line 17"),
    (18, "the server itself sends the header field 'Content-Length'"),
    (18, "'Bad Name' is not a name of a header field"),
    (18, "line end or another control character"),
    (19, "'idle' must be a duration such as 500ms, 30s, 2m or 1h, not '30'"),
    (19, "'drain' must be a duration"),
    (19, "did you mean 'replies'?"),
]


def problems_of(text):
    """[(line, column, message)] of what check printed."""
    found = []
    for line in text.splitlines():
        match = re.fullmatch(r"weir\.yaml:(\d+):(\d+): (.*)", line)
        assert match, line
        found.append((int(match[1]), int(match[2]), match[3]))
    return found


def test_everything_is_told(run, tmp_path):
    (tmp_path / "weir.yaml").write_text(BAD)
    result = run("check", "-c", "weir.yaml")
    assert result.returncode == 1
    assert result.stdout == ""
    problems = problems_of(result.stderr)
    assert problems == sorted(problems, key=lambda problem: problem[:2])
    assert [line for line, _, _ in problems] == [line for line, _ in EXPECTED]
    for line, message in EXPECTED:
        assert any(line == p[0] and message in p[2] for p in problems), message


def test_columns(run, tmp_path):
    (tmp_path / "weir.yaml").write_text("sites: [{root: /}]\nworkers:    nine\nlisten: x\n")
    problems = problems_of(run("check", "weir.yaml").stderr)
    assert [problem[:2] for problem in problems] == [(2, 13), (3, 9)]


def test_good(run, tmp_path):
    (tmp_path / "www").mkdir()
    (tmp_path / "weir.yaml").write_text("sites:\n  - root: www\n    names: [a.org, b.org]\n")
    for arguments in (["-c", "weir.yaml"], ["weir.yaml"], ["--config", "weir.yaml"]):
        result = run("check", *arguments)
        assert result.returncode == 0, result.stderr
        assert result.stdout.startswith("weir.yaml: good: 1 site, 2 names, 1 listener\n")
        assert result.stderr == ""


def test_paths_are_relative_to_the_file(run, tmp_path):
    (tmp_path / "etc" / "www").mkdir(parents=True)
    (tmp_path / "etc" / "weir.yaml").write_text("sites: [{root: www}]\n")
    assert run("check", "etc/weir.yaml").returncode == 0
    assert run("check", "weir.yaml", cwd=tmp_path / "etc").returncode == 0
    assert run("check", tmp_path / "etc" / "weir.yaml", cwd="/").returncode == 0


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "the file has no keys"),
        ("# nothing\n", "the file has no keys"),
        ("workers: 2\n", "lacks 'sites'"),
        ("sites: []\n", "'sites' is empty"),
        ("sites:\n", "'sites' has no value"),
        ("sites: {root: /}\n", "'sites' must be a list"),
        ("- sites\n", "key: value"),
        ("hello\n", "key: value"),
        ("sites: [a\n", "not YAML"),
        ("sites: [{root: /}]\n\tx: 1\n", "not YAML"),
        ("sites: [{root: /}]\n---\nsites: []\n", "a second document"),
        ("sites: [{root: /}]\n? [1]\n: 2\n", "a key is a name"),
        ("sites: [{root: /}]\nsites: [{root: /}]\n", "is given a second time; the first is in line 1"),
        ("sites: [{root: [a]}]\n", "must be one value, not a list"),
        ("sites: [{root: {a: b}}]\n", "one value, not a mapping"),
        ("sites: [{root: /etc/passwd}]\n", "Not a directory"),
        ("sites: [{root: /}]\nuser: nobody-at-all\n", "no user 'nobody-at-all'"),
        ("sites: [{root: /}]\naccess-log: /no/such/dir/log\n", "No such file or directory"),
        ("sites: [{root: /}]\nlisten: [{http: [::1]:80}]\n", "not YAML"),
        ("sites: [{root: /}]\nlisten: [{http: localhost:80}]\n", "ADDRESS:PORT"),
        ("sites: [{root: /}]\nlisten: [{http: ':80', https: ':443'}]\n", "this one has 'http' already"),
        ("ftp: {passive-ports: 20-30}\n", "'passive-ports' must be a range of ports from 1024"),
        ("ftp: {passive-ports: 3000-2000}\n", "'passive-ports' must be a range of ports"),
        ("ftp: {announce: '::1'}\n", "'announce' must be an IPv4 address without a port"),
        ("ftp: {announce: '192.0.2.1:21'}\n", "'announce' must be an IPv4 address without a port"),
        ("sites: [{root: /, uploads: {prefix: a//b}}]\n", "'prefix' must be a path in the site"),
        ("sites: [{root: /}]\nlimits: {drain: 48h}\n", "'drain' must be from 100ms to 24h, not 48h"),
        ("sites: [{root: /}]\nlimits: {connections: 0}\n", "'connections' must be from 1 to 10000000, not 0"),
        ("sites: [{root: /}]\nlimits: {connections: 99999999999999999999}\n", "whole number"),
        ("sites: [{root: /, index: a/b}]\n", "'index' must be the name of a file"),
        ("sites: [{root: /, fields: [a]}]\n", "a change of fields must have lines"),
        ("sites: [{root: /, names: a.org}]\n", "'names' must be a list"),
        ("sites: [{root: /, names: [a]}, {root: /, names: [A]}]\n", "has the name 'A' already"),
        ("sites: [{root: /, auth: [{users: gone}]}]\n", "gone"),
        ("sites: [{root: /, auth: [{path: a}]}]\n", "lacks 'users'"),
        ("sites: [{root: /, rules: [{auth: {realm: a}}]}]\n", "lacks 'users'"),
        ("sites: [{root: /, auth: [{path: a}]}]\nstore: {url: postgres://a/a, parts: [queue]}\n", "lacks 'users'"),
        ("&a sites: [*b]\n", "not YAML"),
        ("sites: &a [*a]\n", "key: value"),
        ("sites: [{root: /}]\nworkers: \x01\n", "not YAML"),
        ("sites: [{root: '" + "x" * 5000 + "'}]\n", "too long"),
        ("sites: [" + "{root: /}," * 1025 + "]\n", "1024 are allowed"),
        ("#" * (1024 * 1024 + 1), "File too large"),
        ("[" * 1000000, "too deep"),
    ],
    ids=lambda value: value[:30],
)
def test_single_mistakes(run, tmp_path, text, message):
    (tmp_path / "weir.yaml").write_text(text)
    result = run("check", "weir.yaml")
    assert result.returncode == 1
    assert message in result.stderr
    assert result.stderr.startswith("weir.yaml:")


@pytest.mark.parametrize("mode", ["0777", "640", "0600"])
def test_modes_of_uploads(run, tmp_path, mode):
    text = f"sites: [{{root: /, uploads: {{mode: {mode}}}}}]\nftp: {{mode: {mode}}}\n"
    (tmp_path / "weir.yaml").write_text(text)
    assert "mode" not in run("check", "weir.yaml").stderr


@pytest.mark.parametrize("mode", ["rw-r--r--", "4755", "0444", "07777", "9", "-1"])
def test_wrong_modes_of_uploads(run, tmp_path, mode):
    (tmp_path / "weir.yaml").write_text(f"sites: [{{root: /, uploads: {{mode: {mode}}}}}]\n")
    assert "'mode' must be permission bits in octal" in run("check", "weir.yaml").stderr


def test_too_many_sites_are_not_called_none(run, tmp_path):
    (tmp_path / "weir.yaml").write_text("sites: [" + "{root: /}," * 3000 + "]\n")
    result = run("check", "weir.yaml")
    assert "'sites' has 3000 entries, and 1024 are allowed" in result.stderr
    assert "empty" not in result.stderr


@pytest.mark.parametrize(
    "rules, circles",
    [
        ([("a", "/b"), ("b", "/a")], 2),
        ([("", "/b")], 1),
        ([("a", "/a/b")], 1),
        ([("a", "/b/"), ("b", "/c"), ("c", "/a/x")], 3),
        ([("x", "/a"), ("a", "/b"), ("b", "/a")], 3),
        ([("a", "/b"), ("b", "https://a.example/a")], 0),
        ([("a", "/b"), ("b", "/c")], 0),
        ([("a", "/ab")], 0),
        ([("b", "https://b.example/"), ("", "/b")], 0),
    ],
)
def test_redirects_that_lead_in_a_circle(run, tmp_path, rules, circles):
    lines = "".join(f"    - {{from: '{a}', to: '{b}'}}\n" for a, b in rules)
    (tmp_path / "weir.yaml").write_text("sites:\n  - root: /\n    redirect:\n" + lines)
    result = run("check", "weir.yaml")
    assert result.stderr.count("lead in a circle") == circles, result.stderr
    assert result.returncode == (1 if circles else 0)


def test_many_mistakes_are_bounded(run, tmp_path):
    text = "sites:\n" + "  - root: nowhere\n    names: ['*']\n" * 300
    (tmp_path / "weir.yaml").write_text(text)
    lines = run("check", "weir.yaml").stderr.splitlines()
    assert len(lines) == 201
    assert lines[-1] == "weir.yaml: and 400 more"


@pytest.mark.parametrize("separated", ["no", "yes"])
def test_serve_says_the_same(run, tmp_path, separated):
    """Also of a file that only the server process reads."""
    (tmp_path / "weir.yaml").write_text(BAD)
    user = ["--user", "nobody"] if os.geteuid() == 0 and separated == "yes" else []
    served = run("serve", "-c", "weir.yaml", f"--privilege-separation={separated}", *user)
    checked = run("check", "weir.yaml")
    assert served.returncode == 1
    assert served.stderr == checked.stderr


MISSING = """\
privilege-separation: SEPARATED
listen:
  - https: 127.0.0.1:8110
  - smtp: 127.0.0.1:8111
  - ftp: 127.0.0.1:8112
  - dns: 127.0.0.1:8113
admin: 127.0.0.1:8114
admin-token: none-1
admin-users: none-2
store: {url: 'postgres://a@127.0.0.1:1/a', parts: [zones], password-file: none-3, secret-key-file: none-4}
upstreams:
  - name: app
    servers: [{url: 'https://127.0.0.1:1'}]
    ca: none-5
    certificate: none-6
    certificate-key: not-looked-for
tls:
  key-process: SEPARATED
  certificates:
    - {chain: none-7, key: not-looked-for, ocsp: not-looked-for}
    - {chain: chain.pem, key: none-8}
    - {chain: chain.pem, key: key.pem, ocsp: none-9}
  clients: optional
  clients-ca: none-10
sites:
  - names: [a.example]
    root: .
    clients-ca: none-11
    auth: [{path: /private/, users: none-12}]
    proxy: [{path: /app/, to: app}]
    rules: [{path: '/a/**', bearer: {keys: none-13}}]
    listing-template: none-14
mail:
  directory: mail
  domains: [a.example]
  users: none-15
  relay: {host: a.example, queue: queue, tls: required, ca: none-16, user: a, password-file: none-17}
ftp: {root: ., users: none-18}
dns:
  keys: [{name: k, file: none-19}]
  cookie-secrets: none-20
  zones: [{name: a.example, file: none-21}, {name: b.example, file: file/none-22}]
"""


@pytest.mark.parametrize("separated", ["no", "yes"])
def test_serve_reports_all_files_that_are_missing(run, tmp_path, separated):
    """Whichever process reads them."""
    make_certificate(tmp_path, "chain.pem")
    (tmp_path / "file").write_text("")
    (tmp_path / "weir.yaml").write_text(MISSING.replace("SEPARATED", separated))
    user = ["--user", "nobody"] if os.geteuid() == 0 and separated == "yes" else []
    served, checked = run("serve", "-c", "weir.yaml", *user), run("check", "weir.yaml")
    assert re.findall(r"none-(\d+): ", served.stderr) == [str(n) for n in range(1, 23)], served.stderr
    assert len(served.stderr.splitlines()) == 22
    assert served.returncode == 1
    assert served.stderr == checked.stderr
    assert not (tmp_path / "mail").exists() and not (tmp_path / "queue").exists()


def test_aliases_that_are_missing(run, tmp_path):
    """They are read behind the users."""
    text = "listen: [{smtp: 127.0.0.1:8111}]\nmail: {directory: mail, domains: [a.example], users: u, aliases: a}\n"
    (tmp_path / "weir.yaml").write_text(text)
    (tmp_path / "u").write_text("")
    user = ["--user", "nobody"] if os.geteuid() == 0 else []
    served = run("serve", "-c", "weir.yaml", "--privilege-separation=yes", *user)
    assert f"{tmp_path}/a: No such file or directory" in served.stderr
    assert served.stderr == run("check", "weir.yaml").stderr


def test_directories_that_the_start_makes_are_among_the_rights(run, tmp_path):
    (tmp_path / "u").write_text("")
    user = "user: nobody\n" if os.geteuid() == 0 else ""
    (tmp_path / "weir.yaml").write_text(
        "listen: [{smtp: 127.0.0.1:8111}]\nprivilege-separation: yes\n"
        f"mail: {{directory: mail, domains: [a.example], users: u, relay: {{host: 127.0.0.1, queue: queue}}}}\n{user}"
    )
    printed = run("check", "weir.yaml").stdout
    if "no Landlock" in printed:
        pytest.skip("this kernel has no Landlock")
    for name in "mail", "queue":
        assert f"  reads and writes {tmp_path / name}, which the start makes\n" in printed
        (tmp_path / name).mkdir()
    printed = run("check", "weir.yaml").stdout
    assert f"  reads and writes {tmp_path / 'mail'}\n" in printed and "the start makes" not in printed
