"""The rules of SMTP: relaying, submission, TLS and passwords, line ends, limits."""

import base64
import re
import smtplib
import socket

import pytest

from conftest import wait_for
from mailhost import DOMAIN, HELLO, password, trusting
from mailhost import certificate, mailhost, users_file  # noqa: F401

MAIL = "MAIL FROM:<somebody@else.example>"


def plain(user, secret=None):
    text = f"\0{user}\0{secret or password(user)}"
    return "AUTH PLAIN " + base64.b64encode(text.encode()).decode()


# -- relaying

OUTSIDE = [
    "<user@other.example>",
    "<user%other.example@example.org>",
    '<"user@other.example"@example.org>',
    '<"user%other.example"@example.org>',
    "<@example.org:user@other.example>",
    "<@example.org,@example.com:user@other.example>",
    "<user@other.example@example.org>",
    "<user%other.example>",
    "<user@[127.0.0.1]>",
    "<user@[192.0.2.1]>",
    "<user@localhost>",
    "<other.example!user>",
    "<other.example!user@example.org>",
    "<user@example.org.other.example>",
    "<user@other.example.>",
    "<user@example.org@>",
    '<"user@other.example">',
    "<\"alice\\\"@other.example\"@example.org>",
    "user@other.example",
    "<<user@other.example>>",
    "<user@other.example> NOTIFY=NEVER",
    "<user@other.example\0@example.org>",
    "<user@other.example\\@example.org>",
    "<user@xn--other.example>",
]


@pytest.mark.parametrize("recipient", OUTSIDE)
def test_no_open_relay(mailhost, recipient):
    """With a relay, too: no client outside of the networks may relay."""
    host = mailhost("smtp", mail="relay: {host: 127.0.0.1, port: 9, queue: queue}")
    with host.talk() as talk:
        talk.greet()
        assert talk.ask(MAIL).startswith("250")
        reply = talk.ask(f"RCPT TO:{recipient}")
        assert reply.startswith("5"), reply
    assert not list((host.directory / "queue").glob("*.env"))


def test_networks_may_relay(mailhost):
    relay = "relay: {host: 127.0.0.1, port: 9, queue: queue}\n"
    host = mailhost("smtp", mail=relay + "networks: [127.0.0.0/8]")
    with host.smtp() as client:
        assert client.sendmail("a@b.example", ["user@other.example"], HELLO) == {}
    assert len(list((host.directory / "queue").glob("*.env"))) == 1


def test_users_may_relay(mailhost):
    host = mailhost("smtp", mail="relay: {host: 127.0.0.1, port: 9, queue: queue}")
    with host.smtp(user="alice") as client:
        assert client.sendmail("alice@example.org", ["user@other.example"], HELLO) == {}
    assert len(list((host.directory / "queue").glob("*.env"))) == 1


def test_elsewhere_without_a_relay(mailhost):
    host = mailhost("smtp")
    with host.smtp(user="alice") as client:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            client.sendmail("alice@example.org", ["user@other.example"], HELLO)
    assert refused.value.recipients["user@other.example"][0] == 550


# -- submission

def test_submission_needs_a_user(mailhost):
    host = mailhost("submission")
    with host.talk("submission") as talk:
        talk.greet()
        assert talk.ask("MAIL FROM:<alice@example.org>").startswith("530 ")
        assert talk.ask(plain("alice", "wrong")).startswith("535 ")
        assert talk.ask(plain("alice")).startswith("235 ")
        assert talk.ask("MAIL FROM:<bob@example.org>").startswith("5")
        assert talk.ask("MAIL FROM:<alice@else.example>").startswith("5")
        assert talk.ask("MAIL FROM:<alice@example.org>").startswith("250 ")
    assert "submission denied peer=127.0.0.1" in host.wait_log("denied")


# -- TLS

