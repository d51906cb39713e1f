"""The admin socket and `weir console`: what an operator asks of the running daemon, who may ask, and
what a hostile client costs."""

import os
import pwd
import re
import signal
import socket
import subprocess
import time
from contextlib import suppress

import pytest

from conftest import let_others_enter, wait_for
from test_guard import HASH, ask

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def administered(configured, site, tmp_path):
    """administered(text, workers) serves two users' passwords by HTTP, with an admin socket."""

    def start(text="", workers=2):
        (tmp_path / "users").write_text(f"alice:{HASH}\nbob:{HASH}\n")
        (site / "private").mkdir(exist_ok=True)
        (site / "private" / "index.html").write_text("hello")
        guard = "" if "guard" in text else "guard: {first-delay: 10ms, most-delay: 10ms}\n"
        return configured(
            "sites: [{root: site, auth: [{path: private, users: users}]}]\n"
            f"admin: admin.sock\nworkers: {workers}\n{guard}{text}"
        )

    return start


@pytest.fixture
def console(weir_program, tmp_path):
    """console(word, …) returns the lines of a command's reply; `code` is the exit code that it has."""

    def send(*words, code=0, lines=None):
        result = subprocess.run(
            [str(weir_program), "console", "-c", "weir.yaml", *words],
            cwd=tmp_path,
            input=lines or "",
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert result.returncode == code, result.stderr
        return (result.stdout + result.stderr).splitlines()

    return send


def wrong_logins(server, source, count, user="alice"):
    for _ in range(count):
        assert ask_private(server, user, "wrong", source) == 401


def ask_private(server, user, password, source="127.0.0.1"):
    return ask(server, user, password, source, path="/private/index.html")


def connect_to(path):
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(path))
    client.settimeout(30)
    return client


def read_reply(stream):
    """The lines of one reply, the last of which ends it."""
    lines = []
    while not lines or lines[-1].startswith(" "):
        line = stream.readline()
        assert line.endswith("\n"), (lines, line)
        lines.append(line[:-1])
    return lines


# -- the guard -----------------------------------------------------------------------------------------


def networks(lines):
    """{network: wrong passwords} of what `guard list` prints."""
    return {line.split()[0]: int(line.split()[1]) for line in lines[1:-1]}


def test_an_operator_lists_and_clears_the_guard(administered, console):
    server = administered()
    assert console("guard", "list") == ["0 networks with wrong passwords"]
    for number in range(10):
        # Each connection may come to another worker.
        wrong_logins(server, f"127.0.1.{number}", 1)
    wrong_logins(server, "127.0.0.2", 3)
    lines = console("guard", "list")
    assert lines[0].split() == ["NETWORK", "WRONG", "DELAY"]
    assert lines[1].split()[:2] == ["127.0.0.2", "3"]
    assert lines[-1] == "11 networks with wrong passwords"
    assert networks(lines)["127.0.1.9"] == 1

    assert console("guard", "clear", "127.0.0.2") == ["cleared 1 network"]
    assert "127.0.0.2" not in networks(console("guard", "list"))
    assert console("guard", "clear", "127.0.1.0/29") == ["cleared 8 networks"]
    assert set(networks(console("guard", "list"))) == {"127.0.1.8", "127.0.1.9"}
    assert console("guard", "clear") == ["cleared 2 networks"]
    assert console("guard", "list") == ["0 networks with wrong passwords"]
    # The count of a network that was cleared begins at 0 again.
    wrong_logins(server, "127.0.0.2", 1)
    assert networks(console("guard", "list")) == {"127.0.0.2": 1}


def test_the_wrong_passwords_of_a_user_are_cleared(administered, console):
    server = administered()
    for source in "127.0.0.2", "127.0.0.3":
        assert ask_private(server, "alice", "secret", source) == 200
        wrong_logins(server, source, 1)
    assert console("guard", "clear", "bob") == [
        "cleared the wrong passwords of the user at 0 networks"
    ]
    assert console("guard", "clear", "alice") == [
        "cleared the wrong passwords of the user at 2 networks"
    ]
    assert len(networks(console("guard", "list"))) == 2


# -- connections ---------------------------------------------------------------------------------------


def rows(lines):
    return [line.split() for line in lines[1:-1]]


