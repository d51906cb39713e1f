"""The examples: each compiles with nothing but the installed library, and does what it says."""

import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from conftest import wait_for
from ports import free_port

TOP = Path(__file__).resolve().parent.parent.parent
EXAMPLES = sorted(path.stem for path in (TOP / "examples").glob("*.c"))

pytestmark = pytest.mark.skipif(
    not (shutil.which("meson") and shutil.which("pkg-config") and shutil.which("cc")),
    reason="no meson, pkg-config or cc",
)


def environment():
    """Without what a test under sanitizers sets: a compiler and meson have leaks of their own."""
    kept = dict(os.environ)
    kept.pop("LD_PRELOAD", None)
    kept["ASAN_OPTIONS"] = kept["LSAN_OPTIONS"] = "detect_leaks=0"
    return kept


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """A directory below which the library of build/ is installed: the examples are compiled without
    sanitizers, whatever the program is."""
    if not (TOP / "build" / "build.ninja").exists():
        pytest.skip("build/ is not configured")
    top = tmp_path_factory.mktemp("installed")
    command = ["meson", "install", "-C", TOP / "build", "--no-rebuild", "--destdir", top]
    result = subprocess.run(
        [str(word) for word in command], env=environment(), capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return top


@pytest.fixture(scope="session")
def library_path(installed):
    """The directory of the installed libraries."""
    return next(installed.rglob("libweir.so")).parent


@pytest.fixture(scope="session")
def compiled(installed, library_path):
    """compiled(name): the program made of examples/name.c."""
    env = environment() | {
        "PKG_CONFIG_PATH": str(library_path / "pkgconfig"),
        "PKG_CONFIG_SYSROOT_DIR": str(installed),
    }
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "weir"],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    def compile_example(name):
        program = installed / name
        source = TOP / "examples" / f"{name}.c"
        strict = ["-Wall", "-Wextra", "-Werror", "-g"]
        result = subprocess.run(
            ["cc", *strict, str(source), "-o", str(program), *flags],
            capture_output=True,
            text=True,
            env=env,
        )
        assert result.returncode == 0, result.stderr
        return program

    return compile_example


@pytest.fixture
def example(compiled, library_path):
    """example(name, argument…) runs it on a free port, or echo on its own, and gives the port."""
    running = []

    def start(name, *arguments, port=None):
        if port is None:
            port = free_port()
            arguments += (f"127.0.0.1:{port}",)
        process = subprocess.Popen(
            [str(compiled(name)), *map(str, arguments)],
            env=environment() | {"LD_LIBRARY_PATH": str(library_path)},
            stdout=subprocess.DEVNULL,
        )
        running.append(process)

        def answers():
            assert process.poll() is None, f"{name} ended with {process.returncode}"
            with socket.socket() as client:
                return client.connect_ex(("127.0.0.1", port)) == 0

        wait_for(answers, what=f"the start of {name}")
        return port

    yield start
    for process in running:
        assert process.poll() is None, f"it ended by itself, with {process.returncode}"
        process.kill()
        process.wait()


