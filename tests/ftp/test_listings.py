"""Listings of large directories, of links, and by patterns."""

import ftplib
import os
import socket

import pytest

from conftest import wait_for
from served import SECONDS, Client, Talk, authority, hashed, pair, served, tree, users

MANY = 100000


@pytest.fixture(scope="session")
def many(tmp_path_factory):
    """A directory of so many names, all of one file but for the kernel's limit on links."""
    top = tmp_path_factory.mktemp("many")
    directory = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for i in range(MANY):
        first = f"file-with-a-name-{i - i % 30000:06}"
        if i % 30000:
            os.link(first, f"file-with-a-name-{i:06}", src_dir_fd=directory, dst_dir_fd=directory)
        else:
            os.close(os.open(first, os.O_CREAT | os.O_WRONLY, dir_fd=directory))
    os.close(directory)
    return top


@pytest.fixture
def wide(served, many):
    """A server whose tree is that directory."""
    return served(root=many)


def names_of(lines, command):
    if command == "NLST":
        return {line.rpartition("/")[2] for line in lines}
    return {line.rpartition(" ")[2] for line in lines}


@pytest.mark.parametrize("command", ["LIST", "MLSD", "NLST"])
def test_all_of_it(wide, command):
    lines = []
    with Client(wide) as client:
        client.retrlines(command, lines.append)
    assert len(lines) == MANY
    names = names_of(lines, command)
    assert len(names) == MANY and "file-with-a-name-099999" in names


@pytest.mark.parametrize("command", ["LIST", "MLSD"])
def test_who_does_not_read_holds_it(wide, command):
    """The first lines come, and then nothing is made ready that nobody takes: neither memory nor the
    reading of the directory goes on. Ten such cost what one does."""
    with Client(wide) as client:  # warm: the loop's buffers, the threads
        client.retrlines(command, lambda line: None)
    before = wide.memory_kb()
    talks, datas = [], []
    for _ in range(10):
        talk = Talk(wide).login("anonymous")
        talk.send(b"EPSV\r\n")
        data = socket.socket()
        data.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        data.settimeout(SECONDS)
        data.connect(("127.0.0.1", int(talk.reply()[1].split("|")[3])))
        assert talk.ask(command) == 150
        assert data.recv(100)
        talks.append(talk)
        datas.append(data)

    def offsets():
        """How far the directories have been read."""
        found = []
        for fd in os.listdir(f"/proc/{wide.serving_pid}/fd"):
            try:
                if os.path.isdir(f"/proc/{wide.serving_pid}/fd/{fd}"):
                    with open(f"/proc/{wide.serving_pid}/fdinfo/{fd}", encoding="ascii") as info:
                        found.append(info.readline())
            except FileNotFoundError:
                pass
        return sorted(found)

    seen = []

    def still():
        seen.append(offsets())
        return len(seen) > 30 and all(other == seen[-1] for other in seen[-30:])

    wait_for(still, what="that nothing is read any more")
    # A batch of a listing that is sorted if it is small, and what the kernel does not hold.
    assert wide.memory_kb() - before < 10 * 1024
    rest = b""
    while chunk := datas[0].recv(1 << 20):
        rest += chunk
    assert rest.count(b"\n") > MANY - 10
    assert talks[0].reply()[0] == 226
    for held in talks[1:]:
        held.socket.close()
    for data in datas:
        data.close()
    wait_for(lambda: len(offsets()) < len(seen[-1]), what="the end of what was held")


def test_links(served, tree, tmp_path):
    """A link that dangles or leads out of the root is shown, and its target is not."""
    (tmp_path / "secret").write_text("outside")
    (tree / "dangling").symlink_to("nothing")
    (tree / "outside").symlink_to(tmp_path / "secret")
    (tree / "loop").symlink_to("loop")
    (tree / "inside").symlink_to("hello.txt")
    (tree / ".link").symlink_to("nothing")
    with Client(served()) as client:

        def listed(command):
            lines = []
            client.retrlines(command, lines.append)
            return lines

        for name in ["dangling", "outside", "loop"]:
            (line,) = listed(f"LIST {name}")
            assert line.startswith("lrwxrwxrwx") and name in line and "secret" not in line
            assert listed(f"NLST {name}") == [name]
            assert name in client.sendcmd(f"STAT {name}")
            for command in [f"RETR {name}", f"SIZE {name}", f"MLST {name}", f"MLSD {name}"]:
                with pytest.raises(ftplib.error_perm):
                    client.voidcmd("TYPE I")
                    client.retrbinary(command, lambda data: None)
        (line,) = listed("LIST inside")
        assert line.startswith("-") and " 12 " in line
        assert sum(line.startswith("l") for line in listed("LIST")) == 4
        for name in ["nothing", ".link", "nowhere/dangling"]:
            with pytest.raises(ftplib.error_perm, match="^550"):
                listed(f"LIST {name}")


