"""Floods of what no client would send, as fast as two senders can: the server's memory does not grow,
nothing stays open, and good queries are answered during it and afterwards.
"""

import multiprocessing
import os
import random
import socket
import struct
import time
from pathlib import Path

import dns.edns
import dns.message
import pytest

from dns_servers import Weir
from zone_maker import ZONE

SECONDS = 3
SENDERS = 2
GROWTH_KB = 6 * 1024  # what a sanitizer keeps of freed memory is told to be less than that
TEXT = f"""$ORIGIN {ZONE}.
$TTL 300
@ IN SOA ns hostmaster 1 3600 600 86400 60
@ IN NS ns
ns IN A 192.0.2.1
www IN A 192.0.2.2
"""


def good_query():
    return dns.message.make_query(f"www.{ZONE}", "A")


def header(flags=0, counts=(1, 0, 0, 0)):
    return struct.pack("!6H", 99, flags, *counts)


def malformed(seed, count=4000):
    """Messages that are all wrong, or not of the kind that is answered, each in its own way."""
    dice = random.Random(seed)
    edns = dns.message.make_query(
        f"www.{ZONE}", "A", want_dnssec=True, options=[dns.edns.GenericOption(10, b"12345678")]
    ).to_wire()
    question = b"\3www\7example\3org\0\0\1\0\1"
    fixed = [
        b"",
        b"\0",
        header()[:11],
        header(),  # no question where there should be one
        header() + b"\xc0\x0c\0\1\0\1",  # a name that points at itself
        header() + b"\xc0\xff\0\1\0\1",  # … beyond the end
        header() + b"\x3f" + b"a" * 63 * 5,  # a name that does not end
        header() + b"\1a" * 200 + b"\0\0\1\0\1",  # … that is too long
        header() + b"\x80\0\0\1\0\1",  # a kind of label that there is not
        header(counts=(65535, 65535, 65535, 65535)) + question * 200,
        header(0x8180) + question,  # a reply
        header(0x7800) + question,  # an opcode that there is not
        header(0x2800) + question,  # an update
        header(counts=(1, 0, 0, 2)) + question + b"\0\0\x29\4\0\0\0\0\0\0\0" * 2,  # OPT twice
        header(counts=(1, 0, 0, 1)) + question + b"\0\0\x29\4\0\0\0\0\0\0\4\0\12\xff\xff",
        # TSIG with a MAC that is longer than its record
        header(counts=(1, 0, 0, 1)) + question + b"\0\0\xfa\0\xff\0\0\0\0\0\20"
        + b"\0\0\0\0\0\0\0\0\0\xff\xff\0\0\0\0\0",
        bytes(4096),
        b"\xff" * 4096,
    ]
    made = list(fixed)
    while len(made) < count:
        wire = bytearray(dice.choice([edns, edns, dice.choice(fixed), dice.randbytes(60)]))
        for _ in range(dice.randint(1, 8)):
            if wire:
                wire[dice.randrange(len(wire))] = dice.randrange(256)
        made.append(bytes(wire[: dice.randint(0, len(wire))]))
    return made


def send_datagrams(port, seed, results):
    messages = malformed(seed)
    sent = 0
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.connect(("127.0.0.1", port))
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            for message in messages:
                try:
                    udp.send(message)
                    sent += 1
                except OSError:
                    pass
    results.put(sent)


def send_streams(port, seed, results):
    """Connections that say something wrong, much of it, and read nothing; some end by force."""
    dice = random.Random(seed)
    messages = malformed(seed)
    held, made = [], 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        connection = socket.socket()
        connection.settimeout(0.5)
        try:
            connection.connect(("127.0.0.1", port))
            part = dice.sample(messages, 20)
            framed = b"".join(struct.pack("!H", len(message)) + message for message in part)
            connection.sendall(framed[: dice.randint(1, len(framed))])
        except OSError:
            pass
        made += 1
        if dice.random() < 0.3:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        held.append(connection)
        if len(held) > 100:
            held.pop(dice.randrange(len(held))).close()
    for connection in held:
        connection.close()
    results.put(made)


class Flood:
    def __init__(self, send, port):
        context = multiprocessing.get_context("fork")
        self.results = context.Queue()
        self.senders = [
            context.Process(target=send, args=(port, seed, self.results)) for seed in range(SENDERS)
        ]
        for sender in self.senders:
            sender.start()

    def goes_on(self):
        return any(sender.is_alive() for sender in self.senders)

    def wait(self):
        """How much was sent."""
        total = sum(self.results.get(timeout=60) for _ in self.senders)
        for sender in self.senders:
            sender.join()
        return total


def memory_kb(server):
    for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def hang_up(server):
    server.connection.close()
    server.connection = None


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv(
        "ASAN_OPTIONS", f"{os.environ.get('ASAN_OPTIONS', '')}:quarantine_size_mb=2"
    )
    (tmp_path / "zone").write_text(TEXT)
    running = Weir({ZONE: tmp_path / "zone"}, tmp_path)
    running.wait_until_it_answers(ZONE)
    yield running
    running.stop()


def answered(server):
    """A good query is answered by UDP; where the socket overflows, not at the first time."""
    for _ in range(20):
        wire = server.udp_bytes(good_query().to_wire(), 0.5)
        if wire:
            assert dns.message.from_wire(wire).answer
            return True
    return False


@pytest.mark.parametrize("send,least", [(send_datagrams, 20000), (send_streams, 200)])
def test_a_flood_costs_no_memory_and_leaves_nothing(server, send, least):
    alone = descriptors(server) - 1
    hang_up(server)
    Flood(send, server.port).wait()  # until everything is as large as it gets
    before = memory_kb(server)
    flood = Flood(send, server.port)
    during = 0
    while flood.goes_on():
        during += answered(server)
    assert flood.wait() > least
    assert during > 0
    assert answered(server)
    assert server.ask(good_query()).answer
    assert memory_kb(server) - before < GROWTH_KB
    hang_up(server)
    end = time.monotonic() + 60
    while descriptors(server) != alone and time.monotonic() < end:
        time.sleep(0.05)
    assert descriptors(server) == alone
