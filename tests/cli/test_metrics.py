"""The admin listener's HTTP: /metrics in both formats, /status, who may read them, and what slow and
hostile readers cost; `weir status` and `weir top`."""

import json
import poplib
import re
import smtplib
import socket
import subprocess
import threading
import time

import pytest

from conftest import wait_for
from ports import free_port as any_free_port
from test_admin import administered, connect_to, console  # noqa: F401 (fixtures)
from test_guard import HASH

TOKEN = "0123456789abcdef0123456789abcdef"
LINE = re.compile(r'^([a-z_][a-z0-9_]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*)\})? (-?[0-9.]+|[+-]Inf|NaN)$')


def http(path, target, *fields, method="GET"):
    """Asks over the Unix socket, and returns status, head and body."""
    with connect_to(path) as client:
        head = f"{method} {target} HTTP/1.0\r\nHost: x\r\n" + "".join(f + "\r\n" for f in fields)
        client.sendall((head + "\r\n").encode())
        data = b""
        while piece := client.recv(65536):
            data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode(), body.decode()


def samples(text):
    """The samples by name and labels; asserts that the text is well-formed and grouped."""
    values, types, seen, last = {}, {}, [], None
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert name not in types, name
            types[name] = kind
            last = name
            continue
        if line.startswith("#"):
            continue
        found = LINE.match(line)
        assert found, line
        name, labels, value = found.groups()
        assert name.startswith(last), (name, last)
        key = (name, labels or "")
        assert key not in values, key
        values[key] = float(value)
        seen.append(name)
    return values, types


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


@pytest.fixture
def measured(administered, tmp_path):  # noqa: F811
    """measured(text) serves with an admin socket; the result's metrics() are its samples."""

    def start(text="", workers=2):
        server = administered(text, workers)
        server.metrics = lambda: samples(http(tmp_path / "admin.sock", "/metrics")[2])[0]
        return server

    return start


def at_address(configured, tmp_path, free_port, text="admin-token: token\n"):
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    return configured(f'sites: [{{root: site}}]\nadmin: "127.0.0.1:{free_port}"\n{text}')


@pytest.fixture
def free_port():
    return any_free_port()


def ask(port, *fields, target="/metrics"):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        head = f"GET {target} HTTP/1.0\r\n" + "".join(f + "\r\n" for f in fields)
        client.sendall((head + "\r\n").encode())
        data = b""
        while piece := client.recv(65536):
            data += piece
    return int(data.split()[1]), data.decode()


# -- what is counted -----------------------------------------------------------------------------------


def until(measure, expected):
    """Returns the samples once they have the `expected` values: a reply is counted after it is sent."""
    values = {}

    def reached():
        values.clear()
        values.update(measure())
        return all(values.get(key) == value for key, value in expected.items())

    try:
        wait_for(reached)
    except pytest.fail.Exception:
        assert {key: values.get(key) for key in expected} == expected
    return values


def test_requests_are_counted_by_method_and_result(measured):
    server = measured()
    for _ in range(3):
        server.get("/")
    server.get("/nothing")
    server.request("DELETE", "/nothing")
    key = "weir_http_requests_total"
    values = until(
        server.metrics,
        {
            (key, 'site="-",method="GET",result="2xx"'): 3,
            (key, 'site="-",method="GET",result="4xx"'): 1,
            (key, 'site="-",method="DELETE",result="4xx"'): 1,
        },
    )
    assert values["weir_http_request_duration_seconds_count", 'site="-"'] >= 5
    assert values["weir_http_sent_bytes_total", 'site="-"'] > 0
    listeners = {k[1]: v for k, v in values.items() if k[0] == "weir_listener_requests_total"}
    assert sum(v for k, v in listeners.items() if 'listener="http"' in k) == 5


def test_scrapes_count_apart_from_requests(measured):
    server = measured()
    server.get("/")
    for _ in range(3):
        server.metrics()
    values = until(
        server.metrics, {("weir_http_requests_total", 'site="-",method="GET",result="2xx"'): 1}
    )
    assert values["weir_http_requests_total", 'site="admin",method="GET",result="2xx"'] >= 3


