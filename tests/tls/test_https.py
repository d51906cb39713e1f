"""HTTP over TLS with curl and Python: everything that works in clear works here, and the ends of
connections are distinguished."""

import hashlib
import re
import signal
import ssl
import subprocess
import time

import pytest

from conftest import wait_for
from secure import Secured, authority, configuration, connect, context_for, fetch, pairs, secure
from wire import Wire, is_sanitized, request

LARGE = 24 * 1024 * 1024
DRAINED = 3 * 1024 * 1024  # through a window of 4 KB: more than 0.2 s, much less than the time for draining


def curl(server, authority, path, *arguments, name="a.example"):
    """(output, error output) of a curl that succeeded."""
    result = subprocess.run(
        [
            *["curl", "-sS", "--fail", "--cacert", str(authority.path), "--max-time", "60"],
            *["--resolve", f"{name}:{server.port}:127.0.0.1", *map(str, arguments)],
            f"https://{name}:{server.port}{path}",
        ],
        capture_output=True,
        timeout=90,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout, result.stderr.decode()


@pytest.fixture
def large(site):
    """(path, bytes) of a file that is many records."""
    data = hashlib.shake_128(b"large").digest(LARGE)
    (site / "large.bin").write_bytes(data)
    return "/large.bin", data


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_get(secure, authority, large, version):
    server = secure()
    path, data = large
    options = ["--tls-max", version, f"--tlsv{version}"]
    assert curl(server, authority, "/", *options)[0] == b"hello"
    assert curl(server, authority, path, *options)[0] == data
    assert curl(server, authority, path, "-r", "1000000-9000000", *options)[0] == data[1000000:9000001]


def test_one_connection_for_many(secure, authority):
    url = "/index.html?[1-50]"
    out, log = curl(secure(), authority, url, "-v")
    assert out == b"hello" * 50
    assert log.count("SSL connection using TLSv1.3") == 1
    assert log.count("Re-using existing connection") == 49


def test_compressed(secure, authority, site):
    (site / "page.html").write_text("all work and no play " * 50000)
    server = secure()
    assert curl(server, authority, "/page.html", "--compressed")[0].count(b"work") == 50000


def test_put(secure, authority, site, large):
    server = secure(sites="sites: [{root: site, uploads: {put: yes}}]\n")
    _, data = large
    curl(server, authority, "/new.bin", "-T", site / "large.bin")
    assert (site / "new.bin").read_bytes() == data
    curl(server, authority, "/other.bin", "-T", site / "large.bin", "-H", "Expect: 100-continue")
    assert (site / "other.bin").read_bytes() == data


def test_pipelining(secure, authority):
    """A thousand requests in few records; replies in order, as they are."""
    with Secured(secure(), authority) as client:
        client.send(request("/index.html") * 1000)
        assert [client.reply().text for _ in range(1000)] == ["hello"] * 1000


def test_small_writes(secure, authority):
    """A record for each byte."""
    with Secured(secure(), authority) as client:
        client.trickle(request("/"))
        assert client.reply().text == "hello"
        assert client.ask(request("/")).text == "hello"


def test_many_at_once(secure, authority, large):
    path, data = large
    server = secure()
    clients = [Secured(server, authority) for _ in range(12)]
    for client in clients:
        client.send(request(path))
    for client in clients:
        assert client.reply().body == data
        client.socket.close()


def test_log(secure, authority, tmp_path):
    server = secure(more="access-log: log\n")
    fetch(server, authority)
    fetch(server, authority, context=context_for(authority, maximum_version=ssl.TLSVersion.TLSv1_2))
    assert server.stop() == 0
    lines = sorted((tmp_path / "log").read_text().splitlines())
    for line, version in zip(lines, ["TLSv1.2", "TLSv1.3"]):
        pattern = r'127\.0\.0\.1 - - \[.*\] "GET / HTTP/1\.1" 200 5 "-" "-" (\S+) \d\.\d{3} - "-" [0-9a-f]{16}'
        assert re.fullmatch(pattern, line), line
    assert {line.split()[-5] for line in lines} == {"TLSv1.2", "TLSv1.3"}


# -- http on the port of https, and the other way round -------------------------------------------


@pytest.mark.parametrize(
    "text", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"PUT /x HTTP/1.1\r\n", b"POST / HTTP/1.0\r\n\r\n"]
)
def test_plain_request(secure, authority, text):
    server = secure()
    with Wire(server) as client:
        client.send(text)
        head, _, body = client.rest().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ") and b"\r\nConnection: close" in head
        assert b"This port speaks HTTPS" in body
    server.wait_stderr("failed: the peer speaks no TLS")
    assert fetch(server, authority) == "hello"


def test_tls_on_the_port_of_http(weir, site, authority):
    server = weir(site)
    with pytest.raises((ssl.SSLError, OSError)):
        Secured(server, authority)
    assert server.get("/").text == "hello"


