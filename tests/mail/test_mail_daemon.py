"""The daemon around mail: its command line, `weir check`, reloads, logs, privileges."""

import contextlib
import os
import pwd
import re
import shutil
import signal
import smtplib

import pytest

from certificates import make_certificate
from conftest import let_others_enter, together
from mailhost import DOMAIN, HELLO, Host
from mailhost import certificate, mailhost, users_file  # noqa: F401


# -- the command line

@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--smtp", "127.0.0.1:0"], "smtp needs a directory for the mailboxes: --mail DIR"),
        (["--smtp", "127.0.0.1:0", "--mail", "m"], "smtp needs a users file"),
        (["--smtp", "127.0.0.1:0", "--mail", "m", "--users", "users"], "--domain NAME"),
        (["--lmtp", "127.0.0.1:0", "--mail", "m", "--users", "users"], "--domain NAME"),
        (["--submission", "127.0.0.1:0", "--mail", "m", "--domain", "a.example"], "users file"),
        (["--pop3", "127.0.0.1:0", "--mail", "m"], "pop3 needs a users file"),
        (["--pop3", ":0", "--mail", "m", "--users", "users"], "pop3 needs a certificate"),
        (
            ["--submission", ":0", "--mail", "m", "--users", "users", "--domain", "a.example"],
            "submission needs a certificate",
        ),
        (
            ["--smtps", "127.0.0.1:0", "--mail", "m", "--users", "users", "--domain", "a"],
            "submissions needs a certificate",
        ),
        (["--http", "127.0.0.1:0", "--mail", "m"], "need an address for mail"),
        (
            ["--smtp", "127.0.0.1:0", "--mail", "m", "--users", "none", "--domain", "a"],
            "none: No such file",
        ),
        (
            ["--smtp", "127.0.0.1:0", "--mail", "no/m", "--users", "users", "--domain", "a"],
            "cannot keep mail in",
        ),
        (
            ["--smtp", "127.0.0.1:0", "--mail", "m", "--users", "users", "--domain", "*.a"],
            "written as in an address",
        ),
    ],
)
def test_what_is_missing_is_said(run, users_file, tmp_path, arguments, said):
    shutil.copy(users_file, tmp_path / "users")
    result = run("serve", *arguments)
    assert result.returncode == 1 and said in result.stderr, result.stderr
    # A directory for mail may be made before the users file is read.
    assert not (tmp_path / "m").exists() or "submissions" in said or "none" in said


def test_mail_and_nothing_else(weir, users_file, tmp_path):
    server = weir(
        *["--smtp", "127.0.0.1:0", "--pop3", "[::1]:0", "--mail", "mail", "--users", users_file],
        *["--domain", DOMAIN, "--domain", "example.net", "--mail-log", "mail.log"],
        cwd=tmp_path,
    )
    host = Host(server, ["smtp"], tmp_path)
    assert [url.split(":")[0] for url in server.urls] == ["smtp", "pop3"]
    with host.smtp() as client:
        client.sendmail("a@b.example", ["alice@example.net", "alice@example.org"], HELLO)
    assert len(host.mailbox()) == 1 and (tmp_path / "mail").stat().st_mode & 0o777 == 0o700
    assert not (tmp_path / "public").exists()
    host.wait_log("smtp accepted .* recipients=2 ")


def test_http_and_mail_in_one_process(weir, users_file, site, tmp_path):
    server = weir(
        *[site, "--http", "127.0.0.1:0", "--smtp", "127.0.0.1:0", "--mail", tmp_path / "mail"],
        *["--users", users_file, "--domain", DOMAIN],
    )
    assert server.get("/").text == "hello"
    host = Host(server, ["http", "smtp"], tmp_path)
    host.send("alice")
    assert len(host.mailbox()) == 1


# -- weir check

GOOD = """listen: [{smtp: 127.0.0.1:2525}, {pop3: 127.0.0.1:2110}]
mail:
  directory: mail
  users: users
  domains: [example.org]
"""


