"""weir fetch: what it prints and writes, and how it ends, with good servers and with hostile ones."""

import os
import signal
import ssl
import subprocess
import time

import pytest

from certificates import Authority, make_certificate
from conftest import wait_for
from fake_http import Fake, fake, read_body, read_request, replying  # noqa: F401
from ports import free_port

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def test_prints_the_body(run, weir, site):
    server = weir(site)
    result = run("fetch", server.url)
    assert (result.returncode, result.stdout, result.stderr) == (0, "hello", "")


def test_writes_a_file(run, weir, site, tmp_path):
    content = os.urandom(3_000_000)
    (site / "large").write_bytes(content)
    server = weir(site)
    os.umask(os.umask(0o027))
    assert run("fetch", "-o", "copy", server.url + "large").returncode == 0
    assert (tmp_path / "copy").read_bytes() == content
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o666 & ~mask
    # It replaces another file, and what is no file is written in place.
    assert run("fetch", "--output", "copy", server.url).returncode == 0
    assert (tmp_path / "copy").read_bytes() == b"hello"
    assert run("fetch", "-o", "/dev/null", server.url).returncode == 0
    assert os.path.exists("/dev/null") and not os.path.isfile("/dev/null")
    assert sorted(os.listdir(tmp_path)) == ["copy", "site"]


def test_an_error_is_no_file(run, weir, site, tmp_path):
    server = weir(site)
    result = run("fetch", "-o", "copy", server.url + "none")
    assert result.returncode == 1
    assert result.stderr == f"weir: {server.url}none: the server replied with status 404\n"
    result = run("fetch", server.url + "none")
    assert result.returncode == 1
    assert "404" in result.stdout
    assert not (tmp_path / "copy").exists()


def test_heads(run, weir, site):
    server = weir(site)
    result = run("fetch", "-I", server.url)
    assert result.returncode == 0
    assert result.stdout.startswith("HTTP/1.1 200 OK\n")
    assert "\nContent-Length: 5\n" in result.stdout and result.stdout.endswith("\n\n")
    result = run("fetch", "-i", server.url)
    assert result.stdout.startswith("HTTP/1.1 200 OK\n") and result.stdout.endswith("\n\nhello")


def test_the_request(run, fake):
    server = fake(replying(OK))
    result = run("fetch", "-H", "X-One: 1", "-H", "host: example.org", "-X", "DELETE", server.url + "/a?b")
    assert result.returncode == 0
    lines = server.requests[0].decode().split("\r\n")
    assert lines[0] == "DELETE /a?b HTTP/1.1"
    assert "Host: example.org" in lines and "X-One: 1" in lines and "Accept: */*" in lines
    assert any(line.startswith("User-Agent: weir/") for line in lines)
    run("fetch", "-H", "User-Agent: me", server.url)
    assert b"User-Agent: me\r\n" in server.requests[1] and b"weir/" not in server.requests[1]


@pytest.mark.parametrize("data, given, expected, framing", [
    ("text", None, b"text", b"Content-Length: 4\r\n"),
    ("@body", None, b"x" * 300_000, b"Content-Length: 300000\r\n"),
    ("@-", b"y" * 300_000, b"y" * 300_000, b"Transfer-Encoding: chunked\r\n"),
    ("", None, b"", b"Content-Length: 0\r\n"),
], ids=["text", "file", "stdin", "empty"])
def test_bodies(weir_program, fake, tmp_path, data, given, expected, framing):
    (tmp_path / "body").write_bytes(b"x" * 300_000)
    bodies = []

    def handle(connection, requests):
        requests.append(read_request(connection))
        bodies.append(read_body(connection, requests[-1]))
        connection.sendall(OK)

    server = fake(handle)
    command = [weir_program, "fetch", "-d", data, server.url]
    result = subprocess.run(command, input=given, capture_output=True, cwd=tmp_path, timeout=60)
    assert (result.returncode, result.stdout) == (0, b"hello"), result.stderr
    assert server.requests[0].startswith(b"POST / HTTP/1.1\r\n") and framing in server.requests[0]
    assert bodies == [expected]


def test_follows_redirects(run, fake):
    other = fake(replying(OK))
    location = f"{other.url}/b".encode()
    redirect = b"HTTP/1.1 302 Found\r\nContent-Length: 2\r\nLocation: " + location + b"\r\n\r\nxx"
    server = fake(replying(redirect))
    result = run("fetch", "-L", "-H", "Authorization: Basic YTpi", server.url)
    assert (result.returncode, result.stdout) == (0, "hello"), result.stderr
    assert b"Authorization" in server.requests[0] and b"Authorization" not in other.requests[0]
    result = run("fetch", server.url)
    assert (result.returncode, result.stdout) == (0, "xx")
    assert f"302 leads to {other.url}/b; --follow goes there" in result.stderr


