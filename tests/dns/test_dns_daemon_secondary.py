"""Zones that come to the daemon from other servers: by NOTIFY and transfer, from its disk, by reload."""

import os
import socket

import dns.message
import dns.query
import dns.rcode
import pytest

from conftest import together, wait_for
from dns_daemon import SECRET, check, zone_text
from ports import free_port

KEY = f"keys: [{{name: transfer.example.org, secret: {SECRET}}}]"


class Host:
    """A daemon in a directory of its own, on a port that stays the same."""

    def __init__(self, weir, directory, top=""):
        self.weir = weir
        self.directory = directory
        self.port = free_port()
        self.server = None
        self.top = top
        directory.mkdir()

    def configure(self, *lines):
        text = [f"listen: [{{dns: '127.0.0.1:{self.port}'}}]", "workers: 2", "dns-log: dns.log"]
        text += ["dns:", *(f"  {line}" for line in lines)]
        (self.directory / "weir.yaml").write_text("\n".join(text) + "\n" + self.top)
        return self

    def start(self):
        self.server = self.weir("-c", self.directory / "weir.yaml", cwd=self.directory)
        return self

    def stop(self):
        assert self.server.stop() == 0, self.server.stderr

    def reload(self):
        count = self.server.stderr.count("weir: reloaded")
        self.server.send_signal(1)
        self.server.wait_stderr("weir: reloaded", count + 1)

    def ask(self, name="www.example.org", kind="A"):
        query = dns.message.make_query(name, kind)
        return dns.query.udp(query, "127.0.0.1", port=self.port, timeout=60)

    def address(self):
        reply = self.ask()
        return reply.answer[0][0].address if reply.answer else dns.rcode.to_text(reply.rcode())

    def has(self, address):
        """By all workers."""
        return all(self.address() == address for _ in range(10))

    def log(self):
        path = self.directory / "dns.log"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def pair(weir, tmp_path):
    """A primary and its secondary, configured and not started."""
    primary, secondary = Host(weir, tmp_path / "primary"), Host(weir, tmp_path / "secondary")
    primary.configure(
        KEY,
        "zones: [{name: example.org, file: zone, transfer: {keys: [transfer.example.org]}, "
        f"notify: ['127.0.0.1:{secondary.port}']}}]",
    )
    (primary.directory / "zone").write_text(zone_text())
    secondary.configure(
        KEY,
        "directory: kept",
        f"zones: [{{name: example.org, primaries: ['127.0.0.1:{primary.port}'], "
        "key: transfer.example.org}]",
    )
    return primary, secondary


def test_a_zone_comes_and_follows(pair):
    primary, secondary = pair
    primary.start()
    secondary.start()
    assert f"  the zone example.org., from 127.0.0.1:{primary.port}\n" in secondary.server.stdout
    wait_for(lambda: secondary.has("192.0.2.1"), what="the first version")
    for serial in range(2, 6):
        (primary.directory / "zone").write_text(zone_text(serial))
        primary.reload()
        wait_for(lambda serial=serial: secondary.has(f"192.0.2.{serial}"), what="the next one")
    kept = secondary.directory / "kept" / "example.org.zone"
    wait_for(lambda: "192.0.2.5" in kept.read_text(), what="the file")
    said = 'fetched peer=127.0.0.1 zone="example.org." serial=5 bytes='
    wait_for(lambda: said in secondary.log(), what="the log")
    wait_for(lambda: 'notified peer=127.0.0.1 zone="example.org." serial=5' in primary.log())


def test_what_was_kept_is_served_while_the_primary_is_away(pair):
    primary, secondary = pair
    primary.start()
    secondary.start()
    wait_for(lambda: secondary.has("192.0.2.1"), what="the first version")
    wait_for((secondary.directory / "kept" / "example.org.zone").exists, what="the file")
    primary.stop()
    secondary.reload()
    assert secondary.has("192.0.2.1")
    secondary.stop()
    secondary.start()
    assert secondary.has("192.0.2.1")
    said = 'restored zone="example.org." serial=1'
    wait_for(lambda: said in secondary.log(), what="the log")


def test_there_is_nothing_yet(pair):
    primary, secondary = pair
    secondary.start()
    reply = secondary.ask()
    assert reply.rcode() == dns.rcode.SERVFAIL
    wait_for(lambda: 'fetch-failed peer=127.0.0.1 zone="example.org."' in secondary.log(), 30)
    assert ' error="' in secondary.log()