def is_closed(client):
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def test_connections_of_all_workers_are_listed_and_closed(administered, console):
    server = administered()
    assert console("connections") == ["0 connections"]
    clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(30)]
    for client in clients:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
    lines = console("connections")
    assert lines[0].split()[:4] == ["ID", "LISTENER", "ADDRESS", "PEER"]
    assert lines[-1] == "30 connections"
    assert {row[0].split(".")[0] for row in rows(lines)} == {"0", "1"}
    assert {row[4] for row in rows(lines)} == {"idle"}
    peers = {f"127.0.0.1:{client.getsockname()[1]}": client for client in clients}
    assert {row[3] for row in rows(lines)} == set(peers)

    first = rows(lines)[0]
    victim = peers.pop(first[3])
    victim.settimeout(30)
    assert console("close", first[0]) == []
    assert is_closed(victim)
    assert console("close", first[0], code=1) == [f"weir: there is no connection '{first[0]}'"]
    assert console("connections")[-1] == "29 connections"
    for client in peers.values():
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200")

    busy = next(iter(peers.values()))
    busy.sendall(b"GET / HT")
    wait_for(lambda: " receiving " in "\n".join(console("connections")))
    assert console("connections", "127.0.0.1")[-1] == "29 connections"
    assert console("connections", "10.0.0.0/8") == ["0 connections"]
    assert console("connections", "http")[-1] == "29 connections"
    assert console("connections", "smtp") == ["0 connections"]


@pytest.mark.parametrize("word", ["1", "1.2", "1.2.3.4", "a.b.c", "99.1.1", "-1.2.3", "0.4.0"])
def test_an_id_that_names_no_connection(administered, console, word):
    administered()
    assert f"'{word}'" in console("close", word, code=1)[0]


# -- the daemon ----------------------------------------------------------------------------------------


def test_help_lists_every_command(administered, console):
    administered()
    text = "\n".join(console("help"))
    for name in "guard list", "guard clear", "connections", "close", "reload", "reopen", "drain":
        assert re.search(rf"^{name} .*  [a-z]", text, re.M), name


@pytest.mark.parametrize(
    "words, message",
    [
        (["guard"], "there is no command 'guard'"),
        (["guards", "list"], "there is no command 'guards'"),
        (["guard", "list", "x"], "usage: guard list"),
        (["close"], "usage: close ID"),
        (["connections", "nobody"], "'nobody' is neither an address"),
        (["x\x1b[2J"], "control characters"),
        (["a"] * 17, "16 words"),
    ],
)
def test_a_command_that_is_wrong(administered, console, words, message):
    administered()
    lines = console(*words, code=1)
    assert len(lines) == 1 and message in lines[0]


def test_reload_and_drain(administered, console, tmp_path):
    server = administered()
    text = (tmp_path / "weir.yaml").read_text()
    assert console("reload") == []
    server.wait_stderr("weir: reloaded")
    (tmp_path / "weir.yaml").write_text(text + "nonsense: 1\n")
    assert "stays in effect" in console("reload", code=1)[0]
    # The socket moves with the configuration.
    (tmp_path / "weir.yaml").write_text(text.replace("admin.sock", "other.sock"))
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("weir: reloaded", 2)
    assert not (tmp_path / "admin.sock").exists()
    assert console("connections") == ["0 connections"]
    # One that cannot be made leaves the old one.
    (tmp_path / "weir.yaml").write_text(text.replace("admin.sock", "none/admin.sock"))
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("not reloaded")
    (tmp_path / "weir.yaml").write_text(text.replace("admin.sock", "other.sock"))
    assert console("drain") == []
    assert server.wait() == 0
    assert not (tmp_path / "other.sock").exists()


def test_logs_are_reopened(administered, console, tmp_path):
    server = administered("access-log: access.log\n")
    server.get("/")
    (tmp_path / "access.log").rename(tmp_path / "access.log.1")
    assert console("reopen") == []
    wait_for(lambda: (tmp_path / "access.log").exists(), what="a new log")


def test_commands_from_the_standard_input(administered, console):
    administered()
    text = "guard list\n\nfoo\n  connections  \nquit\nhelp\n"
    assert console(lines=text, code=1) == [
        "0 networks with wrong passwords",
        "0 connections",
        "weir: there is no command 'foo'; 'help' lists the commands",
    ]
    assert console(lines="connections") == ["0 connections"]


def test_the_console_without_a_daemon(run, tmp_path, site):
    (tmp_path / "weir.yaml").write_text("sites: [{root: site}]\nadmin: admin.sock\n")
    result = run("console", "-c", "weir.yaml", "help")
    assert result.returncode == 1 and "is the daemon running?" in result.stderr
    (tmp_path / "weir.yaml").write_text("sites: [{root: site}]\n")
    result = run("console", "-c", "weir.yaml", "help")
    assert result.returncode == 1 and "has no 'admin'" in result.stderr
    result = run("console", "-c", "none.yaml", "help")
    assert result.returncode == 1 and "none.yaml: No such file" in result.stderr
    assert run("console", "-c", "a", "--admin", "b").returncode == 2


