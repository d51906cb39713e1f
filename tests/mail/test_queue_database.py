"""The mail queue in a database: several servers forward from it; each message that was acknowledged arrives."""

import os
import re
import signal
import smtplib
import socket
import subprocess
import threading

import pytest

from conftest import wait_for
from mailhost import number_of, numbered
from mailhost import users_file  # noqa: F401

TEXT = b"Subject: hello\r\n\r\nhello\r\n"


class SmartHost:
    """It takes every message, and replies to its end when it may: `gate` is open at first. It keeps the
    numbers of what has come, and of what it has replied to. `refuses`: 451 to every recipient."""

    def __init__(self):
        self.received, self.replied, self.refuses = [], [], False
        self.gate = threading.Event()
        self.gate.set()
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                client = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            with client, client.makefile("rb") as lines:
                self.talk(client, lines)
        except OSError:
            pass  # the server was killed

    def talk(self, client, lines):
        client.sendall(b"220 host ESMTP\r\n")
        while line := lines.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                client.sendall(b"354 Go on\r\n")
                text = b""
                while not text.endswith(b"\r\n.\r\n"):
                    more = lines.readline()
                    if not more:
                        return
                    text += more
                self.received.append(number_of(text))
                self.gate.wait(60)
                client.sendall(b"250 2.0.0 Ok\r\n")
                self.replied.append(number_of(text))
            elif verb == b"RCPT" and self.refuses:
                client.sendall(b"451 4.2.0 Later\r\n")
            elif verb == b"QUIT":
                client.sendall(b"221 Bye\r\n")
                return
            else:
                client.sendall(b"250 Ok\r\n")

    def close(self):
        self.gate.set()
        self.socket.close()


@pytest.fixture
def smart():
    host = SmartHost()
    yield host
    host.close()


class Cluster:
    """Servers with one database, each with a directory of its own."""

    def __init__(self, database, smart, weir, program, path, users):
        self.database, self.smart, self.weir, self.program, self.path = database, smart, weir, program, path
        self.users = users
        self.servers = []

    def config(self, number, lease="1h", more="", retry="1s"):
        directory = self.path / str(number)
        directory.mkdir(exist_ok=True)
        path = directory / "weir.yaml"
        path.write_text(
            "listen: [{smtp: '127.0.0.1:0'}]\n"
            f"store: {{url: '{self.database.url}', parts: [queue]}}\n"
            f"mail:\n  directory: mail\n  domains: [example.org]\n  users: {self.users}\n"
            "  networks: [127.0.0.0/8]\n"
            f"  relay: {{host: 127.0.0.1, port: {self.smart.port}, queue: queue, tls: off, lease: {lease},"
            f" retry-first: {retry}{more}}}\n"
            "mail-log: mail.log\nadmin: admin.sock\nworkers: 2\n"
        )
        return path

    def start(self, **options):
        config = self.config(len(self.servers), **options)
        started = self.weir("-c", config, cwd=config.parent)
        started.config = config
        self.servers.append(started)
        return started

    def verb(self, *words, code=0):
        done = subprocess.run(
            [self.program, *map(str, words)], cwd=self.path, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def queue(self, *words, code=0):
        return self.verb("queue", "-c", self.config("other"), *words, code=code)

    def count(self):
        return int(self.database.query("SELECT count(*) FROM weir_queue"))

    def ids(self):
        return self.database.query("SELECT id FROM weir_queue ORDER BY id").split()


@pytest.fixture
def cluster(database, smart, weir, weir_program, tmp_path, users_file):
    database.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    made = Cluster(database, smart, weir, str(weir_program), tmp_path, users_file)
    made.verb("store", "-c", made.config("other"), "init")
    return made


def send(started, message=TEXT, to="ok@elsewhere.example"):
    with smtplib.SMTP("127.0.0.1", started.port, "client.example", timeout=60) as client:
        client.sendmail("al@else.example", [to], message)


def kill(started):
    for pid in {started.serving_pid, started.pid}:
        os.kill(pid, signal.SIGKILL)
    started.process.wait()


def counted(started, name):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(started.config.parent / "admin.sock"))
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        return float(re.search(rf"^{name} (\S+)$", client.makefile().read(), re.M)[1])