@together("the old process may still answer for a moment")
def test_a_secondary_by_reload(pair):
    primary, secondary = pair
    primary.start()
    config = secondary.directory / "weir.yaml"
    text = config.read_text()
    (secondary.directory / "zone").write_text(zone_text(77))
    secondary.configure(KEY, "zones: [{name: example.org, file: zone}]").start()
    assert secondary.has("192.0.2.77")
    config.write_text(text)
    secondary.reload()
    wait_for(lambda: secondary.has("192.0.2.1"), what="the primary's")
    secondary.configure(KEY, "zones: [{name: example.org, file: zone}]")
    secondary.reload()
    assert secondary.has("192.0.2.77")


def test_a_notice_of_a_stranger_is_refused(pair):
    primary, secondary = pair
    primary.start()
    secondary.start()
    wait_for(lambda: secondary.has("192.0.2.1"), what="the first version")
    notice = dns.message.make_query("example.org", "SOA")
    notice.set_opcode(4)
    with socket.socket(type=socket.SOCK_DGRAM) as stranger:
        stranger.settimeout(60)
        stranger.bind(("127.0.0.2", 0))
        stranger.sendto(notice.to_wire(), ("127.0.0.1", secondary.port))
        assert dns.message.from_wire(stranger.recv(1000)).rcode() == dns.rcode.REFUSED
        other = dns.message.make_query("example.net", "SOA")
        other.set_opcode(4)
        stranger.sendto(other.to_wire(), ("127.0.0.1", secondary.port))
        assert dns.message.from_wire(stranger.recv(1000)).rcode() == dns.rcode.NOTAUTH


def test_over_https_too(weir, pair, tmp_path):
    """DNS over HTTPS answers from a transferred zone without a reload."""
    primary, secondary = pair
    primary.start()
    web = free_port()
    (secondary.directory / "public").mkdir()
    config = secondary.directory / "weir.yaml"
    config.write_text(
        config.read_text().replace("listen: [", f"listen: [{{http: '127.0.0.1:{web}'}}, ")
        + "sites: [{root: public, dns-over-https: clear}]\n"
    )
    secondary.start()
    wait_for(lambda: secondary.has("192.0.2.1"), what="the first version")
    query = dns.message.make_query("www.example.org", "A").to_wire()
    reply = secondary.server.request(
        "POST", "/dns-query", query, {"Content-Type": "application/dns-message"}, port=web
    )
    assert dns.message.from_wire(reply.body).answer[0][0].address == "192.0.2.1"


@pytest.mark.skipif(os.geteuid() != 0, reason="not root")
def test_as_another_user(weir, pair, quick_path):
    quick_path.chmod(0o755)
    primary, _ = pair
    secondary = Host(weir, quick_path / "secondary", "user: nobody\n")
    config = (primary.directory / "weir.yaml").read_text()
    port = config.split("notify: ['127.0.0.1:")[1].split("'")[0]
    (primary.directory / "weir.yaml").write_text(config.replace(port, str(secondary.port)))
    secondary.configure(
        KEY,
        "directory: kept",
        f"zones: [{{name: example.org, primaries: ['127.0.0.1:{primary.port}'], "
        "key: transfer.example.org}]",
    )
    primary.start()
    secondary.start()
    wait_for(lambda: secondary.has("192.0.2.1"), what="the first version")
    kept = secondary.directory / "kept" / "example.org.zone"
    wait_for(kept.exists, what="the file")
    assert kept.stat().st_uid == kept.parent.stat().st_uid != 0


@pytest.mark.parametrize(
    "lines, said",
    [
        (["zones: [{name: example.org}]"], "lacks 'file', or 'primaries'"),
        (["zones: [{name: example.org, file: example.org.zone, key: k}]"], "'key' is not used: it needs 'primaries'"),
        (["zones: [{name: example.org, primaries: [::1], key: k}]"], "not YAML"),
        (["zones: [{name: example.org, primaries: ['::1'], key: k}]"], "there is no key 'k.'"),
        (["zones: [{name: example.org, primaries: []}]"], "must have 1 to 64 entries"),
        (["directory: none/kept", "zones: [{name: a.org, primaries: ['::1']}]"], "No such file"),
    ],
)
def test_wrong_configurations(run, tmp_path, lines, said):
    result = check(run, tmp_path, lines)
    assert result.returncode == 1 and said in result.stderr, result.stderr


def test_names_that_are_no_files(weir, tmp_path):
    secondary = Host(weir, tmp_path / "secondary").configure(
        "directory: kept",
        "zones: [{name: 0/25.2.0.192.in-addr.arpa, primaries: ['127.0.0.1:1']},",
        "        {name: '.', primaries: ['127.0.0.1:1']}]",
    )
    secondary.start()
    assert secondary.address() == "SERVFAIL"
