"""The reports of the daemon to systemd, by the protocol of sd_notify(3)."""

import re
import signal
import socket
import subprocess

import pytest

from conftest import as_root


class Manager:
    """The receiving end of NOTIFY_SOCKET."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(60)

    def next(self, wanted):
        """Returns the next report that begins with `wanted`, as a dictionary."""
        while True:
            text = self.socket.recv(4096).decode()
            if text.startswith(wanted):
                return dict(line.split("=", 1) for line in text.splitlines())


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    name = str(tmp_path / "notify")
    manager = Manager(name if request.param == "path" else "\0" + name)
    manager.name = name if request.param == "path" else "@" + name
    with manager.socket:
        yield manager


@pytest.fixture
def daemon(manager, weir_program, tmp_path, site):
    config = tmp_path / "weir.yaml"
    config.write_text(f"listen: [{{http: '127.0.0.1:0'}}]\nsites: [{{root: {site}}}]\n")
    environment = {"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "300000", "PATH": "/usr/bin:/bin"}
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen([weir_program, "serve", "-c", config, "--privilege-separation=no", *as_root()], env=environment, stdout=log, stderr=log)
    try:
        yield process, config
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_states_are_reported(manager, daemon):
    process, config = daemon
    assert manager.next("READY=1")["STATUS"] == "Serving"
    process.send_signal(signal.SIGHUP)
    assert re.fullmatch(r"\d+", manager.next("RELOADING=1")["MONOTONIC_USEC"])
    assert manager.next("READY=1")["STATUS"] == "Serving"
    config.write_text("nonsense: 1\n")
    process.send_signal(signal.SIGHUP)
    manager.next("RELOADING=1")
    assert "refused" in manager.next("READY=1")["STATUS"]
    process.send_signal(signal.SIGTERM)
    manager.next("STOPPING=1")
    assert process.wait(60) == 0


def test_signs_of_life(manager, daemon):
    for _ in range(3):
        manager.next("WATCHDOG=1")


def test_a_manager_that_has_gone_does_no_harm(manager, daemon):
    process, _ = daemon
    manager.next("READY=1")
    manager.socket.close()
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
