"""Numbered messages, sent by several clients at a time, and counted in the mailboxes afterwards.

A client never repeats a message. So each of them must be there exactly once if it was acknowledged, at most once if
the connection ended before the reply, and not at all if it was refused.
"""

import base64
import collections
import hashlib
import itertools
import poplib
import random
import re
import socket
import ssl
import threading

from bed import DOMAIN, SECRET
from bed_network import await_true

SECONDS = 60
numbers = itertools.count(1)


class Refused(Exception):
    """A reply that is no success; the text is the reply."""


class Closed(Exception):
    """The connection ended."""


def message(number, size):
    """A message whose text shows whether it is whole."""
    # A database cannot compress it.
    body = base64.encodebytes(random.randbytes(size * 3 // 4)).replace(b"\n", b"\r\n")
    return b"X-Number: %d\r\nX-Sum: %s\r\n\r\n%s" % (number, hashlib.sha256(body).hexdigest().encode(), body)


def number_of(text):
    """The number of a message as it was fetched; None if a part is missing."""
    head, _, body = text.partition(b"\r\n\r\n")
    number, digest = re.search(rb"^X-Number: (\d+)\r?$", head, re.M), re.search(rb"^X-Sum: (\w+)\r?$", head, re.M)
    if not number or not digest or hashlib.sha256(body).hexdigest().encode() != digest[1]:
        return None
    return int(number[1])


class Smtp:
    """A session, with pipelining."""

    def __init__(self, port, seconds=SECONDS):
        self.socket = socket.create_connection(("127.0.0.1", port), seconds)
        self.file = self.socket.makefile("rb")
        self.reply("220")
        self.ask(b"EHLO client.example\r\n", "250")

    def reply(self, expected):
        while True:
            line = self.file.readline()
            if not line.endswith(b"\r\n"):
                raise Closed(line.decode())
            if line[3:4] != b"-":
                break
        text = line.decode().strip()
        if not text.startswith(expected):
            raise Refused(text)
        return text

    def ask(self, data, *expected):
        self.socket.sendall(data)
        return [self.reply(each) for each in expected]

    def send(self, to, text, domain=DOMAIN):
        """Returns when the message is acknowledged."""
        recipients = [to] if isinstance(to, str) else to
        head = b"MAIL FROM:<a@client.example>\r\n" + b"".join(
            b"RCPT TO:<%s@%s>\r\n" % (each.encode(), domain.encode()) for each in recipients)
        self.ask(head, "250", *["250"] * len(recipients))
        self.ask(b"DATA\r\n", "354")
        # No line of ours begins with a dot.
        return self.ask(text + b".\r\n", "250")[0]

    def close(self):
        self.file.close()
        self.socket.close()


class Traffic:
    """Senders, from start() or `with` to stop(), or until there were `count` messages.

    `targets` are functions that return a port each, in turn.
    """

    def __init__(self, targets, users, clients=4, sizes=(2000,), per_session=20, pause_s=0.0, count=None,
                 domain=DOMAIN):
        self.targets, self.users, self.sizes = targets, users, sizes
        self.per_session, self.pause_s, self.domain = per_session, pause_s, domain
        self.acknowledged, self.unknown, self.refused = set(), set(), {}
        self.sessions_lost, self.left = 0, count
        self.over, self.lock = threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(index,)) for index in range(clients)]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def stop(self):
        self.over.set()
        self.join()

    def join(self):
        for thread in self.threads:
            thread.join()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def run(self, index):
        for turn in itertools.count(index):
            if self.over.is_set():
                break
            try:
                self.session(self.targets[turn % len(self.targets)]())
            except (OSError, Closed, Refused):
                # Before any message of this session: the front end is away.
                self.over.wait(0.02)

    def session(self, port):
        client = Smtp(port)
        try:
            for _ in range(self.per_session):
                if self.over.is_set() or not self.one(client):
                    break
                self.over.wait(self.pause_s)
        finally:
            client.close()

    def one(self, client):
        """Sends a message; false if the session has ended."""
        with self.lock:
            if self.left is not None:
                if self.left == 0:
                    self.over.set()
                    return False
                self.left -= 1
            number = next(numbers)
        user, size = self.users[number % len(self.users)], self.sizes[number % len(self.sizes)]
        try:
            client.send(user, message(number, size), self.domain)
        except Refused as refused:
            with self.lock:
                self.refused[number] = str(refused)
            return False
        except (OSError, Closed):
            with self.lock:
                self.unknown.add(number)
                self.sessions_lost += 1
            return False
        with self.lock:
            self.acknowledged.add(number)
        return True

    def sent(self):
        with self.lock:
            return len(self.acknowledged)


def await_more(*traffics, count=60):
    """Waits until each of them has had further messages acknowledged."""
    marks = [(traffic, traffic.sent() + count) for traffic in traffics]
    for traffic, mark in marks:
        await_true(lambda traffic=traffic, mark=mark: traffic.sent() >= mark, "delivery")


def pop3(port, user, seconds=SECONDS, tls=True):
    """A session of POP3 behind its login."""
    if tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        client = poplib.POP3_SSL("127.0.0.1", port, timeout=seconds, context=context)
    else:
        client = poplib.POP3("127.0.0.1", port, timeout=seconds)
    client.user(user)
    client.pass_(SECRET)
    return client


def fetch(port, user, tls=True):
    """The texts of a user's messages."""
    client = pop3(port, user, tls=tls)
    texts = [b"\r\n".join(client.retr(number + 1)[1]) + b"\r\n" for number in range(client.stat()[0])]
    client.quit()
    return texts


def take(port, user):
    """Fetches and removes a user's messages, and returns their texts."""
    client, texts = pop3(port, user), []
    for index in range(client.stat()[0]):
        texts.append(b"\r\n".join(client.retr(index + 1)[1]) + b"\r\n")
        client.dele(index + 1)
    client.quit()
    return texts


class Found:
    """The messages in the mailboxes, beside the replies that the senders got."""

    def __init__(self, traffic, port, users, tls=True):
        texts = [text for user in users for text in fetch(port, user, tls)]
        stored = collections.Counter(number_of(text) for text in texts)
        self.damaged = stored.pop(None, 0)
        self.count = sum(stored.values())
        self.lost = traffic.acknowledged - set(stored)
        self.refused = set(traffic.refused) & set(stored)
        self.doubled = {number for number, count in stored.items() if count > 1}

    @property
    def faults(self):
        """Empty if all is well."""
        return {name: value for name, value in vars(self).items() if name != "count" and value}