class Client:
    """A client of a protocol of lines."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.file = self.socket.makefile("rb")

    def say(self, text):
        self.socket.sendall(text)

    def hear(self):
        return self.file.readline()


def test_the_list_is_complete():
    tested = set(re.findall(r'(?:example|compiled)\("(\w+)"', Path(__file__).read_text()))
    assert tested == set(EXAMPLES)


def test_echo(example):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if probe.connect_ex(("127.0.0.1", 7000)) == 0:
            pytest.skip("somebody uses port 7000")
    client = Client(example("echo", port=7000))
    client.say(b"one\r\ntwo\r\n")
    assert [client.hear(), client.hear()] == [b"one\r\n", b"two\r\n"]


def test_echo_is_short():
    assert len((TOP / "examples" / "echo.c").read_text().splitlines()) <= 40


def test_static_http(example, site):
    port = example("static_http", site)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as reply:
        assert reply.read() == b"hello"


def test_custom_producer(example):
    port = example("custom_producer")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/20000", timeout=30) as reply:
        lines = reply.read().decode().splitlines()
    assert lines == [f"{n} {n * n}" for n in range(1, 20001)]
    client = Client(port)
    client.say(b"GET /1000000000000 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.hear().startswith(b"HTTP/1.1 200")
    client.socket.close()
    client = Client(port)
    client.say(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.hear().startswith(b"HTTP/1.1 404")


def test_chat(example):
    port = example("chat")
    first, second = Client(port), Client(port)

    def hears(client, line):
        """The next line, but for those of who looked whether it has started."""
        while (heard := client.hear()) == b"1 leaves\r\n":
            pass
        assert heard == line

    hears(first, b"you are 2\r\n")
    hears(second, b"you are 3\r\n")
    hears(first, b"3 comes in\r\n")
    first.say(b"hello\r\n")
    hears(second, b"2: hello\r\n")
    second.say(b"one\r\ntwo\r\n")
    hears(first, b"3: one\r\n")
    hears(first, b"3: two\r\n")
    second.file.close()
    second.socket.close()
    hears(first, b"3 leaves\r\n")


def test_later(example):
    port = example("later")
    client = Client(port)
    client.say(b"50000\r\n1\r\nx\r\n6\r\n")
    other = Client(port)
    other.say(b"3\r\n")
    assert other.hear() == b"5\r\n"
    assert client.hear() == b"611953\r\n"
    assert client.hear() == b"2\r\n"
    assert b"please" in client.hear()
    assert client.hear() == b"13\r\n"
    gone = Client(port)
    gone.say(b"20000\r\n" * 20)
    gone.file.close()
    gone.socket.close()
    time.sleep(0.2)
    other.say(b"4\r\n")
    assert other.hear() == b"7\r\n"


def test_protocol(example):
    client = Client(example("protocol"))
    client.say(b"get a\r\nset a 7\r\nx\r\ny\r\nzget a\r\nbla\r\n")
    assert client.hear() == b"none\r\n"
    assert client.hear() == b"ok\r\n"
    assert client.hear() == b"7\r\n"
    assert client.file.read(7) == b"x\r\ny\r\nz"
    assert client.hear() == b"get NAME, or set NAME SIZE\r\n"
    for piece in (b"set b", b" 3\r", b"\n1", b"2", b"3get ", b"b\r\n"):
        client.say(piece)
        time.sleep(0.02)
    assert [client.hear(), client.hear()] == [b"ok\r\n", b"3\r\n"]
    assert client.file.read(3) == b"123"
    client.say(b"set c 5000\r\n")
    assert client.hear() == b"bad size\r\n"
    assert client.hear() == b""


def test_resolve(compiled, library_path, tmp_path):
    """No server: its own literals, and what nobody has to be asked for. tests/dns has the rest."""
    conf = tmp_path / "resolv.conf"
    conf.write_text("")
    result = subprocess.run(
        [compiled("resolve"), "-c", conf, "host", "192.0.2.1", "a..b", "x.invalid"],
        env=environment() | {"LD_LIBRARY_PATH": str(library_path)},
        capture_output=True,
        text=True,
    )
    assert sorted(result.stdout.splitlines()) == [
        "192.0.2.1: 192.0.2.1",
        "a..b: not a name",
        "x.invalid: no such name",
    ]
    assert result.returncode == 1


def test_what_is_installed(installed):
    prefix = installed / "usr" / "local"
    assert (prefix / "bin" / "weir").exists()
    assert (prefix / "include" / "weir" / "http.h").exists()
    assert (prefix / "share" / "bash-completion" / "completions" / "weir").exists()
    assert (prefix / "share" / "zsh" / "site-functions" / "_weir").exists()
    assert (prefix / "share" / "fish" / "vendor_completions.d" / "weir.fish").exists()
    if shutil.which("scdoc"):
        for page in "man1/weir.1", "man5/weir.yaml.5", "man3/libweir.3":
            assert (prefix / "share" / "man" / page).exists()
    result = subprocess.run([prefix / "bin" / "weir", "--version"], capture_output=True)
    assert result.stdout.startswith(b"weir ")
