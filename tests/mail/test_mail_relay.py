"""Relaying: through a second weir, to a sink that refuses, with a queue that survives."""

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest

from conftest import wait_for
from mailhost import DOMAIN, HELLO, number_of, password
from mailhost import certificate, mailhost, users_file  # noqa: F401
from ports import free_port

SENDER = f"alice@{DOMAIN}"


class Sink:
    """A server whose reply to RCPT depends on the local part: `ok`, `later` (451), `never` (550).
    It stores its messages. `greeting` may refuse all clients."""

    def __init__(self, port=0):
        self.messages, self.greeting = [], b"220 sink ESMTP\r\n"
        self.socket = socket.create_server(("127.0.0.1", port))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                client = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def close(self):
        # Closing alone would not end accept().
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()

    def serve(self, client):
        try:
            self.talk(client)
        except OSError:
            pass  # the client was killed

    def talk(self, client):
        with client, client.makefile("rb") as lines:
            client.sendall(self.greeting)
            recipients = []
            while line := lines.readline():
                verb = line.split()[0].upper()
                if verb == b"EHLO":
                    client.sendall(b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
                elif verb == b"RCPT":
                    name = re.search(rb"<(\w+)", line)[1]
                    answer = {b"later": b"451 4.2.0 Later", b"never": b"550 5.1.1 Nobody"}
                    client.sendall(answer.get(name, b"250 2.1.5 Ok") + b"\r\n")
                    if name not in answer:
                        recipients.append(name.decode())
                elif verb == b"DATA" and recipients:
                    client.sendall(b"354 Go on\r\n")
                    text = b""
                    while not text.endswith(b"\r\n.\r\n"):
                        line = lines.readline()
                        if not line:
                            return
                        text += line
                    self.messages.append((recipients, text[:-3]))
                    recipients = []
                    client.sendall(b"250 2.0.0 Ok\r\n")
                elif verb == b"DATA":
                    client.sendall(b"503 5.5.1 No recipients\r\n")
                elif verb == b"QUIT":
                    client.sendall(b"221 Bye\r\n")
                    return
                else:
                    client.sendall(b"250 Ok\r\n")


@pytest.fixture
def sink():
    sink = Sink()
    yield sink
    sink.close()


def relaying(mailhost, port, *kinds, more="", **options):
    relay = f"relay: {{host: 127.0.0.1, port: {port}, queue: queue, retry-first: 1s{more}}}"
    networks = "networks: [127.0.0.0/8]\n"
    return mailhost("smtp", *kinds, mail=networks + relay, **options)


def send(host, *names, message=HELLO, sender=SENDER, **options):
    with host.smtp() as client:
        addresses = [f"{name}@elsewhere.example" for name in names]
        assert client.sendmail(sender, addresses, message, **options) == {}


def queue(run, host, *arguments):
    result = run("queue", "--queue", host.directory / "queue", *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


def queued(host):
    return list((host.directory / "queue").glob("*.env"))


@pytest.mark.parametrize("tls", ["required", "opportunistic", "off", "implicit"])
def test_through_a_second_weir(mailhost, weir, users_file, certificate, tmp_path, tls):
    """With TLS, and with a password if there is TLS."""
    kind = {"required": "submission", "implicit": "submissions"}.get(tls, "smtp")
    next_hop = weir(
        *[f"--{kind}", "127.0.0.1:0", "--mail", tmp_path / "other", "--users", users_file],
        *["--domain", "elsewhere.example", "--cert", certificate[0], "--key", certificate[1]],
    )
    (tmp_path / "password").write_text(password("alice") + "\n")
    more = f", tls: {tls}"
    sender = SENDER
    if tls in ("required", "implicit"):
        more += f", ca: {certificate[0]}, user: alice, password-file: password"
        sender = "alice@elsewhere.example"
    host = relaying(mailhost, next_hop.port, more=more)
    send(host, "bob", "carol", sender=sender)
    wait_for(lambda: not queued(host), what="the delivery")
    for user in "bob", "carol":
        (path,) = (tmp_path / "other" / user / "new").iterdir()
        text = path.read_bytes()
        by = {"off": b"ESMTP", "opportunistic": b"ESMTPS"}.get(tls, b"ESMTPSA")
        assert b" with " + by + b" id " in text.split(b"\r\n\r\n")[0]
    wait_for(lambda: host.log.count(" relay sent ") == 2, what="the log")
    accepted = wait_for(lambda: re.search(r" accepted .* id=(\w+)", host.log), what="the log")[1]
    assert host.log.count(f' message="{accepted}" to=<') == 2


def test_a_certificate_of_somebody_else(mailhost, weir, users_file, certificate, tmp_path):
    """`required` needs a certificate of the configured host, from a trusted authority."""
    next_hop = weir(
        *["--smtp", "127.0.0.1:0", "--mail", tmp_path / "other", "--users", users_file],
        *["--domain", "elsewhere.example", "--cert", certificate[0], "--key", certificate[1]],
    )
    host = relaying(mailhost, next_hop.port, more=", tls: required")
    send(host, "bob")
    host.wait_log(" relay deferred .*TLS")
    assert len(queued(host)) == 1 and not (tmp_path / "other" / "bob").exists()


def test_reports(mailhost, sink):
    """The sender gets a notification of a failure; a notification never causes another."""
    host = relaying(mailhost, sink.port, more=", tls: off")
    send(host, "ok", "never", message=b"Subject: report me\r\n\r\nhello\r\n")
    (path,) = wait_for(host.mailbox, what="the report")
    text = path.read_text()
    assert "Return-Path: <>" in text and "multipart/report" in text
    assert "Final-Recipient: rfc822; never@elsewhere.example" in text
    assert "Action: failed" in text and "Status: 5.1.1" in text and "Subject: report me" in text
    assert sink.messages[0][0] == ["ok"]
    send(host, "never", sender="")
    wait_for(lambda: not queued(host), what="the end")
    assert len(host.mailbox()) == 1
    wait_for(lambda: host.log.count(" relay failed ") == 2, what="the log")
    assert host.log.count(" relay reported ") == 1


def test_outcomes_are_counted(mailhost, sink, run):
    host = relaying(mailhost, sink.port, more=", tls: off", top="admin: admin.sock")
    send(host, "ok", "never", "later")

    def counted():
        mail = json.loads(run("status", "-c", host.config, "--json").stdout)["mail"]
        return mail["relay_sent"] == 1 and mail["relay_failed"] == 1 and mail["relay_deferred"] >= 1

    wait_for(counted, what="the outcomes")

    def scraped():
        text = host.metrics()
        return all(
            f'weir_relay_outcomes_total{{outcome="{outcome}"}} 1\n' in text
            for outcome in ("sent", "failed", "reported")
        )

    wait_for(scraped, what="the report in the metrics")


def test_success_is_reported_to_who_asks(mailhost, sink):
    host = relaying(mailhost, sink.port, more=", tls: off")
    send(host, "ok", rcpt_options=["NOTIFY=SUCCESS"])
    (path,) = wait_for(host.mailbox, what="the report")
    assert "Action: relayed" in path.read_text()


def test_weir_queue(mailhost, sink, run):
    host = relaying(mailhost, sink.port, more=", tls: off")
    send(host, "later")
    host.wait_log("relay deferred")
    listed = queue(run, host, "list")
    assert "later@elsewhere.example" in listed and "451 4.2.0 Later" in listed
    tries = host.log.count(" relay deferred ")
    queue(run, host, "retry", "--all")
    wait_for(lambda: host.log.count(" relay deferred ") > tries, what="a retry")
    number = re.search(r"^([0-9a-f]{16}) ", listed, re.M)[1]
    queue(run, host, "delete", number)
    wait_for(lambda: not queued(host), what="the deletion")
    assert sink.messages == []


def test_the_queue_survives(mailhost, weir, sink, tmp_path):
    """Kills while messages come in and go out: each acknowledged one arrives, at least once."""
    host = relaying(mailhost, sink.port, more=", tls: off", workers=2)
    port = host.ports["smtp"]
    config = host.config.read_text().replace("smtp: 127.0.0.1:0", f"smtp: 127.0.0.1:{port}")
    host.config.write_text(config)
    server, acknowledged = host.server, []
    for round in range(4):
        for _ in range(6):
            name = f"{round}-{len(acknowledged)}"
            try:
                send(host, "ok", message=f"X-Number: {name}\r\n\r\n{'x' * 3000}\r\n".encode())
                acknowledged.append(name.encode())
            except OSError:
                break
        server.process.kill()
        server.process.wait()
        server = weir("-c", host.config)
    wait_for(lambda: not queued(host), what="an empty queue")
    assert server.stop() == 0
    texts = [text for _, text in sink.messages]
    assert all(text.endswith(b"x" * 3000 + b"\r\n") for text in texts)
    assert set(acknowledged) == {number_of(text) for text in texts} and len(acknowledged) == 24
    assert not list((tmp_path / "queue").glob("*.msg"))


def test_a_smart_host_that_comes_later(mailhost, tmp_path):
    """The host does not answer at first; the queue survives a restart."""
    port = free_port()
    host = relaying(mailhost, port, more=", tls: off")
    send(host, "ok")
    host.wait_log("relay deferred .*refused")
    sink = Sink(port)
    wait_for(lambda: sink.messages, what="the delivery")
    wait_for(lambda: not queued(host), what="the end")
    sink.close()


def test_a_message_from_a_user_of_submission(mailhost, sink):
    host = relaying(mailhost, sink.port, "submission", more=", tls: off")
    with host.smtp("submission", "alice") as client:
        assert client.sendmail(SENDER, ["ok@elsewhere.example", f"bob@{DOMAIN}"], HELLO) == {}
    wait_for(lambda: sink.messages, what="the delivery")
    assert len(host.mailbox("bob")) == 1
    assert b"Message-ID: " in sink.messages[0][1]


def test_an_alias_elsewhere(mailhost, sink, tmp_path):
    (tmp_path / "aliases").write_text("sales: alice, ok@elsewhere.example\n")
    relay = f"relay: {{host: 127.0.0.1, port: {sink.port}, queue: queue, tls: off}}\n"
    host = mailhost("smtp", mail=relay + "aliases: aliases")
    host.send("sales")
    wait_for(lambda: sink.messages, what="the delivery")
    assert len(host.mailbox()) == 1


def test_settings_are_reloaded(mailhost, sink):
    host = relaying(mailhost, 9, more=", tls: off")
    send(host, "ok")
    host.wait_log("relay deferred")
    text = host.config.read_text()
    host.config.write_text(text.replace("port: 9,", f"port: {sink.port},"))
    host.reload()
    wait_for(lambda: sink.messages, what="the delivery")
    host.config.write_text(re.sub("  relay: .*\n", "", text))
    host.reload(2)
    assert "the relay stays until the next start" in host.server.stderr


def test_a_queue_has_one_server(mailhost, run, tmp_path, sink):
    host = relaying(mailhost, sink.port, more=", tls: off")
    result = run("serve", "-c", host.config)
    assert result.returncode == 1 and "is used by another process" in result.stderr


@pytest.mark.skipif(not shutil.which("smtp-sink", path="/usr/sbin"), reason="no smtp-sink")
def test_smtp_sink(mailhost, tmp_path):
    """Postfix's own, and many messages over few connections."""
    port = free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        ["/usr/sbin/smtp-sink", *user, f"127.0.0.1:{port}", "64"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        host = relaying(mailhost, port, more=", tls: off")
        with host.smtp() as client:
            for _ in range(100):
                client.sendmail(SENDER, ["a@elsewhere.example"], HELLO)
        wait_for(lambda: not queued(host), what="the delivery of all")
        assert host.server.stop() == 0
        assert host.log.count(" relay sent ") == 100
    finally:
        process.terminate()
        process.wait()


def test_a_directory_that_is_no_queue_is_called_so(run, tmp_path):
    for arguments in ((), ("retry", "--all"), ("delete", "0123456789abcdef")):
        result = run("queue", "--queue", tmp_path, *arguments)
        assert result.returncode == 1
        assert "is not a mail queue" in result.stderr


@pytest.mark.parametrize("greeting", [b"", b"220 silent from here on\r\n"])
def test_a_silent_smart_host_does_not_delay_the_end(mailhost, greeting):
    """SIGTERM ends within the drain time, and the message stays in the queue."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = relaying(mailhost, silent.getsockname()[1], top="limits: {drain: 2s}")
        send(host, "ok")
        client, _ = silent.accept()
        with client:
            client.sendall(greeting)
            idle = host.smtp()
            begun = time.monotonic()
            assert host.server.stop() == 0
            assert time.monotonic() - begun < 25  # by default it is 30 s
            assert idle.sock.recv(100).startswith(b"421 4.3.2 ")
            idle.close()
        assert len(queued(host)) == 1
