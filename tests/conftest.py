"""The fixtures of all tests of the daemon: a program that is started on free ports and stopped by its
process id, and a small HTTP client.

    def test_it(weir, tmp_path):
        server = weir("--root", str(tmp_path))
        assert server.get("/").status == 200

The program is the one that the environment names in WEIR, or build/weir. A server has one process, unless the test
wants another choice; with WEIR_SEPARATED=yes in the environment, every server has a master and a server process.
With WEIR_SANITIZED in it, only the files of SANITIZED are tested (yes), or only the others (no).
"""

import http.client
import os
import re
import resource
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

# Some tests have thousands of connections, and a soft limit of 1,024 is what Debian gives.
HARD_LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (HARD_LIMIT, HARD_LIMIT))

# Servers of Debian are in a directory that the PATH of an ordinary user does not have.
os.environ["PATH"] += ":/usr/sbin:/sbin"

TOP = Path(__file__).resolve().parent.parent
START_SECONDS = 60
STOP_SECONDS = 60
# Options that say where to listen.
LISTENING = set("--http --https --smtp --submission --submissions --lmtp --pop3 --pop3s --dns --dot".split())
LISTENING |= {"-c", "--config"}


# The files that `./dev test` runs with the sanitizers' build: those in which clients, upstreams and configurations
# send what nobody should, and those in which the daemon lets go of much. A start costs ten times as much there, so
# that the others test the program as it is installed.
SANITIZED = set(
    """
    test_admin test_auth test_check test_config test_dns_daemon_secondary test_dns_flood test_dns_server
    test_exhaustion test_fastcgi test_fetch test_forms test_hostile test_http2 test_http2_rules test_mail_rules test_malformed
    test_malformed_input test_pipelining test_policy test_proxy test_proxy_hostile test_proxy_splice test_records
    test_rights test_rules test_signals test_slow_and_dead test_tokens test_websocket
    """.split()
)


def pytest_ignore_collect(collection_path):
    """Leaves out the files that the other run has."""
    wanted = os.environ.get("WEIR_SANITIZED")
    if wanted and collection_path.suffix == ".py" and (collection_path.stem in SANITIZED) != (wanted == "yes"):
        return True
    return None


def network_can_be_made():
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return subprocess.run(["unshare", *user, "--net", "true"], capture_output=True, check=False).returncode == 0


def pytest_collection_modifyitems(items):
    """Files whose tests wait for databases or authorities come first: at the end one of them would be alone."""
    clustered = [item for item in items if "cluster" in item.path.parts]
    if clustered and not network_can_be_made():
        for item in clustered:
            item.add_marker(pytest.mark.skip(reason="cannot make a network"))
    waiting = {item.path for item in items if {"database", "obtaining", "fake"} & set(item.fixturenames)}
    items.sort(key=lambda item: "cluster" not in item.path.parts and item.path not in waiting)


def said_of(text):
    """Returns the lines of stderr without their times, and without the warning that all parsers stay root,
    which tests get when they run as root."""
    text = re.sub(r"^\d{4}-\d\d-\d\dT\S+ weir: ", "weir: ", text, flags=re.M)
    return re.sub(r"^weir: the parsers of clients' input run as root.*\n", "", text, flags=re.M)


def program_of_tests(name):
    """A program in `tests` of the build whose daemon is tested; None if it is not there."""
    build = Path(os.environ.get("WEIR", TOP / "build" / "weir")).resolve().parent
    places = (build, build.parent.parent, TOP / "build")
    return next((path for path in (place / "tests" / name for place in places) if path.exists()), None)


def wait_for(condition, seconds=START_SECONDS, what="it"):
    """Returns the condition's first true value; fails when there is none in time."""
    end, pause = time.monotonic() + seconds, 0.005
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(pause)
        # A condition that takes long is checked less often: a check may cost a process, or a handshake.
        pause = min(pause * 1.2, 0.1)
    pytest.fail(f"{what} did not happen within {seconds} seconds")


def let_others_enter(path):
    """Lets every user into the directory `path`, and into those above it that pytest made."""
    for directory in (path, *path.parents):
        if directory == path or "pytest" in directory.name or "popen" in directory.name:
            directory.chmod(0o755)


def names_a_user(arguments, cwd="."):
    """Whether the arguments of `weir serve`, or the configuration that they name, say which user to become."""
    if "--user" in arguments:
        return True
    for option, value in zip(arguments, arguments[1:]):
        path = Path(cwd, value)
        if option in ("-c", "--config") and path.is_file():
            return re.search(r"^user:", path.read_text(), re.M)
    return False


