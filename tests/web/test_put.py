"""PUT and DELETE, by curl and by clients that misbehave."""

import hashlib
import os
import shutil
import subprocess
import threading

import pytest
from client import Raw, names, open_temporaries, resident
from conftest import wait_for
from servers import drop, full, uploads  # noqa: F401
from wire import is_sanitized

curl = pytest.mark.skipif(not shutil.which("curl"), reason="no curl")


def run_curl(*arguments):
    command = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    return result.stdout[-3:]


def put_head(path, size, *fields):
    lines = [f"PUT {path} HTTP/1.1", "Host: a", f"Content-Length: {size}", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@curl
@pytest.mark.parametrize("size", [0, 1, 65536, 1 << 20, 50_000_001])
@pytest.mark.parametrize("how", ["length", "chunked", "expect"])
def test_curl(uploads, drop, tmp_path, size, how):
    if how == "chunked" and size == 0:
        pytest.skip("curl 7.88 never sends the last chunk of an empty file")
    source = tmp_path / "source"
    source.write_bytes(os.urandom(size))
    extra = {
        "length": ["-H", "Expect:"],
        "chunked": ["-H", "Transfer-Encoding: chunked"],
        "expect": ["-H", "Expect: 100-continue"],
    }[how]
    assert run_curl("-T", source, *extra, uploads.url + "new") == "201"
    assert (drop / "new").read_bytes() == source.read_bytes()
    assert run_curl("-T", source, *extra, uploads.url + "new") == "204"
    assert run_curl("-X", "DELETE", uploads.url + "new") == "204"
    assert names(drop) == []


@curl
def test_curl_hears_of_it_before_it_has_sent(uploads, drop, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(bytes(10_000_000))
    expect = ["-H", "Expect: 100-continue", "--expect100-timeout", "60"]
    assert run_curl("-T", source, *expect, uploads.url + "none/new") == "409"
    assert run_curl("-T", source, *expect, "-H", "If-Match: *", uploads.url + "new") == "412"
    assert names(drop) == []


def test_dripping(uploads, drop):
    body = os.urandom(300)
    with Raw(uploads.port) as raw:
        raw.send(put_head("/new", 300) + body, step=7, pause=0.002)
        assert raw.status() == 201
        raw.send(put_head("/other", 3) + b"abc" + put_head("/more", 3) + b"def")
        assert raw.status() == 201
        assert raw.status() == 201
    assert (drop / "new").read_bytes() == body
    assert names(drop) == ["more", "new", "other"]


def test_pipelined(uploads, drop):
    with Raw(uploads.port) as raw:
        raw.send(b"".join(put_head(f"/{n}", 4) + b"%4d" % n for n in range(100)))
        assert [raw.status() for _ in range(100)] == [201] * 100
    assert all((drop / str(n)).read_text() == f"{n:4}" for n in range(100))


@pytest.mark.parametrize("sent", [0, 1, 70_000, 3_000_000])
@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_goes_leaves_nothing(uploads, drop, sent, reset):
    (drop / "old").write_text("old")
    for path in "/new", "/old":
        raw = Raw(uploads.port)
        raw.send(put_head(path, 10_000_000) + bytes(sent))
        if reset:
            raw.reset()
        else:
            raw.socket.close()
    assert uploads.get("/old").text == "old"
    assert names(drop) == ["old"]
    wait_for(lambda: not open_temporaries(uploads.pid, drop), what="the end of the uploads")


def test_a_killed_server_leaves_nothing(weir, configured, drop):
    server = configured("sites: [{root: drop, uploads: {put: true}}]\n")
    with Raw(server.port) as raw:
        raw.send(put_head("/new", 10_000_000) + bytes(2_000_000))
        wait_for(lambda: open_temporaries(server.serving_pid, drop), what="the upload")
        server.process.kill()
        server.wait()
    assert [name for name in names(drop) if not name.startswith(".weir-")] == []


def test_a_full_disk(full):
    server, root = full
    (root / "old").write_text("old")
    for fields in [], ["Expect: 100-continue"]:
        with Raw(server.port) as raw:
            raw.send(put_head("/new", 5_000_000, *fields))
            assert raw.status() == 507
    chunked = b"PUT /old HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    with Raw(server.port) as raw:
        raw.send(chunked)
        try:
            for _ in range(200):
                raw.send(chunk)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert raw.status() == 507
    assert names(root) == ["old"]
    assert (root / "old").read_text() == "old"
    wait_for(lambda: not open_temporaries(server.pid, root), what="the end of the upload")
    assert server.request("PUT", "/new", bytes(500_000)).status == 201


def test_many_at_once(uploads, drop):
    """Whichever is last, the file is one of them, complete."""
    bodies = [bytes([n]) * 200_000 for n in range(20)]
    results = []

    def put(body):
        results.append(uploads.request("PUT", "/same", body).status)

    threads = [threading.Thread(target=put, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(results) <= {201, 204} and 201 in results
    assert (drop / "same").read_bytes() in bodies
    assert names(drop) == ["same"]


def test_only_one_makes_it(uploads, drop):
    results = []

    def put(n):
        headers = {"If-None-Match": "*"}
        results.append(uploads.request("PUT", "/same", b"%d" % n, headers).status)

    threads = [threading.Thread(target=put, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [201] + [412] * 19


def test_memory_is_constant(uploads, drop):
    size, block = 400 << 20, os.urandom(1 << 20)
    before = resident(uploads.pid)
    most, digest = 0, hashlib.sha256()
    with Raw(uploads.port) as raw:
        raw.send(put_head("/large", size))
        for _ in range(size >> 20):
            raw.send(block)
            digest.update(block)
            most = max(most, resident(uploads.pid))
        assert raw.status() == 201
    assert most - before < (512 if is_sanitized(uploads) else 32) << 20
    assert hashlib.sha256((drop / "large").read_bytes()).digest() == digest.digest()


@pytest.mark.parametrize(
    "path",
    ["/../new", "/%2e%2e/new", "/a/../../new", "/..%2fnew", "/new%00", "/new%0a", "/%5c..%5cnew"],
)
def test_traversal(uploads, drop, tmp_path, path):
    before = names(tmp_path)
    with Raw(uploads.port) as raw:
        raw.send(put_head(path, 1) + b"x")
        assert raw.status() in (400, 201)
    assert names(tmp_path) == before
    assert names(drop) in ([], ["\\..\\new"])
