"""Listings of directories: their order, sizes for people, JSON, pages of one's own; and siblings of files."""

import json
import os
import re

import pytest

from conftest import wait_for


@pytest.fixture
def listed(configured, site):
    """A server of files with known sizes and times."""
    (site / "index.html").unlink()
    for number, (name, size) in enumerate({"b": 2000, "a": 5, 'c"<': 1023, "d": 1024, "e": 50 * 1024 * 1024}.items()):
        with open(site / name, "wb") as file:
            file.truncate(size)
        os.utime(site / name, (1_000_000_000 - number, 1_000_000_000 - number))
    (site / "sub").mkdir()
    os.utime(site / "sub", (5, 5))
    (site / ".hidden").write_text("")
    return configured("workers: 1\nsites: [{root: site}]\n")


def names(text):
    return re.findall(r'<tr><td><a href="([^"?]+)"', text)


def test_the_order_of_a_listing(listed):
    asked = {
        "": ["a", "b", "c%22%3C", "d", "e", "sub/"],
        "?sort=name&order=desc": ["sub/", "e", "d", "c%22%3C", "b", "a"],
        "?sort=size": ["sub/", "a", "c%22%3C", "d", "b", "e"],
        "?order=desc&sort=size": ["e", "b", "d", "c%22%3C", "a", "sub/"],
        "?sort=time": ["sub/", "e", "d", "c%22%3C", "a", "b"],
        "?sort=time&order=desc": ["b", "a", "c%22%3C", "d", "e", "sub/"],
        "?sort=nothing&x": ["a", "b", "c%22%3C", "d", "e", "sub/"],
    }
    for query, expected in asked.items():
        found = names(listed.get("/" + query).text)
        assert found == expected, query
    text = listed.get("/?sort=size").text
    down = '<form><input type="hidden" name="order" value="desc"><button name="sort" value="size">'
    assert f'<th aria-sort="ascending">{down}' in text and '<th><form><button name="sort" value="name">' in text
    assert "prefers-color-scheme:dark" in text


def test_sizes_for_people(listed):
    text = listed.get("/").text
    for size in ">5<", ">1023<", ' title="1024">1.0 KB<', ' title="2000">1.9 KB<', ' title="52428800">50 MB<':
        assert size in text, text


def test_a_listing_as_json(listed):
    reply = listed.get("/", {"Accept": "application/json"})
    assert reply.fields["Content-Type"] == "application/json" and "Accept" in reply.fields.get_all("Vary")
    entries = json.loads(reply.body)
    assert [entry["name"] for entry in entries] == ["a", "b", 'c"<', "d", "e", "sub"]
    assert entries[0] == {"name": "a", "type": "file", "size": 5, "modified": "2001-09-09T01:46:39Z"}
    assert entries[-1]["type"] == "directory" and "size" not in entries[-1]
    down = json.loads(listed.get("/?order=desc", {"Accept": "application/json, text/plain, */*"}).body)
    assert [entry["name"] for entry in down][:2] == ["sub", "e"]
    for accept in "text/html, application/json", "*/*", "application/json;q=0", "text/html;q=0.9, application/json;q=0.5":
        assert listed.get("/", {"Accept": accept}).text.startswith("<!doctype html>"), accept
    assert json.loads(listed.get("/sub/", {"Accept": "application/json"}).body) == []


def test_names_that_are_not_text(listed, site):
    (os.fsencode(site) + b"/sub/\xff\x01\\").decode("utf-8", "surrogateescape")
    with open(os.fsencode(site) + b"/sub/\xff\x01\\\xc3\xa4", "wb"):
        pass
    entries = json.loads(listed.get("/sub/", {"Accept": "application/json"}).body)
    assert [entry["name"] for entry in entries] == ["\ufffd\x01\\ä"]


def test_a_page_of_ones_own(configured, site, tmp_path):
    (site / "index.html").unlink()
    (site / "a&b").mkdir()
    (site / "a&b" / "file").write_text("x")
    (tmp_path / "page.html").write_text("<title>$path</title><h1>$path</h1><table>$rows</table><p>Files in $path")
    server = configured("sites: [{root: site, listing-template: page.html}]\n")
    text = server.get("/a%26b/").text
    assert text.startswith("<title>/a&amp;b</title><h1>/a&amp;b</h1><table><tr><td><a href=\"file\">file</a>")
    assert text.endswith("</table><p>Files in /a&amp;b")
    assert server.get("/a%26b/", {"Accept": "application/json"}).text.startswith("[\n{")


