"""Files: their bytes, their names, directories, and what must not be reached."""

import html.parser
import os
import shutil
import signal
import socket
import time
import urllib.parse

import pytest

from conftest import let_others_enter, wait_for
from wire import Wire, get, head, is_sanitized, listens, request

LARGE = 64 * 1024 * 1024


def pattern(size):
    """Bytes that differ wherever two of them could be mistaken for each other."""
    block = b"".join(i.to_bytes(4, "big") for i in range(4096))
    return (block * (size // len(block) + 1))[:size]


# -- bytes


@pytest.mark.parametrize("size", [0, 1, 13, 255, 256, 257, 32767, 32768, 32769, 100_000])
def test_sizes(weir, site, size):
    (site / "f.bin").write_bytes(pattern(size))
    server = weir(site)
    reply = get(server, "/f.bin")
    assert reply.status == 200 and reply.body == pattern(size)
    assert reply["Content-Length"] == str(size)
    bare = head(server, "/f.bin")
    assert bare.body == b"" and bare.fields.keys() == reply.fields.keys()
    assert bare["Content-Length"] == str(size) and bare["ETag"] == reply["ETag"]


def test_files_of_all_sizes_in_one_pipeline(weir, site):
    """Replies that are copied, lent and sent by the kernel may share an output."""
    sizes = [0, 1, 13, 255, 256, 257, 5000, 32768, 32769, 100_000]
    for size in sizes:
        (site / f"{size}.bin").write_bytes(pattern(size))
    # Steps of 3 and of 7 bring each size behind several others.
    asked = [
        (sizes[i * (3 if i % 2 else 7) % len(sizes)], "HEAD" if i % 5 == 4 else "GET")
        for i in range(200)
    ]
    with Wire(weir(site), window=4096) as wire:
        wire.send(b"".join(request(f"/{size}.bin", method=method) for size, method in asked))
        for size, method in asked:
            reply = wire.reply(method)
            assert reply.status == 200 and reply["Content-Length"] == str(size)
            assert reply.body == (b"" if method == "HEAD" else pattern(size))


def test_large_file_is_whole(weir, site):
    with open(site / "large.bin", "wb") as file:
        for i in range(LARGE // 65536):
            file.write(i.to_bytes(8, "big") * 8192)
    with Wire(weir(site)) as wire:
        reply = wire.ask(request("/large.bin"))
        assert len(reply.body) == LARGE
        assert reply.body == (site / "large.bin").read_bytes()
        assert wire.ask(request("/")).text == "hello"


def test_cold_files(weir, site):
    """Pages that are not cached are read on the work pool, and sent."""
    names = [f"{i}.bin" for i in range(8)]
    for name in names:
        with open(site / name, "wb") as file:
            file.write(pattern(3_000_000))
            file.flush()
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    server = weir(site)
    wires = [Wire(server).send(request(f"/{name}")) for name in names]
    for wire in wires:
        assert wire.reply().body == pattern(3_000_000)
        wire.socket.close()


def test_same_file_many_times_on_one_connection(weir, site):
    (site / "a.txt").write_bytes(pattern(50_000))
    with Wire(weir(site)) as wire:
        wire.send(request("/a.txt") * 100 + request("/"))
        for _ in range(100):
            assert wire.reply().body == pattern(50_000)
        assert wire.reply().text == "hello"


# -- names


NAMES = [
    "plain.txt",
    "with space.txt",
    "per%cent.txt",
    "%41.txt",
    "plus+and&amp.txt",
    "quest?ion.txt",
    "ha#sh.txt",
    "semi;colon,comma=.txt",
    "javascript:alert(1)",
    "a'b\"c<d>e.txt",
    "back\\slash.txt",
    "ümläut.txt",
    "日本語.txt",
    "👍.txt",
    "~tilde`tick^{}|.txt",
    "...three",
    "trailing.",
    "x" * 255,
]


@pytest.fixture
def odd(site):
    for name in NAMES:
        if not name.startswith("."):
            (site / name).write_text(name)
    with open(os.path.join(os.fsencode(site), b"latin\xfc.txt"), "wb") as file:
        file.write(b"latin")
    return site


def test_odd_names(weir, odd):
    server = weir(odd)
    for name in [name for name in NAMES if not name.startswith(".")]:
        reply = get(server, "/" + urllib.parse.quote(name, safe=""))
        assert (reply.status, reply.text) == (200, name), name
        everything = "".join(f"%{byte:02x}" for byte in name.encode())
        assert get(server, "/" + everything).text == name
    assert get(server, "/latin%FC.txt").text == "latin"


@pytest.mark.parametrize(
    "path",
    ["/%", "/%4", "/%zz", "/a%00.txt", "/%0a", "/%0D%0A", "/%7f", "/%2f", "/index.html%2f", "/%1b"],
)
def test_bad_escapes_are_refused(weir, site, path):
    assert get(weir(site), path).status == 400


def test_escapes_are_decoded_once(weir, site):
    (site / "%2e%2e").mkdir()
    (site / "%2e%2e" / "f").write_text("literal")
    assert get(weir(site), "/%252e%252e/f").text == "literal"


def test_long_paths(weir, site):
    server = weir(site)
    assert get(server, "/" + "x" * 256).status == 404
    assert get(server, "/" + "x/" * 3000).status in (404, 414)
    assert get(server, "/" + "x" * 5000).status in (404, 414)
    assert get(server, "/" + "%78" * 2500).status in (404, 414)
    assert get(server, "/").status == 200


@pytest.mark.parametrize(
    "path, status",
    [
        ("//index.html", 200),
        ("/./index.html", 200),
        ("/a/../index.html", 200),
        ("/%2e/index.html", 200),
        ("/index.html/", 404),
        ("/index.html/x", 404),
        ("/index.html?x=/../..", 200),
        ("/INDEX.HTML", 404),
        ("/index.html%20", 404),
    ],
)
def test_paths_are_cleaned(weir, site, path, status):
    assert get(weir(site), path).status == status


# -- what must not be reached


ESCAPES = [
    "/../secret",
    "/..%2fsecret",
    "/%2e%2e/secret",
    "/%2E%2E%2Fsecret",
    "/.%2e/secret",
    "/..%5csecret",
    "/..\\secret",
    "/a/../../secret",
    "/a/%2e%2e/%2e%2e/secret",
    "/./../secret",
    "//../secret",
    "/..;/secret",
    "/%c0%ae%c0%ae/secret",
    "/%c0%ae%c0%ae%c0%afsecret",
    "/%252e%252e/secret",
    "/..%00/secret",
    "/..",
    "/../",
    "/%2e%2e",
    "/....//secret",
    "/out/secret",
    "/out-file",
    "/absolute/secret",
    "/proc/self/environ",
    "/chain/secret",
    "/up/secret",
]


@pytest.mark.parametrize("path", ESCAPES)
def test_nothing_above_the_root(module_weir, traps, path):
    for method in "GET", "HEAD":
        reply = get(traps, path, method=method)
        assert reply.status in (400, 403, 404), path
        assert b"SECRET" not in reply.body


@pytest.fixture(scope="module")
def traps(module_weir, tmp_path_factory):
    """A server of a root with links that lead out of it, and in it."""
    top = tmp_path_factory.mktemp("traps")
    root = top / "root"
    (root / "a").mkdir(parents=True)
    (root / "index.html").write_text("hello")
    (root / "a" / "inside.txt").write_text("inside")
    (top / "secret").write_text("SECRET")
    (root / "out").symlink_to("..")
    (root / "out-file").symlink_to("../secret")
    (root / "absolute").symlink_to(top)
    (root / "proc").symlink_to("/proc")
    (root / "chain").symlink_to("out")
    (root / "up").symlink_to("a/../..")
    (root / "in").symlink_to("a")
    (root / "in-file").symlink_to("a/inside.txt")
    (root / "a" / "back").symlink_to("../a/inside.txt")
    (root / "dangling").symlink_to("nowhere")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "fifo")
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(root / "socket"))
    unix.close()
    return module_weir(root)


@pytest.mark.parametrize("path", ["/in/inside.txt", "/in-file", "/a/back"])
def test_links_inside_the_root_are_followed(traps, path):
    assert get(traps, path).text == "inside"


@pytest.mark.parametrize("path", ["/dangling", "/loop", "/dangling/x"])
def test_links_to_nothing(traps, path):
    assert get(traps, path).status == 404


@pytest.mark.parametrize("path", ["/fifo", "/socket"])
def test_what_is_no_file_holds_nobody_up(traps, path):
    assert get(traps, path).status in (403, 404)
    assert get(traps, "/").text == "hello"


def test_a_root_of_kernel_files(weir, run):
    """Sizes are lies there: whatever is answered, it is framed, and the server goes on."""
    server = weir("/proc/self")
    for path in "/status", "/environ", "/root/etc/passwd", "/cwd/", "/fd/0", "/exe", "/mem":
        with Wire(server) as wire:
            wire.send(request(path, "Connection: close"))
            try:
                wire.rest()
            except ConnectionResetError:
                pass
    for path in "/root/etc/passwd", "/cwd/", "/fd/0":
        assert get(server, path).status in (403, 404)


def test_hidden_names(weir, site):
    for path in ".env", ".git/config", "a/.htaccess", ".well-known/acme/x", ".well-known/.x":
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text("dotted")
    server = weir(site)
    for path in "/.env", "/%2eenv", "/.git/config", "/.git/", "/a/.htaccess", "/.well-known/.x":
        assert get(server, path).status == 404, path
    assert get(server, "/.well-known/acme/x").text == "dotted"
    assert ".htaccess" not in get(server, "/a/").text


@pytest.mark.skipif(os.geteuid() != 0, reason="not root: there is nobody to become")
def test_unreadable(configured, site, tmp_path):
    (site / "no.txt").write_text("no")
    (site / "no").mkdir()
    (site / "search").mkdir()
    (site / "search" / "a.txt").write_text("a")
    let_others_enter(tmp_path)
    (site / "no.txt").chmod(0)
    (site / "no").chmod(0)
    (site / "search").chmod(0o711)
    server = configured(f"user: nobody\nsites: [{{root: {site}}}]\n")
    assert get(server, "/").text == "hello"
    assert get(server, "/no.txt").status == 403
    assert get(server, "/no/").status == 403
    assert get(server, "/no/x").status == 403
    assert get(server, "/search/").status == 403
    assert get(server, "/search/a.txt").text == "a"
    site.chmod(0)
    time.sleep(1.1)  # how long a path is believed
    assert get(server, "/").status == 403
    site.chmod(0o755)
    assert get(server, "/").text == "hello"


def test_removed_root(weir, site):
    server = weir(site)
    assert get(server, "/").text == "hello"
    shutil.rmtree(site)
    assert get(server, "/").status == 404
    assert get(server, "/x").status == 404


# -- directories


def test_index(weir, site):
    (site / "d").mkdir()
    (site / "d" / "index.html").write_text("inner")
    server = weir(site)
    assert get(server, "/").text == "hello"
    assert get(server, "/d/").text == "inner"
    assert get(server, "/d/")["Content-Type"] == "text/html; charset=utf-8"
    (site / "d" / "index.html").unlink()
    (site / "d" / "index.html").mkdir()
    assert get(server, "/d/").status == 200  # a listing


@pytest.mark.parametrize(
    "target, location",
    [
        ("/d", "/d/"),
        ("/d?a=b&c", "/d/?a=b&c"),
        ("/d?", "/d/?"),
        ("/d/e", "/d/e/"),
        ("/sp%20ace", "/sp%20ace/"),
        ("/%64", None),
        ("http://other.example/d", "/d/"),
    ],
)
def test_slash_redirect(weir, site, target, location):
    (site / "d" / "e").mkdir(parents=True)
    (site / "sp ace").mkdir()
    reply = get(weir(site), target)
    assert reply.status == 301
    if location:
        assert reply["Location"] == location
    else:
        assert reply["Location"] in ("/d/", "/%64/")


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "///evil.example",
        "//evil.example/..",
        "//evil.example/%2e%2e/evil.example",
        "/./evil.example",
        "/.//evil.example",
        "/x/..//evil.example",
        "http://a//evil.example",
        "/%5Cevil.example",
        "/%09/evil.example",
        "/%2f/evil.example",
        "//evil.example?//x",
        "/evil.example%0d%0aSet-Cookie:a",
    ],
)
def test_redirects_stay_on_the_site(weir, site, target):
    """A browser that follows stays where it was, whatever directory there is."""
    (site / "evil.example").mkdir()
    (site / "\\evil.example").mkdir()
    server = weir(site)
    reply = get(server, target)
    assert "set-cookie" not in reply.fields
    if reply.status == 301:
        base = f"http://127.0.0.1:{server.port}{urllib.parse.urlparse(target).path}"
        location = reply["Location"]
        assert location.startswith("/") and not location.startswith(("//", "/\\"))
        assert urllib.parse.urlparse(urllib.parse.urljoin(base, location)).hostname == "127.0.0.1"


