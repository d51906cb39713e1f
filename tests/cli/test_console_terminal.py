"""The interactive session of `weir console` at a terminal: TAB completes commands, earlier lines come back."""

import os
import pty
import re
import select
import signal
import time

import pytest

from conftest import START_SECONDS


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, *command):
        try:
            self.pid, self.fd = pty.fork()
        except OSError as error:
            pytest.skip(f"no terminal to be had: {error}")
        if self.pid == 0:
            # libedit does not free the name of a function that was added to it.
            options = f"{os.environ.get('ASAN_OPTIONS', '')}:detect_leaks=0".lstrip(":")
            os.execve(command[0], command, {**os.environ, "TERM": "xterm", "ASAN_OPTIONS": options})
        self.shown = ""
        self.code = None

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self, text):
        """Waits until `text` is shown, and forgets what was shown up to its end."""
        end = time.monotonic() + START_SECONDS
        while text not in self.shown and time.monotonic() < end:
            if not select.select([self.fd], [], [], 0.1)[0]:
                continue
            try:
                more = os.read(self.fd, 4096).decode(errors="replace")
            except OSError:
                break
            # Without the sequences that move the cursor.
            self.shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x07|\x0f", "", more)
        assert text in self.shown, self.shown
        self.shown = self.shown.partition(text)[2]

    def end(self, typing=""):
        """Types the text until the program ends. Returns the exit code; a program that goes on is killed."""
        end = time.monotonic() + START_SECONDS
        pid = 0
        while not pid and time.monotonic() < end:
            try:
                self.type(typing)
                if select.select([self.fd], [], [], 0.1)[0]:
                    os.read(self.fd, 4096)
            except OSError:
                time.sleep(0.01)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            os.kill(self.pid, signal.SIGKILL)
            _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        self.code = os.waitstatus_to_exitcode(status)
        return self.code


@pytest.fixture
def terminal(configured, site, weir_program, tmp_path):
    """A session with a daemon."""
    configured("sites: [{root: site}]\nadmin: admin.sock\n")
    terminal = Terminal(str(weir_program), "console", "--admin", str(tmp_path / "admin.sock"))
    terminal.wait("weir> ")
    yield terminal
    if terminal.code is None:
        # Without the line that a test has left.
        terminal.type("\x15quit\n")
        assert terminal.end() >= 0


@pytest.fixture
def editing(weir_program):
    """The program may be built without libedit."""
    if b"libedit.so" not in weir_program.read_bytes():
        pytest.skip("built without libedit")


def test_a_command_and_the_end(terminal):
    terminal.type("log level\n")
    terminal.wait("info\r\n")
    terminal.wait("weir> ")
    terminal.type("nonsense\n")
    terminal.wait("there is no command 'nonsense'")
    terminal.wait("weir> ")
    terminal.type("quit\n")
    assert terminal.end() == 1


def test_the_end_of_input_is_the_end(terminal):
    # One that comes before libedit has set the terminal is a character of the line, which ^U removes.
    assert terminal.end(typing="\x15\x04") == 0


# A terminal is sent what has changed in a line, so tests look at what the daemon got.


def test_tab_completes_commands(terminal, editing):
    terminal.type("lo\tl\tw\t\n")
    terminal.wait("weir> ")
    terminal.type("log level\n")
    terminal.wait("warning\r\n")


def test_tab_shows_what_may_follow(terminal, editing):
    terminal.type("queue \t")
    terminal.wait("retry  delete")
    terminal.type("\x15log level \t")
    terminal.wait("info  warning  error")
    terminal.type("er\t\n")
    terminal.wait("weir> ")
    terminal.type("log level\n")
    terminal.wait("error\r\n")


def test_tab_inserts_nothing_that_is_unknown(terminal, editing):
    terminal.type("nonsense\t \tx\n")
    terminal.wait("there is no command 'nonsense'")


def test_earlier_lines_come_back(terminal, editing):
    terminal.type("log level error\n")
    terminal.wait("weir> ")
    terminal.type("log level info\n")
    terminal.wait("weir> ")
    terminal.type("\x1b[A\x1b[A\n")
    terminal.wait("weir> ")
    terminal.type("log level\n")
    terminal.wait("error\r\n")


def test_a_line_that_is_too_long_is_refused(terminal):
    terminal.type("log level " + "x" * 800)
    terminal.type("x" * 800 + "\n")
    terminal.wait("a command has at most 1024 bytes")


def test_tab_without_a_daemon(weir_program, tmp_path, editing):
    terminal = Terminal(str(weir_program), "console", "--admin", str(tmp_path / "none"))
    terminal.wait("weir> ")
    terminal.type("lo\t")
    terminal.wait("is the daemon running?")
    terminal.type("\x15quit\n")
    assert terminal.end() == 0
