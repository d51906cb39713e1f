"""FTP over IPv6: EPSV and EPRT, and what IPv4 alone has is refused."""

import ftplib
import io
import os
import shutil
import socket

import pytest

from served import SECONDS, Client, Talk, authority, hashed, pair, served, tree, users
from test_clients import LARGE, ran


@pytest.fixture
def server(served):
    return served(host="[::1]")


def url(server, path, user="anonymous:x"):
    return f"ftp://{user}@[::1]:{server.port}/{path}"


@pytest.mark.parametrize("mode", [[], ["-P", "::1"]])
def test_curl(server, tree, mode):
    assert ran("curl", "-gsS", *mode, url(server, "large.bin")) == LARGE
    assert b"hello.txt" in ran("curl", "-gsS", *mode, url(server, ""))
    given = os.urandom(3000000)
    ran("curl", "-gsS", *mode, "-T", "-", url(server, "up", "alice:secret"), given=given)
    assert (tree / "alice/up").read_bytes() == given


@pytest.mark.parametrize("passive", [True, False])
def test_ftplib(server, tree, passive):
    with Client(server, "alice", host="::1") as client:
        client.set_pasv(passive)
        client.storbinary("STOR a", io.BytesIO(LARGE))
        assert client.get("a") == LARGE
        assert client.nlst() == ["a"]
    assert (tree / "alice/a").read_bytes() == LARGE


@pytest.mark.skipif(not shutil.which("lftp"), reason="lftp is not installed")
def test_lftp(server, tree, tmp_path):
    """Passive mode: in active mode this client sends `::`, which is not its address."""
    local, back = tmp_path / "local", tmp_path / "back"
    local.mkdir()
    for i in range(10):
        (local / f"f{i}").write_bytes(os.urandom(i * 10000))
    script = "set ftp:ssl-allow false; set net:timeout 20;"
    script += f"set net:max-retries 1; open -u alice,secret ftp://[::1]:{server.port};"
    ran("lftp", "-c", f"{script} mirror -R {local} up; mirror up {back}")
    for place in [tree / "alice/up", back]:
        assert ran("diff", "-r", local, place) == b""


def test_what_is_refused(server):
    """PASV and PORT say addresses of IPv4; of EPRT and EPSV others are not the peer's."""
    with Talk(server, "::1").login() as talk:
        assert talk.ask("PASV") == 425 or talk.ask("PASV") >= 500
        assert talk.ask("PORT 127,0,0,1,200,1") >= 500
        assert talk.ask("EPSV 1") == 522
        assert talk.ask("EPSV 2") == 229
        assert talk.ask("EPRT |1|127.0.0.1|40000|") == 522
        for elsewhere in ["2001:db8::1", "fe80::1", "::2"]:
            assert talk.ask(f"EPRT |2|{elsewhere}|40000|") in (500, 501, 504)
        assert talk.ask("EPRT |2|::1|80|") in (500, 501, 504)
        assert talk.ask("EPRT |2|::1|40000|") == 200
        assert talk.ask("EPSV ALL") == 200
        assert talk.ask("EPRT |2|::1|40000|") >= 500
        with talk.passive() as data:
            assert talk.ask("NLST") in (125, 150)
            assert data.recv(100) == b""
        assert talk.reply()[0] == 226


def test_who_comes_by_ipv4_to_a_socket_of_both(served, tree):
    """Its addresses are IPv4's, whatever the kernel calls them."""
    server = served(host="[::]")
    with Client(server, "alice") as client:
        client.storbinary("STOR a", io.BytesIO(b"four"))
        client.set_pasv(False)
        assert client.get("a") == b"four"
    with Talk(server).login() as talk:
        assert talk.ask("PASV") == 227
    with Client(server, "alice", host="::1") as client:
        assert client.get("a") == b"four"