@pytest.mark.parametrize(
    "text, place, said",
    [
        (GOOD.replace("  users: users\n", ""), "3:3", "mail lacks 'users'"),
        (GOOD.replace("  directory: mail\n", ""), "3:3", "mail lacks 'directory'"),
        (GOOD.replace("  domains: [example.org]\n", ""), "1:10", "smtp needs to know which"),
        (GOOD.split("mail:")[0], "1:1", "lacks 'mail'"),
        (GOOD.replace("pop3: 127.0.0.1", 'pop3: 192.0.2.1'), "1:34", "pop3 needs a certificate"),
        (GOOD.replace("pop3:", "pop3s:"), "1:34", "needs a certificate"),
        (GOOD.replace("example.org", "'*.example.org'"), "5:12", "written as in an address"),
        (GOOD + "  networks: [192.0.2.1/24]\n", "6:14", "must be a network"),
        (GOOD + "  separator: ab\n", "6:14", "one character"),
        (GOOD + "  postmaster: nobody\n", "3:3", "postmaster is not a user: nobody"),
        (GOOD + "  aliases: aliases\n", "6:12", "aliases:2: no such user or alias: nobody"),
        (GOOD.replace("users: users", "users: bad"), "4:10", "bad:2: "),
        (GOOD + "  limits: {mesages: 5}\n", "6:12", "did you mean 'messages'"),
        (GOOD + "  relay: {host: a}\n", "6:10", "a relay lacks 'queue'"),
        (GOOD + "  relay: {host: a, queue: q, user: b}\n", "6:10", "need each other"),
        (
            GOOD + "  relay: {host: a, queue: q, user: b, password-file: none}\n",
            "6:54",
            "none: No such",
        ),
        (
            GOOD + "  relay: {host: a, queue: q, user: b, password-file: users, tls: off}\n",
            "6:66",
            "not sent without TLS",
        ),
        (GOOD + "  relay: {host: a, queue: q, ca: users}\n", "6:34", "'ca' is not used"),
    ],
)
def test_mistakes_have_their_place(run, users_file, tmp_path, text, place, said):
    shutil.copy(users_file, tmp_path / "users")
    (tmp_path / "bad").write_text("alice:!\nbob\n")
    (tmp_path / "aliases").write_text("sales: alice\ninfo: nobody\n")
    (tmp_path / "weir.yaml").write_text(text)
    result = run("check", "weir.yaml")
    assert result.returncode == 1
    lines = [line for line in result.stderr.splitlines() if said in line]
    assert lines and lines[0].startswith(f"weir.yaml:{place}: "), result.stderr
    assert not (tmp_path / "mail").exists()


def test_a_good_one(run, users_file, tmp_path):
    shutil.copy(users_file, tmp_path / "users")
    (tmp_path / "weir.yaml").write_text(GOOD)
    result = run("check", "weir.yaml")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[0].endswith("2 listeners, 3 users of mail")
    assert not (tmp_path / "mail").exists()


# -- reloads

def test_users_and_aliases_are_swapped(mailhost, tmp_path, run, users_file):
    """They change in open sessions."""
    (tmp_path / "aliases").write_text("sales: alice\n")
    host = mailhost("smtp", "pop3", mail="aliases: aliases")
    with host.talk() as talk:
        talk.greet()
        talk.ask("MAIL FROM:<a@b.example>")
        assert talk.ask(f"RCPT TO:<dave@{DOMAIN}>").startswith("550")
        (tmp_path / "aliases").write_text("sales: dave\n")
        with open(tmp_path / "users", "a") as file:
            file.write("dave:!\n")
        host.reload()
        assert talk.ask(f"RCPT TO:<dave@{DOMAIN}>").startswith("250")
        assert talk.ask(f"RCPT TO:<sales@{DOMAIN}>").startswith("250")
        talk.ask("DATA")
        assert talk.send(HELLO + b".\r\n").reply().startswith("250")
    assert len(host.mailbox("dave")) == 1 and not host.mailbox()


def test_a_bad_file_is_refused(mailhost, tmp_path):
    host = mailhost("smtp")
    (tmp_path / "users").write_text("nonsense\n")
    host.server.send_signal(signal.SIGHUP)
    host.server.wait_stderr("not reloaded")
    assert "users:1: " in host.server.stderr
    host.send("alice")


@pytest.mark.parametrize("kind", ["smtp", "submissions"])
def test_certificates_are_swapped(mailhost, tmp_path, kind):
    chain, key = make_certificate(tmp_path, "a.pem", "a-key.pem", ["first.example"])
    host = mailhost(
        kind, tls=False, top=f"tls: {{certificates: [{{chain: {chain}, key: {key}}}]}}"
    )

    def name():
        client = host.smtp(kind, tls=kind == "smtp")
        der = client.sock.getpeercert(True)
        client.quit()
        return der

    first = name()
    make_certificate(tmp_path, "a.pem", "a-key.pem", ["second.example"])
    host.reload()
    second = name()
    assert b"first.example" in first and b"second.example" in second


def test_tls_comes_with_a_reload(mailhost, certificate):
    """A server without TLS is replaced; a session on the old one continues."""
    host = mailhost("smtp", tls=False)
    with host.talk() as talk:
        assert "STARTTLS" not in talk.greet()
        text = host.config.read_text()
        line = f"tls: {{certificates: [{{chain: {certificate[0]}, key: {certificate[1]}}}]}}\n"
        host.config.write_text(line + text)
        host.reload()
        with host.smtp() as client:
            assert "starttls" in client.esmtp_features
        host.config.write_text(text)
        host.reload(2)
        with host.smtp() as client:
            assert "starttls" not in client.esmtp_features


