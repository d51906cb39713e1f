"""The clients that people have: curl, wget, ab, wrk, nc, Python's."""

import filecmp
import gzip
import http.client
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pytest

from conftest import wait_for
from wire import Wire, request

DATA = os.urandom(3_000_000)
TEXT = b"".join(b"line %d\n" % i for i in range(20_000))


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"no {program}")


def client(*command, cwd=None, input=None, code=0):
    """Its output."""
    result = subprocess.run(
        [str(word) for word in command], cwd=cwd, input=input, capture_output=True, timeout=60
    )
    assert result.returncode == code, (result.stdout[-2000:], result.stderr[-2000:])
    return result.stdout


@pytest.fixture
def server(weir, site):
    (site / "data.bin").write_bytes(DATA)
    (site / "text.txt").write_bytes(TEXT)
    return weir(site)


# -- curl


@needs("curl")
def test_curl_keeps_the_connection(server):
    url = server.url
    command = ["curl", "-sS", "-w", "%{num_connects}\n"]
    for path in "data.bin", "text.txt", "", "nothing", "text.txt":
        command += ["-o", os.devnull, url + path]
    assert client(*command).split() == [b"1", b"0", b"0", b"0", b"0"]


@needs("curl")
@pytest.mark.parametrize("version", ["--http1.0", "--http1.1", "--http2"])
def test_curl_versions(server, version):
    """An upgrade to HTTP/2 is not taken up."""
    assert client("curl", "-sS", version, server.url + "data.bin") == DATA


@needs("curl")
def test_curl_compressed(server, site):
    assert client("curl", "-sS", "--compressed", server.url + "text.txt") == TEXT
    raw = client("curl", "-sS", "-H", "Accept-Encoding: gzip", server.url + "text.txt")
    assert gzip.decompress(raw) == TEXT
    (site / "d").mkdir()
    assert b"</html>" in client("curl", "-sSL", "--compressed", server.url + "d")


@needs("curl")
def test_curl_ranges(server):
    url = server.url + "data.bin"
    assert client("curl", "-sS", "-r", "100-199", url) == DATA[100:200]
    assert client("curl", "-sS", "-r", "-10", url) == DATA[-10:]
    several = client("curl", "-sS", "-r", "0-9,50-59", url)
    assert DATA[:10] in several and DATA[50:60] in several


@needs("curl")
def test_curl_resumes(server, tmp_path):
    part = tmp_path / "part"
    part.write_bytes(DATA[:1_234_567])
    client("curl", "-sS", "-C", "-", "-o", part, server.url + "data.bin")
    assert part.read_bytes() == DATA
    # There is nothing more of it: curl takes the 416 for that.
    client("curl", "-sS", "-C", "-", "-o", part, server.url + "data.bin")
    assert part.read_bytes() == DATA


@needs("curl")
def test_curl_if_modified(server, site, tmp_path):
    os.utime(site / "text.txt", (1_600_000_000, 1_600_000_000))
    copy = tmp_path / "copy"
    client("curl", "-sS", "-R", "-o", copy, server.url + "text.txt")
    assert copy.stat().st_mtime == 1_600_000_000
    wanted = ["curl", "-sS", "-o", os.devnull, "-w", "%{http_code}", "-z"]
    assert client(*wanted, copy, server.url + "text.txt") == b"304"
    (site / "text.txt").write_bytes(b"new")
    assert client(*wanted, copy, server.url + "text.txt") == b"200"


@needs("curl")
def test_curl_etags(server, tmp_path):
    etag = tmp_path / "etag"
    command = ["curl", "-sS", "--etag-save", etag, "--etag-compare", etag, "-w", "%{http_code}"]
    command += ["-o", tmp_path / "out", server.url + "text.txt"]
    assert client(*command) == b"200"
    assert client(*command) == b"304"
    assert (tmp_path / "out").read_bytes() in (TEXT, b"")


@needs("curl")
def test_curl_head_and_errors(server):
    head = client("curl", "-sSI", server.url + "data.bin")
    assert f"Content-Length: {len(DATA)}".encode() in head
    client("curl", "-sSf", server.url + "nothing", code=22)


@needs("curl")
def test_curl_path_as_is(server):
    code = ["curl", "-sS", "-o", os.devnull, "-w", "%{http_code}", "--path-as-is"]
    assert client(*code, server.url + "../../etc/passwd") == b"400"


@needs("curl")
def test_curl_many_at_once(server):
    result = client(
        *("curl", "-sS", "-Z", "--parallel-max", "50", "-o", os.devnull, "-w", "%{size_download}\n"),
        server.url + "text.txt?[1-300]",
    )
    assert result.split() == [str(len(TEXT)).encode()] * 300


@needs("curl")
def test_curl_asks_before_it_posts(server):
    """With Expect: 100-continue, to a server that does not want it."""
    body = bytes(2_000_000)
    result = client(
        *("curl", "-sS", "-o", os.devnull, "-w", "%{http_code} %{size_upload}"),
        *("-H", "Expect: 100-continue", "--data-binary", "@-", server.url),
        input=body,
    )
    status, sent = result.split()
    assert status == b"405" and int(sent) < len(body)


# -- others


