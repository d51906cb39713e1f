"""Private keys of certificates in a database, with a key process: they are in no memory but its own."""

import base64
import os
import signal
import socket
import ssl

import pytest

from conftest import wait_for
from key_memory import key_pid, memory_has, root_only, secrets_of
from stored import Site

SEAL = b"store key store key store key 32"  # what is in `store-key`
OTHER = base64.b64encode(b"other key other key other key 32").decode() + "\n"


@pytest.fixture
def site(database, weir, weir_program, tmp_path):
    made = Site(database, weir, weir_program, tmp_path)
    made.change("tls: {", "privilege-separation: yes\ntls: {key-process: yes, ")
    return made


def check_memory(server, *keys, seal=True):
    """The keys, and what decrypts them, are in the key process alone."""
    [serving] = server.children("server")
    for key in keys:
        assert memory_has(key_pid(server), secrets_of(key))
        for pid in (serving, server.pid):
            assert not memory_has(pid, [*secrets_of(key), *key.read_bytes().splitlines()[1:3]])
    if seal:
        assert memory_has(key_pid(server), [SEAL])
        for pid in (serving, server.pid):
            assert not memory_has(pid, [SEAL, base64.b64encode(SEAL)])


def reload(server, text="weir: reloaded", count=1):
    server.send_signal(signal.SIGHUP)
    server.wait_stderr(text, count)


@root_only
def test_the_server_process_has_no_private_key_of_the_database(site):
    """Neither at the start, nor of certificates that come while it runs; and secrets are shared all the same."""
    one, rsa = site.load("one.example", ["example.org"]), site.load("rsa.example", ["example.com"], "example.com", rsa=True)
    server, other = site.serve(), site.serve()
    for each in (server, other):
        assert site.shown(each, "example.org") == "one.example"
        assert site.shown(each, "example.com") == "rsa.example"
        assert site.shown(each, "else.example") == "fallback.example"
        check_memory(each, one, rsa)
    assert site.database.query("SELECT count(*) FROM weir_secret WHERE secret LIKE 'sealed:%'") == "2"
    assert resumed(site, server, other)
    two = site.load("two.example", ["example.org"])
    site.await_shown([server, other], "example.org", "two.example")
    check_memory(server, two, rsa)
    reload(server)
    before = key_pid(server)
    assert site.shown(server, "example.org") == "two.example"
    check_memory(server, two)
    assert not memory_has(key_pid(server), secrets_of(one))
    # A key process that is started again gets the keys with the requests.
    for name, wanted in (("example.org", "two.example"), ("example.com", "rsa.example")):
        os.kill(key_pid(server), signal.SIGKILL)
        assert site.shown(server, name) == wanted
        before = key_pid(server, but=before)
    three = site.load("three.example", ["example.org"])
    site.await_shown([server], "example.org", "three.example")
    check_memory(server, three)
    site.verb("certificate", "remove", "example.org")
    site.await_shown([server], "example.org", "fallback.example")
    assert "refused" not in server.stderr


def resumed(site, one, other):
    """Whether a session that began on one of them is resumed on the other."""
    context = ssl.create_default_context(cafile=site.authority.path)
    context.check_hostname, session = False, None
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    for server in (one, other):
        with socket.create_connection(("127.0.0.1", server.ports[0]), 60) as plain:
            with context.wrap_socket(plain, server_hostname="fallback.example", session=session) as secure:
                session, reused = secure.session, secure.session_reused
    return reused