def test_links_show_where_they_lead(served, tree):
    """In LIST and STAT, unless that is out of the user's root or hidden."""
    (tree / "docs" / "inside").symlink_to("deep/note")
    (tree / "docs" / "directory").symlink_to("deep")
    (tree / "docs" / "dangling").symlink_to("deep/nothing")
    (tree / "docs" / "hidden").symlink_to("deep/.secret")
    (tree / "docs" / "up").symlink_to("../alice")
    (tree / "docs" / "absolute").symlink_to(tree / "docs" / "deep")
    server = served("anonymous-home: docs")
    shown = {
        "inside": " -> deep/note",
        "directory": " -> deep",
        "dangling": " -> deep/nothing",
        "hidden": "",
        "up": "",
        "absolute": "",
    }
    with Client(server) as client:
        for command in "LIST", "LIST *":
            lines = []
            client.retrlines(command, lines.append)
            for name, target in shown.items():
                (line,) = [line for line in lines if f" {name}" in line]
                assert line.startswith("lrwxrwxrwx") and line.endswith(f" {name}{target}")
        status = client.sendcmd("STAT /")
        assert " inside -> deep/note\n" in status and " up\n" in status
        lines = []
        client.retrlines("LIST dangling", lines.append)
        client.retrlines("LIST up", lines.append)
        assert [line.partition("dangling")[2] for line in lines[:1]] == [" -> deep/nothing"]
        assert lines[1].endswith(" up")
        assert client.nlst() == sorted([*shown, "deep"])
    # From further up the same link stays inside.
    with Client(server, "carol") as client:
        lines = []
        client.retrlines("LIST docs", lines.append)
        assert any(line.endswith(" up -> ../alice") for line in lines)


def facts_of(client, path=""):
    return {name: facts for name, facts in client.mlsd(path)}


def test_a_linked_directory_can_be_entered(served, tree, tmp_path):
    """MLSD describes what a link leads to, if the client may have that."""
    (tree / "docs" / "inside").symlink_to("deep/note")
    (tree / "docs" / "directory").symlink_to("deep")
    (tree / "docs" / "dangling").symlink_to("nothing")
    (tree / "docs" / "up").symlink_to("../alice")
    (tree / "docs" / "outside").symlink_to(tmp_path)
    (tree / "docs" / "deep").chmod(0o750)
    (tree / "docs" / "deep" / "note").chmod(0o640)
    server = served("anonymous-home: docs")
    with Client(server) as client:
        facts = facts_of(client)
        assert facts["directory"]["type"] == "dir"
        assert facts["directory"]["unix.mode"] == "0750"
        assert facts["directory"]["perm"] == "el"
        assert facts["directory"]["unique"] == facts["deep"]["unique"]
        assert facts["inside"]["type"] == "file"
        assert facts["inside"]["size"] == "4"
        assert facts["inside"]["unix.mode"] == "0640"
        assert facts["inside"]["perm"] == "r"
        for name in "dangling", "up", "outside":
            assert facts[name]["type"] == "OS.unix=slink"
            assert facts[name]["perm"] == ""
        assert facts_of(client, "directory").keys() == {"note"}
        assert "Type=dir;" in client.sendcmd("MLST directory")
        client.cwd("directory")
        assert client.get("note") == b"deep"
    with Client(server, "carol") as client:
        facts = facts_of(client, "docs")
        assert facts["up"]["type"] == "dir"
        # DELE removes the link. There is no right for RMD, before which clients empty a directory.
        assert facts["up"]["perm"] == "ceflmp"
        assert facts["deep"]["perm"] == "cdeflmp"
        assert facts["inside"]["perm"] == "dfrw"
        assert facts["deep"]["type"] == "dir"


def test_patterns_stay_in_a_home(served, tree):
    (tree / "docs" / "up").symlink_to("../alice")
    (tree / "docs" / "again").symlink_to("deep")
    (tree / "alice" / "secret").write_bytes(b"secret")
    server = served("anonymous-home: docs")
    with Client(server) as client:
        assert client.nlst("*/*") == ["again/note", "deep/note"]
        assert client.nlst("/*/*") == ["/again/note", "/deep/note"]
        assert client.nlst("../*/*") == ["../again/note", "../deep/note"]
        assert client.nlst("u*/*") == []
        assert client.nlst("*/../*/*") == []
    with Client(server, "carol") as client:
        assert "docs/up/secret" in client.nlst("docs/*/*")
    with Client(server, "alice") as client:
        assert client.nlst("*/*") == []
        assert client.nlst("s*t") == ["secret"]
