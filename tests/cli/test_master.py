"""Privilege separation, the master and its server process: crashes, reloads, rights, the service manager."""

import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from conftest import let_others_enter, wait_for

SEPARATED = "--privilege-separation"
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="not root")


def status_of(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def has_ended(pid):
    """A process that nobody waits for remains as a zombie, where the first process adopts none."""
    try:
        return status_of(pid)["State"].startswith("Z")
    except FileNotFoundError:
        return True


# -- crashes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_server_process_that_is_killed_is_started_again(weir, site, segv_kills, number):
    server = weir(site, SEPARATED, "--workers", 2)
    for count in (1, 2):
        before = server.server_pid
        os.kill(before, number)
        # The connection waits in the listener, which the master has.
        server.wait_stderr(f"was killed by signal {int(number)} (", count)
        assert server.get("/").text == "hello"
        assert server.server_pid != before
    assert server.stop() == 0


def test_the_pause_before_a_restart_grows(weir, site):
    server = weir(site, SEPARATED)
    for _ in range(3):
        os.kill(server.server_pid, signal.SIGKILL)
        assert server.get("/").text == "hello"
    pauses = [int(ms) for ms in re.findall(r"starts in (\d+) ms", server.stderr)]
    assert pauses == [0, 100, 200]


def test_a_restart_keeps_the_configuration_that_was_in_effect(configured, site, tmp_path):
    server = configured(f"sites: [{{root: {site}}}]\n", SEPARATED)
    (tmp_path / "weir.yaml").write_text("nonsense: 1\n")
    os.kill(server.server_pid, signal.SIGKILL)
    assert server.get("/").text == "hello"


def test_a_server_process_ends_with_its_master(weir, site):
    server = weir(site, SEPARATED)
    child = server.server_pid
    server.process.kill()
    server.process.wait()
    wait_for(lambda: has_ended(child), what="the end of the server process")


# -- reloads -------------------------------------------------------------------------------------------


@root_only
def test_what_only_root_may_read_is_read_again(configured, site, tmp_path):
    let_others_enter(tmp_path)
    secret = tmp_path / "secret"
    secret.mkdir(mode=0o700)
    users = secret / "users"
    users.write_text("alice:$5$abcd$BgCbKzckrgGdFcL/gWllSOkKJCXQV5rwJeTh9xnsJ1D\n")
    users.chmod(0o600)
    text = (
        f"user: nobody\nsites:\n  - root: {site}\n    auth: [{{path: /x, realm: x, users: {users}}}]\n"
    )
    server = configured(text, SEPARATED)
    assert server.get("/").text == "hello"
    assert server.get("/x").status == 401
    (tmp_path / "included.yaml").write_text("limits: {idle: 7s}\n")
    (tmp_path / "included.yaml").chmod(0o600)
    config = tmp_path / "weir.yaml"
    config.write_text(config.read_text() + "include: incl*.yaml\n")
    config.chmod(0o600)
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("weir: reloaded")
    assert server.get("/x").status == 401


def test_a_directory_that_a_reload_adds(configured, site, tmp_path):
    """The server process is confined to the directories of its configuration, so another one starts."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "index.html").write_text("other")
    server = configured(f"sites: [{{root: {site}}}]\n", SEPARATED)
    before = server.server_pid
    config = tmp_path / "weir.yaml"
    config.write_text(config.read_text().replace(str(site), str(other)))
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("weir: reloaded")
    # The process before may still accept for a moment.
    wait_for(lambda: server.get("/").text == "other", what="the other site")
    assert "Landlock" in server.stderr or server.server_pid != before


def test_a_reload_that_needs_a_third_process_follows(configured, site, tmp_path):
    """At most two server processes run, and the one before finishes a download."""
    (site / "large").write_bytes(bytes(1 << 25))
    config = tmp_path / "weir.yaml"

    def move_to(name):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(name)
        config.write_text(re.sub("root: .*}]", f"root: {tmp_path / name}}}]", config.read_text()))
        server.send_signal(signal.SIGHUP)

    server = configured(f"sites: [{{root: {site}}}]\n", SEPARATED)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(b"GET /large HTTP/1.0\r\n\r\n")
        assert client.recv(100)
        move_to("second")
        wait_for(lambda: server.get("/").text == "second", what="the second site")
        if len(server.children("server")) == 1:
            pytest.skip("a reload needs no other process without Landlock")
        move_to("third")
        server.wait_stderr("the reload is repeated then")
        assert server.get("/").text == "second"
    wait_for(lambda: server.get("/").text == "third", what="the third site")


@root_only
def test_an_address_that_only_root_may_bind_comes_by_a_reload(configured, site, tmp_path):
    let_others_enter(tmp_path)
    server = configured(f"user: nobody\nsites: [{{root: {site}}}]\n", SEPARATED)
    config = tmp_path / "weir.yaml"
    config.write_text(
        config.read_text().replace("'127.0.0.1:0'}", "'127.0.0.1:0'}, {http: '127.0.0.73:471'}")
    )
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("weir: reloaded")
    with socket.create_connection(("127.0.0.73", 471), timeout=60) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")


def test_many_reloads_under_load(configured, site, tmp_path):
    """Signals that come during a reload have another one follow, which ends with the last configuration."""
    server = configured(f"sites: [{{root: {site}}}]\n", SEPARATED, "--workers", 2)
    config = tmp_path / "weir.yaml"
    text = config.read_text()
    for count in range(60):
        config.write_text(text + f"guard: {{threshold: {count + 1}}}\n")
        server.send_signal(signal.SIGHUP)
        assert server.get("/").text == "hello"
    config.write_text(text + "nonsense: 1\n")
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("weir: not reloaded")
    assert server.get("/").text == "hello"
    assert "malformed" not in server.stderr and "killed" not in server.stderr
    assert server.stop() == 0


# -- the level of logs -----------------------------------------------------------------------------------


def test_the_console_changes_the_level_of_the_master(configured, run, site, tmp_path):
    separated = "privilege-separation: yes\n"
    server = configured(
        f"{separated}sites: [{{root: {site}}}]\nadmin: admin.sock\nlog: own.log\nlog-level: error\n"
    )
    warning = "'privilege-separation' changes at the next start"  # of the master

    def console(*words):
        result = run("console", "--admin", tmp_path / "admin.sock", *words)
        return result.stdout.strip() if result.returncode == 0 else ""

    def is_logged():
        return warning in (tmp_path / "own.log").read_text()

    config = tmp_path / "weir.yaml"
    config.write_text(config.read_text().replace(separated, "privilege-separation: no\n"))
    console("reload")
    assert console("log", "level") == "error"
    assert not is_logged()
    console("log", "level", "warning")
    # A server process that is started again has the level, too.
    before = server.server_pid
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: console("log", "level") == "warning", what="the successor and its level")
    assert server.server_pid != before
    console("reload")
    wait_for(is_logged, what="a line of the master")
    assert console("log", "level") == "error"


# -- rights --------------------------------------------------------------------------------------------


@root_only
def test_the_server_process_has_no_rights(configured, site, tmp_path):
    let_others_enter(tmp_path)
    server = configured(f"user: nobody\nsites: [{{root: {site}}}]\n", SEPARATED)
    status = status_of(server.server_pid)
    assert "0" not in status["Uid"].split() and "0" not in status["Gid"].split()
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert status["NoNewPrivs"] == "1"
    assert "0" in status_of(server.pid)["Uid"].split()


def test_privileges_are_separated_by_default(weir, site, tmp_path):
    """Unless the server stays root, so that there are none to separate."""
    let_others_enter(tmp_path)
    user = ("--user", "nobody") if os.geteuid() == 0 else ()
    assert weir(site, *user, by_default=True).children("server")
    assert not weir(site, *user, "--privilege-separation=no").children("server")
    if os.geteuid() == 0:
        assert not weir(site, "--user", "root", by_default=True).children("server")


@root_only
def test_root_is_no_user_by_default(weir_program, site):
    if any(line.startswith("weir:") for line in open("/etc/passwd")):
        pytest.skip("this machine has the user weir")
    command = [weir_program, "serve", site, "--http", "127.0.0.1:0"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert "'user: root' insists" in result.stderr


def test_check_says_what_confines_the_server(run, site, tmp_path):
    (tmp_path / "weir.yaml").write_text(
        f"privilege-separation: yes\nlisten: [{{http: '127.0.0.1:0'}}]\nsites: [{{root: {site}}}]\n"
    )
    result = run("check", "weir.yaml")
    assert result.returncode == 0
    assert "without capabilities" in result.stdout
    assert f"reads {site}" in result.stdout or "no Landlock" in result.stdout


# -- the service manager -------------------------------------------------------------------------------


def test_no_directory_is_made_for_a_configuration_that_fails(run, tmp_path):
    """The mail directory, the queue and others appear when the files that are named are there, and the port is free."""
    (tmp_path / "weir.yaml").write_text(
        "listen: [{smtp: '127.0.0.1:0'}, {dns: '127.0.0.1:0'}]\nprivilege-separation: yes\nlimits: {drain: 1s}\n"
        "mail: {directory: mail, users: users, domains: [example.org], relay: {host: 127.0.0.1, queue: queue}}\n"
        "dns: {directory: zones, zones: [{name: example.org, primaries: [127.0.0.1], file: zone}]}\n")
    made = lambda: {path.name for path in tmp_path.iterdir() if path.is_dir()}
    result = run("serve", "-c", "weir.yaml")
    assert result.returncode == 1
    assert "weir.yaml:4:32: " in result.stderr and "users: No such file or directory" in result.stderr
    assert made() == set()
    (tmp_path / "users").write_text("")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        result = run("serve", "-c", "weir.yaml", "--smtp", f"127.0.0.1:{listener.getsockname()[1]}")
    assert result.returncode == 1
    assert "Address already in use" in result.stderr
    assert made() == set()


@pytest.fixture
def manager(tmp_path, monkeypatch):
    """A socket that receives notifications; manager() returns the fields of the next datagram."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(path))
        receiver.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))

        def receive(key):
            """The next datagram with this key, and the number of its descriptors."""
            while True:
                data, fds, _, _ = socket.recv_fds(receiver, 4096, 4)
                for fd in fds:
                    os.close(fd)
                fields = dict(line.split("=", 1) for line in data.decode().splitlines())
                if key in fields:
                    return fields, len(fds)

        yield receive


