"""The status page of the admin listener without a browser: its tables, its fields, its event stream, who may read
it, and that a name from the wire is never markup. A browser is in test_status_browser.py."""

import html.parser
import json
import re
import socket

import pytest

from conftest import wait_for
from test_admin import administered, connect_to, console  # noqa: F401 (fixtures)
from test_guard import HASH
from test_metrics import TOKEN, ask, at_address, connect, free_port, http  # noqa: F401 (fixture)

STREAMS_MAX = 8
FILES = "page.js", "page.css", "icon.svg", "uPlot.iife.min.js", "uPlot.min.css"
EVIL = "<script>alert(1)</script>"


class Tables(html.parser.HTMLParser):
    """The tables of the page: {section: rows}, each a list of texts; and every tag that occurs."""

    def __init__(self, text):
        super().__init__()
        self.sections, self.tags, self.scripts, self.attributes = {}, set(), [], []
        self.section = self.cell = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.add(tag)
        self.attributes += attributes
        if tag == "section":
            self.section = self.sections.setdefault(attributes["id"], [])
        elif tag == "tr":
            self.section.append([])
        elif tag in ("td", "th"):
            self.cell = ""
        elif tag == "script":
            self.scripts.append(attributes.get("src"))

    def handle_data(self, data):
        if self.cell is not None:
            self.cell += data

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.section[-1].append(self.cell)
            self.cell = None

    def group(self, name):
        return dict(self.sections[name])

    def rows(self, name):
        """The items of a list, each {column: text}."""
        head, *rows = self.sections[name] or [[]]
        return [dict(zip(head, row)) for row in rows]


@pytest.fixture
def page(administered, tmp_path):  # noqa: F811
    """page(text) serves; the result's tables() are those of the page."""

    def start(text="", workers=2):
        server = administered(text, workers)
        server.tables = lambda: Tables(http(tmp_path / "admin.sock", "/")[2])
        server.admin = tmp_path / "admin.sock"
        return server

    return start


class Events:
    """An open event stream, whose events are JSON."""

    def __init__(self, path, fields="", connection=None):
        self.socket = connection or connect_to(path)
        self.socket.sendall(f"GET /events HTTP/1.0\r\nHost: x\r\n{fields}\r\n".encode())
        self.stream = self.socket.makefile("rb")
        line = self.stream.readline()
        # Another line is that of the socket itself, which has too many clients.
        self.status = int(line.split()[1]) if line.startswith(b"HTTP/") else 0
        self.fields = [line.decode() for line in iter(self.stream.readline, b"\r\n")]

    def next(self):
        """The next event; None at the end."""
        lines = []
        while line := self.stream.readline():
            if line == b"\n" and lines:
                return json.loads(b"\n".join(lines))
            if line.startswith(b"data: "):
                lines.append(line[6:-1])
        return None

    def close(self):
        self.stream.close()
        self.socket.close()


def opened(path):
    """A stream that is served; None if there is no room."""
    stream = Events(path)
    if stream.status == 200:
        return stream
    stream.close()
    return None


# -- tables --------------------------------------------------------------------------------------------


def test_the_tables_have_the_values_without_a_script(page):
    server = page()
    for _ in range(1200):
        server.get("/")
    clients = [connect(server) for _ in range(3)]
    wait_for(lambda: server.tables().group("http")["2xx"] == "1,200", what="the requests")
    wait_for(
        lambda: server.tables().rows("connections") == [
            {"listener": "http", "idle": "3", "receiving": "0", "replying": "0"}
        ],
        what="the connections",
    )
    tables = server.tables()
    assert tables.group("process")["workers"] == "2"
    assert tables.group("process")["version"]
    assert tables.group("waiting_to_leave")["replies queued"] == "0"
    assert tables.sections["slow"] == []
    (protocol,) = tables.rows("protocols")
    assert protocol["protocol"] == "http" and protocol["requests"] == "1,200"
    assert float(protocol["mean per second"]) > 0
    durations = {row["duration"]: row for row in tables.rows("durations")}
    assert durations["http request"]["count"] == "1,200"
    assert 1 <= int(durations["http request"]["p50 ms"].replace(",", "")) <= 131072
    listeners = {row["listener"]: row for row in tables.rows("listeners")}
    assert listeners["http"]["open"] == "3" and listeners["http"]["requests"] == "1,200"
    # Protocols that are not configured have no table.
    assert not {"mail", "ftp", "dns", "mail_queue"} & set(tables.sections)
    for client in clients:
        client.close()