@root_only
def test_a_start_without_the_database_and_an_upgrade(site):
    site.change("secret-key-file: store-key", "secret-key-file: store-key, directory: copies")
    one = site.load("one.example", ["example.org"])
    server = site.serve()
    assert site.shown(server, "example.org") == "one.example"
    wait_for((site.path / "copies" / "certificates").exists, what="the copy")
    assert server.stop() == 0
    site.database.stop()
    server = site.serve()
    assert "the certificates of the database are those of the copy" in server.stderr
    assert site.shown(server, "example.org") == "one.example"
    check_memory(server, one)
    site.database.start()
    two = site.load("two.example", ["example.org"])
    site.await_shown([server], "example.org", "two.example")
    before = key_pid(server)
    server.send_signal(signal.SIGUSR2)
    server.wait_stderr("another server process serves")
    key_pid(server, but=before)
    wait_for(lambda: len(server.children("server")) == 1, what="the end of the old one")
    assert site.shown(server, "example.org") == "two.example"
    check_memory(server, two)
    # Its successor has the `secret-key-file`, too.
    os.kill(key_pid(server), signal.SIGKILL)
    assert site.shown(server, "example.org") == "two.example"


def test_another_secret_key_file(site):
    """It is another database, so to speak: another server process serves from it."""
    site.load("one.example", ["example.org"])
    server = site.serve()
    old = server.server_pid
    (site.path / "store-key").write_text("dG9vIHNob3J0\n")
    reload(server, "weir: not reloaded")
    assert "store-key: the first line must be 32 bytes in base64" in server.stderr
    assert "weir.yaml:4:" in server.stderr and "the key process cannot use it; the log says why" in server.stderr
    assert site.shown(server, "example.org") == "one.example"
    (site.path / "store-key").write_text(OTHER)
    reload(server, "another server process serves")
    assert server.server_pid != old
    server.wait_stderr("certificate example.org: it is encrypted by another key than 'secret-key-file'")
    wait_for(lambda: server.children("server") == [server.server_pid], what="the end of the old one")
    site.load("two.example", ["example.org"])
    site.await_shown([server], "example.org", "two.example")


@root_only
def test_keys_that_are_not_encrypted_stay_in_the_server_process(site):
    """It has read them, and warns of them until they are stored again."""
    site.change(", secret-key-file: store-key", "")
    one = site.load("one.example", ["example.org"])
    assert "since they are not encrypted there" in site.verb("check")
    site.change("parts: [keys]", "parts: [keys], secret-key-file: store-key")
    assert "not encrypted" not in site.verb("check")
    server = site.serve()
    server.wait_stderr("the private keys of 1 certificates in the database are not encrypted, so this process has them")
    assert site.shown(server, "example.org") == "one.example"
    assert memory_has(server.server_pid, secrets_of(one))
    two = site.load("two.example", ["example.org"])
    site.await_shown([server], "example.org", "two.example")
    check_memory(server, two)


def test_rows_wait_for_a_key_process_that_hangs(site):
    """They are loaded again, and not left out."""
    site.load("one.example", ["example.org"])
    server = site.serve()
    keys = key_pid(server)
    os.kill(keys, signal.SIGSTOP)
    try:
        site.load("two.example", ["example.org"])
        server.wait_stderr("the certificates are not renewed from the database: the key process does not reply")
    finally:
        os.kill(keys, signal.SIGCONT)
    site.await_shown([server], "example.org", "two.example")
    assert "left out" not in server.stderr


def test_a_reload_lets_the_key_process_before_end(site):
    """Nothing of the configuration before stays, whatever is served, and has the database."""
    site.change("listen: [", "listen: [{smtp: '127.0.0.1:0'}, {pop3s: '127.0.0.1:0'}, {ftps: '127.0.0.1:0'},"
                " {dns: '127.0.0.1:0'}, {dot: '127.0.0.1:0'}, ")
    site.change("parts: [keys]", "parts: [keys, users, mailboxes, queue, zones]")
    site.change("sites: [", "mail: {domains: [example.org], networks: [127.0.0.0/8],"
                " relay: {host: 127.0.0.1, port: 9, queue: queue}}\ndns: {}\nftp: {root: www}\nsites: [")
    site.load("one.example", ["example.org"])
    server = site.serve()
    before = key_pid(server)
    for count in (1, 2):
        reload(server, count=count)
        before = key_pid(server, but=before)