def test_a_client_that_leaves_is_counted_as_gone(measured, site):
    with open(site / "large", "wb") as file:
        file.truncate(200 * 1024 * 1024)
    server = measured()
    with connect(server) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        client.recv(1000)
    key = ("weir_http_requests_total", 'site="-",method="GET",result="gone"')
    wait_for(lambda: server.metrics().get(key) == 1, what="the client to be counted")


def test_names_of_the_wire_never_become_labels(measured, tmp_path):
    server = measured()
    before = len(server.metrics())
    for i in range(30):
        with connect(server) as client:
            client.sendall(
                f'M{i}\x22 /{i}"}} HTTP/1.1\r\nHost: host{i}.example.org\r\nX-{i}: y\r\n\r\n'.encode()
            )
            client.recv(4096)
        with connect(server) as client:
            client.sendall(
                f"VERB{i} /p{i} HTTP/1.1\r\nHost: host{i}.example.org\r\n\r\n".encode()
            )
            client.recv(4096)
    key = ("weir_http_requests_total", 'site="-",method="other",result="4xx"')
    wait_for(lambda: server.metrics().get(key, 0) >= 30, what="all requests to be counted")
    status, _, text = http(tmp_path / "admin.sock", "/metrics")
    assert status == 200 and "host1" not in text and "VERB" not in text and "/p1" not in text
    assert len(samples(text)[0]) <= before + 8


def test_counters_survive_a_reload(measured, console):  # noqa: F811
    server = measured()
    server.get("/")
    assert console("reload") == []
    server.get("/")
    until(
        server.metrics, {("weir_http_requests_total", 'site="-",method="GET",result="2xx"'): 2}
    )


def test_wrong_passwords_are_counted(measured):
    from test_admin import ask_private

    server = measured()
    assert ask_private(server, "alice", "wrong") == 401
    values = until(server.metrics, {("weir_guard_failed_total", ""): 1})
    assert values["weir_work_tasks_total", 'lane="password"'] >= 1


