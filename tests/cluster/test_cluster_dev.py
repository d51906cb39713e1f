"""./dev cluster, in a network of its own: the lines that it prints work, also after its parts were killed."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from conftest import wait_for

TOP = Path(__file__).resolve().parent.parent.parent
NETWORK = "ip link set lo up || exit 77; exec \"$@\""


class Running:
    def __init__(self, program, path):
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        self.log = path / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["unshare", *user, "--net", "sh", "-c", NETWORK, "sh", TOP / "tools" / "cluster", "--weir", program,
                 "--state", path / "state"], cwd=path, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.enter = ["nsenter", "-t", str(self.process.pid), *(["-U", "--preserve-credentials"] if user else []), "-n"]

    def text(self):
        text = self.log.read_text()
        if self.process.poll() not in (None, 77):
            pytest.fail(text)
        return text

    def commands(self, *names):
        return re.findall(f"^  ((?:{'|'.join(names)}) .*)$", self.text(), re.M)

    def run(self, command):
        """Runs a line as it was printed."""
        return subprocess.run([*self.enter, "bash", "-o", "pipefail", "-c", command], cwd=self.log.parent, capture_output=True, text=True,
                              timeout=60, check=False)


@pytest.fixture
def running(weir_program):
    path = Path(tempfile.mkdtemp(prefix="weir-cluster-"))
    path.chmod(0o755)
    made = Running(weir_program, path)
    wait_for(lambda: made.process.poll() == 77 or "Stop with" in made.text(), what="the start")
    yield made
    made.process.send_signal(signal.SIGINT)
    made.process.wait(60)
    shutil.rmtree(path)


def check_mail(running, commands):
    """Sends and fetches as the lines say; both lines that fetch find the message."""
    for send, fetch in zip(commands[::2], commands[1::2]):
        wait_for(lambda send=send: running.run(send).returncode == 0, what=send)
        done = running.run(fetch)
        assert done.returncode == 0, done.stderr
        assert "It works." in done.stdout


def test_what_it_prints_works(running):
    if running.process.poll() == 77:
        pytest.skip("cannot set up a network")
    mail = running.commands("printf", r"curl -s -k")
    assert len(mail) == 4
    check_mail(running, mail)
    others = running.commands("curl -s(?! -k)", "dig", r"\S*weir", "psql")
    assert len(others) >= 4
    for command in others:
        done = running.run(command + (" -c 'SELECT 1'" if command.startswith("psql") else ""))
        assert done.returncode == 0, command + done.stdout + done.stderr
        assert done.stdout
    kills = running.commands("kill")
    assert len(kills) == 5
    for command, expected in ((kills[0], "a .* serves again"), (kills[3], "is promoted"), (kills[2], "c .* serves again")):
        assert running.run(command.split("#")[0]).returncode == 0
        wait_for(lambda expected=expected: re.search(expected, running.text()), what=expected)
        check_mail(running, mail)
    state = running.log.parent / "state"
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(60) == 0
    wait_for(lambda: not of_directory(state), what="the end of all processes")


def of_directory(path):
    """The processes that have a directory beneath the path as theirs."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if os.readlink(entry).startswith(str(path)):
                found.append(entry.parent.name)
        except OSError:
            pass
    return found
