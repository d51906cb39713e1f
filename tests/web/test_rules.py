"""Rules of a site: which paths they are for, what they refuse, and what they do."""

import re
import subprocess

import pytest

from certificates import Authority, make_certificate
from client import Raw
from test_auth import basic, hashed
from upstream import CHUNKED, Upstream, ok

SITE = """
workers: 1
access-log: access.log
sites:
  - names: [example.org]
    root: site
"""


@pytest.fixture
def served(configured, site):
    """served(text) serves a site with these keys of it."""

    def start(text, more=""):
        lines = "\n".join("    " + line for line in text.strip("\n").split("\n"))
        return configured(SITE + lines + "\n" + more)

    return start


def write(site, **files):
    for name, text in files.items():
        path = site / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)


# -- which paths


PRIVATE = "/private /private/ /private/a.txt /PRIVATE/a.txt //private//a.txt /%70rivate/a.txt /x/../private/a.txt"
PRIVATE += " /private/./a.txt /./private/a.txt /x/%2e%2e/private/a.txt /%2e/private/a.txt /private/%61.txt /private/."


@pytest.mark.parametrize("rule", ["deny: ['127.0.0.0/8']", "allow: [192.0.2.0/24]", "auth: {users: users}"])
def test_no_way_round_a_rule(served, site, tmp_path, rule):
    """However a path is written, and also where other rules lead to it."""
    (tmp_path / "users").write_text(f"alice:{hashed('wonder')}\n")
    write(site, private__a_txt="secret", open_txt="open", private__down_html="secret")
    server = served(
        f"""
rules:
  - {{path: /private/**, {rule}}}
  - {{path: /to/**, rewrite: /private/$1}}
  - {{path: /twice/**, rewrite: /to/$1}}
  - {{path: /dots/a*, rewrite: /x/$1./private/a.txt}}
  - {{path: /tried/*, try: [/private/$1.txt]}}
  - {{path: /files/**, alias: site, deny: [192.0.2.1]}}
"""
    )
    expected = 401 if "auth" in rule else 403
    paths = PRIVATE.split() + ["/to/a.txt", "/twice/a.txt", "/TO/a.txt", "/dots/a.", "/tried/a"]
    for path in paths:
        reply = server.get(path)
        assert reply.status == expected and b"secret" not in reply.body, path
    assert server.get("/open.txt").text == "open"
    assert server.get("/privates").status == 404
    assert server.get("/private/a.txt", {"Host": "example.org."}).status == expected
    if expected == 401:
        for path in paths:
            if "a.txt" in path and "PRIVATE" not in path:
                assert server.get(path, basic("alice:wonder")).text == "secret", path


def test_the_first_rule_that_fits(served, site):
    server = served(
        """
rules:
  - {path: [/a/b, /a/c], respond: one}
  - {path: /a/*, methods: [POST], respond: two}
  - {path: /a/*, methods: [GET], respond: three}
  - {path: "*.txt", respond: four}
"""
    )
    write(site, a__q_txt="file")
    assert server.get("/a/b").text == "one" and server.get("/a/c/").text == "one"
    assert server.request("POST", "/a/x", b"body").text == "two"
    assert server.get("/a/x").text == "three" and server.request("HEAD", "/a/x").status == 200
    assert server.get("/a/b/x.TXT").text == "four" and server.get("/").text == "hello"


def test_settings_come_from_the_site(served, site):
    write(site, a__x="x", b__x="x", a__home_html="home")
    server = served(
        """
listing: no
index: [home.html, index.html]
rules:
  - {path: /b/**, listing: yes}
  - {path: /c/**, index: off}
"""
    )
    (site / "c").mkdir()
    (site / "c" / "index.html").write_text("no")
    assert server.get("/").text == "hello" and server.get("/a/").text == "home"
    assert 'href="x"' in server.get("/b/").text and server.get("/c/").status == 403


# -- fields


