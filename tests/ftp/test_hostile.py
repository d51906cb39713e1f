"""Clients that try to leave the tree, to steal transfers, or to exhaust the server."""

import ftplib
import io
import os
import re
import socket
import ssl
import subprocess

import pytest

from conftest import wait_for
from served import Client, Talk, authority, hashed, pair, served, tree, users

OUTSIDE = ["..", "../..", "/..", "../../etc/passwd", "/../../../etc/passwd", "docs/../../etc/passwd"]


def test_there_is_no_way_out(served, tree, tmp_path):
    (tmp_path / "secret").write_text("outside")
    (tree / "alice/way").symlink_to(tmp_path / "secret")
    (tree / "alice/up").symlink_to("..")
    (tree / "alice/root").symlink_to("/")
    (tree / "alice/proc").symlink_to("/proc/self/root")
    server = served()
    with Client(server, "alice") as client:
        for path in [*OUTSIDE, "way", "root/etc/passwd", "proc/etc/passwd", "../bob"]:
            with pytest.raises(ftplib.error_perm):
                client.retrbinary(f"RETR {path}", lambda data: None)
        for path in ["root", "proc"]:
            with pytest.raises(ftplib.error_perm):
                client.cwd(path)
        client.cwd("..")
        assert client.pwd() == "/"
        with pytest.raises(ftplib.error_perm):
            client.storbinary("STOR root/tmp/weir-was-here", io.BytesIO(b"x"))
    assert not os.path.exists("/tmp/weir-was-here")


def test_rights(served, tree):
    (tree / "bob/file").write_text("bob's")
    server = served()
    with Client(server, "bob") as client:
        assert client.get("file") == b"bob's"
        for command in ["STOR x", "APPE file", "DELE file", "MKD x", "RNFR file", "SITE CHMOD 600 file"]:
            with pytest.raises(ftplib.error_perm):
                client.voidcmd(command)
    with Client(server) as client:
        assert client.get("hello.txt") == b"hello\nworld\n"
        with pytest.raises(ftplib.error_perm):
            client.voidcmd("DELE hello.txt")
    with pytest.raises(ftplib.error_perm):
        Client(server, "alice", "wrong")


def test_nobody_writes_unless_it_is_allowed(weir, tree, users):
    server = weir("--root", tree, "--ftp", "127.0.0.1:0", "--users", users)
    with Client(server, "alice") as client, pytest.raises(ftplib.error_perm):
        client.storbinary("STOR x", io.BytesIO(b"x"))


@pytest.mark.parametrize(
    "command",
    ["PORT 192,0,2,1,200,1", "PORT 127,0,0,2,200,1", "PORT 127,0,0,1,0,25", "EPRT |1|127.0.0.1|25|"]
    + ["EPRT |1|192.0.2.1|40000|", "EPRT |2|::1|40000|", "PORT 1,2,3", "PORT 256,0,0,1,1,1"],
)
def test_no_bounce(served, command):
    with Talk(served()).login() as talk:
        assert talk.ask(command) in (500, 501, 504, 522)


def test_a_data_connection_cannot_be_stolen(served):
    with Talk(served()).login("anonymous") as talk:
        assert talk.ask("TYPE I") == 200
        talk.send(b"EPSV\r\n")
        port = int(talk.reply()[1].split("|")[3])
        thief = socket.socket()
        thief.settimeout(60)
        thief.bind(("127.0.0.2", 0))
        thief.connect(("127.0.0.1", port))
        owner = socket.create_connection(("127.0.0.1", port), 60)
        assert talk.ask("RETR hello.txt") in (125, 150)
        assert owner.recv(100) == b"hello\nworld\n"
        assert thief.recv(100) == b""
        assert talk.reply()[0] == 226


def test_lines_that_are_none(served):
    server = served()
    with Talk(server) as talk:
        assert talk.ask("X" * 5000) == 500
        assert talk.send(b"CWD a\0b\r\n").reply()[0] in (500, 501, 530, 550)
        assert talk.ask("RETR " + "a/" * 2040) in (500, 501, 530, 550, 553)
        talk.login()
        assert talk.ask("REST -1") == 501
        assert talk.ask("REST 99999999999999999999999") == 501
        assert talk.ask("CWD " + "a" * 4000) in (501, 550, 553)
        assert talk.ask("NOOP") == 200
    # Commands that come together are answered in order.
    with Talk(server) as talk:
        talk.send(b"USER alice\r\nPASS secret\r\nPWD\r\nNOOP\r\nQUIT\r\n")
        assert [talk.reply()[0] for _ in range(5)] == [331, 230, 257, 200, 221]
        assert talk.reply()[0] == 0