@needs("wget")
def test_wget_mirrors_a_tree(weir, site, tmp_path):
    (site / "index.html").unlink()
    for name in "a.txt", "with space.txt", "ümläut.txt", "100%", "q?x", "am&p", "d/e/f/deep.bin":
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(1000))
    (site / "empty").mkdir()
    server = weir(site)
    out = tmp_path / "mirror"
    client(
        *("wget", "-q", "-r", "-l", "inf", "-nH", "-np", "--restrict-file-names=nocontrol"),
        *("-e", "robots=off", "-P", out, server.url),
    )
    wanted = {path.relative_to(site) for path in site.rglob("*") if path.is_file()}
    found = {
        path.relative_to(out) for path in out.rglob("*") if path.is_file() and path.name != "index.html"
    }
    assert found == wanted
    assert all(filecmp.cmp(site / path, out / path, shallow=False) for path in wanted)


@needs("wget")
def test_wget_resumes(server, tmp_path):
    (tmp_path / "data.bin").write_bytes(DATA[:1_000_000])
    client("wget", "-q", "-c", server.url + "data.bin", cwd=tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == DATA


def test_python_http_client(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    for path, body in ("/data.bin", DATA), ("/text.txt", TEXT), ("/", b"hello"):
        connection.request("GET", path)
        assert connection.getresponse().read() == body
    connection.request("POST", "/", iter([b"abc"] * 10), encode_chunked=True)
    response = connection.getresponse()
    assert response.status == 405 and response.read()
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"hello"
    connection.close()


def test_python_urllib(server, site):
    (site / "d").mkdir()
    with urllib.request.urlopen(server.url + "d?x") as response:
        assert response.url.endswith("/d/?x")
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(server.url + urllib.parse.quote("nö"))
    assert error.value.code == 404


def test_pipelining(server):
    with Wire(server) as wire:
        wire.send((request("/text.txt") + request("/", method="HEAD") + request("/no")) * 30)
        for _ in range(30):
            assert wire.reply().body == TEXT
            assert wire.reply("HEAD").body == b""
            assert wire.reply().status == 404


@needs("ab")
@pytest.mark.parametrize("options", [["-k"], [], ["-k", "-i"], ["-k", "-H", "Accept-Encoding: gzip"]])
def test_ab(server, options):
    """It speaks HTTP/1.0, with and without keep-alive."""
    out = client("ab", "-q", "-c", "20", "-n", "1000", *options, server.url + "text.txt").decode()
    assert "Complete requests:      1000\n" in out
    # A reply compressed as it leaves is cut into chunks as its turn allows: ab minds other lengths.
    if "gzip" in str(options) and "Failed requests:        0" not in out:
        assert re.search(r"\(Connect: 0, Receive: 0, Length: \d+, Exceptions: 0\)", out)
    else:
        assert "Failed requests:        0" in out
    assert "Non-2xx" not in out
    if "-k" in options and "-H" not in options:
        assert "Keep-Alive requests:    1000" in out


@needs("wrk")
def test_wrk(server):
    out = client("wrk", "-t", "1", "-c", "30", "-d", "1s", server.url + "text.txt").decode()
    assert "Socket errors" not in out and "Non-2xx" not in out
    assert int(re.search(r"(\d+) requests in", out)[1]) > 10


@needs("nc")
def test_nc(server):
    """Typed by hand, as far as CRLF can be."""
    out = client("nc", "-N", "127.0.0.1", server.port, input=b"GET / HTTP/1.0\r\n\r\n")
    assert out.startswith(b"HTTP/1.1 200 OK\r\n") and out.endswith(b"\r\n\r\nhello")
    out = client("nc", "-N", "127.0.0.1", server.port, input=b"GET /\n")
    assert out.startswith(b"HTTP/1.1 400 ")


# -- uploads


@needs("curl")
def test_curl_uploads(configured, site, tmp_path):
    server = configured(f"sites: [{{root: {site}, uploads: {{put: yes, forms: yes, delete: yes}}}}]\n")
    local = tmp_path / "local.bin"
    local.write_bytes(DATA)
    code = ["curl", "-sS", "-o", os.devnull, "-w", "%{http_code}"]
    assert client(*code, "-T", local, server.url) == b"201"
    assert client(*code, "-T", local, server.url + "local.bin") == b"204"
    assert client(*code, "-F", f"f=@{local};filename=form.bin", server.url) in (b"201", b"303")
    assert client(*code, "-T", "-", server.url + "stream.bin", input=TEXT) == b"201"
    for name, data in ("local.bin", DATA), ("form.bin", DATA), ("stream.bin", TEXT):
        assert (site / name).read_bytes() == data
        assert client("curl", "-sS", server.url + name) == data
        assert client(*code, "-X", "DELETE", server.url + name) == b"204"
    assert [path.name for path in site.iterdir() if path.name[0] != "."] == ["index.html"]


@needs("curl")
def test_killed_curl(configured, site):
    """The part that it has sent is removed."""
    server = configured(f"sites: [{{root: {site}, uploads: {{put: yes}}}}]\n", "--workers", 1)
    server.get("/")
    before = server.descriptors()
    curl = subprocess.Popen(
        ["curl", "-sS", "-T", "-", "--limit-rate", "100K", server.url + "killed.bin"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    curl.stdin.write(bytes(60_000))
    curl.stdin.flush()
    wait_for(lambda: server.descriptors() > before + 1, what="the upload")
    curl.kill()
    curl.wait()
    curl.stdin.close()
    wait_for(lambda: server.descriptors() <= before + 2, what="its end")
    wait_for(lambda: all(p.name in ("index.html", ".weir-uploads") for p in site.iterdir()))
    assert server.get("/killed.bin").status == 404
