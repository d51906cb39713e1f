"""Forms with files, by curl and by clients that misbehave."""

import os
import shutil
import subprocess

import pytest
from client import Raw, names, open_temporaries, resident
from conftest import wait_for
from servers import drop, full, uploads  # noqa: F401
from wire import is_sanitized

curl = pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
BOUNDARY = b"----b0undary"


def part(name, data):
    disposition = f'Content-Disposition: form-data; name="f"; filename="{name}"\r\n'.encode()
    return b"--" + BOUNDARY + b"\r\n" + disposition + b"\r\n" + data + b"\r\n"


END = b"--" + BOUNDARY + b"--\r\n"


def head(size, path="/", *fields):
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: a",
        f"Content-Length: {size}",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY.decode()}",
        *fields,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def post(server, body, path="/"):
    headers = {"Content-Type": "multipart/form-data; boundary=" + BOUNDARY.decode()}
    return server.request("POST", path, body, headers)


@curl
def test_curl(uploads, drop, tmp_path):
    sources = []
    for n, size in enumerate([0, 1, 65536, 20_000_000]):
        source = tmp_path / f"source {n}.bin"
        source.write_bytes(os.urandom(size))
        sources.append(source)
    command = ["curl", "-sS", "-i", "-F", "text=hello"]
    for source in sources:
        command += ["-F", f'file=@"{source}"']
    result = subprocess.run([*command, uploads.url], capture_output=True, timeout=60, check=True)
    assert b" 201 Created" in result.stdout
    assert b"./source%200.bin\n./source%201.bin\n" in result.stdout
    assert names(drop) == [source.name for source in sources]
    for source in sources:
        assert (drop / source.name).read_bytes() == source.read_bytes()


@curl
def test_a_browser(uploads, drop, tmp_path):
    source = tmp_path / "a.txt"
    source.write_text("a")
    command = ["curl", "-sS", "-i", "-H", "Accept: text/html,*/*;q=0.8", "-F", f"f=@{source}"]
    result = subprocess.run([*command, uploads.url], capture_output=True, timeout=60, check=True)
    assert b" 303 See Other" in result.stdout
    assert b"Location: /\r\n" in result.stdout
    assert (drop / "a.txt").read_text() == "a"


@pytest.mark.parametrize("step", [1, 2, 3, 7, 11, 13])
def test_small_packets(uploads, drop, step):
    data = b"\r\n--" + BOUNDARY[:-1] + b"\r\n\r\n--"
    body = part("new", data) + END
    with Raw(uploads.port) as raw:
        raw.send(head(len(body)) + body, step=step)
        assert raw.status() == 201
    assert (drop / "new").read_bytes() == data


@pytest.mark.parametrize("cut", range(0, 200, 9))
@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_goes_leaves_nothing(uploads, drop, cut, reset):
    body = part("one", b"1" * 20) + part("two", b"2" * 20) + END
    raw = Raw(uploads.port)
    raw.send(head(len(body)) + body[:cut])
    if reset:
        raw.reset()
    else:
        raw.socket.close()
    uploads.get("/")
    wait_for(lambda: not open_temporaries(uploads.pid, drop), what="the end of the form")
    assert names(drop) == []


@pytest.mark.parametrize(
    "name, stored",
    [
        ("../../new", "new"),
        ("/etc/passwd", "passwd"),
        ("..\\\\..\\\\new", "new"),
        ("C:\\\\a\\\\new", "new"),
        ("%2e%2e%2fnew", "%2e%2e%2fnew"),
        ("x" * 255, "x" * 255),
        ("..", None),
        (".", None),
        ("a/", None),
        (".hidden", None),
        (".weir-0123456789abcdef", None),
        ("x" * 256, None),
        ("x" * 9000, None),
    ],
)
def test_names(uploads, drop, tmp_path, name, stored):
    before = names(tmp_path)
    assert post(uploads, part(name, b"x") + END).status in ([201] if stored else [400, 413])
    assert names(drop) == ([stored] if stored else [])
    assert names(tmp_path) == before


def test_wrong_boundaries(uploads, drop):
    good = part("new", b"x")
    for body in [
        good,
        good + END[:-4],
        good.replace(BOUNDARY, b"other") + END,
        good.replace(BOUNDARY, BOUNDARY + b"x") + END,
        good.replace(b"\r\n", b"\n") + END,
        b"",
        bytes(100_000),
        b"--" + BOUNDARY + b"\r\n" + b"a: b\r\n" * 100_000,
        b"--" + BOUNDARY + b"\r\nContent-Disposition: " + b"x" * 1_000_000,
    ]:
        with Raw(uploads.port) as raw:
            try:
                raw.send(head(len(body)) + body)
            except (BrokenPipeError, ConnectionResetError):
                pass
            assert raw.status() in (400, 413)
        assert names(drop) == []


def test_a_full_disk(full):
    server, root = full
    (root / "old").write_text("old")
    body = part("old", b"new") + part("two", bytes(5_000_000)) + END
    with Raw(server.port) as raw:
        try:
            raw.send(head(len(body)) + body)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert raw.status() == 507
    assert names(root) == ["old"]
    assert (root / "old").read_text() == "old"
    wait_for(lambda: not open_temporaries(server.pid, root), what="the end of the form")
    assert post(server, part("old", b"new") + END).status == 201
    assert (root / "old").read_text() == "new"


def test_memory_is_constant(uploads, drop):
    block, blocks = os.urandom(1 << 20), 150
    first, second = part("one", b"")[:-2], b"\r\n" + part("two", b"")[:-2]
    size = len(first) + len(second) + 2 * blocks * len(block) + 2 + len(END)
    before, most = resident(uploads.pid), 0
    with Raw(uploads.port) as raw:
        raw.send(head(size))
        for begin in first, second:
            raw.send(begin)
            for _ in range(blocks):
                raw.send(block)
                most = max(most, resident(uploads.pid))
        raw.send(b"\r\n" + END)
        assert raw.status() == 201
    assert most - before < (512 if is_sanitized(uploads) else 32) << 20
    assert (drop / "one").read_bytes() == (drop / "two").read_bytes() == block * blocks
