"""The cache of compressed files: how it is filled, its replies, and how entries leave it."""

import gzip
import os
import signal
import time

import pytest

from conftest import wait_for
from wire import Wire, get, head, request

GZIP = "Accept-Encoding: gzip"
TEXT = b"".join(b"line %d of a text that compresses\n" % i for i in range(5000))


def write(path, data):
    """Writes a file whose last change is old enough for its next one to show in its times."""
    path.write_bytes(data)
    time.sleep(0.1)
    return data


def is_cached(reply):
    """A compressed reply is chunked, unless it comes from the cache."""
    assert reply["Content-Encoding"] == "gzip" and reply["Vary"] == "Accept-Encoding"
    if reply["Transfer-Encoding"]:
        return False
    assert int(reply["Content-Length"]) == len(reply.body)
    return True


def ask(server, path="/a.txt", *lines, **options):
    return get(server, path, GZIP, *lines, **options)


def fill(server, path="/a.txt"):
    """Asks until the cache answers; the reply. Each worker needs two requests before."""
    for _ in range(10):
        reply = ask(server, path)
        if is_cached(reply):
            return reply
    pytest.fail("the cache does not answer")


@pytest.fixture
def cached(weir, site):
    write(site / "a.txt", TEXT)
    return weir(site, "--workers", 1)


def test_third_reply_comes_from_the_cache(cached):
    """The first only compresses, the second fills the cache as well."""
    with Wire(cached) as wire:
        replies = [wire.ask(request("/a.txt", GZIP)) for _ in range(4)]
    assert [is_cached(reply) for reply in replies] == [False, False, True, True]
    assert all(gzip.decompress(reply.body) == TEXT for reply in replies)
    assert len({reply["ETag"] for reply in replies}) == 1
    assert replies[2].body == replies[3].body


def test_http_1_0_keeps_the_connection(cached):
    """The size is known, so that the reply's end need not be the connection's."""
    fill(cached)
    with Wire(cached) as wire:
        for _ in range(3):
            asked = request("/a.txt", GZIP, "Connection: keep-alive", version="HTTP/1.0")
            reply = wire.ask(asked)
            assert reply["Connection"] == "keep-alive" and is_cached(reply)


def test_head_tells_the_length_of_what_get_sends(cached):
    for _ in range(3):
        assert head(cached, "/a.txt", GZIP)["Content-Length"] is None
    whole = fill(cached)
    bare = head(cached, "/a.txt", GZIP)
    assert bare["Content-Length"] == str(len(whole.body))
    assert bare["ETag"] == whole["ETag"] and bare["Content-Encoding"] == "gzip"


def test_conditions(cached):
    whole = fill(cached)
    plain = get(cached, "/a.txt")
    assert plain.body == TEXT and plain["Content-Encoding"] is None
    assert plain["ETag"] == whole["ETag"].removeprefix("W/")
    same = ask(cached, "/a.txt", f"If-None-Match: {whole['ETag']}")
    assert same.status == 304 and same["ETag"] == whole["ETag"] and same["Content-Length"] is None
    assert ask(cached, "/a.txt", f"If-Match: {plain['ETag']}").status == 412
    assert is_cached(ask(cached, "/a.txt", 'If-None-Match: "other"'))


def test_range_is_one_of_the_file_itself(cached):
    whole = fill(cached)
    part = ask(cached, "/a.txt", "Range: bytes=5-9")
    assert part.status == 206 and part.body == TEXT[5:10] and part["Content-Encoding"] is None
    # A weak tag names no bytes.
    all_of_it = ask(cached, "/a.txt", "Range: bytes=5-9", f"If-Range: {whole['ETag']}")
    assert all_of_it.status == 200 and all_of_it.body == TEXT


def test_changed_file_is_compressed_anew(cached, site):
    """By all the ways in which a file changes: written in place, replaced, touched, made shorter."""
    old = fill(cached)
    changes = [
        lambda: (site / "a.txt").write_bytes(TEXT.upper()),
        lambda: ((site / "b").write_bytes(TEXT.title()), os.rename(site / "b", site / "a.txt")),
        lambda: os.utime(site / "a.txt", (1_600_000_000, 1_600_000_000)),
        lambda: (site / "a.txt").write_bytes(TEXT[:1000]),
    ]
    for change in changes:
        change()
        time.sleep(0.1)
        reply = ask(cached)
        assert not is_cached(reply)
        assert gzip.decompress(reply.body) == (site / "a.txt").read_bytes()
        assert reply["ETag"] != old["ETag"]
        old = fill(cached)
        assert gzip.decompress(old.body) == (site / "a.txt").read_bytes()


