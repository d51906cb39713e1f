"""The key process: private keys of TLS are in no memory but its own, and it signs handshakes only."""

import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import threading
from pathlib import Path

import pytest

from conftest import as_root, wait_for
from secure import Secured, authority, configuration, context_for
from wire import request

REQUEST = request("/")
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="not root")
EC, RSA = "a.example", "r.example"
REGION_MAX = 1 << 28  # the shadow of a sanitizer is larger


# -- processes -----------------------------------------------------------------------------------------


def key_pid(server, but=None):
    """The id of its key process, once it is the only one, and another than `but`."""

    def alone():
        pids = server.children("keys")
        return len(pids) == 1 and pids[0] != but and pids[0]

    return wait_for(alone, what="one key process")


@pytest.fixture(scope="module")
def make(authority):
    """make() is a new pair of ECDSA and one of RSA."""
    return lambda: [authority.sign(EC), authority.sign(RSA, rsa=True)]


class Keyed:
    """A server with a key process, and the certificates in its directory."""

    def __init__(self, weir, directory, pairs, program=None):
        self.live = [(directory / f"{name}.pem", directory / f"{name}.key") for name in (EC, RSA)]
        self.config = directory / "weir.yaml"
        (directory / "site").mkdir()
        (directory / "site" / "index.html").write_text("hello")
        self.install(pairs)
        text = configuration(self.live, "key-process: yes", more="privilege-separation: yes\n")
        self.config.write_text(text.replace("listen: [", "listen: [{http: '127.0.0.1:0'}, "))
        self.server = weir("-c", self.config, "--workers", 2, program=program)
        self.server.ports.reverse()  # that of https is the first

    def install(self, pairs):
        for pair, live in zip(pairs, self.live):
            for source, target in zip(pair, live):
                shutil.copy(source, target.with_suffix(".new"))
                os.replace(target.with_suffix(".new"), target)


@pytest.fixture(scope="module")
def keyed(module_weir, tmp_path_factory, make):
    return Keyed(module_weir, tmp_path_factory.mktemp("keyed"), make())


def greet(server, authority, name=EC, **options):
    """Makes a full handshake and a request; the serial number of the certificate."""
    with Secured(server, authority, name, **options) as client:
        assert client.ask(REQUEST).text == "hello"
        return client.socket.getpeercert()["serialNumber"]


# -- the memory ----------------------------------------------------------------------------------------


def secrets_of(key):
    """The private numbers of a key, in both orders of their bytes."""
    text = subprocess.run(
        ["openssl", "pkey", "-in", key, "-text", "-noout"], capture_output=True, text=True, check=True
    ).stdout
    found = []
    for name in ("priv", "prime1", "prime2", "privateExponent"):
        for digits in re.findall(rf"^{name}:\n((?: +[0-9a-f:]+\n)+)", text, re.M):
            number = bytes.fromhex(re.sub(r"[\s:]", "", digits)).lstrip(b"\0")
            found += [number, number[::-1]]
    assert found
    return found