def test_fields(served, site):
    write(site, a_css="css", b_txt="text")
    server = served(
        """
fields:
  - {set: {X-All: "1", Strict-Transport-Security: max-age=1}, always: true}
  - {set: {X-Good: "1"}}
  - {set: {X-Lost: "1"}, status: [404, 5xx]}
  - {set: {Cache-Control: max-age=9}, types: [text/css, "image/*"]}
rules:
  - {path: "*.txt", fields: [{add: {X-All: "2"}}, {remove: [X-Good, Last-Modified, ETag]}]}
  - {path: /r, redirect: /x}
"""
    )
    css = server.get("/a.css").fields
    assert css["X-All"] == "1" and css["X-Good"] == "1" and css["Cache-Control"] == "max-age=9"
    assert "Strict-Transport-Security" not in css and "X-Lost" not in css
    tag = css["ETag"]
    same = server.get("/a.css", {"If-None-Match": tag})
    assert same.status == 304 and same.fields["Cache-Control"] == "max-age=9" and same.fields["ETag"] == tag
    text = server.get("/b.txt").fields
    assert text.get_all("X-All") == ["1", "2"] and "X-Good" not in text and "Cache-Control" not in text
    assert "Last-Modified" not in text and "ETag" not in text and text["Content-Type"].startswith("text/plain")
    lost = server.get("/lost").fields
    assert lost["X-All"] == "1" and lost["X-Lost"] == "1" and "X-Good" not in lost
    moved = server.get("/r").fields
    assert moved["X-All"] == "1" and moved["X-Good"] == "1" and moved["Location"] == "/x"
    (site / "index.html").unlink()
    assert server.get("/").fields["X-Good"] == "1"


def test_fields_of_ranges_and_of_large_files(served, site):
    (site / "large.bin").write_bytes(b"x" * 5_000_000)
    server = served('fields: {X-A: "1", Accept-Ranges: none}')
    reply = server.get("/large.bin", {"Range": "bytes=1-2"})
    assert reply.status == 206 and reply.body == b"xx" and reply.fields.get_all("Accept-Ranges") == ["none"]
    reply = server.get("/large.bin")
    assert len(reply.body) == 5_000_000 and reply.fields.get_all("Accept-Ranges") == ["none"]


def test_cors(served, tmp_path):
    (tmp_path / "users").write_text(f"alice:{hashed('wonder')}\n")
    server = served(
        """
rules:
  - path: /api/**
    cors: {origins: ["https://a.example"], methods: "GET, PUT", fields: X-Key, expose: X-Id, credentials: true}
    auth: {users: users}
  - {path: /all, cors: {origins: ["*"]}, respond: all}
  - {path: /some, methods: [PUT], cors: {origins: ["*"], methods: PUT}, respond: put}
  - {path: /some, methods: [GET], respond: get}
""",
    )
    ask = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}
    reply = server.request("OPTIONS", "/api/x", headers=ask)
    assert reply.status == 204 and reply.fields["Access-Control-Allow-Origin"] == "https://a.example"
    assert reply.fields["Access-Control-Allow-Methods"] == "GET, PUT"
    assert reply.fields["Access-Control-Allow-Headers"] == "X-Key"
    assert reply.fields["Access-Control-Allow-Credentials"] == "true" and reply.fields["Vary"] == "Origin"
    refused = server.request("OPTIONS", "/api/x", headers=ask | {"Origin": "https://b.example"})
    assert refused.status == 403 and "Access-Control-Allow-Origin" not in refused.fields
    reply = server.get("/api/x", {"Origin": "https://a.example"})
    assert reply.status == 401 and reply.fields["Access-Control-Allow-Origin"] == "https://a.example"
    reply = server.get("/api/x", {"Origin": "https://a.example.evil"})
    assert "Access-Control-Allow-Origin" not in reply.fields and reply.fields["Vary"] == "Origin"
    reply = server.get("/all", {"Origin": "null"})
    assert reply.fields["Access-Control-Allow-Origin"] == "*" and reply.text == "all"
    assert "Access-Control-Allow-Origin" not in server.get("/all").fields
    # A preflight belongs to the rule of the method that it asks for.
    reply = server.request("OPTIONS", "/some", headers=ask)
    assert reply.status == 204 and reply.fields["Access-Control-Allow-Methods"] == "PUT"
    reply = server.request("OPTIONS", "/some", headers=ask | {"Access-Control-Request-Method": "GET"})
    assert "Access-Control-Allow-Methods" not in reply.fields


