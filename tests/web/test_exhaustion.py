"""When there is no more of something: descriptors, connections, working system calls, bandwidth. The
server does what it still can, and is as before when there is enough again."""

import multiprocessing
import os
import resource
import select
import shutil
import socket
import subprocess
import time

import pytest

from conftest import SEPARATED, TOP, wait_for
from wire import REQUEST, Wire, get, is_sanitized, listens, request

LARGE = 16 * 1024 * 1024


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"no {program}")


# -- descriptors


@pytest.fixture
def few(weir, site, hostile):
    """A server with 256 descriptors."""
    with open(site / "large.bin", "wb") as file:
        os.truncate(file.fileno(), LARGE)
    (site / "d").mkdir()
    for i in range(100):
        (site / f"{i}.txt").write_text(str(i))
    return hostile(weir(site, "--workers", 1, prefix=["prlimit", "--nofile=256"]), known=40)


@needs("prlimit")
def test_more_connections_than_descriptors(few):
    """Some are served and some wait; when the first go, the others are."""
    crowd = []
    for _ in range(400):
        crowd.append(Wire(few).send(REQUEST))
    served = 0
    while crowd:
        wire = crowd.pop(0)
        assert wire.reply().text == "hello"
        wire.socket.close()
        served += 1
    assert served == 400


@needs("prlimit")
def test_idle_connections_up_to_the_limit(few):
    """The newest are served, files and directories included: the longest idle have given way."""
    crowd = [Wire(few) for _ in range(300)]
    newest = crowd[-20:]
    assert newest[-1].ask(REQUEST).text == "hello"
    newest[0].send(request("/large.bin"))
    assert len(newest[0].reply().body) == LARGE
    for i, wire in enumerate(newest):
        assert wire.ask(request(f"/{i}.txt")).text == str(i)
    for wire in newest:
        assert wire.ask(request("/d/")).status in (200, 503)
    for wire in crowd:
        wire.socket.close()
    wait_for(lambda: get(few, "/d/").status == 200)


@needs("prlimit")
def test_one_listener_may_use_what_another_does_not(weir, site):
    """Idle connections of one listener take nearly all descriptors; a second listener still answers."""
    arguments = ["--http", "127.0.0.1:0", "--http", "127.0.0.1:0", "--workers", 2]
    server = weir(site, *arguments, prefix=["prlimit", "--nofile=512"])
    first, second = server.ports
    crowd = [Wire(server, port=first) for _ in range(330)]
    for wire in crowd:
        assert wire.ask(REQUEST).text == "hello"
    assert not select.select([wire.socket for wire in crowd], [], [], 0)[0]
    newcomers = []
    for _ in range(60):
        newcomers.append(Wire(server, port=second))
        assert newcomers[-1].ask(REQUEST).text == "hello"
    for wire in crowd + newcomers:
        wire.socket.close()


@needs("prlimit")
def test_no_descriptors_at_all(weir, site):
    """As few as it can start with: it serves, one after the other."""
    server = weir(site, "--workers", 1, prefix=["prlimit", "--nofile=40"])
    for _ in range(100):
        assert get(server, "/").text == "hello"


