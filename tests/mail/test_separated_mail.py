"""Privilege separation under load: crashes of the server process and upgrades, while clients send mail, which is stored
and relayed, fetch pages and a large file, and ask names by UDP. Every message that was acknowledged arrives."""

import http.client
import os
import signal
import smtplib
import socket
import struct
import threading
import time

import pytest

from conftest import wait_for
from mailhost import DOMAIN, number_of
from mailhost import certificate, mailhost, users_file  # noqa: F401
from test_mail_relay import Sink

ZONE = "$ORIGIN zone.example.\n@ 60 IN SOA ns hostmaster 1 2 3 4 5\n@ 60 IN NS ns\nns 60 IN A 192.0.2.1\n"
LARGE = os.urandom(1 << 22) * 2
QUERY = struct.pack(">HHHHHH", 7, 0, 1, 0, 0, 0) + b"\x02ns\x04zone\x07example\x00" + struct.pack(">HH", 1, 1)


class Load:
    """Threads that each do one thing again and again until the block ends."""

    def __init__(self, *steps):
        self.failures, self.ended = [], threading.Event()
        self.counts = [0] * len(steps)
        self.threads = [threading.Thread(target=self.run, args=item) for item in enumerate(steps)]

    def run(self, index, step):
        while not self.ended.is_set():
            try:
                step()
            except Exception as error:  # every one is looked at in the end
                self.failures.append(f"{step.__name__}: {error!r}")
            self.counts[index] += 1

    def go_on(self):
        """Waits until each has done some more."""
        before = list(self.counts)
        wait_for(lambda: all(now > old for now, old in zip(self.counts, before)), what="the load")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()


class Clients:
    """Of a host whose listeners are smtp, http and dns. `lenient` are those of a server that crashes."""

    def __init__(self, host, lenient=False):
        self.host, self.lenient = host, lenient
        self.acknowledged, self.count = [], 0
        self.connection, self.outlived = None, 0

    def mail(self):
        """Sends one message to a user of the host and to somebody elsewhere."""
        self.count += 1
        number = b"%d" % self.count
        text = b"X-Number: " + number + b"\r\n\r\nhello\r\n"
        try:
            with self.host.smtp() as client:
                to = [f"alice@{DOMAIN}", "ok@elsewhere.example"]
                assert client.sendmail(f"alice@{DOMAIN}", to, text) == {}
                self.acknowledged.append(number)
        except ConnectionRefusedError:
            raise
        except smtplib.SMTPException:
            pass  # 421, or the end of the connection: a client sends such a message later
        except OSError:
            if not self.lenient:
                raise

    def page(self):
        began = time.monotonic()
        try:
            with socket.create_connection(("127.0.0.1", self.host.ports["http"]), timeout=60) as client:
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                got = b""
                while more := client.recv(4096):
                    got += more
            complete = got.startswith(b"HTTP/1.1 200") and got.endswith(b"\r\n\r\nhello")
        except ConnectionResetError:
            complete = False
        # On a busy machine the request may come so late that the connection counts as idle.
        assert complete or self.lenient or time.monotonic() - began > 0.5, got

    def kept(self):
        """A request on a connection that is kept; the server may close it while it is idle."""
        began = time.monotonic()
        if not self.connection:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.host.ports["http"], timeout=60)
            self.connection.connect()
            fresh = True
        else:
            fresh = False
        try:
            self.connection.request("GET", "/")
            assert self.connection.getresponse().read() == b"hello"
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            self.connection.close()
            self.connection = None
            assert not fresh or time.monotonic() - began > 0.5  # as in `page`
        time.sleep(0.01)

    def download(self):
        """Reads a large file slowly, from the server process that has accepted the connection."""
        before = self.host.server.server_pid
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            client.settimeout(60)
            client.connect(("127.0.0.1", self.host.ports["http"]))
            client.sendall(b"GET /large HTTP/1.0\r\n\r\n")
            got = b""
            while more := client.recv(1 << 17):
                got += more
                time.sleep(0.01)
        assert got.endswith(LARGE) and got.startswith(b"HTTP/1.1 200")
        self.outlived += self.host.server.server_pid != before

    def name(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", self.host.ports["dns"]))
            client.settimeout(5 if self.lenient else 60)
            try:
                client.send(QUERY)
                assert client.recv(512)[:2] == QUERY[:2]
            except TimeoutError:
                assert self.lenient, "a query is lost"


@pytest.fixture
def sink():
    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture
def separated(mailhost, sink, tmp_path, segv_kills):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("hello")
    (tmp_path / "site" / "large").write_bytes(LARGE)
    (tmp_path / "zone").write_text(ZONE)
    relay = f"relay: {{host: 127.0.0.1, port: {sink.port}, queue: queue, retry-first: 1s}}"
    top = "privilege-separation: yes\nadmin: admin.sock\nsites: [{root: site}]\n"
    top += "dns: {zones: [{name: zone.example, file: zone}]}\n"
    return mailhost(
        "smtp", "http", "dns", mail="networks: [127.0.0.0/8]\n" + relay, top=top, workers=2
    )


def numbers(texts):
    return sorted(number_of(text) for text in texts)


def wait_relayed(host, sink, acknowledged):
    wait_for(lambda: not list((host.directory / "queue").glob("*.env")), 60, what="the relay")
    assert set(acknowledged) <= set(numbers(text for _, text in sink.messages))


def stored(host):
    return numbers(path.read_bytes() for path in host.mailbox("alice"))


def test_upgrades_lose_nothing_and_send_nothing_twice(separated, sink, run, tmp_path):
    """The bench makes ten of them, with more load: ./dev bench upgrades."""
    clients = Clients(separated)
    with Load(clients.mail, clients.page, clients.kept, clients.name, clients.download) as load:
        for _ in range(4):
            before = separated.server.server_pid
            result = run("upgrade", "--admin", tmp_path / "admin.sock")
            assert (result.returncode, result.stderr) == (0, "")
            load.go_on()
            # At most two generations: the old one must have ended.
            wait_for(lambda: separated.server.child_count() == 1, 60, what="the end of the old one")
            assert separated.server.server_pid != before
    assert load.failures == []
    assert len(clients.acknowledged) > 8
    assert clients.outlived > 0
    wait_relayed(separated, sink, clients.acknowledged)
    mailbox = stored(separated)
    assert set(clients.acknowledged) <= set(mailbox)
    assert len(set(mailbox)) == len(mailbox)
    relayed = numbers(text for _, text in sink.messages)
    assert len(set(relayed)) == len(relayed)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_crashes_lose_nothing_that_was_acknowledged(separated, sink, number):
    clients = Clients(separated, lenient=True)
    with Load(clients.mail, clients.page, clients.name) as load:
        for count in range(1, 4):
            load.go_on()
            os.kill(separated.server.server_pid, number)
            separated.server.wait_stderr(f"was killed by signal {int(number)} (", count)
        load.go_on()
    assert load.failures == []
    wait_relayed(separated, sink, clients.acknowledged)
    mailbox = stored(separated)
    assert set(clients.acknowledged) <= set(mailbox)
    assert len(set(mailbox)) == len(mailbox)