def test_settings_change_with_a_reload(mailhost):
    host = mailhost("smtp", mail="hostname: one.example")
    text = host.config.read_text()
    host.config.write_text(text.replace("one.example", "two.example"))
    host.reload()
    with host.talk() as talk:
        assert talk.reply().startswith("220 two.example ")
    host.send("alice")
    assert len(host.mailbox()) == 1


def test_another_directory(mailhost):
    host = mailhost("smtp")
    host.send("alice")
    host.config.write_text(host.config.read_text().replace("directory: mail", "directory: more"))
    host.reload()
    host.send("alice")
    assert len(host.mailbox()) == 1
    assert len(list((host.directory / "more" / "alice" / "new").iterdir())) == 1


# -- the log

def test_the_log(mailhost):
    host = mailhost("smtp", "submission")
    host.send("alice")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        host.send("nobody", sender="\"a b\"@else.example")
    with host.smtp("submission", "alice", tls=True) as client:
        client.sendmail("alice@example.org", ["bob@example.org", "carol@example.org"], HELLO)
    date = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    peer = r'peer=127\.0\.0\.1( tls)? helo="client\.example"'
    for pattern in (
        rf"{date} smtp accepted {peer} from=<somebody@else\.example> to=<alice@example\.org> "
        rf'size=\d+ id=\w+ reply="250 2\.0\.0 Accepted as \w+"',
        rf'{date} smtp refused {peer} from=<\\x22a b\\x22@else\.example> .*reply="550 ',
        rf'{date} submission login {peer} user="alice" reply="235 ',
        rf'{date} submission accepted {peer} user="alice" from=<alice@example\.org> recipients=2 ',
    ):
        assert re.fullmatch(pattern + ".*", host.wait_log(pattern))
    assert host.log.isascii()


def test_the_log_is_rotated(mailhost):
    host = mailhost("smtp", workers=2)
    host.send("alice")
    host.wait_log("accepted")
    log = host.directory / "mail.log"
    log.rename(host.directory / "mail.log.1")
    host.reload()
    host.send("bob")
    host.wait_log("<bob@example.org>")
    assert "<alice@" in (host.directory / "mail.log.1").read_text()
    assert "<alice@" not in host.log


# -- privileges

@together("settings of mail change at once then")
@pytest.mark.skipif(os.geteuid() != 0, reason="not root")
def test_root_is_given_up(weir, users_file, tmp_path):
    """Mailboxes, queue and log belong to the user, and go on to after a reload."""
    nobody = pwd.getpwnam("nobody")
    let_others_enter(tmp_path)
    shutil.copy(users_file, tmp_path / "users")
    (tmp_path / "users").chmod(0o644)
    (tmp_path / "weir.yaml").write_text(
        "listen: [{smtp: 127.0.0.1:0}, {pop3: 127.0.0.1:0}]\nuser: nobody\nmail-log: mail.log\n"
        "mail:\n  directory: mail\n  users: users\n  domains: [example.org]\n"
        "  networks: [127.0.0.0/8]\n"
        "  relay: {host: 127.0.0.1, port: 9, queue: queue, tls: off}\n"
    )
    host = Host(weir("-c", tmp_path / "weir.yaml"), ["smtp", "pop3"], tmp_path)
    host.send("alice")
    with host.smtp() as client:
        client.sendmail("alice@example.org", ["a@elsewhere.example"], HELLO)
    assert len(host.fetch()) == 1
    host.reload()
    host.send("alice")
    assert len(host.fetch()) == 2
    text = host.config.read_text()
    host.config.write_text(text.replace("directory: mail", "directory: mail/other"))
    host.reload(2)
    assert "settings of mail" in host.server.stderr
    assert "change at the next start" in host.server.stderr
    host.send("alice")
    assert len(host.fetch()) == 3
    found = [path for name in ("mail", "queue") for path in (tmp_path / name).rglob("*")]
    assert len(found) > 5
    for path in [tmp_path / "mail", tmp_path / "queue", tmp_path / "mail.log", *found]:
        # The relay rewrites a message's state meanwhile, so that temporary files may be gone.
        with contextlib.suppress(FileNotFoundError):
            assert path.stat().st_uid == nobody.pw_uid, path
    status = open(f"/proc/{host.server.pid}/status").read()
    assert re.search(rf"^Uid:(\t{nobody.pw_uid}){{4}}$", status, re.M)


@pytest.mark.skipif(os.geteuid() != 0, reason="not root")
def test_a_directory_of_somebody_else(run, users_file, tmp_path):
    """The error comes at the start, not at the first message."""
    let_others_enter(tmp_path)
    shutil.copy(users_file, tmp_path / "users")
    (tmp_path / "mail").mkdir(mode=0o700)
    (tmp_path / "weir.yaml").write_text(
        "listen: [{smtp: 127.0.0.1:0}]\nuser: nobody\n"
        "mail: {directory: mail, users: users, domains: [example.org]}\n"
    )
    result = run("serve", "-c", "weir.yaml")
    assert result.returncode == 1 and "cannot keep mail in" in result.stderr, result.stderr
