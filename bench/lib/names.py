"""A zone, queries for it, and DNS servers, each on one core, with the best settings for the case.

The zone has names of many kinds, the same each time; one in twenty is a delegation. The queries ask for
names that exist, some of them beneath wildcards and delegations, and for names that do not exist.
All servers have one worker, no log, no limit of rates, and minimal replies.
"""
import os
import random
import re
import select
import socket
import struct
import subprocess
import time

import measure
import servers
import services
from servers import FOREVER_S, Server

ZONE = "bench.example"
NAMES = 100_000
SIGNED_NAMES = 10_000
QUERIES = 200_000
CACHED_QUERIES = 10_000
MILLION_NAMES = 1_000_000
UNSIGNED, SIGNED, TINY, MILLION = "zone", "zone.signed", "tiny", "million"
HEADER = f"""$ORIGIN {ZONE}.
$TTL 86400
@ IN SOA ns1 hostmaster 1 3600 600 864000 86400
@ IN NS ns1
@ IN NS ns2
ns1 IN A 192.0.2.1
ns2 IN A 192.0.2.2
"""


# --- the zone --------------------------------------------------------------------------------------

def kind_of(number):
    """What a name has: of each hundred the same."""
    for below, kind in ((45, "A"), (65, "AAAA"), (75, "MX"), (85, "TXT"), (94, "CNAME"), (95, "*")):
        if number % 100 < below:
            return kind
    return "NS"


def lines_of(number, names):
    """The records of a name, of `names`."""
    name, kind = f"host{number}", kind_of(number)
    # The first of each hundred has an address.
    other = f"host{number * 7919 % names // 100 * 100}" if number >= 100 else "ns1"
    address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    if kind == "NS":
        return [f"{name} NS ns1.{name}", f"{name} NS ns2.{name}", f"ns1.{name} A {address}",
                f"ns2.{name} AAAA 2001:db8::{number & 0xffff:x}"]
    rdata = {"A": address, "AAAA": f"2001:db8::{number >> 16:x}:{number & 0xffff:x}",
             "MX": f"10 {other}", "TXT": f'"the text of name {number}, of no use"', "CNAME": other,
             "*": address}[kind]
    return [f"*.{name} A {rdata}" if kind == "*" else f"{name} {kind} {rdata}"]


def query_of(dice, names):
    """A question, and whether its answer is that there is no such name."""
    if dice.random() < 0.1:
        return f"absent{dice.randrange(names)}.{ZONE} A", True
    number = dice.randrange(names)
    kind = kind_of(number)
    name = f"host{number}.{ZONE}"
    if kind == "NS":
        return f"www.{name} A", False
    if kind == "*":
        return f"any{dice.randrange(1000)}.{name} A", False
    return f"{name} {'A' if kind == 'CNAME' else kind}", False


def write_queries(path, count, names, kept=lambda _: True):
    """Returns how many of them are for names that are absent."""
    dice, absent, written = random.Random(1), 0, 0
    with open(path, "w", encoding="ascii") as file:
        while written < count:
            query, is_absent = query_of(dice, names)
            if kept(query):
                file.write(query + "\n")
                absent += is_absent
                written += 1
    return absent


def write_zone(path, names):
    with open(path, "w", encoding="ascii") as file:
        file.write(HEADER)
        for number in range(names):
            file.write("\n".join(lines_of(number, names)) + "\n")


def sign(directory, name):
    """Signs a zone. ldns-signzone writes its keys into the current directory."""
    key = subprocess.run(["ldns-keygen", "-a", "ECDSAP256SHA256", ZONE], cwd=directory, check=True,
                         stdout=subprocess.PIPE, text=True).stdout.strip()
    until = time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + 7 * 86400))
    subprocess.run(["ldns-signzone", "-e", until, "-f", SIGNED, name, key], cwd=directory, check=True)


class Place(services.Place):
    """Both zones, and the queries for each."""

    def __enter__(self):
        super().__enter__()
        write_zone(self.path(UNSIGNED), NAMES)
        write_zone(self.path("small"), SIGNED_NAMES)
        write_zone(self.path(TINY), 0)
        sign(self.top, "small")
        self.absent = {
            "queries": write_queries(self.path("queries"), QUERIES, NAMES),
            "signed": write_queries(self.path("signed"), QUERIES, SIGNED_NAMES),
            # The upstream server cannot answer for delegated names.
            "cached": write_queries(self.path("cached"), CACHED_QUERIES, NAMES,
                                    lambda query: not query.startswith("www.")),
        }
        return self

    def make_million(self):
        """Takes seconds to write, so it is made only when it is asked for."""
        if not os.path.exists(self.path(MILLION)):
            write_zone(self.path(MILLION), MILLION_NAMES)


