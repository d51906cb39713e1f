"""Passive ports: who asks for one and lets it be does not keep it from others."""

import socket

import pytest

from conftest import wait_for
from served import Client, Talk, authority, hashed, pair, served, tree, users


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_a_port_that_nobody_uses_gives_way(served, port):
    server = served(f"passive-ports: {port}", "sessions-per-address: 1000")
    with Talk(server).login("anonymous") as idle, Talk(server).login("anonymous") as other:
        assert idle.ask("EPSV") == 229
        wait_for(lambda: other.ask("EPSV") == 229, what="a free port")
        assert idle.ask("LIST") == 425
        data = socket.create_connection(("127.0.0.1", port), 30)
        assert other.ask("LIST") == 150
        data.settimeout(30)
        while data.recv(65536):
            pass
        assert other.reply()[0] == 226
        data.close()


def test_check_compares_ports_and_sessions(run, tree, tmp_path):
    for ports, sessions, said in (
        ("50000-50009", "sessions-per-address: 11", True),
        ("50000-50009", "sessions-per-address: 10", False),
        ("50000-50098", "failures: 6", True),
        ("50000-50100", "failures: 6", False),
    ):
        (tmp_path / "weir.yaml").write_text(
            "listen: [{ftp: '127.0.0.1:0'}]\n"
            f"ftp: {{root: {tree}, passive-ports: {ports}, {sessions}}}\n"
        )
        result = run("check", "weir.yaml")
        assert result.returncode == 0
        assert ("'passive-ports' has" in result.stderr) == said, ports
