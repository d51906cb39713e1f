"""The examples: each compiles with nothing but the installed library, and works as its comment describes."""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
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
    """compiled(name, source=examples/name.c, also=()): the program made of it, with further flags."""
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

    def compile_example(name, source=None, also=()):
        program = installed / name
        source = source or TOP / "examples" / f"{name}.c"
        strict = ["-Wall", "-Wextra", "-Werror", "-g"]
        result = subprocess.run(
            ["cc", *strict, str(source), "-o", str(program), *flags, *also],
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


def skip_without_tools(script):
    """Skips the test where a tool that the script uses is missing, or is another nc."""
    for word in "nc", "curl", "openssl":
        if re.search(rf"\b{word} ", script) and not shutil.which(word):
            pytest.skip(f"no {word}")
    if "nc -N" in script:
        usage = subprocess.run(["nc", "-h"], capture_output=True, text=True)
        if "-N" not in usage.stdout + usage.stderr:
            pytest.skip("nc is not that of netcat-openbsd")


@pytest.fixture
def tried(compiled, library_path, tmp_path):
    """tried(name): runs the lines below "Try it" in the comment of examples/name.c, on a free port
    instead of the one written there. Gives what they print, both outputs."""

    def run(name, also=()):
        comment = (TOP / "examples" / f"{name}.c").read_text().split("*/")[0]
        lines = re.findall(r"^ \*   (.*)$", comment.split("Try it")[1], re.M)
        script = "\n".join(lines)
        skip_without_tools(script)
        # The first line that the program prints reports that it listens. The script waits for that line.
        start = re.search(rf"^\./{name}(.*) & pid=\$!$", script, re.M)
        written = re.search(r"127\.0\.0\.1[: /](\d+)", script)[1]
        port = free_port()
        started = (
            f"./{name}{start[1]} 127.0.0.1:{port} > output 2>&1 & pid=$!\n"
            "trap 'kill $pid 2>/dev/null' EXIT\n"
            "until [ -s output ]; do kill -0 $pid || exit 1; sleep 0.05; done"
        )
        script = script.replace(start[0], started)
        script = re.sub(rf"(127\.0\.0\.1[: /]){written}", rf"\g<1>{port}", script)
        link = tmp_path / name
        link.symlink_to(compiled(name, also=also))
        result = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env=environment() | {"LD_LIBRARY_PATH": str(library_path)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return result.stdout + (tmp_path / "output").read_text()

    return run


def test_the_list_is_complete():
    called = r'(?:example|compiled|tried)\("(\w+)"'
    tested = set(re.findall(called, Path(__file__).read_text())) - {"manual_page"}
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
    assert len((TOP / "examples" / "echo.c").read_text().splitlines()) <= 41


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


def test_libuv(tried):
    package = subprocess.run(["pkg-config", "--cflags", "--libs", "libuv"], capture_output=True, text=True)
    if package.returncode != 0:
        pytest.skip("no libuv")
    printed = tried("libuv", also=package.stdout.split())
    assert re.search(r"^\d+ ticks: hello\r?$", printed, re.M)
    assert printed.endswith("libuv: ended\n")


def test_chat(example):
    port = example("chat")
    first, second = Client(port), Client(port)

    def hears(client, line):
        """Checks the next line, except those of the client that looked whether the program has started."""
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


def test_chat_between_browsers_and_lines(example):
    websockets = pytest.importorskip("websockets", reason="needs python3-websockets")
    web = free_port()
    port = free_port()
    example("chat", f"127.0.0.1:{port}", f"127.0.0.1:{web}", port=port)
    with urllib.request.urlopen(f"http://127.0.0.1:{web}/", timeout=30) as reply:
        assert b"new WebSocket" in reply.read()

    async def conversation():
        line = Client(port)
        line.hear()
        url = f"ws://127.0.0.1:{web}/socket"
        async with websockets.connect(url) as one, websockets.connect(url) as other:
            assert (await one.recv()).startswith("you are ")
            assert (await other.recv()).startswith("you are ")
            await one.send("hello")
            while not (heard := await other.recv()).endswith(": hello"):
                pass
            line.say(b"from a line\r\n")
            while not (heard := await one.recv()).endswith(": from a line"):
                pass
            await other.send("one\ntwo")
            while not heard.endswith(": one"):
                heard = await one.recv()
        while b": one" not in line.hear():
            pass

    asyncio.run(asyncio.wait_for(conversation(), 60))


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


def test_client(example, compiled, library_path):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if probe.connect_ex(("127.0.0.1", 7000)) == 0:
            pytest.skip("somebody uses port 7000")
    command = [compiled("client"), "127.0.0.1:7000", "one", "two"]
    env = environment() | {"LD_LIBRARY_PATH": str(library_path)}
    result = subprocess.run(command, env=env, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("client: 127.0.0.1:7000: ")
    example("echo", port=7000)
    result = subprocess.run(command, env=env, capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "one\ntwo\n", "")


def test_echo_answers_nc(example):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if probe.connect_ex(("127.0.0.1", 7000)) == 0:
            pytest.skip("somebody uses port 7000")
    client = Client(example("echo", port=7000))
    client.say(b"one\ntwo\r\n")
    assert [client.hear(), client.hear()] == [b"one\r\n", b"two\r\n"]


def test_post(tried):
    assert "added\n1 Buy milk\nBuy milk\n" in tried("post")


def test_post_refuses(example):
    port = example("post")

    def post(kind, body):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/notes", body, {"Content-Type": kind}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status
        except urllib.error.HTTPError as error:
            return error.code

    form = "application/x-www-form-urlencoded"
    assert post("text/plain", b"text=a") == 415
    assert post(form, b"other=a") == 400
    assert post(form, b"text=%zz") == 400
    assert post(form, b"text=" + b"a" * 201) == 413
    assert post(form, b"text=" + b"a" * 2000) == 413
    assert [post(form, b"text=a&x=1") for _ in range(101)] == [201] * 100 + [507]


def test_events(tried):
    output = tried("events")
    assert "event: tick\ndata: " in output
    assert output.endswith("events: ended in an orderly way\n")


def test_events_end_with_the_server(compiled, library_path):
    port = free_port()
    process = subprocess.Popen(
        [compiled("events"), f"127.0.0.1:{port}"],
        env=environment() | {"LD_LIBRARY_PATH": str(library_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().startswith("events: http")
    client = Client(port)
    client.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    while not client.hear().startswith(b"data: "):
        pass
    process.terminate()
    assert client.file.read().endswith(b"0\r\n\r\n")
    assert process.communicate(timeout=30)[0] == "events: ended in an orderly way\n"
    assert process.returncode == 0


def test_stop(tried):
    output = tried("stop")
    assert output.startswith("done\n") or output.startswith("done\r\n")
    assert output.endswith("stop: ended in an orderly way\n")


def test_pool(tried):
    lines = Path("/etc/passwd").read_text().count("\n")
    output = tried("pool").replace("\r", "").splitlines()
    assert output[0] == str(lines)
    assert "No such file" in output[1]


def test_tls(tried):
    assert re.search(r"TLSv1\.3 \w+\r?\nhello\r?\n", tried("tls"))


def test_throttle(tried):
    found = re.search(r"200000 bytes in ([0-9.]+) seconds", tried("throttle"))
    assert float(found[1]) >= 1.5


def test_proxy(tried):
    output = tried("proxy")
    assert "GET /hello for 127.0.0.1\nPOST /there for 127.0.0.1\n" in output


def test_datagrams(tried):
    assert tried("datagrams").startswith("HELLO")


def test_query(tried, database, monkeypatch):
    monkeypatch.setenv("DATABASE", database.url)
    lines = tried("query").splitlines()
    last = database.query("SELECT row_to_json(item) FROM item ORDER BY id DESC LIMIT 1")
    assert lines[:3] == [last, "]", "100002"]


def test_query_has_a_bound_and_reports_failures(example, database):
    database.query(
        "DROP TABLE IF EXISTS item;"
        "CREATE TABLE item AS SELECT n AS id, repeat('x', 1000) AS name FROM generate_series(1, 50000) n"
    )
    port = free_port()
    example("query", database.url, f"127.0.0.1:{port}", port=port)
    url = f"http://127.0.0.1:{port}/item"

    def status():
        try:
            with urllib.request.urlopen(url, timeout=30) as reply:
                return reply.status
        except urllib.error.HTTPError as error:
            return error.code

    def active():
        sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
        return int(database.query(sql + " AND backend_type = 'client backend'"))

    # A client that does not read: the database waits, and the query is cancelled when the client has gone.
    client = Client(port)
    client.say(b"GET /item HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.hear().startswith(b"HTTP/1.1 200")
    wait_for(lambda: active() == 1, what="a query that waits for its client")
    with urllib.request.urlopen(url, timeout=30) as reply:
        assert [row["id"] for row in json.load(reply)] == list(range(1, 50001))
    assert active() == 1
    client.file.close()
    client.socket.close()
    wait_for(lambda: active() == 0, what="the end of a query without a client")

    database.query("TRUNCATE item")
    with urllib.request.urlopen(url, timeout=30) as reply:
        assert json.load(reply) == []
    database.query("ALTER TABLE item RENAME TO other")
    assert status() == 500
    database.stop()
    assert status() == 503
    database.start()
    database.query("ALTER TABLE other RENAME TO item")
    # The pool waits between its attempts to connect.
    wait_for(lambda: status() == 200, what="a reply from the database")


def test_the_program_in_the_manual(compiled, library_path, tmp_path):
    """man weir_producer has a whole program, which compiles as it is printed."""
    if not (shutil.which("scdoc") and shutil.which("man")):
        pytest.skip("no scdoc or man")
    page = (TOP / "man" / "weir_producer.3.scd").read_text()
    roff = subprocess.run(
        ["scdoc"], env=environment(), input=page, capture_output=True, text=True
    ).stdout
    printed = subprocess.run(
        ["man", "-l", "-"],
        input=roff,
        capture_output=True,
        text=True,
        env=environment() | {"MANWIDTH": "160", "MAN_KEEP_FORMATTING": "", "LC_ALL": "C.UTF-8"},
    ).stdout
    program = printed[printed.index("#include <stdio.h>") :].split("SEE ALSO")[0]
    source = tmp_path / "manual_page.c"
    source.write_text(program)
    port = free_port()
    process = subprocess.Popen(
        [compiled("manual_page", source), f"127.0.0.1:{port}"],
        env=environment() | {"LD_LIBRARY_PATH": str(library_path)},
    )
    try:
        wait_for(lambda: answers_at(port), what="the start of the manual's program")
        client = Client(port)
        client.say(b"\r\n")
        assert [int(client.hear()) for _ in range(1000001)] == list(range(1000001))
    finally:
        process.kill()
        process.wait()


def answers_at(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_the_static_library_exports_only_its_own_names(library_path):
    """Names that a program may well have are free, in the static library as in the shared one."""
    for options, name in ([], "libweir.a"), (["-D"], "libweir.so"):
        symbols = subprocess.run(
            ["nm", *options, "--defined-only", "--extern-only", library_path / name],
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        names = re.findall(r"^[0-9a-f]+ [^A] (\S+)$", symbols, re.M)  # A: the symbols' version
        assert len(names) > 300
        assert [name for name in names if not name.startswith("weir_")] == []


def test_the_static_library_links(installed, library_path, tmp_path):
    env = environment() | {
        "PKG_CONFIG_PATH": str(library_path / "pkgconfig"),
        "PKG_CONFIG_SYSROOT_DIR": str(installed),
    }
    flags = subprocess.run(
        ["pkg-config", "--static", "--cflags", "--libs", "weir"],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    flags = [str(library_path / "libweir.a") if flag == "-lweir" else flag for flag in flags]
    command = ["cc", TOP / "examples" / "post.c", "-o", tmp_path / "post", *flags]
    result = subprocess.run(command, capture_output=True, text=True, env=env)
    assert result.returncode == 0, result.stderr


VERSION_PROGRAM = """
#include <stdio.h>
#include <weir/version.h>

int main(void)
{
	printf("%s %d.%d.%d\\n", weir_version(), WEIR_VERSION_MAJOR, WEIR_VERSION_MINOR,
	        WEIR_VERSION_PATCH);
	return 0;
}
"""
CMAKE_PROJECT = """
cmake_minimum_required(VERSION 3.18)
project(user C)
find_package(weir {} REQUIRED)
add_executable(user user.c)
target_link_libraries(user weir::weir)
"""


def configure_with_cmake(library_path, directory, version):
    directory.mkdir(exist_ok=True)
    (directory / "user.c").write_text(VERSION_PROGRAM)
    (directory / "CMakeLists.txt").write_text(CMAKE_PROJECT.format(version))
    command = ["cmake", "-G", "Ninja", "-S", directory, "-B", directory / "out"]
    command += [f"-Dweir_DIR={library_path / 'cmake' / 'weir'}"]
    return subprocess.run(command, capture_output=True, text=True, env=environment())


@pytest.mark.skipif(not shutil.which("cmake"), reason="no cmake")
def test_cmake_finds_the_package(library_path, tmp_path):
    configured = configure_with_cmake(library_path, tmp_path, "0.1")
    assert configured.returncode == 0, configured.stderr
    subprocess.run(["cmake", "--build", tmp_path / "out"], check=True, capture_output=True)
    printed = subprocess.run([tmp_path / "out" / "user"], capture_output=True, text=True, check=True)
    version, numbers = printed.stdout.split()
    assert version == numbers


@pytest.mark.skipif(not shutil.which("cmake"), reason="no cmake")
@pytest.mark.parametrize("version", ["0.0.1", "0.2", "1.0"])
def test_cmake_refuses_another_version(library_path, tmp_path, version):
    assert configure_with_cmake(library_path, tmp_path, version).returncode != 0


GUIDE = (TOP / "docs" / "guide.md").read_text()
GUIDE_STEPS = re.findall(
    r"```c\n/\* (\w+)\.c \*/\n(.*?)```\n\n```sh\n(.*?)```\n\n```\n(.*?)```", GUIDE, re.S
)


def test_every_program_of_the_guide_is_tried():
    assert [step[0] for step in GUIDE_STEPS] == ["echo", "slow", "producer", "form", "stop"]
    assert GUIDE.count("```") == 6 * len(GUIDE_STEPS)


@pytest.mark.parametrize("step", GUIDE_STEPS, ids=lambda step: step[0])
def test_the_guide(step, installed, library_path, tmp_path):
    """The program of each step compiles without a warning, and its commands print what the guide shows."""
    name, program, script, expected = step
    skip_without_tools(script)
    port = free_port()
    (tmp_path / f"{name}.c").write_text(program.replace("127.0.0.1:7000", f"127.0.0.1:{port}"))
    assert script.startswith(f"cc {name}.c ")
    script = re.sub(r"(127\.0\.0\.1[: ])7000", rf"\g<1>{port}", script)
    script = script.replace("cc ", "cc -Wall -Wextra -Werror ", 1)
    wait = f"until (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null; do kill -0 $pid || exit 1; done"
    started = re.search(rf"^\./{name}.* & pid=\$!$", script, re.M)[0]
    script = script.replace(started, f"{started}\ntrap 'kill $pid 2>/dev/null' EXIT\n{wait}")
    env = environment() | {
        "PKG_CONFIG_PATH": str(library_path / "pkgconfig"),
        "PKG_CONFIG_SYSROOT_DIR": str(installed),
        "LD_LIBRARY_PATH": str(library_path),
    }
    result = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.stdout.replace("\r", "") == expected, result.stderr


def test_readme_shows_the_echo_of_the_guide():
    readme = (TOP / "README.md").read_text()
    shown = re.search(r"```c\n(#include <weir/loop.h>\n.*?)```", readme, re.S)
    assert GUIDE_STEPS[0][1] == shown[1]


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


def test_fetch(example, compiled, library_path, site):
    (site / "large").write_bytes(b"x" * 5_000_000)
    port = example("static_http", site)
    url = f"http://127.0.0.1:{port}"
    result = subprocess.run(
        [compiled("fetch"), f"{url}/", f"{url}/none", f"{url}/large", "http://a b/", "http://x.invalid/"],
        env=environment() | {"LD_LIBRARY_PATH": str(library_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    lines = sorted(result.stdout.splitlines())
    assert lines[0] == f"{url}/: 200, 5 bytes, 05e918d2"
    assert lines[1].startswith(f"{url}/large: 200, 5000000 bytes, ")
    assert lines[2].startswith(f"{url}/none: 404, ")
    assert lines[3:] == ["http://a b/: not a URL of http", "http://x.invalid/: no such name"]
    assert result.returncode == 1


def test_the_site_of_several_parts(weir, tmp_path):
    """examples/site, with other ports: each part, and what holds for all of them."""
    shutil.copytree(TOP / "examples" / "site", tmp_path / "site")
    config = tmp_path / "site" / "weir.yaml"
    port = free_port()
    text = config.read_text().replace("127.0.0.1:8080", "127.0.0.1:0").replace("127.0.0.1:3000", f"127.0.0.1:{port}")
    config.write_text(text)
    server = weir("-c", config)

    def everywhere(reply):
        assert reply.fields["X-Content-Type-Options"] == "nosniff" and "Server" not in reply.fields
        assert "Strict-Transport-Security" not in reply.fields
        return reply

    down = everywhere(server.get("/api/status.json"))
    assert down.status == 502 and "Later" in down.text
    command = ["python3", "-m", "http.server", "-b", "127.0.0.1", "-d", tmp_path / "site" / "api", str(port)]
    api = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: server.get("/api/status.json").status == 200, what="the application")
        reply = everywhere(server.get("/api/status.json", {"Origin": "https://app.example.org"}))
        assert reply.text == '{"good": true}\n'
        assert reply.fields["Access-Control-Allow-Origin"] == "https://app.example.org"
        assert "Not here" in everywhere(server.get("/api/nothing")).text
        assert server.request("POST", "/api/x", b"x" * 70_000).status == 413
    finally:
        api.terminate()
        api.wait()
    assert "Served for /about" in everywhere(server.get("/about")).text
    assert server.get("/about.html").fields["Location"] == "/about"
    assert everywhere(server.get("/style.css")).fields["Cache-Control"] == "max-age=3600"
    for path in "/app/", "/app/any/route":
        assert "An application" in everywhere(server.get(path)).text
    assert "getElementById" in server.get("/app/app.js").text
    assert "Not here" in everywhere(server.get("/nothing")).text and server.get("/health").text == "ok"
    assert server.get("/members/a%26b").fields["Location"] == "/app/members?name=a%26b"
    assert server.get("/blog/x").fields["Location"] == "https://blog.example.org/x"
    assert '"name":"notes.txt"' in server.get("/shared/", {"Accept": "application/json"}).text
    secret = {"Authorization": "Basic YWxpY2U6dGVh"}
    assert server.request("PUT", "/incoming/a.txt", b"new").status == 401
    assert server.request("PUT", "/Incoming/a.txt", b"new").status == 401
    assert server.request("PUT", "/incoming/a.txt", b"new", secret).status == 201
    assert server.get("/incoming/a.txt", secret).text == "new" and "a.txt" in server.get("/incoming/", secret).text
    assert server.request("PUT", "/elsewhere", b"new", secret).status == 405
