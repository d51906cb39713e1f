"""Fixtures: an authority, and servers with certificates that it signed; clients that speak TLS."""

import re
import socket
import ssl
import subprocess

import pytest

from certificates import Authority
from wire import SECONDS, Wire


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def pairs(authority):
    """{name: (chain, key)} of three servers."""
    return {
        "a.example": authority.sign("a.example", ["a.example", "127.0.0.1"]),
        "b.example": authority.sign("b.example"),
        "c.example": authority.sign("c.example", ["c.example", "*.c.example"]),
    }


def configuration(pairs, tls="", sites="sites: [{root: site}]\n", port=0, more=""):
    """A weir.yaml that listens for https with these certificates; `tls` are further lines of tls."""
    lines = [f"listen: [{{https: '127.0.0.1:{port}'}}]", "tls:", "  certificates:"]
    lines += [f"    - {{chain: {pair[0]}, key: {pair[1]}}}" for pair in pairs]
    lines += [f"  {line}" for line in tls.splitlines()]
    return "\n".join(lines) + "\n" + sites + more


@pytest.fixture
def secure(weir, pairs, site, tmp_path):
    """secure(tls, more, …) serves `site` over https with the three certificates."""

    def start(tls="", *arguments, **options):
        config = tmp_path / "weir.yaml"
        config.write_text(configuration(pairs.values(), tls, **options))
        return weir("-c", config, *arguments)

    return start


def context_for(authority, **options):
    context = ssl.create_default_context(cafile=authority.path)
    for name, value in options.items():
        setattr(context, name, value)
    return context


class Secured(Wire):
    """A connection with TLS, byte by byte under control above it."""

    def __init__(self, server, authority, name="a.example", context=None, session=None, **options):
        super().__init__(server, **options)
        context = context or context_for(authority)
        self.plain = self.socket
        self.socket = context.wrap_socket(
            self.plain, server_hostname=name, session=session, suppress_ragged_eofs=False
        )

    @property
    def names(self):
        """Those of the server's certificate."""
        return [value for _, value in self.socket.getpeercert()["subjectAltName"]]

    def plain_end(self):
        """No more is sent, not even close_notify."""
        socket.socket.shutdown(self.socket, socket.SHUT_WR)


def s_client(server, *arguments, given=b"", name="a.example", **options):
    """The output of `openssl s_client`; it ends with its input."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}"]
    if name:
        command += ["-servername", name]
    result = subprocess.run(
        [*command, *map(str, arguments)],
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
        **options,
    )
    return result.stdout.decode("latin-1")


def field(text, name):
    """The value of a line "name: value" or "name = value" of s_client."""
    match = re.search(rf"^\s*{re.escape(name)}\s*[:=] ?(.*)$", text, re.M)
    return match[1].strip() if match else None


class Handshake:
    """A client's side of TLS whose bytes are sent by hand. `start()` is its ClientHello."""

    def __init__(self, authority, name="a.example", context=None):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (context or context_for(authority)).wrap_bio(
            self.incoming, self.outgoing, server_hostname=name
        )
        self.done = False

    def step(self):
        """The bytes to be sent now."""
        try:
            self.tls.do_handshake()
            self.done = True
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    def run(self, raw, send):
        """Over a socket; `send(data)` decides how the bytes are sent."""
        while True:
            data = self.step()
            if data:
                send(data)
            if self.done:
                return
            got = raw.recv(65536)
            assert got, "the server ended the handshake"
            self.incoming.write(got)

    def say(self, data):
        """The records of some application data."""
        self.tls.write(data)
        return self.outgoing.read()

    def hear(self, raw):
        """The next application data."""
        while True:
            try:
                return self.tls.read(65536)
            except ssl.SSLWantReadError:
                got = raw.recv(65536)
                if not got:
                    return b""
                self.incoming.write(got)


def connect(server):
    raw = socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return raw


def fetch(server, authority, name="a.example", **options):
    """The body of /."""
    with Secured(server, authority, name, **options) as client:
        return client.ask(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").text