# The variable with which all servers are started so.
SEPARATED = os.environ.get("WEIR_SEPARATED") == "yes"


def together(why):
    """Marks a test that needs one process, or a server process with the rights of its user."""
    return pytest.mark.skipif(SEPARATED, reason=why)


def chosen_separation(arguments, cwd="."):
    """Returns yes or no if the arguments of `weir serve`, or the configuration that they name, choose, or else None."""
    for option in arguments:
        if option.startswith("--privilege-separation"):
            return option.partition("=")[2] or "yes"
    for option, value in zip(arguments, arguments[1:]):
        path = Path(cwd, value)
        if option in ("-c", "--config") and path.is_file():
            found = re.search(r"^privilege-separation: *(yes|no)", path.read_text(), re.M)
            return found and found[1]
    return None


def as_root():
    """The options with which `weir serve` stays root, if the tests run as root."""
    return ["--user", "root"] if os.geteuid() == 0 else []


class Reply:
    """A reply that was read to its end."""

    def __init__(self, response):
        self.status = response.status
        self.fields = response.headers
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode()


@pytest.fixture
def segv_kills(monkeypatch):
    """Has SIGSEGV kill the servers, where a sanitizer would report it as a fault of theirs."""
    monkeypatch.setenv("ASAN_OPTIONS", f"{os.environ.get('ASAN_OPTIONS', '')}:handle_segv=0".lstrip(":"))


class Server:
    """A running `weir serve`. `urls` are the addresses that it printed, `ports` their ports."""

    def __init__(self, arguments, directory, cwd, pass_fds=()):
        # Freed memory that a sanitizer keeps would count as the program's own.
        options = f"{os.environ.get('ASAN_OPTIONS', '')}:quarantine_size_mb=8"
        self.out = directory / "stdout"
        self.err = directory / "stderr"
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(
                arguments,
                cwd=cwd,
                env={**os.environ, "ASAN_OPTIONS": options.lstrip(":")},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                pass_fds=pass_fds,
            )
        self.pid = self.process.pid
        self.separated = chosen_separation(arguments, cwd) == "yes"
        wait_for(self.is_up, what="the start")
        self.urls = re.findall(r"^  ([a-z0-9]+://\S+)", self.stdout.split("serving\n")[0], re.M)
        self.ports = [int(re.search(r":(\d+)/", url)[1]) for url in self.urls]

    def is_up(self):
        if self.process.poll() is not None:
            pytest.fail(f"weir ended with {self.process.returncode}: {self.stderr}")
        return "Stop with" in self.stdout

    @property
    def stdout(self):
        return self.out.read_text()

    @property
    def stderr(self):
        return said_of(self.err.read_text())

    @property
    def server_pid(self):
        """With privilege separation: the newest server process of the process that was started."""
        return wait_for(lambda: self.children("server"), what="a server process")[-1]

    def child_count(self):
        """How many processes it has, with those whose end it has not seen."""
        return len(Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split())

    def children(self, verb):
        """The ids of its processes with this verb (server or keys), oldest first; not those that have ended."""
        found = []
        for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            try:
                if f"\0@{verb}\0" in Path(f"/proc/{pid}/cmdline").read_text():
                    found.append(int(pid))
            except (FileNotFoundError, ProcessLookupError):
                pass
        return found

    @property
    def serving_pid(self):
        """Of the process that serves."""
        return self.server_pid if self.separated else self.pid

    @property
    def port(self):
        return self.ports[0]

    @property
    def url(self):
        return self.urls[0]

    def request(self, method, path, body=None, headers=None, port=None):
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, headers=None, port=None):
        return self.request("GET", path, None, headers, port)

    def descriptors(self):
        """How many it has open."""
        return len(os.listdir(f"/proc/{self.serving_pid}/fd"))

    def open_files(self):
        """(sockets and their like, files and directories) that it has open."""
        counts = [0, 0]
        for name in self.open_names():
            counts[name.startswith("/")] += 1
        return counts

    def open_names(self):
        """The names of all that it has open, as /proc shows them. It may close some meanwhile."""
        found, pid = [], self.serving_pid
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
            except FileNotFoundError:
                pass
        return found

    def memory_kb(self):
        """Returns its resident memory."""
        status = Path(f"/proc/{self.serving_pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+)", status, re.M)[1])

    def send_signal(self, number):
        self.process.send_signal(number)

    def wait_stderr(self, text, count=1):
        """Waits until stderr has the text `count` times."""
        wait_for(lambda: self.stderr.count(text) >= count, what=f"'{text}' in stderr")

    def wait(self, seconds=STOP_SECONDS):
        """The exit code, once it has ended by itself."""
        return self.process.wait(seconds)

    def stop(self):
        """Stops it in an orderly way; whatever a sanitizer found makes the code another than 0."""
        if self.process.poll() is None:
            self.send_signal(signal.SIGTERM)
        try:
            code = self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            pytest.fail(f"weir did not end: {self.stderr}")
        return code


