"""The daemon's own lines: where they go, rotation, a full disk, a stderr that nobody reads; and the lines of a
master among those of the status page."""

import fcntl
import json
import os
import re
import signal
import socket
import subprocess

import pytest

from conftest import as_root, wait_for
from test_log_sockets import SYSLOG, fields_of, service  # noqa: F401 (a fixture)
from test_metrics import http, samples

SITE = "workers: 1\nsites: [{root: site}]\nadmin: admin.sock\n"


def text_of(path):
    return path.read_text() if path.exists() else ""


def counted(path, name, label=""):
    return samples(http(path / "admin.sock", "/metrics")[2])[0].get((name, label), 0)


@pytest.mark.parametrize("options", [[], ["--privilege-separation"]])
def test_lines_go_to_a_file_that_is_rotated(configured, site, tmp_path, options):
    server = configured(f"{SITE}log: own.log\n", *options)
    log = tmp_path / "own.log"
    server.send_signal(signal.SIGHUP)
    wait_for(lambda: "weir: reloaded" in text_of(log), what="a line")
    for number, name in (signal.SIGUSR1, "one"), (signal.SIGHUP, "two"):
        log.rename(tmp_path / name)
        server.send_signal(number)
        # The master and the server open it, each for itself.
        wait_for(log.exists, what="a new log")
    (tmp_path / "weir.yaml").write_text("nonsense: 1\n")
    server.send_signal(signal.SIGHUP)
    wait_for(lambda: "not reloaded" in text_of(log), what="the refusal")
    line = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} weir: .+"
    for name in ("own.log", "one", "two"):
        lines = text_of(tmp_path / name).splitlines()
        assert all(re.fullmatch(line, text) for text in lines), lines
    assert "reloaded" not in server.stderr
    assert server.stop() == 0


def test_the_place_and_the_form_change_with_a_reload(configured, site, tmp_path):
    server = configured(f"{SITE}log: stderr\n")
    (tmp_path / "weir.yaml").write_text(
        (tmp_path / "weir.yaml").read_text().replace("log: stderr", "log: own.log\nlog-format: json")
    )
    server.send_signal(signal.SIGHUP)
    wait_for(lambda: "reloaded" in text_of(tmp_path / "own.log"), what="a line in the file")
    line = json.loads(text_of(tmp_path / "own.log").splitlines()[-1])
    assert (line["kind"], line["level"]) == ("weir", "info")
    assert line["message"].startswith("reloaded")
    (tmp_path / "weir.yaml").write_text((tmp_path / "weir.yaml").read_text().replace("own.log", "off"))
    server.send_signal(signal.SIGHUP)
    wait_for(lambda: "own.log" not in " ".join(server.open_names()), what="its close")
    assert "reloaded" not in server.stderr


@pytest.mark.parametrize("scheme", ["syslog", "journal"])
def test_lines_go_to_a_socket(configured, site, service, scheme):  # noqa: F811
    server = configured(f"{SITE}log: '{scheme}:{service.path}'\n")
    server.send_signal(signal.SIGHUP)
    # As root there is a warning first.
    wait_for(lambda: b"reloaded" in service.read(1)[-1], what="the line")
    line = service.lines[-1]
    if scheme == "syslog":
        # With its own time and name, and no second ones.
        assert SYSLOG.fullmatch(line)[4].startswith(b"reloaded ")
    else:
        fields = fields_of(line)
        assert fields["MESSAGE"].startswith("reloaded ")
        assert (fields["PRIORITY"], fields["WEIR_KIND"]) == ("6", "weir")


def test_a_full_disk_costs_lines_and_nothing_else(configured, site, tmp_path):
    server = configured(f"{SITE}log: /dev/full\n")
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("cannot write the log /dev/full: No space left")
    label = 'log="/dev/full"'
    assert counted(tmp_path, "weir_log_lost_lines_total", label) > 0
    assert server.get("/").status == 200


def test_a_stderr_that_nobody_reads_holds_nobody_up(weir_program, site, tmp_path):
    """Lines are lost and counted; when there is a reader again, their number is printed."""
    (tmp_path / "weir.yaml").write_text(f"listen: [{{http: '127.0.0.1:0'}}]\n{SITE}")
    arguments = [weir_program, "serve", "-c", "weir.yaml", "--privilege-separation=no", *as_root()]
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)  # so that few lines fill it
    with open(tmp_path / "out", "wb") as out:
        server = subprocess.Popen(arguments, cwd=tmp_path, stdout=out, stderr=writer)
    os.close(writer)
    try:
        wait_for(lambda: "Stop with" in (tmp_path / "out").read_text(), what="the start")

        def lost():
            # Each is refused with a line of 4 KB.
            with socket.socket(socket.AF_UNIX) as console:
                console.connect(str(tmp_path / "admin.sock"))
                console.sendall(b"reload\n")
                console.recv(4096)
            return counted(tmp_path, "weir_stderr_lost_lines_total")

        text = (tmp_path / "weir.yaml").read_text()
        (tmp_path / "weir.yaml").write_text(text + f"sites{'x' * 5000}: 1\n" * 20)
        count = wait_for(lost, what="a line that is lost")
        assert count > 0
        os.set_blocking(reader, False)
        while True:
            try:
                os.read(reader, 1 << 16)
            except BlockingIOError:
                break
        lost()
        assert re.search(rb"weir: \d+ lines were lost here\n", os.read(reader, 1 << 16))
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
    finally:
        server.kill()
        server.wait()
        os.close(reader)


def test_text_of_a_file_forges_no_line(configured, site, tmp_path):
    server = configured(f"{SITE}log: own.log\n")
    (tmp_path / "weir.yaml").write_text('"a\\n2026-01-01T00:00:00+0000 weir: forged": 1\n')
    server.send_signal(signal.SIGHUP)
    wait_for(lambda: "not reloaded" in text_of(tmp_path / "own.log"), what="the refusal")
    assert "\n2026-01-01" not in text_of(tmp_path / "own.log")


# -- the status page -----------------------------------------------------------------------------------


def test_a_crash_is_among_the_last_warnings(configured, site, tmp_path, segv_kills):
    """It is the master's to report: the server that crashed cannot, and its successor has the line."""
    server = configured(SITE, "--privilege-separation")
    first = server.server_pid
    os.kill(first, signal.SIGSEGV)
    wait_for(lambda: server.server_pid != first, what="a successor")

    def shown():
        try:
            page = http(tmp_path / "admin.sock", "/")[2]
        except OSError:
            return False
        return f"the server process {first} was killed by signal 11" in page

    wait_for(shown, what="the crash on the page")
    # Later lines of the master come, too.
    (tmp_path / "weir.yaml").write_text("nonsense: 1\n")
    server.send_signal(signal.SIGHUP)
    wait_for(lambda: "not reloaded" in http(tmp_path / "admin.sock", "/")[2], what="the refusal")