def test_slow_clients_are_named(page, site):
    with open(site / "large", "wb") as file:
        file.truncate(50 * 1024 * 1024)
    server = page()
    half, slow = connect(server), connect(server)
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    half.sendall(b"GET / HT")
    slow.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")

    def both():
        rows = {row["waits for"]: row for row in server.tables().rows("slow")}
        return rows if {"rest of request", "reader"} <= set(rows) else None

    rows = wait_for(both, what="both clients")
    assert rows["rest of request"]["peer"] == f"127.0.0.1:{half.getsockname()[1]}"
    assert rows["reader"]["peer"] == f"127.0.0.1:{slow.getsockname()[1]}"
    assert float(rows["reader"]["seconds"]) >= 1
    assert int(rows["reader"]["unsent bytes"].replace(",", "")) > 0
    waiting = server.tables().group("waiting_to_leave")
    assert waiting["slow connections"] == "2" and waiting["replies queued"] == "1"
    assert int(waiting["kernel bytes"].replace(",", "")) > 0
    half.close()
    slow.close()


def test_every_protocol_has_its_tables(weir, tmp_path, site):
    (tmp_path / "users").write_text(f"alice:{HASH}\n")
    (tmp_path / "zone").write_text("@ 60 SOA ns. h. 77 1 1 1 1\n@ 60 NS ns.example.net.\n")
    (tmp_path / "weir.yaml").write_text(
        "listen: [{smtp: '127.0.0.1:0'}, {pop3: '127.0.0.1:0'}, {ftp: '127.0.0.1:0'}, {dns: '127.0.0.1:0'}]\n"
        "admin: admin.sock\n"
        "mail: {directory: mail, users: users, domains: [example.org], relay: {host: '127.0.0.1:1', queue: queue}}\n"
        "ftp: {root: site, users: users}\n"
        "dns: {zones: [{name: example.org, file: zone}]}\n"
    )
    weir("-c", tmp_path / "weir.yaml")
    tables = Tables(http(tmp_path / "admin.sock", "/")[2])
    assert [row["protocol"] for row in tables.rows("protocols")] == ["smtp", "pop3", "ftp", "dns"]
    assert [row["listener"] for row in tables.rows("connections")] == ["smtp", "pop3", "ftp", "dns"]
    assert tables.group("dns")["zones"] == "1"
    assert tables.group("mail_queue") == {
        "messages": "0",
        "claimed": "0",
        "taken over": "0",
        "oldest age seconds": "0",
    }
    assert {"mail", "ftp"} <= set(tables.sections) and "http" not in tables.sections


def test_the_last_warnings_are_shown(page, console):  # noqa: F811
    server = page()
    for _ in range(3):
        console("reload")
    rows = server.tables().rows("warnings")
    assert 3 <= len(rows) <= 32
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", row["time"]) for row in rows)
    assert rows[0]["text"].startswith("reloaded")


# -- fields and files ----------------------------------------------------------------------------------


def test_the_page_and_its_files_allow_nothing_else(page):
    server = page()
    for target in ("/", *(f"/{name}" for name in FILES)):
        status, head, _ = http(server.admin, target)
        assert status == 200, target
        policy = re.search(r"^Content-Security-Policy: (.*)\r$", head, re.M)[1]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "script-src 'self';" in policy and "style-src 'self';" in policy
        assert "unsafe" not in policy and "http:" not in policy and "*" not in policy
        assert "X-Content-Type-Options: nosniff\r\n" in head
        assert "Referrer-Policy: no-referrer\r\n" in head
    tables = server.tables()
    # Neither inline scripts and styles, nor handlers in attributes, nor anything of another origin.
    assert tables.scripts == ["uPlot.iife.min.js", "page.js"]
    assert not {"style", "iframe", "img", "object"} & tables.tags
    assert not [name for name in tables.attributes if name == "style" or name.startswith("on")]
    text = http(server.admin, "/")[2]
    assert "//" not in re.sub(r"<!doctype html>", "", text.split("<main>")[0])
    stream = Events(server.admin)
    assert any("default-src 'none'" in field for field in stream.fields)
    stream.close()


def test_files_are_sent_once(page):
    server = page()
    for name in FILES:
        status, head, _ = http(server.admin, f"/{name}")
        tag = re.search(r"^ETag: (.*)\r$", head, re.M)[1]
        status, head, body = http(server.admin, f"/{name}", f"If-None-Match: {tag}")
        assert status == 304 and body == ""
        assert http(server.admin, f"/{name}", 'If-None-Match: "x"')[0] == 200
    assert "text/javascript" in http(server.admin, "/page.js")[1]
    assert "image/svg+xml" in http(server.admin, "/icon.svg")[1]
    for target in "/page.html", "/embed", "/uPlot.LICENSE", "/page.js/x", "/..%2fpage.js":
        assert http(server.admin, target)[0] in (400, 404), target
    assert http(server.admin, "/", method="HEAD")[::2] == (200, "")
    assert http(server.admin, "/", method="POST")[0] == 405