@pytest.fixture(scope="session")
def weir_program():
    """The absolute path of the program."""
    path = Path(os.environ.get("WEIR", TOP / "build" / "weir")).absolute()
    if not path.exists():
        pytest.fail(f"there is no program {path}")
    return path


@pytest.fixture
def run(weir_program, tmp_path):
    """run(argument, …) runs the program to its end, in tmp_path unless there is a `cwd`."""

    def run_program(*arguments, cwd=None):
        arguments = [str(argument) for argument in arguments]
        if arguments[:1] == ["serve"]:
            if not names_a_user(arguments, cwd or tmp_path):
                arguments[1:1] = as_root()
        result = subprocess.run(
            [str(weir_program), *arguments],
            cwd=cwd or tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        result.all_stderr = result.stderr
        result.stderr = said_of(result.stderr)
        return result

    return run_program


def serving(weir_program, tmp_path_factory):
    """The body of the two fixtures below."""
    servers = []

    def start(*arguments, cwd=None, prefix=(), program=None, pass_fds=(), by_default=False):
        arguments = [str(argument) for argument in arguments]
        if not LISTENING & set(arguments):
            arguments += ["--http", "127.0.0.1:0"]
        if not names_a_user(arguments, cwd or "."):
            arguments += as_root()
        if not by_default and not chosen_separation(arguments, cwd or "."):
            arguments.append(f"--privilege-separation={'yes' if SEPARATED else 'no'}")
        directory = tmp_path_factory.mktemp("weir")
        command = [*map(str, prefix), str(program or weir_program), "serve", *arguments]
        server = Server(command, directory, cwd or directory, pass_fds)
        servers.append(server)
        return server

    yield start
    codes = [
        (server.stop(), server.stderr) for server in servers if server.process.returncode is None
    ]
    assert all(code == 0 for code, _ in codes), codes


@pytest.fixture
def weir(weir_program, tmp_path_factory):
    """weir(argument, …) runs `weir serve` with them, on a free port of 127.0.0.1 unless they say
    where; `prefix` is a command that runs it by exec, `program` another program; `by_default` leaves it to the program
    whether privileges are separated. Every server must have ended, or end now, with
    exit code 0, unless stop() was called on it before."""
    yield from serving(weir_program, tmp_path_factory)


@pytest.fixture(scope="module")
def module_weir(weir_program, tmp_path_factory):
    """As `weir`, for all tests of a file."""
    yield from serving(weir_program, tmp_path_factory)


@pytest.fixture
def configured(weir, tmp_path):
    """configured(text) serves a weir.yaml of that text, in tmp_path."""

    def start(text, *arguments, **options):
        config = tmp_path / "weir.yaml"
        config.write_text("listen: [{http: '127.0.0.1:0'}]\n" + text)
        return weir("-c", config, *arguments, **options)

    return start


@pytest.fixture
def hostile():
    """hostile(server), called before a server with one worker is attacked: when the test is over, it
    must answer (unless it was stopped), have no more open than it had but `known` files and
    directories that it remembers, and end in order."""
    attacked = []

    def watch(server, known=8):
        assert "1 worker," in server.stdout
        server.get("/")
        sockets, files = server.open_files()
        attacked.append((server, sockets, files + known))
        return server

    yield watch
    for server, sockets, files in attacked:
        if server.process.returncode is not None:
            continue
        assert server.get("/").status < 500

        def is_over(server=server, sockets=sockets, files=files):
            now = server.open_files()
            return now[0] <= sockets and now[1] <= files

        wait_for(is_over, what="the end of what was open")
        assert server.stop() == 0, server.stderr


@pytest.fixture
def quick_path():
    """A directory in memory, for what would take long on a disk."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as path:
        yield Path(path)


@pytest.fixture
def site(tmp_path):
    """A directory to serve, with an index.html whose content is `hello`."""
    root = tmp_path / "site"
    root.mkdir()
    (root / "index.html").write_text("hello")
    return root


@pytest.fixture(scope="module")
def database():
    """A server of PostgreSQL for the tests of a file, whose socket is open to all users."""
    from database import Database  # which needs this file

    made = Database()
    made.path.chmod(0o755)
    yield made
    made.remove()