def test_every_protocol_is_counted(weir, tmp_path, site):
    (tmp_path / "users").write_text(f"alice:{HASH}\n")
    (tmp_path / "zone").write_text("@ 60 SOA ns. h. 77 1 1 1 1\n@ 60 NS ns.example.net.\n")
    (tmp_path / "weir.yaml").write_text(
        "listen:\n  - smtp: '127.0.0.1:0'\n  - pop3: '127.0.0.1:0'\n  - ftp: '127.0.0.1:0'\n"
        "  - dns: '127.0.0.1:0'\n  - submission: '127.0.0.1:0'\n"
        "admin: admin.sock\n"
        "mail: {directory: mail, users: users, domains: [example.org]}\n"
        "ftp: {root: site, users: users}\n"
        "dns: {zones: [{name: example.org, file: zone}]}\n"
    )
    server = weir("-c", tmp_path / "weir.yaml")
    smtp, pop3, ftp, dns, submission = server.ports
    for port, lines in (smtp, ["EHLO x", "FOO", "QUIT"]), (pop3, ["CAPA", "STAT", "QUIT"]), (
        ftp,
        ["FEAT", "LIST", "QUIT"],
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            stream = client.makefile("rb")
            stream.readline()
            for line in lines:
                client.sendall(line.encode() + b"\r\n")
                time.sleep(0.1)
            stream.read()
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(30)
        query = b"\0\7\0\0\0\1\0\0\0\0\0\0\7example\3org\0\0\6\0\1"
        client.sendto(query, ("127.0.0.1", dns))
        client.recv(512)
    expected = {
        ("weir_smtp_replies_total", 'listener="smtp",code="5xx"'): 1,
        ("weir_dns_queries_total", 'listener="dns",type="SOA",rcode="NOERROR"'): 1,
        ("weir_dns_query_duration_seconds_count", 'listener="dns"'): 1,
        ("weir_zone_serial", 'zone="example.org."'): 77,
        ("weir_zone_available", 'zone="example.org."'): 1,
        (
            "weir_listener_connections_total",
            f'listener="submission",address="127.0.0.1:{submission}"',
        ): 0,
    }
    for protocol, command, result in [
        ("smtp", "EHLO", "accepted"),
        ("smtp", "unknown", "refused"),
        ("pop3", "CAPA", "accepted"),
        ("pop3", "STAT", "refused"),
        ("ftp", "FEAT", "accepted"),
        ("ftp", "LIST", "refused"),
    ]:
        labels = f'listener="{protocol}",command="{command}",result="{result}"'
        expected[f"weir_{protocol}_commands_total", labels] = 1
    until(lambda: samples(http(tmp_path / "admin.sock", "/metrics")[2])[0], expected)


def test_messages_and_sessions_have_durations(weir, tmp_path, site):
    (tmp_path / "users").write_text(f"alice:{HASH}\n")
    (tmp_path / "weir.yaml").write_text(
        "listen:\n  - smtp: '127.0.0.1:0'\n  - pop3: '127.0.0.1:0'\n"
        "admin: admin.sock\n"
        "mail: {directory: mail, users: users, domains: [example.org]}\n"
    )
    smtp, pop3 = weir("-c", tmp_path / "weir.yaml").ports
    for _ in range(2):
        with smtplib.SMTP("127.0.0.1", smtp, timeout=30) as client:
            client.sendmail("bob@example.net", ["alice@example.org"], "Subject: x\n\nx\n")
    session = poplib.POP3("127.0.0.1", pop3, timeout=30)
    session.user("alice")
    session.pass_("secret")
    assert session.stat()[0] == 2
    session.quit()
    expected = {
        ("weir_smtp_message_duration_seconds_count", 'listener="smtp"'): 2,
        ("weir_pop3_session_duration_seconds_count", 'listener="pop3"'): 1,
    }
    until(lambda: samples(http(tmp_path / "admin.sock", "/metrics")[2])[0], expected)


# -- the formats ---------------------------------------------------------------------------------------


def test_both_formats_by_accept(measured, tmp_path):
    measured()
    status, head, text = http(tmp_path / "admin.sock", "/metrics")
    assert status == 200 and "text/plain; version=0.0.4" in head
    assert not text.endswith("# EOF\n")
    values, types = samples(text)
    assert types["weir_http_requests_total"] == "counter"
    accept = "Accept: application/openmetrics-text; version=1.0.0"
    status, head, text = http(tmp_path / "admin.sock", "/metrics", accept)
    assert status == 200 and "application/openmetrics-text; version=1.0.0" in head
    assert text.endswith("# EOF\n")
    values, types = samples(text)
    assert types["weir_http_requests"] == "counter"
    assert types["weir_http_request_duration_seconds"] == "histogram"
    buckets = [
        v for k, v in values.items() if k[0] == "weir_http_request_duration_seconds_bucket"
    ]
    assert buckets == sorted(buckets)


def test_a_client_library_reads_the_text(measured, tmp_path):
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    measured()
    accept = "Accept: application/openmetrics-text"
    text = http(tmp_path / "admin.sock", "/metrics", accept)[2]
    names = {family.name for family in parser.text_string_to_metric_families(text)}
    assert {"weir_http_requests", "weir_loop_turn_seconds", "weir_build"} & names


def test_only_reading_is_allowed(measured, tmp_path):
    measured()
    status, head, _ = http(tmp_path / "admin.sock", "/metrics", method="POST")
    assert status == 405 and "Allow:" in head
    assert http(tmp_path / "admin.sock", "/metrics", method="HEAD")[2] == ""
    assert http(tmp_path / "admin.sock", "/none")[0] == 404
    assert http(tmp_path / "admin.sock", "/metrics/../status")[0] == 200


# -- access ------------------------------------------------------------------------------------------


def test_an_address_needs_the_token(configured, tmp_path, site, free_port):
    at_address(configured, tmp_path, free_port)
    assert ask(free_port)[0] == 401
    for wrong in TOKEN[:-1], TOKEN + "x", "", "0" * len(TOKEN):
        assert ask(free_port, f"Authorization: Bearer {wrong}")[0] == 401
    assert ask(free_port, f"Authorization: Basic {TOKEN}")[0] == 401
    status, text = ask(free_port, f"Authorization: bearer {TOKEN}")
    assert status == 200 and "weir_build_info" in text
    for target in "/", "/status", "/status.json", "/anything":
        assert ask(free_port, target=target)[0] == 401


def test_an_address_takes_names_and_passwords(configured, tmp_path, site, free_port):
    import base64

    (tmp_path / "users").write_text(f"alice:{HASH}\n")
    at_address(
        configured, tmp_path, free_port, "admin-token: token\nadmin-users: users\n"
        "guard: {first-delay: 10ms, most-delay: 10ms}\n",
    )
    status, text = ask(free_port)
    assert status == 401 and "Basic realm" in text
    good = base64.b64encode(b"alice:secret").decode()
    bad = base64.b64encode(b"alice:wrong").decode()
    assert ask(free_port, f"Authorization: Basic {bad}")[0] == 401
    assert ask(free_port, f"Authorization: Bearer {TOKEN}")[0] == 200
    assert ask(free_port, f"Authorization: Basic {good}")[0] == 200


@pytest.mark.parametrize(
    "text, message",
    [
        ('admin: "127.0.0.1:1"\n', "needs 'admin-token' or 'admin-users'"),
        ('admin: "127.0.0.1:1"\nadmin-token: short\n', "32 to 512 characters"),
        ('admin: "127.0.0.1:1"\nadmin-token: none\n', "none: "),
        ("admin: [a.sock, b.sock]\n", "two paths"),
        ('admin: ["127.0.0.1:1", "127.0.0.1:2"]\nadmin-token: token\n', "two addresses"),
        ("admin-token: token\n", "it needs 'admin'"),
    ],
)
def test_check_finds_what_is_wrong(run, tmp_path, site, text, message):
    (tmp_path / "short").write_text("abc\n")
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "weir.yaml").write_text(f"sites: [{{root: site}}]\n{text}")
    result = run("check", "weir.yaml")
    assert result.returncode == 1 and message in result.stderr


