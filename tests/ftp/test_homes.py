"""Homes: a user's directory is the user's root, whatever links there are beneath the root of the tree."""

import ftplib
import io

import pytest

from conftest import together, wait_for
from served import Client, authority, hashed, pair, served, tree, users


def test_no_link_leads_out_of_a_home(served, tree):
    (tree / "docs" / "up").symlink_to("../alice")
    (tree / "docs" / "deep" / "over").symlink_to("../../alice")
    (tree / "docs" / "inside").symlink_to("deep/note")
    (tree / "alice" / "secret").write_bytes(b"secret")
    server = served("anonymous-home: docs", "anonymous-writes: yes")
    with Client(server) as client:
        for path in "up/secret", "deep/over/secret":
            with pytest.raises(ftplib.error_perm):
                client.get(path)
        for command in "CWD up", "MLST up/secret", "SIZE up/secret", "MKD up/made":
            with pytest.raises(ftplib.error_perm):
                client.sendcmd(command)
        with pytest.raises(ftplib.error_perm):
            client.storbinary("STOR up/stored", io.BytesIO(b"x"))
        assert client.get("inside") == b"deep"
        assert client.get("deep/note") == b"deep"
    assert sorted(path.name for path in (tree / "alice").iterdir()) == ["secret"]
    # A user whose root is above it can use the same link.
    with Client(server, "carol") as client:
        assert client.get("docs/up/secret") == b"secret"


def test_all_verbs_work_in_a_home(served, tree):
    with Client(served(), "alice") as client:
        client.storbinary("STOR a", io.BytesIO(b"one"))
        client.mkd("d")
        client.rename("a", "d/b")
        client.sendcmd("MFMT 20200101000000 d/b")
        assert client.sendcmd("MDTM d/b") == "213 20200101000000"
        assert client.nlst() == ["d"]
        assert client.nlst("d/*") == ["d/b"]
        client.cwd("d")
        client.storbinary("APPE b", io.BytesIO(b"two"))
        assert client.get("/d/b") == b"onetwo"
        client.delete("b")
        client.cwd("/")
        client.rmd("d")
        assert client.nlst() == []
    assert list((tree / "alice").iterdir()) == []


def test_a_root_that_cannot_be_reached_is_logged_once(served, tree):
    """The directory that was opened last is served meanwhile."""
    server = served(workers=2)

    def lines(text):
        with Client(server, "carol") as client:
            assert client.get("hello.txt") == b"hello\nworld\n"
        return server.stderr.count(text)

    away = tree.with_name("away")
    tree.rename(away)
    lost = f"the root {tree} cannot be reached by its path any more (No such file or directory)"
    wait_for(lambda: lines(lost))
    away.rename(tree)
    again = f"the root {tree} can be reached again"
    wait_for(lambda: lines(again))
    assert lines(again) == lines(lost) == 1


@together("a session stays with the process that has a right to the old root")
def test_a_root_that_was_replaced_is_noticed(served, tree):
    with Client(served(), "carol") as client:
        assert client.get("hello.txt") == b"hello\nworld\n"
        tree.rename(tree.with_name("away"))
        tree.mkdir()
        (tree / "hello.txt").write_bytes(b"new")
        wait_for(lambda: client.get("hello.txt") == b"new", what="the new root")


@pytest.mark.parametrize("command", ["CWD /", "MLST /", "MLSD", "LIST"])
def test_a_home_that_cannot_be_opened_is_logged_once(served, tree, tmp_path, command):
    log = tmp_path / "ftp.log"
    server = served(more=f"ftp-log: {log}\n")

    def lines(text):
        return log.read_text().count(text) if log.exists() else 0

    def run(client):
        if command in ("MLSD", "LIST"):
            client.retrlines(command, lambda line: None)
        else:
            client.voidcmd(command)

    with Client(server, "alice") as client, Client(server, "bob") as other:
        run(client)
        (tree / "alice").rename(tree / "away")

        def fails():
            try:
                run(client)
            except ftplib.error_perm:
                return True
            return False

        wait_for(fails, what="the home is gone")
        for _ in range(3):
            assert fails()
        run(other)
        home = 'ftp home peer=127.0.0.1 user="alice" path="/alice"'
        wait_for(lambda: lines(f'{home} error="No such file or directory"'))
        (tree / "away").rename(tree / "alice")
        wait_for(lambda: not fails(), what="the home is back")
        wait_for(lambda: lines(home) == 2)
        assert lines("ftp home") == 2