def crowd(port, source, count, ready, leave, told):
    """A process: `count` connections that each ask once, and then stay."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    clients, answered = [], 0
    for _ in range(min(count, hard - 100)):
        client = socket.socket()
        client.settimeout(30)
        client.bind((source, 0))
        client.connect(("127.0.0.1", port))
        client.sendall(REQUEST)
        clients.append(client)
        if len(clients) % 100 == 0:
            answered += sum(b"hello" in client.recv(4096) for client in clients[-100:])
    told.put((len(clients), answered))
    ready.release()
    leave.wait()


@needs("prlimit")
def test_16000_connections(weir, site, hostile):
    """From several processes; each is answered, none costs much, and all are gone afterwards."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    prefix = []
    if subprocess.run(["prlimit", "--nofile=40000:40000", "true"], capture_output=True).returncode == 0:
        prefix, hard = ["prlimit", "--nofile=40000:40000"], 40000
    each = min(4000, int(hard * 0.8) // 4 // 100 * 100)
    server = hostile(weir(site, "--workers", 1, prefix=prefix))
    before = server.memory_kb()
    context = multiprocessing.get_context("fork")
    ready, leave, told = context.Semaphore(0), context.Event(), context.Queue()
    processes = [
        context.Process(
            target=crowd, args=(server.port, f"127.0.0.{i + 2}", each, ready, leave, told)
        )
        for i in range(4)
    ]
    for process in processes:
        process.start()
    try:
        for _ in processes:
            assert ready.acquire(timeout=60)
        assert [told.get() for _ in processes] == [(each, each)] * 4
        assert get(server, "/").text == "hello"
        assert server.memory_kb() - before < 4 * each * (4 if is_sanitized(server) else 0.5)
    finally:
        leave.set()
        for process in processes:
            process.join()


def test_more_connections_than_are_allowed(configured, site, hostile):
    """Those that have been idle longest give way."""
    server = hostile(
        configured(f"limits: {{connections: 10}}\nsites: [{{root: {site}}}]\n", "--workers", 1)
    )
    first = [Wire(server) for _ in range(10)]
    for wire in first:
        assert wire.ask(REQUEST).text == "hello"
    later = [Wire(server).send(REQUEST) for _ in range(10)]
    for wire in later:
        assert wire.reply().text == "hello"
    for wire in first + later:
        wire.socket.close()


# -- failing system calls


def injecting(*what):
    """A command that runs a program as itself, with these failures in it."""
    calls = ",".join(injection.split(":")[0] for injection in what)
    command = ["strace", "-D", "-f", "-qq", "-o", os.devnull, "-e", f"trace={calls}"]
    for injection in what:
        command += ["-e", f"inject={injection}"]
    return command


@pytest.fixture
def traceable():
    probe = ["strace", "-D", "-qq", "-o", os.devnull, "-e", "inject=getpid:error=EIO", "true"]
    if not shutil.which("strace") or subprocess.run(probe, capture_output=True).returncode != 0:
        pytest.skip("may not trace")


def attacked(weir, site, what):
    """A server in which these calls fail. LeakSanitizer cannot work in what is traced."""
    (site / "f").write_bytes(bytes(200_000))
    options = f"ASAN_OPTIONS={os.environ.get('ASAN_OPTIONS', '')}:detect_leaks=0:quarantine_size_mb=8"
    return weir(
        site, "--workers", 1, prefix=[*injecting(*what), "env", options.replace("=:", "=")]
    )


@pytest.mark.parametrize("error", ["EMFILE", "ENFILE", "ENOMEM", "ECONNABORTED", "EINTR", "EPROTO"])
def test_accept_fails(weir, site, traceable, error):
    """Clients that were waiting are served all the same, after a moment."""
    server = attacked(weir, site, [f"accept4:error={error}:when=2..4"])
    for _ in range(5):
        assert get(server, "/").text == "hello"


INJECTIONS = [
    (["recvfrom:error=ECONNRESET:when=5+7"], {200}),
    (["recvfrom:error=EINTR:when=2+3"], {200}),
    (["sendto:error=EPIPE:when=3+5"], {200}),
    (["sendmsg:error=ECONNRESET:when=3+5"], {200}),
    (["sendmsg:error=EAGAIN:when=2+5"], {200}),
    (["sendfile:error=EIO:when=3+5"], {200}),
    (["sendfile:retval=0:when=3+5"], {200}),
    (["sendfile:error=EINTR:when=1+3"], {200}),
    (["openat2:error=EMFILE:when=5+3"], {200, 503}),
    (["openat2:error=EIO:when=5+3"], {200, 500}),
    (["openat2:error=EACCES:when=5+3"], {200, 403}),
    (["openat2:error=EINTR:when=5+2"], {200}),
    (["preadv2:error=EIO:when=5+3"], {200, 500}),
    (["preadv2:error=EOPNOTSUPP:when=1+1"], {200, 500}),
    (["newfstatat:error=EIO:when=70+3"], {200, 500}),
    (["epoll_ctl:error=ENOMEM:when=20+5"], {200}),
    (["epoll_wait:error=EINTR:when=2+2", "epoll_pwait:error=EINTR:when=2+2"], {200}),
    (["getdents64:error=EIO:when=3+3"], {200, 500}),
    (["setsockopt:error=EINVAL:when=10+2"], {200}),
    (["clone3:error=EAGAIN:when=2+1"], {200, 503}),
]


@pytest.mark.parametrize("what, statuses", INJECTIONS, ids=[what[0] for what, _ in INJECTIONS])
def test_calls_fail(weir, site, traceable, what, statuses):
    """A connection may break off and a request be refused; nothing whole is wrong, and it goes on."""
    if SEPARATED and what[0].startswith("sendmsg:error=EAGAIN"):
        pytest.skip("the socket to the master waits, so that no call for it fails in this way")
    server = attacked(weir, site, what)
    whole = 0
    bodies = {"/": b"hello", "/f": bytes(200_000)}
    for i in range(30):
        target = ["/", "/f", "/d/"][i % 3]
        (site / "d").mkdir(exist_ok=True)
        os.utime(site / "index.html")
        try:
            with Wire(server) as wire:
                wire.socket.settimeout(60)
                wire.send(request(target))
                status, fields = wire.head()
                assert status in statuses, (target, status)
                if "content-length" not in fields:
                    wire.chunks()
                    continue
                body = wire.take(int(fields["content-length"][0]))
        except (ConnectionError, AssertionError) as error:
            if isinstance(error, AssertionError) and "connection ended" not in str(error):
                raise
            continue
        if status == 200:
            assert body == bodies[target]
            whole += 1
    assert whole > 3
    assert listens(server)


FIU = ["/usr/lib/fiu/fiu_run_preload.so", "/usr/lib/fiu/fiu_posix_preload.so"]


def ask_in_threes(server):
    """Some connections break off; on the others all is right, and none stays open for ever."""
    whole = 0
    for i in range(400):
        try:
            with Wire(server) as wire:
                target = ["/", "/f", "/nothing"][i % 3]
                wire.send(request(target) * 3)
                for _ in range(3):
                    reply = wire.reply()
                    assert reply.status == (404 if target == "/nothing" else 200)
                    assert len(reply.body) == {"/": 5, "/f": 200_000}.get(target, len(reply.body))
                whole += 1
        except ConnectionError:
            pass
        except AssertionError as error:
            if "connection ended" not in str(error):
                raise
    assert whole > 20
    wait_for(lambda: server.open_files()[0] < 30, what="the end of what was open")
    return whole


RECEIVING = ["recvfrom:error=ECONNRESET:when=7+19"]
SENDING = ["sendto:error=EPIPE:when=5+17", "sendmsg:error=ECONNRESET:when=3+13"]


@pytest.mark.parametrize(
    "what",
    [RECEIVING, SENDING, [*RECEIVING, *SENDING, "shutdown:error=ENOTCONN:when=2+11"]],
    ids=["receiving", "sending", "both"],
)
def test_connections_fail_again_and_again(weir, site, traceable, what):
    """By strace, since the server makes these calls past the C library."""
    assert ask_in_threes(attacked(weir, site, what)) < 400


@pytest.mark.skipif(not all(map(os.path.exists, FIU)), reason="no libfiu")
def test_files_fail_at_random(weir, weir_program, site, tmp_path):
    """One call in twenty."""
    points = ["write", "read", "pread", "write/reduce"]
    enabled = "\n".join(
        f"enable_random name=posix/io/rw/{point},probability=0.05" for point in points
    )
    prefix = ["env", f"LD_PRELOAD={' '.join(FIU)}", f"FIU_ENABLE={enabled}", "FIU_CTRL_FIFO="]
    (site / "f").write_bytes(bytes(200_000))
    program = None
    if b"__asan_init" in weir_program.read_bytes():
        # A sanitizer wants to be loaded first.
        program = TOP / "build" / "weir"
        if not program.exists():
            pytest.skip("no program without sanitizers")
    log = ["--access-log", tmp_path / "log"]
    ask_in_threes(weir(site, "--workers", 1, *log, prefix=prefix, program=program))


# -- bad networks


@pytest.fixture
def network(weir, site, run):
    """network(command, …): a server in a network of its own, in which the commands were run; and how to
    run a client there. The network lives as long as a process that waits in it."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    waiting = subprocess.Popen(
        ["unshare", *user, "--net", "sh", "-c", "echo made && exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if waiting.stdout.readline() != "made\n":
        pytest.skip(f"cannot make a network: {waiting.communicate()[1].strip()}")
    enter = ["--user", "--preserve-credentials"] if user else []
    inside = ["nsenter", f"--target={waiting.pid}", *enter, "--net"]

    def start(*commands):
        subprocess.run([*inside, "ip", "link", "set", "lo", "up"], check=True)
        for command in commands:
            if subprocess.run([*inside, *command.split()], capture_output=True).returncode != 0:
                pytest.skip(f"the kernel cannot: {command}")
        server = weir(site, prefix=inside)
        return server, lambda *words: subprocess.run(
            [*inside, *words], capture_output=True, timeout=60
        )

    yield start
    waiting.communicate()


LOSSES = [
    ["tc qdisc add dev lo root netem loss 10% delay 2ms reorder 20% duplicate 5%"],
    [
        "nft add table inet t",
        "nft add chain inet t in { type filter hook input priority 0 ; }",
        "nft add rule inet t in numgen random mod 100 < 5 drop",
    ],
]


@needs("curl")
@pytest.mark.parametrize("commands", LOSSES, ids=["netem", "nftables"])
def test_lossy_network(network, site, commands):
    data = os.urandom(1_000_000)
    (site / "f").write_bytes(data)
    server, client = network(*commands)
    result = client("curl", "-sS", server.url + "f", server.url, server.url + "f")
    assert result.returncode == 0, result.stderr
    assert result.stdout == data + b"hello" + data


@needs("curl")
def test_narrow_network(network, site):
    """Slower than it is produced: nothing piles up, and all of it comes."""
    data = os.urandom(2_000_000)
    (site / "f").write_bytes(data)
    server, client = network(
        "ip link set lo mtu 1500",
        "tc qdisc add dev lo root tbf rate 20mbit burst 64kb latency 200ms",
    )
    before = server.memory_kb()
    result = client("curl", "-sS", "--compressed", server.url + "f", server.url + "f")
    assert result.stdout == data * 2
    assert server.memory_kb() - before < 8192


@needs("curl")
def test_cut_network(network, site):
    """The packets of a client cease in the middle: others are served, and SIGTERM ends it in order."""
    with open(site / "large.bin", "wb") as file:
        os.truncate(file.fileno(), LARGE)
    server, client = network(
        "nft add table inet t",
        "nft add chain inet t in { type filter hook input priority 0 ; }",
    )
    limits = ["--limit-rate", "100K", "-m", "1", "-o", os.devnull]
    stalled = client("curl", "-sS", "--local-port", "40000", *limits, server.url + "large.bin")
    assert stalled.returncode == 28
    rule = "nft add rule inet t in tcp sport 40001 ct state established drop"
    assert client(*rule.split()).returncode == 0
    cut = client("curl", "-sS", "--local-port", "40001", "-m", "1", server.url)
    assert cut.returncode == 28
    assert client("curl", "-sS", server.url).stdout == b"hello"
