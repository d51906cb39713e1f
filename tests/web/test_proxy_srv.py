"""Upstreams by names, those of SRV and others, from a zone of a server of our own, which the resolver of another one asks."""

import collections
import os
import signal
import subprocess

import pytest

from conftest import wait_for
from ports import free_port
from proxying import metrics
from upstream import Upstream, ok
from wire import get

ZONE = """\
$ORIGIN app.test.
$TTL 1
@ IN SOA ns hostmaster {serial} 3600 600 86400 1
@ IN NS ns
ns IN A 127.0.0.1
one IN A {address}
two IN A 127.0.0.1
"""


@pytest.fixture
def resolving():
    """A command that runs a program with another resolv.conf, and where that is to be."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    unshared = ["unshare", *user, "--mount"]
    script = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'

    def prefix(conf):
        command = [*unshared, "sh", "-c", script, "sh", str(conf)]
        done = subprocess.run([*command, "true"], capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"no mounts of one's own: {done.stderr.strip()}")
        return command

    return prefix


class Zone:
    """A server with the zone app.test, whose SRV records are replaced by a reload, and the address of `one`."""

    address = "127.0.0.1"

    def __init__(self, weir, directory):
        self.file, self.serial, self.port = directory / "app.test", 0, free_port()
        self.write()
        config = directory / "dns.yaml"
        config.write_text(
            f"listen: [{{dns: '127.0.0.1:{self.port}'}}]\ndns: {{zones: [{{name: app.test, file: app.test}}]}}\n"
        )
        self.server = weir("-c", config, cwd=directory)

    def write(self, *records):
        self.serial += 1
        lines = [f"_http._tcp IN SRV {priority} {weight} {port} {host}" for priority, weight, port, host in records]
        self.file.write_text(ZONE.format(serial=self.serial, address=self.address) + "\n".join(lines) + "\n")

    def replace(self, *records):
        self.write(*records)
        self.server.send_signal(signal.SIGHUP)


@pytest.fixture
def zone(weir, tmp_path):
    (tmp_path / "dns").mkdir()
    return Zone(weir, tmp_path / "dns")


def test_weights_and_priorities(zone, configured, resolving, tmp_path):
    def named(name):
        return Upstream({"/": ok(name, b"Connection: close")})

    one, two, backup, new = (named(name) for name in (b"one", b"two", b"backup", b"new"))
    zone.replace((0, 1, one.port, "one"), (0, 4, two.port, "two"), (9, 1, backup.port, "one"))
    conf = tmp_path / "resolv.conf"
    conf.write_text(f"nameserver [127.0.0.1]:{zone.port}\n")
    server = configured(
        """
workers: 1
admin: admin.sock
upstreams:
  - {name: app, servers: [{url: 'http+srv://_http._tcp.app.test'}], balance: round-robin, down: 1h, failures: 1}
sites: [{proxy: [{to: app}]}]
""",
        prefix=resolving(conf),
    )
    server.admin = tmp_path / "admin.sock"

    def share(count=10):
        return collections.Counter(get(server, "/").text for _ in range(count))

    # The first request waits until the name is known, or the zone is served.
    wait_for(lambda: share() == {"one": 2, "two": 8}, what="the weights")
    # While all servers of the first priority are down, the next priority is asked.
    one.close(), two.close()
    wait_for(lambda: share() == {"backup": 10}, what="the next priority")
    assert metrics(server)['weir_proxy_down_servers{upstream="app"}'] == 2
    # With the time to live of a second, the zone is looked at again: other servers, and other weights.
    zone.replace((0, 3, new.port, "two"), (0, 2, backup.port, "one"))
    wait_for(lambda: share() == {"new": 6, "backup": 4}, what="the new servers")


def test_a_name_whose_address_changes(zone, configured, resolving, tmp_path):
    first = Upstream({"/": ok(b"first", b"Connection: close")})
    second = Upstream({"/": ok(b"second", b"Connection: close")}, address=("127.0.0.2", first.port))
    conf = tmp_path / "resolv.conf"
    conf.write_text(f"nameserver [127.0.0.1]:{zone.port}\n")
    server = configured(
        f"workers: 1\nsites: [{{proxy: [{{to: 'http://one.app.test:{first.port}'}}]}}]\n", prefix=resolving(conf)
    )
    wait_for(lambda: get(server, "/").text == "first", what="the first address")
    zone.address = "127.0.0.2"
    zone.replace()
    wait_for(lambda: get(server, "/").text == "second", what="the second address")
    # The first server is there still, and is not asked any more.
    asked = len(first.requests)
    assert get(server, "/").text == "second" and len(first.requests) == asked
    first.close(), second.close()


def test_a_name_without_records(zone, configured, resolving, tmp_path):
    conf = tmp_path / "resolv.conf"
    conf.write_text(f"nameserver [127.0.0.1]:{zone.port}\n")
    server = configured(
        "sites: [{proxy: [{to: 'http+srv://_http._tcp.app.test'}]}]\naccess-log: access.log\n", prefix=resolving(conf)
    )
    assert get(server, "/").status == 503
    wait_for(lambda: 'upstream_error="no server is known"' in (tmp_path / "access.log").read_text())