class Links(html.parser.HTMLParser):
    """The links of a page with their texts, and the names of all its elements."""

    def __init__(self, page):
        super().__init__()
        self.links, self.elements, self.inside = [], set(), False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.elements.add(tag)
        assert not any(name.startswith("on") for name, _ in attributes)
        if tag == "a":
            self.links.append([dict(attributes)["href"], ""])
            self.inside = True

    def handle_endtag(self, tag):
        if tag == "a":
            self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.links[-1][1] += data


def test_listing_of_odd_names(weir, odd):
    (odd / "index.html").unlink()
    (odd / "<script>alert(1)<").mkdir()
    (odd / "new\nline").write_text("newline")
    (odd / "new\nline\r\n<b>").mkdir()
    (odd / 'quote" onmouseover="x').write_text("quote")
    (odd / "<script>x").write_text("script")
    (odd / "sub").mkdir()
    server = weir(odd)
    reply = get(server, "/")
    assert reply["Content-Type"] == "text/html; charset=utf-8"
    page = Links(reply.body.decode(errors="replace"))
    assert "script" not in page.elements and "b" not in page.elements
    texts = dict((text, href) for href, text in page.links)
    expected = [name for name in os.listdir(odd) if name.isprintable()]
    for name in expected:
        slash = "/" if (odd / name).is_dir() else ""
        assert name + slash in texts, name
    for href, _ in page.links:
        target = urllib.parse.urljoin(f"http://127.0.0.1:{server.port}/", href)
        parts = urllib.parse.urlparse(target)
        assert (parts.scheme, parts.hostname) == ("http", "127.0.0.1"), href
        # A name with a control character in it cannot be asked for.
        if "%0" not in href:
            assert get(server, parts.path).status == 200, href


