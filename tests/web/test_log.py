"""The access log: every request a line that parses, with the bytes that really went."""

import os
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

from conftest import wait_for
from wire import REQUEST, Wire, get, request

LINE = re.compile(
    r"(?P<host>[0-9.]+) - (?P<user>\S+) \[(?P<date>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000)\] "
    r'"(?P<request>[^"]*)" (?P<status>\d{3}) (?P<size>\d+) '
    r'"(?P<referer>[^"]*)" "(?P<agent>[^"]*)" (?P<seconds>\d+\.\d{3}) (?P<mark>[X+-]) '
    r'"(?P<site>[^"]*)" (?P<id>[0-9a-f]{16})'
)


@pytest.fixture
def logged(weir, site, tmp_path, hostile):
    """(server, lines): lines(count) waits until there are so many, and parses them."""
    log = tmp_path / "log"
    server = hostile(weir(site, "--workers", 1, "--access-log", log))

    def lines(count, path=log):
        # The one by which `hostile` asked comes first.
        wait_for(lambda: path.exists() and path.read_bytes().count(b"\n") >= count + 1)
        return parse(path)[1:]

    lines.path = log
    return server, lines


def parse(path):
    """Every line of a log; each must be one."""
    text = path.read_bytes()
    assert text.endswith(b"\n")
    found = []
    for line in text.decode("ascii").splitlines():
        match = LINE.fullmatch(line)
        assert match, line[:500]
        found.append(match)
    return found


def test_bytes_marks_and_statuses(logged, site):
    server, lines = logged
    (site / "f").write_bytes(bytes(100_000))
    with Wire(server) as wire:
        wire.ask(request("/f"))
        wire.ask(request("/f", method="HEAD"), "HEAD")
        wire.ask(request("/f", "Range: bytes=5-9"))
        wire.ask(request("/f", "If-None-Match: *"))
        wire.ask(request("/nothing"))
        wire.ask(request("/", "Connection: close"))
    with Wire(server) as wire:
        wire.ask(b"\0")
    found = [
        (line["request"], line["status"], line["size"], line["mark"]) for line in lines(7)
    ]
    assert found[4][2] != "0" and found[6][2] != "0"
    assert [line[:2] + line[3:] for line in found] == [
        ("GET /f HTTP/1.1", "200", "+"),
        ("HEAD /f HTTP/1.1", "200", "+"),
        ("GET /f HTTP/1.1", "206", "+"),
        ("GET /f HTTP/1.1", "304", "+"),
        ("GET /nothing HTTP/1.1", "404", "+"),
        ("GET / HTTP/1.1", "200", "-"),
        ("malformed: not a request line, or a stray CR, LF or NUL: \\x00", "400", "-"),
    ]
    assert [line[2] for line in found[:4]] == ["100000", "0", "5", "0"]


CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    "body, fault",
    [
        (b"xy\r\nabc", r"not the size of a chunk: xy"),
        (b"3 \x01\r\nabc\r\n", r"not the size of a chunk: 3 \x01"),
        (b"3\nabc\r\n", r"a line of a chunked body does not end in CRLF: 3\x0Aabc\x0D\x0A"),
        (b"3\r\nabcd\r\n", r"no CRLF behind the data of a chunk: d\x0D\x0A"),
        (b"0\r\n\xe9\"\r\n\r\n", r"not a trailer field: \xE9\x22"),
        (b"5;" + b"e" * 300 + b"\r\n", "a line of a chunked body is too long"),
    ],
)
def test_malformed_body(configured, site, tmp_path, body, fault):
    """The line of the request has the reason why its body is malformed, and the first bytes, escaped."""
    server = configured(
        f"workers: 1\naccess-log: log\nsites: [{{root: {site}, uploads: {{put: yes}}}}]\n"
    )
    log = tmp_path / "log"
    with Wire(server) as wire:
        wire.send(request("/f", CHUNKED, method="PUT", body=body))
        assert wire.reply().status == 400
    wait_for(lambda: log.exists() and log.read_bytes())
    (line,) = parse(log)
    assert line["request"] == f"PUT /f HTTP/1.1 malformed: {fault}"
    assert line["status"] == "400"


def test_body_that_is_malformed_after_the_reply(logged):
    """Nobody receives it, and the reply has left: it has a line of its own."""
    server, lines = logged
    with Wire(server) as wire:
        assert wire.ask(request("/", CHUNKED, body=b"3\r\nabc\r\n")).status == 200
        wire.send(b"x" * 100 + b"\r\n")
        assert wire.at_end()
    first, second = lines(2)
    assert first["request"] == "GET / HTTP/1.1" and first["status"] == "200"
    assert second["request"] == "malformed: not the size of a chunk: " + "x" * 64
    assert second["status"] == "400" and second["mark"] == "-"
    assert second["id"] == first["id"]