def test_ends_a_circle_of_redirects(run, fake):
    redirect = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /\r\n\r\n"
    server = fake(replying(*[redirect] * 20))
    result = run("fetch", "-L", server.url)
    assert result.returncode == 0 and "it is not followed" in result.stderr
    assert len(server.requests) == 11


def test_a_unix_socket(run, fake, tmp_path):
    server = fake(replying(OK), path=tmp_path / "socket")
    result = run("fetch", "--unix-socket", "socket", "http://example.org/x")
    assert (result.returncode, result.stdout) == (0, "hello"), result.stderr
    assert b"Host: example.org\r\n" in server.requests[0]


def test_servers_that_are_not_there(run):
    port = free_port()
    result = run("fetch", f"http://127.0.0.1:{port}/")
    assert result.returncode == 1
    assert result.stderr == f"weir: http://127.0.0.1:{port}/: Connection refused; is the server running?\n"
    result = run("fetch", "http://nowhere.invalid/")
    assert result.returncode == 1
    assert result.stderr == "weir: http://nowhere.invalid/: no such name; check the name in the URL\n"


@pytest.mark.parametrize("arguments, message", [
    ([], "a URL is missing"),
    (["http://a/", "http://b/"], "one URL at a time, without 'http://b/'"),
    (["ftp://a/"], "the URL, method or a field is malformed"),
    (["http://a b/"], "the URL, method or a field is malformed"),
    (["-H", "nothing", "http://a/"], "'nothing' is no field such as"),
    (["-H", "A: b\r\nC: d", "http://a/"], "the URL, method or a field is malformed"),
    (["-H", "Content-Length: 5", "http://a/"], "cannot be sent"),
    (["-X", "CONNECT", "http://a/"], "cannot be sent"),
    (["--timeout", "soon", "http://a/"], "--timeout must be a duration"),
    (["--ca", "x", "-k", "http://a/"], "give --ca or --insecure, not both"),
    (["--none", "http://a/"], "--none"),
])
def test_refuses(run, arguments, message):
    result = run("fetch", *arguments)
    assert result.returncode == 2
    assert message in result.stderr and "weir fetch --help" in result.stderr


def test_files_that_cannot_be_used(run, fake, tmp_path):
    server = fake(replying(OK))
    result = run("fetch", "-o", "none/copy", server.url)
    assert result.returncode == 1 and "none/copy: No such file" in result.stderr
    result = run("fetch", "-o", ".", server.url)
    assert result.returncode == 1 and ".: Is a directory" in result.stderr
    result = run("fetch", "-d", "@none", server.url)
    assert result.returncode == 1 and "none: No such file" in result.stderr
    result = run("fetch", "--ca", "none", "https://127.0.0.1/")
    assert result.returncode == 1 and "none: " in result.stderr


def test_the_reader_of_a_pipe_ends(weir_program, weir, site):
    (site / "large").write_bytes(b"x" * 20_000_000)
    url = weir(site).url + "large"
    result = subprocess.run(
        ["sh", "-c", '"$1" fetch "$2" | head -c 5', "sh", weir_program, url],
        capture_output=True,
        timeout=60,
    )
    assert (result.stdout, result.stderr) == (b"xxxxx", b"")


def test_a_signal_leaves_no_file(weir_program, fake, tmp_path):
    server = fake(replying(HEAD + b"Content-Length: 9\r\n\r\nhello", hold=True))
    process = subprocess.Popen([weir_program, "fetch", "-o", "copy", server.url], cwd=tmp_path)
    wait_for(lambda: any(os.scandir(tmp_path)), what="a file")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == -signal.SIGTERM
    assert os.listdir(tmp_path) == []


# -- hostile servers ------------------------------------------------------------------------------