def test_a_storm_of_aborts(served):
    server = served()
    with Talk(server).login("anonymous") as talk:
        for i in range(30):
            data = talk.passive()
            talk.send(b"RETR large.bin\r\n" + b"\xff\xf4\xff\xf2ABOR\r\n" * (i % 4 + 1))
            codes = []
            while codes.count(226) + codes.count(225) < i % 4 + 1:
                codes.append(talk.reply()[0])
                assert codes[-1] in (125, 150, 226, 225, 426), codes
            data.close()
            while talk.ask("NOOP") != 200:
                pass
    with Client(server) as client:
        assert len(client.get("large.bin")) == 256 * 40000


def test_who_leaves_in_the_middle(served):
    server = served()
    before = server.descriptors()
    for commands in [b"", b"USER alice\r\n", b"PASV\r\n", b"RETR large.bin\r\n", b"LIST\r\n"]:
        for reset in [False, True]:
            talk = Talk(server).login("anonymous")
            data = talk.passive()
            talk.send(commands)
            if reset:
                talk.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            talk.socket.close()
            data.close()
    wait_for(lambda: server.descriptors() <= before + 4, what="the end of what was open")
    with Client(server) as client:
        assert client.get("hello.txt") == b"hello\nworld\n"


@pytest.mark.parametrize("uploads,left", [("keep-part", True), ("whole", False)])
def test_an_upload_that_breaks_off(served, tree, uploads, left):
    server = served(f"uploads: {uploads}")
    talk = Talk(server).login()
    data = talk.passive()
    assert talk.ask("STOR part") in (125, 150)
    data.sendall(b"x" * 100000)
    wait_for(lambda: "100000" in talk.send(b"STAT\r\n").reply()[1], what="all of it")
    data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    data.close()
    codes = [talk.reply()[0]]
    assert codes[0] in (426, 451)
    talk.socket.close()
    path = tree / "alice/part"
    if left:
        wait_for(path.exists)
        assert set(path.read_bytes()) <= set(b"x")
    else:
        assert not path.exists()
    assert [name for name in os.listdir(tree / "alice") if name.startswith(".weir-")] == []


def test_a_full_disk(served, tree):
    disk = tree / "alice"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a file system cannot be mounted here")
    try:
        with Client(served(), "alice") as client:
            # A client that is still sending may get a reset before it reads the reply.
            with pytest.raises((ftplib.error_temp, ConnectionError)) as told:
                client.storbinary("STOR big", io.BytesIO(b"x" * 1000000))
            if told.errisinstance(ConnectionError):
                with pytest.raises(ftplib.error_temp) as told:
                    client.getresp()
            assert told.match("^452")
            client.storbinary("STOR small", io.BytesIO(b"fits"))
            assert client.get("small") == b"fits"
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_many_from_one_address(served):
    server = served("sessions-per-address: 3")
    talks = [Talk(server) for _ in range(3)]
    with socket.create_connection(("127.0.0.1", server.port), 60) as more:
        assert more.recv(100).startswith(b"421")
    talks.pop().socket.close()
    wait_for(lambda: refused(server) is False)
    for talk in talks:
        talk.socket.close()


def refused(server):
    with socket.create_connection(("127.0.0.1", server.port), 60) as other:
        return other.recv(100).startswith(b"421")


def test_a_large_directory_starts_at_once(served, tree):
    for i in range(3000):
        (tree / f"docs/f{i:05}").write_bytes(b"")
    with Client(served()) as client:
        lines = []
        client.retrlines("LIST docs", lines.append)
        assert len(lines) == 3001
        assert len(client.nlst("docs")) == 3001


def test_the_log(served, tmp_path):
    server = served(more=f"ftp-log: {tmp_path}/ftp.log\n")
    with Client(server, "alice") as client:
        client.storbinary("STOR a", io.BytesIO(b"abc"))
        client.get("a")
    with pytest.raises(ftplib.error_perm):
        Client(server, "alice", "wrong")
    log = tmp_path / "ftp.log"
    wait_for(lambda: log.exists() and "denied" in log.read_text())
    text = log.read_text()
    assert 'ftp login peer=127.0.0.1 user="alice"' in text
    assert "bytes=3" in text and 'path="/a"' in text
    assert all(re.search(" session=[0-9a-f]{16}$", line) for line in text.splitlines())


def test_browsers_are_not_led_here(served, authority):
    """A client that asks for HTTP (ALPN) gets no session, in which its request could be commands."""
    server = served(kind="ftps")
    context = ssl.create_default_context(cafile=authority.path)
    for protocol, welcome in [("ftp", True), ("ftp-data", True), ("http/1.1", False), ("h2", False)]:
        context.set_alpn_protocols([protocol])
        with socket.create_connection(("127.0.0.1", server.port), 60) as plain:
            if welcome:
                assert context.wrap_socket(plain, server_hostname="localhost").recv(4) == b"220 "
            else:
                with pytest.raises(ssl.SSLError):
                    context.wrap_socket(plain, server_hostname="localhost")