@pytest.mark.parametrize(
    "body, fault",
    [
        (b"--x\r\nnothing\r\n", "a boundary or the header of a part in a form: --x\\x0D\\x0A"),
        (b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\na", "a form without its closing boundary"),
    ],
)
def test_malformed_form(configured, site, tmp_path, body, fault):
    server = configured(
        f"workers: 1\naccess-log: log\nsites: [{{root: {site}, uploads: {{forms: yes}}}}]\n"
    )
    form = request("/", "Content-Type: multipart/form-data; boundary=x", method="POST", body=body)
    assert get_status(server, form) == 400
    log = tmp_path / "log"
    wait_for(lambda: log.exists() and log.read_bytes())
    (line,) = parse(log)
    assert line["request"].startswith(f"POST / HTTP/1.1 malformed: {fault}")


def get_status(server, asked):
    with Wire(server) as wire:
        return wire.ask(asked).status


def test_site_of_each_line(configured, site, tmp_path):
    """The name that the configuration has, whatever the client wrote."""
    server = configured(
        "workers: 1\naccess-log: log\nsites:\n"
        f"  - {{root: {site}, names: [one.test, www.one.test]}}\n"
        f"  - {{root: {site}, names: ['*.two.test']}}\n"
    )
    hosts = {
        "one.test": "one.test",
        "WWW.ONE.TEST:80": "one.test",
        "a.two.test": "*.two.test",
        "elsewhere": "one.test",
    }
    with Wire(server) as wire:
        for host in hosts:
            wire.ask(request("/", f"Host: {host}"))
        wire.ask(request("/../..", "Host: a.two.test"))
        wire.ask(request("/d", "Host: a.two.test", method="DELETE"))
        wire.send(b"\0")
        wire.rest()
    log = tmp_path / "log"
    wait_for(lambda: log.exists() and log.read_bytes().count(b"\n") == len(hosts) + 3)
    assert [line["site"] for line in parse(log)] == [*hosts.values(), "*.two.test", "*.two.test", "-"]


def test_site_without_a_name(logged):
    server, lines = logged
    get(server, "/")
    assert lines(1)[0]["site"] == "-"
def test_size_of_what_is_copied_and_of_what_is_lent(logged, site):
    server, lines = logged
    sizes = [0, 1, 256, 257, 5000]
    for size in sizes:
        (site / f"{size}").write_bytes(bytes(size))
    with Wire(server) as wire:
        for size in sizes:
            wire.ask(request(f"/{size}"))
            wire.ask(request(f"/{size}", method="HEAD"), "HEAD")
    assert [int(line["size"]) for line in lines(10)] == [n for size in sizes for n in (size, 0)]


def test_size_of_a_compressed_reply(logged, site):
    """The size is that of the compressed body, with or without the frames of chunks."""
    server, lines = logged
    (site / "f.txt").write_bytes(b"line\n" * 100_000)
    body = get(server, "/f.txt", "Accept-Encoding: gzip").body
    size = int(lines(1)[-1]["size"])
    assert len(body) <= size < len(body) + 1000


def test_who_goes_before_the_end(logged, site):
    server, lines = logged
    with open(site / "large.bin", "wb") as file:
        os.truncate(file.fileno(), 32 << 20)
    with Wire(server, window=4096) as wire:
        wire.send(request("/large.bin"))
        wire.head()
        wire.reset()
    line = lines(1)[-1]
    assert line["mark"] == "X" and 0 < int(line["size"]) < 32 << 20


@pytest.mark.parametrize(
    "value, shown",
    [
        (b'a" 200 0 "-" "x', r"a\x22 200 0 \x22-\x22 \x22x"),
        (b"back\\slash", r"back\x5Cslash"),
        (b"\xe9\xff", r"\xE9\xFF"),
        (b"tab\there", r"tab\x09here"),
        (b"", ""),
        (b"%0a%0d", "%0a%0d"),
    ],
)
def test_escaping(logged, value, shown):
    server, lines = logged
    with Wire(server) as wire:
        wire.ask(b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: %s\r\nReferer: %s\r\n\r\n" % (value, value))
    line = lines(1)[-1]
    assert line["agent"] == line["referer"] == shown


@pytest.mark.parametrize("byte", [b"\xff", b'"', b"\\", b"a"])
def test_huge_values(logged, byte):
    """Escaped they are larger than any bound: each line is whole all the same, and the next its own."""
    server, lines = logged
    for sizes in (31_000, 10), (10, 31_000), (15_500, 15_500), (4000, 4000):
        with Wire(server) as wire:
            fields = b"User-Agent: %s\r\nReferer: %s\r\n" % (byte * sizes[0], byte * sizes[1])
            assert wire.ask(b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n").status == 200
            assert wire.ask(request("/mark")).status == 404
    found = lines(8)
    assert [line["request"] for line in found] == ["GET / HTTP/1.1", "GET /mark HTTP/1.1"] * 4


def test_user(configured, site, tmp_path):
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", "secret"], capture_output=True, text=True, check=True
    ).stdout.strip()
    (tmp_path / "users").write_text(f"alice:{hashed}\n")
    server = configured(
        f"access-log: log\nsites: [{{root: {site}, auth: [{{users: users}}]}}]\n", "--workers", 1
    )
    get(server, "/", "Authorization: Basic YWxpY2U6c2VjcmV0")
    get(server, "/", "Authorization: Basic ZXZpbCAtIC0gWzpz")
    assert server.stop() == 0
    found = parse(tmp_path / "log")
    assert [(line["user"], line["status"]) for line in found] == [("alice", "200"), ("-", "401")]


def test_aborted_uploads_are_told(configured, site, tmp_path):
    server = configured(
        f"access-log: log\nsites: [{{root: {site}, uploads: {{put: yes}}}}]\n", "--workers", 1
    )
    with Wire(server) as wire:
        wire.send(request("/f", "Content-Length: 100000", method="PUT") + bytes(100))
        time.sleep(0.1)
        wire.reset()
    log = tmp_path / "log"
    wait_for(lambda: log.exists() and "PUT /f" in log.read_text(), what="the line")
    line = parse(log)[-1]
    assert line["mark"] == "X" and line["size"] == "0"


@pytest.mark.parametrize("workers", [1, 3])
def test_rotation_loses_nothing(weir, site, tmp_path, workers):
    """Renamed and SIGHUP, again and again, under load: each request has one line, in one log."""
    log = tmp_path / "log"
    server = weir(site, "--workers", workers, "--access-log", log)
    asked = [0, 0, 0, 0]
    done = threading.Event()

    def ask(n):
        with Wire(server) as wire:
            while not done.is_set():
                wire.send(b"".join(request(f"/?{n}-{asked[n] + i}") for i in range(50)))
                for _ in range(50):
                    assert wire.reply().status == 200
                asked[n] += 50

    threads = [threading.Thread(target=ask, args=[n]) for n in range(len(asked))]
    for thread in threads:
        thread.start()
    for count in range(1, 9):
        log.rename(tmp_path / f"log.{count}")
        server.send_signal(signal.SIGHUP)
        server.wait_stderr("reloaded", count)
        wait_for(log.exists, what="the new log")
        time.sleep(0.05)
    done.set()
    for thread in threads:
        thread.join()
    assert server.stop() == 0
    seen = []
    for path in tmp_path.glob("log*"):
        if path.stat().st_size:
            seen += [line["request"] for line in parse(path)]
    wanted = [f"GET /?{n}-{i} HTTP/1.1" for n, count in enumerate(asked) for i in range(count)]
    assert sorted(seen) == sorted(wanted) and min(asked) > 0


def test_log_that_nobody_reads_holds_nobody_up(weir, site, tmp_path):
    """A full pipe as the log: lines are lost and counted, but every request is answered."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    server = weir(site, "--workers", 1, "--access-log", pipe)
    before = server.memory_kb()
    agent = "User-Agent: " + "x" * 1000
    with Wire(server) as wire:
        for _ in range(60):
            wire.send(request("/", agent) * 100)
            for _ in range(100):
                assert wire.reply().text == "hello"
    assert server.memory_kb() - before < 16 << 10
    os.set_blocking(reader, True)
    server.send_signal(signal.SIGTERM)
    text = b""
    while data := os.read(reader, 1 << 20):
        text += data
    os.close(reader)
    assert server.wait() == 0
    told = re.findall(rb"^# (\d+) lines were lost here", text, re.M)
    lost = sum(map(int, told))
    whole = [line for line in text.split(b"\n") if LINE.fullmatch(line.decode())]
    assert len(whole) + lost == 6000, (len(whole), lost)


def test_full_disk(weir, site, tmp_path):
    """/dev/full takes nothing: requests are answered all the same."""
    server = weir(site, "--workers", 1, "--access-log", "/dev/full")
    with Wire(server) as wire:
        for _ in range(20):
            wire.send(REQUEST * 100)
            for _ in range(100):
                assert wire.reply().text == "hello"


@pytest.mark.skipif(not shutil.which("ab"), reason="no ab")
def test_high_rate(weir, site, tmp_path):
    log = tmp_path / "log"
    server = weir(site, "--access-log", log)
    result = subprocess.run(
        ["ab", "-q", "-k", "-c", "16", "-n", "20000", server.url],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Failed requests:        0" in result.stdout, result.stdout + result.stderr
    assert server.stop() == 0
    assert len(parse(log)) == 20000
