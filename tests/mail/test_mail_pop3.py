"""POP3 from the store that SMTP delivers to: sessions, deletions, connections that break."""

import os
import poplib
import re
import socket
import struct

import pytest

from conftest import wait_for
from mailhost import DOMAIN, HELLO, password
from mailhost import certificate, mailhost, users_file  # noqa: F401


def login(host, user="alice"):
    talk = host.talk("pop3")
    assert talk.line().startswith("+OK")
    talk.send(f"USER {user}\r\nPASS {password(user)}\r\n")
    assert talk.line().startswith("+OK")
    return talk, talk.line()


def test_a_mailbox_has_one_session(mailhost):
    host = mailhost("smtp", "pop3", workers=2)
    host.send("alice")
    first, reply = login(host)
    assert reply.startswith("+OK")
    second, reply = login(host)
    assert reply.startswith("-ERR [IN-USE]")
    other, reply = login(host, "bob")
    assert reply.startswith("+OK")
    first.close()

    def is_free():
        talk, reply = login(host)
        talk.send("QUIT\r\n")
        talk.rest()
        return reply.startswith("+OK")

    wait_for(is_free, what="the mailbox")


def test_deletions_only_at_quit(mailhost):
    host = mailhost("smtp", "pop3")
    for _ in range(3):
        host.send("alice")
    client = host.pop3()
    client.dele(1)
    assert client.stat()[0] == 2 and len(host.mailbox()) == 3
    client.rset()
    client.dele(2)
    assert len(host.mailbox()) == 3
    client.quit()
    assert len(host.mailbox()) == 2


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_broken_connection_deletes_nothing(mailhost, how):
    host = mailhost("smtp", "pop3")
    host.send("alice")
    talk, _ = login(host)
    talk.send("DELE 1\r\n")
    assert talk.line().startswith("+OK")
    if how == "reset":
        talk.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    talk.close()
    host.wait_log("pop3 logout .* removed=0")
    assert len(host.mailbox()) == 1


def test_mail_that_comes_meanwhile(mailhost):
    """A session sees the mailbox as of its beginning."""
    host = mailhost("smtp", "pop3")
    host.send("alice")
    client = host.pop3()
    host.send("alice")
    assert client.stat()[0] == 1
    client.dele(1)
    client.quit()
    assert len(host.mailbox()) == 1


def test_dots(mailhost):
    host = mailhost("smtp", "pop3")
    message = b"Subject: dots\r\n\r\n.\r\n..\r\n.a\r\n" + b"..b\r\n" * 3
    host.send("alice", message)
    assert host.mailbox()[0].read_bytes().endswith(message)
    assert host.fetch()[0].endswith(message)


def test_what_the_log_says(mailhost):
    host = mailhost("smtp", "pop3")
    host.send("alice")
    with pytest.raises(poplib.error_proto):
        client = host.pop3(login=False)
        client.user("alice")
        client.pass_("no\"such")
    client = host.pop3()
    client.retr(1)
    client.dele(1)
    client.quit()
    host.wait_log(r'pop3 denied peer=127\.0\.0\.1 user="alice" by=PASS error="')
    line = host.wait_log("logout")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ pop3 logout peer=127\.0\.0\.1 "
        r'user="alice" messages=0 octets=0 retrieved=1 sent=\d+ removed=1 session=\w{16}',
        line,
    ), line


STEPS = {
    "smtp": [
        "EHLO a.example\r\n",
        f"MAIL FROM:<a@b.example>\r\nRCPT TO:<alice@{DOMAIN}>\r\n",
        "DATA\r\n",
        "Subject: a\r\n\r\n" + "x" * 100000,
        "\r\n.\r\n",
    ],
    "lmtp": [
        "LHLO a.example\r\n",
        f"MAIL FROM:<a@b.example>\r\nRCPT TO:<alice@{DOMAIN}>\r\n",
        "BDAT 100000\r\n",
        "x" * 50000,
    ],
    "pop3": [
        "USER alice\r\n",
        f"PASS {password('alice')}\r\n",
        "LIST\r\nRETR 1\r\n",
        "DELE 1\r\n",
    ],
}


@pytest.mark.parametrize("kind", ["smtp", "lmtp", "pop3"])
def test_clients_that_vanish(mailhost, kind):
    """In every state, closed and reset: no partial message and no open connection is left."""
    host = mailhost("smtp", "lmtp", "pop3")
    host.send("alice")
    before = host.server.descriptors()
    for stop in range(len(STEPS[kind]) + 1):
        for reset in False, True:
            talk = host.talk(kind)
            talk.line()
            for step in STEPS[kind][:stop]:
                talk.send(step)
                if step[0] != "x" and "Subject" not in step:
                    talk.socket.settimeout(0.1)
                    try:
                        talk.socket.recv(65536)
                    except TimeoutError:
                        pass
            if reset:
                talk.socket.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
            talk.close()
    wait_for(lambda: host.server.descriptors() <= before + 4, what="the end of all sessions")
    assert not host.leftovers()
    for path in host.mailbox():
        text = path.read_bytes()
        assert text.endswith((HELLO, b"x\r\n"))


def test_many_messages(mailhost):
    """100,000 messages: the list takes memory for a line each, and none for their contents."""
    host = mailhost("smtp", "pop3")
    host.send("alice")
    (path,) = host.mailbox()
    new = path.parent
    body = b"Subject: a\r\n\r\nhello\r\n"
    # A file has 65,000 names at most, on ext4.
    for i in range(100000):
        name = new / f"1600000000.M{i:06}P1R1.host,S={len(body)},W={len(body)},D=0"
        if i % 50000 == 0:
            name.write_bytes(body)
            first = name
        else:
            os.link(first, name)
    before = host.peak_kb()
    client = host.pop3()
    assert client.stat()[0] == 100001
    assert len(client.uidl()[1]) == 100001
    assert b"\r\n".join(client.retr(77777)[1]) + b"\r\n" == body
    client.dele(77777)
    client.quit()
    assert host.peak_kb() - before < 64 * 1024
    assert len(host.mailbox()) == 100000


@pytest.mark.parametrize("part", ["", "/new", "/cur"])
def test_a_right_password_with_a_mailbox_that_cannot_be_opened(mailhost, part):
    host = mailhost("pop3")
    path = host.directory / f"mail/alice{part}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("no directory")
    client = host.pop3(login=False)
    client.user("alice")
    with pytest.raises(poplib.error_proto, match=r"-ERR \[SYS/(PERM|TEMP)\]"):
        client.pass_(password("alice"))


def test_login_by_an_address_at_a_local_domain(mailhost):
    host = mailhost("pop3", "smtp")
    host.send("alice")
    for name in ("alice@example.org", "alice@EXAMPLE.org"):
        client = host.pop3(login=False)
        client.user(name)
        client.pass_(password("alice"))
        assert client.stat()[0] == 1
        client.quit()
        with host.smtp() as smtp:
            smtp.login(name, password("alice"))
    client = host.pop3(login=False)
    client.user("alice@elsewhere.example")
    with pytest.raises(poplib.error_proto, match="AUTH"):
        client.pass_(password("alice"))