REDIRECTING = """\
sites:
  - {root: site, names: [a.example], redirect-to-https: yes}
  - {root: site, names: [b.example], redirect: [{from: "", to: "https://elsewhere.example"}]}
"""


def test_redirect_to_https(weir, site, tmp_path, pairs, authority):
    config = tmp_path / "weir.yaml"
    text = configuration(pairs.values(), sites=REDIRECTING)
    config.write_text(text.replace("[{https", "[{http: '127.0.0.1:0'}, {https"))
    server = weir("-c", config)
    plain, secured = server.ports
    for path in "/", "/dir/file?query", "/%7e/":
        reply = server.get(path, {"Host": f"a.example:{plain}"})
        assert reply.status == 308
        wanted = f"https://a.example:{secured}{path}".replace("%7e", "~")
        assert reply.fields["Location"] == wanted
    reply = server.request("PUT", "/x", "body", {"Host": "A.example"})
    assert (reply.status, reply.fields["Location"]) == (308, f"https://A.example:{secured}/x")
    assert server.get("/x", {"Host": "b.example"}).fields["Location"].startswith("https://elsewhere")
    with Secured(server, authority, port=secured) as client:
        assert client.ask(request("/", "Host: a.example")).text == "hello"
    out = subprocess.run(
        [
            *["curl", "-sSL", "--cacert", str(authority.path)],
            *["--resolve", f"a.example:{plain}:127.0.0.1"],
            *["--resolve", f"a.example:{secured}:127.0.0.1", f"http://a.example:{plain}/"],
        ],
        capture_output=True,
        check=False,
    )
    assert out.stdout == b"hello", out.stderr


def test_redirects_of_directories_name_no_scheme(secure, authority, site):
    (site / "dir").mkdir()
    with Secured(secure(), authority) as client:
        assert client.ask(request("/dir"))["Location"] == "/dir/"


# -- ends -----------------------------------------------------------------------------------------


def test_close_notify_of_the_server(secure, authority):
    """Without close_notify a client could not distinguish the end from a broken connection."""
    with Secured(secure(), authority) as client:
        client.send(request("/", "Connection: close"))
        assert client.reply().text == "hello"
        assert client.socket.recv(1) == b""  # and no ssl.SSLEOFError


def test_close_notify_of_a_reply_until_the_end(secure, authority):
    with Secured(secure(), authority) as client:
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        assert client.reply().text == "hello"
        assert client.socket.recv(1) == b""


def test_close_notify_of_the_client(secure, authority):
    """The client sends nothing further; its requests are still answered."""
    with Secured(secure(), authority) as client:
        client.send(request("/"))
        try:
            client.socket.unwrap()
        except (ssl.SSLError, OSError):
            pass  # Python cannot read any more once it has said so
    with Secured(secure(), authority) as client:
        assert client.ask(request("/")).text == "hello"
        assert client.socket.unwrap() is not None


def test_half_close(secure, authority, large):
    """A FIN without close_notify: requests that were whole are answered."""
    path, data = large
    with Secured(secure(), authority) as client:
        client.send(request(path))
        client.plain_end()
        assert client.reply().body == data


def test_truncated_body_is_no_body(secure, authority, site):
    """An upload that is cut short leaves nothing."""
    server = secure(sites="sites: [{root: site, uploads: {put: yes}}]\n")
    before = sorted(entry.name for entry in site.iterdir())
    for end in "reset", "plain_end":
        client = Secured(server, authority)
        client.send(b"PUT /cut HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + bytes(9999))
        getattr(client, end)()
        client.socket.close()
    assert fetch(server, authority) == "hello"
    wait_for(lambda: sorted(e.name for e in site.iterdir()) == before, what="the cleaning up")


def test_stalled_reader(secure, authority, large):
    """A client that does not read stops its own reply only, and costs little memory."""
    path, data = large
    server = secure("", "--workers", 1)
    fetch(server, authority)
    before = server.memory_kb()
    stalled = [Secured(server, authority, window=4096) for _ in range(20)]
    for client in stalled:
        client.send(request(path) * 3)
    for _ in range(20):
        assert fetch(server, authority) == "hello"
    if not is_sanitized(server):
        assert server.memory_kb() - before < 20 * 400
    for client in stalled[:2]:
        for _ in range(3):
            assert client.reply().body == data
    for client in stalled:
        client.reset()
    assert fetch(server, authority) == "hello"


def test_drain(secure, authority, site):
    """Requests in flight are finished, and end with close_notify; idle connections end at once."""
    path = "/drained.bin"
    (site / "drained.bin").write_bytes(bytes(DRAINED))
    server = secure()
    with Secured(server, authority) as idle, Secured(server, authority, window=4096) as busy:
        idle.ask(request("/"))
        busy.send(request(path))
        busy.take(1000)
        server.send_signal(signal.SIGTERM)
        assert idle.socket.recv(1) == b""
        time.sleep(0.2)
        assert server.process.poll() is None
        assert len(busy.rest()) > DRAINED - 1000
        assert server.wait() == 0
