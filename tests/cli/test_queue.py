"""weir queue: the table of what waits, and asking for a retry or a deletion, without a server."""

import re

import pytest

IDS = ["0630f2c5a1b00aaa", "0630f2c5a1b01bbb"]

ENVELOPE = """\
weir-queue 1
arrived 1700000000
next {next}
tries 3
size 5
flags 0
from <{sender}>
envid <>
to <bob+2Btag@example.org> <> 0 {state} <451+204.3.0+20Later+1B[31m>
to <carol@example.org> <> 0 0 <>
end
"""


@pytest.fixture
def spool(tmp_path):
    directory = tmp_path / "queue"
    (directory / "control").mkdir(parents=True)
    for number, name in enumerate(IDS):
        (directory / f"{name}.msg").write_text("abc\r\n")
        text = ENVELOPE.format(
            next=9999999999 - number, sender="al@example.org" if number else "", state=3 * number
        )
        (directory / f"{name}.env").write_text(text)
    return directory


def names(spool):
    return sorted(path.name for path in spool.glob("*.*"))


def test_list(run, spool):
    for arguments in ["list"], []:
        result = run("queue", "--queue", spool, *arguments)
        assert (result.returncode, result.stderr) == (0, "")
        lines = result.stdout.splitlines()
        assert lines[0].split()[:2] == ["ID", "ARRIVED"]
        assert re.fullmatch(rf"{IDS[0]}  2023-11-1\d \d\d:\d\d +5 +3 +\d+ h  <>", lines[1])
        assert lines[2:5] == [
            "    bob+tag@example.org",
            "        451 4.3.0 Later?[31m",
            "    carol@example.org",
        ]
        assert lines[5].startswith(IDS[1]) and lines[5].endswith("<al@example.org>")
        # Recipients that have the message already are not shown.
        assert lines[6:] == ["    carol@example.org", "2 messages, 10 bytes"]


def test_delete(run, spool):
    result = run("queue", "--queue", spool, "delete", IDS[0])
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert names(spool) == [f"{IDS[1]}.env", f"{IDS[1]}.msg"]
    result = run("queue", "--queue", spool, "delete", IDS[0], "../x", IDS[1])
    assert result.returncode == 1
    assert f"there is no message {IDS[0]}" in result.stderr
    assert "../x is not the name of a message" in result.stderr
    assert names(spool) == []
    assert run("queue", "--queue", spool).stdout == "The queue is empty.\n"


def test_retry(run, spool):
    assert run("queue", "--queue", spool, "retry", IDS[1]).returncode == 0
    assert "next 0\n" in (spool / f"{IDS[1]}.env").read_text()
    assert "next 0\n" not in (spool / f"{IDS[0]}.env").read_text()
    assert run("queue", "--queue", spool, "retry", "--all").returncode == 0
    assert "next 0\n" in (spool / f"{IDS[0]}.env").read_text()
    assert run("queue", "--queue", spool).stdout.count(" now  ") == 2


def test_damage_is_shown_and_left_alone(run, spool):
    (spool / f"{IDS[0]}.env").write_text("weir-queue 1\nto <x> <> 0 0 <>\n")
    result = run("queue", "--queue", spool)
    assert f"{IDS[0]}  cannot be read" in result.stdout
    assert run("queue", "--queue", spool, "retry", "--all").returncode == 0
    assert (spool / f"{IDS[0]}.env").read_text() == "weir-queue 1\nto <x> <> 0 0 <>\n"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "the queue is missing"),
        (["--queue"], "--queue needs a value"),
        (["--queue", "q", "flush"], "there is no action 'flush'"),
        (["--queue", "q", "retry"], "it is `weir queue retry ID...` or `weir queue retry --all`"),
        (["--queue", "q", "retry", "--all", "x"], "it is `weir queue retry ID...` or `weir queue retry --all`"),
        (["--queue", "q", "delete"], "it is `weir queue delete ID...`"),
        (["--queue", "q", "delete", "--all", "x"], "--all is for retry, not for delete"),
        (["--queue", "q", "--all"], "--all is for retry, not for list"),
        (["--queue", "q", "list", "x"], "it is `weir queue list`"),
    ],
)
def test_usage(run, arguments, message):
    result = run("queue", *arguments)
    assert result.returncode == 2
    assert message in result.stderr and "weir queue --help" in result.stderr


def test_no_such_queue(run, tmp_path):
    for arguments in ["list"], ["delete", IDS[0]], ["retry", "--all"]:
        result = run("queue", "--queue", tmp_path / "none", *arguments)
        assert result.returncode == 1
        assert "No such file or directory" in result.stderr or "no message" in result.stderr
    assert not (tmp_path / "none").exists()
