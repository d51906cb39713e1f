"""Listings: of a directory without an end, and of what is no file."""

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
        for fd in os.listdir(f"/proc/{wide.pid}/fd"):
            try:
                if os.path.isdir(f"/proc/{wide.pid}/fd/{fd}"):
                    with open(f"/proc/{wide.pid}/fdinfo/{fd}", encoding="ascii") as info:
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
    """What leads nowhere, or out of the root, is shown itself and nothing behind it."""
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
