"""Names of no zone, looked up by the daemon: over all its carriers, with the cache, and by reload."""

import signal
import socket
import threading
import time

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rrset
import pytest

from conftest import together, wait_for
from dns_daemon import Curl, Served, authority, check, client, encode, pair, zone_text  # noqa: F401


class Upstream:
    """Answers every A question with `address`, after `delay` seconds; counts the questions."""

    def __init__(self, address="203.0.113.1", ttl=300, delay=0.0):
        self.address, self.ttl, self.delay = address, ttl, delay
        self.asked = 0
        self.stopped = False
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                wire, peer = self.socket.recvfrom(65535)
            except OSError:
                return
            if self.stopped:
                return
            self.asked += 1
            query = dns.message.from_wire(wire)
            reply = dns.message.make_response(query)
            reply.flags |= dns.flags.RA
            name = query.question[0].name
            reply.answer.append(dns.rrset.from_text(name, self.ttl, "IN", "A", self.address))
            if self.delay:
                threading.Timer(self.delay, self.send, (reply.to_wire(), peer)).start()
            else:
                self.send(reply.to_wire(), peer)

    def send(self, wire, peer):
        try:
            self.socket.sendto(wire, peer)
        except OSError:
            pass

    def stop(self):
        """The thread has ended before the descriptor is another socket's, from which it could receive."""
        self.stopped = True
        with socket.socket(type=socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", ("127.0.0.1", self.port))
        self.thread.join()
        self.socket.close()


@pytest.fixture
def upstream():
    made = []

    def start(*arguments, **options):
        made.append(Upstream(*arguments, **options))
        return made[-1]

    yield start
    for one in made:
        one.stop()


@pytest.fixture
def forwarding(weir, pair, tmp_path):
    """forwarding(upstream, lines of `dns`, …) serves by all kinds of listeners."""

    def start(one, *lines, workers=2):
        (tmp_path / "example.org.zone").write_text(zone_text())
        (tmp_path / "public").mkdir(exist_ok=True)
        text = [
            f"workers: {workers}",
            "listen: [{dns: '127.0.0.1:0'}, {dot: '127.0.0.1:0'}, {https: '127.0.0.1:0'}]",
            f"tls: {{certificates: [{{chain: {pair[0]}, key: {pair[1]}}}]}}",
            "sites: [{root: public, dns-over-https: on}]",
            "dns:",
            "  zones: [{name: example.org, file: example.org.zone}]",
            *([f"  forward: ['127.0.0.1:{one.port}']"] if one else []),
            *(f"  {line}" for line in lines),
        ]
        (tmp_path / "weir.yaml").write_text("\n".join(text) + "\n")
        return Served(weir("-c", tmp_path / "weir.yaml", cwd=tmp_path), tmp_path)

    return start


def doh(server, name):
    query = dns.message.make_query(name, "A").to_wire()
    return Curl(server, f"/dns-query?dns={encode(query)}")


def test_by_all_carriers(forwarding, upstream):
    one = upstream()
    server = forwarding(one, workers=1)
    reply = server.ask("a.example.net")
    assert reply.flags & dns.flags.RA and not reply.flags & dns.flags.AA
    assert reply.answer[0][0].address == "203.0.113.1"
    assert server.ask("b.example.net", tcp=True).answer[0][0].address == "203.0.113.1"
    out = client("kdig", "@127.0.0.1", "-p", server.ports["dot"], "+tls", "c.example.net").stdout
    assert "203.0.113.1" in out
    late = doh(server, "d.example.net")
    assert dns.message.from_wire(late.body).answer[0][0].address == "203.0.113.1"
    assert late.fields["cache-control"] in ("max-age=300", "max-age=299")
    assert one.asked == 4
    # One cache for all of them.
    for name in "abcd":
        assert server.address(f"{name}.example.net") == "203.0.113.1"
        assert doh(server, f"{name}.example.net").status == 200
    assert one.asked == 4
    assert server.address() == "192.0.2.1" and one.asked == 4


def ask_by_many(server, name, count=40):
    """The replies to `count` clients that ask at once; each has a port, and so a worker, of its own."""
    query = dns.message.make_query(name, "A").to_wire()
    clients = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(count)]
    for one in clients:
        one.settimeout(60)
        one.sendto(query, ("127.0.0.1", server.port))
    replies = [dns.message.from_wire(one.recv(65535)) for one in clients]
    for one in clients:
        one.close()
    return replies