# -- what is served


def test_redirects(served):
    server = served(
        """
rules:
  - {path: /old/**, redirect: https://example.com/new/$1}
  - {path: /user-*, redirect: "/u?name=$1", status: 307}
  - {path: /two/*/**, redirect: /$2/$1, status: 302}
  - {path: /here/**, redirect: "https://$host$path", status: 308}
"""
    )
    cases = {
        "/old/a/b": "https://example.com/new/a/b",
        "/old/a?x=y": "https://example.com/new/a?x=y",
        "/old": "https://example.com/new/",
        "/old/a%20b%25c%5c": "https://example.com/new/a%20b%25c%5C",
        "/old/%C3%A4%0": None,
        "/old/a%0d%0aX-Evil:%201": None,
        "/user-a%26b%3Fc%23?x": "/u?name=a%26b%3Fc%23",
        "/two/a": "/a",
        "/two/evil.example": "/evil.example",
        "/two/a/evil.example": "/evil.example/a",
        "/here/x": "https://example.org/here/x",
    }
    for path, location in cases.items():
        reply = server.get(path, {"Host": "example.org"})
        assert "X-Evil" not in reply.fields
        assert reply.fields["Location"] == location and reply.status // 100 == (3 if location else 4), path
    assert server.get("/user-a").status == 307 and server.get("/two/a").status == 302


def test_rewriting(served, site, tmp_path):
    write(site, new__a_txt="new a", public__b_txt="b", index_html="home")
    server = served(
        """
redirect: [{from: public, to: /elsewhere}]
rules:
  - {path: /old/*, rewrite: "/new/$1"}
  - {path: /seen/**, rewrite: /public/$1}
  - {path: /up/a*, rewrite: /a/$1./$1./b}
  - {path: /ring/a, rewrite: /ring/b}
  - {path: /ring/b, rewrite: /ring/c}
  - {path: /ring/c, rewrite: /ring/a}
  - {path: /self/**, rewrite: /self/index.html}
"""
    )
    write(site, self__index_html="self")
    assert server.get("/old/a.txt").text == "new a" and server.get("/old/%61.txt?x").text == "new a"
    assert server.get("/seen/b.txt").text == "b" and server.get("/public/b.txt").status == 301
    assert server.get("/self/any/thing").text == "self"
    assert server.get("/up/a.").status == 400
    assert server.get("/ring/a").status == 500
    server.stop()
    log = (tmp_path / "access.log").read_text()
    assert '"GET /old/a.txt HTTP/1.1" 200' in log


def test_try(served, site):
    write(site, about_html="about", docs__index_html="docs", app_html="app", img__a_png="png", _env="hidden")
    server = served(
        """
listing: no
rules:
  - {path: /spa/**, try: [/$1, /app.html]}
  - {path: /clean/**, try: [/$1, /$1.html, /$1/], respond: gone, status: 410}
  - {path: /about.html, redirect: /about}
  - {path: /**, try: [$path, $path.html, $path/]}
"""
    )
    assert server.get("/spa/img/a.png").text == "png" and server.get("/spa/some/route?x").text == "app"
    assert server.get("/about").text == "about" and server.get("/about.html").fields["Location"] == "/about"
    assert server.get("/").text == "hello" and server.get("/docs/").text == "docs"
    assert server.get("/docs").fields["Location"] == "/docs/"
    assert server.get("/clean/docs/").text == "docs" and server.get("/clean/none").status == 410
    assert server.get("/none").status == 404 and server.get("/img/").status == 403
    assert server.get("/.env").status == 404 and server.get("/spa/.env").text == "app"
    assert server.request("HEAD", "/about").fields["Content-Length"] == "5"