# --- clients ---------------------------------------------------------------------------------------

def question(name, kind):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + labels + struct.pack("!xHH", kind, 1)


def ask(port, name=f"ns1.{ZONE}", kind=1, most_s=1.0):
    """The reply's code and number of answers, or None if none comes."""
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.connect(("127.0.0.1", port))
        try:
            udp.send(question(name, kind))
            if not select.select([udp], [], [], most_s)[0]:
                return None
            flags, _, answers = struct.unpack("!2xHHH", udp.recv(4096)[:8])
        except ConnectionRefusedError:
            return None
    return flags & 15, answers


def await_answers(port, most_s=60.0):
    """A server may listen before it has its zones."""
    deadline = time.monotonic() + most_s
    while time.monotonic() < deadline:
        if ask(port) == (0, 1):
            return
        time.sleep(0.02)
    raise measure.Failed("it does not answer")


# --- servers ---------------------------------------------------------------------------------------

class Weir(servers.Weir):
    def command(self, place, port, case):
        if case.upstream:
            return [self.path(), "serve", "--config", place.write("weir.yaml", f"""
listen: [{{ dns: "127.0.0.1:{port}" }}]
workers: 1
{servers.AS_ROOT}dns: {{ forward: ["127.0.0.1:{case.upstream}"] }}
""")]
        return [self.path(), "serve", "--config", place.write("weir.yaml", f"""
listen: [{{ dns: "127.0.0.1:{port}" }}]
workers: 1
{servers.AS_ROOT}dns:
  zones: [{{ name: {ZONE}, file: {place.path(case.zone)} }}]
  limits: {{ connections: 100000, idle: 1h }}
""")]


class Nsd(Server):
    name = "nsd"
    program = "nsd"

    def version(self):
        return re.search(r"version (\S+)", self.output_of("-v")).group(1)

    def command(self, place, port, case):
        return [self.path(), "-d", "-c", place.write("nsd.conf", f"""
server:
  ip-address: 127.0.0.1@{port}
  username: ""
  server-count: 1
  zonesdir: "{place.top}"
  pidfile: ""
  database: ""
  logfile: "/dev/null"
  xfrdfile: "{place.path("nsd.xfrd")}"
  zonelistfile: "{place.path("nsd.list")}"
  xfrdir: "{place.top}"
  minimal-responses: yes
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
  tcp-count: {servers.CONNECTIONS_MAX}
  tcp-timeout: {FOREVER_S}
remote-control:
  control-enable: no
zone:
  name: {ZONE}
  zonefile: "{place.path(case.zone)}"
""")]


class Knot(Server):
    name = "knot"
    program = "knotd"

    def version(self):
        return self.output_of("--version").split()[-1]

    def command(self, place, port, case):
        return [self.path(), "-c", place.write("knot.conf", f"""
server:
  listen: 127.0.0.1@{port}
  rundir: {place.top}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  tcp-idle-timeout: {FOREVER_S}
  tcp-max-clients: {servers.CONNECTIONS_MAX}
database:
  storage: {place.directory("knot")}
zone:
- domain: {ZONE}
  file: {place.path(case.zone)}
  journal-content: none
  zonefile-sync: -1
  semantic-checks: off
""")]


class Unbound(Server):
    name = "unbound"
    program = "unbound"

    def version(self):
        return re.search(r"Version (\S+)", self.output_of("-V")).group(1)

    def command(self, place, port, case):
        # DNSSEC is not checked: nor does Weir.
        return [self.path(), "-d", "-c", place.write("unbound.conf", f"""
server:
  interface: 127.0.0.1@{port}
  num-threads: 1
  username: ""
  chroot: ""
  directory: "{place.top}"
  pidfile: ""
  use-syslog: no
  verbosity: 0
  module-config: "iterator"
  do-not-query-localhost: no
  minimal-responses: yes
  msg-cache-size: 64m
  rrset-cache-size: 128m
  msg-buffer-size: 4096
  extended-statistics: no
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@{case.upstream}
""")]
