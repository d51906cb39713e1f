"""Rights: the right to write includes none to overwrite, make directories or rename."""

import ftplib
import io

import pytest

from conftest import wait_for
from served import Client, Talk, authority, hashed, pair, served, tree, users


def refused(client, command):
    with pytest.raises(ftplib.error_perm):
        client.sendcmd(command)


def store(client, path, data=b"new", verb="STOR", rest=None):
    client.storbinary(f"{verb} {path}", io.BytesIO(data), rest=rest)


@pytest.fixture
def writers(users, hashed):
    with users.open("a") as file:
        for rights in "w", "wd", "wo", "wm", "wn", "wdm", "rl":
            file.write(f"{rights}:{hashed}:rights={rights}\n")
    return users


@pytest.mark.parametrize("name", ["anonymous", "w", "wm", "wdm"])
def test_who_only_writes_changes_nothing_that_is_there(served, tree, writers, name):
    before = (tree / "hello.txt").stat()
    with Client(served("anonymous-writes: yes"), name) as client:
        for verb, rest in ("STOR", None), ("APPE", None), ("STOR", 3):
            with pytest.raises(ftplib.error_perm):
                store(client, "hello.txt", verb=verb, rest=rest)
        refused(client, "MFMT 20200101000000 hello.txt")
        refused(client, "SITE CHMOD 600 hello.txt")
        refused(client, "RNFR hello.txt")
        store(client, "made")
        store(client, "appended", verb="APPE")
        store(client, "stou", verb="STOU")
        client.mkd("directory")
        with pytest.raises(ftplib.error_perm):
            store(client, "made")
    after = (tree / "hello.txt").stat()
    assert (after.st_mtime_ns, after.st_mode) == (before.st_mtime_ns, before.st_mode)
    assert (tree / "hello.txt").read_bytes() == b"hello\nworld\n"
    assert (tree / "made").read_bytes() == (tree / "appended").read_bytes() == b"new"


def test_each_right_by_itself(served, tree, writers):
    server = served()
    with Client(server, "wo") as client:
        store(client, "hello.txt")
        refused(client, "MKD x")
        refused(client, "RNFR hello.txt")
    assert (tree / "hello.txt").read_bytes() == b"new"
    with Client(server, "wn") as client:
        client.rename("hello.txt", "other")
        # Renaming over what is there would be overwriting.
        with pytest.raises(ftplib.error_perm):
            client.rename("other", "large.bin")
        refused(client, "MKD x")
    with Client(server, "wd") as client:
        store(client, "other", b"wd")
        client.rename("other", "large.bin")
        client.mkd("x")
    assert (tree / "large.bin").read_bytes() == b"wd"
    with Client(server, "rl") as client:
        for command in "STOR x", "MKD y", "RNFR large.bin":
            refused(client, command)


def test_anonymous_users_overwrite_where_that_is_allowed(served, tree):
    with Client(served("anonymous-writes: yes", "anonymous-overwrites: yes")) as client:
        store(client, "hello.txt")
        refused(client, "RNFR hello.txt")
    assert (tree / "hello.txt").read_bytes() == b"new"


def test_an_upload_that_breaks_off_leaves_the_name_free(served, tree, writers):
    server = served()
    with Talk(server).login("w") as talk:
        data = talk.passive()
        assert talk.ask("STOR part") == 150
        data.sendall(b"x" * 100000)
        assert talk.ask("ABOR") in (426, 226)
        data.close()
    wait_for(lambda: not any(path.name.startswith(".weir-") for path in tree.iterdir()))
    assert not (tree / "part").exists()
    with Client(server, "w") as client:
        store(client, "part")
    assert (tree / "part").read_bytes() == b"new"