def test_the_console_replaces_variables_in_the_path_of_the_socket(run, tmp_path, monkeypatch):
    (tmp_path / "weir.yaml").write_text("user: ${OTHER_NAME}\nadmin: ${SOCKET_NAME}.sock\n")
    result = run("console", "-c", "weir.yaml", "help")
    assert result.returncode == 1 and "no variable 'SOCKET_NAME'" in result.stderr
    monkeypatch.setenv("SOCKET_NAME", "admin")
    result = run("console", "-c", "weir.yaml", "help")
    assert result.returncode == 1 and "cannot connect to admin.sock" in result.stderr


def test_a_relative_path_of_the_command_line_starts_at_the_current_directory(weir, site, tmp_path):
    server = weir(
        "--root", str(site), "--http", "127.0.0.1:0", "--admin", "tmp", cwd=tmp_path
    )
    # There is a /tmp, too.
    assert (tmp_path / "tmp").is_socket()
    assert server.stop() == 0


def test_the_socket_of_the_command_line(weir, run, site, tmp_path):
    server = weir("--root", str(site), "--http", "127.0.0.1:0", "--admin", str(tmp_path / "a.sock"))
    result = run("console", "--admin", "a.sock", "connections")
    assert (result.returncode, result.stdout) == (0, "0 connections\n")
    assert server.stop() == 0
    assert not (tmp_path / "a.sock").exists()


# -- the socket file -----------------------------------------------------------------------------------


def test_the_socket_is_for_its_owner_alone(administered, tmp_path):
    before = os.umask(0)
    try:
        server = administered()
    finally:
        os.umask(before)
    assert (tmp_path / "admin.sock").stat().st_mode & 0o777 == 0o600
    assert server.stop() == 0
    assert not (tmp_path / "admin.sock").exists()


def test_a_stale_socket_is_replaced(administered, console, tmp_path):
    server = administered()
    server.process.kill()
    server.process.wait()
    assert (tmp_path / "admin.sock").exists()
    administered()
    assert console("connections") == ["0 connections"]


def test_what_is_no_stale_socket_stays(run, site, tmp_path):
    text = "listen: [{http: '127.0.0.1:0'}]\nsites: [{root: site}]\nadmin: admin.sock\n"
    (tmp_path / "weir.yaml").write_text(text)
    path = tmp_path / "admin.sock"
    path.write_text("precious")
    assert "no socket" in run("serve", "-c", "weir.yaml").stderr
    assert path.read_text() == "precious"
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        result = run("serve", "-c", "weir.yaml")
        assert result.returncode == 1 and "another process listens there" in result.stderr
        connect_to(path).close()


def test_a_socket_that_is_another_ones_by_now_stays(administered, tmp_path):
    server = administered()
    path = tmp_path / "admin.sock"
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        assert server.stop() == 0
    assert path.exists()


@pytest.mark.parametrize(
    "value, message",
    [
        ("[]", "a path, an address, or one of each"),
        ("{a: b}", "must be one value"),
        ('""', "must be the path of a socket"),
        ("a" * 108, "107 bytes"),
        ("none/admin.sock", "No such file"),
        ("site", "no socket"),
    ],
)
def test_mistakes(run, tmp_path, site, value, message):
    (tmp_path / "weir.yaml").write_text(f"sites: [{{root: site}}]\nadmin: {value}\n")
    result = run("check", "weir.yaml")
    assert result.returncode == 1
    assert message in result.stderr


@AS_ROOT
def test_the_socket_belongs_to_the_user_of_the_daemon(administered, console, tmp_path, run):
    nobody = pwd.getpwnam("nobody").pw_uid
    let_others_enter(tmp_path)
    (tmp_path / "weir.yaml").write_text("sites: [{root: site}]\nuser: nobody\nadmin: a.sock\n")
    assert "admin socket cannot be made in" in run("check", "weir.yaml").stderr
    tmp_path.chmod(0o777)
    administered("user: nobody\n")
    status = (tmp_path / "admin.sock").stat()
    assert (status.st_uid, status.st_mode & 0o777) == (nobody, 0o600)
    assert console("connections") == ["0 connections"]