def test_a_page_without_rows(run, site, tmp_path):
    (tmp_path / "page.html").write_text("<p>nothing")
    (tmp_path / "weir.yaml").write_text("sites:\n  - root: site\n    listing-template: page.html\n")
    result = run("check", "-c", "weir.yaml")
    assert result.returncode == 1 and re.search(r"weir.yaml:3:\d+: .*has no \$rows", result.stderr), result.stderr


# -- siblings

ZSTD = b"\x28\xb5\x2f\xfd\x04"


@pytest.fixture
def siblings(configured, site):
    (site / "a.css").write_text("a{}" * 10)
    for suffix in "br", "gz":
        (site / f"a.css.{suffix}").write_text(suffix)
    (site / "a.css.zst").write_bytes(ZSTD + bytes([13 << 3]) + b"zst")
    (site / "big.css").write_text("b{}" * 10)
    (site / "big.css.zst").write_bytes(ZSTD + bytes([13 << 3 | 1]) + b"big")
    (site / "one.css").write_text("c{}" * 10)
    (site / "one.css.zst").write_bytes(b"\x28\xb5\x2f\xfd\x20\x05" + b"small")
    return configured("workers: 1\nsites: [{root: site, compress: no}]\n")


@pytest.mark.parametrize(
    "accept, coding",
    [
        ("gzip, br, zstd", "br"),
        ("gzip, zstd", "zstd"),
        ("gzip", "gzip"),
        ("br;q=0.5, gzip;q=0.8, zstd;q=0.8", "zstd"),
        ("br;q=0.5, gzip;q=1", "gzip"),
        ("*", "br"),
        ("*, br;q=0", "zstd"),
        ("br;q=0.5, identity", None),
        ("deflate", None),
        ("br;q=0", None),
    ],
)
def test_the_client_chooses_a_sibling(siblings, accept, coding):
    reply = siblings.get("/a.css", {"Accept-Encoding": accept})
    assert reply.status == 200 and reply.fields["Content-Encoding"] == coding
    assert reply.fields["Content-Type"] == "text/css; charset=utf-8"
    assert reply.fields.get_all("Vary") == ["Accept-Encoding"]


def test_no_window_that_clients_lack(siblings):
    assert siblings.get("/big.css", {"Accept-Encoding": "zstd"}).fields["Content-Encoding"] is None
    assert siblings.get("/one.css", {"Accept-Encoding": "zstd"}).fields["Content-Encoding"] == "zstd"


def test_large_siblings(siblings, site):
    """Those that are not in the cache of contents."""
    (site / "large.css").write_text("c{}" * 10)
    for window, coding in (13 << 3, "zstd"), (13 << 3 | 1, None):
        (site / "large.css.zst").write_bytes(ZSTD + bytes([window]) + b"x" * 3_000_000)
        wait_for(lambda: siblings.get("/large.css", {"Accept-Encoding": "zstd"}).fields["Content-Encoding"] == coding)


def test_an_older_sibling(siblings, site):
    os.utime(site / "a.css.br", (5, 5))
    reply = siblings.get("/a.css", {"Accept-Encoding": "br, gzip;q=0.1"})
    assert reply.fields["Content-Encoding"] == "gzip"


def test_types_of_ones_own(configured, site):
    for name in "a.gmi", "b.MJS", "c.css":
        (site / name).write_text("text " * 200)
    server = configured(
        "sites: [{root: site, types: {gmi: text/gemini, mjs: application/javascript}, "
        "rules: [{path: '/c.css', types: {css: text/x-css}}]}]\n"
    )
    reply = server.get("/a.gmi", {"Accept-Encoding": "gzip"})
    assert reply.fields["Content-Type"] == "text/gemini" and reply.fields["Content-Encoding"] == "gzip"
    assert server.get("/b.MJS").fields["Content-Type"] == "application/javascript"
    assert server.get("/c.css").fields["Content-Type"] == "text/x-css"


def test_types_that_are_compressed(configured, site):
    for name in "a.css", "a.html", "a.json", "a.png":
        (site / name).write_text("text " * 200)
    (site / "a.html.br").write_text("br")
    server = configured(
        "sites: [{root: site, compress-types: ['image/*', application/json], "
        "rules: [{path: /a.html, compress-types: [TEXT/html]}]}]\n"
    )
    gzip = {"Accept-Encoding": "gzip, br;q=0.5"}
    codings = [server.get(f"/a.{end}", gzip).fields["Content-Encoding"] for end in ("css", "json", "png", "html")]
    assert codings == [None, "gzip", "gzip", "br"]