def test_two_servers_forward_each_message_once(cluster, smart):
    servers = [cluster.start() for _ in range(2)]
    # A large one, in several chunks, beside small ones.
    messages = numbered(60)
    messages[7] += b"x" * 70 + b"\r\n" + b"0123456789abcdef\r\n" * 20000
    for i, message in enumerate(messages):
        send(servers[i % 2], message)
    wait_for(lambda: cluster.count() == 0, what="the last delivery")
    assert sorted(smart.received) == sorted(map(number_of, messages))
    for rest in "weir_queue_message", "weir_queue_recipient", "weir_body_chunk", "weir_body_sweep":
        assert cluster.database.query(f"SELECT count(*) FROM {rest}") == "0"
    for started in servers:
        assert started.stop() == 0


def test_a_killed_server_loses_and_doubles_nothing(cluster, smart):
    one = cluster.start(lease="3s")
    messages = numbered(40)
    for message in messages[:20]:
        send(one, message)
    wait_for(lambda: cluster.count() == 0, what="the first deliveries")
    # Some are being sent, and wait for a reply that never comes; others wait in the queue.
    smart.gate.clear()
    for message in messages[20:]:
        send(one, message)
    wait_for(lambda: len(smart.received) > 20, what="a message that is being sent")
    kill(one)
    sent = set(smart.received)
    smart.gate.set()
    two = cluster.start(lease="3s")
    wait_for(lambda: cluster.count() == 0, what="the deliveries of the other server")
    arrived = list(smart.received)
    assert set(arrived) == set(map(number_of, messages))
    # Twice only what the smart host had got, and the killed server had no reply to.
    doubled = {number for number in arrived if arrived.count(number) > 1}
    assert doubled == sent - set(map(number_of, messages[:20]))
    assert all(arrived.count(number) <= 2 for number in doubled)
    # The killed server may have had others whose delivery had only begun.
    assert counted(two, "weir_queue_taken_over_total") >= len(doubled) > 0
    assert two.stop() == 0


def test_killed_while_all_goes_on(cluster, smart):
    """kill -9 at any moment under load: nothing that was acknowledged is lost."""
    two = cluster.start(lease="3s")
    acknowledged, messages = [], numbered(300)
    for round_number in range(3):
        one = cluster.start(lease="3s")

        def load(part, target=one):
            for message in part:
                try:
                    send(target, message)
                except (OSError, smtplib.SMTPException):
                    return
                acknowledged.append(number_of(message))

        part = messages[100 * round_number : 100 * (round_number + 1)]
        before = len(acknowledged)
        threads = [threading.Thread(target=load, args=(part[i::4],)) for i in range(4)]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(acknowledged) >= before + 20 + 10 * round_number, what="the load")
        kill(one)
        for thread in threads:
            thread.join()
    wait_for(lambda: cluster.count() == 0, what="the last delivery")
    assert set(acknowledged) <= set(smart.received)
    assert two.stop() == 0


def test_a_server_that_ends_gives_its_messages_up(cluster, smart):
    one = cluster.start()
    smart.gate.clear()
    for message in numbered(8):
        send(one, message)
    wait_for(lambda: len(smart.received) == 4, what="messages that are being sent")
    smart.refuses = True
    one.send_signal(signal.SIGTERM)
    smart.gate.set()
    assert one.wait() == 0
    # The lease of an hour holds nothing.
    assert cluster.database.query("SELECT count(*), count(lease) FROM weir_queue") == "4|0"
    smart.refuses = False
    two = cluster.start()
    wait_for(lambda: cluster.count() == 0, what="the deliveries of the other server")
    assert len(smart.received) == 8
    assert two.stop() == 0


