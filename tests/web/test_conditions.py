"""Conditional requests and ranges, and validators that change whenever the file does."""

import email.utils
import os
import re
import time

import pytest

from wire import Wire, get, head, request

TEXT = bytes(range(256)) * 4
SIZE = len(TEXT)
THEN = 1_600_000_000
DATE = email.utils.formatdate(THEN, usegmt=True)
BEFORE = email.utils.formatdate(THEN - 1, usegmt=True)
AFTER = email.utils.formatdate(THEN + 1, usegmt=True)


@pytest.fixture(scope="module")
def server(module_weir, tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    (root / "f.bin").write_bytes(TEXT)
    os.utime(root / "f.bin", (THEN, THEN))
    (root / "empty").touch()
    (root / "f.css").write_bytes(b"a{}\n" * 300)
    with open(root / "big.bin", "wb") as file:
        for i in range(40):
            file.write(i.to_bytes(1, "big") * 100_000)
    return module_weir(root)


@pytest.fixture(scope="module")
def etag(server):
    reply = get(server, "/f.bin")
    assert reply["Last-Modified"] == DATE
    assert re.fullmatch(r'"[!#-~]+"', reply["ETag"])
    return reply["ETag"]


CONDITIONS = [
    (["If-None-Match: {etag}"], 304),
    (["If-None-Match: W/{etag}"], 304),
    (['If-None-Match: "x", {etag}'], 304),
    (['If-None-Match: "a,b" ,, W/{etag}'], 304),
    (['If-None-Match: "x"', "If-None-Match: {etag}"], 304),
    (["If-None-Match: *"], 304),
    (['If-None-Match: "x"'], 200),
    (["If-None-Match: {bare}"], 200),
    (['If-None-Match: "x" {etag}'], 200),
    (["If-None-Match: "], 200),
    (["If-Match: {etag}"], 200),
    (["If-Match: *"], 200),
    (['If-Match: "x", {etag}'], 200),
    (["If-Match: W/{etag}"], 412),
    (['If-Match: "x"'], 412),
    (["If-Match: "], 412),
    ([f"If-Modified-Since: {DATE}"], 304),
    ([f"If-Modified-Since: {AFTER}"], 304),
    ([f"If-Modified-Since: {BEFORE}"], 200),
    (["If-Modified-Since: yesterday"], 200),
    (["If-Modified-Since: Sunday, 13-Sep-20 12:26:40 GMT"], 304),
    (["If-Modified-Since: Sun Sep 13 12:26:40 2020"], 304),
    ([f"If-Modified-Since: {DATE}", f"If-Modified-Since: {DATE}"], 200),
    ([f"If-Unmodified-Since: {DATE}"], 200),
    ([f"If-Unmodified-Since: {AFTER}"], 200),
    ([f"If-Unmodified-Since: {BEFORE}"], 412),
    (["If-Unmodified-Since: 2020"], 200),
    # Tags go before dates.
    (["If-None-Match: \"x\"", f"If-Modified-Since: {AFTER}"], 200),
    (["If-None-Match: {etag}", f"If-Modified-Since: {BEFORE}"], 304),
    (["If-Match: {etag}", f"If-Unmodified-Since: {BEFORE}"], 200),
    (["If-Match: {etag}", "If-None-Match: {etag}"], 304),
    (['If-Match: "x"', "If-None-Match: {etag}"], 412),
    (['If-Match: "x"', "Range: bytes=0-1"], 412),
    (["If-None-Match: {etag}", "Range: bytes=0-1"], 304),
]


@pytest.mark.parametrize("lines, status", CONDITIONS)
def test_conditions(server, etag, lines, status):
    lines = [line.format(etag=etag, bare=etag.strip('"')) for line in lines]
    with Wire(server) as wire:
        reply = wire.ask(request("/f.bin", *lines))
        assert reply.status == status
        assert reply["ETag"] == etag and reply["Last-Modified"] == DATE
        if status == 200:
            assert reply.body == TEXT
        assert wire.ask(request("/f.bin", *lines, method="HEAD"), "HEAD").status == status
        # Nothing of a body was left on the connection.
        assert wire.ask(request("/f.bin")).body == TEXT


RANGES = [
    ("bytes=0-0", [(0, 1)]),
    ("bytes=0-", [(0, SIZE)]),
    ("bytes=5-9", [(5, 10)]),
    ("bytes=-1", [(SIZE - 1, SIZE)]),
    ("bytes=-100000", [(0, SIZE)]),
    (f"bytes={SIZE - 1}-", [(SIZE - 1, SIZE)]),
    (f"bytes=1000-{SIZE + 5}", [(1000, SIZE)]),
    ("bytes=10-99999999999999999999999999", [(10, SIZE)]),
    ("BYTES=1-2", [(1, 3)]),
    ("bytes=0-1,5-6", [(0, 2), (5, 7)]),
    ("bytes=5-6 , 0-1", [(5, 7), (0, 2)]),
    ("bytes=0-1,,-2", [(0, 2), (SIZE - 2, SIZE)]),
    ("bytes=0-10,5-20", [(0, 21)]),
    ("bytes=0-1,2-3", [(0, 4)]),
    (f"bytes=0-1,{SIZE}-", [(0, 2)]),
    (f"bytes={SIZE}-", 416),
    ("bytes=-0", 416),
    ("bytes=99999999999999999999-", 416),
    ("bytes=5-4", 200),
    ("bytes=", 200),
    ("bytes", 200),
    ("bytes=a-b", 200),
    ("bytes=1", 200),
    ("bytes=--1", 200),
    ("bytes=1-2-3", 200),
    ("bytes=+1-2", 200),
    ("lines=0-1", 200),
    ("bytes=" + ",".join(f"{i}-{i}" for i in range(0, 200, 2)), 200),
    ("bytes=" + ",".join(["0-"] * 10), 200),
]


def parts_of(reply):
    """(content range, bytes) of each part."""
    boundary = re.fullmatch(r"multipart/byteranges; boundary=([\w-]+)", reply["Content-Type"])[1]
    body = reply.body
    pieces = body.split(b"\r\n--" + boundary.encode())
    assert pieces[0] == b"" and pieces[-1] == b"--\r\n"
    parts = []
    for piece in pieces[1:-1]:
        fields, _, data = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        assert b"Content-Type: application/octet-stream" in fields
        parts.append((re.search(rb"Content-Range: (.*)", fields)[1].decode().strip(), data))
    return parts


@pytest.mark.parametrize("value, expected", RANGES)
def test_ranges(server, etag, value, expected):
    with Wire(server) as wire:
        reply = wire.ask(request("/f.bin", f"Range: {value}"))
        if expected == 416:
            assert reply.status == 416 and reply["Content-Range"] == f"bytes */{SIZE}"
        elif expected == 200:
            assert reply.status == 200 and reply.body == TEXT
        elif len(expected) == 1:
            (first, end) = expected[0]
            assert reply.status == 206 and reply.body == TEXT[first:end]
            assert reply["Content-Range"] == f"bytes {first}-{end - 1}/{SIZE}"
            assert reply["ETag"] == etag
        else:
            assert reply.status == 206 and reply["Content-Range"] is None
            assert parts_of(reply) == [
                (f"bytes {first}-{end - 1}/{SIZE}", TEXT[first:end]) for first, end in expected
            ]
        # HEAD knows no ranges.
        assert wire.ask(request("/f.bin", f"Range: {value}", method="HEAD"), "HEAD").status == 200
        assert wire.ask(request("/f.bin")).body == TEXT


@pytest.mark.parametrize(
    "value, status",
    [
        ("{etag}", 206),
        ("W/{etag}", 200),
        ('"x"', 200),
        ("*", 200),
        ("{etag}, {etag}", 200),
        (DATE, 206),
        (AFTER, 200),
        (BEFORE, 200),
        ("rubbish", 200),
    ],
)
def test_if_range(server, etag, value, status):
    reply = get(server, "/f.bin", "Range: bytes=5-9", f"If-Range: {value.format(etag=etag)}")
    assert reply.status == status
    assert reply.body == (TEXT[5:10] if status == 206 else TEXT)


def test_ranges_of_a_large_file(server):
    data = b"".join(i.to_bytes(1, "big") * 100_000 for i in range(40))
    for first, end in (0, 1), (99_999, 100_001), (65_000, 3_200_001), (3_999_999, 4_000_000):
        reply = get(server, "/big.bin", f"Range: bytes={first}-{end - 1}")
        assert reply.body == data[first:end]
    ranges = "0-99,150000-1500000,3999990-"
    with Wire(server) as wire:
        parts = parts_of(wire.ask(request("/big.bin", f"Range: bytes={ranges}")))
        assert [body for _, body in parts] == [data[:100], data[150_000:1_500_001], data[-10:]]
        assert wire.ask(request("/empty")).body == b""


def test_range_of_an_empty_file(server):
    for value in "0-", "0-0", "-1", "5-":
        assert get(server, "/empty", f"Range: bytes={value}").status in (200, 416)


def test_range_and_compression(server):
    """A range is one of the file itself, whose tag is another than that of its compressed form."""
    whole = get(server, "/f.css", "Accept-Encoding: gzip")
    assert whole["Content-Encoding"] == "gzip" and whole["ETag"].startswith("W/")
    part = get(server, "/f.css", "Accept-Encoding: gzip", "Range: bytes=4-7")
    assert part.status == 206 and part.body == b"a{}\n" and part["Content-Encoding"] is None
    assert part["ETag"] != whole["ETag"]
    mixed = get(
        server, "/f.css", "Accept-Encoding: gzip", "Range: bytes=4-7", f"If-Range: {whole['ETag']}"
    )
    assert mixed.status == 200


def test_fields_of_304(server, etag):
    """RFC 9110 15.4.5: what the cache would have to change; and no length that is not the file's."""
    reply = get(server, "/f.css", "If-None-Match: *", "Accept-Encoding: gzip")
    assert reply.status == 304
    assert reply["Vary"] == "Accept-Encoding"
    assert reply["ETag"] and reply["Content-Length"] in (None, str(1200))
    assert reply["Transfer-Encoding"] is None


# -- the file changes


def change_and_compare(server, path, change):
    """The reply after the change; its tag must be another."""
    before = get(server, path)
    assert before["ETag"] == head(server, path)["ETag"]
    change()
    after = get(server, path)
    assert after["ETag"] != before["ETag"]
    assert get(server, path, f"If-None-Match: {before['ETag']}").status == 200
    return after


@pytest.mark.parametrize("size", [10, 100_000])
def test_rewritten_in_place_at_once(weir, site, size):
    """Many times within a second, at the same size: never an old reply, never an old tag."""
    server = weir(site, "--workers", 1)
    path = site / "f.bin"
    path.write_bytes(b"?" * size)
    seen = set()
    for i in range(60):
        content = b"%02d" % i * (size // 2)
        path.write_bytes(content)
        reply = get(server, "/f.bin")
        assert reply.body == content
        seen.add(reply["ETag"])
    # Within one tick of the kernel's clock two tags may be equal, but not within several.
    assert len(seen) > 10


def test_renamed_over(weir, site):
    server = weir(site)
    (site / "f").write_text("one")
    (site / "new").write_text("two")
    after = change_and_compare(server, "/f", lambda: (site / "new").rename(site / "f"))
    assert after.text == "two"


def test_truncated(weir, site):
    server = weir(site)
    (site / "f").write_bytes(TEXT * 1000)
    after = change_and_compare(server, "/f", lambda: os.truncate(site / "f", 10))
    assert after.body == TEXT[:10]


def test_written_through_another_link(weir, site):
    server = weir(site)
    (site / "f").write_text("one")
    os.link(site / "f", site / "g")
    time.sleep(0.1)
    after = change_and_compare(server, "/f", lambda: (site / "g").write_text("two"))
    assert after.text == "two"


def test_unlinked_and_made_again(weir, site):
    server = weir(site)
    (site / "f").write_text("one")
    assert get(server, "/f").text == "one"
    (site / "f").unlink()
    assert get(server, "/f").status == 404
    (site / "f").write_text("two")
    assert get(server, "/f").text == "two"


def test_directory_renamed_above_a_known_file(weir, site):
    """A path is believed for a second; no longer."""
    for name in "d", "e":
        (site / name).mkdir()
        (site / name / "f").write_text(name)
    server = weir(site)
    assert get(server, "/d/f").text == "d"
    (site / "d").rename(site / "old")
    (site / "e").rename(site / "d")
    time.sleep(1.1)
    assert get(server, "/d/f").text == "e"


def test_content_behind_the_same_time_and_size(weir, site):
    """A restored time of modification restores the tag, but the old reply is not sent again."""
    server = weir(site)
    (site / "f").write_text("one")
    os.utime(site / "f", (THEN, THEN))
    assert get(server, "/f").text == "one"
    (site / "f").write_text("two")
    os.utime(site / "f", (THEN, THEN))
    assert get(server, "/f").text == "two"
