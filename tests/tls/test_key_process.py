"""The key process: private keys of TLS are in no memory but its own, and it signs handshakes only."""

import base64
import errno
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import load_pem_x509_certificate

from conftest import wait_for
from key_memory import key_pid, memory_has, root_only, secrets_of
from secure import Secured, authority, configuration, context_for
from wire import request

REQUEST = request("/")
EC, RSA = "a.example", "r.example"


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
    keyed.live[0][0].with_suffix(".pam").write_text("")
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

HEAD = struct.Struct("=IIBBBBHHII")
MAGIC = 0x576B6579
HANDSHAKE = b" " * 64 + b"TLS 1.3, server CertificateVerify\0" + bytes(32)
SIGN, SIGN_STORED, SEAL, UNSEAL = range(4)


def message(data=b"", kind=SIGN, name=b"", text=b"", key=0, digest=1, purpose=0, size=None, magic=MAGIC, number=1):
    size = len(data) if size is None else size
    return HEAD.pack(magic, number, kind, purpose, digest, 0, key, len(name), size, len(text)) + data + name + text


def ask(client, data):
    """The error and the bytes of a reply."""
    client.send(data)
    reply = client.recv(2048)
    magic, _, error, size = struct.unpack_from("=IIiI", reply)
    assert magic == MAGIC
    assert size == len(reply) - 16
    return error, reply[16:]


def signature(client, data):
    return ask(client, data)[1]


class KeyProcess:
    """A key process of a test's own, with a key, and perhaps a `secret-key-file`."""

    def __init__(self, program, key, seal=None):
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(4)]
        self.clients = [pair[0] for pair in pairs]
        theirs = [pair[1].fileno() for pair in pairs]
        files = [os.open(path, os.O_RDONLY) if path else -1 for path in (key, seal)]
        passed = [*theirs, *(file for file in files if file >= 0)]
        numbers = f"{os.getpid()}:{','.join(map(str, theirs))}:{','.join(map(str, files))}"
        self.process = subprocess.Popen([program, "@keys", numbers], pass_fds=passed, stderr=subprocess.PIPE)
        for pair in pairs:
            pair[1].close()
            pair[0].settimeout(60)
        for file in files:
            if file >= 0:
                os.close(file)

    def end(self):
        """Returns the text that it has printed."""
        for client in self.clients:
            client.close()
        assert self.process.wait(60) == 0
        return self.process.stderr.read()


@root_only
def test_what_is_no_handshake_is_not_signed(weir_program, make):
    keys = KeyProcess(weir_program, make()[0][1])
    client = keys.clients[0]
    good = message(HANDSHAKE)
    assert len(signature(client, good)) > 60
    refused = [
        b"x", bytes(16), os.urandom(272), os.urandom(4096), message(b""), message(bytes(32)),
        message(HANDSHAKE.replace(b"server", b"client")), message(HANDSHAKE[:-1]),
        message(HANDSHAKE, key=1), message(HANDSHAKE, key=65535), message(HANDSHAKE, digest=4),
        message(HANDSHAKE, size=1 << 31), message(HANDSHAKE, magic=0), good + b"x", good[:-1],
        message(HANDSHAKE, kind=4), message(HANDSHAKE, name=b"a"), message(bytes(32), SIGN_STORED, b"a", b"sealed:x"),
    ]
    for data in refused:
        assert ask(client, data) == (-1, b""), data
    # Without a `secret-key-file` it has nothing to do with secrets.
    for data in (message(HANDSHAKE, SIGN_STORED, b"a", b"sealed:x"), message(b"x", SEAL), message(b"", UNSEAL, b"a", b"x")):
        error, data = ask(client, data)
        assert (os.strerror(-error), data) == (os.strerror(errno.ENOKEY), b"")
    assert len(signature(keys.clients[3], good)) > 60
    assert keys.end().count(b"refused a request") == 1


@root_only
def test_a_private_key_is_not_unsealed_for_the_server(weir_program, make, tmp_path):
    """It signs by the key of a row, if the row is as `weir certificate import` has stored it."""
    seal = os.urandom(32)
    (tmp_path / "seal").write_bytes(base64.b64encode(seal) + b"\n")

    def sealed(purpose, name, secret):
        nonce = os.urandom(12)
        return b"sealed:" + base64.b64encode(nonce + AESGCM(seal).encrypt(nonce, secret, purpose + b"\0" + name))

    pair = make()[0]
    pem, name = pair[1].read_bytes(), b"example.org"
    row = sealed(b"certificate", name, pem)
    keys = KeyProcess(weir_program, make()[0][1], tmp_path / "seal")
    client = keys.clients[0]
    signed = signature(client, message(HANDSHAKE, SIGN_STORED, name, row))
    public = load_pem_x509_certificate(pair[0].read_bytes()).public_key()
    public.verify(signed, HANDSHAKE, ECDSA(SHA256()))
    assert signature(client, message(HANDSHAKE, SIGN_STORED, name, row))
    assert signature(client, message(HANDSHAKE)) != signed
    # Nobody gets it, and nothing else is a key.
    acme = sealed(b"acme", b"account", pem)
    for purpose in range(256):
        assert ask(client, message(b"", UNSEAL, name, row, purpose=purpose))[1] == b""
        assert ask(client, message(b"", UNSEAL, b"account", acme, purpose=purpose))[1] == b""
    for other, text in ((b"example.com", row), (b"account", acme), (name, row[:-8] + b"AAAAAA=="), (name, row[:20]),
                        (name, base64.b64encode(pem)), (name, pem), (name, sealed(b"tsig", name, pem)),
                        (name, sealed(b"certificate", name, b"no key"))):
        error, data = ask(client, message(HANDSHAKE, SIGN_STORED, other, text))
        assert error < 0, text
        assert data == b""
    assert signature(client, message(bytes(32), SIGN_STORED, name, row)) == b""
    # Secrets that the server has anyway.
    for purpose, word in enumerate((b"tsig", b"ticket", b"cookie")):
        assert ask(client, message(b"", UNSEAL, b"id", sealed(word, b"id", b"secret"), purpose=purpose)) == (0, b"secret")
        error, text = ask(client, message(b"other", SEAL, b"id", purpose=purpose))
        assert error == 0
        assert ask(client, message(b"", UNSEAL, b"id", text, purpose=purpose)) == (0, b"other")
        assert ask(client, message(b"", UNSEAL, b"ids", text, purpose=purpose))[0] == -errno.EBADMSG
    # More keys than it keeps, then the first again.
    many = [sealed(b"certificate", b"%d" % number, pem) for number in range(1100)]
    for number, text in [*enumerate(many), (0, many[0])]:
        assert signature(client, message(HANDSHAKE, SIGN_STORED, b"%d" % number, text))
    keys.end()


@root_only
def test_a_damaged_secret_key_file_is_reported(weir_program, make, tmp_path):
    (tmp_path / "seal").write_text("dG9vIHNob3J0\n")
    keys = KeyProcess(weir_program, make()[0][1], tmp_path / "seal")
    assert ask(keys.clients[0], message(b"x", SEAL))[0] == -errno.ENOKEY
    assert signature(keys.clients[0], message(HANDSHAKE))
    assert b"/seal: the first line must be 32 bytes in base64" in keys.end()
