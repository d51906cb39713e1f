"""Widely used clients send and fetch mail."""

import re
import shutil
import subprocess

import pytest

from conftest import TOP
from mailhost import HELLO, password, trusting
from mailhost import certificate, mailhost, users_file  # noqa: F401

SENDER, TO = "alice@example.org", "bob@example.org"


def needs(program):
    path = shutil.which(program, path="/usr/bin:/usr/sbin:/bin:/sbin")
    return pytest.mark.skipif(not path, reason=f"no {program}")


def call(*command, given=None, **options):
    result = subprocess.run(
        [*map(str, command)],
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        capture_output=True,
        timeout=60,
        **options,
    )
    assert result.returncode == 0, (result.stdout, result.stderr)
    return result.stdout


def curl_send(url, *more):
    return call(
        *["curl", "-sS", "-k", "--mail-from", SENDER, "--mail-rcpt", TO, "-T", "-", *more, url],
        given=HELLO,
    )


@needs("curl")
@pytest.mark.parametrize(
    "kind, more",
    [
        ("smtp", []),
        ("smtp", ["--ssl-reqd"]),
        ("smtp", ["--ssl-reqd", "-u", "alice:" + password("alice")]),
        ("submission", ["-u", "alice:" + password("alice")]),
        ("submission", ["--ssl-reqd", "-u", "alice:" + password("alice")]),
        ("submissions", ["-u", "alice:" + password("alice")]),
    ],
)
def test_curl_sends(mailhost, kind, more):
    host = mailhost(kind)
    scheme = "smtps" if kind == "submissions" else "smtp"
    curl_send(f"{scheme}://127.0.0.1:{host.ports[kind]}", *more)
    (path,) = host.mailbox("bob")
    text = path.read_bytes()
    assert text.endswith(b"\r\n\r\nhello\r\n") and b"\r\nSubject: hello\r\n" in text
    assert text.startswith(b"Return-Path: <alice@example.org>\r\nReceived: from ")
    by = "ESMTP" + ("S" if "--ssl-reqd" in more or kind == "submissions" else "")
    by += "A" if "-u" in more else ""
    assert f" with {by} id ".encode() in text


@needs("curl")
@pytest.mark.parametrize("kind, more", [("pop3", []), ("pop3", ["--ssl-reqd"]), ("pop3s", [])])
def test_curl_fetches(mailhost, kind, more):
    host = mailhost("smtp", kind)
    host.send("alice")
    url = f"{kind}://127.0.0.1:{host.ports[kind]}"
    more = ["curl", "-sS", "-k", "-u", "alice:" + password("alice"), *more]
    assert re.fullmatch(rb"1 \d+\r\n", call(*more, url))
    assert call(*more, f"{url}/1").endswith(HELLO)



def test_smtplib_and_poplib(mailhost):
    host = mailhost("smtp", "submission", "submissions", "pop3", "pop3s")
    with host.smtp("submission", "alice", tls=True) as client:
        assert client.sendmail(SENDER, [TO, "carol@example.org"], HELLO) == {}
    with host.smtp("submissions", "alice") as client:
        assert client.sendmail(SENDER, [TO], HELLO) == {}
    assert len(host.mailbox("bob")) == 2 and len(host.mailbox("carol")) == 1
    client = host.pop3("bob", "pop3s")
    assert client.stat()[0] == 2
    assert len(set(client.uidl()[1])) == 2
    assert b"\r\n".join(client.retr(1)[1]).endswith(b"hello")
    assert client.top(2, 0)[1][-1] == b""
    client.dele(1)
    client.quit()
    client = host.pop3("bob", login=False)
    client.stls(context=trusting())
    client.user("bob")
    client.pass_(password("bob"))
    assert client.stat()[0] == 1
    client.quit()