def test_listing_of_a_directory_with_an_odd_name(weir, site):
    name = "<script>alert(1)<"
    (site / name).mkdir()
    (site / name / "f").write_text("f")
    reply = get(weir(site), "/" + urllib.parse.quote(name) + "/")
    page = Links(reply.text)
    assert "script" not in page.elements
    assert [href for href, _ in page.links] == ["../", "f"]


def test_listing_is_valid_utf8_whatever_the_names(weir, odd):
    (odd / "index.html").unlink()
    os.mkdir(os.path.join(os.fsencode(odd), b"bad\xff\xfe"))
    server = weir(odd)
    reply = get(server, "/")
    assert "latin%FC.txt" in reply.body.decode(errors="replace")
    assert get(server, "/bad%FF%FE/").status == 200


def test_listing_off(configured, site):
    (site / "d").mkdir()
    server = configured(f"sites: [{{root: {site}, listing: no}}]\n")
    assert get(server, "/d/").status == 403


def fill(directory, count):
    directory.mkdir()
    descriptor = os.open(directory, os.O_RDONLY)
    for i in range(count):
        os.close(os.open(f"entry-{i:06}", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)


def test_listing_of_100000_entries(weir, quick_path):
    """It starts before it was read, costs no memory, and is all there."""
    fill(quick_path / "many", 100_000)
    server = weir(quick_path, "--workers", 1)
    get(server, "/many/")
    before = server.memory_kb()
    with Wire(server) as wire:
        wire.send(request("/many/"))
        assert wire.head()[0] == 200
        body = wire.chunks()
        assert body.count(b"entry-") == 200_000
        assert body.endswith(b"</table></body></html>\n")
    stalled = [Wire(server, window=4096).send(request("/many/")) for _ in range(50)]
    for wire in stalled:
        assert wire.socket.recv(1)
    # Each of them is still being read.
    assert server.open_names().count(str(quick_path / "many")) >= 50
    assert get(server, "/").status == 200
    assert server.memory_kb() - before < 50 * (1000 if is_sanitized(server) else 400)
    for wire in stalled:
        wire.reset()


def test_directory_removed_while_it_is_listed(weir, quick_path, hostile):
    """The page is whole or breaks off; and then there is no such directory."""
    fill(quick_path / "many", 20_000)
    server = hostile(weir(quick_path, "--workers", 1))
    with Wire(server, window=4096) as wire:
        wire.send(request("/many/"))
        wire.head()
        shutil.rmtree(quick_path / "many")
        assert wire.rest().count(b"entry-") > 100
    assert get(server, "/many/").status == 404


@pytest.mark.parametrize("count", [0, 1, 1999, 2000, 2001, 5000])
def test_listing_has_every_entry(weir, quick_path, count):
    """Sorted, as long as they are not too many."""
    fill(quick_path / "d", count)
    server = weir(quick_path)
    names = [href for href, _ in Links(get(server, "/d/").text).links]
    assert names[0] == "../"
    assert sorted(names[1:]) == [f"entry-{i:06}" for i in range(count)]
    if count <= 2000:
        assert names[1:] == sorted(names[1:])
    with Wire(server) as wire:
        assert wire.ask(request("/d/", method="HEAD"), "HEAD")["Transfer-Encoding"] == "chunked"
        assert wire.ask(request("/d/")).status == 200
    old = get(server, "/d/", version="HTTP/1.0")
    assert old["Transfer-Encoding"] is None and old.body.endswith(b"</html>\n")


def test_end_while_directories_are_listed(weir, quick_path):
    """At once, in the middle of reading them."""
    fill(quick_path / "many", 20_000)
    server = weir(quick_path)
    wires = [Wire(server).send(request("/many/") * 20) for _ in range(10)]
    server.send_signal(signal.SIGTERM)
    wait_for(lambda: not listens(server), what="the end of listening")
    if server.process.poll() is None:
        server.send_signal(signal.SIGTERM)
    assert server.wait() in (0, 1)
    for wire in wires:
        wire.socket.close()


# -- types and methods


TYPES = {
    "a.html": "text/html; charset=utf-8",
    "a.HTM": "text/html; charset=utf-8",
    "a.css": "text/css; charset=utf-8",
    "a.js": "text/javascript; charset=utf-8",
    "a.mjs": "text/javascript; charset=utf-8",
    "a.json": "application/json",
    "a.txt": "text/plain; charset=utf-8",
    "a.svg": "image/svg+xml",
    "a.png": "image/png",
    "a.JPG": "image/jpeg",
    "a.webp": "image/webp",
    "a.wasm": "application/wasm",
    "a.woff2": "font/woff2",
    "a.mp4": "video/mp4",
    "a.pdf": "application/pdf",
    "a.xml": "text/xml; charset=utf-8",
    "a.gz": "application/gzip",
    "a.tar.gz": "application/gzip",
    "a.unknown": "application/octet-stream",
    "noextension": "application/octet-stream",
    "html": "application/octet-stream",
    "a.": "application/octet-stream",
}


def test_media_types(weir, site):
    for name in TYPES:
        (site / name).write_text("x")
    server = weir(site)
    for name, type in TYPES.items():
        assert get(server, f"/{name}")["Content-Type"] == type, name


@pytest.mark.parametrize(
    "method, status",
    [
        ("POST", 405),
        ("PUT", 405),
        ("DELETE", 405),
        ("PATCH", 405),
        ("OPTIONS", 204),
        ("TRACE", 501),
        ("BREW", 501),
        ("get", 501),
    ],
)
def test_other_methods(weir, site, method, status):
    reply = get(weir(site), "/index.html", method=method)
    assert reply.status == status
    if status in (204, 405):
        assert {"GET", "HEAD"} <= set(reply["Allow"].split(", "))


def test_methods_with_a_body_keep_the_connection(weir, site):
    with Wire(weir(site)) as wire:
        for method in "GET", "POST", "PUT", "HEAD":
            wire.send(request("/index.html", method=method, body=b"GET /x HTTP/1.1\r\n\r\n"))
            assert wire.reply(method).status in (200, 405)
        chunked = b"5\r\nhello\r\n0\r\nTrailer: x\r\n\r\n"
        wire.send(request("/", "Transfer-Encoding: chunked", method="POST", body=chunked))
        assert wire.reply().status == 405
        assert wire.ask(request("/")).text == "hello"