def test_same_size_and_time_of_modification(cached, site):
    """The time of the last change of status differs."""
    fill(cached)
    status = (site / "a.txt").stat()
    (site / "a.txt").write_bytes(TEXT.upper())
    os.utime(site / "a.txt", ns=(status.st_atime_ns, status.st_mtime_ns))
    for _ in range(4):
        assert gzip.decompress(ask(cached).body) == TEXT.upper()
        time.sleep(0.1)


def test_file_that_changes_all_the_time(cached, site):
    """No reply is of an older state than the file had when it was asked for."""
    for number in range(60):
        text = b"%d\n" % number + TEXT
        (site / "a.txt").write_bytes(text)
        for _ in range(3):
            assert gzip.decompress(ask(cached).body) == text


def test_large_file(weir, site):
    """Larger than what is kept in memory: read from the disk, in many blocks."""
    text = write(site / "a.txt", TEXT * 40)
    server = weir(site, "--workers", 1)
    assert gzip.decompress(fill(server).body) == text


def test_client_that_goes_away_in_the_middle_leaves_nothing(cached, site, hostile):
    noise = write(site / "a.txt", os.urandom(1 << 20).hex().encode())
    ask(cached)
    for _ in range(3):
        with Wire(cached, window=4096) as wire:
            wire.send(request("/a.txt", GZIP))
            wire.head()
            wire.reset()
    reply = ask(cached)
    assert not is_cached(reply) and gzip.decompress(reply.body) == noise
    assert gzip.decompress(fill(cached).body) == noise


def test_client_that_does_not_read_does_not_hold_up_others(cached, site):
    """The copy is one reply's at a time; the others are answered without one meanwhile."""
    noise = write(site / "a.txt", os.urandom(1 << 20).hex().encode())
    ask(cached)
    with Wire(cached, window=4096) as wire:
        wire.send(request("/a.txt", GZIP))
        wire.head()
        for _ in range(3):
            assert gzip.decompress(ask(cached).body) == noise


def test_off(configured, site):
    write(site / "a.txt", TEXT)
    server = configured(f"sites: [{{root: {site}}}]\nlimits: {{compressed-cache: 0}}\n")
    for _ in range(5):
        reply = ask(server)
        assert not is_cached(reply) and gzip.decompress(reply.body) == TEXT


def test_bound(configured, site):
    """More compressed files than there is room for: those that were not asked for longest go."""
    for number in range(40):
        (site / f"{number}.txt").write_bytes(os.urandom(16 << 10).hex().encode())
    time.sleep(0.1)
    server = configured(
        f"workers: 1\nsites: [{{root: {site}}}]\nlimits: {{compressed-cache: 256K}}\n"
    )
    for number in range(40):
        fill(server, f"/{number}.txt")
    assert is_cached(ask(server, "/39.txt"))
    found = [is_cached(ask(server, f"/{number}.txt")) for number in range(39, -1, -1)]
    assert found[0] and not all(found)


def test_too_large_for_the_cache(configured, site):
    """A compressed file takes an eighth of the cache at most."""
    text = write(site / "a.txt", os.urandom(64 << 10).hex().encode())
    server = configured(
        f"workers: 1\nsites: [{{root: {site}}}]\nlimits: {{compressed-cache: 256K}}\n"
    )
    for _ in range(4):
        reply = ask(server)
        assert not is_cached(reply) and gzip.decompress(reply.body) == text


def test_workers_share_it(weir, site):
    """A file that one worker has compressed is sent by all."""
    write(site / "a.txt", TEXT)
    server = weir(site, "--workers", 4)
    fill(server)
    assert all(is_cached(ask(server)) for _ in range(20))


def test_two_sites_of_one_root_share_it(configured, site):
    """The key is the file's identity, not its path."""
    write(site / "a.txt", TEXT)
    server = configured(
        f"workers: 1\nsites: [{{root: {site}, names: [one]}}, {{root: {site}, names: [two]}}]\n"
    )
    with Wire(server) as wire:
        for _ in range(2):
            wire.ask(request("/a.txt", GZIP, "Host: one"))
        assert is_cached(wire.ask(request("/a.txt", GZIP, "Host: two")))


def test_reload_begins_with_an_empty_cache(configured, site):
    write(site / "a.txt", TEXT)
    server = configured(f"workers: 1\nsites: [{{root: {site}}}]\n")
    fill(server)
    server.send_signal(signal.SIGHUP)
    wait_for(lambda: not is_cached(ask(server)))
    assert gzip.decompress(fill(server).body) == TEXT
