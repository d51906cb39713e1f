"""Homes: a user's directory is the user's root, whatever links there are beneath the root of the tree."""

import ftplib
import io

import pytest

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