def test_what_one_worker_has_asked_all_workers_know(forwarding, upstream):
    one = upstream()
    server = forwarding(one, workers=4)
    assert server.address("a.example.net") == "203.0.113.1"
    before = one.asked
    replies = ask_by_many(server, "a.example.net")
    assert one.asked == before
    assert {reply.answer[0][0].address for reply in replies} == {"203.0.113.1"}
    ttls = {reply.answer[0].ttl for reply in replies}
    assert max(ttls) - min(ttls) <= 10, "seconds may pass meanwhile"


def test_what_has_expired_is_there_for_all_workers(forwarding, upstream):
    one = upstream(ttl=1)
    server = forwarding(one, workers=4)
    assert server.address("a.example.net") == "203.0.113.1"
    time.sleep(2.2)
    one.stop()
    for reply in ask_by_many(server, "a.example.net"):
        assert reply.answer[0].ttl == 30 and reply.answer[0][0].address == "203.0.113.1"


def test_a_chain_that_leaves_by_https(forwarding, upstream):
    one = upstream()
    server = forwarding(one, workers=1)
    server.write(zone_text(2, "out 200 IN CNAME a.example.net.\n"))
    server.reload()
    late, cached = (doh(server, "out.example.org") for _ in range(2))
    for reply in (late, cached):
        message = dns.message.from_wire(reply.body)
        assert [str(rrset.name) for rrset in message.answer] == ["out.example.org.", "a.example.net."]
        assert message.answer[1][0].address == "203.0.113.1"
        assert reply.fields["cache-control"] == "max-age=200"
    assert server.ask("out.example.org").answer[1][0].address == "203.0.113.1"
    assert one.asked == 1


def test_the_command_line(weir, upstream, tmp_path):
    one = upstream()
    server = Served(
        weir("--dns", "127.0.0.1:0", "--forward", f"127.0.0.1:{one.port}", cwd=tmp_path), tmp_path
    )
    assert f"  other names, as 127.0.0.1:{one.port} answers\n" in server.server.stdout
    assert server.address("a.example.net") == "203.0.113.1"


@pytest.mark.parametrize("value", ["example.org", ":53", "", "192.0.2.1:0", "192.0.2.1:x"])
def test_wrong_addresses(run, value):
    result = run("serve", "--dns", "127.0.0.1:0", "--forward", value)
    assert result.returncode == 2 and "--forward must be" in result.stderr


def test_forward_alone_is_of_no_use(run):
    result = run("serve", "--http", "127.0.0.1:0", "--forward", "192.0.2.1")
    assert result.returncode != 0 and "--forward needs an address for DNS" in result.stderr


def test_only_who_may(forwarding, upstream):
    server = forwarding(upstream(), "recurse-from: [192.0.2.0/24]")
    reply = server.ask("a.example.net")
    assert reply.rcode() == dns.rcode.REFUSED and not reply.flags & dns.flags.RA
    assert server.address() == "192.0.2.1"
    config = server.directory / "weir.yaml"
    config.write_text(config.read_text().replace("192.0.2.0/24", "127.0.0.0/8"))
    server.reload()
    assert server.address("a.example.net") == "203.0.113.1"


@together("the old process may still answer for a moment")
def test_a_reload_changes_whom_is_asked(forwarding, upstream):
    one, two = upstream("203.0.113.1"), upstream("203.0.113.2")
    server = forwarding(one)
    assert server.address("a.example.net") == "203.0.113.1"
    config = server.directory / "weir.yaml"
    text = config.read_text()
    config.write_text(text.replace(str(one.port), str(two.port)))
    server.reload()
    for number in range(10):
        assert server.address(f"b{number}.example.net") == "203.0.113.2"
    before = one.asked
    for number in range(10):
        assert dns.message.from_wire(doh(server, f"c{number}.example.net").body).answer
    assert one.asked == before