def test_an_address_on_the_command_line_needs_a_configuration(run, site):
    result = run("serve", "site", "--admin", "127.0.0.1:1")
    assert result.returncode != 0 and "admin-token" in result.stderr


def test_metrics_are_on_no_site(measured):
    server = measured()
    assert server.get("/metrics").status == 404
    assert server.get("/status.json").status == 404


def test_a_path_and_an_address_together(configured, console, tmp_path, site, free_port):  # noqa: F811
    (tmp_path / "token").write_text(TOKEN)
    server = configured(
        f'sites: [{{root: site}}]\nadmin: [admin.sock, "127.0.0.1:{free_port}"]\n'
        "admin-token: token\n"
    )
    assert "weir_build_info" in ask(free_port, f"Authorization: Bearer {TOKEN}")[1]
    assert console("connections") == ["0 connections"]
    # A reload takes a new token, and ends the listener that is gone.
    (tmp_path / "token").write_text("f" * 40)
    assert console("reload") == []
    assert ask(free_port, f"Authorization: Bearer {TOKEN}")[0] == 401
    assert ask(free_port, f"Authorization: Bearer {'f' * 40}")[0] == 200
    (tmp_path / "weir.yaml").write_text(
        f"listen: [{{http: '127.0.0.1:0'}}]\nsites: [{{root: site}}]\nadmin: admin.sock\n"
    )
    assert console("reload") == []
    with pytest.raises((ConnectionRefusedError, ConnectionResetError)):
        ask(free_port)
    assert server.process.poll() is None


# -- slow and hostile readers --------------------------------------------------------------------------


def test_slow_and_vanished_readers_cost_nothing(measured, tmp_path, console):  # noqa: F811
    server = measured()
    clients = []
    for _ in range(10):
        client = connect_to(tmp_path / "admin.sock")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        clients.append(client)
    for client in clients[:5]:
        client.close()
    begun = time.monotonic()
    assert server.get("/").status == 200
    assert server.metrics()
    assert console("connections")[-1].endswith("connections")
    assert time.monotonic() - begun < 50  # a reader that stops has 60 s
    for client in clients[5:]:
        client.close()
    wait_for(
        lambda: server.metrics()["weir_listener_open_connections", 'listener="admin",address="-"'] <= 1,
        what="the readers to be gone",
    )