def test_alias(served, site, tmp_path):
    other = tmp_path / "other"
    write(other, a_txt="other a", sub__index_html="sub", x__y__z_txt="deep")
    write(site, error_html="own page")
    server = served(
        """
errors: {404: /error.html}
rules:
  - {path: /files/**, alias: other}
  - {path: /by/*/**, alias: other, listing: no}
"""
    )
    assert server.get("/files/a.txt").text == "other a" and server.get("/FILES/a.txt").text == "other a"
    assert server.get("/by/me/x/y/z.txt").text == "deep" and server.get("/files/sub/").text == "sub"
    assert server.get("/files").fields["Location"] == "/files/"
    assert server.get("/files/sub").fields["Location"] == "/files/sub/"
    listing = server.get("/files/").text
    assert "<h1>/files</h1>" in listing and 'href="a.txt"' in listing
    assert server.get("/by/me/").status == 403
    assert server.get("/files/../index.html").text == "hello"
    assert server.get("/files/%2e%2e/site/index.html").text == "own page"
    assert server.request("PUT", "/files/new", b"x").status == 405 and not (other / "new").exists()


def test_error_pages(served, site):
    write(site, lost_html="lost page", down_html="down", private__e_html="no entry")
    server = served(
        """
errors: {404: /lost.html, 403: /private/e.html, 5xx: /missing.html}
fields: [{set: {X-A: "1"}, always: true}]
uploads: {prefix: up, max-size: 10}
rules:
  - {path: /private/**, deny: ["127.0.0.0/8"]}
  - {path: /broken, respond: "", status: 500}
  - {path: /teapot, errors: {418: /down.html}, respond: teapot, status: 418}
"""
    )
    reply = server.get("/nothing", {"If-None-Match": "*", "Range": "bytes=0-1", "Accept-Encoding": "gzip"})
    assert reply.status == 404 and reply.text == "lost page" and reply.fields["Content-Type"] == "text/html; charset=utf-8"
    assert reply.fields["X-A"] == "1" and "ETag" not in reply.fields
    assert server.get("/private/x").text == "no entry" and server.get("/private/x").status == 403
    reply = server.get("/broken")
    assert reply.status == 500 and "500 Internal Server Error" in reply.text
    assert server.get("/teapot").text == "down" and server.get("/lost.html").status == 200
    head = server.request("HEAD", "/nothing")
    assert head.status == 404 and head.fields["Content-Length"] == "9" and head.body == b""


