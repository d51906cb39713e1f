"""DNS servers for tests: the library's own program, NSD and Knot, each on 127.0.0.1 and a free port,
ended by its process id; and clients that speak to them by TCP and UDP.
"""

import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from ports import free_port

TOP = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 60


def program():
    """dns-serve of the build that $WEIR is of."""
    weir = Path(os.environ.get("WEIR", TOP / "build/weir"))
    found = weir.parent / "tests/dns-serve"
    if not found.exists():
        pytest.skip(f"{found} is not built")
    return str(found)


class Server:
    """A process that answers at a port. Queries by TCP share a connection."""

    name = "?"

    def __init__(self, arguments, port, directory):
        self.port = port
        self.error = directory / f"{self.name}.err"
        with open(self.error, "wb") as error:
            self.process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if self.name == "weir" else error,
                stderr=error,
            )
        self.connection = None

    def wait_until_it_answers(self, zone):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                pytest.fail(f"{self.name} ended: {self.error.read_text()}")
            try:
                if self.ask(dns.message.make_query(zone, "SOA")).answer:
                    return self
            except OSError:
                self.connection = None
            time.sleep(0.05)
        pytest.fail(f"{self.name} does not answer: {self.error.read_text()}")

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def ask_bytes(self, wire):
        if not self.connection:
            self.connection = self.connect()
        try:
            self.connection.sendall(struct.pack("!H", len(wire)) + wire)
            return read_message(self.connection)
        except OSError:
            self.connection = None
            raise

    def ask(self, query):
        return dns.message.from_wire(self.ask_bytes(query.to_wire()))

    def udp_bytes(self, wire, seconds=60):
        """The reply by UDP, or None if none comes."""
        with socket.socket(type=socket.SOCK_DGRAM) as udp:
            udp.settimeout(seconds)
            udp.sendto(wire, ("127.0.0.1", self.port))
            try:
                return udp.recvfrom(65535)[0]
            except socket.timeout:
                return None

    def udp(self, query):
        return dns.message.from_wire(self.udp_bytes(query.to_wire()))

    def hang_up(self):
        """Zones are read again."""
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        if self.connection:
            self.connection.close()
            self.connection = None
        if self.process.returncode is not None:
            return
        if self.name == "weir":
            self.process.stdin.close()
        else:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        if self.name == "weir":
            assert code == 0, self.error.read_text()


def read_exactly(connection, size):
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionError("the connection ended")
        data += part
    return data


def read_message(connection):
    (size,) = struct.unpack("!H", read_exactly(connection, 2))
    return read_exactly(connection, size)


class Weir(Server):
    name = "weir"

    def __init__(self, zones, directory, *options):
        files = [f"{zone}={path}" for zone, path in zones.items()]
        super().__init__([program(), *map(str, options), *files], 0, directory)
        self.early = []  # what was told before it listened
        line = self.line()
        while line and not line.startswith("127.0.0.1:"):
            self.early.append(line)
            line = self.line()
        if not line:
            pytest.fail(f"weir ended: {self.error.read_text()}")
        self.port = int(line.rsplit(":", 1)[1])

    def line(self):
        return self.process.stdout.readline().decode().strip()

    def reload(self):
        self.process.stdin.write(b"reload\n")
        self.process.stdin.flush()

    def wait_for(self, beginning):
        """The next line of the log that begins so; those before it are passed over."""
        passed = []
        while True:
            line = self.line()
            if not line:
                pytest.fail(f"no {beginning!r} in {passed}: {self.error.read_text()}")
            if line.startswith(beginning):
                return line
            passed.append(line)


class Nsd(Server):
    """`extra`: lines for each zone; a key is (name, algorithm, secret)."""

    name = "nsd"

    def __init__(self, zones, directory, extra=(), key=None, port=None):
        port = port or free_port()
        lines = [
            "server:",
            f"  ip-address: 127.0.0.1@{port}",
            '  username: ""',
            f'  zonesdir: "{directory}"',
            '  pidfile: ""',
            '  database: ""',
            f'  xfrdfile: "{directory}/nsd.xfrd"',
            f'  zonelistfile: "{directory}/nsd.list"',
            f'  xfrdir: "{directory}"',
            "  minimal-responses: yes",
            "  rrl-ratelimit: 0",
            "remote-control:",
            "  control-enable: no",
        ]
        if key:
            lines += ["key:", f'  name: "{key[0]}"', f"  algorithm: {key[1]}", f'  secret: "{key[2]}"']
        for zone, path in zones.items():
            lines += ["zone:", f"  name: {zone}", f'  zonefile: "{path}"']
            lines += [f"  {line}" for line in extra]
        config = directory / "nsd.conf"
        config.write_text("\n".join(lines) + "\n")
        super().__init__([shutil.which("nsd") or "/usr/sbin/nsd", "-d", "-c", config], port, directory)


class Knot(Server):
    """`before`: lines before the zones; `extra`: lines for each zone."""

    name = "knot"

    def __init__(self, zones, directory, before=(), extra=None, port=None):
        port = port or free_port()
        extra = extra or ["journal-content: none", "zonefile-sync: -1"]
        lines = [
            "server:",
            f"  listen: 127.0.0.1@{port}",
            f"  rundir: {directory}",
            "  udp-workers: 1",
            "  tcp-workers: 1",
            "  background-workers: 1",
            "database:",
            f"  storage: {directory}",
            *before,
            "zone:",
        ]
        for zone, path in zones.items():
            lines += [f"- domain: {zone}", f"  file: {path}", "  semantic-checks: off"]
            lines += [f"  {line}" for line in extra]
        config = directory / "knot.conf"
        config.write_text("\n".join(lines) + "\n")
        super().__init__(
            [shutil.which("knotd") or "/usr/sbin/knotd", "-c", config], port, directory
        )


def have_peers():
    return all(shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin") for name in ("nsd", "knotd"))