def memory_has(pid, secrets):
    """Whether one of the secrets is in the memory of the process; only root can look."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            start, end = (int(number, 16) for number in line.split()[0].split("-"))
            if line.split()[1][0] != "r" or end - start > REGION_MAX:
                continue
            try:
                memory.seek(start)
                data = memory.read(end - start)
            except (OSError, ValueError, OverflowError):
                continue  # of the kernel
            if any(secret in data for secret in secrets):
                return True
    return False


@root_only
def test_the_keys_are_in_the_key_process_alone(keyed, authority):
    server = keyed.server
    secrets = [secrets_of(key) for _, key in keyed.live]
    for name in (EC, RSA):
        greet(server, authority, name)
    processes = server.children("server")
    assert len(processes) == 1
    for mine in secrets:
        assert memory_has(key_pid(server), mine)
        assert not memory_has(processes[0], mine)
        assert not memory_has(server.pid, mine)


@root_only
def test_the_key_process_is_confined(keyed):
    status = Path(f"/proc/{key_pid(keyed.server)}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert all(int(fields[kind], 16) == 0 for kind in ("CapPrm", "CapEff", "CapBnd", "CapAmb"))
    assert fields["NoNewPrivs"] == "1"
    if not os.environ.get("ASAN_OPTIONS"):
        assert fields["Seccomp"] == "2"


# -- handshakes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", [EC, RSA])
def test_handshakes_and_resumption(keyed, authority, name, version):
    context = context_for(authority, minimum_version=version, maximum_version=version)
    with Secured(keyed.server, authority, name, context) as first:
        assert first.ask(REQUEST).text == "hello"
        assert name in first.names
        session = first.socket.session
    with Secured(keyed.server, authority, name, context, session=session) as again:
        assert again.ask(REQUEST).text == "hello"
        assert again.socket.session_reused


def test_a_key_process_that_hangs_blocks_no_other_request(keyed, authority):
    server = keyed.server
    pid = key_pid(server)
    seen = []
    os.kill(pid, signal.SIGSTOP)
    stopped = lambda: "\nState:\tT" in Path(f"/proc/{pid}/status").read_text()
    try:
        wait_for(stopped, what="the stop")
        slow = threading.Thread(target=lambda: seen.append(greet(server, authority)))
        slow.start()
        for _ in range(5):
            assert server.get("/", port=server.ports[1]).text == "hello"
        assert seen == []
    finally:
        os.kill(pid, signal.SIGCONT)
    slow.join()
    assert len(seen) == 1


def test_a_key_process_that_is_killed_under_load(keyed, authority):
    server = keyed.server
    failures, over = [], threading.Event()

    def load():
        while not over.is_set():
            try:
                greet(server, authority)
            except (OSError, AssertionError) as failure:
                failures.append(failure)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    pid = None
    for count in range(1, 4):
        pid = key_pid(server, but=pid)
        greet(server, authority)
        os.kill(pid, signal.SIGKILL)
        server.wait_stderr("was killed by signal 9 (Killed); another one starts", count)
    greet(server, authority, RSA)
    over.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_server_process_that_is_killed_has_the_same_key_process(keyed, authority):
    server = keyed.server
    before = key_pid(server)
    os.kill(server.children("server")[0], signal.SIGKILL)
    greet(server, authority, RSA)
    assert key_pid(server) == before


# -- changes -------------------------------------------------------------------------------------------


def test_a_reload_takes_new_keys(keyed, authority, make):
    server = keyed.server
    old, pid = greet(server, authority), key_pid(server)
    good = make()
    keyed.install(good)
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("weir: reloaded")
    assert greet(server, authority) != old
    assert greet(server, authority, RSA)
    pid = key_pid(server, but=pid)  # the one before has ended

    old = greet(server, authority)
    other = make()
    keyed.install([(other[0][0], good[0][1]), good[1]])  # a key of another certificate
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("weir: not reloaded")
    assert "does not belong to the certificate" in server.stderr
    assert greet(server, authority) == old
    assert key_pid(server) == pid
    keyed.install(good)


def test_an_upgrade(weir, weir_program, tmp_path, authority, make):
    program = tmp_path / "program"
    shutil.copy(weir_program, program)
    keyed = Keyed(weir, tmp_path, make(), program)
    server = keyed.server
    pid = key_pid(server)
    server.send_signal(signal.SIGUSR2)
    server.wait_stderr("another server process serves")
    greet(server, authority)
    key_pid(server, but=pid)  # the old one ends with the old server
    # The new master goes on with the old processes if the new server does not start.
    wait_for(lambda: server.child_count() == 2, what="the end of the old ones")
    good = keyed.config.read_text()
    keyed.config.write_text(good.replace(".pem", ".pam", 1))
    server.send_signal(signal.SIGUSR2)
    server.wait_stderr("not reloaded")
    pid = key_pid(server)
    os.kill(pid, signal.SIGKILL)
    greet(server, authority)
    os.kill(server.children("server")[0], signal.SIGKILL)
    greet(server, authority, RSA)
    assert server.stop() == 0


def test_it_needs_privilege_separation(run, keyed, tmp_path):
    text = keyed.config.read_text().replace("privilege-separation: yes\n", "")
    (tmp_path / "weir.yaml").write_text(text.replace("root: site", f"root: {tmp_path}"))
    result = run("check", "weir.yaml")
    assert result.returncode == 1
    assert "weir.yaml:6:16: 'key-process' needs 'privilege-separation: yes'" in result.stderr


def test_check_says_that_there_is_one(run, keyed):
    result = run("check", keyed.config)
    assert result.returncode == 0, result.stderr
    assert "The private keys would be in a key process" in result.stdout


# -- hostile servers -----------------------------------------------------------------------------------

HEAD = struct.Struct("=IIHBBI")
MAGIC = 0x576B6579
HANDSHAKE = b" " * 64 + b"TLS 1.3, server CertificateVerify\0" + bytes(32)


def message(data, key=0, digest=1, size=None, magic=MAGIC, number=1):
    return HEAD.pack(magic, number, key, digest, 0, len(data) if size is None else size) + data


def signature(client, data):
    client.send(data)
    reply = client.recv(2048)
    assert struct.unpack_from("=I", reply)[0] == MAGIC
    return reply[12:]


@root_only
def test_what_is_no_handshake_is_not_signed(weir_program, make):
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(4)]
    theirs = [pair[1].fileno() for pair in pairs]
    with open(make()[0][1]) as key:
        numbers = f"{os.getpid()}:{','.join(map(str, theirs))}:{key.fileno()}"
        process = subprocess.Popen(
            [weir_program, "@keys", numbers], pass_fds=[*theirs, key.fileno()], stderr=subprocess.PIPE
        )
    for pair in pairs:
        pair[1].close()
        pair[0].settimeout(60)
    client = pairs[0][0]
    good = message(HANDSHAKE)
    assert len(signature(client, good)) > 60
    refused = [
        b"x", bytes(16), os.urandom(272), os.urandom(4096), message(b""), message(bytes(32)),
        message(HANDSHAKE.replace(b"server", b"client")), message(HANDSHAKE[:-1]),
        message(HANDSHAKE, key=1), message(HANDSHAKE, key=65535), message(HANDSHAKE, digest=4),
        message(HANDSHAKE, size=1 << 31), message(HANDSHAKE, magic=0), good + b"x", good[:-1],
    ]
    for data in refused:
        assert signature(client, data) == b"", data
    assert len(signature(pairs[3][0], good)) > 60
    for pair in pairs:
        pair[0].close()
    assert process.wait(60) == 0
    assert process.stderr.read().count(b"refused a request") == 1