def test_an_error_page_for_a_request_with_a_body(served, site):
    """The rest of a connection stays right, whatever was read of the body."""
    write(site, large_html="too large", lost_html="lost", up__a="")
    server = served(
        """
errors: {413: /large.html, 404: /lost.html, 405: /lost.html}
uploads: {prefix: up, max-size: 10}
"""
    )
    chunked = b"PUT /up/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Raw(server.port) as raw:
        raw.send(b"POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert raw.status() == 405 and raw.status() == 200
        raw.send(chunked + b"5\r\nabcde\r\n")
        raw.send(b"9\r\nabcdefghi\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b" 413 " in raw.until(b"too large")


# -- limits


def test_rates(served):
    server = served(
        """
rules:
  - {path: /a, rate: {requests: 1, burst: 3}, respond: a}
  - {path: /b, rate: {requests: 1, burst: 2, by: field, field: X-Key}, respond: b}
"""
    )
    replies = [server.get("/a") for _ in range(8)]
    assert [reply.status for reply in replies[:3]] == [200] * 3
    late = [reply for reply in replies if reply.status == 429]
    assert late and late[0].fields["Retry-After"] == "1"
    for key in "one", "two":
        assert [server.get("/b", {"X-Key": key}).status for _ in range(2)] == [200, 200]
    assert 429 in [server.get("/b", {"X-Key": "one"}).status for _ in range(4)]


def test_rates_of_a_minute(served):
    server = served("rules: [{path: /a, rate: {requests: 3, period: 1m}, respond: a}]")
    replies = [server.get("/a") for _ in range(5)]
    assert [reply.status for reply in replies] == [200, 200, 200, 429, 429]
    assert 15 <= int(replies[-1].fields["Retry-After"]) <= 20


def test_rates_by_user(served, tmp_path):
    (tmp_path / "users").write_text(f"alice:{hashed('a')}\nbob:{hashed('b')}\n")
    server = served("auth: [{users: users}]\nrules: [{rate: {requests: 1, burst: 2, by: user}}]")
    assert 429 in [server.get("/", basic("alice:a")).status for _ in range(6)]
    assert server.get("/", basic("bob:b")).status == 200


def test_rates_by_user_behind_another_path(served, tmp_path):
    (tmp_path / "users").write_text(f"alice:{hashed('a')}\n")
    server = served(
        """
auth: [{users: users}]
rules:
  - {path: /to/*, rewrite: /api/$1}
  - {path: /api/*, rate: {requests: 2, period: 1m, by: user}, respond: api}
  - {path: /self, rewrite: "/self?a=b", rate: {requests: 2, period: 1m, by: user}}
"""
    )
    assert [server.get("/to/x", basic("alice:a")).status for _ in range(3)] == [200, 200, 429]
    # A rule that has rewritten the path to its own counts a request once.
    assert [server.get("/self", basic("alice:a")).status for _ in range(3)] == [404, 404, 429]


def test_sizes(served, site):
    server = served("uploads: {}\nmax-body: 1K\nrules: [{path: /h, max-head: 512, respond: h}]")
    assert server.request("PUT", "/x", b"a" * 1024).status == 201
    assert server.request("PUT", "/y", b"a" * 1025).status == 413
    with Raw(server.port) as raw:
        raw.send(b"PUT /z HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n401\r\n" + b"a" * 0x401 + b"\r\n0\r\n\r\n")
        assert b" 413 " in raw.until(b"\r\n\r\n")
    assert not (site / "y").exists() and not (site / "z").exists()
    assert server.get("/h").text == "h" and server.get("/h", {"X": "a" * 600}).status == 431


def test_early_hints(served, site):
    server = served('early-hints: ["</a.css>; rel=preload; as=style"]')
    with Raw(server.port) as raw:
        raw.send(b"GET / HTTP/1.1\r\nHost: a\r\nSec-Fetch-Mode: navigate\r\n\r\n")
        interim = raw.until(b"\r\n\r\n")
        assert interim == b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload; as=style\r\n\r\n"
        assert raw.status() == 200
        raw.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert raw.status() == 200


def test_metrics_and_log(served, site, tmp_path):
    write(site, lost_html="lost", hinted="h")
    server = served(
        "errors: {404: /lost.html}\nrules: [{path: /no, deny: ['127.0.0.0/8']}, {path: /re, rewrite: /},\n"
        "  {path: /ok, respond: ok}, {path: /hinted, early-hints: ['</a.css>; rel=preload']}]",
        "admin: admin.sock\nlog-format: json\n",
    )
    for path in "/no", "/re", "/nothing", "/ok", "/ok", "/hinted":
        server.get(path)
    with Raw(server.port) as raw:
        raw.send(b"GET /hinted HTTP/1.1\r\nHost: a\r\nSec-Fetch-Mode: navigate\r\n\r\n")
        assert raw.status() == 103
    command = ["curl", "-s", "--unix-socket", str(tmp_path / "admin.sock"), "http://a/metrics"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    server.stop()
    for name in 'refused_total{site="example.org",reason="network"}', 'rewritten_total{site="example.org"}':
        assert f"weir_http_{name} 1\n" in text, text
    assert 'weir_http_error_pages_total{site="example.org"} 1\n' in text
    assert 'weir_http_hints_total{site="example.org"} 1\n' in text
    assert 'weir_http_responded_total{site="example.org"} 2\n' in text
    assert '"refused_by":"example.org rule 1"' in (tmp_path / "access.log").read_text()


# -- mistakes


@pytest.mark.parametrize(
    "text, problem",
    [
        ("rules: [{path: private/**}]", "must begin with '/'"),
        ("rules: [{path: /a**}]", "'**' must be a whole segment"),
        ("rules: [{path: /a/*, redirect: /$2}]", "fewer wildcards"),
        ("rules: [{path: [/a/*, /b], rewrite: /$1}]", "fewer wildcards"),
        ("rules: [{path: [/b, /a/*], rewrite: /$1}]", "fewer wildcards"),
        ("rules: [{rewrite: a}]", "must begin with '/' or $path"),
        ("rules: [{redirect: ftp://a}]", "must begin with http://"),
        ("rules: [{redirect: /a, status: 300}]", "301"),
        ("rules: [{redirect: //evil.example}]", "must not begin with '//'"),
        ("rules: [{early-hints: [/a.css]}]", "must be as </a.css>"),
        ("early-hints: [/a.css]", "must be as </a.css>"),
        ("rules: [{rewrite: /a, status: 301}]", "needs 'redirect' or 'respond'"),
        ("rules: [{redirect: /a, rewrite: /b}]", "cannot both be given"),
        ("rules: [{path: /a, alias: site}]", "must end in /**"),
        ("rules: [{methods: [get]}]", "must be GET, HEAD"),
        ("rules: [{rate: {requests: 1, by: field}}]", "needs 'field'"),
        ("rules: [{cors: {origins: ['*'], credentials: true}}]", "name the origins"),
        ("rules: [{cors: {origins: [example.org]}}]", "as https://app.example.org"),
        ("errors: {404: lost.html}", "must be a path in the site"),
        ("errors: {304: /lost.html}", "from 400 on"),
        ("fields: [{always: true}]", "needs 'set', 'add' or 'remove'"),
        ("fields: [{set: {A: b}, status: [99]}]", "a status such as 404"),
        ("types: {.a: text/plain}", "an extension without its dot"),
        ("types: {a: text}", "a media type such as"),
        ("index: [a/b]", "the name of a file"),
        ("client-certificate: true", "needs 'clients-ca', or 'clients' in 'tls'"),
        ("rules: [{pth: /a}]", "did you mean 'path'"),
    ],
)
def test_mistakes_have_lines(run, site, tmp_path, text, problem):
    lines = "\n".join("    " + line for line in text.split("\n"))
    (tmp_path / "weir.yaml").write_text(SITE + lines + "\n")
    result = run("check", "-c", "weir.yaml")
    assert result.returncode == 1 and problem in result.stderr, result.stderr
    assert re.search(r"weir.yaml:7:\d+: ", result.stderr), result.stderr


# -- HTTP/2


def test_rules_over_http2(configured, site, tmp_path):
    """They have the same handlers: a page for an error after a body, changed fields, hints, and no way round."""
    write(site, lost_html="lost", new__a_txt="new a", private__a_txt="secret", up__a="")
    server = configured(
        """
http2: clear
sites:
  - root: site
    errors: {4xx: /lost.html}
    fields: [{set: {X-A: "1"}, always: true}, {remove: [Accept-Ranges]}]
    uploads: {prefix: up}
    max-body: 10
    early-hints: ["</a.css>; rel=preload"]
    rules:
      - {path: /private/**, deny: ["127.0.0.0/8"]}
      - {path: /old/**, rewrite: /new/$1}
      - {path: /to/**, rewrite: /private/$1}
      - {path: /here/**, redirect: "https://a$path"}
"""
    )

    def curl(path, *arguments):
        command = ["curl", "-si", "--path-as-is", "--http2-prior-knowledge", *arguments, server.url.rstrip("/") + path]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.lower()

    for path in "/private/a.txt", "/%70RIVATE/a.txt", "//private/./a.txt", "/to/a.txt":
        reply = curl(path)
        assert "http/2 403" in reply and reply.endswith("lost") and "x-a: 1" in reply, reply
    reply = curl("/old/a.txt")
    assert reply.endswith("new a") and "x-a: 1" in reply and "accept-ranges" not in reply
    hints, reply = curl("/").split("\n", 1)
    assert hints.startswith("http/2 103") and "link: </a.css>; rel=preload" in reply and "http/2 200" in reply
    assert "location: https://a/here/x" in curl("/here/x")
    assert "http/2 413" in curl("/up/x", "-X", "PUT", "-d", "hello world")
    reply = curl("/up/x", "-X", "PUT", "-H", "Transfer-Encoding: chunked", "--data-binary", "x" * 100)
    assert "http/2 413" in reply and reply.endswith("lost")


# -- proxied replies


@pytest.fixture
def behind(served, site):
    upstream = Upstream()
    write(site, static_txt="static", down_html="down", lost_html="lost")
    yield upstream, lambda rules: served(
        f"""
errors: {{404: /lost.html, 5xx: /down.html}}
proxy: [{{to: '{upstream.url}'}}]
rules:
{rules}"""
    )
    upstream.close()


def test_files_before_an_application(behind):
    upstream, start = behind
    server = start("  - {path: /api/**, fields: {X-Api: '1'}}\n  - {path: /**, try: [$path]}")
    upstream.replies["/other"] = ok(b"app")
    upstream.replies["/api/x"] = ok(b"api")
    assert server.get("/static.txt").text == "static" and server.get("/other").text == "app"
    assert server.get("/api/x").fields["X-Api"] == "1"
    assert server.request("PUT", "/static.txt", b"x").status == 200  # the application's


def test_fields_and_pages_of_proxied_replies(behind):
    upstream, start = behind
    server = start("  - {path: /**, rewrite: '/app$path', fields: [{remove: [Server, X-Powered-By]}, {set: {X-A: b}}]}")
    upstream.replies["/app/a"] = ok(b"app", b"Server: app", b"X-Powered-By: x", b"X-A: a", b"X-A: c")
    fields = server.get("/a?q").fields
    assert "Server" not in fields and "X-Powered-By" not in fields and fields.get_all("X-A") == ["b"]
    assert upstream.requests[-1].target == "/app/a?q"
    server.get("/%C3%A4%2e%3Fx//y")
    assert upstream.requests[-1].target == "/app/%C3%A4.%3Fx/y"
    for status in b"500 Broken", b"503 Wait":
        upstream.replies["/app/e"] = b"HTTP/1.1 " + status + b"\r\nRetry-After: 9\r\nX-B: c\r\nContent-Length: 3\r\n\r\nbad"
        for method, body in ("GET", None), ("POST", b"x" * 100_000):
            reply = server.request(method, "/e", body)
            assert reply.status == int(status[:3]) and reply.text == "down", status
            assert reply.fields["Retry-After"] == "9" and "X-B" not in reply.fields
    upstream.replies["/app/f"] = b"HTTP/1.1 500 Broken\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000
    upstream.replies["/app/g"] = CHUNKED.replace(b"200 OK", b"404 Not Found") + b"3\r\nbad\r\n0\r\n\r\n"
    with Raw(server.port) as raw:
        for _ in range(3):
            raw.send(b"GET /f HTTP/1.1\r\nHost: a\r\n\r\nGET /g HTTP/1.1\r\nHost: a\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n")
            assert [raw.status(), raw.status(), raw.status()] == [500, 404, 200]


def test_a_page_for_a_server_that_is_not_there(served, site):
    write(site, down_html="down")
    server = served("errors: {502: /down.html}\nproxy: [{to: 'http://127.0.0.1:1'}]")
    reply = server.request("POST", "/", b"x" * 1_000_000)
    assert reply.status == 502 and reply.text == "down"


# -- TLS


def test_over_tls(weir, site, tmp_path):
    """Certificates of clients by path, and fields that only replies over TLS may have."""
    write(site, in__a="in")
    make_certificate(tmp_path)
    authority = Authority(tmp_path)
    chain, key = authority.sign("alice", usage="clientAuth")
    (tmp_path / "weir.yaml").write_text(
        f"""
listen: [{{http: '127.0.0.1:0'}}, {{https: '127.0.0.1:0'}}]
tls: {{certificates: [{{chain: cert.pem, key: key.pem}}], clients: optional, clients-ca: {authority.path}}}
sites:
  - root: site
    fields: [{{set: {{Strict-Transport-Security: max-age=1}}, always: true}}]
    rules: [{{path: /in/**, client-certificate: yes}}]
"""
    )
    server = weir("-c", tmp_path / "weir.yaml")
    assert server.get("/in/a").status == 403 and "Strict-Transport-Security" not in server.get("/").fields

    def curl(path, *arguments):
        url = next(url for url in server.urls if url.startswith("https"))
        command = ["curl", "-ski", *arguments, url.rstrip("/") + path]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    for version in "--http1.1", "--http2":
        reply = curl("/in/a", version)
        assert " 403" in reply.split("\n")[0] and "strict-transport-security: max-age=1" in reply.lower()
        assert curl("/in/a", version, "--cert", chain, "--key", key).endswith("\n\nin")
        assert curl("/", version).endswith("\n\nhello")
