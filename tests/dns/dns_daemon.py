"""The daemon as a server of DNS: its fixtures, and what is asked of it."""

import base64
import signal
import subprocess

import dns.message
import dns.query
import dns.tsigkeyring
import dns.zone
import pytest

from certificates import Authority

SECRET = "c2VjcmV0IHNlY3JldCBzZWNyZXQ="
KEYRING = dns.tsigkeyring.from_text({"transfer.example.org.": SECRET})

ZONE_TEXT = """$TTL 300
@ IN SOA ns hostmaster {serial} 3600 600 86400 60
@ IN NS ns
ns IN A 127.0.0.1
www IN A 192.0.2.{serial}
short 7 IN A 192.0.2.7
"""


def zone_text(serial=1, more=""):
    return ZONE_TEXT.replace("{serial}", str(serial)) + more


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def pair(authority):
    return authority.sign("localhost", ["localhost", "127.0.0.1"])


class Served:
    """A daemon, and the clients of each of its listeners."""

    def __init__(self, server, directory):
        self.server = server
        self.directory = directory
        self.ports = {url.split(":")[0]: port for url, port in zip(server.urls, server.ports)}

    @property
    def port(self):
        return self.ports["dns"]

    def write(self, text, name="example.org.zone"):
        (self.directory / name).write_text(text)

    def reload(self, said="reloaded"):
        count = self.server.stderr.count(said)
        self.server.send_signal(signal.SIGHUP)
        self.server.wait_stderr(said, count + 1)

    def ask(self, name, kind="A", tcp=False, seconds=60, **options):
        query = dns.message.make_query(name, kind, **options)
        function = dns.query.tcp if tcp else dns.query.udp
        return function(query, "127.0.0.1", port=self.port, timeout=seconds)

    def address(self, name="www.example.org"):
        return self.ask(name).answer[0][0].address

    def log(self):
        path = self.directory / "dns.log"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def served(weir, pair, tmp_path):
    """served(lines of `dns`, …) serves example.org by all of DNS's kinds of listeners."""

    def start(*lines, zone="", workers=2, zones=None, top=""):
        if not (tmp_path / "example.org.zone").exists():
            (tmp_path / "example.org.zone").write_text(zone_text())
        (tmp_path / "public").mkdir(exist_ok=True)
        text = [
            f"workers: {workers}",
            "listen: [{dns: '127.0.0.1:0'}, {dot: '127.0.0.1:0'}, {https: '127.0.0.1:0'}]",
            f"tls: {{certificates: [{{chain: {pair[0]}, key: {pair[1]}}}]}}",
            "sites: [{root: public, dns-over-https: on}]",
            "dns-log: dns.log",
            "dns:",
            *(f"  {line}" for line in lines),
            "  zones:",
        ]
        for name, more in (zones or {"example.org": zone}).items():
            text += [f"    - {{name: {name}, file: {name}.zone{more}}}"]
        (tmp_path / "weir.yaml").write_text("\n".join(text) + "\n" + top)
        return Served(weir("-c", tmp_path / "weir.yaml", cwd=tmp_path), tmp_path)

    return start


def client(*arguments):
    return subprocess.run(
        [str(argument) for argument in arguments], capture_output=True, text=True, timeout=30
    )


def encode(query):
    return base64.urlsafe_b64encode(query).decode().rstrip("=")


class Curl:
    """One request by curl, and what came."""

    def __init__(self, server, target, *arguments, scheme="https"):
        url = f"{scheme}://127.0.0.1:{server.ports[scheme]}{target}"
        out = subprocess.run(
            ["curl", "-sk", "-i", *map(str, arguments), url],
            capture_output=True, timeout=30, check=True,
        ).stdout
        while out.startswith(b"HTTP/1.1 100"):
            out = out.split(b"\r\n\r\n", 1)[1]
        head, self.body = out.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        self.status = int(lines[0].split()[1])
        self.fields = dict(line.lower().split(": ", 1) for line in lines[1:])


def check(run, tmp_path, dns_lines, listen="{dns: '127.0.0.1:0'}", top=""):
    (tmp_path / "example.org.zone").write_text(zone_text())
    (tmp_path / "public").mkdir(exist_ok=True)
    text = f"listen: [{listen}]\n{top}dns:\n" + "".join(f"  {line}\n" for line in dns_lines)
    (tmp_path / "weir.yaml").write_text(text)
    return run("check", "weir.yaml")


def axfr(server, **options):
    return dns.zone.from_xfr(
        dns.query.xfr("127.0.0.1", "example.org", port=server.port, relativize=False, **options),
        relativize=False,
    )