@pytest.mark.parametrize("reply, reason", [
    (b"", "the connection ended before the reply did"),
    (b"hello\r\n\r\n", "malformed status line"),
    (b"HTTP/1.1 OK\r\n\r\n", "malformed status line"),
    (b"HTTP/2 200 OK\r\n\r\n", "malformed status line"),
    (b"\r\n" + OK, "malformed status line"),
    (HEAD + b"Content-Length: 5\r\nContent-Length: 4\r\n\r\nhello", "more than one Content-Length"),
    (HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello", "both Content-Length"),
    (HEAD + b"Content-Length: 5, 5\r\n\r\nhello", "malformed or misplaced Content-Length"),
    (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding"),
    (b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding"),
    (b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "does not end in CRLF"),
    (HEAD + b"A: b\r\n c\r\nContent-Length: 5\r\n\r\nhello", "continued on a second line"),
    (HEAD + b"A b\r\n\r\n", "malformed field"),
    (HEAD + b"Content-Length: 6\r\n\r\nhello", "ended before the reply did"),
    (CHUNKED + b"5\r\nhello\r\n", "ended before the reply did"),
    (CHUNKED + b"5\nhello\n0\n\n", "malformed chunk"),
    (CHUNKED + b"4\r\nhello\r\n0\r\n\r\n", "malformed chunk"),
    (CHUNKED + b"5;a\nb\r\nhello\r\n0\r\n\r\n", "malformed chunk"),
    (CHUNKED + b"0\r\nA\r\n\r\n", "malformed trailer field"),
    (b"HTTP/1.1 101 Up\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", "unexpected interim reply"),
    (b"HTTP/1.1 100 Continue\r\n\r\n" * 1000 + OK, "unexpected interim reply"),
    (HEAD + b"X: " + b"y" * 1_000_000 + b"\r\n\r\n", "the head is too large"),
    (HEAD + b"X: y\r\n" * 1000 + b"\r\n", "the head is too large"),
], ids=lambda value: repr(value[-40:]) if isinstance(value, bytes) else "")
def test_malformed_replies(run, fake, tmp_path, reply, reason):
    server = fake(replying(reply))
    result = run("fetch", "-o", "copy", server.url)
    assert result.returncode == 1
    assert reason in result.stderr, result.stderr
    assert not (tmp_path / "copy").exists()


def test_bytes_behind_a_reply_are_no_part_of_it(run, fake):
    server = fake(replying(OK + b"world" + OK))
    result = run("fetch", server.url)
    assert (result.returncode, result.stdout) == (0, "hello")


def test_a_close_at_each_byte(weir_program, fake):
    reply = CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"
    left = list(range(len(reply)))

    def handle(connection, requests):
        requests.append(read_request(connection))
        connection.sendall(reply[: left.pop(0)])

    server = fake(handle)
    processes = []
    while left:
        command = [weir_program, "fetch", server.url]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert result.returncode == 1 and result.stdout in "hello"
        assert "ended before the reply did" in result.stderr
        processes.append(result)
    assert len(processes) == len(reply)


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 2", HEAD + b"Content-Length: 9\r\n\r\nhello"])
def test_a_server_that_stops(run, fake, start):
    server = fake(replying(start, hold=True))
    result = run("fetch", "--timeout", "300ms", server.url)
    assert result.returncode == 1
    assert "Connection timed out; --timeout TIME waits longer" in result.stderr


def test_a_slow_reader_is_not_the_fault_of_the_server(weir_program, weir, site):
    (site / "large").write_bytes(b"x" * 20_000_000)
    url = weir(site).url + "large"
    process = subprocess.Popen(
        [weir_program, "fetch", "--timeout", "500ms", url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )
    assert process.stdout.read(1) == b"x"
    time.sleep(1.5)  # it writes into a full pipe
    out, err = process.communicate(timeout=60)
    assert (process.returncode, len(out), err) == (0, 20_000_000 - 1, b"")


# -- TLS ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def tls_server(fake, chain, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return fake(replying(OK), context=context)


def test_a_trusted_server(run, fake, authority):
    server = tls_server(fake, *authority.sign("localhost", ["localhost", "127.0.0.1"]))
    for url in server.url, server.url.replace("127.0.0.1", "localhost"):
        result = run("fetch", "--ca", authority.path, url)
        assert (result.returncode, result.stdout) == (0, "hello"), result.stderr


def test_the_wrong_name(run, fake, authority):
    server = tls_server(fake, *authority.sign("other.example"))
    result = run("fetch", "--ca", authority.path, server.url.replace("127.0.0.1", "localhost"))
    assert (result.returncode, result.stdout) == (1, "")
    assert "ostname mismatch" in result.stderr and "--insecure" in result.stderr
    assert server.requests == []
    result = run("fetch", "--insecure", server.url)
    assert (result.returncode, result.stdout) == (0, "hello"), result.stderr


def test_an_unknown_authority(run, fake, tmp_path, authority):
    certificate = make_certificate(tmp_path)
    server = tls_server(fake, *certificate)
    for options in [], ["--ca", authority.path]:
        result = run("fetch", *options, server.url)
        assert (result.returncode, result.stdout) == (1, "")
        assert "certificate" in result.stderr and "--ca FILE" in result.stderr
    assert run("fetch", "--ca", certificate[0], server.url).stdout == "hello"


def test_no_tls(run, fake):
    def handle(connection, _):
        connection.recv(100)
        connection.sendall(OK)

    result = run("fetch", fake(handle).url.replace("http", "https"))
    assert result.returncode == 1 and "does the server speak TLS on this port?" in result.stderr