def outside_address():
    """An address of this machine that is not a loopback one; None: there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = probe.getsockname()[0]
    return None if address.startswith("127.") else address


def test_passwords_only_over_tls(weir, users_file, certificate, tmp_path):
    address = outside_address()
    if not address:
        pytest.skip("this machine has only loopback addresses")
    server = weir(
        *["--smtp", f"{address}:0", "--submission", f"{address}:0", "--pop3", f"{address}:0"],
        *["--mail", tmp_path / "mail", "--users", users_file, "--domain", DOMAIN],
        *["--cert", certificate[0], "--key", certificate[1]],
    )
    for port in server.ports[:2]:
        with smtplib.SMTP(address, port, timeout=30) as client:
            client.ehlo()
            assert "auth" not in client.esmtp_features and "starttls" in client.esmtp_features
            assert client.docmd(plain("alice"))[0] in (538, 530, 502)
            client.starttls(context=trusting())
            client.ehlo()
            assert "PLAIN" in client.esmtp_features["auth"]
            client.login("alice", password("alice"))
    with socket.create_connection((address, server.ports[2]), timeout=30) as client:
        file = client.makefile("rwb")
        file.readline()
        file.write(b"USER alice\r\n")
        file.flush()
        assert file.readline().startswith(b"-ERR")


@pytest.mark.parametrize("kind", ["smtp", "submission", "lmtp", "pop3"])
def test_starttls_drops_what_was_injected(mailhost, kind):
    """CVE-2011-0411: plain text behind STARTTLS is not answered inside TLS."""
    host = mailhost(kind)
    line, hello, injected = {
        "pop3": (b"STLS\r\n", b"", b"CAPA\r\n"),
        "lmtp": (b"STARTTLS\r\n", b"LHLO a.example\r\n", b"NOOP\r\n"),
    }.get(kind, (b"STARTTLS\r\n", b"EHLO a.example\r\n", b"NOOP\r\n"))
    with host.talk(kind) as talk:
        talk.line()
        if hello:
            talk.send(hello)
            talk.reply()
        talk.send(line + injected)
        answer = talk.line()
        assert answer.startswith(("220", "+OK", "5", "-ERR")), answer
        try:
            with trusting().wrap_socket(talk.socket) as secure:
                secure.settimeout(1)
                answers = secure.recv(100)
        except OSError:
            return
        assert answers == b"" or answers.startswith((b"554 ", b"-ERR")), answers


# -- pipelining, line ends

def test_pipelining(mailhost):
    host = mailhost("smtp")
    with host.talk() as talk:
        talk.greet()
        talk.send(f"{MAIL}\r\nRCPT TO:<alice@{DOMAIN}>\r\nRCPT TO:<nobody@{DOMAIN}>\r\nDATA\r\n")
        assert [talk.reply()[:3] for _ in range(4)] == ["250", "250", "550", "354"]
        talk.send(HELLO + b".\r\n")
        talk.send(f"{MAIL}\r\nRCPT TO:<bob@{DOMAIN}>\r\nRSET\r\nQUIT\r\n")
        assert [talk.reply()[:3] for _ in range(5)] == ["250", "250", "250", "250", "221"]
    assert len(host.mailbox()) == 1 and not host.mailbox("bob")


def test_bdat(mailhost):
    host = mailhost("smtp")
    with host.talk() as talk:
        talk.greet()
        talk.send(f"{MAIL} BODY=BINARYMIME\r\nRCPT TO:<alice@{DOMAIN}>\r\n")
        talk.send(b"BDAT 10\r\nSubject: a" + b"BDAT 9 LAST\r\n\r\n\r\n.\r\n\r\n")
        assert [talk.reply()[:3] for _ in range(4)] == ["250"] * 4
        talk.ask("QUIT")
    assert host.mailbox()[0].read_bytes().endswith(b"Subject: a\r\n\r\n.\r\n\r\n")


ENDS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r\r\n.\r\r\n"]
ENDS += [b"\r\n\0.\r\n", b"\r.\r\n"]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("normalise", [False, True])
def test_no_smuggling(mailhost, end, normalise):
    """CVE-2023-51764 and others: only CRLF.CRLF ends a message."""
    host = mailhost("smtp", mail=f"normalise: {str(normalise).lower()}")
    inner = f"{MAIL}\r\nRCPT TO:<bob@{DOMAIN}>\r\nDATA\r\nSubject: smuggled\r\n\r\n"
    with host.talk() as talk:
        talk.greet()
        talk.send(f"{MAIL}\r\nRCPT TO:<alice@{DOMAIN}>\r\nDATA\r\n")
        assert [talk.reply()[:3] for _ in range(3)] == ["250", "250", "354"]
        talk.send(b"Subject: a\r\n\r\nhello" + end + inner.encode() + b"\r\n.\r\n")
        reply = talk.reply()
        talk.send("QUIT\r\n")
        rest = talk.rest()
    assert host.mailbox("bob") == []
    if reply.startswith("250"):
        assert rest.startswith("221")
        assert len(host.mailbox()) == 1
        stored = host.mailbox()[0].read_bytes()
        assert not set(b"\r\n") & set(stored.replace(b"\r\n", b""))
    else:
        assert reply[0] == "5" and host.mailbox() == []


# -- limits

def test_large_lines(mailhost):
    host = mailhost("smtp", "pop3")
    with host.talk() as talk:
        talk.greet()
        assert talk.ask("NOOP " + "x" * 10000).startswith("5")
        assert talk.ask("NOOP")[:3] in ("250", "")
    with host.talk("pop3") as talk:
        talk.line()
        talk.send("USER " + "x" * 10000 + "\r\n")
        assert talk.line().startswith("-ERR")
    with host.talk() as talk:
        talk.greet()
        talk.send(b"x" * (1 << 20))
        talk.socket.shutdown(socket.SHUT_WR)
        assert talk.rest()[:3] in ("500", "421", "")
    host.send("alice")


def test_message_size(mailhost):
    host = mailhost("smtp", mail="limits: {message-size: 64K}")
    with host.smtp() as client:
        assert client.esmtp_features["size"] == str(64 * 1024)
        client.mail("a@b.example", ["SIZE=65000"])
        client.rset()
        assert client.docmd("MAIL FROM:<a@b.example> SIZE=70000")[0] == 552
        client.mail("a@b.example")
        client.rcpt(f"alice@{DOMAIN}")
        assert client.data(b"x" * 60 + b"\r\n" + (b"y" * 70 + b"\r\n") * 1000)[0] == 552
        assert client.sendmail("a@b.example", [f"alice@{DOMAIN}"], HELLO) == {}
    assert len(host.mailbox()) == 1 and not host.leftovers()


def test_mailbox_quota(mailhost):
    host = mailhost("smtp", mail="limits: {mailbox-messages: 2}")
    host.send("alice")
    host.send("alice")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        host.send("alice")
    host.send("bob")
    assert "smtp refused" in host.wait_log("552 5.2.2")
    host = mailhost("smtp", "pop3", mail="limits: {mailbox-size: 100K}")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        host.send("carol", b"Subject: a\r\n\r\n" + b"x\r\n" * 50000)
    host.send("carol")
    assert not host.leftovers()


def test_sizes_of_mailboxes_are_in_the_metrics(mailhost):
    host = mailhost("smtp", mail="limits: {mailbox-size: 100K}", top="admin: admin.sock")
    assert "weir_mailbox_quota_bytes 102400\n" in host.metrics()
    assert "weir_mailbox_over_quota_total 0\n" in host.metrics()
    assert "weir_mailbox_bytes{" not in host.metrics()
    for _ in range(2):
        host.send("alice")
    host.send("bob")

    def known():
        text = host.metrics()
        counts = dict(re.findall(r'^weir_mailbox_messages\{mailbox="(\w+)"\} (\d+)$', text, re.M))
        return text if counts == {"alice": "2", "bob": "1"} else None

    text = wait_for(known, what="the sizes")
    sizes = dict(re.findall(r'^weir_mailbox_bytes\{mailbox="(\w+)"\} (\d+)$', text, re.M))
    assert int(sizes["alice"]) > int(sizes["bob"]) > len(HELLO)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        host.send("carol", b"Subject: a\r\n\r\n" + b"x\r\n" * 50000)
    wait_for(lambda: "weir_mailbox_over_quota_total 0\n" not in host.metrics(), what="the refusal")


def test_one_mailbox_that_cannot_be_used_keeps_nobody_else_from_a_message(mailhost):
    """No recipient has a refused message; at the next attempt the others get it."""
    host = mailhost("smtp")
    host.send("bob")
    (host.directory / "mail/bob/new").rename(host.directory / "mail/bob/was")
    (host.directory / "mail/bob/new").write_text("no directory")
    to = [f"{user}@{DOMAIN}" for user in ("alice", "bob", "carol")]
    with host.smtp() as client:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail("a@b.example", to, HELLO)
        assert refused.value.smtp_code == 451
        assert not host.mailbox("alice") and not host.mailbox("carol")
        assert list(client.sendmail("a@b.example", to, HELLO)) == [to[1]]
    assert len(host.mailbox("alice")) == len(host.mailbox("carol")) == 1


def test_connections_of_one_address(mailhost):
    host = mailhost("smtp", mail="limits: {connections: 3}", workers=2)
    talks = [host.talk() for _ in range(3)]
    assert all(talk.reply().startswith("220 ") for talk in talks)
    with host.talk() as more:
        assert more.reply().startswith("421 ")
    talks.pop().close()

    def is_let_in():
        with host.talk() as talk:
            return talk.reply().startswith("220 ")

    wait_for(is_let_in, what="a place")
    for talk in talks:
        talk.close()


def test_recipients_and_messages_of_a_connection(mailhost):
    host = mailhost("smtp", mail="limits: {recipients: 2, messages: 2}")
    with host.talk() as talk:
        talk.greet()
        talk.ask(MAIL)
        replies = [talk.ask(f"RCPT TO:<{user}@{DOMAIN}>")[:3] for user in ("alice", "bob", "carol")]
        assert replies == ["250", "250", "452"]
    with host.talk() as talk:
        talk.greet()
        for code in "250", "250", "421":
            reply = talk.ask(MAIL)
            assert reply.startswith(code)
            if code == "250":
                talk.ask(f"RCPT TO:<alice@{DOMAIN}>")
                talk.ask("DATA")
                assert talk.send(HELLO + b".\r\n").reply().startswith("250")


def test_greeting_delay(mailhost):
    host = mailhost("smtp", mail="greeting-delay: 300ms")
    with host.talk() as talk:
        talk.send("EHLO a.example\r\n")
        assert talk.reply().startswith("554 ")
    host.send("alice")


# -- LMTP

def test_lmtp(mailhost):
    host = mailhost("lmtp", mail="limits: {mailbox-messages: 1}")
    with host.talk("lmtp") as talk:
        assert talk.reply().startswith("220 ")
        assert talk.ask("EHLO a.example").startswith("5")
        assert talk.ask("LHLO a.example").startswith("250")
        for others, expected in [("alice bob", ["250", "250"]), ("alice carol", ["552", "250"])]:
            assert talk.ask(MAIL).startswith("250")
            replies = [talk.ask(f"RCPT TO:<{user}@{DOMAIN}>") for user in others.split()]
            assert [reply[:3] for reply in replies] == expected
            assert talk.ask(f"RCPT TO:<nobody@{DOMAIN}>").startswith("550")
            talk.ask("DATA")
            talk.send(HELLO + b".\r\n")
            for _ in range(expected.count("250")):
                assert talk.reply().startswith("250 2.0.0")
            assert talk.ask("NOOP").startswith("250 2.0.0")


# -- routes

ALIASES = """
# for all local domains
sales: alice, bob
info@example.org: sales
postmaster: carol
@example.org: carol
"""


def test_aliases_and_catch_all(mailhost, tmp_path):
    (tmp_path / "aliases").write_text(ALIASES)
    host = mailhost("smtp", mail="aliases: aliases\nseparator: '-'")
    for to, expected in [
        ("sales", "alice bob"),
        ("Info", "alice bob"),
        ("alice-shop", "alice"),
        ("nobody-there", "carol"),
        ("POSTMASTER", "carol"),
        ("abuse", "alice"),
    ]:
        before = {user: len(host.mailbox(user)) for user in ("alice", "bob", "carol")}
        host.send(to)
        got = [user for user, count in before.items() if len(host.mailbox(user)) > count]
        assert " ".join(got) == expected, to
    with host.talk() as talk:
        talk.greet()
        talk.ask(MAIL)
        assert talk.ask("RCPT TO:<postmaster>").startswith("250")


def test_one_file_for_many_recipients(mailhost):
    host = mailhost("smtp")
    with host.smtp() as client:
        everybody = [f"{user}@{DOMAIN}" for user in ("alice", "bob", "carol", "alice+b")]
        assert client.sendmail("a@b.example", everybody, HELLO) == {}
    paths = [path for user in ("alice", "bob", "carol") for path in host.mailbox(user)]
    assert len(paths) == 3 and len({path.stat().st_ino for path in paths}) == 1
