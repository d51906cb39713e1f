"""A faulty network between a front end and the database: answers that come late, are lost, or do not come at all.

    front end ──TCP──▶ Faults ──Unix socket──▶ the primary

It runs on the balancer's machine, and speaks the protocol of PostgreSQL as far as to know where an answer ends:
at ReadyForQuery, which follows the end of a transaction.
"""

import contextlib
import socket
import threading
import time

from bed_postgres import DATABASE, ROLE

PORT = 6000


def close(*sockets):
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


class Answers:
    """Cuts what the server sends into messages; those of an answer leave together."""

    def __init__(self):
        self.rest, self.answer, self.begun = b"", b"", False

    def feed(self, data):
        """Yields (bytes, whether a transaction has ended with them)."""
        self.rest += data
        while len(self.rest) >= 5:
            size = 1 + int.from_bytes(self.rest[1:5], "big")
            if len(self.rest) < size:
                return
            message, self.rest = self.rest[:size], self.rest[size:]
            self.answer += message
            if message[:1] == b"Z":
                # The first one ends the greeting.
                yield self.answer, self.begun
                self.answer, self.begun = b"", True
            elif not self.begun:
                yield self.answer, False
                self.answer = b""


class Faults:
    """`pair` is where it connects. Its state may be changed at any time, and holds for open connections, too."""

    def __init__(self, network, pair):
        self.pair = pair
        self.url = f"postgres://{ROLE}@{network.outside.address}:{PORT}/{DATABASE}?sslmode=disable"
        self.delay_s = 0     # before each statement, or group of them that was sent at once
        self.refuse = False  # every connection ends
        self.lose = 0        # the how manieth answer from now on is lost, with its connection; 0: none
        self.lost = threading.Event()
        self.lock, self.open, self.over = threading.Lock(), set(), False
        self.listening = network.outside.listen(PORT)
        threading.Thread(target=self.accept, daemon=True).start()

    def lose_answer(self, number):
        with self.lock:
            self.lost.clear()
            self.lose = number

    def heal(self):
        with self.lock:
            self.delay_s, self.refuse, self.lose = 0, False, 0

    def cut(self):
        """Ends the connections that are open."""
        with self.lock:
            for each in self.open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.over = True
        close(self.listening)
        self.cut()

    # -- threads

    def accept(self):
        while not self.over:
            try:
                client, _ = self.listening.accept()
            except OSError:
                return
            if self.refuse:
                close(client)
                continue
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(f"{self.pair.primary.path}/.s.PGSQL.{self.pair.primary.port}")
            except OSError:
                close(client, server)
                continue
            with self.lock:
                self.open |= {client, server}
            for step in (self.forward, self.answer):
                threading.Thread(target=self.carry, args=(step, client, server), daemon=True).start()

    def carry(self, step, client, server):
        with contextlib.suppress(OSError):
            step(client, server)
        with self.lock:
            self.open -= {client, server}
        close(client, server)

    def forward(self, client, server):
        while data := client.recv(1 << 16):
            end = time.monotonic() + self.delay_s
            while time.monotonic() < min(end, time.monotonic() + self.delay_s):
                time.sleep(0.02)
            server.sendall(data)

    def answer(self, client, server):
        answers = Answers()
        while data := server.recv(1 << 16):
            for text, is_end in answers.feed(data):
                if is_end and self.is_lost():
                    return
                client.sendall(text)

    def is_lost(self):
        with self.lock:
            if not self.lose:
                return False
            self.lose -= 1
            if self.lose:
                return False
            self.lost.set()
            return True