@pytest.mark.parametrize(
    "data",
    [
        b"GET",
        b"G\n",
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 100000,
        b"\x00\xff\n",
        b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    ],
)
def test_bad_input_on_the_socket(measured, tmp_path, console, data):  # noqa: F811
    server = measured()
    with connect_to(tmp_path / "admin.sock") as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        try:
            while client.recv(65536):
                pass
        except ConnectionResetError:
            pass
    assert console("guard", "list") == ["0 networks with wrong passwords"]
    assert server.metrics()


def test_a_scrape_while_the_daemon_ends(measured, tmp_path):
    server = measured()
    stop = threading.Event()

    def scrape():
        while not stop.is_set():
            try:
                http(tmp_path / "admin.sock", "/metrics")
            except (OSError, IndexError, ValueError):
                pass

    threads = [threading.Thread(target=scrape) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    server.send_signal(15)
    assert server.wait() == 0
    stop.set()
    for thread in threads:
        thread.join()


# -- status and top ------------------------------------------------------------------------------------


def verb(weir_program, tmp_path, *words, code=0):
    result = subprocess.run(
        [str(weir_program), *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert result.returncode == code, result.stderr
    return result.stdout


def test_status_as_text_and_json(measured, weir_program, tmp_path):
    server = measured()
    server.get("/")

    def status():
        return verb(weir_program, tmp_path, "status", "-c", "weir.yaml")

    wait_for(lambda: re.search(r"^  2xx +1$", status(), re.M), what="the request to be counted")
    text = status()
    assert re.search(r"^process\n  version +\d", text, re.M)
    assert re.search(r"^  listener http, address 127.0.0.1:\d+, open \d+, accepted 1, requests 1", text, re.M)
    assert re.search(r"^  2xx +1$", text, re.M)
    page = json.loads(verb(weir_program, tmp_path, "status", "-c", "weir.yaml", "--json"))
    assert page["http"]["2xx"] == 1 and page["process"]["workers"] == 2
    status, head, body = http(tmp_path / "admin.sock", "/status.json")
    assert status == 200 and "application/json" in head
    assert json.loads(body)["http"]["2xx"] >= 1
    assert "process\n" in http(tmp_path / "admin.sock", "/status")[2]


def test_status_without_a_daemon(run, tmp_path, site):
    (tmp_path / "weir.yaml").write_text("sites: [{root: site}]\nadmin: admin.sock\n")
    result = run("status", "-c", "weir.yaml")
    assert result.returncode == 1 and "is the daemon running?" in result.stderr
    assert run("status", "-c", "weir.yaml", "x").returncode == 2
    assert run("status", "-c", "a", "--admin", "b").returncode == 2
    assert run("top", "--sort", "size").returncode == 2


def test_top_shows_those_that_lead(measured, weir_program, tmp_path, console):  # noqa: F811
    server = measured()
    idle = [connect(server) for _ in range(40)]
    busy = connect(server)
    busy.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
    busy.recv(100)
    half = connect(server)
    half.sendall(b"GET / HT")

    def lines(order):
        text = verb(weir_program, tmp_path, "top", "-c", "weir.yaml", "--sort", order, "--once")
        return text.splitlines()

    wait_for(lambda: lines("quiet")[0] == "42 connections, by quiet", what="all connections")
    first = lines("sent")
    assert first[1].split()[:3] == ["ID", "LISTENER", "PEER"]
    assert str(busy.getsockname()[1]) in first[2]
    assert any("rest of request" in line for line in lines("quiet"))
    assert any("a request" in line for line in lines("quiet"))
    shown = console("top", "quiet", "5")
    assert len(shown) == 7
    since = [float(re.search(r"(\d+\.\d) s", line)[1]) for line in shown[2:]]
    assert since == sorted(since, reverse=True)
    assert "is not an order" in console("top", "size", code=1)[0]
    assert "is not a number" in console("top", "quiet", "0", code=1)[0]
    assert "is not a number" in console("top", "quiet", "501", code=1)[0]
    for client in idle + [busy, half]:
        client.close()
