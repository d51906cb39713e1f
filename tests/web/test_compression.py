"""Compression: on the fly, from the cache and by siblings, for clients that accept it, and framed for
every version. The replies must not depend on the cache, so the tests run with and without one. The
cache itself is tested in test_compressed_cache.py."""

import gzip
import os
import socket
import subprocess
import zlib
from pathlib import Path

import pytest

from conftest import wait_for
from wire import Wire, get, head, request

TEXT = b"".join(b"line %d of a text that compresses\n" % i for i in range(5000))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    (root / "a.txt").write_bytes(TEXT)
    (root / "a.png").write_bytes(TEXT)
    (root / "small.txt").write_bytes(b"small")
    (root / "empty.txt").touch()
    (root / "noise.txt").write_bytes(os.urandom(300_000))
    (root / "d").mkdir()
    return root


@pytest.fixture(scope="module", params=["0", "1M"])
def server(request, module_weir, root, tmp_path_factory):
    config = tmp_path_factory.mktemp("config") / "weir.yaml"
    config.write_text(
        "listen: [{http: '127.0.0.1:0'}]\n"
        f"sites: [{{root: {root}}}]\nlimits: {{compressed-cache: {request.param}}}\n"
    )
    server = module_weir("-c", config)
    server.has_cache = request.param != "0"
    return server


ACCEPTS = [
    ("gzip", True),
    ("GZIP", True),
    ("x-gzip", True),
    ("gzip, deflate, br", True),
    ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
    ("gzip;q=0.001", True),
    ("gzip;q=1.000", True),
    ("gzip ; q=0.5", True),
    ("*", True),
    ("*;q=0.5, identity;q=0.1", True),
    ("identity;q=0, gzip", True),
    ("gzip;q=0", False),
    ("gzip;q=0.000", False),
    ("gzip;q=0, *", False),
    ("identity", False),
    ("identity;q=1, gzip;q=0.5", False),
    ("br", False),
    ("deflate", False),
    ("", False),
    ("gzip;q=2", False),
    ("gzip;q=x", False),
    ("gzipx", False),
    (",,,", False),
    ("*;q=0", False),
    ("identity;q=0", False),
]


@pytest.mark.parametrize("value, compressed", ACCEPTS)
def test_who_accepts_it(server, value, compressed):
    with Wire(server) as wire:
        reply = wire.ask(request("/a.txt", f"Accept-Encoding: {value}"))
        assert reply.status == 200 and reply["Vary"] == "Accept-Encoding"
        if compressed:
            assert reply["Content-Encoding"] == "gzip"
            assert len(reply.body) < len(TEXT) // 3
            assert gzip.decompress(reply.body) == TEXT
            assert reply["ETag"].startswith('W/"')
        else:
            assert reply["Content-Encoding"] is None and reply.body == TEXT
            assert reply["ETag"].startswith('"')
        assert wire.ask(request("/small.txt")).body == b"small"


def test_without_the_field(server):
    reply = get(server, "/a.txt")
    assert reply["Content-Encoding"] is None and reply["Vary"] == "Accept-Encoding"


