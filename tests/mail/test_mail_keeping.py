"""Acknowledged messages are never lost: large messages, many recipients, a full disk, kills and
reloads under load."""

import smtplib
import subprocess
import threading
import time

import pytest

from conftest import wait_for
from mailhost import DOMAIN, HELLO, Host, number_of
from mailhost import certificate, mailhost, users_file  # noqa: F401
from wire import is_sanitized

LARGE = 31 * 1024 * 1024


@pytest.mark.parametrize("kind", ["smtp", "submissions"])
def test_a_large_message_both_ways(mailhost, kind):
    """The memory of the server does not depend on the size."""
    host = mailhost(kind, "pop3")
    line = b"0123456789" * 7 + b"\r\n"
    message = b"Subject: large\r\n\r\n" + line * (LARGE // len(line))
    # A check of a password takes 16 MB for a moment.
    host.pop3("alice").quit()
    before = host.peak_kb()
    user = "alice" if kind == "submissions" else None
    with host.smtp(kind, user) as client:
        assert client.sendmail("alice@example.org", [f"bob@{DOMAIN}"], message) == {}
    assert host.mailbox("bob")[0].stat().st_size > LARGE
    assert host.fetch("bob")[0].endswith(message[-LARGE // 2 :])
    allowed = 40 if is_sanitized(host.server) else 8
    assert host.peak_kb() - before < allowed * 1024


def test_a_thousand_recipients(mailhost, tmp_path):
    """Many users in one message: one file with many names."""
    host = mailhost("smtp")
    count = 1000
    with open(tmp_path / "users", "a") as file:
        file.writelines(f"user{i}:!\n" for i in range(count))
    host.reload()
    with host.smtp() as client:
        everybody = [f"user{i}@{DOMAIN}" for i in range(count)]
        assert client.sendmail("a@b.example", everybody, HELLO) == {}
        client.mail("a@b.example")
        assert [client.rcpt(address)[0] for address in everybody + [f"bob@{DOMAIN}"]] == (
            [250] * count + [452]
        )
    paths = [path for i in range(count) for path in host.mailbox(f"user{i}")]
    assert len(paths) == count and len({path.stat().st_ino for path in paths}) == 1
    assert not host.leftovers()


def test_a_full_disk(weir, users_file, tmp_path):
    """The reply is 452, no partial message is left, and later messages are stored."""
    directory = tmp_path / "mail"
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", directory], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.decode()}")
    try:
        server = weir(
            *["--smtp", "127.0.0.1:0", "--mail", directory, "--users", users_file],
            *["--domain", DOMAIN],
        )
        host = Host(server, ["smtp"], tmp_path)
        host.send("alice")
        with pytest.raises(smtplib.SMTPResponseException) as refused:
            host.send("alice", b"Subject: a\r\n\r\n" + b"x" * 70 + b"\r\n" * 3000000)
        assert refused.value.smtp_code == 452
        wait_for(lambda: not host.leftovers(), what="the end of what was begun")
        assert len(host.mailbox()) == 1
        host.send("alice")
        assert len(host.mailbox()) == 2
        server.stop()
    finally:
        subprocess.run(["umount", directory], check=True)


class Load:
    """Clients that send numbered messages until they are stopped, and remember which were
    acknowledged."""

    def __init__(self, port, clients=4, tolerant=True):
        self.port, self.tolerant = port, tolerant
        self.acknowledged, self.errors = [], []
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self, client):
        number = 0
        while not self.stopped.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", self.port, "load.example", timeout=60) as smtp:
                    while not self.stopped.is_set():
                        number += 1
                        name = f"{client}-{number}"
                        smtp.sendmail(
                            "a@b.example",
                            [f"alice@{DOMAIN}", f"bob@{DOMAIN}"],
                            f"X-Number: {name}\r\n\r\n{'x' * 3000}\r\n",
                        )
                        self.acknowledged.append(name.encode())
            except (OSError, smtplib.SMTPException) as error:
                if not self.tolerant:
                    self.errors.append(repr(error))
                time.sleep(0.01)

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def check_mailboxes(host, acknowledged):
    """Each acknowledged message is stored once and complete."""
    for user in "alice", "bob":
        texts = [path.read_bytes() for path in host.mailbox(user)]
        assert all(text.endswith(b"x" * 3000 + b"\r\n") for text in texts)
        numbers = [number_of(text) for text in texts]
        assert len(numbers) == len(set(numbers))
        assert set(acknowledged) <= set(numbers)


def test_killed_under_load(mailhost, weir, tmp_path):
    """SIGKILL at any moment, again and again."""
    host = mailhost("smtp", workers=2)
    port = host.ports["smtp"]
    config = host.config.read_text().replace("smtp: 127.0.0.1:0", f"smtp: 127.0.0.1:{port}")
    host.config.write_text(config)
    load = Load(port)
    server = host.server
    try:
        for i in range(8):
            time.sleep(0.1 + i % 4 * 0.07)
            server.process.kill()
            server.process.wait()
            server = weir("-c", host.config)
        wait_for(lambda: len(load.acknowledged) > 50, what="some mail")
    finally:
        load.stop()
    assert server.stop() == 0
    check_mailboxes(host, load.acknowledged)


def test_reloaded_under_load(mailhost, tmp_path):
    """Sessions continue; no message is refused or lost."""
    host = mailhost("smtp", "pop3", workers=2)
    load = Load(host.ports["smtp"], tolerant=False)
    try:
        for i in range(10):
            with open(tmp_path / "users", "a") as file:
                file.write(f"new{i}:!\n")
            host.reload(i + 1)
            assert host.pop3("carol").quit().startswith(b"+OK")
        host.send("new9")
        wait_for(lambda: len(load.acknowledged) > 50, what="some mail")
    finally:
        load.stop()
    assert load.errors == []
    assert host.server.stop() == 0
    check_mailboxes(host, load.acknowledged)
    logged = host.log
    assert all(f"<new9@{DOMAIN}>" in line for line in logged.splitlines() if "new9" in line)
    assert logged.count(" smtp accepted ") == len(load.acknowledged) + 1


def test_stopped_under_load(mailhost):
    """SIGTERM ends the server in order, and acknowledged messages are stored."""
    host = mailhost("smtp", top="limits: {drain: 5s}")
    load = Load(host.ports["smtp"])
    try:
        wait_for(lambda: len(load.acknowledged) > 20, what="some mail")
        assert host.server.stop() == 0
    finally:
        load.stop()
    check_mailboxes(host, load.acknowledged)
    assert not host.leftovers()