def test_commands_reach_every_server(cluster, smart):
    smart.refuses = True
    one = cluster.start(retry="1h")
    for message in numbered(3):
        send(one, message)
    wait_for(lambda: "451" in cluster.queue(), what="the refusals")
    wait_for(
        lambda: cluster.database.query("SELECT count(*) FROM weir_queue WHERE tries > 0") == "3", what="the attempts"
    )
    listed = cluster.queue("list")
    ids = cluster.ids()
    assert [line.split()[0] for line in listed.splitlines()[1:] if line.startswith(tuple(ids))] == ids
    assert "<al@else.example>" in listed and "ok@elsewhere.example" in listed and "451 4.2.0 Later" in listed
    assert listed.splitlines()[-1].startswith("3 messages, ")
    shown = cluster.verb("console", "-c", one.config, "queue")
    assert "3 messages" in shown and ids[0] in shown
    assert "is not the name of a message" in cluster.queue("delete", "abc", code=1)
    assert "there is no message" in cluster.queue("retry", ids[0].replace(ids[0][:8], "00000000"), code=1)
    cluster.queue("delete", ids[0])
    assert cluster.ids() == ids[1:]
    smart.refuses = False
    cluster.queue("retry", ids[1])
    wait_for(lambda: cluster.ids() == ids[2:], what="the retry")
    cluster.verb("console", "-c", one.config, "queue", "retry", "all")
    wait_for(lambda: cluster.count() == 0, what="the retry of all")
    assert cluster.queue() == "The queue is empty.\n"
    assert one.stop() == 0


def test_a_message_that_another_server_sends(cluster, smart):
    one = cluster.start()
    smart.gate.clear()
    send(one, numbered(1)[0])
    wait_for(lambda: smart.received, what="a message that is being sent")
    (number,) = cluster.ids()
    cluster.queue("delete", number)
    assert cluster.ids() == [number] and cluster.queue() == "The queue is empty.\n"
    smart.gate.set()
    wait_for(lambda: cluster.count() == 0, what="the end")
    assert one.stop() == 0


def test_the_database_is_away(cluster, smart):
    one = cluster.start()
    smart.gate.clear()
    messages = numbered(4)
    for message in messages[:3]:
        send(one, message)
    wait_for(lambda: len(smart.received) == 3, what="messages that are being sent")
    cluster.database.stop()
    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(one, messages[3])
    assert 400 <= refused.value.smtp_code < 500
    # Replies that come meanwhile are remembered.
    smart.gate.set()
    wait_for(lambda: len(smart.replied) == 3, what="the replies")
    cluster.database.start()
    wait_for(lambda: cluster.count() == 0, what="the states")
    assert len(smart.received) == 3
    wait_for(lambda: not send(one, messages[3]), what="an accepted message")
    wait_for(lambda: cluster.count() == 0, what="the last delivery")
    assert sorted(smart.received) == sorted(map(number_of, messages))
    assert one.stop() == 0


def test_a_queue_in_files_by_its_configuration(cluster):
    config = cluster.config("files")
    config.write_text(re.sub(r"store: .*\n", "", config.read_text()))
    assert "No such file" in cluster.verb("queue", "-c", config, code=1)
    (config.parent / "queue").mkdir()
    (config.parent / "queue" / "lock").touch()
    assert cluster.verb("queue", "-c", config) == "The queue is empty.\n"
    assert "exclude each other" in cluster.verb("queue", "-c", config, "--queue", "queue", code=2)


def test_a_database_that_does_not_answer(run, tmp_path):
    (tmp_path / "weir.yaml").write_text(
        "listen: [{smtp: '127.0.0.1:0'}]\nstore: {url: 'postgres://weir@127.0.0.1:1/weir', wait: 1s}\n"
        "mail: {domains: [example.org], relay: {host: 127.0.0.1, queue: queue}}\n"
    )
    done = run("queue", "-c", "weir.yaml")
    assert done.returncode == 1 and re.search('the queue: connection to server at "127.0.0.1", port 1 failed', done.stderr)
