"""A mail host on free ports, its users, and clients for it.

    def test_it(mailhost):
        host = mailhost("smtp", "pop3")
        host.send("alice", "Subject: a\\r\\n\\r\\nhello\\r\\n")
        assert host.fetch("alice")[0].endswith(b"hello\\r\\n")
"""

import poplib
import re
import shutil
import smtplib
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from certificates import make_certificate
from conftest import wait_for

DOMAIN = "example.org"
PASSWORD = "the secret of "
SECONDS = 30
HELLO = b"Subject: hello\r\n\r\nhello\r\n"


def password(user):
    return PASSWORD + user


def trusting():
    """TLS without a check of the certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Host:
    """A running server, the port of each kind of listener, the mailboxes."""

    def __init__(self, server, kinds, directory):
        self.server = server
        self.directory = directory
        self.config = directory / "weir.yaml"
        self.ports = dict(zip(kinds, server.ports))

    # -- clients

    def smtp(self, kind="smtp", user=None, tls=False):
        """An smtplib client behind EHLO."""
        maker = smtplib.SMTP
        options = {"timeout": SECONDS}
        if kind == "submissions":
            maker, options["context"] = smtplib.SMTP_SSL, trusting()
        if kind == "lmtp":
            maker = smtplib.LMTP
            options = {}
        client = maker("127.0.0.1", self.ports[kind], "client.example", **options)
        client.ehlo()
        if tls:
            client.starttls(context=trusting())
            client.ehlo()
        if user:
            client.login(user, password(user))
        return client

    def send(self, to, message=HELLO, sender="somebody@else.example", kind="smtp"):
        with self.smtp(kind) as client:
            return client.sendmail(sender, [f"{to}@{DOMAIN}"], message)

    def pop3(self, user="alice", kind="pop3", login=True):
        if kind == "pop3s":
            client = poplib.POP3_SSL(
                "127.0.0.1", self.ports[kind], timeout=SECONDS, context=trusting()
            )
        else:
            client = poplib.POP3("127.0.0.1", self.ports[kind], timeout=SECONDS)
        if login:
            client.user(user)
            client.pass_(password(user))
        return client

    def fetch(self, user="alice"):
        """All messages of the user, as POP3 sends them."""
        client = self.pop3(user)
        count = client.stat()[0]
        messages = [b"\r\n".join(client.retr(i + 1)[1]) + b"\r\n" for i in range(count)]
        client.quit()
        return messages

    def talk(self, kind="smtp"):
        return Talk(self.ports[kind])

    # -- mailboxes

    def mailbox(self, user="alice"):
        """The paths of the user's messages."""
        directory = self.directory / "mail" / user
        return sorted(path for name in ("new", "cur") for path in directory.glob(f"{name}/*"))

    def leftovers(self):
        return list(self.directory.glob("mail/*/tmp/*"))

    @property
    def log(self):
        path = self.directory / "mail.log"
        return path.read_text() if path.exists() else ""

    def wait_log(self, pattern):
        """Waits for the first line of the log that matches."""
        match = wait_for(lambda: re.search(f"^.*{pattern}.*$", self.log, re.M), what=pattern)
        return match[0]

    def peak_kb(self):
        status = Path(f"/proc/{self.server.pid}/status").read_text()
        return int(re.search(r"^VmHWM:\s+(\d+)", status, re.M)[1])

    def metrics(self):
        """The text of /metrics; with `admin: admin.sock` in the configuration."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(SECONDS)
            client.connect(str(self.directory / "admin.sock"))
            client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            return client.makefile().read()

    def reload(self, times=1):
        self.server.send_signal(1)
        self.server.wait_stderr("weir: reloaded", times)


class Talk:
    """A client of a line protocol. `ask` sends a line and returns the reply, as text."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, data):
        if isinstance(data, str):
            data = data.encode()
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return self

    def line(self):
        try:
            return self.file.readline().decode("latin-1").rstrip("\r\n")
        except ConnectionResetError:
            return ""

    def reply(self):
        """All lines of an SMTP reply; empty at the end of the connection."""
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return "\n".join(lines)

    def ask(self, line):
        return self.send(line + "\r\n").reply()

    def greet(self, hello="EHLO client.example"):
        assert self.reply().startswith("220 ")
        return self.ask(hello)

    def rest(self):
        try:
            return self.file.read().decode("latin-1")
        except ConnectionResetError:
            return ""


def numbered(count):
    """Messages with a number each, in a field."""
    stamp = time.time_ns()
    return [b"X-Number: %d-%d\r\n\r\nhello\r\n" % (stamp, i) for i in range(count)]


def number_of(message):
    return re.search(rb"^X-Number: (\S+)\r?$", message, re.M)[1]


# -- fixtures, which a file of tests imports

USERS = ["alice", "bob", "carol"]


@pytest.fixture(scope="session")
def users_file(weir_program, tmp_path_factory):
    """Hashing is slow on purpose: once for all tests."""
    path = tmp_path_factory.mktemp("users") / "users"
    for user in USERS:
        subprocess.run(
            [str(weir_program), "passwd", "--users", str(path), user],
            input=password(user) + "\n",
            text=True,
            check=True,
            timeout=60,
            capture_output=True,
        )
    return path


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def mailhost(weir, tmp_path, users_file, certificate):
    """mailhost(kind, …) starts one with these listeners; `mail` are more lines of that section,
    `top` of the whole."""

    def start(*kinds, mail="", top="", tls=True, workers=1, **options):
        shutil.copy(users_file, tmp_path / "users")
        lines = [f"listen: [{', '.join(f'{{{kind}: 127.0.0.1:0}}' for kind in kinds)}]"]
        if tls:
            chain, key = certificate
            lines.append(f"tls: {{certificates: [{{chain: {chain}, key: {key}}}]}}")
        lines += [f"workers: {workers}", "mail-log: mail.log", "mail:", "  directory: mail"]
        lines += ["  users: users", f"  domains: [{DOMAIN}]"]
        lines += [f"  {line}" for line in mail.splitlines()]
        lines += [top]
        (tmp_path / "weir.yaml").write_text("\n".join(lines) + "\n")
        return Host(weir("-c", tmp_path / "weir.yaml", **options), kinds, tmp_path)

    return start
