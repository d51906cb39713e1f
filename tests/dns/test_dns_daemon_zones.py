"""Zones of the daemon on their way: to secondaries, and anew from their files."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time

import dns.exception
import dns.message
import dns.query
import pytest

from conftest import together, wait_for
from dns_daemon import (  # noqa: F401
    authority,
    axfr,
    client,
    KEYRING,
    pair,
    SECRET,
    served,
    zone_text,
)
from ports import free_port


# -- transfers --


def test_a_transfer_with_a_key(served, tmp_path):
    (tmp_path / "key").write_text(SECRET + "\n")
    server = served(
        "keys: [{name: transfer.example.org, file: key}]",
        zone=", transfer: {keys: [transfer.example.org]}",
    )
    zone = axfr(server, keyring=KEYRING)
    assert zone.get_rdataset("www.example.org.", "A")[0].address == "192.0.2.1"
    with pytest.raises(dns.query.TransferError):
        axfr(server)
    out = client(
        *["dig", "@127.0.0.1", "-p", server.port, "-y"],
        *[f"hmac-sha256:transfer.example.org:{SECRET}", "example.org", "AXFR"],
    ).stdout
    assert "XFR size: 6 records" in out, out
    wait_for(lambda: server.log().count(" transferred ") == 2, what="the log")
    assert re.search(
        r' dns transferred peer=127.0.0.1 zone="example.org." serial=1 bytes=\d+', server.log()
    )
    refused = ' dns transfer-refused peer=127.0.0.1 zone="example.org."'
    wait_for(lambda: refused in server.log(), what="the log of the refusal")


def test_networks_and_keys(served, tmp_path):
    keys = f"keys: [{{name: transfer.example.org, secret: {SECRET}}}]"
    transfer = ", transfer: {both: true, networks: [%s], keys: [transfer.example.org]}"
    server = served(keys, zone=transfer % "127.0.0.0/8")
    with pytest.raises(dns.query.TransferError):
        axfr(server)
    assert axfr(server, keyring=KEYRING)
    config = tmp_path / "weir.yaml"
    config.write_text(config.read_text().replace("127.0.0.0/8", "192.0.2.0/24"))
    server.reload()
    with pytest.raises(dns.query.TransferError):
        axfr(server, keyring=KEYRING)


def test_secondaries_are_told_once_all_workers_have_the_zone(served):
    with socket.socket(type=socket.SOCK_DGRAM) as secondary:
        secondary.bind(("127.0.0.1", 0))
        secondary.settimeout(60)
        server = served(zone=", notify: ['127.0.0.1:%d']" % secondary.getsockname()[1], workers=4)

        def hear(serial):
            """The notice, and that nobody has another zone by then."""
            while True:
                wire, peer = secondary.recvfrom(1000)
                notice = dns.message.from_wire(wire)
                if notice.answer[0][0].serial == serial:
                    break
            for _ in range(30):
                assert server.ask("example.org", "SOA").answer[0][0].serial == serial
            secondary.sendto(dns.message.make_response(notice).to_wire(), peer)

        hear(1)
        for serial in range(2, 6):
            server.write(zone_text(serial))
            server.reload()
            hear(serial)
        wait_for(lambda: "serial=5" in server.log(), what="the log")
        notified = re.findall(r' notified peer=127.0.0.1 zone="example.org." serial=5', server.log())
        assert len(notified) == 1
        server.reload()
        secondary.settimeout(0.5)
        with pytest.raises(socket.timeout):
            while dns.message.from_wire(secondary.recvfrom(1000)[0]).answer[0][0].serial < 6:
                pass


@pytest.mark.skipif(not os.path.exists("/usr/sbin/nsd"), reason="no NSD")
def test_nsd_follows_as_a_secondary(served, tmp_path):
    port = free_port()
    server = served(
        f"keys: [{{name: transfer.example.org, secret: {SECRET}}}]",
        zone=f", transfer: {{keys: [transfer.example.org]}}, notify: ['127.0.0.1:{port}']",
    )
    directory = tmp_path / "nsd"
    directory.mkdir()
    (directory / "nsd.conf").write_text(
        f"""server:
  ip-address: 127.0.0.1@{port}
  username: ""
  zonesdir: "{directory}"
  pidfile: ""
  database: ""
  xfrdfile: "{directory}/xfrd"
  zonelistfile: "{directory}/list"
  xfrdir: "{directory}"