def test_the_page_is_on_no_site(page):
    server = page()
    assert server.get("/events").status == 404
    assert server.get("/page.js").status == 404


# -- access --------------------------------------------------------------------------------------------


def test_no_other_sites_name_leads_to_the_socket(page):
    """DNS rebinding: evil.example has the address of a port that ssh forwards to the socket."""
    server = page()

    def status(host, target="/"):
        with connect_to(server.admin) as client:
            client.sendall(f"GET {target} HTTP/1.1\r\nConnection: close\r\n{host}\r\n".encode())
            return int(client.makefile("rb").readline().split()[1])

    for host in "localhost:9180", "weir", "127.0.0.1:9180", "[::1]:9180", "[::1]", "LOCALHOST":
        assert status(f"Host: {host}\r\n") == 200, host
    for host in "evil.example", "evil.example:9180", "127.0.0.1.evil.example", "localhost.", "1.example:1":
        for target in "/", "/events", "/metrics", "/status.json", "/page.js":
            assert status(f"Host: {host}\r\n", target) == 421, (host, target)
        # The host of an absolute target counts, and not the field.
        assert status("Host: localhost\r\n", f"http://{host}/metrics") == 421


def test_an_address_needs_a_password_for_everything(configured, tmp_path, site, free_port):  # noqa: F811
    import base64

    (tmp_path / "users").write_text(f"alice:{HASH}\n")
    at_address(
        configured, tmp_path, free_port, "admin-token: token\nadmin-users: users\n"
        "guard: {first-delay: 10ms, most-delay: 10ms}\n",
    )
    for target in "/", "/events", "/page.js", "/page.css":
        assert ask(free_port, target=target)[0] == 401
    basic = "Authorization: Basic " + base64.b64encode(b"alice:secret").decode()
    for fields in basic, f"Authorization: Bearer {TOKEN}":
        status, text = ask(free_port, fields, target="/")
        assert status == 200 and '<section id="process">' in text
        stream = Events(None, fields + "\r\n", socket.create_connection(("127.0.0.1", free_port), 30))
        assert stream.status == 200 and stream.next()["process"]["version"]
        stream.close()
    wrong = "Authorization: Basic " + base64.b64encode(b"alice:wrong").decode()
    assert ask(free_port, wrong, target="/events")[0] == 401


def test_a_reload_ends_streams_so_that_a_new_token_counts(configured, console, tmp_path, site, free_port):  # noqa: F811
    (tmp_path / "token").write_text(TOKEN)
    configured(
        f'sites: [{{root: site}}]\nadmin: [admin.sock, "127.0.0.1:{free_port}"]\nadmin-token: token\n'
    )

    def open_stream():
        connection = socket.create_connection(("127.0.0.1", free_port), 30)
        return Events(None, f"Authorization: Bearer {TOKEN}\r\n", connection)

    stream = open_stream()
    assert stream.next()
    (tmp_path / "token").write_text("f" * 40)
    assert console("reload") == []
    while stream.next():
        pass
    assert open_stream().status == 401


# -- events --------------------------------------------------------------------------------------------


def test_events_have_growing_values(page):
    server = page()
    stream = Events(server.admin)
    assert stream.status == 200
    first = stream.next()
    assert first["http"]["2xx"] == 0
    assert first["connections"] == [{"listener": "http", "idle": 0, "receiving": 0, "replying": 0}]
    for _ in range(5):
        server.get("/")
    wait_for(lambda: stream.next()["http"]["2xx"] == 5, what="the requests in an event")
    last = stream.next()
    assert last["protocols"][0]["requests"] == 5
    (duration,) = [item for item in last["durations"] if item["duration"] == "http request"]
    assert sum(duration["buckets"]) == 5 and len(duration["buckets"]) == 18
    stream.close()


def test_streams_are_bounded(page):
    server = page()
    for _ in range(2 * STREAMS_MAX):
        assert http(server.admin, "/events", method="HEAD")[0] == 200
    streams = [Events(server.admin) for _ in range(STREAMS_MAX)]
    assert all(stream.status == 200 and stream.next() for stream in streams)
    refused = Events(server.admin)
    assert refused.status == 503
    refused.close()
    streams.pop().close()
    streams.append(wait_for(lambda: opened(server.admin), what="room for another stream"))
    assert server.tables().sections
    for stream in streams:
        stream.close()


