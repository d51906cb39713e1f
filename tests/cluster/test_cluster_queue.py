"""Mail for another host, of which any front end may send any message, while front ends and the primary die."""

import collections
import threading

import pytest

from bed import ALL_PARTS, Cluster
from bed_network import await_true
from bed_traffic import Traffic, number_of

PORT = 2600
CONNECTIONS = 4  # of a front end to the smart host
RELAY = (f", networks: [127.0.0.0/8], relay: {{host: 10.77.0.1, port: {PORT}, queue: queue, tls: off, lease: 2s,"
         f" retry-first: 1s, connections: {CONNECTIONS}}}")


class SmartHost:
    """Counts the messages that it has acknowledged, by their numbers; None is a message that is not whole."""

    def __init__(self, listening):
        self.listening, self.received = listening, collections.Counter()
        self.open = threading.Event()  # it sends replies to messages
        self.open.set()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            with client, client.makefile("rb") as lines:
                client.sendall(b"220 sink\r\n")
                while line := lines.readline():
                    verb = line.split()[0].upper()
                    if verb == b"DATA":
                        client.sendall(b"354 Go on\r\n")
                        text = b""
                        while (line := lines.readline()) not in (b".\r\n", b""):
                            text += line
                        self.open.wait()
                        client.sendall(b"250 Ok\r\n")
                        # Above it are the fields that the front end has added.
                        self.received[number_of(text)] += 1
                    else:
                        client.sendall(b"250 Ok\r\n")
        except OSError:
            pass  # the front end was killed


@pytest.fixture(scope="module")
def cluster(weir_program):
    with Cluster(weir_program, parts=ALL_PARTS, settings={"fsync": "off"}, mail=RELAY) as made:
        made.host = SmartHost(made.network.outside.listen(PORT))
        yield made
        made.host.listening.close()


def queued(cluster):
    return cluster.pair.query("SELECT count(*) FROM weir_queue")[0][0]


def test_queued_mail_survives_its_front_end(cluster):
    """A message that a dead front end has claimed is sent by another one."""
    a = cluster.front_ends["a"]
    cluster.host.open.clear()
    with Traffic([lambda: a.port("smtp")], ["x"], clients=1, count=CONNECTIONS, domain="elsewhere.example") as traffic:
        traffic.join()
    assert traffic.sent() == CONNECTIONS
    assert queued(cluster) == CONNECTIONS
    a.kill()
    cluster.host.open.set()
    await_true(lambda: queued(cluster) == 0, "the delivery by others")
    a.start().await_start()
    assert set(cluster.host.received) >= traffic.acknowledged
    # The smart host's reply did not reach the front end that was killed: the message may come twice.
    assert max(cluster.host.received.values()) <= 2


def test_front_ends_and_the_primary_die_while_they_send(cluster):
    targets = [lambda each=each: each.port("smtp") for each in cluster.front_ends.values()]
    before, kills = collections.Counter(cluster.host.received), 0
    with Traffic(targets, ["x"], clients=6, sizes=(500, 4000, 100_000), pause_s=0.03,
                 domain="elsewhere.example") as traffic:
        for name in "abcabc":
            mark = traffic.sent() + 30
            await_true(lambda mark=mark: traffic.sent() >= mark, "delivery")
            cluster.front_ends[name].kill()
            cluster.front_ends[name].start().await_start()
            kills += 1
        dead = cluster.pair.kill_primary()
        kills += len(cluster.front_ends)
        await_true(lambda: cluster.pair.primary is not dead, "promotion")
        mark = traffic.sent() + 30
        await_true(lambda: traffic.sent() >= mark, "delivery")
    await_true(lambda: queued(cluster) == 0, "an empty queue", pause=0.1)
    received = cluster.host.received - before
    assert None not in received
    assert not traffic.acknowledged - set(received)
    assert not set(traffic.refused) & set(received)
    # A message may come twice only if it was being sent at a kill.
    assert sum(count - 1 for count in received.values()) <= kills * CONNECTIONS
