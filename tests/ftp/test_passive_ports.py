"""Passive ports: sessions of different addresses share them, and unused ones are free again."""

import signal
import socket

import pytest

from conftest import wait_for
from ports import LAST, free_port
from served import SECONDS, Client, Talk, authority, hashed, pair, served, tree, users


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def ports():
    """The first of ten free ports."""
    for first in range(LAST, 32760, 10):
        probes = []
        try:
            for port in range(first, first + 10):
                probes.append(socket.socket())
                probes[-1].bind(("127.0.0.1", port))
            return first
        except OSError:
            pass
        finally:
            for probe in probes:
                probe.close()
    raise AssertionError("no free ports")


def everything(connection):
    connection.settimeout(SECONDS)
    data = b""
    while chunk := connection.recv(65536):
        data += chunk
    connection.close()
    return data


WORKERS = 4


@pytest.fixture
def shared(served, tree):
    """A server with several loops and the ports given."""

    def start(ports, *lines):
        for i in range(1, 60):
            (tree / f"from-{i}").write_bytes(b"%d" % i * 1000)
        return served(f"passive-ports: {ports}", *lines, workers=WORKERS)

    return start


def test_sessions_of_many_addresses_share_one_port(shared, port):
    """Each connection comes to the session whose peer has its address, on whatever loop that is."""
    server = shared(port)
    talks = {i: Talk(server, source=f"127.0.0.{i}").login("anonymous") for i in range(1, 41)}
    assert {talk.passive_port() for talk in talks.values()} == {port}
    connections = {}
    for i in sorted(talks, key=lambda i: i * 7 % 41):
        connections[i] = socket.create_connection(
            ("127.0.0.1", port), SECONDS, (f"127.0.0.{i}", 0)
        )
    for i, talk in talks.items():
        assert talk.ask("TYPE I") == 200
        assert talk.ask(f"RETR from-{i}") == 150
        assert everything(connections[i]) == b"%d" % i * 1000
        assert talk.reply()[0] == 226
    # And again, the command before the connection, as many clients do.
    for i, talk in talks.items():
        assert talk.passive_port() == port
        assert talk.ask(f"RETR from-{i}") == 150
    for i, talk in talks.items():
        connection = socket.create_connection(("127.0.0.1", port), SECONDS, (f"127.0.0.{i}", 0))
        assert everything(connection) == b"%d" % i * 1000
        assert talk.reply()[0] == 226
        talk.socket.close()


def test_sessions_of_one_address_have_ports_of_their_own(shared, ports):
    """As many as the range has; the sessions of other addresses have as many beside them."""
    server = shared(f"{ports}-{ports + 9}")
    talks = {}
    for i in range(1, 6):
        talks[i] = [Talk(server, source=f"127.0.0.{i}").login("anonymous") for _ in range(10)]
        waiting = {talk.passive_port(): talk for talk in talks[i]}
        assert sorted(waiting) == list(range(ports, ports + 10))
        late = Talk(server, source=f"127.0.0.{i}").login("anonymous")
        assert late.ask("EPSV") == 425
        late.socket.close()
        for talk in talks[i]:
            assert talk.ask("TYPE I") == 200
        talks[i] = waiting
    for i, waiting in talks.items():
        for used, talk in waiting.items():
            connection = socket.create_connection(
                ("127.0.0.1", used), SECONDS, (f"127.0.0.{i}", 0)
            )
            assert talk.ask(f"RETR from-{i}") == 150
            assert everything(connection) == b"%d" % i * 1000
            assert talk.reply()[0] == 226
            talk.socket.close()


def test_nobody_gets_the_connection_of_another_address(shared, port):
    server = shared(port)
    with Talk(server, source="127.0.0.7").login("anonymous") as talk:
        assert talk.passive_port() == port
        assert talk.ask("TYPE I") == 200
        assert talk.ask("RETR from-7") == 150
        for i in range(20):
            stranger = socket.create_connection(
                ("127.0.0.1", port), SECONDS, (f"127.0.0.{8 + i}", 0)
            )
            assert everything(stranger) == b""
        right = socket.create_connection(("127.0.0.1", port), SECONDS, ("127.0.0.7", 0))
        assert everything(right) == b"7" * 1000
        assert talk.reply()[0] == 226


def test_a_session_that_ends_frees_its_port_only(shared, port):
    """Whatever ends while others wait on the port, these go on."""
    server = shared(port)
    talks = {i: Talk(server, source=f"127.0.0.{i}").login("anonymous") for i in range(1, 21)}
    for talk in talks.values():
        assert talk.passive_port() == port
        assert talk.ask("TYPE I") == 200
    for i in range(1, 21, 2):
        if i % 4 == 1:
            assert talks[i].ask("ABOR") == 226
        talks.pop(i).socket.close()
    for i, talk in talks.items():
        connection = socket.create_connection(("127.0.0.1", port), SECONDS, (f"127.0.0.{i}", 0))
        assert talk.ask(f"RETR from-{i}") == 150
        assert everything(connection) == b"%d" % i * 1000
        assert talk.reply()[0] == 226
    # All have been used; the port is nobody's.
    wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", port)) != 0, what="a closed port")


def test_ports_are_shared_across_a_reload(shared, port):
    """A session that has waited since before it does not keep the port from other addresses."""
    server = shared(port)
    talks = [Talk(server, source=f"127.0.0.{i}").login("anonymous") for i in range(1, 9)]
    for talk in talks:
        assert talk.passive_port() == port
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("weir: reloaded", 1)
    late = [Talk(server, source=f"127.0.0.{i}").login("anonymous") for i in range(11, 19)]
    for i, talk in enumerate(talks + late):
        source = i + 1 if i < 8 else i + 3
        assert i < 8 or talk.passive_port() == port
        assert talk.ask("TYPE I") == 200
        assert talk.ask(f"RETR from-{source}") == 150
        connection = socket.create_connection(
            ("127.0.0.1", port), SECONDS, (f"127.0.0.{source}", 0)
        )
        assert everything(connection) == b"%d" % source * 1000
        assert talk.reply()[0] == 226


def test_a_port_of_another_loop_gives_way(shared, port):
    """The oldest wait of the address ends, also if its session belongs to another loop."""
    server = shared(port, "sessions-per-address: 1000")
    idle = Talk(server).login("anonymous")
    assert idle.passive_port() == port
    others = [Talk(server).login("anonymous") for _ in range(2 * WORKERS)]
    for other in others:
        wait_for(lambda talk=other: talk.ask("EPSV") == 229, what="a free port")
    assert idle.ask("LIST") == 425
    for other in others[:-1]:
        assert other.ask("LIST") == 425
    connection = socket.create_connection(("127.0.0.1", port), SECONDS)
    assert others[-1].ask("LIST") == 150
    assert b"hello.txt" in everything(connection)


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