def test_notifications(manager, configured, site):
    server = configured(f"sites: [{{root: {site}}}]\n", SEPARATED, "--workers", 2)
    stored = [manager("FDSTORE") for _ in range(2)]
    assert all(count == 1 and fields["FDNAME"] for fields, count in stored)
    fields, _ = manager("READY")
    assert fields["STATUS"] == "Serving"
    server.send_signal(signal.SIGHUP)
    assert int(manager("RELOADING")[0]["MONOTONIC_USEC"]) > 0
    assert manager("READY")[0]["STATUS"] == "Serving"
    server.send_signal(signal.SIGTERM)
    manager("STOPPING")
    assert server.wait() == 0


def test_the_watchdog_is_fed(manager, monkeypatch, weir, site):
    monkeypatch.setenv("WATCHDOG_USEC", "300000")
    server = weir(site, SEPARATED)
    manager("WATCHDOG")
    manager("WATCHDOG")
    assert server.get("/").text == "hello"


def test_socket_activation(weir, site):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        os.set_inheritable(listener.fileno(), True)
        script = f'exec 3<&{listener.fileno()}; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'
        server = weir(
            site, SEPARATED, "--http", f"127.0.0.1:{port}", "--workers", 2,
            prefix=("bash", "-c", script, "bash"), pass_fds=(listener.fileno(),),
        )
        assert server.port == port
        for _ in range(4):
            assert server.get("/").text == "hello"
