"""Upgrades with privilege separation: another version of the program takes over the listeners, or does not.
tests/mail/test_separated_mail.py has upgrades under load."""

import os
import shutil
import signal
import time

import pytest

from conftest import wait_for


@pytest.fixture
def upgraded(weir, weir_program, site, tmp_path):
    """A server, and the path of its own copy of the program."""
    program = tmp_path / "program"
    shutil.copy(weir_program, program)
    config = tmp_path / "weir.yaml"
    config.write_text(
        f"privilege-separation: yes\nlisten: [{{http: '127.0.0.1:0'}}]\nadmin: admin.sock\nsites: [{{root: {site}}}]\n"
    )
    server = weir("-c", config, program=program)
    return server, program


def upgrade(server, count):
    before = server.server_pid
    server.send_signal(signal.SIGUSR2)
    server.wait_stderr("another server process serves", count)
    assert server.server_pid != before


def test_upgrade_by_the_console(upgraded, run, tmp_path):
    server, _ = upgraded
    before = server.server_pid
    result = run("upgrade", "--admin", tmp_path / "admin.sock")
    assert (result.returncode, result.stderr) == (0, "")
    assert server.server_pid != before
    assert server.get("/").text == "hello"


# A program that cannot read the state of this one.
EARLIER = "#!/bin/sh\necho 'weir probe 1' >/proc/self/fd/$2\n"


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 0\n", "#!/bin/sh\nexit 1\n", "no program", "", EARLIER])
def test_an_upgrade_to_a_broken_program(upgraded, tmp_path, text):
    server, program = upgraded
    before = server.server_pid
    (tmp_path / "broken").write_text(text)
    (tmp_path / "broken").chmod(0o755)
    (tmp_path / "broken").rename(program)
    server.send_signal(signal.SIGUSR2)
    server.wait_stderr("not upgraded")
    wait_for(lambda: server.server_pid == before, what="the end of the trial")
    assert server.get("/").text == "hello"


def test_an_upgrade_to_a_broken_configuration(upgraded, run, tmp_path):
    server, _ = upgraded
    before = server.server_pid
    config = tmp_path / "weir.yaml"
    good = config.read_text()
    config.write_text(good + "nonsense: 1\n")
    assert run("upgrade", "--admin", tmp_path / "admin.sock").returncode == 1
    server.wait_stderr("not upgraded")
    assert "'nonsense'" in server.stderr
    config.write_text(good + "tls: {certificates: [{chain: none.pem, key: none.pem}]}\n")
    assert run("upgrade", "--admin", tmp_path / "admin.sock").returncode == 1
    server.wait_stderr("not upgraded", 2)
    assert "none.pem: cannot be read" in server.stderr
    wait_for(lambda: server.server_pid == before, what="the end of the trial")
    assert server.get("/").text == "hello"


def test_an_upgrade_whose_server_process_fails(upgraded, tmp_path):
    """The new master is in place, and the old server process goes on."""
    server, _ = upgraded
    before = server.server_pid
    config = tmp_path / "weir.yaml"
    good = config.read_text()
    (tmp_path / "empty.pem").write_text("")
    config.write_text(good + "tls: {certificates: [{chain: empty.pem, key: empty.pem}]}\n")
    server.send_signal(signal.SIGUSR2)
    server.wait_stderr("empty.pem: no certificate in PEM")
    server.wait_stderr("not reloaded")
    wait_for(lambda: server.server_pid == before, what="the end of the new one")
    assert server.get("/").text == "hello"
    os.kill(before, signal.SIGKILL)  # the listeners are still those of the old master
    assert server.get("/").text == "hello"
    config.write_text(good)
    upgrade(server, 1)


def test_an_upgrade_right_after_a_crash(upgraded):
    """The server process is being started: the upgrade follows."""
    server, _ = upgraded
    os.kill(server.server_pid, signal.SIGKILL)
    server.wait_stderr("another one starts")
    server.send_signal(signal.SIGUSR2)
    server.wait_stderr("another server process serves")
    assert server.get("/").text == "hello"
    assert "not upgraded" not in server.stderr


def test_two_upgrades_at_once(upgraded):
    server, _ = upgraded
    for _ in range(5):
        server.send_signal(signal.SIGUSR2)
        time.sleep(0.01)
    server.wait_stderr("another server process serves")
    assert server.get("/").text == "hello"
    assert server.stop() == 0