@needs("swaks")
@pytest.mark.parametrize("kind", ["smtp", "submission", "submissions"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks(mailhost, kind, mechanism):
    host = mailhost(kind)
    tls = "--tls-on-connect" if kind == "submissions" else "--tls"
    out = call(
        *["swaks", "--server", f"127.0.0.1:{host.ports[kind]}", tls, "--auth", mechanism],
        *["--auth-user", "alice", "--auth-password", password("alice")],
        *["--from", SENDER, "--to", TO, "--pipeline"],
    )
    assert b"250 2.0.0 Accepted" in out
    assert len(host.mailbox("bob")) == 1


@needs("msmtp")
@pytest.mark.parametrize("mechanism", ["plain", "login", "scram-sha-256"])
def test_msmtp(mailhost, tmp_path, mechanism):
    host = mailhost("submission")
    settings = tmp_path / "msmtprc"
    settings.write_text(
        f"account default\nhost 127.0.0.1\nport {host.ports['submission']}\nfrom {SENDER}\n"
        f"tls on\ntls_starttls on\ntls_certcheck off\nauth {mechanism}\nuser alice\n"
        f"password \"{password('alice')}\"\n"
    )
    settings.chmod(0o600)
    message = f"From: <{SENDER}>\n".encode() + HELLO.replace(b"\r", b"")
    call("msmtp", "-C", settings, "--read-envelope-from", TO, given=message)
    (path,) = host.mailbox("bob")
    assert path.read_bytes().endswith(b"hello\r\n")
    # RFC 6409 8: missing fields are added.
    assert b"\r\nDate: " in path.read_bytes() and b"\r\nMessage-ID: " in path.read_bytes()


@needs("mpop")
@pytest.mark.parametrize("mechanism", ["user", "plain", "scram-sha-256"])
def test_mpop(mailhost, tmp_path, mechanism):
    host = mailhost("smtp", "pop3")
    for _ in range(3):
        host.send("alice")
    (tmp_path / "fetched").mkdir()
    for name in "tmp", "new", "cur":
        (tmp_path / "fetched" / name).mkdir()
    settings = tmp_path / "mpoprc"
    settings.write_text(
        f"account default\nhost 127.0.0.1\nport {host.ports['pop3']}\ntls on\ntls_starttls on\n"
        f"tls_certcheck off\nauth {mechanism}\nuser alice\npassword \"{password('alice')}\"\n"
        f"delivery maildir {tmp_path}/fetched\nkeep off\nuidls_file {tmp_path}/uidls\n"
        "pipelining on\n"
    )
    settings.chmod(0o600)
    call("mpop", "-C", settings)
    got = list((tmp_path / "fetched" / "new").iterdir())
    assert len(got) == 3 and all(b"hello\n" in path.read_bytes() for path in got)
    assert host.mailbox() == []


@needs("fetchmail")
def test_fetchmail(mailhost, tmp_path):
    host = mailhost("smtp", "pop3")
    for _ in range(3):
        host.send("alice")
    settings = tmp_path / "fetchmailrc"
    settings.write_text(
        f"poll 127.0.0.1 protocol pop3 port {host.ports['pop3']} user alice password "
        f"\"{password('alice')}\" no sslcertck sslproto '' mda \"cat >> {tmp_path}/fetched\"\n"
    )
    settings.chmod(0o600)
    environment = {"HOME": str(tmp_path), "FETCHMAILHOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    call("fetchmail", "-f", settings, "--pidfile", tmp_path / "pid", env=environment)
    assert (tmp_path / "fetched").read_text().count("\nhello\n") == 3
    assert host.mailbox() == []


@needs("smtp-source")
@pytest.mark.parametrize("workers", [1, 2])
def test_smtp_source(mailhost, workers):
    host = mailhost("smtp", workers=workers)
    call(
        *["/usr/sbin/smtp-source", "-s", 10, "-m", 300, "-l", 5000, "-f", SENDER, "-t", TO],
        f"127.0.0.1:{host.ports['smtp']}",
    )
    assert len(host.mailbox("bob")) == 300 and not host.leftovers()
    assert len({path.stat().st_size for path in host.mailbox("bob")}) <= 2


@needs("curl")
def test_the_lines_that_dev_serve_prints(weir, weir_program, tmp_path):
    """The lines are run as printed, with the user, the password and the ports filled in."""
    source = (TOP / "dev").read_text()
    commands = re.search(r"cat <<-END\n(.*?)\n\tEND\n", source, re.S)[1]
    serving = re.search(r"(--smtp 127\S+ --pop3 .*?--domain \S+)", source, re.S)[1]
    serving = serving.replace("\\\n", " ").split()
    assert serving[:4] == ["--smtp", "127.0.0.1:2525", "--pop3", "127.0.0.1:1100"]
    (tmp_path / "state").mkdir()
    call(weir_program, "passwd", "--users", "state/users", "me", given=b"secret\n", cwd=tmp_path)
    serving[1] = serving[3] = "127.0.0.1:0"
    server = weir(*serving, cwd=tmp_path)
    smtp, pop3 = server.ports
    script = f"mail_user=me; user=me:secret; cat <<END\n{commands}\nEND\n"
    lines = call("bash", "-c", script).decode()
    lines = lines.replace(":2525/", f":{smtp}/").replace(":1100/", f":{pop3}/")
    assert lines.count("curl") == 2
    out = call("bash", "-e", given=lines.encode())
    assert b"Subject: hello\r\n\r\nIt works.\r\n" in out