def test_two_fields(server):
    reply = get(server, "/a.txt", "Accept-Encoding: br", "Accept-Encoding: gzip")
    assert reply["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("path", ["/a.png", "/small.txt", "/empty.txt"])
def test_what_is_not_worth_it(server, root, path):
    reply = get(server, path, "Accept-Encoding: gzip")
    assert reply["Content-Encoding"] is None
    assert reply.body == (root / path[1:]).read_bytes()


def test_noise(server, root):
    reply = get(server, "/noise.txt", "Accept-Encoding: gzip")
    noise = (root / "noise.txt").read_bytes()
    assert gzip.decompress(reply.body) == noise
    assert len(reply.body) < len(noise) * 1.01 + 100


def test_one_member(server):
    """Clients stop at the end of the first member: there must be no other."""
    decoder = zlib.decompressobj(wbits=31)
    assert decoder.decompress(get(server, "/a.txt", "Accept-Encoding: gzip").body) == TEXT
    assert decoder.eof and decoder.unused_data == b""


def test_http_1_0(server):
    """No chunks: the end of the connection is that of the body, if its size is not known."""
    for lines in [], ["Connection: keep-alive"]:
        if server.has_cache and lines:
            continue
        reply = get(server, "/a.txt", "Accept-Encoding: gzip", *lines, version="HTTP/1.0")
        assert reply["Transfer-Encoding"] is None and reply["Connection"] == "close"
        assert gzip.decompress(reply.body) == TEXT


def test_http_1_0_keeps_a_connection_if_the_size_is_known(server):
    with Wire(server) as wire:
        for _ in range(3):
            asked = request("/a.txt", "Connection: keep-alive", version="HTTP/1.0")
            reply = wire.ask(asked)
            assert reply["Connection"] == "keep-alive" and reply.body == TEXT
        assert wire.ask(request("/a.txt", version="HTTP/1.0"))["Connection"] == "close"
        assert wire.at_end()


def test_head(server):
    whole = get(server, "/a.txt", "Accept-Encoding: gzip")
    with Wire(server) as wire:
        for version in "HTTP/1.1", "HTTP/1.0":
            bare = request(
                "/a.txt",
                "Accept-Encoding: gzip",
                "Connection: keep-alive",
                method="HEAD",
                version=version,
            )
            reply = wire.ask(bare, "HEAD")
            assert reply["Content-Encoding"] == "gzip" and reply["ETag"] == whole["ETag"]
            assert reply["Content-Length"] in (None, str(len(whole.body)))
        assert wire.ask(request("/small.txt")).body == b"small"


def test_tag_of_the_compressed_form(server):
    compressed = get(server, "/a.txt", "Accept-Encoding: gzip")["ETag"]
    plain = get(server, "/a.txt")["ETag"]
    for etag in compressed, plain:
        reply = get(server, "/a.txt", "Accept-Encoding: gzip", f"If-None-Match: {etag}")
        assert reply.status == 304 and reply["Vary"] == "Accept-Encoding"
    assert get(server, "/a.txt", "Accept-Encoding: gzip", f"If-Match: {plain}").status == 412


def test_listing(server):
    reply = get(server, "/d/", "Accept-Encoding: gzip")
    assert b"<html" in gzip.decompress(reply.body)
    assert reply.fields["vary"] == ["Accept", "Accept-Encoding"]
    old = get(server, "/d/", "Accept-Encoding: gzip", version="HTTP/1.0")
    assert b"</html>" in gzip.decompress(old.body)


def test_off(configured, root):
    server = configured(f"sites: [{{root: {root}, compress: no}}]\n")
    assert get(server, "/a.txt", "Accept-Encoding: gzip").body == TEXT
    assert b"<html" in get(server, "/d/", "Accept-Encoding: gzip").body


def test_listings_have_the_settings_of_the_site(configured, site):
    """zstd, levels and types, of pages and of JSON."""
    (site / "d").mkdir()
    for i in range(2000):
        (site / "d" / f"{i * 7919 % 10007}-of-many-files").write_text("")
    server = configured(
        "sites: [{root: site, rules: [{path: /json/**, alias: site, compress-types: [application/json]},"
        " {path: /high/**, alias: site, compress-level: 9}, {path: /gzip/**, alias: site, zstd: no}]}]\n"
    )

    def size(path, accept, coding, kind="text/html"):
        fields = get(server, path, f"Accept-Encoding: {accept}", f"Accept: {kind}")
        assert fields["Content-Encoding"] == (coding or None), path
        plain = unpacked(server, path, accept, "-H", f"Accept: {kind}")
        assert plain[0] == coding and plain[1].count(b"of-many-files") >= 2000
        return len(fields.body)

    for accept in "gzip", "gzip, zstd":
        coding = accept.split(", ")[-1]
        assert size("/d/", accept, coding) > size("/high/d/", accept, coding)
    size("/gzip/d/", "gzip, zstd", "gzip")
    size("/json/d/", "gzip", "")
    size("/json/d/", "gzip, zstd", "zstd", "application/json")


def test_pipelined(server):
    with Wire(server) as wire:
        wire.send(request("/a.txt", "Accept-Encoding: gzip") * 20)
        assert all(gzip.decompress(wire.reply().body) == TEXT for _ in range(20))


# -- siblings


@pytest.fixture
def siblings(site):
    """a.txt with a sibling that differs from the file compressed on the fly."""
    (site / "a.txt").write_bytes(TEXT)
    (site / "a.txt.gz").write_bytes(gzip.compress(TEXT + b"from the sibling"))
    os.utime(site / "a.txt", (1_600_000_000, 1_600_000_000))
    os.utime(site / "a.txt.gz", (1_600_000_001, 1_600_000_001))
    return site


def is_sibling(reply):
    return reply["Content-Encoding"] == "gzip" and gzip.decompress(reply.body).endswith(b"sibling")


def test_sibling(weir, siblings):
    server = weir(siblings)
    reply = get(server, "/a.txt", "Accept-Encoding: gzip")
    assert is_sibling(reply)
    assert reply["Content-Type"] == "text/plain; charset=utf-8"
    assert reply["Content-Length"] == str((siblings / "a.txt.gz").stat().st_size)
    assert reply["Vary"] == "Accept-Encoding"
    plain = get(server, "/a.txt")
    assert plain.body == TEXT and plain["ETag"] != reply["ETag"]
    assert plain["Vary"] == "Accept-Encoding"
    itself = get(server, "/a.txt.gz", "Accept-Encoding: gzip")
    assert itself["Content-Type"] == "application/gzip" and itself["Content-Encoding"] is None
    bare = head(server, "/a.txt", "Accept-Encoding: gzip")
    assert bare["Content-Length"] == reply["Content-Length"]
    again = get(server, "/a.txt", "Accept-Encoding: gzip", f"If-None-Match: {reply['ETag']}")
    assert again.status == 304


def test_sibling_where_nothing_else_depends_on_what_is_accepted(configured, siblings):
    """Too small to be compressed on the fly, or not to be: a cache has to know all the same."""
    (siblings / "s.txt").write_text("small")
    (siblings / "s.txt.gz").write_bytes(gzip.compress(b"small"))
    for compress in "yes", "no":
        server = configured(f"sites: [{{root: {siblings}, compress: {compress}}}]\n")
        for path in "/s.txt", "/a.txt":
            assert get(server, path, "Accept-Encoding: gzip")["Content-Encoding"] == "gzip"
            plain = get(server, path)
            assert plain["Content-Encoding"] is None and plain["Vary"] == "Accept-Encoding"
            part = get(server, path, "Range: bytes=0-1")
            assert part.status == 206 and part["Vary"] == "Accept-Encoding"


def test_ranges_of_a_sibling(weir, siblings):
    """They are of the compressed bytes, and say so."""
    server = weir(siblings)
    data = (siblings / "a.txt.gz").read_bytes()
    reply = get(server, "/a.txt", "Accept-Encoding: gzip", "Range: bytes=2-9")
    assert reply.status == 206 and reply.body == data[2:10]
    assert reply["Content-Encoding"] == "gzip"
    assert reply["Content-Type"] == "text/plain; charset=utf-8"
    several = get(server, "/a.txt", "Accept-Encoding: gzip", "Range: bytes=2-9,20-29")
    assert several.status == 200 and is_sibling(several)
    several = get(server, "/a.txt", "Range: bytes=2-9,20-29")
    assert several.status == 206 and several["Content-Type"].startswith("multipart/byteranges")
    beyond = get(server, "/a.txt", "Accept-Encoding: gzip", f"Range: bytes={len(data)}-")
    assert beyond.status == 416 and beyond["Content-Range"] == f"bytes */{len(data)}"


def test_older_sibling_is_not_used(weir, siblings):
    server = weir(siblings)
    os.utime(siblings / "a.txt", (1_600_000_002, 1_600_000_002))
    reply = get(server, "/a.txt", "Accept-Encoding: gzip")
    assert gzip.decompress(reply.body) == TEXT


def test_sibling_that_is_no_file(weir, siblings):
    (siblings / "a.txt.gz").unlink()
    (siblings / "a.txt.gz").mkdir()
    server = weir(siblings)
    assert gzip.decompress(get(server, "/a.txt", "Accept-Encoding: gzip").body) == TEXT
    (siblings / "a.txt.gz").rmdir()
    (siblings / "a.txt.gz").symlink_to("/etc/passwd")
    assert gzip.decompress(get(server, "/a.txt", "Accept-Encoding: gzip").body) == TEXT


def test_sibling_without_the_file(weir, siblings):
    (siblings / "a.txt").unlink()
    assert get(weir(siblings), "/a.txt", "Accept-Encoding: gzip").status == 404


def test_sibling_of_an_index(weir, siblings):
    (siblings / "index.html.gz").write_bytes(gzip.compress(b"from the sibling"))
    reply = get(weir(siblings), "/", "Accept-Encoding: gzip")
    assert is_sibling(reply)
    assert reply["Content-Type"] == "text/html; charset=utf-8"


def test_siblings_off(configured, siblings):
    server = configured(f"sites: [{{root: {siblings}, siblings: no}}]\n")
    assert gzip.decompress(get(server, "/a.txt", "Accept-Encoding: gzip").body) == TEXT


def test_fields_of_the_site(configured, siblings):
    """They are the same however the file is sent."""
    (siblings / "b.txt").write_bytes(TEXT)
    server = configured(f"sites: [{{root: {siblings}, fields: {{X-Weir: yes}}}}]\n")
    for path in "/a.txt", "/b.txt":
        for line in "Accept-Encoding: gzip", "Accept: x", "Range: bytes=0-1", "Range: bytes=0-1,5-6":
            for reply in get(server, path, line), get(server, path, line, "If-None-Match: *"):
                assert reply["X-Weir"] == "yes", (path, line)
                assert reply["Last-Modified"] and reply["ETag"] and reply["Vary"]


# -- zstd


def unpacked(server, path, accept, *more):
    """(coding, bytes) as curl decodes them."""
    command = ["curl", "-s", *more, "--compressed", "-H", f"Accept-Encoding: {accept}", "-w", "%{stderr}%header{content-encoding}"]
    result = subprocess.run([*command, server.url.rstrip("/") + path], capture_output=True, check=True)
    return result.stderr.decode(), result.stdout


def test_zstd_where_the_client_does_not_prefer_gzip(weir, root):
    server = weir(root)
    for accept, coding in {
        "gzip, zstd": "zstd",
        "zstd": "zstd",
        "gzip;q=0.5, zstd;q=0.5": "zstd",
        "gzip;q=0.8, zstd;q=0.5": "gzip",
        "gzip, zstd;q=0": "gzip",
        "zstd;q=0": "",
        "*": "gzip",
        "gzip": "gzip",
    }.items():
        for _ in range(3):  # compressed, cached, and out of the cache
            assert unpacked(server, "/a.txt", accept) == (coding, TEXT), accept


def test_zstd_of_large_files_and_off(configured, site):
    text = "".join(f"line {i * 7919 % 10007}\n" for i in range(400_000)).encode()
    (site / "large.txt").write_bytes(text)
    server = configured("workers: 1\nsites: [{root: site, rules: [{path: /large.txt}, {zstd: no}]}]\n")
    assert unpacked(server, "/large.txt", "zstd") == ("zstd", text)
    (site / "b.txt").write_bytes(text)
    assert unpacked(server, "/b.txt", "gzip, zstd") == ("gzip", text)


def packed_size(server, path, accept, text):
    """The size of the body as it is sent, once the file is compressed, cached, and out of the cache."""
    sizes = []
    for _ in range(3):
        sizes.append(len(get(server, path, f"Accept-Encoding: {accept}").body))
        assert unpacked(server, path, accept) == (accept, text)
    assert len(set(sizes)) == 1
    return sizes[0]


def test_levels_of_a_site_and_of_a_rule(configured, site):
    """One file by rules of different levels, so that the cache has a form for each."""
    text = b"".join(path.read_bytes() for path in sorted((Path(__file__).parents[2] / "docs").glob("*.md")))
    (site / "a.txt").write_bytes(text)
    server = configured(
        "sites: [{root: site, compress-level: 5, rules: [{path: /low/**, alias: site, compress-level: 1},"
        " {path: /high/**, alias: site, compress-level: 9}, {path: /same/**, alias: site}]}]\n"
    )
    for accept in "gzip", "zstd":
        low, middle, high, same = (
            packed_size(server, f"{path}/a.txt", accept, text) for path in ("/low", "", "/high", "/same")
        )
        assert low > middle > high and same == middle, accept


def test_few_streams_of_zstd_at_a_time(configured, site):
    """Clients that do not read hold a context each; others get gzip. The contexts come back."""
    (site / "large.txt").write_bytes(os.urandom(4_000_000).hex().encode())
    server = configured("workers: 1\nlimits: {compressed-cache: 0}\nsites: [{root: site}]\n")
    line = b"GET /large.txt HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip, zstd\r\n\r\n"
    stalled = []
    for _ in range(20):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", server.port))
        client.sendall(line)
        stalled.append((client, client.recv(4096)))
    codings = [b"Content-Encoding: zstd" in head for _, head in stalled]
    assert codings == [True] * 16 + [False] * 4
    for client, _ in stalled:
        client.close()
    wait_for(lambda: unpacked(server, "/large.txt", "gzip, zstd")[0] == "zstd")
