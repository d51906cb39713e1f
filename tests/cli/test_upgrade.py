"""Upgrades with privilege separation: another version of the program takes over the listeners."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from conftest import wait_for


@pytest.fixture
def upgraded(weir, weir_program, site, tmp_path):
    """A server, and the path of its own copy of the program."""
    program = tmp_path / "program"
    shutil.copy(weir_program, program)
    (site / "large").write_bytes(os.urandom(1 << 24))
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


def test_an_upgrade_loses_no_connection(upgraded, site):
    server, _ = upgraded
    load = None
    if shutil.which("wrk"):
        command = ["wrk", "-t1", "-c8", "-d6", server.url]
        load = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as slow:
        slow.sendall(b"GET /large HTTP/1.0\r\n\r\n")
        got = slow.recv(4096)
        for count in (1, 2):
            upgrade(server, count)
            assert server.get("/").text == "hello"
            while len(got) < (1 << 24) * count // 2:
                got += slow.recv(1 << 16)
            if count == 1:  # at most two server processes: the download ends before the next one
                while more := slow.recv(1 << 16):
                    got += more
                children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
                wait_for(lambda: len(children.read_text().split()) == 1, what="the end of the old")
    assert got.split(b"\r\n\r\n", 1)[1] == (site / "large").read_bytes()
    if load:
        out = load.communicate(timeout=60)[0]
        # An idle connection may be closed at the moment of its next request, as HTTP allows.
        assert "Socket errors" not in out or re.search("connect 0, .* timeout 0", out), out
        assert "Non-2xx" not in out


def test_upgrade_by_the_console(upgraded, run, tmp_path):
    server, _ = upgraded
    before = server.server_pid
    result = run("upgrade", "--admin", tmp_path / "admin.sock")
    assert (result.returncode, result.stderr) == (0, "")
    assert server.server_pid != before
    assert server.get("/").text == "hello"


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 0\n", "#!/bin/sh\nexit 1\n", "no program", ""])
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
    config.write_text(config.read_text() + "nonsense: 1\n")
    assert run("upgrade", "--admin", tmp_path / "admin.sock").returncode == 1
    server.wait_stderr("not upgraded")
    assert "'nonsense'" in server.stderr
    wait_for(lambda: server.server_pid == before, what="the end of the trial")
    assert server.get("/").text == "hello"


def test_an_upgrade_whose_server_process_fails(upgraded, tmp_path):
    """The new master is in place, and the old server process goes on."""
    server, _ = upgraded
    before = server.server_pid
    config = tmp_path / "weir.yaml"
    good = config.read_text()
    config.write_text(good + "tls: {certificates: [{chain: none.pem, key: none.pem}]}\n")
    server.send_signal(signal.SIGUSR2)
    server.wait_stderr("none.pem: cannot be read")
    server.wait_stderr("not reloaded")
    wait_for(lambda: server.server_pid == before, what="the end of the new one")
    assert server.get("/").text == "hello"
    config.write_text(good)
    upgrade(server, 1)


def test_two_upgrades_at_once(upgraded):
    server, _ = upgraded
    for _ in range(5):
        server.send_signal(signal.SIGUSR2)
        time.sleep(0.01)
    server.wait_stderr("another server process serves")
    assert server.get("/").text == "hello"
    assert server.stop() == 0