def ask_as(user, path):
    """Returns the reply that a client of this user gets."""
    program = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_UNIX)\n"
        "s.connect(sys.argv[1])\n"
        "try: s.sendall(b'connections\\n'); s.shutdown(socket.SHUT_WR)\n"
        "except BrokenPipeError: pass\n"
        "data = b''\n"
        "while True:\n"
        "    try:\n"
        "        piece = s.recv(4096)\n"
        "    except ConnectionResetError:\n"
        "        break\n"
        "    if not piece: break\n"
        "    data += piece\n"
        "print(data.decode(), end='')\n"
    )
    result = subprocess.run(
        ["/usr/bin/python3", "-c", program, str(path)],
        user=user,
        group=pwd.getpwnam(user).pw_gid,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return result.stdout + result.stderr


@AS_ROOT
def test_other_users_are_refused_even_if_the_file_lets_them_in(administered, tmp_path):
    let_others_enter(tmp_path)
    tmp_path.chmod(0o777)
    administered("user: nobody\n")
    path = tmp_path / "admin.sock"
    assert "PermissionError" in ask_as("daemon", path)
    path.chmod(0o666)
    assert ask_as("daemon", path).startswith("error only root and the user of the daemon")
    assert ask_as("nobody", path) == " 0 connections\nok\n"


# -- hostile clients -----------------------------------------------------------------------------------


def test_every_reply_has_an_unmistakable_end(administered, tmp_path):
    administered()
    with connect_to(tmp_path / "admin.sock") as client, client.makefile() as stream:
        client.sendall(b"help\r\n\nnone\nconnections\nok\n" + b"a" * 5000 + b"\nguard list\n")
        assert read_reply(stream)[-1] == "ok"
        assert read_reply(stream) == ["ok"]
        assert read_reply(stream)[-1].startswith("error there is no command 'none'")
        assert read_reply(stream) == [" 0 connections", "ok"]
        assert read_reply(stream)[-1].startswith("error there is no command 'ok'")
        assert read_reply(stream) == ["error a command has at most 1024 bytes"]
        assert read_reply(stream)[-1] == "ok"


def test_a_hostile_client_costs_only_itself(administered, console, hostile, tmp_path):
    server = hostile(administered(workers=1))
    path = tmp_path / "admin.sock"
    endless, silent, deaf = (connect_to(path) for _ in range(3))
    silent.sendall(b"guard li")
    deaf.setblocking(False)
    endless.setblocking(False)
    sent = 0
    for _ in range(200):
        # More than the kernel takes at once of a client whose commands wait for its reading.
        try:
            deaf.send(b"help\n" * 1000)
        except BlockingIOError:
            break
    for _ in range(200):
        try:
            sent += endless.send(b"x" * 65536)
        except BlockingIOError:
            time.sleep(0.01)
    assert sent > 1 << 20
    memory = server.memory_kb()
    for _ in range(50):
        # One too many while those before it are still there is refused.
        with connect_to(path) as client, suppress(BrokenPipeError):
            client.sendall(b"connections\nconnections")

    def admitted():
        with connect_to(path) as client, suppress(BrokenPipeError):
            client.sendall(b"connections\n")
            return not client.recv(5).startswith(b"error")

    wait_for(admitted, what="a client to be admitted")
    assert console("connections")[-1].endswith("connections")
    assert server.get("/").status == 200
    assert server.memory_kb() < memory + 8192
    for client in endless, silent, deaf:
        client.close()


def test_clients_are_bounded(administered, console, tmp_path):
    administered()
    path = tmp_path / "admin.sock"
    clients = [connect_to(path) for _ in range(16)]
    for client in clients:
        client.sendall(b"connections\n")
        assert client.recv(100) == b" 0 connections\nok\n"
    with connect_to(path) as client:
        assert client.recv(100) == b"error too many clients are connected\n"
    assert console("help", code=1) == ["weir: too many clients are connected"]
    clients.pop().close()
    wait_for(lambda: console_works(console), what="room for a client")


def console_works(console):
    try:
        return console("connections")
    except AssertionError:
        return None


def test_a_client_that_goes_while_its_reply_is_made(administered, hostile, tmp_path):
    server = hostile(administered(workers=1))
    for _ in range(200):
        client = connect_to(tmp_path / "admin.sock")
        with suppress(BrokenPipeError):  # refused: the clients before it have not been closed yet
            client.sendall(b"connections\n")
        client.close()
    assert server.get("/").status == 200


def test_the_daemon_ends_with_clients_connected(administered, tmp_path):
    server = administered()
    path = tmp_path / "admin.sock"
    clients = [connect_to(path) for _ in range(4)]
    clients[0].sendall(b"connections\n" * 50)
    clients[1].sendall(b"gua")
    assert server.stop() == 0, server.stderr