remote-control:
  control-enable: no
key:
  name: transfer.example.org
  algorithm: hmac-sha256
  secret: "{SECRET}"
zone:
  name: example.org
  zonefile: example.org
  request-xfr: AXFR 127.0.0.1@{server.port} transfer.example.org
  allow-notify: 127.0.0.1 NOKEY
"""
    )

    def serial():
        try:
            query = dns.message.make_query("example.org", "SOA")
            return dns.query.udp(query, "127.0.0.1", port=port, timeout=1).answer[0][0].serial
        except (dns.exception.DNSException, OSError, IndexError):
            return None

    with open(directory / "log", "w") as log:
        command = ["/usr/sbin/nsd", "-d", "-c", str(directory / "nsd.conf")]
        nsd = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for(lambda: serial() == 1, what="the first transfer")
        for number in (2, 3):
            server.write(zone_text(number))
            server.reload()
            wait_for(lambda number=number: serial() == number, what="what was told of")
    finally:
        nsd.terminate()
        nsd.wait(60)
    notified = 'notified peer=127.0.0.1 zone="example.org." serial=3'
    wait_for(lambda: notified in server.log(), what="the log of the notification")


# -- reloads --


def test_a_bad_zone_stays_and_all_others_are_renewed(served, tmp_path):
    names = ["example.org", "example.net", "example.com"]

    def write(serial, broken=None):
        for name in names:
            more = "bad IN A 1.2.3\n" if name == broken else ""
            (tmp_path / f"{name}.zone").write_text(zone_text(serial, more))

    write(1)
    server = served(zones={name: "" for name in names})
    write(2, broken="example.net")
    server.reload()
    assert [server.address(f"www.{name}") for name in names] == [
        "192.0.2.2", "192.0.2.1", "192.0.2.2",
    ]
    assert f"{tmp_path}/example.net.zone:7: " in server.server.stderr
    assert "the zone example.net. keeps its previous version" in server.server.stderr
    write(3)
    server.reload()
    assert server.address("www.example.net") == "192.0.2.3"
    (tmp_path / "example.com.zone").unlink()
    server.reload()
    assert server.address("www.example.com") == "192.0.2.3"
    assert "No such file" in server.server.stderr


def test_a_new_zone_that_is_bad_refuses_the_configuration(served, tmp_path):
    server = served()
    (tmp_path / "example.net.zone").write_text("no zone\n")
    server.write(zone_text(2))
    with open(tmp_path / "weir.yaml", "a") as config:
        config.write("    - {name: example.net, file: example.net.zone}\n")
    server.reload("not reloaded")
    assert server.address() == "192.0.2.1"
    (tmp_path / "example.net.zone").write_text(zone_text(9))
    server.reload("weir: reloaded")
    assert server.address() == "192.0.2.2" and server.address("www.example.net") == "192.0.2.9"


def opened(trace):
    return len(re.findall(r"example\.org\.zone", trace.read_text()))


@together("each reload makes a server process, which reads all files")
@pytest.mark.skipif(not shutil.which("strace"), reason="no strace")
def test_an_unchanged_file_is_not_read_again(served, tmp_path):
    server = served()
    wait_for(lambda: time.time() - (tmp_path / "example.org.zone").stat().st_ctime > 2.2)
    server.reload()  # now it is not new any more
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-e", "trace=openat", "-o", trace, "-p", str(server.server.pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        if "attached" not in tracer.stderr.readline():
            pytest.skip("strace may not attach")
        server.reload()
        server.reload()
        server.write(zone_text(2))
        server.reload()
        tracer.terminate()
    assert opened(trace) == 1
    assert server.address() == "192.0.2.2"


def test_what_a_file_includes_is_read_again(served, tmp_path):
    (tmp_path / "part").write_text("www IN A 192.0.2.50\n")
    text = "\n".join(line for line in zone_text().splitlines() if "www" not in line)
    (tmp_path / "example.org.zone").write_text(text + "\n$INCLUDE part\n")
    server = served()
    assert server.address() == "192.0.2.50"
    wait_for(lambda: time.time() - (tmp_path / "example.org.zone").stat().st_ctime > 2.2)
    server.reload()
    (tmp_path / "part").write_text("www IN A 192.0.2.51\n")
    server.reload()
    assert server.address() == "192.0.2.51"


def test_settings_change_by_reload(served, tmp_path):
    server = served("version: one")
    config = tmp_path / "weir.yaml"
    config.write_text(config.read_text().replace("version: one", "version: two"))
    server.reload()

    def version():
        return server.ask("version.bind", "TXT", rdclass="CH").answer[0][0].strings[0]

    assert all(version() == b"two" for _ in range(20))


@together("limits change at once then")
@pytest.mark.skipif(os.geteuid() != 0, reason="not root")
def test_a_low_port_and_another_user(weir, quick_path):
    quick_path.chmod(0o755)
    (quick_path / "zone").write_text(zone_text())
    (quick_path / "weir.yaml").write_text(
        "listen: [{dns: '127.91.8.7:53'}]\nuser: nobody\nworkers: 2\ndns-log: dns.log\n"
        "dns: {zones: [{name: example.org, file: zone}]}\n"
    )
    server = weir("-c", quick_path / "weir.yaml")
    at = ["@127.91.8.7", "+short", "www.example.org"]
    assert client("dig", *at).stdout == "192.0.2.1\n"
    (quick_path / "zone").write_text(zone_text(2))
    with open(quick_path / "weir.yaml", "a") as config:
        config.write("limits: {idle: 20s}\n")
    server.send_signal(signal.SIGHUP)
    server.wait_stderr("weir: reloaded")
    assert client("dig", *at).stdout == client("dig", *at, "+tcp").stdout == "192.0.2.2\n"
    assert "change at the next start" in server.stderr
    server.stop()
    assert "ended" in (quick_path / "dns.log").read_text()


@pytest.mark.skipif(not shutil.which("dnsperf"), reason="no dnsperf")
def test_no_query_is_lost_while_zones_are_swapped(served, tmp_path):
    server = served()
    (tmp_path / "queries").write_text("www.example.org A\nno.example.org A\nexample.org NS\n")
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(server.port), "-d", tmp_path / "queries"]
    command += ["-l", "4", "-c", "16", "-Q", "4000", "-t", "5"]
    serial = 1
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
        while load.poll() is None:
            serial = serial % 200 + 1
            server.write(zone_text(serial))
            server.reload()
        out = load.stdout.read()
    assert re.search(r"Queries lost:\s+0 ", out), out
    assert int(re.search(r"Queries completed:\s+(\d+)", out)[1]) > 1000
    assert server.address() == f"192.0.2.{serial}"


@pytest.mark.parametrize(
    "serial, more, said",
    [
        (4, "", "the serial number goes back from 5 to 4"),
        (5, "new A 192.0.2.9\n", "the zone has changed, and its serial number is still 5"),
        (6, "new A 192.0.2.9\n", None),
        (5, "; a comment\n", None),
    ],
)
def test_a_serial_that_hides_a_change_is_a_warning(served, serial, more, said):
    server = served()
    server.write(zone_text(5))
    server.reload()
    server.write(zone_text(serial, more))
    server.reload()
    said_now = server.server.stderr
    assert "goes back from 1" not in said_now
    if said:
        assert said in said_now
    else:
        assert "warning" not in said_now
    assert server.ask("example.org", "SOA").answer[0][0].serial == serial
