"""weir passwd: what it makes of a users file, and what it leaves alone."""

import crypt
import os
import pty
import re
import signal
import subprocess
import threading

import pytest

LINE = re.compile(
    r"(?P<name>[^:]+):(?P<hash>\$y\$[^:]+)"
    r"(:scram=SCRAM-SHA-256\$\d+:[^$ ]+\$[^: ]+:[^ ]{44}(?P<rest>.*))?"
)


@pytest.fixture
def passwd(weir_program, tmp_path):
    """passwd(user, password, option…) changes tmp_path/users."""

    def change(user, password, *options, path="users"):
        return subprocess.run(
            [str(weir_program), "passwd", "--users", path, user, *options],
            cwd=tmp_path,
            input=password,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return change


def fits(line, password):
    hashed = line.split(":")[1]
    return crypt.crypt(password, hashed) == hashed


def test_adds_to_a_new_file(passwd, tmp_path):
    result = passwd("alice", "one\n")
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == "weir: users: alice added\n"
    users = tmp_path / "users"
    assert users.stat().st_mode & 0o777 == 0o600
    (line,) = users.read_text().splitlines()
    assert LINE.fullmatch(line) and fits(line, "one")
    assert os.listdir(tmp_path) == ["users"]


def test_changes_one_line_and_nothing_else(passwd, tmp_path):
    users = tmp_path / "users"
    users.write_text('# people\n\nbob:*:home=/b\nal:*:home="/a  b" scram= x rights=read\r\nc:*')
    users.chmod(0o640)
    users.write_bytes(users.read_bytes().replace(b"scram=", b"note="))
    assert passwd("al", "two\n").stderr == "weir: users: al changed\n"
    assert users.stat().st_mode & 0o777 == 0o640
    lines = users.read_bytes().split(b"\n")
    assert lines[:3] == [b"# people", b"", b"bob:*:home=/b"]
    assert lines[4:] == [b"c:*"]
    match = LINE.fullmatch(lines[3].decode().rstrip("\r"))
    assert match["rest"] == ' home="/a  b" note= x rights=read'
    assert lines[3].endswith(b"\r") and fits(lines[3].decode(), "two")
    # A second time, the verifier is replaced; without SCRAM, it goes.
    before = lines[3]
    passwd("al", "three")
    lines = users.read_bytes().split(b"\n")
    assert lines[3] != before and lines[3].count(b"scram=") == 1
    passwd("al", "three", "--no-scram")
    line = users.read_text().split("\n")[3]
    assert "scram" not in line and line.count('home="/a  b" note= x rights=read') == 1
    # Another at the end, though the last line had none.
    assert passwd("d", "four").returncode == 0
    assert users.read_text().splitlines()[4] == "c:*" and users.read_text().endswith("\n")


def test_a_name_without_a_mailbox_can_be_removed(passwd, tmp_path):
    (tmp_path / "users").write_text("../x:*\n")
    assert passwd("../x", "", "--delete").stderr == "weir: users: ../x removed\n"


def test_removes(passwd, tmp_path):
    users = tmp_path / "users"
    users.write_text("# a\nal:*\nbob:*\n")
    assert passwd("al", "", "--delete").stderr == "weir: users: al removed\n"
    assert users.read_text() == "# a\nbob:*\n"
    result = passwd("al", "", "--delete")
    assert result.returncode == 1
    assert "there is no user al" in result.stderr
    assert passwd("al", "", "--delete", path="none").returncode == 1
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "user, password, message",
    [
        ("alice", "", "no password was given"),
        ("alice", "\n", "an empty password"),
        ("alice", "a\tb\n", "contains a control character"),
        ("alice", "x" * 512, "511 bytes at most"),
        (" alice", "x", "space before or after the name"),
        ("x" * 300, "x", "1 to 255 bytes"),
        ("../x", "x", "'../x' cannot be the name of a user"),
        ("a/b", "x", "no '/'"),
        (".x", "x", "does not begin with '.'"),
    ],
)
def test_refuses(passwd, tmp_path, user, password, message):
    users = tmp_path / "users"
    users.write_text("# mine\n")
    result = passwd(user, password)
    assert result.returncode == 1
    assert message in result.stderr
    assert users.read_text() == "# mine\n"
    assert os.listdir(tmp_path) == ["users"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "the users file is missing"),
        (["--users", "u"], "the name of the user is missing"),
        (["--users"], "--users needs a value"),
        (["--users", "u", "a", "b"], "'b' is another"),
        (["--users", "u", "a:b"], "'a:b' cannot be the name"),
        (["--users", "u", "#a"], "'#a' cannot be the name"),
        (["--users", "u", ""], "'' cannot be the name"),
        (["--foo"], "no option '--foo'"),
    ],
)
def test_usage(run, tmp_path, arguments, message):
    result = run("passwd", *arguments)
    assert result.returncode == 2
    assert message in result.stderr and "weir passwd --help" in result.stderr
    assert not os.listdir(tmp_path)


def test_a_longest_password(passwd, tmp_path):
    assert passwd("alice", "x" * 511 + "\r\n").returncode == 0
    assert fits((tmp_path / "users").read_text(), "x" * 511)


def test_a_bad_file_is_left_alone(passwd, tmp_path):
    users = tmp_path / "users"
    users.write_text("al:*\nnonsense\n")
    result = passwd("al", "x")
    assert result.returncode == 1
    assert "users:2: no colon after the name" in result.stderr
    assert users.read_text() == "al:*\nnonsense\n"


def test_follows_a_link(passwd, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "users").write_text("")
    (tmp_path / "users").symlink_to("real/users")
    assert passwd("al", "x").returncode == 0
    assert (tmp_path / "users").is_symlink()
    assert (tmp_path / "real" / "users").read_text().startswith("al:")


def test_many_at_once(passwd, tmp_path):
    threads = [threading.Thread(target=passwd, args=(f"u{i}", f"p{i}")) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = sorted((tmp_path / "users").read_text().splitlines())
    assert sorted(line.split(":")[0] for line in lines) == sorted(f"u{i}" for i in range(12))
    assert os.listdir(tmp_path) == ["users"]


def at_terminal(weir_program, tmp_path, *typed):
    """Answers each prompt with what is typed; what the terminal showed, and the exit code."""
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a background job of a shell ignores it
        os.chdir(tmp_path)
        os.execv(weir_program, [weir_program, "passwd", "--users", "users", "alice"])
    shown = b""
    for text in typed:
        before = len(shown)
        while not shown[before:].endswith(b": "):
            shown += os.read(terminal, 1000)
        os.write(terminal, text.encode())
    try:
        while more := os.read(terminal, 1000):
            shown += more
    except OSError:
        pass
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return shown.decode(), os.waitstatus_to_exitcode(status)


def test_a_terminal_asks_twice(weir_program, tmp_path):
    try:
        list(map(os.close, pty.openpty()))
    except OSError as error:
        pytest.skip(f"no terminal to be had: {error}")
    shown, code = at_terminal(weir_program, tmp_path, "secret\n", "secret\n")
    assert code == 0
    assert "New password of alice: " in shown and "secret" not in shown
    assert fits((tmp_path / "users").read_text(), "secret")
    shown, code = at_terminal(weir_program, tmp_path, "other\n", "another\n")
    assert code == 1 and "the passwords differ" in shown and "other" not in shown
    assert fits((tmp_path / "users").read_text(), "secret")
    shown, code = at_terminal(weir_program, tmp_path, "other\x03")
    assert code == -2 and "other" not in shown
    assert fits((tmp_path / "users").read_text(), "secret")