@together("the old process may still answer for a moment")
def test_a_reload_begins_and_ends_it(forwarding, upstream):
    one = upstream()
    server = forwarding(None)
    assert server.ask("a.example.net").rcode() == dns.rcode.REFUSED
    assert dns.message.from_wire(doh(server, "a.example.net").body).rcode() == dns.rcode.REFUSED
    config = server.directory / "weir.yaml"
    text = config.read_text()
    config.write_text(text + f"  forward: ['127.0.0.1:{one.port}']\n")
    server.reload()
    assert all(server.address("a.example.net") == "203.0.113.1" for _ in range(10))
    assert dns.message.from_wire(doh(server, "a.example.net").body).answer
    config.write_text(text)
    server.reload()
    assert server.ask("a.example.net").rcode() == dns.rcode.REFUSED
    assert dns.message.from_wire(doh(server, "a.example.net").body).rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize("stale, rcode", [("1h", dns.rcode.NOERROR), ("0s", dns.rcode.SERVFAIL)])
def test_what_has_expired(forwarding, upstream, stale, rcode):
    one = upstream(ttl=1)
    server = forwarding(one, f"cache: {{stale: {stale}}}", workers=1)
    assert server.ask("a.example.net").answer
    one.stop()
    time.sleep(1.5)
    reply = server.ask("a.example.net")
    assert reply.rcode() == rcode


def test_times_of_the_cache(forwarding, upstream):
    server = forwarding(upstream(ttl=100000), "cache: {size: 1M, ttl-max: 50s}", workers=1)
    server.ask("a.example.net")
    assert 20 <= server.ask("a.example.net").answer[0].ttl <= 50


def ask_in_background(server, name, results):
    def run():
        try:
            results.append(doh(server, name).status)
        except Exception as error:  # the connection ended
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_the_end_waits_for_answers_that_are_on_their_way(forwarding, upstream):
    one = upstream(delay=1.0)
    server = forwarding(one)
    results = []
    threads = [ask_in_background(server, f"a{i}.example.net", results) for i in range(5)]
    wait_for(lambda: one.asked >= 5, what="the questions")
    server.server.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert results == [200] * 5
    assert server.server.wait() == 0


def test_the_end_at_once(forwarding, upstream):
    one = upstream(delay=60)
    server = forwarding(one)
    results = []
    threads = [ask_in_background(server, f"a{i}.example.net", results) for i in range(5)]
    wait_for(lambda: one.asked >= 5, what="the questions")
    for name in ("b.example.net", "c.example.net"):  # waits by UDP and TCP, too
        query = dns.message.make_query(name, "A")
        with pytest.raises(dns.exception.Timeout):
            dns.query.udp(query, "127.0.0.1", port=server.port, timeout=0.2)
    server.server.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    server.server.send_signal(signal.SIGTERM)
    assert server.server.wait() == 1  # nothing was leaked
    for thread in threads:
        thread.join()
    assert "ERROR" not in server.server.stderr


def test_a_reload_while_answers_are_awaited(forwarding, upstream):
    one = upstream(delay=1.0)
    server = forwarding(one)
    results = []
    threads = [ask_in_background(server, f"a{i}.example.net", results) for i in range(5)]
    wait_for(lambda: one.asked >= 5, what="the questions")
    server.reload()
    for thread in threads:
        thread.join()
    assert results == [200] * 5


@pytest.mark.parametrize(
    "lines, said",
    [
        (["forward: [example.org]"], "must be the address of a DNS server"),
        (["forward: []"], "must have 1 to 64 entries"),
        (["forward: [192.0.2.1]", "recurse-from: [x]"], "must be a network"),
        (["zones: [{name: a.org, primaries: [192.0.2.1]}]", "cache: {size: 1G}"], "needs 'forward'"),
        (["forward: [192.0.2.1]", "cache: {size: 1K}"], "must be from 1M to 1T"),
        (["forward: [192.0.2.1]", "cache: {ttl-max: 0s}"], "must be from 1s to 168h"),
        ([f"forward: [{', '.join(['192.0.2.1'] * 9)}]"], "more than 8 servers"),
    ],
)
def test_wrong_configurations(run, tmp_path, lines, said):
    result = check(run, tmp_path, lines)
    assert result.returncode == 1 and said in result.stderr, result.stderr


def test_without_zones(run, tmp_path):
    assert check(run, tmp_path, ["forward: ['2001:db8::1', '[2001:db8::2]:5353', 192.0.2.1]"]).returncode == 0