def test_readers_that_are_slow_or_gone_cost_nothing(page):
    server = page(workers=1)
    before = server.memory_kb()
    readers = []
    for _ in range(STREAMS_MAX - 1):
        client = connect_to(server.admin)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        readers.append(client)
    for client in readers[:3]:
        client.close()
    stream = Events(server.admin)
    for _ in range(4):
        assert stream.next()["process"]
    assert server.get("/").status == 200
    assert server.memory_kb() - before < 20000
    stream.close()
    for client in readers[3:]:
        client.close()
    # All streams are gone, and others take their places.
    wait_for(lambda: opened(server.admin), what="another stream").close()


def test_a_confined_server_process_shows_the_page(configured, site, tmp_path):
    configured(f"sites: [{{root: {site}}}]\nadmin: admin.sock\n", "--privilege-separation")
    assert Tables(http(tmp_path / "admin.sock", "/")[2]).group("process")["workers"]
    stream = Events(tmp_path / "admin.sock")
    assert stream.next() and stream.next()
    stream.close()


def test_many_requests_for_the_page_at_once(page):
    server = page()
    clients = []
    for _ in range(10):
        client = connect_to(server.admin)
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 10)
        clients.append(client)
    for client in clients[:5]:
        client.close()
    for client in clients[5:]:
        data = b""
        while data.count(b"</html>") < 10:
            piece = client.recv(65536)
            assert piece
            data += piece
        client.close()
    assert server.tables().sections


def test_the_end_of_the_daemon_ends_streams(page):
    server = page("limits: {drain: 10m}\n")
    streams = [Events(server.admin) for _ in range(3)]
    assert all(stream.next() for stream in streams)
    server.send_signal(15)
    for stream in streams:
        while stream.next():
            pass
        stream.close()
    # A stream is no request in flight that a drain waits for.
    assert server.wait() == 0


def test_pages_and_streams_while_the_daemon_ends(page):
    server = page()
    clients = [connect_to(server.admin) for _ in range(8)]
    for i, client in enumerate(clients):
        client.sendall(b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"events" if i % 2 else b"") * (1 + 9 * (i % 2 == 0)))
    server.send_signal(15)
    assert server.wait() == 0
    for client in clients:
        client.close()


# -- hostile names -------------------------------------------------------------------------------------


def smtp_lines(port, *lines):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        stream = client.makefile("rb")
        stream.readline()
        for line in lines:
            client.sendall(line.encode() + b"\r\n")
            while stream.readline()[3:4] == b"-":
                pass


def test_names_of_the_wire_are_never_markup(weir, tmp_path, site, console):  # noqa: F811
    (tmp_path / "users").write_text(f"alice:{HASH}\n")
    config = (
        "listen: [{http: '127.0.0.1:0'}, {smtp: '127.0.0.1:0'}, {submission: '127.0.0.1:0'}]\n"
        "sites: [{root: site, auth: [{path: private, users: users}]}]\nadmin: admin.sock\n"
        "guard: {first-delay: 10ms, most-delay: 10ms}\n"
        "mail: {directory: mail, users: users, domains: [example.org], relay: {host: '127.0.0.1:1', queue: queue}}\n"
    )
    (tmp_path / "weir.yaml").write_text(config)
    server = weir("-c", tmp_path / "weir.yaml")
    http_port, smtp, submission = server.ports
    for request in (
        f"GET /{EVIL} HTTP/1.1\r\nHost: {EVIL}\r\nUser-Agent: {EVIL}\r\n\r\n",
        f"{EVIL} / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /private/ HTTP/1.1\r\nHost: x\r\nAuthorization: Basic PHNjcmlwdD46eA==\r\n\r\n",
    ):
        with connect(server) as client:
            client.sendall(request.encode())
            client.recv(4096)
    smtp_lines(smtp, f"EHLO {EVIL}", f'MAIL FROM:<"{EVIL}"@example.org>', f'RCPT TO:<"{EVIL}"@example.org>', EVIL)
    # A sender in the queue.
    smtp_lines(
        submission, "EHLO x", "AUTH PLAIN AGFsaWNlAHNlY3JldA==", f'MAIL FROM:<"{EVIL}"@example.org>',
        "RCPT TO:<bob@example.net>", "DATA", "Subject: x\r\n\r\n.",
    )
    # A reload whose error has a hostile name, so that a warning has it.
    (tmp_path / "weir.yaml").write_text(config + f"'{EVIL}': 1\n")
    console("reload", code=1)
    text = http(tmp_path / "admin.sock", "/")[2]
    tables = Tables(text)
    assert tables.scripts == ["uPlot.iife.min.js", "page.js"]
    assert "<script>alert" not in text
    assert any(EVIL in row["text"] for row in tables.rows("warnings")), tables.rows("warnings")
    stream = Events(tmp_path / "admin.sock")
    assert any(EVIL in item["text"] for item in stream.next()["warnings"])
    stream.close()
